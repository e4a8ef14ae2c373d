package gateway

import (
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

var testCodes = Codes{
	Codes:   kit.Codes{Missing: 1, Invalid: 2, Unknown: 3, BadSDP: 4, Unauthorized: 5},
	NoMedia: 6, IO: 7, Strict: 8, State: 9,
}

// newConfig makes what legs have in common, with an engine of its own.
func newConfig(t testing.TB) *Config {
	t.Helper()
	e, err := sfu.New(sfu.Config{Shards: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, e) })
	return &Config{
		Engine: func() *sfu.Engine { return e }, Log: func() *slog.Logger { return slog.New(slog.DiscardHandler) }, Codes: testCodes,
		Settings: Settings{Addr: netip.MustParseAddr("127.0.0.1"), SDPAddr: netip.MustParseAddr("192.0.2.9"),
			Ports: config.PortRange{Min: 10000, Max: 60000}},
	}
}

// newLeg makes a leg without a client behind it.
func newLeg(t testing.TB, c *Config) *Leg {
	t.Helper()
	l := NewLeg(c, plugin.Nobody{}, Handler{})
	t.Cleanup(l.Close)
	return l
}

// browser is a description of a client's as plugins see it.
func browser(t testing.TB, typ sdp.Type, text string) *sdp.Description {
	t.Helper()
	d, err := sdp.Parse(strings.ReplaceAll(strings.TrimSpace(text), "\n", "\r\n") + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	d = d.Anonymise()
	d.Type = typ
	return d
}

// volatile is what differs each time.
var volatile = []struct{ re, with string }{
	{`o=- \d+ `, "o=- ID "},
	{`m=(audio|video) [1-9]\d+ `, "m=$1 PORT "},
	{`inline:[A-Za-z0-9+/]+=*`, "inline:KEY"},
	{`\r\n`, "\n"},
}

// golden is a description without what differs each time.
func golden(text string) string {
	for _, x := range volatile {
		text = regexp.MustCompile(x.re).ReplaceAllString(text, x.with)
	}
	return text
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got = golden(got); got != strings.TrimLeft(want, "\n") {
		t.Errorf("%s is\n%s\nand not\n%s", what, got, strings.TrimLeft(want, "\n"))
	}
}

func ok[T any](t testing.TB) func(v T, err *schema.Error) T {
	return func(v T, err *schema.Error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%d %s", err.Code, err.Text)
		}
		return v
	}
}

// chrome is an offer as Chromium makes it, with what it has that means nothing to others.
const chrome = `
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 8 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:ufrg
a=ice-pwd:passwordpasswordpasswordpa
a=ice-options:trickle
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:stream audio
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=maxptime:60
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
a=ssrc:1111 cname:name
m=video 9 UDP/TLS/RTP/SAVPF 96 97 102
c=IN IP4 0.0.0.0
b=AS:500
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:ufrg
a=ice-pwd:passwordpasswordpasswordpa
a=setup:actpass
a=mid:1
a=bundle-only
a=extmap:13 urn:3gpp:video-orientation
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=sendonly
a=msid:stream video
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:102 H264/90000
a=rtcp-fb:102 nack
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rid:h send
a=rid:l send
a=simulcast:send h;l
a=ssrc:2222 cname:name
a=content:main
`

// plainOffer is what the far end gets of it; %s are protocol and keys.
const plainOffer = `
v=0
o=- ID 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio PORT RTP/AVP 111 63 0 8 126
c=IN IP4 192.0.2.9
a=sendrecv
a=rtpmap:111 opus/48000/2
a=rtpmap:63 red/48000/2
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=fmtp:111 minptime=10;useinbandfec=1
a=fmtp:63 111/111
a=maxptime:60
m=video PORT RTP/AVP 96 102
c=IN IP4 192.0.2.9
b=AS:500
a=sendonly
a=rtpmap:96 VP8/90000
a=rtpmap:102 H264/90000
a=rtcp-fb:96 nack pli
a=extmap:13 urn:3gpp:video-orientation
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=content:main
`

// withCrypto is a description with SRTP: a key behind each section that is in use.
func withCrypto(text, proto, line string) string {
	head, media, _ := strings.Cut(text, "m=audio")
	var out strings.Builder
	out.WriteString(head)
	for i, s := range strings.SplitAfter("m=audio"+media, "\nm=video") {
		s = strings.ReplaceAll(s, "RTP/AVP", proto)
		if s, found := strings.CutSuffix(s, "m=video"); found {
			out.WriteString(s + line + "\nm=video")
		} else {
			out.WriteString(s + line + "\n")
		}
		_ = i
	}
	return out.String()
}

// The far end gets a plain description of what a browser offers, which is final: with ports, address, protocol and keys.
func TestOffer(t *testing.T) {
	c := newConfig(t)
	gcm := func(name string) sfu.SRTPProfile { p, _ := sfu.SRTPSuite(name); return p }
	for _, tt := range []struct {
		name string
		srtp SRTP
		want string
	}{
		{"plain", SRTP{}, plainOffer},
		{"optional", SRTP{Offer: true, Suite: gcm("AES_CM_128_HMAC_SHA1_80")},
			withCrypto(plainOffer, "RTP/AVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY")},
		{"mandatory", SRTP{Offer: true, Required: true, Suite: gcm("AEAD_AES_256_GCM")},
			withCrypto(plainOffer, "RTP/SAVP", "a=crypto:1 AEAD_AES_256_GCM inline:KEY")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLeg(t, c)
			text := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, chrome), tt.srtp))
			same(t, "the offer", text, tt.want)
			d, err := sdp.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			audio, video := d.Sections[0].Port, d.Sections[1].Port
			if audio%2 != 0 || video%2 != 0 || audio == video || audio < 10000 || audio > 60000 {
				t.Errorf("ports %d and %d", audio, video)
			}
			keys := regexp.MustCompile(`inline:\S+`).FindAllString(text, -1)
			if tt.srtp.Offer && (len(keys) != 2 || keys[0] == keys[1]) {
				t.Errorf("keys %v", keys)
			}
		})
	}
}

// Sections that cannot be had are refused, in an offer as in an answer, and so are further ones of a kind.
func TestRefused(t *testing.T) {
	l := newLeg(t, newConfig(t))
	offer := browser(t, sdp.TypeOffer, `
v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 0 UDP/TLS/RTP/SAVPF 111
m=audio 9 UDP/TLS/RTP/SAVPF 0
a=mid:1
m=video 9 UDP/TLS/RTP/SAVPF 96
a=mid:2
a=rtpmap:96 VP8/90000
m=video 9 UDP/TLS/RTP/SAVPF 98
a=mid:3
a=rtpmap:98 VP9/90000
`)
	same(t, "the offer", ok[string](t)(l.Offer(offer, SRTP{})), `
v=0
o=- ID 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 0 RTP/AVP 111
c=IN IP4 192.0.2.9
a=inactive
m=audio PORT RTP/AVP 0
c=IN IP4 192.0.2.9
a=sendrecv
a=rtpmap:0 PCMU/8000
m=video PORT RTP/AVP 96
c=IN IP4 192.0.2.9
a=sendrecv
a=rtpmap:96 VP8/90000
m=video 0 RTP/AVP 98
c=IN IP4 192.0.2.9
a=inactive
`)

	far := `
v=0
o=far 1 1 IN IP4 192.0.2.1
s=call
c=IN IP4 192.0.2.1
t=0 0
m=image 5000 udptl t38
m=audio 5002 UDP/TLS/RTP/SAVPF 0
m=audio 5004 RTP/AVPF 8
m=audio 5006 RTP/AVP 0
m=text 5008 RTP/AVP 98
`
	r := ok[*Remote](t)(l.TakeOffer(crlf(far), SRTP{}))
	var ports []int
	for i := range r.SDP.Sections {
		ports = append(ports, r.SDP.Sections[i].Port)
	}
	if len(ports) != 5 || ports[2] != 5004 || ports[0]+ports[1]+ports[3]+ports[4] != 0 {
		t.Errorf("ports towards the client: %v", ports)
	}
	answer := sdp.Answer(r.SDP, sdp.AnswerOptions{})
	same(t, "the answer", ok[string](t)(l.Answer(answer, SRTP{})), `
v=0
o=- ID 2 IN IP4 192.0.2.9
s=call
c=IN IP4 192.0.2.9
t=0 0
m=image 0 udptl t38
c=IN IP4 192.0.2.9
a=inactive
m=audio 0 UDP/TLS/RTP/SAVPF 0
c=IN IP4 192.0.2.9
a=inactive
m=audio PORT RTP/AVPF 8
c=IN IP4 192.0.2.9
a=sendrecv
a=rtpmap:8 PCMA/8000
m=audio 0 RTP/AVP 0
c=IN IP4 192.0.2.9
a=inactive
m=text 0 RTP/AVP 98
c=IN IP4 192.0.2.9
a=inactive
`)
}

func crlf(text string) string { return strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n") }
