package sip

import (
	"os"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// The network of a client goes away. A call goes on when it is back before ICE gives up; when it stays away, which is for
// BIFRONS_SOAK, both sides are told of the end, and the client may call again.
func TestClientAway(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.browser("alice"), x.Connect(plugintest.Options{})
	x.enrol(bob, "bob")
	call := func(a *webrtctest.Peer) (end func()) {
		t.Helper()
		b := webrtctest.NewPeer(t, webrtctest.Options{})
		alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, alice.Remote("offer", a.Offer(nil)))
		bob.Ask(`{"request":"accept"}`, bob.Remote("answer", b.Answer(bob.AwaitText("incomingcall").SDP)))
		a.Accept(alice.AwaitText(`"accepted"`).SDP)
		a.AwaitConnected()
		b.AwaitConnected()
		one, other := a.KeepPlaying(pace), b.KeepPlaying(pace)
		bothHear := func() {
			t.Helper()
			a.Heard.AwaitMore(t, "bob's voice")
			b.Heard.AwaitMore(t, "alice's voice")
		}
		bothHear()
		a.Wire.Sever()
		waittest.Until(t, "alice's network is away", func() bool { return a.PC.ICEConnectionState() == webrtc.ICEConnectionStateDisconnected })
		b.Heard.Still(t, "alice's voice")
		a.Wire.Mend()
		a.AwaitConnected()
		bothHear()
		return func() { one(); other(); b.Close() }
	}
	end := call(alice.peer)
	if os.Getenv("BIFRONS_SOAK") != "" {
		alice.peer.Wire.Sever()
		for _, event := range []string{`"hangingup"`, `"hangup"`} {
			if e := alice.AwaitText(event); strings.Contains(e.Data, "error") {
				t.Errorf("alice is told %s", e)
			}
		}
		bob.AwaitText(`"hangup"`)
		x.idle(2)
		end()
		alice.peer.Close()
		again := webrtctest.NewPeer(t, webrtctest.Options{})
		end = call(again)
	}
	alice.Ask(`{"request":"hangup"}`, nil)
	for _, c := range []*plugintest.Client{alice.Client, bob} {
		if e := c.AwaitText(`"hangup"`); !strings.Contains(e.Data, `"code":200`) {
			t.Errorf("the end is told by %s", e)
		}
	}
	end()
	x.idle(2)
}
