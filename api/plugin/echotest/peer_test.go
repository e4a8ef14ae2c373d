package echotest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"bifrons/api/janus"
	"bifrons/api/plugin/echotest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

const patience = 15 * time.Second

type object = map[string]any

// conn is a connection to the core.
type conn struct {
	t      *testing.T
	core   *janus.Core
	events chan object
}

func (c *conn) Transport() string               { return "janus.transport.test" }
func (c *conn) ID() string                      { return "1" }
func (c *conn) SessionBound(uint64)             {}
func (c *conn) SessionOver(uint64, janus.Over)  {}
func (c *conn) Deliver(_ uint64, e janus.Event) { c.events <- c.decode(e.Bytes()) }

func (c *conn) decode(b []byte) object {
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		c.t.Errorf("%v: %s", err, b)
	}
	return o
}

func (c *conn) do(o object) object {
	c.t.Helper()
	o["transaction"] = "t"
	b, _ := json.Marshal(o)
	answer := make(chan object, 1)
	c.core.Handle(c, janus.Request{Body: b}, func(msg []byte) { answer <- c.decode(msg) })
	select {
	case r := <-answer:
		if r["janus"] == "error" {
			c.t.Fatalf("%s: %v", b, r)
		}
		return r
	case <-time.After(patience):
		c.t.Fatalf("no answer to %s", b)
		return nil
	}
}

// wait takes events until one is as wanted.
func (c *conn) wait(what string, ok func(e object) bool) object {
	c.t.Helper()
	for {
		select {
		case e := <-c.events:
			if ok(e) {
				return e
			}
		case <-time.After(patience):
			c.t.Fatalf("no %s", what)
		}
	}
}

func is(janus string) func(object) bool { return func(e object) bool { return e["janus"] == janus } }

func dataOf(e object) object {
	p, _ := e["plugindata"].(object)
	d, _ := p["data"].(object)
	return d
}

// keyframe is a VP8 key frame of nothing.
var keyframe = append([]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0}, make([]byte, 40)...)

// A WebRTC client gets its audio, its video and its data back, can
// renegotiate, and hears of the end.
func TestEcho(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	engine, err := sfu.New(sfu.Config{Shards: 1, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	core := janus.New(janus.Config{Engine: engine, Logger: log})
	defer core.Close()
	if err := core.AddPlugin(echotest.New(echotest.Config{Folder: t.TempDir()})); err != nil {
		t.Fatal(err)
	}
	c := &conn{t: t, core: core, events: make(chan object, 1000)}
	session := c.do(object{"janus": "create"})["data"].(object)["id"]
	handle := c.do(object{"janus": "attach", "session_id": session, "plugin": echotest.Package})["data"].(object)["id"]

	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	stop := make(chan struct{})
	defer close(stop)
	send := func(mime, id string, frame []byte, every time.Duration) {
		track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, id, "stream")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pc.AddTrack(track); err != nil {
			t.Fatal(err)
		}
		go func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					track.WriteSample(media.Sample{Data: frame, Duration: every})
				case <-stop:
					return
				}
			}
		}()
	}
	send(webrtc.MimeTypeOpus, "audio", make([]byte, 40), 20*time.Millisecond)
	send(webrtc.MimeTypeVP8, "video", keyframe, 33*time.Millisecond)
	tracks := make(chan string, 10)
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		p, _, err := r.ReadRTP()
		if err == nil {
			tracks <- fmt.Sprint(r.Codec().MimeType, " ", len(p.Payload) > 0)
		}
	})
	channel, err := pc.CreateDataChannel("JanusDataChannel", nil)
	if err != nil {
		t.Fatal(err)
	}
	messages := make(chan webrtc.DataChannelMessage, 10)
	channel.OnOpen(func() {
		channel.SendText("hello")
		channel.Send([]byte{1, 2, 3})
	})
	channel.OnMessage(func(m webrtc.DataChannelMessage) { messages <- m })

	negotiate := func(body object) string {
		t.Helper()
		offer, err := pc.CreateOffer(nil)
		if err != nil {
			t.Fatal(err)
		}
		gathered := webrtc.GatheringCompletePromise(pc)
		if err := pc.SetLocalDescription(offer); err != nil {
			t.Fatal(err)
		}
		<-gathered
		r := c.do(object{"janus": "message", "session_id": session, "handle_id": handle, "body": body,
			"jsep": object{"type": "offer", "sdp": pc.LocalDescription().SDP, "trickle": false}})
		if r["janus"] != "ack" {
			t.Fatalf("got %v", r)
		}
		e := c.wait("answer", func(e object) bool { return e["jsep"] != nil })
		if d := dataOf(e); d["result"] != "ok" {
			t.Fatalf("got %v", e)
		}
		answer := e["jsep"].(object)["sdp"].(string)
		if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
			t.Fatalf("%v of\n%s", err, answer)
		}
		return answer
	}
	negotiate(object{"record": false, "bitrate": 512000, "audio": true, "video": true})
	c.wait("webrtcup", is("webrtcup"))
	receiving := map[any]bool{}
	for len(receiving) < 2 {
		e := c.wait("media", is("media"))
		receiving[e["mid"]] = e["receiving"].(bool)
	}
	got := map[string]bool{}
	for len(got) < 2 {
		select {
		case s := <-tracks:
			got[s] = true
		case <-time.After(patience):
			t.Fatalf("only %v came back", got)
		}
	}
	if !got["audio/opus true"] || !got["video/VP8 true"] {
		t.Errorf("%v came back", got)
	}
	for n := range 2 {
		select {
		case m := <-messages:
			if m.IsString && string(m.Data) != "Janus EchoTest here! You wrote: hello" || !m.IsString && string(m.Data) != "\x01\x02\x03" {
				t.Errorf("got %q", m.Data)
			}
		case <-time.After(patience):
			t.Fatalf("only %d messages came back", n)
		}
	}

	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	if answer := negotiate(object{"audio": false}); strings.Count(answer, "m=") != 4 {
		t.Errorf("answer\n%s", answer)
	}
	c.do(object{"janus": "hangup", "session_id": session, "handle_id": handle})
	e := c.wait("event", is("event"))
	if d := dataOf(e); d["result"] != "done" {
		t.Errorf("got %v", e)
	}
	if e := c.wait("hangup", is("hangup")); e["reason"] != "Janus API" {
		t.Errorf("got %v", e)
	}
}
