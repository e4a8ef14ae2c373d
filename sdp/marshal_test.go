package sdp

import (
	"strings"
	"testing"
)

// The order of lines is fixed: see the two texts.
func TestMarshalOrder(t *testing.T) {
	tr := testTransport
	tr.Setup, tr.SessionID, tr.Version, tr.ICELite = SetupActpass, 42, 3, true
	o := Offer(OfferOptions{Name: "VideoRoom 1", SessionID: 7, Version: 1, Sections: []OfferSection{
		{Kind: Audio, Codec: Opus, Direction: SendOnly, Fmtp: "useinbandfec=1", Extensions: ext(URIMID, URIAudioLevel)},
		{Kind: Video, Codec: H264, Direction: SendOnly, Profile: "42e01f", Extensions: ext(URITransportCC, URIAbsSendTime, URIRID),
			Stream: "alice", Track: "cam", Bandwidth: Bandwidth{"AS", 500}},
		{Kind: Video, Codec: Opus},
		{Kind: Application, Direction: SendRecv},
	}})
	want := `v=0
o=- 42 3 IN IP4 10.0.2.15
s=VideoRoom 1
t=0 0
a=group:BUNDLE 0 1 3
a=ice-options:trickle
a=fingerprint:sha-256 5E:1D:14:4C
a=extmap-allow-mixed
a=msid-semantic: WMS *
a=ice-lite
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 10.0.2.15
a=sendonly
a=mid:0
a=rtcp-mux
a=ice-ufrag:XX/Y
a=ice-pwd:0KDtjKboxthTph4TmYfpHh
a=ice-options:trickle
a=setup:actpass
a=rtpmap:111 opus/48000/2
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=fmtp:111 useinbandfec=1
a=msid:janus janus0
a=ssrc:1 cname:janus
a=candidate:1 1 udp 2015363327 10.0.2.15 36058 typ host
a=end-of-candidates
m=video 9 UDP/TLS/RTP/SAVPF 107 108
c=IN IP4 10.0.2.15
b=AS:500
a=sendonly
a=mid:1
a=rtcp-mux
a=ice-ufrag:XX/Y
a=ice-pwd:0KDtjKboxthTph4TmYfpHh
a=ice-options:trickle
a=setup:actpass
a=rtpmap:107 H264/90000
a=rtcp-fb:107 ccm fir
a=rtcp-fb:107 nack
a=rtcp-fb:107 nack pli
a=rtcp-fb:107 goog-remb
a=rtcp-fb:107 transport-cc
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=fmtp:107 profile-level-id=42e01f;packetization-mode=1
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
a=ssrc-group:FID 3 4
a=msid:alice cam
a=ssrc:3 cname:janus
a=ssrc:4 cname:janus
a=candidate:1 1 udp 2015363327 10.0.2.15 36058 typ host
a=end-of-candidates
m=video 0 UDP/TLS/RTP/SAVPF 0
c=IN IP4 10.0.2.15
a=inactive
a=mid:2
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 10.0.2.15
a=sendrecv
a=mid:3
a=sctp-port:5000
a=ice-ufrag:XX/Y
a=ice-pwd:0KDtjKboxthTph4TmYfpHh
a=ice-options:trickle
a=setup:actpass
a=candidate:1 1 udp 2015363327 10.0.2.15 36058 typ host
a=end-of-candidates
`
	diffText(t, o.Marshal(tr, testSources, nil), want)

	remote := mustParse(t, readOffer(t, "chrome_simulcast"))
	a := Answer(remote.Anonymise(), AnswerOptions{Name: "x", Choose: func(i int, s *Section) SectionChoice {
		c := SectionChoice{OpusRED: true, NoSend: true, Extensions: []string{URIMID, URITransportCC, URIRID}}
		if s.Kind == Video {
			c.Codecs, c.Profile = []string{VP9}, "2"
		}
		return c
	}})
	tr = Transport{Ufrag: "u", Pwd: "p", Fingerprint: Fingerprint{"sha-256", "AA"}, Setup: SetupActive, Address: "fe80::1",
		FullTrickle: true, Candidates: testTransport.Candidates, EndOfCandidates: true}
	want = `v=0
o=- 5128812456736209731 2 IN IP6 fe80::1
s=x
t=0 0
a=group:BUNDLE 0 1
a=ice-options:trickle
a=fingerprint:sha-256 AA
a=extmap-allow-mixed
a=msid-semantic: WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 63 111
c=IN IP6 fe80::1
a=recvonly
a=mid:0
a=rtcp-mux
a=ice-ufrag:u
a=ice-pwd:p
a=ice-options:trickle
a=setup:active
a=rtpmap:63 red/48000/2
a=rtpmap:111 opus/48000/2
a=fmtp:63 111/111
a=rtcp-fb:111 transport-cc
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=msid:janus janus0
m=video 9 UDP/TLS/RTP/SAVPF 100 101
c=IN IP6 fe80::1
a=recvonly
a=mid:1
a=rtcp-mux
a=ice-ufrag:u
a=ice-pwd:p
a=ice-options:trickle
a=setup:active
a=rtpmap:100 VP9/90000
a=rtcp-fb:100 ccm fir
a=rtcp-fb:100 nack
a=rtcp-fb:100 nack pli
a=rtcp-fb:100 goog-remb
a=rtcp-fb:100 transport-cc
a=fmtp:100 profile-id=2
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=rtpmap:101 rtx/90000
a=fmtp:101 apt=100
a=msid:janus janus1
a=rid:h recv
a=rid:m recv
a=rid:l recv
a=simulcast:recv h;m;l
`
	diffText(t, a.Marshal(tr, nil, remote), want)
}

func diffText(t *testing.T, got, want string) {
	t.Helper()
	checkValid(t, got)
	g, w := strings.Split(got, "\r\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("line %d differs:\n%s\nwant:\n%s", i+1, got, want)
		}
	}
}

func TestMarshalLegacy(t *testing.T) {
	offer := mustParse(t, head+"m=audio 1 RTP/SAVPF 111\n"+creds+"a=mid:audio\na=rtpmap:111 opus/48000/2\n"+
		"m=application 1 DTLS/SCTP 5000\n"+creds+"a=mid:data\na=sctpmap:5000 webrtc-datachannel 256\n")
	text := print(t, Answer(offer.Anonymise(), AnswerOptions{}), offer)
	for _, want := range []string{"a=group:BUNDLE audio data\r\n", "m=audio 9 RTP/SAVPF 111\r\n", "a=msid:janus janusaudio\r\n",
		"m=application 9 DTLS/SCTP 5000\r\n", "a=mid:data\r\na=sctpmap:5000 webrtc-datachannel 16\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// A later offer of ours to the same peer keeps its ways.
	text = print(t, Offer(OfferOptions{Sections: []OfferSection{subAudio, textData, subVideo}}), offer)
	for _, want := range []string{"m=audio 9 RTP/SAVPF 111\r\n", "a=mid:audio\r\n", "m=application 9 DTLS/SCTP 5000\r\n",
		"a=mid:data\r\n", "m=video 9 RTP/SAVPF 96 97\r\n", "a=mid:2\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// What a 2017 server offered, and what the browser answered, are understood.
	for _, name := range []string{"seeds/streaming-http-2017-7.sdp", "seeds/streaming-http-2017-8.sdp"} {
		d := mustParse(t, readFile(t, name))
		if err := d.Validate(true); err != nil || d.Sections[0].MID != "audio" || d.Sections[0].Codecs[0].ID() != PCMU {
			t.Errorf("%s: %v, %+v", name, err, d.Sections[0])
		}
	}
}

func TestMarshalNoEncryption(t *testing.T) {
	offer := mustParse(t, readOffer(t, "chrome_avd"))
	tr := testTransport
	tr.NoEncryption, tr.Setup = true, SetupActive
	text := Answer(offer, AnswerOptions{}).Marshal(tr, nil, offer)
	checkValid(t, text)
	if strings.Contains(text, "fingerprint") || strings.Contains(text, "setup") || !strings.Contains(text, "m=audio 9 RTP/AVPF 111\r\n") {
		t.Error(text)
	}
}

func TestMarshalInjection(t *testing.T) {
	d := Offer(OfferOptions{Name: "x\r\na=evil", Sections: []OfferSection{{Kind: Audio, Codec: Opus, Fmtp: "y\nm=evil", Stream: "s\r", Track: "t\ra=evil"}}})
	for line := range strings.SplitSeq(d.Marshal(testTransport, nil, nil), "\r\n") {
		if strings.HasPrefix(line, "a=evil") || strings.HasPrefix(line, "m=evil") || strings.ContainsAny(line, "\r\n") {
			t.Errorf("injected %q", line)
		}
	}
}

func TestMarshalDefaults(t *testing.T) {
	text := Offer(OfferOptions{Sections: []OfferSection{textData}}).Marshal(testTransport, nil, nil)
	if !strings.Contains(text, "s=Meetecho Janus\r\n") {
		t.Error(text)
	}
}

func TestCompleteUpdates(t *testing.T) {
	first := Offer(OfferOptions{Sections: []OfferSection{subAudio, subVideo}}).Complete(nil, nil)
	peer := mustParse(t, head+"m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:changed\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\na=mid:1\n")
	av1 := OfferSection{Kind: Video, Codec: AV1, PT: 97, Direction: SendOnly}
	second := Offer(OfferOptions{Sections: []OfferSection{subAudio, subVideo, subVideo, av1}}).Complete(peer, first)
	for i, want := range []string{"0", "1", "2", "3"} {
		if got := second.Sections[i].MID; got != want {
			t.Errorf("section %d: mid %q, want %q", i, got, want)
		}
	}
	// 97 is AV1 now, so the retransmissions of VP8 have to move; both VP8 sections agree.
	a, b, c := second.Sections[1].Codecs[0].RTX, second.Sections[2].Codecs[0].RTX, second.Sections[3].Codecs[0].RTX
	if a != 98 || b != 98 || c != 99 {
		t.Errorf("retransmissions %d %d %d", a, b, c)
	}
	// They stay where they are when 97 is free again.
	third := Offer(OfferOptions{Sections: []OfferSection{subAudio, subVideo}}).Complete(peer, second)
	if got := third.Sections[1].Codecs[0].RTX; got != 98 {
		t.Errorf("retransmissions moved to %d", got)
	}
	if len(third.Sections) != 4 || !third.Sections[2].Rejected() || third.Sections[3].MID != "3" {
		t.Errorf("sections were lost: %+v", third.Sections)
	}
	fourth := Offer(OfferOptions{Sections: []OfferSection{subAudio, subVideo, subVideo}}).Complete(peer, third)
	if mid := fourth.Sections[2].MID; mid != "4" && mid != "2" || mid == third.Sections[2].MID {
		t.Errorf("recycled section has mid %q", mid)
	}
	again := third.Complete(peer, second)
	if again.String() != third.String() {
		t.Errorf("completing twice:\n%s\n%s", third, again)
	}
	full := OfferSection{Kind: Video, Codec: VP8, PT: 127}
	if got := Offer(OfferOptions{Sections: []OfferSection{full}}).Complete(nil, nil).Sections[0].Codecs[0].RTX; got != 96 {
		t.Errorf("after 127 comes %d", got)
	}
}

func TestCompleteAnswerFits(t *testing.T) {
	offer := mustParse(t, readOffer(t, "chrome_multi"))
	short := Answer(mustParse(t, readOffer(t, "chrome_audio")), AnswerOptions{}).Complete(offer, nil)
	if len(short.Sections) != 4 || short.Sections[0].Rejected() || !short.Sections[3].Rejected() || short.Sections[3].MID != "3" {
		t.Errorf("short answer: %s", short)
	}
	wrong := Answer(mustParse(t, readOffer(t, "chrome_video")), AnswerOptions{}).Complete(mustParse(t, readOffer(t, "chrome_audio")), nil)
	if len(wrong.Sections) != 1 || wrong.Sections[0].Kind != Audio || !wrong.Sections[0].Rejected() {
		t.Errorf("wrong kind: %s", wrong)
	}
	print(t, short, offer)
}

func TestAnonymise(t *testing.T) {
	for _, name := range []string{"chrome_avd", "chrome_simulcast", "firefox_simulcast", "chrome_audio_cands", "plain_srtp"} {
		text := mustParse(t, readOffer(t, name)).Anonymised()
		checkValid(t, text)
		for _, gone := range []string{"a=ice-", "a=crypto", "a=fingerprint", "a=setup", "a=group", "msid-semantic", "extmap-allow-mixed", "a=rid",
			"a=simulcast", "a=rtcp:", "a=rtcp-mux", "a=rtcp-rsize", "a=candidate", "a=ssrc", "a=sctp", "max-message-size", "rtx/", "apt=",
			"red/90000", "ulpfec", "127.0.0.1", "0.0.0.0", " 58071 ", "192.168"} {
			if strings.Contains(text, gone) {
				t.Errorf("%s: %s is left", name, gone)
			}
		}
		if !strings.Contains(text, "c=IN IP4 1.1.1.1\r\n") {
			t.Errorf("%s: %s", name, text)
		}
	}
	text := mustParse(t, video("a=extmap:3 urn:ietf:params:rtp-hdrext:encrypt urn:x\na=extmap:4 urn:y\na=label:7\n"+
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\nm=video 9 FOO 96\n")).Anonymised()
	for want, n := range map[string]int{"encrypt": 0, "a=extmap:4 urn:y\r\n": 1, "a=label:7\r\n": 1, "m=application 9 ": 1, "m=application 0 ": 1, "m=video 0 FOO 96": 1} {
		if strings.Count(text, want) != n {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(text, want), text)
		}
	}
}

func TestArgumentsStayAsTheyAre(t *testing.T) {
	offer := mustParse(t, readOffer(t, "chrome_simulcast"))
	before := offer.String()
	a := Answer(offer, echoOptions("", ""))
	a.Sections[1].Codecs[0].Feedback[0] = "changed"
	text := a.String()
	c := a.Complete(offer, nil)
	c.Sections[1].Codecs[0].Feedback[0] = "changed again"
	c.WithTransport(testTransport, testSources)
	offer.Anonymise().Sections[1].Codecs[0].Feedback[0] = "changed"
	if offer.String() != before || a.String() != text {
		t.Error("an argument was changed")
	}
}

func TestSetupAnswer(t *testing.T) {
	for offered, want := range map[Setup]Setup{SetupActpass: SetupActive, SetupPassive: SetupActive, SetupActive: SetupPassive, SetupNone: SetupActive} {
		if got := offered.Answer(); got != want {
			t.Errorf("%v is answered by %v, want %v", offered, got, want)
		}
	}
}
