package janus

import (
	"slices"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/sdp"
)

const fingerprintOf = "sha-256 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"

// mline is a section of a client's description. flags is a port ("9", "0"), the mid or
// "", and further lines.
func mline(kind, port, mid string, more ...string) string {
	s := "m=" + kind + " " + port + " UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"
	if mid != "" {
		s += "a=mid:" + mid + "\r\n"
	}
	for _, line := range more {
		s += line + "\r\n"
	}
	if port == "0" {
		return s + "a=inactive\r\n"
	}
	codec := map[string]string{"audio": "opus/48000/2", "video": "VP8/90000"}[kind]
	return s + "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:96 " + codec + "\r\n"
}

// transportOf are the attributes of a client's transport.
func transportOf(ufrag string) string {
	return "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:" + fingerprintOf + "\r\na=setup:actpass"
}

func description(group string, sections ...string) string {
	text := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	if group != "" {
		text += "a=group:BUNDLE " + group + "\r\n"
	}
	return text + strings.Join(sections, "")
}

// gist tells which sections are in use, and the group: "0:audio- 1:video | 1".
func gist(d *sdp.Description) string {
	var list []string
	for i := range d.Sections {
		s := &d.Sections[i]
		text := s.MID + ":" + s.Kind.String()
		if s.Rejected() {
			text += "-"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ") + " | " + strings.Join(d.Bundle, " ")
}

// A section that the client turns off stays off in the answer, be it in the first offer
// or later, with what Chromium leaves in it and without what Firefox leaves out; and its
// place can be used again. The transport stays.
func TestSectionTurnedOff(t *testing.T) {
	_, cl, ids := attachEcho(t, Config{})
	tr := transportOf("abcd")
	first := ""
	for _, step := range []struct{ what, sdp, want string }{
		{"turned off from the start", description("1", mline("audio", "0", "0"), mline("video", "9", "1", tr)), "0:audio- 1:video | 1"},
		{"used again", description("2 1", mline("audio", "9", "2", tr), mline("video", "9", "1", tr)), "2:audio 1:video | 2 1"},
		{"turned off", description("1", mline("audio", "0", "2"), mline("video", "9", "1", tr)), "2:audio- 1:video | 1"},
		{"without mid", description("1", mline("audio", "0", ""), mline("video", "9", "1", tr)), "2:audio- 1:video | 1"},
		{"used again for another kind, at the end of the group", description("1 3", mline("video", "9", "3", tr), mline("video", "9", "1", tr)), "3:video 1:video | 1 3"},
		{"the other turned off", description("3", mline("video", "9", "3", tr), mline("video", "0", "1")), "3:video 1:video- | 3"},
	} {
		if r := cl.offer(ids, "answer", object{"type": "offer", "sdp": step.sdp}); r["janus"] != "ack" {
			t.Fatalf("%s: %v", step.what, r)
		}
		d := sdpOf(t, cl.eventOf("event"))
		if got := gist(d); got != step.want {
			t.Errorf("%s: answered by %s, want %s", step.what, got, step.want)
		}
		n := slices.IndexFunc(d.Sections, func(s sdp.Section) bool { return !s.Rejected() })
		if first == "" {
			first = d.Sections[n].Ufrag
		}
		if d.Sections[n].Ufrag != first {
			t.Errorf("%s: ICE restarts", step.what)
		}
	}
}

// three offers three videos.
func three(*scriptHandle) *plugin.JSEP {
	list := make([]sdp.OfferSection, 3)
	for i := range list {
		list[i] = sdp.OfferSection{Kind: sdp.Video, Direction: sdp.SendOnly, Codec: "vp8"}
	}
	return &plugin.JSEP{SDP: sdp.Offer(sdp.OfferOptions{Name: "test", Sections: list})}
}

// candidatesTaken are the ports of the client's candidates that were used, in order.
func candidatesTaken(sink *recorder) string {
	var ports []string
	for _, n := range sink.list {
		if n.Type == NotifyWebRTC && n.Subtype == SubRemoteCandidate {
			ports = append(ports, strings.Fields(string(n.Event))[5])
		}
	}
	return strings.Join(ports, " ")
}

func hostCandidate(port string) string {
	return "candidate:1 1 udp 2122260223 192.0.2.1 " + port + " typ host"
}

// A client that rejects the first section has its transport in the first of its group:
// candidates count that are trickled for that one, the others do not.
func TestAnswerRejectsFirstSection(t *testing.T) {
	sink := &recorder{}
	p, cl, ids := attachEcho(t, Config{})
	cl.core.AddSink(sink)
	p.pushJSEP = three
	cl.message(ids, object{"do": "offer"})
	if got := gist(sdpOf(t, cl.event())); got != "0:video 1:video 2:video | 0 1 2" {
		t.Fatalf("offer: %s", got)
	}
	trickle := func(port, mid string, index int) {
		t.Helper()
		if r := cl.do("trickle", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"],
			"candidate": object{"candidate": hostCandidate(port), "sdpMid": mid, "sdpMLineIndex": index}}); r["janus"] != "ack" {
			t.Errorf("trickle: %v", r)
		}
	}
	trickle("1001", "0", 0)
	trickle("1002", "2", 2)
	answer := description("2 1", mline("video", "0", "0", transportOf("old"), "a=candidate:1 1 udp 1 192.0.2.1 1003 typ host"),
		mline("video", "9", "1", transportOf("other"), "a=candidate:1 1 udp 1 192.0.2.1 1004 typ host"),
		mline("video", "9", "2", transportOf("right"), "a=candidate:1 1 udp 1 192.0.2.1 1005 typ host"))
	if r := cl.offer(ids, "answered", object{"type": "answer", "sdp": answer}); r["janus"] != "ack" {
		t.Fatalf("answer: %v", r)
	}
	cl.event()
	trickle("1006", "1", 1)
	trickle("1007", "2", 2)
	trickle("1008", "2", 1)

	// Our next offer restarts nothing and keeps the group's order.
	cl.message(ids, object{"do": "offer"})
	if d := sdpOf(t, cl.event()); strings.Join(d.Bundle[:2], " ") != "2 1" {
		t.Errorf("group of the next offer: %v", d.Bundle)
	}
	cl.core.Close()
	if got := candidatesTaken(sink); got != "1005 1002 1007" {
		t.Errorf("candidates that were taken: %s", got)
	}
}

// With full trickle our candidates are for the section that has the transport.
func TestFullTrickleOfLaterSection(t *testing.T) {
	_, cl, ids := attachEcho(t, Config{FullTrickle: true})
	cl.offer(ids, "answer", object{"type": "offer", "sdp": description("1", mline("audio", "0", "0"), mline("video", "9", "1", transportOf("abcd")))})
	n := 0
	for e := range cl.untilCompleted() {
		if c, ok := e["candidate"].(object); ok && c["completed"] == nil {
			if n++; c["sdpMid"] != "1" || c["sdpMLineIndex"] != 1.0 {
				t.Errorf("got %v", e)
			}
		}
	}
	if n == 0 {
		t.Error("no candidates")
	}
}

// Where nothing is left in use the client is told by a hangup, and a new offer makes a
// new connection, whoever rejected everything.
func TestEverythingRejected(t *testing.T) {
	for name, reject := range map[string]func(t *testing.T, p *script, cl *client, ids object){
		"by the client's answer": func(t *testing.T, p *script, cl *client, ids object) {
			p.pushJSEP = three
			cl.message(ids, object{"do": "offer"})
			cl.event()
			text := description("", mline("video", "0", "0"), mline("video", "0", "1"), mline("video", "0", "2"))
			if r := cl.offer(ids, "answered", object{"type": "answer", "sdp": text}); r["janus"] != "ack" {
				t.Fatalf("answer: %v", r)
			}
			if e := cl.event(); eventName(e) != "answered" {
				t.Errorf("got %v", e)
			}
		},
		"by the client's offer": func(t *testing.T, p *script, cl *client, ids object) {
			cl.offer(ids, "answer", object{"type": "offer", "sdp": description("0", mline("video", "9", "0", transportOf("abcd")))})
			cl.event()
			if r := cl.offer(ids, "answer", object{"type": "offer", "sdp": description("", mline("video", "0", "0"))}); r["janus"] != "ack" {
				t.Fatalf("offer: %v", r)
			}
			if got := gist(sdpOf(t, cl.event())); got != "0:video- | " {
				t.Errorf("answered by %s", got)
			}
		},
		"by us": func(t *testing.T, p *script, cl *client, ids object) {
			p.onOffer = func(_ *scriptHandle, r *plugin.Request) *plugin.JSEP {
				return &plugin.JSEP{SDP: sdp.Answer(r.JSEP.SDP, sdp.AnswerOptions{Choose: func(int, *sdp.Section) sdp.SectionChoice {
					return sdp.SectionChoice{Reject: true}
				}})}
			}
			cl.offer(ids, "answer", object{"type": "offer", "sdp": description("0", mline("video", "9", "0", transportOf("abcd")))})
			if got := gist(sdpOf(t, cl.event())); got != "0:video- | " {
				t.Errorf("answered by %s", got)
			}
			p.onOffer = echo
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, cl, ids := attachEcho(t, Config{})
			reject(t, p, cl, ids)
			if e := cl.event(); eventName(e) != "hangup" {
				t.Errorf("got %v", e)
			}
			if e := cl.event(); e["janus"] != "hangup" || e["reason"] != "All media rejected" {
				t.Errorf("got %v", e)
			}
			cl.offer(ids, "answer", object{"type": "offer", "sdp": description("0", mline("video", "9", "0", transportOf("efgh")))})
			if got := gist(sdpOf(t, cl.event())); got != "0:video | 0" || p.handles[0].jsep.Update {
				t.Errorf("answered by %s", got)
			}
		})
	}
	// There is nothing to end, and nothing to make of it.
	_, cl, ids := attachEcho(t, Config{})
	wantError(t, cl.offer(ids, "answer", object{"type": "offer", "sdp": description("", mline("video", "0", "0"))}), ErrJSEPInvalid, "Error processing SDP")
}
