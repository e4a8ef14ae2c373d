package duktape

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// The example of docs/scripts.md: what one says comes to the other.
func TestIntercom(t *testing.T) {
	path, err := filepath.Abs("../../../docs/scripts/intercom.js")
	if err != nil {
		t.Fatal(err)
	}
	core := start(t, fmt.Sprintf("general: { script = %q }", path))
	ann, bob := core.Connect(plugintest.Options{}), core.Connect(plugintest.Options{})
	if got := bob.Ask(`{"request":"status"}`, nil).Data; got != `{"intercom":"status","busy":false}` {
		t.Errorf("at the beginning: %s", got)
	}
	sub := webrtctest.NewReceiver(t, webrtctest.Options{})
	bob.Message("t", `{"request":"listen"}`, nil)
	offer := bob.AwaitText(`"intercom":"listening"`)
	bob.Message("t", `{"request":"start"}`, bob.Remote("answer", sub.Answer(offer.SDP)))
	bob.AwaitText("[webrtcup]")

	pub := webrtctest.NewPeer(t, webrtctest.Options{})
	ann.Message("t", `{"request":"talk"}`, ann.Remote("offer", pub.Offer(nil)))
	pub.Accept(ann.AwaitText(`"intercom":"talking"`).SDP)
	ann.AwaitText("[webrtcup]")
	pub.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	waittest.Until(t, "the listener hears", func() bool { return sub.Heard.Count() > 3 })
	sub.Heard.Clean(t)
	if got := ann.Query(); got != `{"talks":true,"listens":false}` {
		t.Errorf("the talker: %s", got)
	}
	if res := bob.Message("t", `{"request":"talk"}`, nil); res.Failure == "" {
		t.Errorf("another one talks: %+v", res)
	}
	ann.Hangup()
	ann.AwaitText("[hangup]")
	waittest.Until(t, "nobody talks", func() bool { return bob.Ask(`{"request":"status"}`, nil).Field("busy") == false })
}
