package ua

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/api/task"
)

// caller is a phone that calls an account, and remembers what it needs for more requests.
type caller struct {
	*bench
	h       *ear
	c       *Call // nil = none has come
	branch  string
	seq     int
	first   text     // latest response to the INVITE with a tag
	asked   text     // latest request of the account's
	offered []string // lines of the INVITE
}

// hear takes what came.
func (x *caller) hear() {
	x.pass(0)
	for len(x.phone.got) > 0 {
		switch m := <-x.phone.got; {
		case !strings.HasPrefix(m.Start, "SIP/2.0 "):
			x.asked = m
		case strings.HasSuffix(m.Get("CSeq"), " INVITE") && strings.Contains(m.Get("To"), "tag="):
			x.first = m
		}
	}
	if x.c == nil && x.h.count("incoming") > 0 {
		x.c = x.h.last(x, "incoming").call
	}
}

// request sends a request within the dialog, as far as there is one.
func (x *caller) request(method string, more ...string) {
	uri, to := contactOf(x.first), x.first.Get("To")
	if uri == "" {
		uri = "sip:alice@" + ours
	}
	if to == "" {
		to = "<sip:alice@" + theirs + ">"
	}
	x.seq++
	x.phone.request(method, uri, "<sip:far@"+theirs+">;tag=far", to, "f1", x.seq, more...)
}

// do does one thing, by the number n; more may change it.
func (x *caller) do(n, more byte) {
	var body []string
	if more&1 != 0 {
		body = withSDP()
	}
	rseq, _ := strconv.Atoi(x.first.Get("RSeq"))
	switch n % 16 {
	case 0:
		x.request("PRACK", append([]string{"RAck: " + itoa(rseq+int(more>>6)) + " " + itoa(1+int(more>>4&1)) + " INVITE"}, body...)...)
	case 1:
		x.request("UPDATE", body...)
	case 2:
		x.request("INVITE", append(x.offered[:min(len(x.offered), int(more>>1&1))], body...)...)
	case 3:
		x.request([]string{"BYE", "INFO", "REFER", "OPTIONS"}[more>>1&3], append([]string{"Refer-To: <sip:c@" + theirs + ">"}, body...)...)
	case 4:
		to := "<sip:alice@" + theirs + ">"
		x.phone.requestBy(x.branch, "CANCEL", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", to, "f1", 1)
	case 5:
		if x.first.Start != "" {
			x.ackOf(x.branch, x.first, body...)
		}
	case 6:
		if x.asked.Start != "" {
			x.phone.reply(x.asked, []string{"200 OK", "100 Trying", "491 Later", "481 Gone"}[more>>1&3], body...)
		}
	case 7:
		x.pass(transferTime / time.Duration([]int{3600, 180, 4, 1}[more>>1&3]))
	}
	c := x.c
	if c == nil {
		return
	}
	text := "v=" + itoa(int(more)) + "\r\n"
	switch n % 16 {
	case 8:
		_ = c.Ring()
	case 9:
		_ = c.Progress(text, nil)
	case 10:
		_ = c.Accept(text, nil)
	case 11:
		_ = c.Decline(300+int(more), nil)
	case 12:
		_ = c.Reinvite(text, nil)
	case 13:
		_ = c.AnswerReinvite(text, nil)
	case 14:
		_ = c.RejectReinvite(488)
	case 15:
		_ = c.Hangup(nil)
	}
}

// FuzzCall has both sides of a call do anything in any order: two bytes say what, the first ones what the INVITE asks for. The call
// ends once, and nothing is left.
func FuzzCall(f *testing.F) {
	f.Add([]byte{3, 8, 0, 0, 0, 9, 0, 0, 0, 10, 0, 5, 0, 1, 1, 13, 0, 3, 0})              // 100rel: ring, PRACK, progress, PRACK, accept, ACK, UPDATE, BYE
	f.Add([]byte{1, 9, 0, 10, 0, 1, 1, 0, 1, 5, 0, 2, 1, 1, 1, 14, 0, 12, 0, 6, 4})       // an UPDATE before the PRACK, glare
	f.Add([]byte{3, 9, 0, 4, 0, 0, 0, 7, 4, 15, 0})                                       // CANCEL before the PRACK
	f.Add([]byte{1, 8, 0, 9, 0, 0, 1, 7, 2, 10, 0, 15, 0, 7, 6})                          // our offer, and its answer by PRACK; no ACK
	f.Add([]byte{2, 10, 0, 2, 3, 5, 0, 12, 7, 2, 1, 6, 0, 3, 4, 11, 3, 7, 4, 3, 0, 7, 7}) // re-INVITEs both ways, REFER
	f.Add([]byte("790Z00010C0"))                                                          // BYE while the 2xx waits for a PRACK
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) < 2 || len(ops) > 80 {
			return
		}
		before := task.Panics()
		inBubble(t, Config{Log: slog.New(slog.DiscardHandler)}, func(b *bench) {
			_, h := b.account(b.e, "alice")
			x := &caller{bench: b, h: h, seq: 1}
			if ops[0]&1 != 0 {
				x.offered = []string{reliably}
			}
			lines := x.offered
			if ops[0]&2 != 0 {
				lines = append(lines[:len(lines):len(lines)], withSDP()...)
			}
			x.branch = b.phone.request("INVITE", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", "<sip:alice@"+theirs+">", "f1", 1, lines...)
			for x.hear(); len(ops) > 2; ops = ops[2:] {
				x.do(ops[1], ops[2])
				x.hear()
			}
			defer func() {
				if n := h.count("ended"); n != h.count("incoming") {
					t.Errorf("%q", h.kinds())
				}
			}()
			b.quiet(b.e)
		})
		if n := task.Panics(); n != before {
			t.Fatal("panic")
		}
	})
}
