package sfu

import (
	"encoding/binary"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/mix"
	"bifrons/sfu/peer"
	"bifrons/sfu/pipe"
)

// receiver is a peer of a client that gets a mix.
type receiver struct {
	t      *testing.T
	server *Peer
	heard  *Pipe
	ear    *ear

	last  *pipe.Packet
	said  uint32 // number of the frame in the last packet
	twice int    // packets in a row with redundancy
	plain int    // packets in a row without
}

func newReceiver(t *testing.T, server *Engine, red bool) *receiver {
	t.Helper()
	s := audioSection()
	if red {
		s.Codecs = append([]media.Codec{{Name: media.RED, PayloadType: 63, ClockRate: 48000}}, s.Codecs...)
	}
	client := newEngine(t, nil)
	hc, hs := newEvents(t), newEvents(t)
	own, err := client.NewPeer(PeerConfig{Controlling: true}, hc)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t}
	if r.server, err = server.NewPeer(PeerConfig{}, hs); err != nil {
		t.Fatal(err)
	}
	own.SetSections([]media.Section{s})
	r.server.SetSections([]media.Section{s})
	connect(t, own, r.server)
	hc.await(EventUp)
	hs.await(EventUp)
	r.heard = client.Pipe(own, 0)
	t.Cleanup(func() {
		r.heard.Close()
		waittest.Until(t, "the pipe is empty", func() bool { r.heard.Empty(); return r.heard.Over() })
	})
	r.ear = &ear{peer: r.server, section: 0, site: r.server.site, stream: -1}
	return r
}

// take takes what has come: every frame once, with numbers and timestamps that go on.
func (r *receiver) take() {
	var q pipe.Packet
	for {
		_, ok := r.heard.Next(nil, &q)
		if !ok {
			return
		}
		if q.Report {
			continue
		}
		payload := q.Data[q.Head:]
		if q.Data[1]&0x7f == 63 {
			var d codec.RED
			if err := d.Parse(payload); err != nil {
				r.t.Fatal(err)
			}
			before, _ := d.Next()
			if b, _ := codec.REDPrimary(payload); before.Primary {
				payload = b.Data
			} else {
				if payload = b.Data; binary.BigEndian.Uint32(before.Data)+1 != binary.BigEndian.Uint32(payload) || before.Offset != 960 {
					r.t.Errorf("before frame %d comes %d, %d earlier", payload, before.Data, before.Offset)
				}
				r.twice, r.plain = r.twice+1, 0
			}
		} else {
			r.twice, r.plain = 0, r.plain+1
		}
		said := binary.BigEndian.Uint32(payload)
		if r.last != nil && (q.Seq != r.last.Seq+1 || q.Timestamp != r.last.Timestamp+960 || said != r.said+1) {
			r.t.Errorf("after frame %d, %d at %d, comes %d, %d at %d", r.said, r.last.Seq, r.last.Timestamp, said, q.Seq, q.Timestamp)
		}
		p := q
		r.last, r.said = &p, said
	}
}

// TestLossyListener: who loses packets and takes redundant audio gets that, until nothing is
// lost any more, and no frame is missing or comes twice; others do not.
func TestLossyListener(t *testing.T) {
	waittest.NoLeaks(t)
	server := newEngine(t, nil)
	one, other := newReceiver(t, server, true), newReceiver(t, server, false)
	over := make(chan struct{})
	out := newOutlet(server, func() { close(over) })
	streams := [2]int{out.Open(mix.Opus, nil), out.Open(mix.Opus, nil)}
	n, at := uint32(0), mono.Now()
	say := func() {
		n++
		at = at.Add(mix.Frame)
		for _, s := range streams {
			out.Send(s, at, binary.BigEndian.AppendUint32(nil, n))
		}
		out.Flush()
		for _, r := range []*receiver{one, other} {
			r.take()
		}
	}
	until := func(what string, done func() bool) {
		t.Helper()
		waittest.Until(t, what, func() bool { say(); return done() })
	}
	lose := func(share float64) {
		for _, r := range []*receiver{one, other} {
			r.server.do(func(now mono.Time, c *peer.Peer) { r.ear.lose(now, share) })
		}
	}
	for _, r := range []*receiver{one, other} {
		out.Hear(r.ear, streams[0])
	}
	until("both hear it", func() bool { return one.plain > 5 && other.plain > 5 })
	for range 2 {
		lose(.1)
		until("it comes twice", func() bool { return one.twice > 5 })
		for i := range streams {
			out.Hear(one.ear, streams[1-i])
			came := one.twice
			until("it goes on, by another stream", func() bool { return one.twice > came+5 })
		}
		for range 20 {
			lose(0)
		}
		until("it comes once", func() bool { return one.plain > 5 })
	}
	if other.plain < 20 || other.twice > 0 {
		t.Errorf("who does not take it got %d without it", other.plain)
	}
	lose(.5)
	until("it comes twice", func() bool { return one.twice > 5 })
	one.server.Close("")
	until("nobody needs it", func() bool { return !out.shard(one.server.site).lossy.any.Load() })
	for _, r := range []*receiver{one, other} {
		out.Hear(r.ear, -1)
	}
	out.End()
	<-over
	other.server.Close("")
}

// TestRedundantSize: what is too large, or too long ago, is sent once.
func TestRedundantSize(t *testing.T) {
	for _, x := range []struct {
		before, now int
		offset      uint32
		copies      int
	}{{0, 100, 960, 0}, {100, 100, 960, 1}, {1000, 195, 960, 1}, {1000, 196, 960, 0}, {1024, 10, 960, 0}, {100, 1275, 960, 0}, {100, 100, 1 << 14, 0}} {
		s := outStream{codec: mix.Opus, seq: 7, time: 8, said: make([]byte, x.before)}
		b := s.redundant(nil, make([]byte, x.now), x.offset)
		var h rtp.Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		var d codec.RED
		if err := d.Parse(b[rtp.FixedHeaderLen:]); err != nil || d.Copies() != x.copies {
			t.Errorf("%+v: %d copies, %v", x, d.Copies(), err)
		}
		if p, err := codec.REDPrimary(b[rtp.FixedHeaderLen:]); err != nil || len(p.Data) != x.now || p.PT != innerOpus {
			t.Errorf("%+v: %+v, %v", x, p, err)
		}
	}
}
