package ua

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// Many calls at once over a network that loses a tenth of all messages, with whoever does whatever at any moment:
// each call ends once on both sides, and nothing is left.
func TestRandomCalls(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(itoa(int(seed)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomCalls(t, seed, 20, 25) })
		})
	}
}

// chance is random numbers for several goroutines.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (c *chance) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}

// act does something to a call.
func (c *chance) act(call *Call, end int) {
	switch c.n(end) {
	case 0:
		_ = call.Reinvite("v=offer\r\n", nil)
	case 1:
		_ = call.Info("a/b", "x", nil)
	case 2:
		_ = call.Refer("sip:somebody@192.0.2.77", nil, nil)
	case 3:
		_ = call.Message("a/b", "x", nil)
	case 4:
		_ = call.Hangup(nil)
	}
}

func randomCalls(t *testing.T, seed uint64, pairs, rounds int) {
	w := newWire()
	b := &bench{TB: t, w: w}
	one, two := b.endpoint(Config{Limits: Limits{Rate: 1e6, Burst: 1e6, Transactions: 1e6, Total: 1e6}}, ours),
		b.endpoint(Config{Limits: Limits{Rate: 1e6, Burst: 1e6, Transactions: 1e6, Total: 1e6}}, theirs)
	luck := &chance{r: rand.New(rand.NewPCG(seed, 1))}
	w.lose(func(netip.AddrPort, netip.AddrPort, []byte) bool { return luck.n(10) == 0 })
	var all sync.WaitGroup
	var ears []*ear
	for i := range pairs {
		here, there := &ear{}, &ear{}
		ears = append(ears, here, there)
		hook := func(h heard) {
			switch h.kind {
			case "incoming":
				all.Go(func() {
					_ = h.call.Ring()
					for range 1 + luck.n(4) {
						time.Sleep(time.Duration(luck.n(2000)) * time.Millisecond)
						switch luck.n(4) {
						case 0:
							_ = h.call.Progress("v=early\r\n", nil)
						case 1:
							_ = h.call.Decline(486, nil)
						default:
							_ = h.call.Accept("v=answer\r\n", nil)
						}
						luck.act(h.call, 12)
					}
					_ = h.call.Hangup(nil)
				})
			case "reinvited":
				if luck.n(5) == 0 {
					_ = h.call.RejectReinvite(488)
				} else {
					_ = h.call.AnswerReinvite("v=answer\r\n", nil)
				}
			case "transfer":
				_ = h.what.(transferred).t.Decline(603)
			}
		}
		here.hook, there.hook = hook, hook
		a, err := one.Account(AccountConfig{Identity: "sip:a" + itoa(i) + "@" + ours, RFC2543Cancel: i%4 == 0}, here)
		b.ok(err)
		_, err = two.Account(AccountConfig{Identity: "sip:b" + itoa(i) + "@" + theirs}, there)
		b.ok(err)
		all.Go(func() {
			for range rounds {
				c, err := a.Call(CallConfig{URI: "sip:b" + itoa(i) + "@" + theirs, SDP: "v=0\r\n"})
				if err != nil {
					t.Error(err)
					return
				}
				for range luck.n(8) {
					time.Sleep(time.Duration(luck.n(1500)) * time.Millisecond)
					luck.act(c, 6)
				}
				_ = c.Hangup(nil)
				waittest.UntilEvery(t, time.Second, 10*time.Minute, "a call ends", func() bool { return c.State() == Over && !a.Busy() })
			}
		})
	}
	all.Wait()
	b.pass(10 * time.Minute)
	for _, e := range []*Endpoint{one, two} {
		s := e.Stats()
		s.Sources, s.Accounts = 0, 0
		if s != (Stats{}) {
			t.Errorf("left: %+v", s)
		}
	}
	answered := 0
	for i, h := range ears {
		ended := map[*Call]int{}
		for _, x := range h.list {
			if x.kind == "ended" {
				ended[x.call]++
			} else if x.call != nil && x.kind != "transfer" && ended[x.call] > 0 {
				t.Errorf("%q after the end", x.kind)
			}
			if x.kind == "answered" {
				answered++
			}
		}
		for c, n := range ended {
			if n != 1 {
				t.Errorf("%s ended %d times", c.ID(), n)
			}
		}
		if n := h.count("incoming"); i%2 == 1 && n != len(ended) {
			t.Errorf("%d calls came, %d ended", n, len(ended))
		}
		if i%2 == 0 && len(ended) != rounds {
			t.Errorf("%d calls of %d ended", len(ended), rounds)
		}
	}
	if answered < pairs*rounds/5 {
		t.Errorf("only %d answers", answered)
	}
	b.quiet(one)
	b.quiet(two)
}
