package webrtctest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
	"github.com/pion/webrtc/v4/pkg/media/oggreader"
)

// Film is two seconds of VP8 and Opus as a peer's media, and knows recordings of them.
type Film struct {
	peer         *Peer
	folder       string
	video, audio *webrtc.TrackLocalStaticSample
}

// NewFilm has ffmpeg make a Film, and gives a peer its tracks before that offers. The test is
// skipped where a program is missing, among them Janus's tool for recordings.
func NewFilm(p *Peer) *Film {
	p.t.Helper()
	f := &Film{peer: p, folder: p.t.TempDir()}
	f.program("makes what is sent", "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=160x120:rate=25",
		"-c:v", "libvpx", "-deadline", "realtime", f.path("v.ivf"))
	f.program("makes what is sent", "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=2:sample_rate=48000",
		"-c:a", "libopus", "-page_duration", "20000", f.path("a.ogg"))
	f.program("converts recordings", "janus-pp-rec", "--help")
	f.video, f.audio = f.track(webrtc.MimeTypeVP8, "video"), f.track(webrtc.MimeTypeOpus, "audio")
	return f
}

func (f *Film) path(name string) string { return filepath.Join(f.folder, name) }

// program runs a program, without which the test is skipped.
func (f *Film) program(what string, args ...string) string {
	f.peer.t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		f.peer.t.Skipf("no %s, which %s", args[0], what)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		f.peer.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (f *Film) track(mime, kind string) *webrtc.TrackLocalStaticSample {
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, kind, "x")
	f.peer.Must(err)
	_, err = f.peer.PC.AddTrack(track)
	f.peer.Must(err)
	return track
}

func (f *Film) open(name string) *os.File {
	file, err := os.Open(f.path(name))
	f.peer.Must(err)
	return file
}

// Play sends the film once, faster than it was made, to a server that is connected, or pion
// drops it. It returns how many packets there are at least.
func (f *Film) Play() (packets int) {
	v, a := f.open("v.ivf"), f.open("a.ogg")
	defer v.Close()
	defer a.Close()
	ivf, _, err := ivfreader.NewWith(v)
	f.peer.Must(err)
	ogg, _, err := oggreader.NewWith(a)
	f.peer.Must(err)
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for more := true; more; <-pace.C {
		more = false
		if b, _, err := ivf.ParseNextFrame(); err == nil {
			f.peer.Must(f.video.WriteSample(media.Sample{Data: b, Duration: 40 * time.Millisecond}))
			packets, more = packets+1, true
		}
		for range 2 {
			b, h, err := ogg.ParseNextPage()
			if errors.Is(err, io.EOF) {
				break
			}
			f.peer.Must(err)
			if h.GranulePosition > 0 {
				f.peer.Must(f.audio.WriteSample(media.Sample{Data: b, Duration: 20 * time.Millisecond}))
				packets, more = packets+1, true
			}
		}
	}
	return packets
}

// CheckRecordings has Janus's tool convert recordings of the film, most of which has to be in them.
func (f *Film) CheckRecordings(video, audio string) {
	t := f.peer.t
	t.Helper()
	webm, opus := f.path("out.webm"), f.path("out.opus")
	f.program("converts recordings", "janus-pp-rec", video, webm)
	f.program("converts recordings", "janus-pp-rec", audio, opus)
	probe := []string{"ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,nb_read_frames", "-of", "csv=p=0"}
	n, got := 0, f.program("reads them", append(probe, webm)...)
	if _, err := fmt.Sscanf(got, "vp8,160,%d", &n); err != nil || n < 40 {
		t.Errorf("video of 50 frames: %s", got)
	}
	got = f.program("reads them", append(probe, opus)...)
	if _, err := fmt.Sscanf(got, "opus,%d", &n); err != nil || n < 80 {
		t.Errorf("audio of 100 packets: %s", got)
	}
}
