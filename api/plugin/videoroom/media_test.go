package videoroom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// complete checks that packets came without a gap, each once, from one source
// of ours, and that all numbers from first to last are there.
func complete(t *testing.T, what string, list []webrtctest.Arrival, first, last uint64) {
	t.Helper()
	numbers := make(map[uint64]int)
	var seqs []int64
	at := int64(list[0].Seq)
	for _, h := range list {
		numbers[h.Number]++
		at += int64(int16(h.Seq - uint16(at)))
		seqs = append(seqs, at)
		if h.SSRC != list[0].SSRC {
			t.Errorf("%s: SSRC %d, then %d", what, list[0].SSRC, h.SSRC)
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
	v := newMediaRoom(t)
	s := v.send(0)
	receivers := []*receiver{
		v.receive(dict{"streams": []dict{{"feed": s.id}}}),
		v.receive(dict{"feed": s.id}),
		v.receive(dict{"streams": []dict{{"feed": s.id, "mid": "0"}, {"feed": s.id, "mid": "1"}, {"feed": s.id, "mid": "2"}}}),
	}
	stop := s.play(s.Audio, s.Video)
	firsts := make([][2]uint64, len(receivers))
	for i, l := range receivers {
		for k, mid := range []string{"0", "1"} {
			l.awaitAfter(mid, 0)
			firsts[i][k] = l.got(mid)[0].Number
		}
	}
	for i, l := range receivers {
		for k, mid := range []string{"0", "1"} {
			l.awaitAfter(mid, firsts[i][k]+100)
		}
	}
	stop()
	for i, l := range receivers {
		for k, x := range []*webrtctest.Source{s.Audio, s.Video} {
			mid, first := fmt.Sprint(k), firsts[i][k]
			waittest.Until(t, "all packets", func() bool { return uint64(len(l.got(mid))) >= x.Sent.Load()-first+1 })
			complete(t, fmt.Sprintf("receiver %d, m-line %s", i, mid), l.got(mid), first, x.Sent.Load())
		}
	}
	for i, st := range v.core.Engine().Stats() {
		if st.Net.DatagramsOut < 100 {
			t.Errorf("shard %d has sent nothing", i)
		}
	}

	waittest.Closed(t, "the data channel", s.Open)
	for i, l := range receivers {
		waittest.Until(t, "data channels are up", func() bool {
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
			s.must(s.Channel.SendText("hello"))
			s.must(s.Channel.Send([]byte("bytes")))
		}
		want := map[string]bool{fmt.Sprintf("%d true: hello", s.id): true, fmt.Sprintf("%d false: bytes", s.id): true}
		for range 2 {
			select {
			case text := <-l.told:
				if !want[text] {
					t.Errorf("receiver %d was told %q", i, text)
				}
				delete(want, text)
			case <-time.After(waittest.Patience):
				t.Fatalf("receiver %d was not told %v", i, want)
			}
		}
	}
}

// A subscription goes through all that can happen to it while media flows.
func TestSubscriptionLife(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	a, b := v.send(0), v.send(1_000_000)
	a.play(a.Audio, a.Video)
	b.play(b.Audio, b.Video)
	l := v.receive(dict{"streams": []dict{{"feed": a.id, "mid": "0"}, {"feed": a.id, "mid": "1"}}})
	l.awaitAfter("0", 0)
	l.awaitAfter("1", 0)

	// Somebody else, who goes on to get what is held from the first one, tells
	// that time has passed; but not that nothing is on its way to the first one.
	other := v.receive(dict{"streams": []dict{{"feed": a.id, "mid": "0"}}})
	quiet := func(what string) {
		t.Helper()
		waittest.Until(t, what, func() bool {
			n := len(l.got("1"))
			other.awaitAfter("0", other.last("0")+20)
			return len(l.got("1")) == n
		})
	}
	holds := func(name string, hold, resume func()) {
		t.Helper()
		hold()
		quiet(name + ": nothing comes")
		n := l.last("1")
		resume()
		l.awaitAfter("1", n)
	}
	ask := func(k *client, body dict) func() { return func() { k.request(body, nil) } }
	holds("pause", ask(l.client, dict{"request": "pause"}), ask(l.client, dict{"request": "start"}))
	holds("configure", ask(l.client, dict{"request": "configure", "streams": []dict{{"mid": "1", "send": false}}}),
		ask(l.client, dict{"request": "configure", "video": true}))
	holds("publisher", ask(a.client, dict{"request": "configure", "video": false}), ask(a.client, dict{"request": "configure", "video": true}))
	moderate := func(mute bool) func() {
		return ask(v.attach(), dict{"request": "moderate", "room": 1234, "id": a.id, "mid": "1", "mute": mute})
	}
	holds("moderate", moderate(true), moderate(false))

	ssrc := l.got("1")[0].SSRC
	e := l.request(dict{"request": "switch", "streams": []dict{{"feed": b.id, "mid": "1", "sub_mid": "1"}}}, nil)
	if d := dataOf(e); d["switched"] != "ok" || d["changes"] != 1.0 || e.SDP != "" {
		t.Errorf("got %v", e)
	}
	l.awaitAfter("1", 1_000_000)
	list := l.got("1")
	if list[len(list)-1].SSRC != ssrc {
		t.Error("the SSRC has changed")
	}
	complete(t, "after the switch", list, list[0].Number, list[0].Number)

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

	b.Hangup()
	e = l.Await("updated", func(e plugintest.Event) bool { return dataOf(e)["videoroom"] == "updated" && e.SDP != "" })
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
	l.answer(e)
	waittest.Until(t, "media of the first feed again", func() bool {
		audio, video := l.got("0"), l.got("1")
		return audio[len(audio)-1].Number < 1_000_000 && video[len(video)-1].Number < 1_000_000
	})

	// What is given up stops at once, whenever the client can be told.
	e = l.request(dict{"request": "configure", "update": true}, nil)
	if d := dataOf(l.request(dict{"request": "unsubscribe", "streams": []dict{{"sub_mid": "1"}}}, nil)); d["videoroom"] != "updating" {
		t.Errorf("got %v", d)
	}
	quiet("nothing comes of what was given up")
	l.answer(e)
	l.answer(l.Await("updated", func(e plugintest.Event) bool { return dataOf(e)["videoroom"] == "updated" }))

	e = l.request(dict{"request": "leave"}, nil)
	if dataOf(e)["left"] != "ok" {
		t.Errorf("got %v", e)
	}
	if e := l.Await("hangup", kind("hangup")); e.Data != "Close PC" {
		t.Errorf("got %v", e)
	}
	a.Detach()
	other.Await("updated", func(e plugintest.Event) bool { return dataOf(e)["videoroom"] == "updated" })
}

// A subscriber of simulcast gets the encoding that it asks for, and is told.
func TestSimulcastSubscriber(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	s, layers := v.simulcast()
	s.play(layers...)
	low := v.receive(dict{"streams": []dict{{"feed": s.id, "substream": 0}}})
	l := v.receive(dict{"feed": s.id})
	told := func(l *receiver, n int) {
		t.Helper()
		l.Await(fmt.Sprint("event of substream ", n), func(e plugintest.Event) bool {
			d := dataOf(e)
			return d["videoroom"] == "event" && d["room"] == 1234.0 && d["mid"] == "0" && d["substream"] == float64(n)
		})
	}
	level := func(l *receiver) int {
		list := l.got("0")
		if len(list) == 0 {
			return -1
		}
		return int(list[len(list)-1].Number / 1_000_000)
	}
	told(l, 2)
	told(low, 0)
	waittest.Until(t, "the lowest substream comes", func() bool { return level(low) == 0 })
	for _, n := range []int{0, 2, 1} {
		l.request(dict{"request": "configure", "substream": n}, nil)
		waittest.Until(t, fmt.Sprintf("substream %d comes", n), func() bool { return level(l) == n })
	}
	l.request(dict{"request": "configure", "streams": []dict{{"mid": "0", "substream": 1}}}, nil)
	if got := level(low); got != 0 {
		t.Errorf("the other subscriber gets substream %d", got)
	}
	// It may have begun with the key frame of another substream that came first.
	all := low.got("0")
	lowest := slices.IndexFunc(all, func(h webrtctest.Arrival) bool { return h.Number < 1_000_000 })
	for _, h := range all {
		if h.Number >= 1_000_000 && int16(h.Seq-all[lowest].Seq) > 0 {
			t.Fatalf("packet %d of a higher substream came", h.Number)
		}
	}
	list := l.got("0")
	complete(t, "substreams", list, list[0].Number, list[0].Number)
}

// A subscriber asks for one thing after the other while publishers come and go.
// Every offer can be answered, and in the end media flows.
func TestSubscriberAmongComersAndGoers(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	a := v.send(0)
	a.play(a.Audio, a.Video)
	l := v.receive(dict{"streams": []dict{{"feed": a.id}}})
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		b := v.send(1_000_000)
		stop := b.play(b.Audio, b.Video)
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
				b.Detach()
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
	waittest.Until(t, "the last offer is answered", func() bool {
		l.settle()
		for _, x := range v.lines() {
			if !x.sub.answered || x.sub.pending {
				return false
			}
		}
		return true
	})
	for _, x := range v.lines() {
		if x.kind != sdp.Application && (!x.ready || x.out.Input().Origin == nil || x.out.Held()) {
			t.Errorf("m-line %d: ready %v, fed %v, held %v", x.index, x.ready, x.out.Input().Origin != nil, x.out.Held())
		}
	}
	audio, video := l.newest(false), l.newest(true)
	waittest.Until(t, "media of the one who stayed", func() bool { return l.newest(false) > audio+20 && l.newest(true) > video+20 })
}

// lines are copies of the m-lines of all subscribers, and of these.
func (v *mediaRoom) lines() (list []line) {
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
