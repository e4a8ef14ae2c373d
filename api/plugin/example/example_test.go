package example

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// start starts the plugin with a file.
func start(t *testing.T, file string) *plugintest.Core {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return plugintest.New(t, New(folder), plugintest.Config{})
}

// caller is a WebRTC client with audio and a data channel.
type caller struct {
	*plugintest.Client
	t     *testing.T
	pc    *webrtc.PeerConnection
	audio *webrtc.TrackLocalStaticRTP
	chat  *webrtc.DataChannel
	open  chan struct{}
	heard chan string   // messages
	echo  chan struct{} // closed when a packet has come back
}

// must fails the test if there is an error.
func must[T any](t *testing.T) func(x T, err error) T {
	return func(x T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

func call(t *testing.T, core *plugintest.Core, name string) *caller {
	t.Helper()
	x := &caller{t: t, Client: core.Connect(plugintest.Options{}),
		open: make(chan struct{}), heard: make(chan string, 8), echo: make(chan struct{})}
	x.pc = must[*webrtc.PeerConnection](t)(webrtc.NewPeerConnection(webrtc.Configuration{}))
	t.Cleanup(func() { x.pc.GracefulClose() })
	x.audio = must[*webrtc.TrackLocalStaticRTP](t)(webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", name))
	must[*webrtc.RTPTransceiver](t)(x.pc.AddTransceiverFromTrack(x.audio))
	x.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if p, _, err := track.ReadRTP(); err == nil && string(p.Payload) == name {
			close(x.echo)
		}
	})
	x.chat = must[*webrtc.DataChannel](t)(x.pc.CreateDataChannel("chat", nil))
	x.chat.OnOpen(func() { close(x.open) })
	x.chat.OnMessage(func(m webrtc.DataChannelMessage) { x.heard <- string(m.Data) })
	offer := must[webrtc.SessionDescription](t)(x.pc.CreateOffer(nil))
	gathered := webrtc.GatheringCompletePromise(x.pc)
	if err := x.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	answer := x.Ask(`{"request":"join","room":1,"secret":"s","name":"`+name+`"}`, x.Remote("offer", x.pc.LocalDescription().SDP))
	if answer.Data != `{"example":"joined"}` {
		t.Fatal(answer)
	}
	if err := x.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.SDP}); err != nil {
		t.Fatal(err)
	}
	waittest.Closed(t, "the opening of the channel", x.open)
	return x
}

// speak sends audio until some has come back.
func (x *caller) speak(name string) {
	x.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range 1000 {
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(960 * i)}, Payload: []byte(name)}
		if err := x.audio.WriteRTP(p); err != nil {
			x.t.Fatal(err)
		}
		select {
		case <-x.echo:
			return
		case <-tick.C:
		}
	}
	x.t.Fatal("there is no echo")
}

func TestRoom(t *testing.T) {
	core := start(t, `room-1: { secret = "s" }`)
	ann, bob := call(t, core, "ann"), call(t, core, "bob")
	if got := ann.Notices(); !slices.Equal(got, []string{`{"joined":"ann"}`}) {
		t.Errorf("event handlers hear %v", got)
	}
	ann.speak("ann")
	bob.speak("bob")
	if err := ann.chat.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	if text := waittest.Next(t, "a message for bob", bob.heard); text != "hello" {
		t.Errorf("bob reads %q", text)
	}
	if got := core.Admin(`{"request":"count","room":1}`); got != `{"members":2}` {
		t.Error(got)
	}
	bob.Hangup()
	bob.AwaitText("[hangup]")
	if got := core.Admin(`{"request":"count","room":1}`); got != `{"members":1}` {
		t.Error(got)
	}
	ann.Detach()
	if got := core.Admin(`{"request":"count","room":1}`); got != `{"members":0}` {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	core := start(t, "general: { events = false }\nroom-1: { secret = \"s\" }")
	offer := plugintest.ParseOffer(t, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n")
	x := core.Attach(plugintest.Options{})
	for _, tt := range []struct{ body, want string }{
		{`{"request":"frob"}`, `"error_code":423`},
		{`{"request":"count"}`, `"error_code":421`},
		{`{"request":"count","room":2}`, `"error_code":426,"error":"No such room (2)"`},
		{`{"request":"join","room":1,"secret":"s"}`, `"error_code":421`},
		{`{"request":"join","room":1,"secret":"s","name":5}`, `"error_code":422`},
		{`{"request":"join","room":1,"secret":"x","name":"ann"}`, `"error_code":425`},
		{`{"request":"join","room":1,"secret":"s","name":"ann"}`, `{"example":"joined"} answer(0:audio sendrecv pcmu/0)`},
		{`{"request":"join","room":1,"secret":"s","name":"ann"}`, `"error_code":427`}, // once more
	} {
		if got := x.Send(tt.body, offer); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
	x.Hangup()
	if got := x.Query(); got != `{"hangingup":0,"destroyed":0}` {
		t.Error(got)
	}
	x.Data("chat", "", false, []byte("late")) // goes nowhere
	if got := x.Send(`{"request":"join","room":1,"secret":"s","name":"ann"}`, offer); !strings.Contains(got, `"joined"`) {
		t.Errorf("after a hangup: %s", got)
	}
	if list := x.Notices(); list != nil {
		t.Errorf("event handlers hear %v", list)
	}
}

// TestFile: what is wrong in the file is told, and a room that would be open is left out.
func TestFile(t *testing.T) {
	core := start(t, `
general: { event = true }
room-1: { secrt = "s" }
room-2: { secret = [ "a", "b" ] }
room-x: { }
room-3: { secret = "s" }
room-03: { }
`)
	for _, want := range []string{
		"general.event: unknown setting", "did you mean events?",
		"room-1.secrt: unknown setting", "did you mean secret?", "everybody may join",
		"room-2: room left out", "without its secret it would be open",
		"room-x: room left out", "room-03: room left out",
	} {
		if !strings.Contains(core.Log(), want) {
			t.Errorf("the log lacks %q:\n%s", want, core.Log())
		}
	}
	if got := core.Admin(`{"request":"count","room":3}`); got != `{"members":0}` {
		t.Error(got)
	}
	if got := core.Admin(`{"request":"count","room":2}`); !strings.Contains(got, `"error_code":426`) {
		t.Error(got)
	}
}
