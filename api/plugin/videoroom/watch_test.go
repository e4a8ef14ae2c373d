package videoroom

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/sdp"
)

// playerOffer is what a player offers: to receive audio and video in some codecs of each.
func playerOffer(sections ...string) *plugin.JSEP {
	o := sdp.OfferOptions{Name: "player"}
	for i, codec := range sections {
		s := sdp.OfferSection{Kind: sdp.Application, MID: fmt.Sprint("m", i), Direction: sdp.RecvOnly}
		if c, ok := sdp.LookupCodec(codec); ok {
			s.Kind, s.Codec = sdp.Audio, codec
			if c.Clock == 90000 {
				s.Kind = sdp.Video
			}
		}
		o.Sections = append(o.Sections, s)
	}
	return &plugin.JSEP{SDP: sdp.Offer(o)}
}

func (s *subscribing) watch(fields string, offer *plugin.JSEP) string {
	s.t.Helper()
	return s.send(`{"request":"watch","room":1234`+fields+`}`, offer)
}

func TestWatch(t *testing.T) {
	fail := func(code, text string) string {
		return `t {"videoroom":"event","error_code":` + code + `,"error":"` + text + `"}`
	}
	for _, tt := range []struct {
		name, fields string
		offer        *plugin.JSEP
		want         string
	}{
		{"a feed", `,"feed":1`, playerOffer("opus", "vp8"),
			`t {"videoroom":"attached","room":1234,"id":1,"display":"Alice","streams":[` +
				`{"type":"audio","active":true,"mindex":0,"mid":"m0","ready":true,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"0","codec":"opus"},` +
				`{"type":"video","active":true,"mindex":1,"mid":"m1","ready":true,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"1","codec":"vp8",` +
				`"simulcast":{"substream":-1,"substream-target":2,"temporal-layer":-1,"temporal-layer-target":2}}]}` +
				` answer(m0:audio sendonly opus/111, m1:video sendonly vp8/96)`},
		{"whoever sends video", ``, playerOffer("vp8", "vp8", "data"),
			`t {"videoroom":"attached","room":1234,"id":1,"display":"Alice","streams":[` +
				`{"type":"video","active":true,"mindex":0,"mid":"m0","ready":true,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"1","codec":"vp8",` +
				`"simulcast":{"substream":-1,"substream-target":2,"temporal-layer":-1,"temporal-layer-target":2}},` +
				`{"type":"video","active":false,"mindex":1,"mid":"m1","ready":false,"send":true},` +
				`{"type":"data","active":true,"mindex":2,"mid":"m2","ready":true,"send":true,"sources":1,"source_ids":[1]}]}` +
				` answer(m0:video sendonly vp8/96, m1:video inactive rejected, m2:data sendonly)`},
		{"no offer", `,"feed":1`, nil, fail("431", "Watching takes an offer")},
		{"no such feed", `,"feed":9`, playerOffer("opus"), fail("428", "No such feed (9)")},
		{"other codecs", `,"feed":1`, playerOffer("pcmu", "h264"), fail("437", "The offer takes none of the streams of feed 1")},
		{"mistyped", `,"feed":"x"`, playerOffer("opus"), fail("430", "Invalid element type (feed should be a positive integer)")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			th := newBareRoom(t)
			th.publish("3", "", "opus")
			p := th.publish("1", "Alice", "opus", "vp8 simulcast", "data")
			s := th.subscribe()
			same(t, tt.name, s.watch(tt.fields, tt.offer), tt.want)
			_, is := s.h.is().(*subscriber)
			lines := 0
			for _, st := range p.streams {
				lines += len(st.lines)
			}
			if joined := strings.Contains(tt.want, "attached"); joined != is || joined != (lines > 0) || joined != (len(th.room.subscribers) == 1) {
				t.Errorf("joined: %v, m-lines: %d, in the room: %d", is, lines, len(th.room.subscribers))
			}
		})
	}
	same(t, "an empty room", newBareRoom(t).subscribe().watch("", playerOffer("opus")), fail("428", "Nobody publishes in room 1234"))
}

// TestWatchFollows: who names no feed gets another one when the first has gone, as far as
// the codecs are the same, and is never offered anything.
func TestWatchFollows(t *testing.T) {
	th := newBareRoom(t)
	first := th.publish("1", "", "opus", "vp8")
	s := th.subscribe()
	s.watch("", playerOffer("opus", "vp8"))
	faithful := th.subscribe()
	faithful.watch(`,"feed":1`, playerOffer("opus", "vp8"))

	th.gone(first, true)
	const none = `{"videoroom":"updated","room":1234,"streams":[{"type":"audio","active":false,"mindex":0,"mid":"m0","ready":false,"send":true},` +
		`{"type":"video","active":false,"mindex":1,"mid":"m1","ready":false,"send":true}]}`
	same(t, "nobody is left", s.take(), none)
	same(t, "nobody is left", faithful.take(), none)

	second := th.publish("2", "", "vp8", "pcmu")
	th.room.mu.Lock()
	second.announce()
	th.room.mu.Unlock()
	same(t, "another feed", s.take(), `{"videoroom":"updated","room":1234,"streams":[{"type":"audio","active":false,"mindex":0,"mid":"m0","ready":false,"send":true},`+
		`{"type":"video","active":true,"mindex":1,"mid":"m1","ready":true,"send":true,"feed_id":2,"feed_mid":"0","codec":"vp8"}]}`)
	same(t, "a feed that was not named", faithful.take(), "")

	third := th.publish("3", "", "opus", "vp8")
	th.gone(second, true)
	if got := s.take(); strings.Count(got, `"active":true`) != 2 || !strings.Contains(got, `"feed_id":3`) {
		t.Errorf("a feed that was there already: %s", got)
	}
	th.gone(third, true)
	s.take()
	s.settle()
	if s.answer() != nil || faithful.answer() != nil {
		t.Error("something was offered")
	}
}

// TestWatchAgain renews the connection, and does what else is possible with such a
// subscription.
func TestWatchAgain(t *testing.T) {
	th := newBareRoom(t)
	th.publish("1", "", "opus", "vp8")
	th.publish("2", "", "opus", "vp8")
	s := th.subscribe()
	s.watch(`,"feed":1`, playerOffer("opus", "vp8", "h264"))
	if got := s.watch("", playerOffer("opus", "vp8", "h264")); !strings.HasSuffix(got, " answer(m0:audio sendonly opus/111, m1:video sendonly vp8/96, m2:video inactive rejected)") ||
		!strings.Contains(got, `"videoroom":"updated"`) {
		t.Error(got)
	}
	for text, want := range map[string]string{
		`switch "feed":2`:                   `"switched":"ok","changes":2`,
		`configure "mid":"m1","send":false`: `"configured":"ok"`,
		`pause`:                             `"paused":"ok"`,
		`start`:                             `"started":"ok"`,
		`subscribe "streams":[{"feed":1}]`:  `"error_code":423`,
		`configure "restart":true`:          `"error_code":423`,
	} {
		if got := s.do(text); !strings.Contains(got, want) || strings.Contains(got, " offer(") {
			t.Errorf("%s: %s", text, got)
		}
	}
	for what, got := range map[string]string{
		"fewer m-lines": s.watch("", playerOffer("opus")),
		"a subscriber":  func() string { o := th.subscribe(); o.joinAs(`"feed":1`); return o.watch("", playerOffer("opus")) }(),
	} {
		if !strings.Contains(got, "error_code") {
			t.Errorf("%s: %s", what, got)
		}
	}
	s.do("leave")
	if got := s.watch("", playerOffer("opus", "vp8", "h264")); !strings.Contains(got, "has ended") {
		t.Error(got)
	}
}
