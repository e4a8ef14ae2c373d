package whip

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/sfu/webrtctest"
)

// TestTags: the examples of the drafts have the asterisk in quotes; candidates of an ICE
// session before do not bring that one back, with a tag or without.
func TestTags(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, made := l.publish("studio")
	at := made.Header.Get("Location")
	l.want(l.do("PATCH", at, "a=end-of-candidates\r\n", asFragment, `If-Match: "*"`), 204, "")
	late := restartAnswer(p.Description())
	offer := p.Offer(&webrtcRestart)
	r := l.want(l.do("PATCH", at, restartAnswer(offer), asFragment, `If-Match: "*"`), 200, "a=ice-ufrag:")
	f, err := parseFragment(r.text)
	if err != nil {
		t.Fatal(err)
	}
	p.Accept(f.restarted(made.text))
	for _, tag := range []string{"X-Nothing: x", "If-Match: *", "If-Match: " + r.Header.Get("ETag")} {
		l.want(l.do("PATCH", at, late, asFragment, tag), 412, "an ICE session before")
	}
	l.want(l.do("PATCH", at, restartAnswer(offer), asFragment), 204, "")
	if got := l.do("GET", at, "").Header.Get("ETag"); got != r.Header.Get("ETag") {
		t.Errorf("the tag is %s, was %s", got, r.Header.Get("ETag"))
	}
}

// TestZeros: bytes that no text has are refused, wherever they come.
func TestZeros(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, made := l.publish("studio")
	_ = p
	l.want(l.do("PATCH", made.Header.Get("Location"), "a=mid:0\r\na=candidate:\x001 1 udp 1 192.0.2.1 1 typ host\r\n", asFragment), 400, "no text")
	x := webrtctest.NewPeer(t, webrtctest.Options{})
	offer := sendOnly(x.Offer(nil))
	l.want(l.do("POST", "/whip/endpoint/studio", strings.Replace(offer, "a=mid:0", "a=mid:\x00", 1), asSDP), 400, "no text")
	l.want(l.do("POST", "/whip/endpoint/studio", strings.Replace(offer, "a=mid:0", "a=mid:\xff", 1), asSDP), 400, "no text")
}

// TestRestartOfCounterOffer restarts ICE where the server has made the offer, by a player
// that makes one of its own for that.
func TestRestartOfCounterOffer(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, _ := l.publish("studio")
	stop := p.KeepPlaying(pace)
	defer stop()
	other := strings.NewReplacer("VP8", "VX8", "H264", "H269", "VP9", "VX9", "AV1", "AX1", "opus", "supo").Replace
	for _, tt := range []struct {
		id   string
		kind webrtc.RTPCodecType
	}{{"live", audio}, {"room", video}} {
		r := l.want(l.do("POST", "/whep/endpoint/"+tt.id, other(l.player(tt.kind).Offer(nil)), asSDP), 406, "m=video 9")
		at := r.Header.Get("Location")
		l.want(l.do("PATCH", at, "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n", asFragment), 409, "answer")
		v := l.player()
		l.want(l.do("PATCH", at, v.Answer(r.text), asSDP), 204, "")
		v.AwaitConnected()
		offer := v.Offer(&webrtcRestart)
		got := l.want(l.do("PATCH", at, restartAnswer(offer), asFragment, "If-Match: *"), 200, "a=ice-ufrag:")
		f, err := parseFragment(got.text)
		if err != nil {
			t.Fatal(err)
		}
		v.Accept(strings.ReplaceAll(f.restarted(r.text), "a=setup:actpass", "a=setup:passive"))
		l.want(l.do("PATCH", at, "a=end-of-candidates\r\n", asFragment, "If-Match: "+got.Header.Get("ETag")), 204, "")
		v.AwaitConnected()
		if tt.id == "room" {
			v.Seen.AwaitMore(t, "media goes on")
		}
		l.want(l.do("DELETE", at, ""), 200, "")
	}
}
