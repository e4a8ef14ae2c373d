package gateway

import (
	"net/netip"
	"strings"
	"testing"

	"bifrons/sdp"
)

// FuzzRemote has a leg take in what the far end describes, as an offer and as an answer, with SRTP and without. What
// comes of it for the far end can be read again, and has no port for what was not offered.
func FuzzRemote(f *testing.F) {
	f.Add(farEnd("RTP/AVP"), audioOnly)
	f.Add(farEnd("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key30+"|2^20", "a=sendonly"), audioOnly+"a=extmap:1 "+sdp.URIAudioLevel+"\na=ssrc:1 cname:x\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\na=mid:1\na=sendonly\na=rtpmap:97 rtx/90000\na=rtcp-fb:96 nack pli\n")
	f.Add(farEnd("RTP/AVP", "m=video 41002 RTP/AVPF 96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:* nack pli", "m=audio 1 RTP/AVP 0", "m=x 1 y z"), audioOnly)
	f.Add(crlf("v=0\no=- 1 1 IN IP6 ::1\ns=-\nc=IN IP6 ::1\nt=0 0\nm=audio 1 RTP/AVP 0\nc=IN IP4 0.0.0.0\n"), audioOnly)
	c := newConfig(f)
	f.Fuzz(func(t *testing.T, far, client string) {
		if d, err := sdp.Parse(far); err == nil && named(d) {
			return // names are nobody's to be asked for here
		}
		b, err := sdp.Parse(strings.TrimLeft(client, "\n"))
		if err != nil {
			return
		}
		b = b.Anonymise()
		for _, s := range []SRTP{{}, {Offer: true, Required: true, Suite: suite(t, "AEAD_AES_128_GCM")}} {
			l := newLeg(t, c)
			b.Type = sdp.TypeOffer
			if text, err := l.Offer(b, s); err == nil {
				readable(t, text, b)
			}
			_, bad := l.TakeAnswer(far, s)
			if bad == nil != l.Running() {
				t.Errorf("an answer is taken in: %v, but %v", l.Running(), bad)
			}
			if r, err := l.TakeOffer(far, s); err == nil {
				answer := sdp.Answer(r.SDP, sdp.AnswerOptions{})
				if text, err := l.Answer(answer, s); err == nil {
					readable(t, text, r.SDP)
				}
			}
			l.Secrecy()
			l.Faults()
			l.Close()
		}
	})
}

// named reports whether a description has names of hosts.
func named(d *sdp.Description) bool {
	for i := range d.Sections {
		text, _, _ := strings.Cut(d.Sections[i].Address, "/")
		if _, err := netip.ParseAddr(text); err != nil && text != "" {
			return true
		}
	}
	return false
}

// readable checks a description for the far end.
func readable(t *testing.T, text string, offer *sdp.Description) {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(d.Sections) != len(offer.Sections) {
		t.Fatalf("%d sections instead of %d in\n%s", len(d.Sections), len(offer.Sections), text)
	}
	used := map[int]bool{}
	for i := range d.Sections {
		s := &d.Sections[i]
		switch {
		case s.Rejected():
		case offer.Sections[i].Rejected(), s.Kind > sdp.Video, used[s.Port], s.Port%2 != 0:
			t.Fatalf("section %d is in use in\n%s", i, text)
		default:
			used[s.Port] = true
		}
	}
	for _, word := range []string{"a=ice-", "a=fingerprint:", "a=candidate:", "a=setup:", "a=msid:", "a=group:", "a=ssrc:"} {
		if strings.Contains(text, "\n"+word) {
			t.Fatalf("%s in\n%s", word, text)
		}
	}
}
