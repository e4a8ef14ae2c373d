package whip

import (
	"math/rand/v2"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestMonkey makes many requests of which most are wrong, beside a publisher and a player who
// must not notice: none fails the server, and nothing is left of them.
func TestMonkey(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, made := l.publish("studio")
	stop := p.KeepPlaying(pace)
	defer stop()
	v, watched := l.watch("room", audio, video)

	x := webrtctest.NewPeer(t, webrtctest.Options{})
	offer := sendOnly(x.Offer(nil))
	receive := l.player(audio, video).Offer(nil)
	r := rand.New(rand.NewPCG(17, 25))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	spoil := func(text string) string {
		b := []byte(text)
		for range r.IntN(4) {
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] = byte(r.IntN(256))
			case 1:
				b = append(b[:i:i], b[min(len(b), i+r.IntN(40)):]...)
			default:
				b = append(b[:i:i], append([]byte(pick("\r\n", "a=ice-ufrag:x\r\n", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "\x00", "a=mid:0\r\n")), b[i:]...)...)
			}
			if len(b) == 0 {
				return ""
			}
		}
		return string(b)
	}
	others := []string{}
	for range 400 {
		path := pick("/whip/endpoint/token", "/whip/endpoint/strict", "/whep/endpoint/room", "/whep/endpoint/live", "/whep/endpoint/studio", "/whip/resource/x",
			"/whep/resource/x/events", "/whep/resource/x/layer", "/whip/", "/whep/endpoint/%2e%2e", "/whip/endpoint/"+strings.Repeat("a", 200))
		if len(others) > 0 && r.IntN(2) == 0 {
			path = pick(others...) + pick("", "", "/events", "/layer", "/events/x")
		}
		text := pick(offer, receive, "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n", restartAnswer(offer), `["active"]`, `{"rid":"1"}`)
		got := l.do(pick("POST", "POST", "PATCH", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "PUT"), path, spoil(text),
			"Content-Type: "+pick("application/sdp", "application/sdp", "application/trickle-ice-sdpfrag", "application/json", "text/plain", ";;"),
			"Authorization: "+pick("Bearer secret", "Bearer x", "Basic eA==", "Bearer"), "If-Match: "+pick("*", `"x"`, "", ",,"))
		if got.StatusCode >= 500 && got.StatusCode != 503 {
			t.Errorf("%s %s: %s", got.Request.Method, path, got)
		}
		if at := got.Header.Get("Location"); at != "" && got.Request.Method == "POST" && !strings.Contains(at, "/events/") && len(others) < 20 {
			others = append(others, at)
		}
	}
	v.Seen.AwaitMore(t, "the player sees on")
	v.Heard.AwaitMore(t, "the player hears on")
	for _, at := range others {
		l.do("DELETE", at, "", "Authorization: Bearer secret")
	}
	l.want(l.do("DELETE", watched.Header.Get("Location"), ""), 200, "")
	l.want(l.do("DELETE", made.Header.Get("Location"), ""), 200, "")
	for _, e := range l.server.Endpoints() { // those whose answer was lost, too
		l.server.Destroy(e.Kind, e.ID)
	}
	waittest.Until(t, "nothing is left", func() bool { return len(l.core.Sessions()) == 0 && l.server.hostsNow() == 0 })
}
