package lua

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// debian starts the plugin with a script of Debian's package janus.
func debian(t *testing.T, name string) *plugintest.Core {
	t.Helper()
	const folder = "/usr/share/janus/lua"
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skip("without the scripts of Debian's package janus:", err)
	}
	return start(t, fmt.Sprintf("general: { script = %q, path = %q }", path, folder))
}

// start starts the plugin with a file.
func start(t *testing.T, file string) *plugintest.Core {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return plugintest.New(t, New(folder), plugintest.Config{})
}

func TestDebianEcho(t *testing.T) {
	core := debian(t, "echotest.lua")
	c := core.Connect(plugintest.Options{})
	if e := c.Ask(`{"audio":true,"video":true}`, nil); e.Data != `{"echotest":"response","result":"ok"}` {
		t.Errorf("got %v", e)
	}
	p := connectTo(t, c)
	waittest.Until(t, "audio and video come back", func() bool { return p.Heard.Count() > 3 && p.Seen.Count() > 3 })
	p.Heard.Clean(t)
	p.Seen.Clean(t)
	waittest.Closed(t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hello"))
	p.ExpectText("[echotest.lua] --> hello")
	p.Must(p.Channel.Send([]byte{1, 2, 3}))
	p.ExpectText("<010203>")
}

// The room of Debian's package: one publishes, another one listens.
func TestDebianRoom(t *testing.T) {
	core := debian(t, "videoroom.lua")
	admin := core.Attach(plugintest.Options{})
	ask := func(body string, want ...string) plugintest.Event {
		t.Helper()
		e := admin.Ask(body, nil)
		for _, words := range want {
			if !strings.Contains(e.Data, words) {
				t.Errorf("%s: %s", body, e.Data)
			}
		}
		return e
	}
	room, ok := ask(`{"request":"create","description":"Hall","publishers":6}`, `"videoroom":"created"`).Field("room").(float64)
	if !ok {
		t.Fatal(core.Log())
	}
	in := fmt.Sprintf(`"room":%.0f`, room)
	ask(`{"request":"exists",`+in+`}`, `"exists":true`)
	ask(`{"request":"list"}`, `"list":{`, `"description":"Hall"`)

	ann := core.Connect(plugintest.Options{})
	ann.Message("t", `{"request":"join","ptype":"publisher","display":"Ann",`+in+`}`, nil)
	joined := ann.AwaitText(`"videoroom":"joined"`)
	id, ok := joined.Field("id").(float64)
	if !ok {
		t.Fatalf("got %v", joined)
	}
	pub := webrtctest.NewPeer(t, webrtctest.Options{})
	ann.Message("t", `{"request":"configure","audio":true,"video":true}`, ann.Remote("offer", pub.Offer(nil)))
	pub.Accept(ann.AwaitText(`"configured":"ok"`).SDP)
	ann.AwaitText("[webrtcup]")
	pub.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	ask(`{"request":"listparticipants",`+in+`}`, `"display":"Ann"`)

	bob := core.Connect(plugintest.Options{})
	bob.Message("t", fmt.Sprintf(`{"request":"join","ptype":"subscriber","feed":%.0f,%s}`, id, in), nil)
	offer := bob.AwaitText(`"videoroom":"attached"`)
	sub := webrtctest.NewReceiver(t, webrtctest.Options{})
	bob.Message("t", `{"request":"start",`+in+`}`, bob.Remote("answer", sub.Answer(offer.SDP)))
	bob.AwaitText("[webrtcup]")
	waittest.Until(t, "audio and video come to the listener", func() bool { return sub.Heard.Count() > 3 && sub.Seen.Count() > 3 })
	sub.Heard.Clean(t)
	sub.Seen.Clean(t)
	ann.Message("t", `{"request":"leave"}`, nil)
	ann.AwaitText(`"leaving":"ok"`)
	ask(`{"request":"destroy",`+in+`}`, `"videoroom":"destroyed"`)
}
