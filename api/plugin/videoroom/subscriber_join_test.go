package videoroom

import (
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// What a subscriber gets to see when joining: the streams, and the offer.
func TestSubscriberJoin(t *testing.T) {
	fail := func(code, text string) string {
		return `t {"videoroom":"event","error_code":` + code + `,"error":"` + text + `"}`
	}
	for _, tt := range []struct{ name, fields, want string }{
		{"whole feed", `"streams":[{"feed":1}]`,
			`t {"videoroom":"attached","room":1234,"streams":[` +
				`{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"0","codec":"opus"},` +
				`{"type":"video","active":true,"mindex":1,"mid":"1","ready":false,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"1","codec":"vp8",` +
				`"simulcast":{"substream":-1,"substream-target":2,"temporal-layer":-1,"temporal-layer-target":2}},` +
				`{"type":"data","active":true,"mindex":2,"mid":"2","ready":false,"send":true,"sources":1,"source_ids":[1]}]}` +
				` offer(0:audio sendonly opus/111{useinbandfec=1}, 1:video sendonly vp8/96, 2:data sendonly)`},
		{"chosen streams of two feeds",
			`"streams":[{"feed":2,"mid":"1","substream":1,"spatial_layer":1,"temporal_layer":0,"fallback":5000,"crossrefid":"x","send":false},{"feed":1,"mid":"1","substream":0,"fallback":7,"max_delay":20}]`,
			`t {"videoroom":"attached","room":1234,"streams":[` +
				`{"type":"video","active":true,"mindex":0,"mid":"0","crossrefid":"x","ready":false,"send":true,"feed_id":2,"feed_mid":"1","codec":"vp9","vp9-profile":"2",` +
				`"svc":{"spatial-layer":-1,"target-spatial-layer":1,"temporal-layer":-1,"target-temporal-layer":0}},` +
				`{"type":"video","active":true,"mindex":1,"mid":"1","ready":false,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"1","codec":"vp8","playout-delay":{"min-delay":20,"max-delay":20},` +
				`"simulcast":{"substream":-1,"substream-target":0,"temporal-layer":-1,"temporal-layer-target":2,"fallback":7}}]}` +
				` offer(0:video sendonly vp9/101{profile-id=2}, 1:video sendonly vp8/96)`},
		{"legacy", `"feed":1,"offer_video":false,"streams":[]`,
			`t {"videoroom":"attached","room":1234,"id":1,"display":"Alice","warning":"deprecated_api","streams":[` +
				`{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":1,"feed_display":"Alice","feed_mid":"0","codec":"opus"},` +
				`{"type":"data","active":true,"mindex":1,"mid":"1","ready":false,"send":true,"sources":1,"source_ids":[1]}]}` +
				` offer(0:audio sendonly opus/111{useinbandfec=1}, 1:data sendonly)`},
		{"data of two feeds share a line", `"streams":[{"feed":1,"mid":"2"},{"feed":4,"mid":"0"}]`,
			`t {"videoroom":"attached","room":1234,"streams":[{"type":"data","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"sources":2,"source_ids":[1,4]}]} offer(0:data sendonly)`},
		{"disabled and rejected streams", `"streams":[{"feed":3}]`,
			`t {"videoroom":"attached","room":1234,"streams":[` +
				`{"type":"video","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":3,"feed_mid":"1","codec":"h264","h264-profile":"640c1f"},` +
				`{"type":"audio","active":false,"mindex":1,"mid":"1","ready":false,"send":true}]}` +
				` offer(0:video sendonly h264/107{profile-level-id=640c1f;packetization-mode=1}, 1:audio inactive pcma/8)`},
		{"red", `"streams":[{"feed":5}]`,
			`t {"videoroom":"attached","room":1234,"streams":[{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":5,"feed_mid":"0","codec":"red"}]}` +
				` offer(0:audio sendonly red/120{111/111} opus/111)`},
		{"the same twice", `"streams":[{"feed":5},{"feed":5}]`,
			`t {"videoroom":"attached","room":1234,"streams":[{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":5,"feed_mid":"0","codec":"red"},` +
				`{"type":"audio","active":true,"mindex":1,"mid":"1","ready":false,"send":true,"feed_id":5,"feed_mid":"0","codec":"red"}]}` +
				` offer(0:audio sendonly red/120{111/111} opus/111, 1:audio sendonly red/120{111/111} opus/111)`},
		{"encrypted", `"streams":[{"feed":6}]`,
			`t {"videoroom":"attached","room":1234,"streams":[{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":6,"feed_mid":"0","codec":"opus"}]}` +
				` offer(0:audio sendonly opus/111) e2ee`},

		{"nothing", `"private_id":5`, fail("429", "Missing mandatory element (feed)")},
		{"empty list", `"streams":[]`, fail("429", "Missing mandatory element (feed)")},
		{"unknown feed", `"feed":99`, fail("428", "No such feed (99)")},
		{"unknown feed in a list", `"streams":[{"feed":1},{"feed":99}]`, fail("428", "No such feed (99)")},
		{"feed that does not publish", `"feed":7`, fail("428", "No such feed (7)")},
		{"unknown mid", `"streams":[{"feed":1,"mid":"9"}]`, fail("428", "No such mid '9' in feed (1)")},
		{"mixed encryption", `"streams":[{"feed":1},{"feed":6}]`, fail("438", "Can't mix feeds with and without end-to-end encryption in a subscription")},
		{"nothing to offer", `"streams":[{"feed":8}]`, fail("437", "Can't offer an SDP with no stream")},
		{"nothing wanted", `"feed":5,"offer_audio":false`, fail("437", "Can't offer an SDP with no stream")},
		{"no feed in a list", `"streams":[{"mid":"0"}]`, fail("429", "Missing mandatory element (feed)")},
		{"no object in a list", `"streams":[1]`, fail("430", "Invalid element in the streams array (not an object)")},
		{"layer too high", `"streams":[{"feed":1,"temporal":3}]`, fail("430", "Invalid value (temporal should be 0, 1 or 2)")},
		{"mistyped", `"feed":1,"use_msid":1`, fail("430", "Invalid element type (use_msid should be a boolean)")},
		{"mistyped legacy", `"feed":1,"substream":-1`, fail("430", "Invalid element type (substream should be a positive integer)")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			th := newBareRoom(t)
			th.publish("1", "Alice", "opus fec level", "vp8 simulcast orientation", "data")
			th.publish("2", "", "opus", "vp9 svc 2")
			th.publish("3", "", "vp8 rejected", "h264 640c1f", "pcma disabled", "data disabled")
			th.publish("4", "", "data")
			th.publish("5", "", "red")
			th.publish("6", "", "opus e2ee")
			th.publish("7", "", "opus").up = false
			th.publish("8", "", "vp8 rejected")
			s := th.subscribe()
			same(t, tt.name, s.joinAs(tt.fields), tt.want)
			_, is := s.h.is().(*subscriber)
			if joined := strings.Contains(tt.want, "attached"); joined != is || joined != (len(th.room.subscribers) == 1) {
				t.Errorf("joined: %v, in the room: %d", is, len(th.room.subscribers))
			}
		})
	}
}

// TestSubscribeAtOnce: a publisher's client that hears that its connection is up
// may tell others by its own ways, who then subscribe.
func TestSubscribeAtOnce(t *testing.T) {
	th := newBareRoom(t)
	p := th.publish("1", "", "opus")
	p.up = false
	var r role = p
	p.h.role.Store(&r)
	if got := th.subscribe().joinAs(`"feed":1`); !strings.Contains(got, "No such feed") {
		t.Error(got)
	}
	p.h.Establish()
	if got := th.subscribe().joinAs(`"feed":1`); !strings.Contains(got, "attached") {
		t.Error(got)
	}
	th.gone(p, false)
	if got := th.subscribe().joinAs(`"feed":1`); !strings.Contains(got, "No such feed") {
		t.Error(got)
	}
}

// TestHangupWithoutStreams: a publisher that took all its streams back is no
// publisher after the end of its connection either.
func TestHangupWithoutStreams(t *testing.T) {
	th := newBareRoom(t)
	p := th.publish("1", "")
	p.open = true
	p.hangup("")
	if p.available() {
		t.Error("still there")
	}
}

func TestSubscriberPermissions(t *testing.T) {
	th := newBareRoom(t)
	th.publish("1", "", "opus")
	owner := th.publish("2", "", "opus")
	th.room.requirePvtID = true
	const refused = `t {"videoroom":"event","error_code":433,"error":"Unauthorized (this room requires a valid private_id)"}`
	for _, fields := range []string{`"feed":1`, `"feed":1,"private_id":0`, `"feed":1,"private_id":4294967296`} {
		same(t, fields, th.subscribe().joinAs(fields), refused)
	}
	s := th.subscribe()
	if got := s.joinAs(`"feed":1,"private_id":` + uint32Text(owner.privateID)); !strings.Contains(got, "attached") {
		t.Errorf("got %s", got)
	}
	if s.sub().owner != owner {
		t.Error("the owner is not known")
	}
	th.room.requireE2EE = true
	same(t, "not encrypted", th.subscribe().joinAs(`"feed":1,"private_id":`+uint32Text(owner.privateID)),
		`t {"videoroom":"event","error_code":438,"error":"Can't mix feeds with and without end-to-end encryption in a subscription"}`)
	th.room.Gone = true
	same(t, "destroyed", th.subscribe().joinAs(`"feed":1`), `t {"videoroom":"event","error_code":426,"error":"No such room (1234)"}`)
}

func uint32Text(n uint32) string {
	w := json.NewWriter(nil)
	w.Uint("", uint64(n))
	return string(w.Bytes())
}

// Header extensions and msid are what the room allows and the feed has.
func TestSubscriberOfferDetails(t *testing.T) {
	th := newBareRoom(t)
	th.publish("1", "", "opus level", "vp8 orientation")
	th.publish("2", "", "opus", "vp8")
	s := th.subscribe()
	s.joinAs(`"streams":[{"feed":1},{"feed":2}],"use_msid":true`)
	ids := func(i int) string {
		var b strings.Builder
		for _, e := range s.offers[0].SDP.Sections[i].Extensions {
			b.WriteString(" " + uint32Text(uint32(e.ID)))
		}
		sec := &s.offers[0].SDP.Sections[i]
		return strings.TrimSpace(b.String()) + " " + sec.Stream + "/" + sec.Track
	}
	for i, want := range []string{"1 3 4 1/0", "2 3 4 12 13 1/1", "3 4 2/0", "2 3 4 12 2/1"} {
		same(t, "section "+uint32Text(uint32(i)), ids(i), want)
	}
	if name := s.offers[0].SDP.Name; name != "VideoRoom 1234" {
		t.Errorf("s=%s", name)
	}
	th.room.transportCC, th.room.delayExt = false, false
	s = th.subscribe()
	s.joinAs(`"streams":[{"feed":1}]`)
	for i, want := range []string{"1 4 /", "2 4 13 /"} {
		same(t, "section "+uint32Text(uint32(i)), ids(i), want)
	}
}

// What says which channel is which goes from the publisher to the subscriber.
func TestMultiopus(t *testing.T) {
	const fmtp = "channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2"
	th := newBareRoom(t)
	th.room.audioCodecs = []string{sdp.Multiopus}
	offer := sdp.Offer(sdp.OfferOptions{Sections: []sdp.OfferSection{
		{Kind: sdp.Audio, MID: "a", Direction: sdp.SendOnly, Codec: sdp.Multiopus, Channels: 8, PT: 63, Fmtp: fmtp},
	}})
	p := th.subscribe()
	p.send(`{"request":"joinandconfigure","ptype":"publisher","room":1234,"id":1}`, &plugin.JSEP{SDP: offer})
	p.h.Up()
	s := th.subscribe()
	same(t, "join", brief(s.joinAs(`"feed":1`)),
		"t {videoroom:attached,id:1,warning:deprecated_api,[1/a]} offer(0:audio sendonly multiopus/111{"+fmtp+"})")
	if c := s.offers[0].SDP.Sections[0].Codecs[0]; c.RTPMap() != "multiopus/48000/8" {
		t.Errorf("offered %s", c.RTPMap())
	}
}

func TestSubscriberLimits(t *testing.T) {
	th := newBareRoom(t)
	th.publish("1", "", "opus")
	s := th.subscribe()
	list := strings.Repeat(`{"feed":1},`, maxLines-1) + `{"feed":1}`
	if got := s.joinAs(`"streams":[` + list + `,{"feed":1}]`); !strings.Contains(got, `"error_code":437`) {
		t.Errorf("got %.100s", got)
	}
	if got := s.joinAs(`"streams":[` + list + `]`); !strings.Contains(got, "attached") {
		t.Errorf("got %.100s", got)
	}
	s.do("answer:start")
	if got := s.do(`subscribe "streams":[{"feed":1}]`); !strings.Contains(got, `"error_code":437`) {
		t.Errorf("got %.100s", got)
	}
	if got := s.do(`update "unsubscribe":[{"sub_mid":"7"}]`); !strings.Contains(got, `"updated"`) {
		t.Errorf("got %.100s", got)
	}
	s.do("answer:start")
	if got := s.do(`subscribe "streams":[{"feed":1}]`); !strings.Contains(got, `"updated"`) {
		t.Errorf("got %.100s", got)
	}
	if n := len(s.sub().lines); n != maxLines {
		t.Errorf("%d m-lines", n)
	}
}

func TestSubscriberStringIDs(t *testing.T) {
	th := newBareRoom(t)
	th.plugin.ids.Strings = true
	th.publish("alice", "", "opus", "data")
	same(t, "join", th.subscribe().do(`join "ptype":"subscriber","room":"1234","streams":[{"feed":"alice"}]`),
		`t {"videoroom":"attached","room":"1234","streams":[`+
			`{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":"alice","feed_mid":"0","codec":"opus"},`+
			`{"type":"data","active":true,"mindex":1,"mid":"1","ready":false,"send":true,"sources":1,"source_ids":["alice"]}]}`+
			` offer(0:audio sendonly opus/111, 1:data sendonly)`)
	same(t, "number", th.subscribe().do(`join "ptype":"subscriber","room":"1234","streams":[{"feed":1}]`),
		`t {"videoroom":"event","error_code":430,"error":"Invalid element type (feed should be a string)"}`)
}
