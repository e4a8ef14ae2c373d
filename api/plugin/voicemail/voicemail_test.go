package voicemail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/ogg"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// start starts the plugin with a folder for messages.
func start(t *testing.T) (*plugintest.Core, *Plugin) {
	t.Helper()
	p := New(writeFile(t, filepath.Join(t.TempDir(), "messages"), "/voicemail/"))
	return plugintest.New(t, p, plugintest.Config{}), p
}

// writeFile makes a folder with the plugin's file.
func writeFile(t *testing.T, path, base string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	text := fmt.Sprintf("general: { path = %q  base = %q }\n", path, base)
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// file is that of a client's message.
func file(c *plugintest.Client) string { return c.Handle.(*handle).path() }

// packets are those of a message, without the headers.
func packets(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := ogg.NewReader(bytes.NewReader(b), func(first []byte) bool { return bytes.HasPrefix(first, []byte("OpusHead")) })
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list[2:]
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, bytes.Clone(p))
	}
}

func fail(code int, text string) string {
	return fmt.Sprintf(`t {"voicemail":"event","error_code":%d,"error":"%s"}`, code, text)
}

func event(status string) string { return `t {"voicemail":"event","status":"` + status + `"}` }

func offer(t *testing.T) *plugin.JSEP {
	return plugintest.MakeOffer(
		sdp.OfferSection{Kind: sdp.Video, MID: "v", Direction: sdp.SendRecv, Codec: sdp.VP8},
		sdp.OfferSection{Kind: sdp.Audio, MID: "a", Direction: sdp.SendRecv, Codec: sdp.Opus},
		sdp.OfferSection{Kind: sdp.Audio, MID: "b", Direction: sdp.SendRecv, Codec: sdp.Opus})
}

func TestRequests(t *testing.T) {
	core, _ := start(t)
	encrypted := offer(t)
	encrypted.E2EE = true
	answer := offer(t)
	answer.SDP.Type = sdp.TypeAnswer
	for _, tt := range []struct {
		body string
		j    *plugin.JSEP
		want string
	}{
		{`{}`, nil, fail(463, "Missing mandatory element (request)")},
		{`{"request":5}`, nil, fail(464, "Invalid element type (request should be a string)")},
		{`{"request":"nosuch"}`, nil, fail(462, "Unknown request 'nosuch'")},
		{`{"request":"update"}`, offer(t), fail(468, "Not recording")},
		{`{"request":"record"}`, encrypted, fail(464, "Media encryption unsupported by this plugin")},
		{`{"request":"record"}`, answer, fail(464, "Not an offer")},
		{`{"request":"record"}`, nil, event("started")}, // the connection of a described client is up
		{`{"request":"record"}`, offer(t), event("started") + " answer(v:video inactive rejected, a:audio recvonly opus/111, b:audio inactive rejected)"},
	} {
		c := core.Attach(plugintest.Options{})
		if got := c.Send(tt.body, tt.j); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.body, got, tt.want)
		}
	}
}

// TestStop: whoever stops is told where the message is, recorded or not, and let go.
func TestStop(t *testing.T) {
	core, _ := start(t)
	c := core.Attach(plugintest.Options{})
	done := `t {"voicemail":"event","status":"done","recording":"/voicemail//` + filepath.Base(file(c)) + `"}`
	if got := c.Send(`{"request":"stop"}`, nil); got != done+"\n[detached]" {
		t.Errorf("got %s", got)
	}
	if _, err := os.Stat(file(c)); !os.IsNotExist(err) {
		t.Errorf("a file: %v", err)
	}
	c = core.Attach(plugintest.Options{})
	c.Send(`{"request":"record"}`, offer(t))
	if got := c.Query(); !regexp.MustCompile(`^{"state":"recording","id":\d+,"start_time":\d+,"filename":"` + file(c) + `","hangingup":0,"destroyed":0}$`).MatchString(got) {
		t.Error(got)
	}
	if got := c.Send(`{"request":"record"}`, offer(t)); got != fail(465, "Already recording") {
		t.Errorf("got %s", got)
	}
	if got := c.Send(`{"request":"update"}`, offer(t)); !strings.HasPrefix(got, event("updating")+" answer(") {
		t.Errorf("got %s", got)
	}
	c.Establish()
	if got := c.Take(); got != `{"voicemail":"event","status":"started"}`+"\n[webrtcup]" {
		t.Errorf("got %s", got)
	}
	c.Message("t", `{"request":"stop"}`, nil)
	c.Message("t", `{"request":"stop"}`, nil) // counts once
	c.AwaitText(`t {"voicemail":"event","status":"done","recording":"/voicemail//` + filepath.Base(file(c)) + `"}`)
	c.AwaitText("[detached]")
	if got := strings.Join(c.Notices(), ""); got != `{"event":"starting"}{"event":"done"}` {
		t.Errorf("event handlers are told %s", got)
	}
	if got := packets(t, file(c)); len(got) != 0 {
		t.Errorf("packets %q", got)
	}
	if got := c.Query(); got != `{"state":"idle","hangingup":0,"destroyed":1}` {
		t.Error(got)
	}
}

// TestMessage: a client's audio is recorded until its time is over, and the client is let go.
// One that hangs up is told nothing, and can leave another message in place of the first.
func TestMessage(t *testing.T) {
	core, p := start(t)
	p.longest = 2 * time.Second
	call := func(c *plugintest.Client) *webrtctest.Peer {
		peer := webrtctest.NewReceiver(t, webrtctest.Options{})
		peer.Audio = &webrtctest.Source{Track: peer.NewTrack(webrtc.MimeTypeOpus, "audio", "")}
		peer.Must(peer.AddTrack(peer.Audio.Track, peer.Audio))
		e := c.Ask(`{"request":"record"}`, c.Remote("offer", peer.Offer(nil)))
		if e.Field("status") != "starting" {
			t.Fatalf("got %v", e)
		}
		peer.Accept(e.SDP)
		c.AwaitText(`{"voicemail":"event","status":"started"}`)
		c.AwaitText("[webrtcup]")
		return peer
	}
	c := core.Connect(plugintest.Options{})
	call(c)
	c.Hangup()
	c.AwaitText("[hangup]")
	if got := c.Query(); !strings.Contains(got, `"idle"`) {
		t.Error(got)
	}

	peer := call(c)
	peer.KeepPlaying(webrtctest.Pace{Packets: 1, Every: 20 * time.Millisecond})
	c.AwaitText(`{"voicemail":"event","status":"done","recording":"/voicemail//` + filepath.Base(file(c)) + `"}`)
	c.AwaitText("[detached]")
	list := packets(t, file(c))
	if len(list) < 5 {
		t.Fatalf("%d packets", len(list))
	}
	for i, b := range list {
		if n, ok := webrtctest.Stamped(b); !ok || i > 0 && n != uint64(i)+first(list) {
			t.Fatalf("packet %d: %q", i, b)
		}
	}
}

func first(list [][]byte) uint64 { n, _ := webrtctest.Stamped(list[0]); return n }

// TestNoRoom: a file that cannot be made is an error.
func TestNoRoom(t *testing.T) {
	core, p := start(t)
	p.folder = "/dev/null/x"
	c := core.Attach(plugintest.Options{})
	if got := c.Send(`{"request":"record"}`, offer(t)); !strings.HasPrefix(got, `t {"voicemail":"event","error_code":466,"error":"Couldn't open output file"`) {
		t.Errorf("got %s", got)
	}
	if got := c.Query(); !strings.Contains(got, `"idle"`) {
		t.Error(got)
	}
}

// TestOff: without a file, and without a folder for messages, there is no such plugin.
func TestOff(t *testing.T) {
	core, _ := start(t)
	for _, folder := range []string{t.TempDir(), writeFile(t, "/dev/null/x", "/")} {
		if err := New(folder).Start(core); !errors.Is(err, plugin.ErrNotSetUp) {
			t.Errorf("got %v", err)
		}
	}
	core.AwaitLog("VoiceMail is off")
}

// TestServeFile: messages, and nothing else, are where their addresses say.
func TestServeFile(t *testing.T) {
	messages := filepath.Join(t.TempDir(), "messages")
	p := New(writeFile(t, messages, "/voicemail/"))
	plugintest.New(t, p, plugintest.Config{})
	for _, name := range []string{"janus-voicemail-7.opus", "janus-voicemail-x.opus", "other.opus", "janus-voicemail-07.opus/x"} {
		full := filepath.Join(messages, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte("OggS"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		"/voicemail//janus-voicemail-7.opus":              200,
		"/voicemail/janus-voicemail-7.opus":               200,
		"/voicemail/janus-voicemail-8.opus":               404,
		"/voicemail/janus-voicemail-07.opus":              404, // a folder
		"/voicemail/janus-voicemail-x.opus":               0,
		"/voicemail/other.opus":                           0,
		"/voicemail/":                                     0,
		"/janus-voicemail-7.opus":                         0,
		"/voicemail/x/janus-voicemail-7.opus":             0,
		"/voicemail/../janus-voicemail-7.opus":            0,
		"/voicemail/../messages/janus-voicemail-7.opus":   0,
		"/voicemail/janus-voicemail-..%2fother.opus.opus": 0,
	} {
		w := httptest.NewRecorder()
		served := p.ServeFile(w, httptest.NewRequest("GET", path, nil))
		if served != (want != 0) || served && w.Code != want {
			t.Errorf("%s: %v, status %d", path, served, w.Code)
		}
		if want == 200 && (w.Header().Get("Content-Type") != "audio/ogg" || w.Body.String() != "OggS") {
			t.Errorf("%s: %v %q", path, w.Header(), w.Body)
		}
	}
	p.base = "https://example.com/voicemail/"
	if p.ServeFile(httptest.NewRecorder(), httptest.NewRequest("GET", "/voicemail/janus-voicemail-7.opus", nil)) {
		t.Error("served for another server")
	}
}
