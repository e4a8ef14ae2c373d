package janus

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// echo answers everything in both directions.
func echo(_ *scriptHandle, r *plugin.Request) *plugin.JSEP {
	return &plugin.JSEP{SDP: sdp.Answer(r.JSEP.SDP, sdp.AnswerOptions{Choose: func(int, *sdp.Section) sdp.SectionChoice {
		return sdp.SectionChoice{Extensions: []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URITransportCC}}
	}})}
}

// video offers one video that the server sends.
func video(*scriptHandle) *plugin.JSEP {
	return &plugin.JSEP{SDP: sdp.Offer(sdp.OfferOptions{Name: "test", Sections: []sdp.OfferSection{
		{Kind: sdp.Video, Direction: sdp.SendOnly, Codec: "vp8", Extensions: []sdp.Extension{{URI: sdp.URIMID}}},
	}})}
}

func (c *client) offer(ids object, do string, jsep object) object {
	c.t.Helper()
	return c.do("message", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"],
		"body": object{"do": do}, "jsep": jsep})
}

func sdpOf(t *testing.T, e object) *sdp.Description {
	t.Helper()
	j, ok := e["jsep"].(object)
	if !ok {
		t.Fatalf("no jsep in %v", e)
	}
	d, err := sdp.Parse(j["sdp"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func attachEcho(t *testing.T, cfg Config) (*script, *client, object) {
	cfg.Engine = newEngine(t)
	p, cl, ids := attachScript(t, cfg)
	p.onOffer, p.pushJSEP = echo, video
	return p, cl, ids
}

// What plugins see has no transport, but says how video is layered.
func TestPluginView(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	cl.offer(ids, "answer", object{"type": "offer", "sdp": loadOffer(t, "chrome_simulcast"), "e2ee": true,
		"svc": []object{{"mindex": 1, "svc": "L3T3"}, {"mid": "7", "svc": "L1T1"}, {"mindex": 0, "svc": "L1T1"}, {"mindex": 1}, {"mindex": -1, "svc": "x"}}})
	cl.event()
	j := p.handles[0].jsep
	if !j.E2EE || j.Update || !reflect.DeepEqual(j.SVC, []plugin.SVC{{Index: 1, MID: "1", Mode: "L3T3"}}) {
		t.Errorf("got %+v", j)
	}
	if want := []plugin.Simulcast{{Index: 1, MID: "1", RIDs: []string{"h", "m", "l"}, RIDID: 10}}; !reflect.DeepEqual(j.Simulcast, want) {
		t.Errorf("simulcast %+v", j.Simulcast)
	}
	if text := j.SDP.String(); strings.Contains(text, "ice-ufrag") || strings.Contains(text, "fingerprint") || strings.Contains(text, "candidate") {
		t.Errorf("transport in\n%s", text)
	}
}

func TestRenegotiation(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	text := loadOffer(t, "chrome_avd")
	cl.offer(ids, "answer", object{"type": "offer", "sdp": text})
	first := sdpOf(t, cl.event())
	// The client turns the roles round; they stay. Its credentials change.
	cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.ReplaceAll(text, "setup:actpass", "setup:active")})
	second := sdpOf(t, cl.event())
	if !p.handles[0].jsep.Update {
		t.Error("the plugin was not told of an update")
	}
	cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.ReplaceAll(text, "OBYC", "OBYD")})
	third := sdpOf(t, cl.event())
	for i, d := range []*sdp.Description{first, second, third} {
		s := d.Sections[1]
		if s.Setup != sdp.SetupActive {
			t.Errorf("answer %d has setup %s", i, s.Setup)
		}
		if !reflect.DeepEqual(s.SSRCs, first.Sections[1].SSRCs) {
			t.Errorf("answer %d has other sources", i)
		}
		if d.Origin.SessionID != first.Origin.SessionID || d.Origin.Version != uint64(i+1) {
			t.Errorf("answer %d has o= %+v", i, d.Origin)
		}
	}
	if first.Sections[0].Ufrag != second.Sections[0].Ufrag || second.Sections[0].Ufrag == third.Sections[0].Ufrag {
		t.Errorf("credentials: %s, %s, %s", first.Sections[0].Ufrag, second.Sections[0].Ufrag, third.Sections[0].Ufrag)
	}
	wantError(t, cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.ReplaceAll(text, "ice-pwd", "ice-pxd")}),
		ErrUnexpectedAnswer, "Error processing SDP")
	if r := cl.do("hangup", ids); r["janus"] != "success" {
		t.Errorf("hangup: %v", r)
	}
	if e := cl.event(); eventName(e) != "hangup" {
		t.Errorf("got %v", e)
	}
	if e := cl.event(); e["janus"] != "hangup" || e["reason"] != "Janus API" || len(e) != 4 {
		t.Errorf("got %v", e)
	}
	wantError(t, cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.ReplaceAll(text, "ice-pwd", "ice-pxd")}),
		ErrJSEPInvalid, "Error processing SDP")
	cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.ReplaceAll(text, "setup:actpass", "setup:active")})
	fresh := sdpOf(t, cl.event())
	if p.handles[0].jsep.Update || fresh.Sections[0].Setup != sdp.SetupPassive || fresh.Sections[1].SSRCs[0] == first.Sections[1].SSRCs[0] {
		t.Error("the new connection has something of the old one")
	}
}

func TestServerOffer(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	cl.message(ids, object{"do": "offer"})
	e := cl.event()
	if e["jsep"].(object)["type"] != "offer" || e["transaction"] != "tx" {
		t.Errorf("got %v", e)
	}
	offer := sdpOf(t, e)
	s := offer.Sections[0]
	if s.Setup != sdp.SetupActpass || s.Direction != sdp.SendOnly || len(s.SSRCs) != 2 || s.MID != "0" {
		t.Errorf("got %+v", s)
	}
	wantError(t, cl.offer(ids, "x", object{"type": "answer", "sdp": "hello"}), ErrJSEPInvalid, "Invalid SDP (doesn't start with v=)")
	client := sdp.Answer(offer, sdp.AnswerOptions{})
	client.Type = sdp.TypeAnswer
	text := client.Complete(offer, nil).WithTransport(sdp.Transport{Ufrag: "abcd", Pwd: "0123456789012345678901", Setup: sdp.SetupActive,
		Fingerprint: sdp.Fingerprint{Hash: "sha-256", Value: strings.TrimSuffix(strings.Repeat("AB:", 32), ":")}}, nil).String()
	if r := cl.offer(ids, "answered", object{"type": "answer", "sdp": text}); r["janus"] != "ack" {
		t.Errorf("answer: %v", r)
	}
	cl.event()
	if j := p.handles[0].jsep; j == nil || j.SDP.Type != sdp.TypeAnswer || j.Update {
		t.Errorf("plugin got %+v", j)
	}
	wantError(t, cl.offer(ids, "x", object{"type": "answer", "sdp": text}), ErrUnexpectedAnswer, "Unexpected ANSWER (did we offer?)")
	p.again.Store(true)
	if r := cl.offer(ids, "answered", object{"type": "answer", "sdp": text}); r["janus"] != "ack" {
		t.Errorf("the same answer: %v", r)
	}
	cl.event()
	if j := p.handles[0].jsep; j == nil || j.SDP.Type != sdp.TypeAnswer || j.Update {
		t.Errorf("plugin got %+v", j)
	}
	wantError(t, cl.offer(ids, "x", object{"type": "answer", "sdp": text + "a=x\r\n"}), ErrUnexpectedAnswer, "Unexpected ANSWER (did we offer?)")
	cl.message(ids, object{"do": "offer"})
	again := sdpOf(t, cl.event())
	if again.Origin.Version != 2 || again.Sections[0].SSRCs[0] != s.SSRCs[0] || again.Sections[0].Ufrag != s.Ufrag {
		t.Errorf("second offer: %+v", again)
	}
	p.pushJSEP = func(h *scriptHandle) *plugin.JSEP {
		j := video(h)
		j.Restart, j.E2EE = true, true
		return j
	}
	cl.message(ids, object{"do": "offer"})
	e = cl.event()
	if sdpOf(t, e).Sections[0].Ufrag == s.Ufrag || e["jsep"].(object)["e2ee"] != true {
		t.Errorf("no restart: %v", e)
	}
	cl.message(ids, object{"do": "close"})
	if e := cl.eventOf("hangup"); e["reason"] != "Close PC" {
		t.Errorf("got %v", e)
	}
}

func TestAnswerWithoutOffer(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	p.pushJSEP = func(*scriptHandle) *plugin.JSEP {
		return &plugin.JSEP{SDP: &sdp.Description{Type: sdp.TypeAnswer}}
	}
	cl.message(ids, object{"do": "offer"})
	cl.message(ids, object{"do": "x"})
	if e := cl.event(); eventName(e) != "x" {
		t.Errorf("got %v", e)
	}
	h := p.handles[0]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.errs[0] != errNoOffer || h.host.Peer() != nil {
		t.Errorf("Push: %v, peer connection %v", h.errs[0], h.host.Peer())
	}
}

func TestNoEngine(t *testing.T) {
	_, cl, ids := attachScript(t, Config{})
	wantError(t, cl.offer(ids, "answer", object{"type": "offer", "sdp": loadOffer(t, "chrome_audio")}), ErrUnknown, "Error setting ICE locally")
}

// An offer waits for the end of the connection before it, candidates do not.
func TestStillCleaning(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	text := loadOffer(t, "chrome_audio")
	cl.offer(ids, "answer", object{"type": "offer", "sdp": text})
	cl.event()
	cl.message(ids, object{"do": "block"})
	<-p.entered
	cl.do("hangup", ids)
	wantError(t, cl.do("trickle", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"], "candidate": object{"completed": true}}),
		ErrWebRTCState, "Still cleaning a previous session")
	answer := make(chan object, 1)
	go func() { answer <- cl.offer(ids, "answer", object{"type": "offer", "sdp": text}) }()
	close(p.block)
	if r := <-answer; r["janus"] != "ack" {
		t.Errorf("got %v", r)
	}
	if e := cl.eventOf("hangup"); e["reason"] != "Janus API" {
		t.Errorf("got %v", e)
	}
	sdpOf(t, cl.event())
}

func TestFullTrickle(t *testing.T) {
	_, cl, ids := attachEcho(t, Config{FullTrickle: true})
	cl.offer(ids, "answer", object{"type": "offer", "sdp": loadOffer(t, "chrome_audio")})
	var answer *sdp.Description
	for range 2 { // the second answer restarts ICE, so all is sent again
		for e := range cl.untilCompleted() {
			switch e["janus"] {
			case "event":
				answer = sdpOf(t, e)
				if s := answer.Sections[0]; len(s.Candidates) > 0 || s.EndOfCandidates {
					t.Errorf("candidates in the SDP: %+v", s)
				}
			case "trickle":
				c := e["candidate"].(object)
				if c["completed"] == true && len(c) == 1 {
					continue
				}
				if text, _ := c["candidate"].(string); c["sdpMid"] != "0" || c["sdpMLineIndex"] != 0.0 || !strings.HasPrefix(text, "candidate:") {
					t.Errorf("got %v", e)
				}
			default:
				t.Errorf("got %v", e)
			}
		}
		if answer == nil {
			t.Fatal("no answer before the end of candidates")
		}
		answer = nil
		cl.offer(ids, "answer", object{"type": "offer", "sdp": strings.Replace(loadOffer(t, "chrome_audio"), "a=ice-ufrag:", "a=ice-ufrag:X", 1)})
	}
}

// untilCompleted yields events up to the end of candidates.
func (c *client) untilCompleted() func(yield func(object) bool) {
	return func(yield func(object) bool) {
		for {
			e := c.event()
			if !yield(e) {
				return
			}
			if cand, ok := e["candidate"].(object); ok && cand["completed"] == true {
				return
			}
		}
	}
}

func TestEngineEvents(t *testing.T) {
	p, cl, ids := attachEcho(t, Config{})
	cl.offer(ids, "answer", object{"type": "offer", "sdp": loadOffer(t, "chrome_avd")})
	cl.event()
	h := cl.core.Session(ids["session_id"].(uint64)).Handle(ids["handle_id"].(uint64))
	c := h.endpoint.Connection()
	for _, tt := range []struct {
		event sfu.Event
		want  object
	}{
		{sfu.Event{Kind: sfu.EventUp}, object{"janus": "webrtcup"}},
		{sfu.Event{Kind: sfu.EventMedia, Section: 1, Encoding: -1, Receiving: true}, object{"janus": "media", "mid": "1", "type": "video", "receiving": true}},
		{sfu.Event{Kind: sfu.EventMedia, Section: 0, Encoding: -1, Silence: 3 * time.Second}, object{"janus": "media", "mid": "0", "type": "audio", "receiving": false, "seconds": 3.0}},
		{sfu.Event{Kind: sfu.EventMedia, Section: 1, Encoding: 2, Receiving: true}, object{"janus": "media", "mid": "1", "type": "video", "substream": 2.0, "receiving": true}},
		{sfu.Event{Kind: sfu.EventSlowLink, Section: 1, Uplink: true, Lost: 7}, object{"janus": "slowlink", "mid": "1", "media": "video", "uplink": true, "lost": 7.0}},
		{sfu.Event{Kind: sfu.EventICEFailed}, object{"janus": "ice-failed"}},
	} {
		c.PeerEvent(tt.event)
		tt.want["session_id"] = float64(ids["session_id"].(uint64))
		tt.want["sender"] = float64(ids["handle_id"].(uint64))
		if got := cl.event(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
	if !h.Up() || !strings.Contains(p.handles[0].log(), "up") {
		t.Error("the plugin does not know that the connection is up")
	}
	c.Peer().Close(sfu.ReasonDTLSAlert)
	if e := cl.event(); eventName(e) != "hangup" {
		t.Errorf("got %v", e)
	}
	if e := cl.event(); e["reason"] != "DTLS alert" {
		t.Errorf("got %v", e)
	}
	if h.Up() || h.Peer() != nil {
		t.Error("the peer connection is still there")
	}
}

func TestEarlyCandidates(t *testing.T) {
	clk := newClock()
	sink := &recorder{}
	_, cl, ids := attachEcho(t, Config{Now: clk.Now})
	cl.core.AddSink(sink)
	trickle := func(c any) object {
		return cl.do("trickle", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"], "candidate": c})
	}
	cand := func(port, mid string, index int) object {
		return object{"candidate": "candidate:1 1 udp 2122260223 192.0.2.1 " + port + " typ host", "sdpMid": mid, "sdpMLineIndex": index}
	}
	trickle(cand("1001", "0", 0))
	clk.add(46 * time.Second)
	trickle(cand("1002", "0", 0))
	trickle(cand("1003", "1", 1))
	trickle(object{"candidate": 5, "sdpMid": "0"}) // wrong, but nobody is told now
	cl.offer(ids, "answer", object{"type": "offer", "sdp": loadOffer(t, "chrome_avd")})
	cl.event()
	for _, c := range []any{
		cand("1004", "0", 0), cand("1005", "1", 0), cand("1006", "0", 1),
		object{"candidate": "candidate:1 1 udp 1 192.0.2.1 1007 typ host", "sdpMLineIndex": 0},
		object{"candidate": "candidate:1 2 udp 1 192.0.2.1 1008 typ host", "sdpMLineIndex": 0},
		object{"candidate": "candidate:1 1 tcp 1 192.0.2.1 1009 typ host tcptype active", "sdpMLineIndex": 0},
		object{"candidate": "", "sdpMLineIndex": 0},
		object{"candidate": "a=end-of-candidates", "sdpMLineIndex": 0},
		object{"candidate": "rubbish", "sdpMLineIndex": 0},
		nil,
		object{"completed": false},
	} {
		if r := trickle(c); r["janus"] != "ack" {
			t.Errorf("%v: %v", c, r)
		}
	}
	wantError(t, trickle(object{"candidate": "x", "sdpMid": 5}), ErrInvalidType, "Trickle error: invalid element type (sdpMid should be a string)")
	wantError(t, trickle(object{"candidate": "x", "sdpMLineIndex": -1}), ErrInvalidType, "Trickle error: invalid element type (sdpMLineIndex should be a positive integer)")
	wantError(t, cl.do("trickle", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"], "candidates": 1}), ErrInvalidType, "candidates is not an array")
	cl.core.Close()
	var got []string
	for _, n := range sink.list {
		if n.Type == NotifyWebRTC && n.Subtype == SubRemoteCandidate {
			got = append(got, strings.Fields(string(n.Event))[5])
		}
	}
	if s := strings.Join(got, " "); s != "1002 1004 1007" {
		t.Errorf("candidates that were taken: %s", s)
	}
}
