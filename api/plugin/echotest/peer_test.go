package echotest

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// A WebRTC client gets its audio, its video and its data back, can
// renegotiate, and hears of the end.
func TestEcho(t *testing.T) {
	c := plugintest.New(t, New(t.TempDir()), plugintest.Config{}).Connect(plugintest.Options{})
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	p.AddChannel()
	negotiate := func(body string) string {
		t.Helper()
		e := c.Ask(body, c.Remote("offer", p.Offer(nil)))
		if e.Field("result") != "ok" {
			t.Fatalf("got %v", e)
		}
		p.Accept(e.SDP)
		return e.SDP
	}
	negotiate(`{"record":false,"bitrate":512000,"audio":true,"video":true}`)
	c.AwaitText("[webrtcup]")
	p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	media := map[string]bool{}
	for len(media) < 2 {
		media[c.AwaitText("[media]").Data] = true
	}
	if !media["0 audio true"] || !media["1 video true"] {
		t.Errorf("media of %v", media)
	}
	waittest.Until(t, "audio and video come back", func() bool { return p.Heard.Count() > 3 && p.Seen.Count() > 3 })
	p.Heard.Clean(t)
	p.Seen.Clean(t)
	waittest.Closed(t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hello"))
	p.ExpectText("Janus EchoTest here! You wrote: hello")
	p.Must(p.Channel.Send([]byte{1, 2, 3}))
	p.ExpectText("<010203>")

	if _, err := p.PC.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	if answer := negotiate(`{"audio":false}`); strings.Count(answer, "m=") != 4 {
		t.Errorf("answer\n%s", answer)
	}
	c.Hangup()
	c.AwaitText(`"result":"done"`)
	c.AwaitText("[hangup] Janus API")
}
