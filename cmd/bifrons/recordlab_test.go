package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pionrtcp "github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/frame"
	"bifrons/rtp/frame/frametest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/webrtctest"
)

// How much a camera sends: a packet of sound in each step, a picture in each third.
const (
	cameraStep  = 20 * time.Millisecond
	cameraFrame = 3 * cameraStep
	// cameraReport is how many steps are between sender reports.
	cameraReport = 50
)

// camera is a pion peer that sends what an encoder has made. The last packet of a picture,
// and each of sound, end with a number: 1, 2, ... of pictures and of sound.
type camera struct {
	*pionPeer
	sound    [][]byte
	pictures [][]frame.Packet
	audio    *webrtc.TrackLocalStaticRTP
	video    *webrtc.TrackLocalStaticRTP
	steps    uint64
	packets  uint16    // of video
	begin    time.Time // of the film
}

// newCamera makes a camera that sends Opus, and video of one of the frametest.Streams.
func newCamera(t testing.TB, h *handle, codec string, o webrtctest.Options) *camera {
	t.Helper()
	o.NoReports = true
	c := &camera{pionPeer: newPionReceiver(t, h, o), sound: frametest.Opus(t)}
	stream := frametest.Named(codec)
	for _, picture := range stream.Pictures(t) {
		c.pictures = append(c.pictures, stream.Packets([][]byte{picture}))
	}
	c.audio = c.NewTrack(webrtc.MimeTypeOpus, "audio", "")
	c.video = c.NewTrack("video/"+strings.ToUpper(codec), "video", "")
	c.Must(c.AddTrack(c.audio, new(webrtctest.Source)))
	c.Must(c.AddTrack(c.video, new(webrtctest.Source)))
	return c
}

// film sends until stop is called, or the test ends.
func (c *camera) film() (stop func()) {
	c.begin = time.Now()
	return webrtctest.Keep(c.t, cameraStep, func() {
		for time.Since(c.begin) >= time.Duration(c.steps)*cameraStep {
			c.step()
		}
	})
}

// play sends in some steps.
func (c *camera) play(steps int) {
	tick := time.NewTicker(cameraStep)
	defer tick.Stop()
	for range steps {
		c.step()
		<-tick.C
	}
}

func (c *camera) step() {
	if c.steps%cameraReport == 0 {
		c.report()
	}
	n := c.steps
	c.steps++
	_ = c.audio.WriteRTP(&rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: n == 0, SequenceNumber: uint16(n), Timestamp: uint32(n) * 960},
		Payload: webrtctest.Stamp(bytes.Clone(c.sound[n%uint64(len(c.sound))]), n+1),
	})
	if n %= 3; n != 0 {
		return
	}
	n = c.steps / 3
	for _, p := range c.pictures[n%uint64(len(c.pictures))] {
		b := bytes.Clone(p.Payload)
		if p.Marker {
			b = webrtctest.Stamp(b, n+1)
		}
		c.packets++
		_ = c.video.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: p.Marker, SequenceNumber: c.packets, Timestamp: uint32(n) * 5400},
			Payload: b,
		})
	}
}

// report sends sender reports of when the next step is captured, which load does not put
// off as it does its sending. Those of pion say when something was sent.
func (c *camera) report() {
	if c.begin.IsZero() {
		c.begin = time.Now()
	}
	at := rtcp.NTP(c.begin.Add(time.Duration(c.steps) * cameraStep))
	for _, s := range c.PC.GetSenders() {
		r := &pionrtcp.SenderReport{SSRC: uint32(s.GetParameters().Encodings[0].SSRC), NTPTime: at, RTPTime: uint32(c.steps) * 960}
		if s.Track() == c.video {
			r.RTPTime = uint32(c.steps) * 1800
		}
		_ = c.PC.WriteRTCP([]pionrtcp.Packet{r})
	}
}

// filmed is what a file has: the numbers of a camera with their times.
type filmed struct {
	at       [2]map[uint64]time.Duration // of sound, of pictures
	order    [2][]uint64                 // as they stand in the file
	duration string                      // of the file as ffprobe tells it
}

func newFilmed() *filmed {
	return &filmed{at: [2]map[uint64]time.Duration{{}, {}}}
}

func (f *filmed) add(track int, data []byte, at time.Duration) {
	n, ok := webrtctest.Stamped(data)
	if !ok {
		return
	}
	f.at[track][n] = at
	f.order[track] = append(f.order[track], n)
}

// newest is the highest number, of sound or of pictures.
func (f *filmed) newest(track int) uint64 {
	if len(f.order[track]) == 0 {
		return 0
	}
	return slices.Max(f.order[track])
}

// check finds what was sent together at the same time, within some tolerance, and as much
// time between what was sent as there was.
func (f *filmed) check(t *testing.T, what string, tolerance time.Duration) {
	t.Helper()
	for track, step := range []time.Duration{cameraStep, cameraFrame} {
		list := f.order[track]
		if len(list) == 0 {
			t.Errorf("%s: nothing of track %d", what, track)
			return
		}
		first, last := slices.Min(list), slices.Max(list)
		took, want := f.at[track][last]-f.at[track][first], time.Duration(last-first)*step
		if d := (took - want).Abs(); d > tolerance {
			t.Errorf("%s: track %d takes %v, not %v", what, track, took, want)
		}
	}
	for n, picture := range f.at[1] {
		if sound, ok := f.at[0][3*n-2]; ok && (sound-picture).Abs() > tolerance {
			t.Errorf("%s: the sound is %v behind picture %d", what, sound-picture, n)
			return
		}
	}
}

// readMedia reads a file with ffprobe.
func readMedia(t *testing.T, path string) *filmed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-loglevel", "error", "-of", "json", "-show_data",
		"-show_entries", "packet=stream_index,pts_time,data:format=duration:stream=codec_type", path)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("ffprobe does not open %s: %v\n%s", path, err, errs.String())
		return newFilmed()
	}
	var found struct {
		Packets []struct {
			Stream int    `json:"stream_index"`
			PTS    string `json:"pts_time"`
			Data   string
		}
		Streams []struct {
			Type string `json:"codec_type"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	f := newFilmed()
	f.duration = found.Format.Duration
	for _, p := range found.Packets {
		track := 0
		if found.Streams[p.Stream].Type == "video" {
			track = 1
		}
		at, err := strconv.ParseFloat(p.PTS, 64)
		if err != nil {
			t.Errorf("%s: packet at %q", path, p.PTS)
		}
		f.add(track, dumped(t, p.Data), time.Duration(at*1e9))
	}
	return f
}

// dumped is the end of what ffprobe has dumped.
func dumped(t *testing.T, text string) (b []byte) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines[max(0, len(lines)-2):] {
		_, line, _ = strings.Cut(line, ": ")
		digits, _, _ := strings.Cut(line, "  ")
		part, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

// readMJR adds what a recording of one track has, which may be cut off.
func (f *filmed) readMJR(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	r := mjr.NewReader(file)
	h, err := r.Header()
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	track := 0
	if h.Type == mjr.Video {
		track = 1
	}
	for {
		x, err := r.Next()
		if err != nil {
			if err != io.EOF && !errors.Is(err, mjr.ErrTruncated) {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
		f.add(track, x.Data, time.Duration(h.First)*time.Microsecond+time.Duration(x.ArrivalMS)*time.Millisecond)
	}
}

// ffprobes skips a test where ffprobe is missing.
func ffprobes(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		needs(t, "ffprobe is not installed")
	}
}

// played is what comes to a peer, packet by packet.
type played struct {
	mu   sync.Mutex
	list [2][]rtp.Packet // of sound, of pictures
}

// watch keeps what comes on a track; for PeerConnection.OnTrack.
func (p *played) watch(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	i := 0
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		i = 1
	}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.list[i] = append(p.list[i], *packet)
		p.mu.Unlock()
	}
}

// count is how many packets came by now.
func (p *played) count() int { return len(p.of(0)) + len(p.of(1)) }

// of are the packets that came by now.
func (p *played) of(track int) []rtp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list[track])
}
