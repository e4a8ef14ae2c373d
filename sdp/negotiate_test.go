package sdp

import (
	"reflect"
	"strings"
	"testing"
)

func video(lines string) string {
	return head + "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100\na=mid:v\n" +
		"a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=0;profile-level-id=42e01f\n" +
		"a=rtpmap:97 H264/90000\na=fmtp:97 packetization-mode=1;profile-level-id=42E01F\n" +
		"a=rtpmap:98 VP9/90000\na=rtpmap:99 VP9/90000\na=fmtp:99 profile-id=2\na=rtpmap:100 red/90000\n" + lines
}

func choice(c SectionChoice) AnswerOptions {
	return AnswerOptions{Choose: func(int, *Section) SectionChoice { return c }}
}

func TestAnswerCodecs(t *testing.T) {
	audioText := head + "m=audio 9 UDP/TLS/RTP/SAVPF 63 111 8 0 126 110\na=rtpmap:63 red/48000/2\na=rtpmap:111 opus/48000/2\n" +
		"a=fmtp:111 stereo=1;useinbandfec=0;sprop-stereo=1\na=rtpmap:126 telephone-event/8000\na=rtpmap:110 telephone-event/48000\n"
	multi := head + "m=audio 9 UDP/TLS/RTP/SAVPF 120\na=rtpmap:120 multiopus/48000/6\na=fmtp:120 channel_mapping=0,4,1,2,3,5;num_streams=4\n"
	tests := []struct {
		name, offer string
		choice      SectionChoice
		want        []string // rtpmap and fmtp of the answer; nil for rejected
	}{
		{"default audio", audioText, SectionChoice{}, []string{"111 opus/48000/2"}},
		{"preference", audioText, SectionChoice{Codecs: []string{"g722", "PCMA", "opus"}}, []string{"8 PCMA/8000"}},
		{"missing codec", audioText, SectionChoice{Codecs: []string{"g722"}}, nil},
		{"rejected", audioText, SectionChoice{Reject: true}, nil},
		{"red and dtmf", audioText, SectionChoice{OpusRED: true, DTMF: true},
			[]string{"63 red/48000/2 111/111", "111 opus/48000/2", "126 telephone-event/8000"}},
		{"red only with opus", audioText, SectionChoice{OpusRED: true, Codecs: []string{"pcmu"}}, []string{"0 PCMU/8000"}},
		{"parameters", audioText, SectionChoice{AudioParams: []string{"useinbandfec=1", "usedtx=1", "stereo=1"}},
			[]string{"111 opus/48000/2 stereo=1"}},
		{"own parameters", audioText, SectionChoice{Fmtp: "x=y"}, []string{"111 opus/48000/2 x=y"}},
		{"multiopus", multi, SectionChoice{AudioParams: []string{"stereo=1"}},
			[]string{"120 multiopus/48000/6 channel_mapping=0,4,1,2,3,5;num_streams=4"}},
		{"default video", video(""), SectionChoice{}, []string{"98 VP9/90000"}},
		{"h264", video(""), SectionChoice{Codecs: []string{"h264"}},
			[]string{"97 H264/90000 packetization-mode=1;profile-level-id=42E01F"}},
		{"h264 profile skips mode 0", video(""), SectionChoice{Codecs: []string{"h264"}, Profile: "42e01f"},
			[]string{"97 H264/90000 profile-level-id=42e01f;packetization-mode=1"}},
		{"h264 profile missing", video(""), SectionChoice{Codecs: []string{"h264"}, Profile: "640032"},
			[]string{"97 H264/90000 packetization-mode=1;profile-level-id=42E01F"}},
		{"h264 profile required", video(""), SectionChoice{Codecs: []string{"h264"}, Profile: "640032", ProfileRequired: true}, nil},
		{"vp9 profile", video(""), SectionChoice{Codecs: []string{"vp9"}, Profile: "2"}, []string{"99 VP9/90000 profile-id=2"}},
		{"vp9 profile 0 by default", video(""), SectionChoice{Codecs: []string{"vp9"}, Profile: "0"}, []string{"98 VP9/90000 profile-id=0"}},
		{"video red is never chosen", video(""), SectionChoice{Codecs: []string{"red"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offer := mustParse(t, tt.offer)
			a := Answer(offer, choice(tt.choice))
			var got []string
			for _, c := range a.Sections[0].Codecs {
				got = append(got, strings.TrimSpace(utoa(uint64(c.PT))+" "+c.RTPMap()+" "+c.Fmtp))
			}
			if !reflect.DeepEqual(got, tt.want) || a.Sections[0].Rejected() != (tt.want == nil) {
				t.Errorf("got %q, rejected %v, want %q", got, a.Sections[0].Rejected(), tt.want)
			}
			print(t, a, offer)
		})
	}
}

func TestAnswerDirection(t *testing.T) {
	for _, tt := range []struct {
		offered, want, noSend, noReceive Direction
	}{
		{SendRecv, SendRecv, RecvOnly, SendOnly}, {SendOnly, RecvOnly, RecvOnly, Inactive},
		{RecvOnly, SendOnly, Inactive, SendOnly}, {Inactive, Inactive, Inactive, Inactive},
	} {
		offer := mustParse(t, video("a="+tt.offered.String()+"\n"))
		got := [...]Direction{
			Answer(offer, AnswerOptions{}).Sections[0].Direction,
			Answer(offer, choice(SectionChoice{NoSend: true})).Sections[0].Direction,
			Answer(offer, choice(SectionChoice{NoReceive: true})).Sections[0].Direction,
		}
		if want := [...]Direction{tt.want, tt.noSend, tt.noReceive}; got != want {
			t.Errorf("%v: %v, want %v", tt.offered, got, want)
		}
	}
}

func TestAnswerExtensions(t *testing.T) {
	text := video("a=extmap:9/sendonly " + URIVideoOrientation + "\na=extmap:3 " + URITransportCC + "\na=extmap:5 " +
		URIDependencyDescriptor + "\na=extmap:7 urn:x\na=extmap:8 " + URITransportCC + "\n")
	offer := mustParse(t, text)
	c := SectionChoice{Extensions: []string{URITransportCC, URIVideoOrientation, URIDependencyDescriptor, URIMID}}
	s := Answer(offer, choice(c)).Sections[0]
	want := []Extension{{9, URIVideoOrientation, RecvOnly, true}, {ID: 3, URI: URITransportCC}, {ID: 5, URI: URIDependencyDescriptor}}
	if !reflect.DeepEqual(s.Extensions, want) {
		t.Errorf("VP9: %+v", s.Extensions)
	}
	if !s.Codecs[0].HasFeedback(FeedbackTransportCC) {
		t.Error("no transport-cc feedback although the extension is accepted")
	}
	c.Codecs = []string{H264}
	if s = Answer(offer, choice(c)).Sections[0]; s.ExtensionID(URIDependencyDescriptor) != 0 {
		t.Error("dependency descriptor with H.264")
	}
	if s = Answer(offer, AnswerOptions{}).Sections[0]; len(s.Extensions) != 0 || s.Codecs[0].HasFeedback(FeedbackTransportCC) {
		t.Errorf("unasked extensions: %+v", s)
	}
}

func TestAnswerRejections(t *testing.T) {
	text := head + "m=audio 9 UDP/TLS/RTP/SAVPF 0\n" + creds + "a=mid:a\nm=text 9 RTP/AVP 98\na=mid:i\nm=video 0 UDP/TLS/RTP/SAVPF 96\na=mid:v\n" +
		"a=rtpmap:96 VP8/90000\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\na=sctp-port:5001\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:e\na=sctp-port:5000\nm=application 9 UDP/BFCP *\na=mid:b\nm=video 9 QUIC 96\na=mid:q\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\na=mid:o\na=bundle-only\na=rtpmap:96 VP8/90000\n"
	offer := mustParse(t, text)
	got := print(t, Answer(offer.Anonymise(), AnswerOptions{}), offer)
	var lines []string
	for line := range strings.SplitSeq(got, "\r\n") {
		if strings.HasPrefix(line, "m=") || strings.HasPrefix(line, "a=group") || strings.HasPrefix(line, "a=mid") {
			lines = append(lines, line)
		}
	}
	want := []string{"a=group:BUNDLE a d o",
		"m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:a",
		"m=text 0 RTP/AVP 98", "a=mid:i",
		"m=video 0 UDP/TLS/RTP/SAVPF 0", "a=mid:v",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:d",
		"m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:e",
		"m=application 0 UDP/BFCP *", "a=mid:b",
		"m=video 0 UDP/TLS/RTP/SAVPF 0", "a=mid:q",
		"m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:o"}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if strings.Count(got, "sctp-port") != 1 {
		t.Error("second data section has a port")
	}
}

func TestSimulcast(t *testing.T) {
	tests := []struct {
		name, lines, order string
		want               Simulcast
		answer             []string // lines of the answer
	}{
		{"rids", "a=rid:h send pt=98\na=rid:m send\na=rid:l send\na=simulcast:send h;~m;l\na=extmap:10 " + URIRID + "\na=extmap:11 " + URIRepairedRID + "\n", "hml",
			Simulcast{RIDs: []string{"l", "m", "h"}, Paused: []bool{false, true, false}, RIDExtension: 10, RepairedRIDID: 11},
			[]string{"a=rid:h recv", "a=rid:m recv", "a=rid:l recv", "a=simulcast:recv h;~m;l"}},
		{"low first", "a=rid:l send\na=rid:h send\na=simulcast:send l;h\n", "lmh",
			Simulcast{RIDs: []string{"l", "h"}, Paused: []bool{false, false}},
			[]string{"a=rid:l recv", "a=rid:h recv", "a=simulcast:recv l;h"}},
		{"old syntax", "a=rid:h send\na=rid:l send\na=simulcast: send rid=h;l\n", "",
			Simulcast{RIDs: []string{"l", "h"}, Paused: []bool{false, false}},
			[]string{"a=rid:h recv", "a=rid:l recv", "a=simulcast: recv rid=h;l"}},
		{"alternatives", "a=rid:1 send\na=rid:2 send\na=rid:3 send\na=simulcast:send 1,2;3 recv 4\n", "",
			Simulcast{RIDs: []string{"3", "1"}, Paused: []bool{false, false}}, nil},
		{"at most three", "a=rid:a send\na=rid:b send\na=rid:c send\na=rid:d send\na=rid:0123456789abcdef send\na=simulcast:send a;b;c;d\n", "",
			Simulcast{RIDs: []string{"c", "b", "a"}, Paused: make([]bool, 3)}, nil},
		{"sim group", "a=ssrc-group:SIM 1 2 3\na=ssrc-group:FID 1 11\na=ssrc-group:FID 3 13\na=ssrc:1 cname:x\n", "",
			Simulcast{Sources: []SSRCPair{{1, 11}, {2, 0}, {3, 13}}}, nil},
		{"rids win", "a=ssrc-group:SIM 1 2 3\na=rid:h send\na=rid:l send\na=simulcast:send h;l\n", "",
			Simulcast{RIDs: []string{"l", "h"}, Paused: []bool{false, false}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offer := mustParse(t, video(tt.lines))
			got, ok := offer.Simulcast(0, tt.order)
			if !ok || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, ok, tt.want)
			}
			text := print(t, Answer(offer, choice(SectionChoice{Extensions: []string{URIRID}})), offer)
			if want := strings.Join(tt.answer, "\r\n"); !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		})
	}
	offer := mustParse(t, video(tests[0].lines))
	for name, o := range map[string]AnswerOptions{"extension refused": {}, "not receiving": choice(SectionChoice{NoReceive: true, Extensions: []string{URIRID}})} {
		if text := print(t, Answer(offer, o), offer); strings.Contains(text, "a=rid:") || strings.Contains(text, "a=simulcast") {
			t.Errorf("%s: simulcast accepted", name)
		}
	}
	for _, lines := range []string{"", "a=ssrc-group:SIM 1\n", "a=recvonly\n" + tests[0].lines} {
		if got, ok := mustParse(t, video(lines)).Simulcast(0, ""); ok {
			t.Errorf("%q: %+v", lines, got)
		}
	}
	if _, ok := offer.Simulcast(7, ""); ok {
		t.Error("simulcast of a section that does not exist")
	}
}

func TestNegotiate(t *testing.T) {
	local := Offer(OfferOptions{Sections: []OfferSection{subVideo, subData}}).Complete(nil, nil)
	answered := mustParse(t, head+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=recvonly\na=mid:0\na=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack\na=rtcp-fb:96 foo\n"+
		"a=extmap:4 "+URIMID+"\na=extmap:9 "+URITransportCC+"\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\n")
	n, ok := Negotiate(local, answered, 0)
	want := Negotiated{Kind: Video, MID: "0", Direction: SendOnly, Codecs: []Codec{{PT: 96, Name: "VP8", Clock: 90000, Feedback: []string{"nack"}}},
		Extensions: []Extension{{ID: 4, URI: URIMID}}}
	if !ok || !reflect.DeepEqual(n, want) {
		t.Errorf("got %+v, want %+v", n, want)
	}
	if _, ok = Negotiate(local, answered, 1); ok {
		t.Error("rejected data channels are negotiated")
	}
	offer := mustParse(t, readOffer(t, "chrome_avd"))
	answer := Answer(offer, echoOptions("", "")).Complete(offer, nil)
	if n, ok = Negotiate(answer, offer, 1); !ok || len(n.Codecs) != 1 || n.Codecs[0].RTX != 97 || n.Direction != SendRecv || len(n.Codecs[0].Feedback) != 5 {
		t.Errorf("video: %+v", n)
	}
	if n, ok = Negotiate(answer, offer, 2); !ok || n.Data != SCTPPort {
		t.Errorf("data: %+v", n)
	}
}

func TestLookups(t *testing.T) {
	d := mustParse(t, readOffer(t, "chrome_avd"))
	for ssrc, want := range map[uint32]int{4085458354: 0, 2080201980: 1, 334907082: 1} {
		if got, ok := d.SectionBySSRC(ssrc); !ok || got != want {
			t.Errorf("source %d in section %d", ssrc, got)
		}
	}
	if _, ok := d.SectionBySSRC(1); ok {
		t.Error("unknown source found")
	}
	if i, ok := d.SectionByMID("2"); !ok || i != 2 {
		t.Errorf("mid 2 in section %d", i)
	}
	if _, ok := d.SectionByMID("x"); ok {
		t.Error("unknown mid found")
	}
	for _, id := range append(append([]string{RED, DTMF}, DefaultAudioCodecs...), DefaultVideoCodecs...) {
		c, ok := LookupCodec(strings.ToUpper(id))
		if !ok || c.ID() != id {
			t.Errorf("%s: %v is called %q", id, c, c.ID())
		}
	}
}

// TestFormats: another clock rate or number of channels is another format.
func TestFormats(t *testing.T) {
	for text, want := range map[string]string{
		"opus/48000/2": Opus, "OPUS/48000": Opus, "opus/16000/2": "", "multiopus/48000/8": Multiopus, "PCMU/8000": PCMU, "pcmu/8000/1": PCMU,
		"PCMU/16000": "", "PCMA/8000/2": "", "G722/8000": G722, "G722/16000": "", "L16/16000": L16at16, "L16/48000/1": L16at48, "L16/48000/2": "",
		"L16/44100": "", "ISAC/16000": ISAC16, "ISAC/16000/2": "", "telephone-event/8000": DTMF, "VP8/90000": VP8, "VP8/48000": "", "AV1X/90000": AV1,
		"speex/8000": "", "PCMU/x": "", "PCMU": "",
	} {
		c, ok := ParseRTPMap(text)
		if id := c.ID(); id != want || !ok {
			t.Errorf("%s: %q, want %q", text, id, want)
		}
		offer := mustParse(t, head+"m=audio 9 UDP/TLS/RTP/SAVPF 100\na=mid:m\na=rtpmap:100 "+text+"\n")
		if got := offer.Sections[0].Codecs[0].ID(); got != want {
			t.Errorf("%s is parsed as %q, want %q", text, got, want)
		}
	}
	if _, ok := ParseRTPMap("/8000"); ok {
		t.Error("no encoding name")
	}
}

func TestValidMID(t *testing.T) {
	for mid, want := range map[string]bool{
		"a": true, "0123456789abcdef": true, "!#$%&'*+-.^_`{|}": true, "~": true,
		"": false, "0123456789abcdefg": false, "a b": false, "a\nb": false, "a\x7f": false, "é": false, "a:": false, "a/b": false, `\`: false,
	} {
		if ValidMID(mid) != want {
			t.Errorf("%q: %v", mid, !want)
		}
	}
}

func TestMaxMessage(t *testing.T) {
	const section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\na=sctp-port:5000\n"
	for line, want := range map[string]uint64{
		"":                            65536, // RFC 8841, 6.1
		"a=max-message-size:262144\n": 262144, "a=max-message-size:0\n": 0, "a=max-message-size: 1000 \n": 1000,
		"a=max-message-size:all\n": 65536, "a=max-message-size:99999999999999999999\n": 65536,
	} {
		d := mustParse(t, head+creds+section+line)
		local := Answer(d.Anonymise(), echoOptions("", "")).Complete(d, nil)
		n, ok := Negotiate(local, d, 0)
		if !ok || n.MaxMessage != want {
			t.Errorf("%q: %v, %d, want %d", line, ok, n.MaxMessage, want)
		}
		if text := local.String(); strings.Contains(text, "max-message-size") {
			t.Errorf("answered with %s", text)
		}
	}
}
