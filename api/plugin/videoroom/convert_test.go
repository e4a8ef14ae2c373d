package videoroom

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
	"github.com/pion/webrtc/v4/pkg/media/oggreader"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// program runs a program, without which the test is skipped.
func program(t *testing.T, what string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("no %s, which %s", args[0], what)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestRecordingConverts has Janus's tool convert a recording of VP8 and Opus of a client.
func TestRecordingConverts(t *testing.T) {
	waittest.NoLeaks(t)
	made := t.TempDir()
	program(t, "makes what is sent", "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=160x120:rate=25", "-c:v", "libvpx", "-deadline", "realtime",
		filepath.Join(made, "v.ivf"))
	program(t, "makes what is sent", "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=2:sample_rate=48000", "-c:a", "libopus", "-page_duration", "20000",
		filepath.Join(made, "a.ogg"))
	program(t, "converts recordings", "janus-pp-rec", "--help")

	v, admin, folder := recordRoom(t, dict{"record": true})
	s := &sender{client: v.attach(), Peer: webrtctest.NewReceiver(t, webrtctest.Options{})}
	tracks := make(map[string]*webrtc.TrackLocalStaticSample)
	for kind, mime := range map[string]string{"audio": webrtc.MimeTypeOpus, "video": webrtc.MimeTypeVP8} {
		track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, kind, "x")
		s.must(err)
		_, err = s.PC.AddTrack(track)
		s.must(err)
		tracks[kind] = track
	}
	e := s.request(dict{"request": "joinandconfigure", "ptype": "publisher", "room": 1234, "id": 5, "filename": "talk"}, s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	s.id = 5
	s.AwaitConnected() // or pion drops what it is given
	s.published()
	s.recordings(2)

	f, err := os.Open(filepath.Join(made, "v.ivf"))
	s.must(err)
	defer f.Close()
	ivf, _, err := ivfreader.NewWith(f)
	s.must(err)
	g, err := os.Open(filepath.Join(made, "a.ogg"))
	s.must(err)
	defer g.Close()
	ogg, _, err := oggreader.NewWith(g)
	s.must(err)
	frames, sounds := 0, 0
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for more := true; more; <-pace.C {
		more = false
		if b, _, err := ivf.ParseNextFrame(); err == nil {
			s.must(tracks["video"].WriteSample(media.Sample{Data: b, Duration: 40 * time.Millisecond}))
			frames, more = frames+1, true
		}
		for range 2 {
			b, h, err := ogg.ParseNextPage()
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			if h.GranulePosition > 0 {
				s.must(tracks["audio"].WriteSample(media.Sample{Data: b, Duration: 20 * time.Millisecond}))
				sounds, more = sounds+1, true
			}
		}
	}
	waittest.Until(t, "nearly all packets", func() bool { n, _ := v.core.Engine().RecordTotals(); return n.Packets >= uint64(frames+sounds)*9/10 })
	admin.request(dict{"request": "destroy", "room": 1234}, nil)
	v.whole()

	mjr := func(name string) string {
		list, err := filepath.Glob(filepath.Join(folder, "talk-"+name+"-*.mjr"))
		if err != nil || len(list) != 1 {
			t.Fatalf("files %v, %v", list, err)
		}
		return list[0]
	}
	webm, opus := filepath.Join(made, "out.webm"), filepath.Join(made, "out.opus")
	program(t, "converts recordings", "janus-pp-rec", mjr("video"), webm)
	program(t, "converts recordings", "janus-pp-rec", mjr("audio"), opus)
	probe := []string{"ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,nb_read_frames", "-of", "csv=p=0"}
	n, got := 0, program(t, "reads them", append(probe, webm)...)
	if _, err := fmt.Sscanf(got, "vp8,160,%d", &n); err != nil || n < 40 || frames != 50 {
		t.Errorf("video of %d frames: %s", frames, got)
	}
	got = program(t, "reads them", append(probe, opus)...)
	if _, err := fmt.Sscanf(got, "opus,%d", &n); err != nil || n < 80 {
		t.Errorf("audio of %d packets: %s", sounds, got)
	}
}
