package nosip

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/rtp"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/rtp/waittest"
)

// legs are the streams of a call between a and b, as a's plugin names them, with the texts in them.
var legs = []struct{ stream, file, codec, text string }{
	{"audio", "user-audio", "opus", "a audio"},
	{"video", "user-video", "vp8", "a video"},
	{"peer_audio", "peer-audio", "opus", "b audio"},
	{"peer_video", "peer-video", "vp8", "b video"},
}

// recorded checks the recording of a stream.
func recorded(t *testing.T, path, codec, text string) {
	t.Helper()
	h, list := mjrtest.Read(t, path)
	if h.Codec != codec || len(list) < 3 {
		t.Fatalf("%s: header %+v, %d frames", path, h, len(list))
	}
	for i, f := range list {
		if !strings.HasSuffix(string(f.Payload), "|"+text) {
			t.Fatalf("%s: frame %d is %q", path, i, f.Payload)
		}
	}
	if _, err := exec.LookPath("janus-pp-rec"); err != nil {
		t.Log("janus-pp-rec is not installed, which would read the files too")
		return
	}
	out, err := exec.Command("janus-pp-rec", "--json", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), codec) {
		t.Errorf("janus-pp-rec: %v\n%s", err, out)
	}
}

// TestRecording: all four streams of a leg are recorded, those of the offerer and those of the answerer, from before the
// answer on or later, each for as long as it is wanted.
func TestRecording(t *testing.T) {
	x := newExchange(t, "")
	folder := t.TempDir()
	a, b := x.phone("a"), x.phone("b")
	base := filepath.Join(folder, "rec")
	path := func(file string) string { return base + "-" + file + ".mjr" }
	offer := a.offer(`,"srtp":"sdes_mandatory"`)
	a.ask(`{"request":"recording","action":"start","audio":true,"video":true,"peer_audio":true,"filename":"`+base+`"}`, nil)
	a.process("answer", b.answer(offer, ""), "")
	a.AwaitConnected()
	b.AwaitConnected()
	for _, leg := range legs[:3] {
		mjrtest.AwaitGrown(t, path(leg.file))
	}
	a.ask(`{"request":"recording","action":"stop","audio":true}`, nil)
	a.ask(`{"request":"recording","action":"start","peer_video":true,"filename":"`+base+`"}`, nil)
	mjrtest.AwaitGrown(t, path(legs[3].file))
	if q, want := a.Query(), `"recording":{"video":"rec-user-video.mjr","audio-peer":"rec-peer-audio.mjr","video-peer":"rec-peer-video.mjr"}`; !strings.Contains(q, want) {
		t.Errorf("administrators see %s", q)
	}
	b.ask(`{"request":"recording","action":"start","peer_video":true,"filename":"`+base+`-b"}`, nil)
	mjrtest.AwaitGrown(t, base+"-b-peer-video.mjr")
	a.ask(`{"request":"recording","action":"stop","video":true,"peer_audio":true,"peer_video":true}`, nil)
	b.ask(`{"request":"hangup"}`, nil)
	for _, leg := range legs {
		recorded(t, path(leg.file), leg.codec, leg.text)
	}
	recorded(t, base+"-b-peer-video.mjr", "vp8", "a video")
}

// TestRecordingNames: without a filename a recording has a name that tells handle and stream.
func TestRecordingNames(t *testing.T) {
	t.Chdir(t.TempDir())
	x := newExchange(t, "")
	a, b := x.telephone("a"), x.telephone("b")
	a.ask(`{"request":"recording","action":"start","audio":true,"peer_audio":true}`, nil)
	a.call(b, "")
	for _, end := range []string{"own-audio", "peer-audio"} {
		var found []string
		waittest.Until(t, "a recording of "+end, func() bool {
			found, _ = filepath.Glob(fmt.Sprintf("nosip-%d-*-%s.mjr", a.HandleID(), end))
			return len(found) == 1
		})
		mjrtest.AwaitGrown(t, found[0])
	}
	a.ask(`{"request":"hangup"}`, nil)
}

// TestForwarding: all four streams are sent on, also those that a request names before they
// are there.
func TestForwarding(t *testing.T) {
	x := newExchange(t, "")
	a, b := x.phone("a"), x.phone("b")
	var streams []string
	got := make([]plugintest.Texts, len(legs))
	ssrcs := make([]plugintest.Texts, len(legs))
	for i, leg := range legs {
		conn := socket(t, func(b []byte, _ *net.UDPAddr) {
			var p rtp.Packet
			if p.Unmarshal(b) != nil {
				return
			}
			got[i].Hear(p.Payload)
			ssrcs[i].Hear(fmt.Appendf(nil, "|%d %d", p.SSRC, p.PayloadType))
		})
		streams = append(streams, fmt.Sprintf(`{"type":"%s","host":"127.0.0.1","port":%d,"ssrc":%d,"pt":%d}`,
			leg.stream, conn.LocalAddr().(*net.UDPAddr).Port, i+1, 100+i))
	}
	a.ask(`{"request":"rtp_forward","streams":[`+streams[0]+`,`+streams[3]+`]}`, nil)
	a.call(b, `,"srtp":"sdes_optional"`)
	a.ask(`{"request":"rtp_forward","streams":[`+streams[1]+`,`+streams[2]+`]}`, nil)
	for i, leg := range legs {
		got[i].HearsMore(t, leg.text)
		ssrcs[i].HearsMore(t, fmt.Sprintf("%d %d", i+1, 100+i))
	}
	id := a.ask(`{"request":"listforwarders"}`, nil).Field("result", "rtp_forwarders", 1, "stream_id")
	a.ask(fmt.Sprintf(`{"request":"stop_rtp_forward","stream_id":%.0f}`, id), nil)
	got[3].Quiet(t, "b video")
	got[0].HearsMore(t, "a audio")
	a.ask(`{"request":"hangup"}`, nil)
	for i, leg := range legs {
		got[i].Quiet(t, leg.text)
	}
}
