package echotest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// caller is a client with an echo that sends all the time.
func caller(t *testing.T, o webrtctest.Options, body string) (*plugintest.Client, *webrtctest.Peer, plugintest.Event) {
	t.Helper()
	c := plugintest.New(t, New(t.TempDir()), plugintest.Config{}).Connect(plugintest.Options{})
	p := webrtctest.NewPeer(t, o)
	p.AddChannel()
	e := c.Ask(body, c.Remote("offer", p.Offer(nil)))
	p.Accept(e.SDP)
	c.AwaitText("[webrtcup]")
	p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	waittest.Closed(t, "the data channel", p.Open)
	return c, p, e
}

// TestRecording: audio, video and data that a client sends are recorded until it wants no more,
// video from a key frame on.
func TestRecording(t *testing.T) {
	base := filepath.Join(t.TempDir(), "sub", "echo")
	c, p, e := caller(t, webrtctest.Options{}, `{"record":true,"filename":"`+base+`"}`)
	if e.Data != `{"echotest":"event","result":"ok"}` {
		t.Errorf("got %s", e.Data)
	}
	const files = `"recording":{"audio":"echo-audio.mjr","video":"echo-video.mjr","data":"echo-data.mjr"}`
	if got := c.Query(); !strings.Contains(got, files) {
		t.Error(got)
	}
	if got := strings.Join(c.Notices(), ""); !strings.Contains(got, files+"}") {
		t.Error(got)
	}
	p.Must(p.Channel.SendText("hello"))
	p.ExpectText(prefix + "hello")
	grows := func(name string) {
		t.Helper()
		before := int64(0)
		if info, err := os.Stat(name); err == nil {
			before = info.Size()
		}
		waittest.Until(t, name+" grows", func() bool { info, err := os.Stat(name); return err == nil && info.Size() > before+500 })
	}
	grows(base + "-audio.mjr")
	grows(base + "-video.mjr")
	stop := func() {
		t.Helper()
		if got := c.Ask(`{"record":false}`, nil); got.Field("result") != "ok" {
			t.Fatal(got)
		}
		waittest.Until(t, "the files are whole", func() bool { _, n := c.Handle.(*handle).plugin.Gateway.Engine().RecordTotals(); return n == 0 })
		if got := c.Query(); strings.Contains(got, "recording") {
			t.Error(got)
		}
	}
	stop()
	audio, _ := mjrtest.Read(t, base+"-audio.mjr")
	video, _ := mjrtest.Read(t, base+"-video.mjr")
	data, messages := mjrtest.Read(t, base+"-data.mjr")
	if audio.Type != 'a' || audio.Codec != "opus" || video.Type != 'v' || video.Codec != "vp8" || data.Type != 'd' || data.Codec != "text" {
		t.Errorf("headers %+v %+v %+v", audio, video, data)
	}
	if len(messages) != 1 || string(messages[0].Payload) != "hello" {
		t.Errorf("data %+v", messages)
	}

	if got := c.Ask(`{"audio":false,"record":true,"filename":"`+base+`2"}`, nil); got.Field("result") != "ok" {
		t.Fatal(got)
	}
	grows(base + "2-video.mjr")
	stop()
	if info, err := os.Stat(base + "2-audio.mjr"); err != nil || info.Size() != int64(len(mjr.Magic)) {
		t.Errorf("audio that is held is recorded: %v, %v", info, err)
	}
	for _, name := range []string{base + "-video.mjr", base + "2-video.mjr"} {
		_, frames := mjrtest.Read(t, name)
		if first := frames[0]; first.SequenceNumber != 1 || first.Timestamp != 0 {
			t.Errorf("%s: %+v", name, first.Header)
		}
		if !bytes.Contains(frames[0].Payload, []byte("\x9d\x01\x2a")) { // RFC 6386, 9.1
			t.Errorf("%s does not begin with a key frame: %x", name, frames[0].Payload)
		}
	}
}

// TestRecordingFails: what cannot be recorded is an error that changes nothing, with an offer
// a warning. The echo goes on.
func TestRecordingFails(t *testing.T) {
	c, p, e := caller(t, webrtctest.Options{}, `{"record":true,"filename":"/dev/null/x"}`)
	if text, _ := e.Field("warning").(string); e.Field("result") != "ok" || !strings.Contains(text, "Recording failed (/dev/null/x-audio.mjr: ") {
		t.Errorf("got %s", e.Data)
	}
	got := c.Ask(`{"audio":false,"record":true,"filename":"/dev/null/x"}`, nil)
	if text, _ := got.Field("error").(string); got.Field("error_code") != 413.0 || !strings.Contains(text, "Recording failed (/dev/null/x-audio.mjr: ") {
		t.Errorf("got %s", got.Data)
	}
	if got := c.Query(); !strings.Contains(got, `"audio_active":true`) || strings.Contains(got, "recording") {
		t.Error(got)
	}
	p.Heard.AwaitMore(t, "audio")
	t.Chdir(t.TempDir())
	if got := c.Ask(`{"record":true}`, nil); got.Field("result") != "ok" {
		t.Error(got)
	}
	named, _ := filepath.Glob(fmt.Sprintf("echotest-%d-*-audio.mjr", c.HandleID()))
	if len(named) != 1 {
		t.Errorf("files %v", named)
	}
	c.Hangup()
	c.AwaitText(`"result":"done"`)
	waittest.Until(t, "the files are whole", func() bool { _, n := c.Handle.(*handle).plugin.Gateway.Engine().RecordTotals(); return n == 0 })
}

// TestRecordingSimulcast records the best encoding under one SSRC.
func TestRecordingSimulcast(t *testing.T) {
	base := filepath.Join(t.TempDir(), "echo")
	c, p, _ := caller(t, webrtctest.Options{RIDs: []string{"h", "m", "l"}, Keep: true}, `{"record":true,"filename":"`+base+`"}`)
	waittest.Until(t, "the best encoding comes back", func() bool { return p.Seen.Last() == 2 })
	n := p.Seen.Count()
	waittest.Until(t, "more of it", func() bool { return p.Seen.Count() > n+30 })
	c.Ask(`{"record":false}`, nil)
	waittest.Until(t, "the files are whole", func() bool { _, n := c.Handle.(*handle).plugin.Gateway.Engine().RecordTotals(); return n == 0 })
	best := 0
	_, frames := mjrtest.Read(t, base+"-video.mjr")
	for i, f := range frames {
		if f.SequenceNumber != uint16(i+1) {
			t.Fatalf("frame %d: %+v", i, f.Header)
		}
		number, ok := webrtctest.Stamped(f.Payload)
		if !ok {
			t.Fatalf("frame %d has no number", i)
		}
		if (webrtctest.Arrival{Number: number}).Layer() == 2 {
			best++
		}
	}
	if best < 20 {
		t.Errorf("%d packets of the best encoding", best)
	}
}

// TestMedia: a recording says what was agreed on.
func TestMedia(t *testing.T) {
	offer, err := sdp.Parse(offerText)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := attach(t)
	h.answer(&kit.Request{Body: kit.Args{Value: plugintest.Parse(t, `{"opusred":true,"audio":false}`)}, JSEP: &plugin.JSEP{SDP: offer.Anonymise(), E2EE: true}})
	var got []string
	for _, m := range h.media() {
		got = append(got, fmt.Sprint(m.Track, " ", m.Codec, " ", m.Fmtp, " ", m.RED))
	}
	if g, w := strings.Join(got, ", "), "0 opus useinbandfec=1;stereo=1 63, 3 vp8  0"; g != w {
		t.Errorf("got %s, want %s", g, w)
	}
}

// TestRecordFormat: audio and video go to one file that players open.
func TestRecordFormat(t *testing.T) {
	base := filepath.Join(t.TempDir(), "echo")
	c, _, _ := caller(t, webrtctest.Options{}, `{"record":true,"filename":"`+base+`","record_format":"webm"}`)
	files := `"recording":{"audio":"echo.webm","video":"echo.webm","data":"echo-data.mjr"}`
	if got := c.Query(); !strings.Contains(got, files) {
		t.Error(got)
	}
	waittest.Until(t, "the file grows", func() bool { info, err := os.Stat(base + ".webm"); return err == nil && info.Size() > 5000 })
	if got := c.Ask(`{"record":false}`, nil); got.Field("result") != "ok" {
		t.Fatal(got)
	}
	waittest.Until(t, "the files are whole", func() bool { _, n := c.Handle.(*handle).plugin.Gateway.Engine().RecordTotals(); return n == 0 })
	b, err := os.ReadFile(base + ".webm")
	if text := string(b); err != nil || !strings.Contains(text, "A_OPUS") || !strings.Contains(text, "V_VP8") {
		t.Errorf("%d octets, %v", len(b), err)
	}
	if got := c.Ask(`{"record":true,"record_format":"avi"}`, nil); !strings.Contains(got.Data, "Invalid record_format") {
		t.Error(got)
	}
	if got := c.Ask(`{"record":true,"filename":"`+base+`2","record_format":"mp4"}`, nil); !strings.Contains(got.Data, "VP8 in MP4") {
		t.Error(got)
	}
	if got := c.Query(); strings.Contains(got, "recording") {
		t.Error(got)
	}
}
