package videocall

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// checkBooks checks that what the plugin knows fits together when nothing is under way.
func checkBooks(t testing.TB, p *Plugin, clients []*plugintest.Client) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	registered := 0
	for _, x := range clients {
		h := x.Handle.(*handle)
		if h.registered && !h.IsDetached() {
			registered++
			if p.users[h.name] != h {
				t.Errorf("%s is not among the users", h.name)
			}
		}
		if h.notices != 0 || h.ringing || len(h.updates) != 0 {
			t.Errorf("%s: %d notices, ringing %v, %d updates are left", h.name, h.notices, h.ringing, len(h.updates))
		}
		c := h.call
		if (c != nil && c.accepted) != (h.other.Load() != nil) {
			t.Errorf("%s: data is passed on without a call", h.name)
		}
		if c == nil {
			continue
		}
		if c.over || h.IsDetached() || c.opposite(h).IsDetached() || c.opposite(h).call != c || !c.told {
			t.Errorf("%s is in a call that there is not: %+v", h.name, c)
		}
	}
	if len(p.users) != registered {
		t.Errorf("%d users, %d are registered", len(p.users), registered)
	}
}

// FuzzRequests has three users send requests, with or without descriptions, and lose
// their connections.
func FuzzRequests(f *testing.F) {
	const accept, hangup = "1a {\"request\":\"accept\"}\n", "0n {\"request\":\"hangup\"}\n"
	f.Add("0o {\"request\":\"call\",\"username\":\"1\"}\n" + accept + "0u {\"request\":\"set\"}\n1A {\"request\":\"set\",\"video\":false}\n" + hangup)
	f.Add("0s {\"request\":\"call\",\"username\":\"1\"}\n" + accept + "1e\n0e\n1n {\"request\":\"set\",\"substream\":0,\"temporal\":1,\"fallback\":9}\n1h")
	f.Add("0o {\"request\":\"call\",\"username\":\"1\"}\n2o {\"request\":\"call\",\"username\":\"1\"}\n1o {\"request\":\"call\",\"username\":\"2\"}\n" + hangup + accept)
	f.Add("0a {\"request\":\"call\",\"username\":\"1\"}\n1o {\"request\":\"accept\"}\n0d\n1n {\"request\":\"list\"}\n" + hangup + hangup)
	f.Add("0o {\"request\":\"call\",\"username\":\"0\"}\n0n {\"request\":\"hangup\",\"reason\":\"\\u0000\"}\n1n {\"request\":\"register\",\"username\":\"\"}")
	f.Fuzz(func(t *testing.T, text string) {
		p := New(t.TempDir())
		core := plugintest.New(t, p, plugintest.Config{})
		var users []*plugintest.Client
		for _, name := range []string{"0", "1", "2"} {
			x := core.Attach(plugintest.Options{})
			x.Send(`{"request":"register","username":"`+name+`"}`, nil)
			users = append(users, x)
		}
		monkey := plugintest.Monkey{Core: core, Clients: users, Offer: offer, Other: func(x *plugintest.Client, what byte, line string) (j *plugin.JSEP) {
			switch what {
			case 's':
				j = simulcastOffer()
			case 'e':
				x.Pass(sfu.Event{Kind: sfu.EventLayer, Section: int(line[0]) % 3, Layer: media.Layer{Encoding: 1, Temporal: 1}})
				x.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: len(line)})
			}
			return j
		}}
		monkey.Do(text)
		core.Settle()
		checkBooks(t, p, users)
	})
}

// TestChaos: users with peer connections call each other, hang up, lose their connections
// and leave at random, all at once. Nobody is left behind.
func TestChaos(t *testing.T) {
	p := New(t.TempDir())
	core := plugintest.New(t, p, plugintest.Config{Engine: sfu.Config{Shards: 2}})
	text := newExchange(t).phone("template").template()
	names := []string{"a", "b", "c", "d", "e"}
	var mu sync.Mutex
	var all []*plugintest.Client
	attach := func(name string) *plugintest.Client {
		x := core.Connect(plugintest.Options{})
		x.Message("t", `{"request":"register","username":"`+name+`"}`, nil)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, x)
		return x
	}
	calls := 0
	accepted := func() int {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range all {
			for _, e := range x.Events() {
				if e.SDP != "" && e.Field("result", "event") == "accepted" {
					calls++
				}
			}
		}
		return calls
	}
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			x := attach(name)
			// On a busy machine it may take longer until a call is accepted.
			for step := 0; step < 150 || step < 3000 && accepted() == 0; step++ {
				if r.IntN(2) == 0 {
					x.Settle() // or else nobody ever hears of a call before it is over
				}
				switch r.IntN(14) {
				case 0, 1, 2:
					if j, err := x.TryRemote("offer", text); err == nil {
						x.Message("t", `{"request":"call","username":"`+names[r.IntN(len(names))]+`"}`, j)
					}
				case 3, 4, 5, 6, 7, 8, 9, 10:
					if j, err := x.TryRemote("answer", answerText(text)); err == nil {
						x.Message("t", `{"request":"`+[]string{"accept", "accept", "accept", "set"}[r.IntN(4)]+`"}`, j)
					}
				case 11:
					x.Message("t", `{"request":"hangup"}`, nil)
				case 12:
					x.Hangup()
				case 13:
					if r.IntN(4) == 0 {
						x.Detach()
						x = attach(name)
						continue
					}
					if j, err := x.TryRemote("offer", text); err == nil {
						x.Message("t", `{"request":"set","video":false,"bitrate":1}`, j)
					}
				}
			}
		})
	}
	waittest.InTime(t, "the chaos", wg.Wait)
	if accepted() == 0 {
		t.Error("no call was accepted")
	}
	t.Logf("%d calls were accepted, %d handles", calls, len(all))
	for _, x := range all {
		x.Message("t", `{"request":"hangup"}`, nil)
		x.Hangup()
	}
	waittest.Until(t, "all are idle", func() bool {
		core.Settle()
		for _, x := range all {
			if q := x.Query(); !strings.Contains(q, `"incall":0,"hangingup":0`) || x.Peer() != nil {
				return false
			}
		}
		return true
	})
	checkBooks(t, p, all)
}

// template is an offer for those who will not connect.
func (p *phone) template() string {
	p.plugIn()
	p.channel("d", "")
	d, err := p.PC.CreateOffer(nil)
	p.Must(err)
	return p.Local(d)
}

// answerText is what accepts an offer like that.
func answerText(offer string) string {
	return strings.ReplaceAll(offer, "a=setup:actpass", "a=setup:active")
}
