package videoroom

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	ourjson "bifrons/api/json"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// joinAll makes a subscriber of three feeds, whose offer is answered: audio 0,
// simulcast 1, SVC 2, plain video 3, data 4.
func joinAll(t *testing.T) (*bareRoom, *subscribing, map[string]*publisher) {
	t.Helper()
	th := newBareRoom(t)
	feeds := map[string]*publisher{
		"1": th.publish("1", "Alice", "opus", "vp8 simulcast"),
		"2": th.publish("2", "", "vp9 svc", "vp8", "data"),
	}
	s := th.subscribe()
	s.joinAs(fmt.Sprintf(`"streams":[{"feed":1},{"feed":2}],"private_id":%d`, feeds["1"].privateID))
	s.do("answer:start")
	return th, s, feeds
}

func TestLayerEvents(t *testing.T) {
	_, s, _ := joinAll(t)
	for _, tt := range []struct {
		section int
		layer   media.Layer
		want    string
	}{
		{1, media.Layer{Encoding: 0, Spatial: -1, Temporal: -1}, `{"videoroom":"event","room":1234,"mid":"1","substream":0}`},
		{1, media.Layer{Encoding: 2, Spatial: -1, Temporal: 1}, `{"videoroom":"event","room":1234,"mid":"1","substream":2}` + "\n" +
			`{"videoroom":"event","room":1234,"mid":"1","temporal":1}`},
		{1, media.Layer{Encoding: 2, Spatial: -1, Temporal: 1}, ""},
		{2, media.Layer{Encoding: -1, Spatial: 1, Temporal: 0}, `{"videoroom":"event","room":1234,"mid":"2","spatial_layer":1}` + "\n" +
			`{"videoroom":"event","room":1234,"mid":"2","temporal_layer":0}`},
		{3, media.Layer{Encoding: 0, Spatial: 0, Temporal: 0}, ""},
		{9, media.Layer{}, ""},
	} {
		s.h.Event(sfu.Event{Kind: sfu.EventLayer, Section: tt.section, Layer: tt.layer})
		same(t, fmt.Sprint(tt.section, tt.layer), s.take(), tt.want)
	}

	// Of a layer that it has already, a client hears when it asks for it.
	const configured = `t {"videoroom":"event","room":1234,"configured":"ok"}`
	for _, tt := range []struct{ fields, want string }{
		{`"substream":2`, `{"videoroom":"event","room":1234,"mid":"1","substream":2}` + "\n" + configured},
		{`"substream":1`, configured},
		{`"streams":[{"mid":"1","temporal":1},{"mid":"2","temporal_layer":0,"spatial_layer":2}]`,
			`{"videoroom":"event","room":1234,"mid":"1","temporal":1}` + "\n" + `{"videoroom":"event","room":1234,"mid":"2","temporal_layer":0}` + "\n" + configured},
		{`"spatial_layer":1`, `{"videoroom":"event","room":1234,"mid":"2","spatial_layer":1}` + "\n" + configured},
		{`"fallback":9`, configured},
	} {
		same(t, tt.fields, s.do("configure "+tt.fields), tt.want)
	}
	lines := s.sub().lines
	target := func(i int) media.Layer { return lines[i].layers.Target(lines[i].layering()) }
	if target(1) != (media.Layer{Encoding: 1, Spatial: -1, Temporal: 1}) || target(2) != (media.Layer{Encoding: -1, Spatial: 1, Temporal: 0}) ||
		target(3) != media.NoLayer || lines[1].layers.Fallback() != 9*time.Microsecond {
		t.Errorf("targets %v, %v, %v", target(1), target(2), target(3))
	}

	s.h.Event(sfu.Event{Kind: sfu.EventSlowLink, Uplink: true, Lost: 5})
	s.h.Event(sfu.Event{Kind: sfu.EventSlowLink, Lost: 5})
	same(t, "slow link", s.take(), `{"videoroom":"slow_link"}`)
}

func TestSubscriberDelay(t *testing.T) {
	_, s, feeds := joinAll(t)
	feeds["2"].streams[1].delay = mline.Delay{Least: 1, Most: 2}
	for _, tt := range []struct {
		fields      string
		least, most int
	}{
		{`"send":true`, 1, 2},
		{`"max_delay":10`, 10, 10},
		{`"min_delay":5`, 5, 10},
		{`"min_delay":20`, 20, 20},
		{`"max_delay":15`, 15, 15},
		{`"min_delay":3,"max_delay":99999`, 3, 4095},
		{`"max_delay":-5`, 1, 2},
		{`"min_delay":0`, 0, 0},
		{`"min_delay":-1`, 1, 2},
		{`"min_delay":-1,"max_delay":10`, 1, 2},
	} {
		s.do(`configure "streams":[{"mid":"3",` + tt.fields + `}]`)
		if got := s.sub().lines[3].playoutDelay(); got != (mline.Delay{Least: tt.least, Most: tt.most}) {
			t.Errorf("%s: %+v, want %d to %d", tt.fields, got, tt.least, tt.most)
		}
	}
}

// What a publisher changes in a renegotiation shows in the next offer; another
// codec needs one at once.
func TestFeedRenegotiates(t *testing.T) {
	th, s, feeds := joinAll(t)
	p := feeds["2"]
	renegotiate := func(change func()) string {
		th.room.mu.Lock()
		change()
		th.room.feedChanged(p)
		th.room.mu.Unlock()
		s.settle()
		return brief(s.take())
	}
	same(t, "a stream more", renegotiate(func() { p.streams = append(p.streams, newTestStream(p, 3, "opus")) }), "")
	same(t, "another codec", renegotiate(func() { p.streams[1].Codec = sdp.H264 }),
		"{videoroom:updated,[1/0!, 1/1!, 2/0!, 2/1, data 2!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:video sendonly vp9/101, "+
			"3:video sendonly h264/107{profile-level-id=42e01f;packetization-mode=1}, 4:data sendonly)")
	s.do("answer:start")
	same(t, "a stream in place of another", renegotiate(func() { p.streams[0] = newTestStream(p, 0, "vp8") }), "")
	same(t, "next request", brief(s.do(`unsubscribe "streams":[{"feed":77}]`)),
		"t {videoroom:updated,[1/0!, 1/1!, -, 2/1!, data 2!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:video inactive vp9/101, "+
			"3:video sendonly h264/107{profile-level-id=42e01f;packetization-mode=1}, 4:data sendonly)")
	th.checkBooks()
}

func TestGate(t *testing.T) {
	th, s, feeds := joinAll(t)
	st, l := feeds["1"].streams[1], s.sub().lines[1]
	open := func() bool { return !s.sub().blocked() && l.send && l.ready && st.flows() }
	if !open() {
		t.Fatal("closed")
	}
	for _, tt := range []struct {
		name        string
		shut, again func()
	}{
		{"pause", func() { s.do("pause") }, func() { s.do("start") }},
		{"send", func() { s.do(`configure "streams":[{"mid":"1","send":false}]`) }, func() { s.do(`configure "send":true`) }},
		{"legacy", func() { s.do(`configure "video":false`) }, func() { s.do(`configure "video":true`) }},
		{"moderated", func() { st.moderated = true }, func() { st.moderated = false }},
		{"publisher", func() { st.paused = true }, func() { st.paused = false }},
		{"disabled", func() { st.disabled = true }, func() { st.disabled = false }},
		{"owner kicked", func() { feeds["1"].kicked = true; th.room.ownerKicked(feeds["1"]) }, func() { feeds["1"].kicked = false }},
	} {
		if tt.shut(); open() {
			t.Errorf("%s: still open", tt.name)
		}
		if tt.again(); !open() {
			t.Errorf("%s: still closed", tt.name)
		}
	}
	s.do(`configure "audio":false`)
	if s.sub().lines[0].send || !l.send {
		t.Error("audio means something else")
	}
}

func TestSubscriberQueryAndNotices(t *testing.T) {
	th, s, feeds := joinAll(t)
	s.h.Up()
	query := func() (o map[string]any) {
		w := ourjson.NewWriter(nil)
		w.Object("")
		s.h.Query(w)
		w.End()
		if err := json.Unmarshal(w.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := query()
	if o["type"] != "subscriber" || o["room"] != 1234.0 || o["private_id"] != float64(feeds["1"].privateID) || o["answered"] != true ||
		o["pending_offer"] != false || o["pending_restart"] != false || o["paused"] != false || len(o["streams"].([]any)) != 5 {
		t.Errorf("got %v", o)
	}
	s.do(`update "unsubscribe":[{"feed":1,"mid":"0"}]`)
	s.do(`configure "restart":true`)
	s.do("pause")
	if o = query(); o["answered"] != false || o["pending_offer"] != true || o["pending_restart"] != true || o["paused"] != true {
		t.Errorf("got %v", o)
	}
	s.do("answer:start")
	s.do(`switch "feed":1`)
	s.h.Hangup("ICE failed")
	s.h.Detach()
	if len(th.room.subscribers) != 0 {
		t.Error("still in the room")
	}
	if o = query(); o["destroyed"] != 1.0 {
		t.Errorf("got %v", o)
	}
	th.checkBooks()
	var got []string
	for _, n := range s.notices {
		got = append(got, strings.Split(brief(n), ",private_id")[0])
	}
	same(t, "notices", strings.Join(got, "\n"), strings.Join([]string{
		"{event:subscribing,[1/0, 1/1, 2/0, 2/1, data 2]",
		"{event:subscribed}",
		"{event:updated,[-, 1/1!, 2/0!, 2/1!, data 2!]",
		"{event:updated,[-, 1/1!, 2/0!, 2/1!, data 2!]",
		"{event:switched}",
		"{event:unsubscribed,feed:1,mid:0}",
		"{event:unsubscribed,feed:1,mid:1}",
		"{event:unsubscribed,feed:2,mid:0}",
		"{event:unsubscribed,feed:2,mid:1}",
		"{event:unsubscribed,feed:2,mid:2}",
	}, "\n"))
}

func TestRoomDestroyed(t *testing.T) {
	th, s, _ := joinAll(t)
	r := s.h.Message(reqOf(t, `{"request":"destroy","room":1234}`))
	if !strings.Contains(string(r.Data), "destroyed") {
		t.Fatalf("got %s", r.Data)
	}
	s.settle()
	same(t, "events", s.take(), "")
	for _, l := range s.sub().lines {
		if len(l.sources) > 0 {
			t.Error("a feed is left")
		}
	}
	const gone = `t {"videoroom":"event","error_code":426,"error":"No such room (1234)"}`
	same(t, "subscribe", s.do(`subscribe "streams":[{"feed":1}]`), gone)
	offer := &plugin.JSEP{SDP: &sdp.Description{Type: sdp.TypeOffer}} // is of no use, and does no harm
	same(t, "leave", s.send(`{"request":"leave"}`, offer), `t {"videoroom":"event","room":1234,"left":"ok"}`)
	if n := len(th.room.subscribers); n != 0 {
		t.Errorf("%d left", n)
	}
}
