package ua

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reliability makes the 1xx responses of ours arrive that a caller asks for by Require: 100rel (RFC 3262). We never ask
// for that ourselves: Supported does not name it, but who does it all the same gets his PRACK.
type reliability struct {
	seq       uint32 // RSeq of the latest
	waits     bool   // for the PRACK of it
	described bool   // one of them had a description
	queue     []*message
	then      func()   // sends the 2xx, once all that it depends on has arrived
	answer    *message // PRACK with the answer to our offer
	wait      time.Duration
	again     *timer
	limit     *timer
}

// requires reports whether a message names an extension in Require.
func requires(m *message, extension string) bool {
	return slices.ContainsFunc(m.list("Require"), func(v string) bool { return strings.EqualFold(v, extension) })
}

func newReliability(m *message) *reliability {
	if !requires(m, "100rel") {
		return nil
	}
	return &reliability{seq: 1 + uint32(rand.IntN(1<<30))}
}

// deferred reports whether a 2xx of ours waits for a PRACK. r may be nil.
func (r *reliability) deferred() bool { return r != nil && r.then != nil }

// stop ends the repetitions. r may be nil.
func (r *reliability) stop() {
	if r != nil {
		r.again.stop()
		r.limit.stop()
		r.waits, r.then, r.queue = false, nil, nil
	}
}

// maxReliable is how many responses wait for the PRACK of the one before.
const maxReliable = 8

// provideReliably sends a 1xx response until its PRACK comes, after those before it (RFC 3262, 3).
func (c *Call) provideReliably(m *message) {
	r := c.reliable
	if r.waits {
		if len(r.queue) < maxReliable {
			r.queue = append(r.queue, m)
		}
		return
	}
	if r.described {
		m.headers = slices.DeleteFunc(m.headers, func(h Header) bool { return h.Name == "Content-Type" })
		m.body = nil
	}
	r.described = r.described || len(m.body) > 0
	r.seq++
	r.waits, r.wait = true, t1
	m.add("Require", "100rel")
	m.add("RSeq", strconv.FormatUint(uint64(r.seq), 10))
	c.server.respond(m)
	var repeat func()
	repeat = func() {
		c.server.send()
		r.wait *= 2
		r.again = c.a.e.after(r.wait, repeat)
	}
	r.again = c.a.e.after(r.wait, repeat)
	r.limit = c.a.e.after(c.a.e.cfg.T1x64, func() {
		c.server.extras = nil
		c.server.answer(504)
		c.finish(End{Code: 504, Reason: "No PRACK"})
	})
}

// pracked takes a PRACK.
func (c *Call) pracked(m *message, s *serverTx) {
	r := c.reliable
	if r == nil || !r.waits || !r.means(m.headers.Get("RAck"), c.server.req.seq) {
		s.answer(481)
		return
	}
	r.again.stop()
	r.limit.stop()
	r.waits = false
	switch {
	case len(m.body) == 0:
		s.answer(200)
	case c.first.SDP == "" && r.described && r.answer == nil:
		r.answer = m
		s.answer(200)
	default: // it is acknowledged, but its offer is not accepted
		s.answer(488)
	}
	switch {
	case r.then != nil:
		then := r.then
		r.then, r.queue = nil, nil
		then()
	case len(r.queue) > 0:
		next := r.queue[0]
		r.queue = r.queue[1:]
		c.provideReliably(next)
	}
}

// means reports whether RAck names our latest response, to an INVITE with that number.
func (r *reliability) means(rack string, invite uint32) bool {
	f := strings.Fields(rack)
	return len(f) == 3 && f[0] == strconv.FormatUint(uint64(r.seq), 10) && f[1] == strconv.FormatUint(uint64(invite), 10) && f[2] == "INVITE"
}

// prack acknowledges a 1xx response that asks for it. It is false if the response came before, or out of order (RFC
// 3262, 4).
func (d *dialog) prack(m *message) bool {
	if !requires(m, "100rel") {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(m.headers.Get("RSeq")), 10, 32)
	if err != nil || d.rseq != 0 && uint32(n) != d.rseq+1 {
		return false
	}
	d.rseq = uint32(n)
	d.send("PRACK", func(p *message) {
		p.add("RAck", strconv.FormatUint(n, 10)+" "+strconv.FormatUint(uint64(m.seq), 10)+" INVITE")
	}, func(*message) {})
	return true
}
