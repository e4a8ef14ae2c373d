package whip

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

var webrtcRestart = webrtc.OfferOptions{ICERestart: true}

// anOffer is an offer of two media sections, the first of which is not used.
const anOffer = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 1\r\na=ice-options:trickle\r\n" +
	"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n"

func TestFragment(t *testing.T) {
	f, err := parseFragment("a=ice-ufrag:new\r\na=ice-pwd:newpassword\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n" +
		"a=candidate:2 1 udp 2 192.0.2.2 2 typ host\r\nm=audio 9 X 0\r\na=candidate:3 1 udp 2 192.0.2.2 3 typ host\r\nb=x\r\na=unknown\r\n")
	if err != nil || f.ufrag != "new" || f.pwd != "newpassword" || f.end || len(f.candidates) != 2 || f.candidates[0].MID != "1" ||
		f.candidates[1].Index == nil || *f.candidates[1].Index != 1 {
		t.Errorf("%+v %v", f, err)
	}
	want := strings.NewReplacer("- 1 2 IN", "- 1 3 IN", "ice-ufrag:old", "ice-ufrag:new", "ice-pwd:old", "ice-pwd:new",
		"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n",
		"a=candidate:2 1 udp 2 192.0.2.2 2 typ host\r\na=candidate:3 1 udp 2 192.0.2.2 3 typ host\r\n").Replace(anOffer)
	if got := f.restarted(anOffer); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := restartAnswer(anOffer); got != "a=ice-options:trickle\r\n"[:0]+"a=group:BUNDLE 1\r\na=ice-options:trickle\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"+
		"a=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n" {
		t.Errorf("got\n%s", got)
	}
	for _, text := range []string{"hello", "a", "a=ice-pwd:x", strings.Repeat("a=candidate:x\n", maxCandidates+1)} {
		if _, err := parseFragment(text); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

// FuzzFragment: nothing that is read makes lines that were not there.
func FuzzFragment(f *testing.F) {
	f.Add("a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\nm=video 9 X 0\r\na=mid:1\r\na=candidate:2 1 udp 2 192.0.2.2 2 typ host\r\n", anOffer)
	f.Add("m=\na=candidate:\n", "o=\nm=audio")
	f.Fuzz(func(t *testing.T, text, offer string) {
		frag, err := parseFragment(text)
		if err != nil {
			return
		}
		if len(frag.candidates) > maxCandidates {
			t.Fatal("too many candidates")
		}
		for _, c := range frag.candidates {
			if strings.ContainsAny(c.Text, "\n") {
				t.Fatalf("%q", c.Text)
			}
		}
		again := frag.restarted(offer)
		if usable(offer) != usable(again) {
			t.Fatalf("%q became %q", offer, again)
		}
		restartAnswer(offer)
	})
}
