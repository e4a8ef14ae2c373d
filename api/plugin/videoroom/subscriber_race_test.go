package videoroom

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/task"
)

func reqOf(t testing.TB, body string) *plugin.Request {
	return &plugin.Request{Transaction: "t", Body: plugintest.Parse(t, body)}
}

// Subscribers ask for everything they can at once while publishers come, go,
// and change. Whatever happens, one offer at most is outstanding (the Host
// checks that), and in the end everybody has what there is.
func TestStorm(t *testing.T) {
	const feeds, seats, rounds = 6, 6, 150
	th := newBareRoom(t)
	var tasks task.Tasks
	th.publish("1", "", "opus", "vp8 simulcast", "data") // stays

	var all []*subscribing
	for range seats {
		s := th.subscribe()
		s.exec = task.NewSerial(1<<20, &tasks, slog.New(slog.DiscardHandler))
		s.post(`{"request":"join","ptype":"subscriber","room":1234,"streams":[{"feed":1}]}`)
		all = append(all, s)
	}
	var wg sync.WaitGroup
	for n := range feeds {
		wg.Go(func() { th.churn(fmt.Sprint(n+2), rounds, rand.New(rand.NewPCG(uint64(n), 1))) })
	}
	for n, s := range all {
		wg.Go(func() { s.churn(feeds, rounds, rand.New(rand.NewPCG(uint64(n), 2))) })
	}
	wg.Wait()
	for _, s := range all {
		s.finish(&tasks)
	}
	th.checkBooks()
	for i, s := range all {
		sub := s.sub()
		if !sub.answered || sub.pending || len(s.offers) != 0 {
			t.Errorf("subscriber %d: answered %v, pending %v, %d offers", i, sub.answered, sub.pending, len(s.offers))
		}
		for _, l := range sub.lines {
			if l.active() != l.offered && sub.autoupdate && !sub.stale {
				t.Errorf("subscriber %d, m-line %d: active %v, offered %v", i, l.index, l.active(), l.offered)
			}
			if st := l.stream(); st != nil && l.offered && !l.ready {
				t.Errorf("subscriber %d, m-line %d is not ready", i, l.index)
			}
		}
		s.h.Detach()
	}
	th.room.mu.Lock()
	defer th.room.mu.Unlock()
	for _, st := range th.room.participants["1"].streams {
		if len(st.lines) != 0 {
			t.Errorf("%d subscriptions are left", len(st.lines))
		}
	}
}

// post runs a request on the subscribing's executor, as the core does.
func (s *subscribing) post(body string) {
	s.exec.Must(func() {
		if r := s.h.Message(reqOf(s.t, body)); r.Run != nil {
			r.Run()
		}
	})
}

// reply answers the outstanding offer, if there is one.
func (s *subscribing) reply() {
	s.exec.Must(func() {
		if j := s.answer(); j != nil {
			r := reqOf(s.t, `{"request":"start"}`)
			r.JSEP = j
			s.h.Message(r).Run()
		}
	})
}

func (s *subscribing) churn(feeds, rounds int, random *rand.Rand) {
	for range rounds {
		feed, mid := random.IntN(feeds+1)+1, random.IntN(3)
		switch random.IntN(9) {
		case 0:
			s.post(fmt.Sprintf(`{"request":"subscribe","streams":[{"feed":%d}]}`, feed))
		case 1:
			s.post(fmt.Sprintf(`{"request":"unsubscribe","streams":[{"feed":%d}]}`, feed))
		case 2:
			s.post(fmt.Sprintf(`{"request":"update","subscribe":[{"feed":%d,"mid":"%d"}],"unsubscribe":[{"sub_mid":"%d"}]}`, feed, mid, random.IntN(8)))
		case 3:
			s.post(fmt.Sprintf(`{"request":"switch","streams":[{"feed":%d,"mid":"%d","sub_mid":"%d"}]}`, feed, mid, random.IntN(8)))
		case 4:
			s.post(fmt.Sprintf(`{"request":"switch","feed":%d}`, feed))
		case 5:
			s.post(`{"request":"configure","update":true,"substream":1}`)
		case 6:
			s.post(`{"request":"pause"}`)
		default:
			s.reply()
		}
	}
}

// finish answers until no offer comes any more.
func (s *subscribing) finish(tasks *task.Tasks) {
	for range 10 {
		s.reply()
		tasks.Wait()
	}
}

// churn lets a publisher come, change and go, again and again.
func (th *bareRoom) churn(name string, rounds int, random *rand.Rand) {
	kinds := []string{"opus", "vp8", "data"}
	for range rounds {
		p := th.publish(name, "", kinds[:1+random.IntN(3)]...)
		th.room.mu.Lock()
		st := p.streams[random.IntN(len(p.streams))]
		switch random.IntN(3) {
		case 0:
			st.paused = true
			st.gateChanged()
		case 1:
			st.disabled = true
			th.room.feedChanged(p)
		}
		th.room.mu.Unlock()
		p.deliver(false, []byte("x"))
		th.gone(p, random.IntN(3) > 0)
	}
}
