package gateway

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"bifrons/sdp"
	"bifrons/sfu"
)

const (
	key30 = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj" // of RFC 4568, 6.1
	key28 = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3OA=="
	key44 = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ="
)

// farEnd is a description of a telephone's, with its protocol and further lines.
func farEnd(proto string, lines ...string) string {
	return crlf("v=0\no=far 1 1 IN IP4 192.0.2.1\ns=call\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 41000 " + proto +
		" 111 8\na=rtpmap:111 opus/48000/2\n" + strings.Join(append(lines, ""), "\n"))
}

const audioOnly = `
v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 9 UDP/TLS/RTP/SAVPF 111 8
a=mid:0
a=rtpmap:111 opus/48000/2
`

var cryptoLine = regexp.MustCompile(`(?m)^a=crypto:(.*?)\r$`)

// cryptos are the values of the keys in a description.
func cryptos(text string) (list []string) {
	for _, m := range cryptoLine.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

func suite(t testing.TB, name string) sfu.SRTPProfile {
	t.Helper()
	p, known := sfu.SRTPSuite(name)
	if !known {
		t.Fatal(name)
	}
	return p
}

// What the far end offers is answered with the same tag and suite: of its keys the first that can be used. What it
// offers as SRTP only, or we want only so, has to have one.
func TestAnswerSRTP(t *testing.T) {
	c := newConfig(t)
	for _, tt := range []struct {
		name, proto string
		lines       []string
		required    bool
		want        string // tag and suite of the answer
		demands     bool   // the offer does
		code        int
	}{
		{"none", "RTP/AVP", nil, false, "", false, 0},
		{"optional", "RTP/AVP", []string{"a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:" + key30}, false, "3 AES_CM_128_HMAC_SHA1_32", false, 0},
		{"mandatory", "RTP/SAVP", []string{"a=crypto:1 AEAD_AES_128_GCM inline:" + key28}, false, "1 AEAD_AES_128_GCM", true, 0},
		{"with feedback", "RTP/SAVPF", []string{"a=crypto:1 AEAD_AES_256_GCM inline:" + key44}, true, "1 AEAD_AES_256_GCM", true, 0},
		{"the first that can be used", "RTP/SAVP", []string{
			"a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key30,
			"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4",
			"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:" + key28,
			"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^31",
			"a=crypto:5 AEAD_AES_128_GCM inline:" + key28,
		}, false, "4 AES_CM_128_HMAC_SHA1_80", true, 0},
		{"of no use", "RTP/AVP", []string{"a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key30}, false, "", false, 0},
		{"mandatory, of no use", "RTP/SAVP", []string{"a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key30}, false, "", true, testCodes.Strict},
		{"mandatory, missing", "RTP/SAVP", nil, false, "", true, testCodes.Strict},
		{"required, missing", "RTP/AVP", nil, true, "", true, testCodes.Strict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLeg(t, c)
			r, err := l.TakeOffer(farEnd(tt.proto, tt.lines...), SRTP{Offer: tt.required, Required: tt.required})
			if tt.code != 0 {
				if err == nil || err.Code != tt.code {
					t.Fatalf("error %v", err)
				}
				if waits, _ := l.Waiting(); waits {
					t.Error("an offer of no use waits for an answer")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.SRTP != (tt.want != "") || r.Required != tt.demands {
				t.Errorf("SRTP %v, required %v", r.SRTP, r.Required)
			}
			if waits, secure := l.Waiting(); !waits || secure != r.SRTP {
				t.Errorf("an offer waits: %v, with SRTP: %v", waits, secure)
			}
			text := ok[string](t)(l.Answer(sdp.Answer(r.SDP, sdp.AnswerOptions{}), SRTP{}))
			lines := cryptos(text)
			if got := strings.Join(lines, ", "); tt.want == "" && got != "" || tt.want != "" && (len(lines) != 1 || !strings.HasPrefix(got, tt.want+" inline:")) {
				t.Errorf("keys of the answer: %q, want %q", got, tt.want)
			}
			if !strings.Contains(text, " "+tt.proto+" ") {
				t.Errorf("the protocol is not that of the offer in\n%s", text)
			}
			s := l.Secrecy()
			if !s.Known || s.Ours != (tt.want != "") || s.Theirs != s.Ours || s.Required != tt.demands {
				t.Errorf("known is %+v", s)
			}
		})
	}
}

// An answer has to have our tag and our suite. One without a key means no SRTP, unless that is required.
func TestOfferedSRTP(t *testing.T) {
	c := newConfig(t)
	const sha80, sha32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
	line := func(tag, suite string) []string {
		return []string{"a=crypto:" + tag + " " + suite + " inline:" + key30}
	}
	for _, tt := range []struct {
		name            string
		srtp            SRTP
		proto           string
		lines           []string
		secure, demands bool
		code            int
	}{
		{"optional, taken", SRTP{Offer: true}, "RTP/AVP", line("1", sha80), true, false, 0},
		{"optional, taken for good", SRTP{Offer: true}, "RTP/SAVP", line("1", sha80), true, true, 0},
		{"optional, not taken", SRTP{Offer: true}, "RTP/AVP", nil, false, false, 0},
		{"optional, another suite", SRTP{Offer: true}, "RTP/AVP", line("1", sha32), false, false, 0},
		{"mandatory, taken", SRTP{Offer: true, Required: true}, "RTP/SAVP", line("1", sha80), true, true, 0},
		{"mandatory, not taken", SRTP{Offer: true, Required: true}, "RTP/AVP", nil, false, true, testCodes.Strict},
		{"mandatory, another tag", SRTP{Offer: true, Required: true}, "RTP/SAVP", line("2", sha80), false, true, testCodes.Strict},
		{"mandatory, another suite", SRTP{Offer: true, Required: true}, "RTP/SAVP", line("1", sha32), false, true, testCodes.Strict},
		{"not offered", SRTP{}, "RTP/AVP", line("1", sha80), false, false, 0},
		{"not offered, but insisted on", SRTP{}, "RTP/SAVP", line("1", sha80), false, false, testCodes.Strict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLeg(t, c)
			if tt.srtp.Offer {
				tt.srtp.Suite = suite(t, sha80)
			}
			ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), tt.srtp))
			r, err := l.TakeAnswer(farEnd(tt.proto, tt.lines...), SRTP{})
			if tt.code != 0 {
				if err == nil || err.Code != tt.code || l.Running() {
					t.Errorf("error %v, running %v", err, l.Running())
				}
				return
			}
			if err != nil || r.SRTP != tt.secure || r.Required != tt.demands || !l.Running() {
				t.Fatalf("%+v %v", r, err)
			}
			f := l.flows[sdp.Audio]
			if (f.sendKey != nil) != tt.secure || (f.receiveKey != nil) != tt.secure {
				t.Errorf("keys %v and %v", f.sendKey, f.receiveKey)
			}
			if tt.secure && f.receiveKey.Inline() != key30 {
				t.Errorf("the far end's key is %s", f.receiveKey.Inline())
			}
			if s := l.Secrecy(); s.Theirs != tt.secure || s.Ours != tt.secure || s.Required != tt.demands {
				t.Errorf("known is %+v", s)
			}
		})
	}
}

// A later offer goes on with ports, keys and protocol; media that is new gets both. A new call has new keys.
func TestUpdate(t *testing.T) {
	l := newLeg(t, newConfig(t))
	first := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{Offer: true, Required: true, Suite: suite(t, "AES_CM_128_HMAC_SHA1_80")}))
	again := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{Offer: true, Required: true, Suite: suite(t, "AES_CM_128_HMAC_SHA1_80")}))
	port := func(text string, section int) int {
		d, err := sdp.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return d.Sections[section].Port
	}
	if port(first, 0) != port(again, 0) || slices.Equal(cryptos(first), cryptos(again)) {
		t.Errorf("an offer that takes the place of\n%s\nis\n%s", first, again)
	}
	answer := farEnd("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key30)
	ok[*Remote](t)(l.TakeAnswer(answer, SRTP{}))

	both := audioOnly + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=rtpmap:96 VP8/90000\n"
	update := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, both), SRTP{}))
	keys := cryptos(update)
	if port(update, 0) != port(again, 0) || port(update, 1) == 0 || port(update, 1) == port(update, 0) {
		t.Errorf("ports of the update are others:\n%s", update)
	}
	if len(keys) != 2 || keys[0] != cryptos(again)[0] || keys[1] == keys[0] || strings.Count(update, "RTP/SAVP ") != 2 {
		t.Errorf("SRTP of the update is another:\n%s", update)
	}
	if !strings.Contains(update, " 3 IN IP4") {
		t.Errorf("the version does not go on:\n%s", update)
	}
	// The far end is the one that offers.
	r := ok[*Remote](t)(l.TakeOffer(answer, SRTP{}))
	text := ok[string](t)(l.Answer(sdp.Answer(r.SDP, sdp.AnswerOptions{}), SRTP{}))
	if port(text, 0) != port(again, 0) || cryptos(text)[0] != keys[0] {
		t.Errorf("the answer is another:\n%s", text)
	}
	l.Close()
	if next := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{})); len(cryptos(next)) != 0 || !strings.Contains(next, " 1 IN IP4") {
		t.Errorf("the next call begins with\n%s", next)
	}
}

// An answer may have its payload types shortened to one for each codec.
func TestShorten(t *testing.T) {
	c := newConfig(t)
	far := crlf("v=0\no=far 1 1 IN IP4 192.0.2.1\ns=call\nc=IN IP4 192.0.2.1\nt=0 0\nm=video 41000 RTP/AVP 96 97 98 34\n" +
		"a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\na=rtpmap:97 VP8/90000\na=rtpmap:98 h264/90000\na=fmtp:98 packetization-mode=0\n")
	for shorten, want := range map[bool]string{false: "RTP/AVP 96 97 98 34\n", true: "RTP/AVP 96 97 34\n"} {
		c.Shorten = shorten
		l := newLeg(t, c)
		r := ok[*Remote](t)(l.TakeOffer(far, SRTP{}))
		answer := r.SDP // a browser that takes all
		if text := golden(ok[string](t)(l.Answer(answer, SRTP{}))); !strings.Contains(text, want) {
			t.Errorf("shortened %v:\n%s", shorten, text)
		}
	}
}
