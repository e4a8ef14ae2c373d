package videoroom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

// complete checks that packets came without a gap, each once, from one source
// of ours, and that all numbers from first to last are there.
func complete(t *testing.T, what string, list []heard, first, last uint64) {
	t.Helper()
	numbers := make(map[uint64]int)
	var seqs []int64
	at := int64(list[0].seq)
	for _, h := range list {
		numbers[h.number]++
		at += int64(int16(h.seq - uint16(at)))
		seqs = append(seqs, at)
		if h.ssrc != list[0].ssrc {
			t.Errorf("%s: SSRC %d, then %d", what, list[0].ssrc, h.ssrc)
		}
	}
	for n := first; n <= last; n++ {
		if numbers[n] != 1 {
			t.Errorf("%s: packet %d came %d times", what, n, numbers[n])
		}
	}
	slices.Sort(seqs)
	for i := range seqs[1:] {
		if seqs[i+1] != seqs[i]+1 {
			t.Errorf("%s: a gap in the sequence numbers between %d and %d", what, seqs[i], seqs[i+1])
		}
	}
}

// Every packet of a publisher reaches all subscribers, on whatever shard they
// are; so does data.
func TestEveryPacketArrives(t *testing.T) {
	waittest.NoLeaks(t)
	v := newVenue(t)
	s := v.sing(0)
	listeners := []*listener{
		v.listen(dict{"streams": []dict{{"feed": s.id}}}),
		v.listen(dict{"feed": s.id}),
		v.listen(dict{"streams": []dict{{"feed": s.id, "mid": "0"}, {"feed": s.id, "mid": "1"}, {"feed": s.id, "mid": "2"}}}),
	}
	stop := s.perform(s.audio, s.video)
	firsts := make([][2]uint64, len(listeners))
	for i, l := range listeners {
		for k, mid := range []string{"0", "1"} {
			l.awaitAfter(mid, 0)
			firsts[i][k] = l.got(mid)[0].number
		}
	}
	for i, l := range listeners {
		for k, mid := range []string{"0", "1"} {
			l.awaitAfter(mid, firsts[i][k]+100)
		}
	}
	stop()
	for i, l := range listeners {
		for k, x := range []*voice{s.audio, s.video} {
			mid, first := fmt.Sprint(k), firsts[i][k]
			eventually(t, "all packets", func() bool { return uint64(len(l.got(mid))) >= x.sent-first+1 })
			complete(t, fmt.Sprintf("listener %d, m-line %s", i, mid), l.got(mid), first, x.sent)
		}
	}
	for i, st := range v.engine.Stats() {
		if st.Net.DatagramsOut < 100 {
			t.Errorf("shard %d has sent nothing", i)
		}
	}

	<-s.open
	for i, l := range listeners {
		eventually(t, "data channels are up", func() bool {
			v.plugin.room("1234").mu.Lock()
			defer v.plugin.room("1234").mu.Unlock()
			for x := range v.plugin.room("1234").subscribers {
				if !x.writable {
					return false
				}
			}
			return true
		})
		if i == 0 {
			s.must(s.channel.SendText("hello"))
			s.must(s.channel.Send([]byte("bytes")))
		}
		want := map[string]bool{fmt.Sprintf("%d true: hello", s.id): true, fmt.Sprintf("%d false: bytes", s.id): true}
		for range 2 {
			select {
			case text := <-l.told:
				if !want[text] {
					t.Errorf("listener %d was told %q", i, text)
				}
				delete(want, text)
			case <-time.After(patience):
				t.Fatalf("listener %d was not told %v", i, want)
			}
		}
	}
}

// A subscription goes through all that can happen to it while media flows.
func TestSubscriptionLife(t *testing.T) {
	waittest.NoLeaks(t)
	v := newVenue(t)
	a, b := v.sing(0), v.sing(1_000_000)
	a.perform(a.audio, a.video)
	b.perform(b.audio, b.video)
	l := v.listen(dict{"streams": []dict{{"feed": a.id, "mid": "0"}, {"feed": a.id, "mid": "1"}}})
	l.awaitAfter("0", 0)
	l.awaitAfter("1", 0)

	// Somebody else, who goes on to get what is held from the first one, tells
	// that time has passed.
	other := v.listen(dict{"streams": []dict{{"feed": a.id, "mid": "0"}}})
	pass := func() { other.awaitAfter("0", other.last("0")+20) }
	holds := func(name string, hold, resume func()) {
		t.Helper()
		hold()
		pass() // what was on its way
		n := l.last("1")
		pass()
		if got := l.last("1"); got != n {
			t.Errorf("%s: %d packets came", name, got-n)
		}
		resume()
		l.awaitAfter("1", n)
	}
	ask := func(k *ticket, body dict) func() { return func() { k.request(body, nil) } }
	holds("pause", ask(l.ticket, dict{"request": "pause"}), ask(l.ticket, dict{"request": "start"}))
	holds("configure", ask(l.ticket, dict{"request": "configure", "streams": []dict{{"mid": "1", "send": false}}}),
		ask(l.ticket, dict{"request": "configure", "video": true}))
	holds("publisher", ask(a.ticket, dict{"request": "configure", "video": false}), ask(a.ticket, dict{"request": "configure", "video": true}))
	moderate := func(mute bool) func() {
		return ask(v.attach(), dict{"request": "moderate", "room": 1234, "id": a.id, "mid": "1", "mute": mute})
	}
	holds("moderate", moderate(true), moderate(false))

	ssrc := l.got("1")[0].ssrc
	e := l.request(dict{"request": "switch", "streams": []dict{{"feed": b.id, "mid": "1", "sub_mid": "1"}}}, nil)
	if d := dataOf(e); d["switched"] != "ok" || d["changes"] != 1.0 || e["jsep"] != nil {
		t.Errorf("got %v", e)
	}
	l.awaitAfter("1", 1_000_000)
	list := l.got("1")
	if list[len(list)-1].ssrc != ssrc {
		t.Error("the SSRC has changed")
	}
	complete(t, "after the switch", list, list[0].number, list[0].number)

	e = l.request(dict{"request": "update", "subscribe": []dict{{"feed": b.id}}, "unsubscribe": []dict{{"feed": a.id}}}, nil)
	l.answer(e)
	l.awaitAfter("0", 1_000_000)
	n := l.last("1")
	l.awaitAfter("2", 1_000_000)
	l.awaitAfter("1", n)

	e = l.request(dict{"request": "configure", "restart": true}, nil)
	l.answer(e)
	n = l.last("0")
	l.awaitAfter("0", n)

	b.verb("hangup")
	e = l.wait("updated", func(e dict) bool { return dataOf(e)["videoroom"] == "updated" && e["jsep"] != nil })
	for _, x := range dataOf(e)["streams"].([]any) {
		if o := x.(dict); o["active"] != (o["type"] == "data") {
			t.Errorf("got %v", o)
		}
	}
	l.answer(e)

	// The m-lines are of use again for the one that is still there.
	e = l.request(dict{"request": "subscribe", "streams": []dict{{"feed": a.id, "mid": "0"}, {"feed": a.id, "mid": "1"}}}, nil)
	if d := dataOf(e); len(d["streams"].([]any)) != 4 {
		t.Errorf("got %v", d)
	}
	audio, video := len(l.got("0")), len(l.got("1"))
	l.answer(e)
	eventually(t, "media of the first feed again", func() bool { return len(l.got("0")) > audio && len(l.got("1")) > video })
	if got := l.got("1"); got[len(got)-1].number > 1_000_000 {
		t.Errorf("the other feed came: %d", got[len(got)-1].number)
	}

	// What is given up stops at once, whenever the client can be told.
	e = l.request(dict{"request": "configure", "update": true}, nil)
	if d := dataOf(l.request(dict{"request": "unsubscribe", "streams": []dict{{"sub_mid": "1"}}}, nil)); d["videoroom"] != "updating" {
		t.Errorf("got %v", d)
	}
	pass()
	video = len(l.got("1"))
	pass()
	if n := len(l.got("1")); n != video {
		t.Errorf("%d packets came of what was given up", n-video)
	}
	l.answer(e)
	l.answer(l.wait("updated", func(e dict) bool { return dataOf(e)["videoroom"] == "updated" }))

	e = l.request(dict{"request": "leave"}, nil)
	if dataOf(e)["left"] != "ok" {
		t.Errorf("got %v", e)
	}
	if e := l.wait("hangup", kind("hangup")); e["reason"] != "Close PC" {
		t.Errorf("got %v", e)
	}
	a.verb("detach")
	other.wait("updated", func(e dict) bool { return dataOf(e)["videoroom"] == "updated" })
}

// A subscriber of simulcast gets the encoding that it asks for, and is told.
func TestSimulcastSubscriber(t *testing.T) {
	waittest.NoLeaks(t)
	v := newVenue(t)
	s, voices := v.choir()
	s.perform(voices...)
	low := v.listen(dict{"streams": []dict{{"feed": s.id, "substream": 0}}})
	l := v.listen(dict{"feed": s.id})
	told := func(l *listener, n int) {
		t.Helper()
		l.wait(fmt.Sprint("event of substream ", n), func(e dict) bool {
			d := dataOf(e)
			return d["videoroom"] == "event" && d["room"] == 1234.0 && d["mid"] == "0" && d["substream"] == float64(n)
		})
	}
	level := func(l *listener) int {
		list := l.got("0")
		if len(list) == 0 {
			return -1
		}
		return int(list[len(list)-1].number / 1_000_000)
	}
	told(l, 2)
	told(low, 0)
	eventually(t, "the lowest substream comes", func() bool { return level(low) == 0 })
	for _, n := range []int{0, 2, 1} {
		l.request(dict{"request": "configure", "substream": n}, nil)
		eventually(t, fmt.Sprintf("substream %d comes", n), func() bool { return level(l) == n })
	}
	l.request(dict{"request": "configure", "streams": []dict{{"mid": "0", "substream": 1}}}, nil)
	if got := level(low); got != 0 {
		t.Errorf("the other subscriber gets substream %d", got)
	}
	// It may have begun with the key frame of another substream that came first.
	all := low.got("0")
	lowest := slices.IndexFunc(all, func(h heard) bool { return h.number < 1_000_000 })
	for _, h := range all {
		if h.number >= 1_000_000 && int16(h.seq-all[lowest].seq) > 0 {
			t.Fatalf("packet %d of a higher substream came", h.number)
		}
	}
	list := l.got("0")
	complete(t, "substreams", list, list[0].number, list[0].number)
}

// A subscriber asks for one thing after the other while publishers come and go.
// Every offer can be answered, and in the end media flows.
func TestSubscriberAmongComersAndGoers(t *testing.T) {
	waittest.NoLeaks(t)
	v := newVenue(t)
	a := v.sing(0)
	a.perform(a.audio, a.video)
	l := v.listen(dict{"streams": []dict{{"feed": a.id}}})
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		b := v.sing(1_000_000)
		stop := b.perform(b.audio, b.video)
		for n := range 8 {
			feed := []uint64{a.id, b.id}[random.IntN(2)]
			stream := dict{"feed": feed, "mid": fmt.Sprint(random.IntN(3))}
			switch random.IntN(4) {
			case 0:
				l.ask(dict{"request": "subscribe", "streams": []dict{stream}})
			case 1:
				l.ask(dict{"request": "unsubscribe", "streams": []dict{{"feed": feed}}})
			case 2:
				l.ask(dict{"request": "switch", "feed": feed})
			case 3:
				l.ask(dict{"request": "update", "subscribe": []dict{stream}, "unsubscribe": []dict{{"sub_mid": fmt.Sprint(random.IntN(4))}}})
			}
			if n == 4 {
				b.verb("detach")
				stop()
				b.id = a.id
			}
		}
	}
	// pion may not hear on an m-line again that it had to close, so there have to
	// be new ones: more than were used before.
	var again []dict
	for range len(v.lines()) + 1 {
		again = append(again, dict{"feed": a.id, "mid": "0"}, dict{"feed": a.id, "mid": "1"})
	}
	l.ask(dict{"request": "update", "unsubscribe": []dict{{"feed": a.id}}, "subscribe": again})
	eventually(t, "the last offer is answered", func() bool {
		l.settle()
		for _, x := range v.lines() {
			if !x.sub.answered || x.sub.pending {
				return false
			}
		}
		return true
	})
	for _, x := range v.lines() {
		if x.kind != sdp.Application && (!x.ready || x.out.Feed().Origin == nil || x.out.Held()) {
			t.Errorf("m-line %d: ready %v, fed %v, held %v", x.index, x.ready, x.out.Feed().Origin != nil, x.out.Held())
		}
	}
	audio, video := l.newest(false), l.newest(true)
	eventually(t, "media of the one who stayed", func() bool { return l.newest(false) > audio+20 && l.newest(true) > video+20 })
}

// lines are copies of the m-lines of all subscribers, and of these.
func (v *venue) lines() (list []line) {
	r := v.plugin.room("1234")
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.subscribers {
		for _, l := range s.lines {
			c, of := *l, *l.sub
			c.sub = &of
			list = append(list, c)
		}
	}
	return list
}
