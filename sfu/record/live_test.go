package record

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/frame/frametest"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// sender is a participant in virtual time whose media a Live records: pictures and
// sound that are captured at known moments.
type sender struct {
	t        testing.TB
	live     *Live
	random   *rand.Rand
	stream   *frametest.Stream
	pictures [][]byte
	opus     [][]byte
	loss     float64
	ppm      float64 // by which the clock of sound is fast
	now      time.Duration
	out      []byte
	written  []int // length of out after each flush, with when that was
	at       []time.Duration
	heard    func(at time.Duration) bool // sound is sent
	seen     func(at time.Duration) bool
	seqs     [2]uint64
	offset   [2]uint32 // of timestamps as they come
	fills    bool      // some numbers of pictures are left free, and filled later
	asked    int
	forced   bool // a key frame was asked for
	n        int  // next picture
	joined   [2]bool
	cut      [2]uint32 // of timestamps, by pauses
	last     [2]uint32
	// Each of these sound and picture are marked, by something at their end.
	every time.Duration
	marks [2]map[string]time.Duration // when what has a checksum was captured
}

const epoch = mono.Time(time.Hour)

var wallClock = time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)

func newSender(t testing.TB, container, codec string) *sender {
	t.Helper()
	s := &sender{t: t, random: rand.New(rand.NewPCG(3, 4)), stream: frametest.Named(codec), offset: [2]uint32{1<<32 - 5000, 999}}
	s.pictures, s.opus = s.stream.Pictures(t), frametest.Opus(t)
	live, err := NewLive(container, "bifrons", "", []LiveTrack{{Codec: frame.Opus, Name: "sound"}, {Codec: s.stream.Codec, Name: "picture"}})
	if err != nil {
		t.Fatal(err)
	}
	s.live = live
	s.out = live.Begin(nil, wallClock)
	return s
}

// packet gives the Live a packet, unless it is lost.
func (s *sender) packet(track int, captured time.Duration, rate float64, p frame.Packet, delay time.Duration) {
	s.seqs[track]++
	if s.random.Float64() < s.loss {
		return
	}
	if s.fills && track == 1 && s.seqs[1]%10 == 3 {
		free := Packet{Track: 1, Seq: s.seqs[1], Arrival: epoch.Add(captured + delay), Timestamp: s.last[1]}
		s.seqs[1]++
		defer func() { s.out = s.live.Fill(s.out, &free) }()
	}
	source := uint32(int64(captured.Seconds() * rate))
	ts := source - s.cut[track]
	joined := s.joined[track]
	if joined {
		s.cut[track] += ts - s.last[track] - uint32(rate/50)
		ts, s.joined[track] = source-s.cut[track], false
	}
	s.last[track] = ts
	b := make([]byte, 12, 12+len(p.Payload))
	b[0], b[1] = 0x80, 96
	b = append(b, p.Payload...)
	s.out = s.live.Packet(s.out, &Packet{
		Track: track, RTP: b, Head: 12, Seq: s.seqs[track], Timestamp: ts, Marker: p.Marker,
		Arrival: epoch.Add(captured + delay), SSRC: uint32(track + 1), Source: source + s.offset[track], Joined: joined,
	})
}

// run goes on for some time.
func (s *sender) run(length time.Duration) {
	end := s.now + length
	for ; s.now < end; s.now += time.Millisecond {
		at := s.now
		noise := time.Duration(s.random.Int64N(int64(15 * time.Millisecond)))
		rate := 48000 * (1 + s.ppm/1e6)
		if at%time.Second == 300*time.Millisecond {
			for i, r := range []float64{rate, 90000} {
				s.live.Report(&Report{Track: i, SSRC: uint32(i + 1), NTP: rtcp.NTP(wallClock.Add(at)), Timestamp: uint32(int64(at.Seconds()*r)) + s.offset[i], At: epoch.Add(at + noise)})
			}
		}
		if at%(20*time.Millisecond) == 0 && (s.heard == nil || s.heard(at)) {
			b := s.opus[int(at/(20*time.Millisecond))%len(s.opus)]
			s.packet(0, at, rate, frame.Packet{Payload: s.mark(0, b, at)}, noise)
		}
		if at%(66*time.Millisecond) == 0 && (s.seen == nil || s.seen(at)) {
			if s.forced && s.n%10 != 0 {
				s.n += 10 - s.n%10
			}
			s.forced = false
			for _, p := range s.stream.Packets([][]byte{s.mark(1, s.pictures[s.n%30], at)}) {
				s.packet(1, at, 90000, p, 60*time.Millisecond+noise)
			}
			s.n++
		}
		if at%(200*time.Millisecond) == 199*time.Millisecond {
			var key int
			if s.out, key = s.live.Flush(s.out, epoch.Add(at)); key >= 0 {
				s.asked++
				s.forced = true
			}
			s.written, s.at = append(s.written, len(s.out)), append(s.at, at)
		}
	}
}

// pause lets time pass that is left out.
func (s *sender) pause(length time.Duration) {
	s.now += length
	s.joined = [2]bool{true, true}
	s.forced = true
}

// mark puts the time to the end of what was captured, if it is to be marked: of H.264 in
// a NAL unit of its own.
func (s *sender) mark(track int, b []byte, at time.Duration) []byte {
	if s.every == 0 || at%s.every != 0 {
		return b
	}
	b = slices.Clone(b)
	if track == 1 && s.stream.Codec == frame.H264 {
		b = append(b, 0, 0, 1, 6)
	}
	for n := at / s.every; ; n >>= 6 {
		b = append(b, 0x80|byte(n&0x3f))
		if n == 0 {
			break
		}
	}
	if s.marks[track] == nil {
		s.marks[track] = make(map[string]time.Duration)
	}
	data := b
	if track == 1 {
		data = s.stream.Whole(b)
	}
	s.marks[track][fmt.Sprintf("CRC32:%08x", crc32.ChecksumIEEE(data))] = at
	return b
}

// offsets are how far sound is behind the picture in a file, by when both were captured.
func (s *sender) offsets(list []probed) map[time.Duration]time.Duration {
	var found [2]map[time.Duration]time.Duration
	for i := range found {
		found[i] = make(map[time.Duration]time.Duration)
		for _, p := range list {
			if at, ok := s.marks[i][p.sum]; ok && p.track == i {
				found[i][at] = p.at
			}
		}
	}
	offsets := make(map[time.Duration]time.Duration)
	for at, sound := range found[0] {
		if picture, ok := found[1][at]; ok {
			offsets[at] = sound - picture
		}
	}
	return offsets
}

// finish ends the file and returns its path.
func (s *sender) finish(name string) string {
	s.t.Helper()
	rest, patches := s.live.End(s.out)
	for _, p := range patches {
		copy(rest[p.Offset:], p.Bytes)
	}
	return save(s.t, name, rest)
}

func save(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// probed is a packet that ffprobe finds in a file.
type probed struct {
	track int
	at    time.Duration
	key   bool
	sum   string
}

// ffprobe finds the packets of a file.
func ffprobe(t testing.TB, path string, quiet bool) (list []probed) {
	t.Helper()
	name, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed: nothing to look into files with")
	}
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), name, "-loglevel", "warning", "-of", "json", "-show_packets", "-show_data_hash", "CRC32", path)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || !quiet && errs.Len() > 0 {
		t.Fatalf("ffprobe: %v\n%s", err, errs.String())
	}
	var found struct {
		Packets []struct {
			Stream int    `json:"stream_index"`
			PTS    string `json:"pts_time"`
			Flags  string
			Sum    string `json:"data_hash"`
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
		t.Fatal(err)
	}
	for _, p := range found.Packets {
		at, err := strconv.ParseFloat(p.PTS, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, probed{p.Stream, time.Duration(at * 1e9), p.Flags[0] == 'K', p.Sum})
	}
	return list
}

// decodes reports whether ffmpeg decodes a file without a word.
func decodes(t testing.TB, path string) {
	t.Helper()
	name, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed: nothing to decode files with")
	}
	if out, err := exec.CommandContext(t.Context(), name, "-loglevel", "error", "-i", path, "-fps_mode", "passthrough", "-enc_time_base:v", "1:90000", "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("ffmpeg: %v\n%s", err, out)
	}
}

var liveCases = []struct{ container, codec string }{
	{"webm", "vp8"}, {"webm", "vp9"}, {"webm", "av1"}, {"mkv", "h264"}, {"mkv", "h265"}, {"mp4", "h264"}, {"mp4", "h265"}, {"mp4", "av1"},
}

// TestLive records some seconds of each codec with loss: what is in the file decodes.
func TestLive(t *testing.T) {
	for _, c := range liveCases {
		t.Run(c.container+"/"+c.codec, func(t *testing.T) {
			s := newSender(t, c.container, c.codec)
			s.loss = 0.01
			s.run(8 * time.Second)
			path := s.finish("a." + c.container)
			var count [2]int
			for _, p := range ffprobe(t, path, false) {
				count[p.track]++
			}
			if count[0] < 360 || count[1] < 60 || s.live.Dropped() == 0 || s.asked == 0 {
				t.Errorf("%d packets of sound, %d pictures, %d dropped, %d key frames asked for", count[0], count[1], s.live.Dropped(), s.asked)
			}
			decodes(t, path)
		})
	}
}

// TestLiveFills has numbers in pictures and between them under which nothing comes: all
// pictures are in the file, and no key frame is asked for.
func TestLiveFills(t *testing.T) {
	s := newSender(t, "webm", "vp8")
	s.fills = true
	s.run(5 * time.Second)
	if n := len(ffprobe(t, s.finish("a.webm"), false)); n < 320 || s.live.Dropped() != 0 || s.asked != 0 {
		t.Errorf("%d packets in the file, %d frames dropped, %d key frames asked for", n, s.live.Dropped(), s.asked)
	}
}

// TestLipSync: ten minutes with 2 % loss and a clock that drifts by 100 ppm: sound and
// picture that were captured together are within 20 ms in the file, from the first
// second on.
func TestLipSync(t *testing.T) {
	for _, c := range []struct{ container, codec string }{{"webm", "vp8"}, {"mp4", "h264"}} {
		t.Run(c.container, func(t *testing.T) {
			s := newSender(t, c.container, c.codec)
			s.ppm, s.loss = 100, 0.02
			s.every = 1980 * time.Millisecond
			s.run(10 * time.Minute)
			path := s.finish("a." + c.container)
			compared := 0
			for at, d := range s.offsets(ffprobe(t, path, false)) {
				compared++
				if d.Abs() > 20*time.Millisecond && at > time.Second {
					t.Errorf("captured at %v: the sound is %v behind", at, d)
				}
			}
			if compared < 100 {
				t.Errorf("%d of 300 flashes with a beep", compared)
			}
		})
	}
}

// TestLiveKilled cuts a file where it is at some moment, and anywhere else: it opens, and
// has all but the last second.
func TestLiveKilled(t *testing.T) {
	for _, c := range []struct{ container, codec string }{{"webm", "vp8"}, {"mkv", "h264"}, {"mp4", "h264"}, {"mp4", "av1"}} {
		t.Run(c.container+"/"+c.codec, func(t *testing.T) {
			s := newSender(t, c.container, c.codec)
			s.run(6 * time.Second)
			for n := range 6 {
				i := 5 + n*4
				end := s.written[i]
				if n%2 == 1 { // within what was being written
					end += s.random.IntN(s.written[i+1] - end)
				}
				var latest [2]time.Duration
				for _, p := range ffprobe(t, save(t, "a."+c.container, s.out[:end]), true) {
					latest[p.track] = max(latest[p.track], p.at)
				}
				// The recorder adds 450 ms until what is laid out is on the disk.
				if least := s.at[i] - 550*time.Millisecond; latest[0] < least || latest[1] < least {
					t.Errorf("killed after %v: the file ends at %v", s.at[i], latest)
				}
			}
		})
	}
}

// TestLiveMuted mutes both tracks in turn, and one from the start on.
func TestLiveMuted(t *testing.T) {
	for _, c := range []struct{ container, codec string }{{"webm", "vp8"}, {"mp4", "h264"}} {
		t.Run(c.container, func(t *testing.T) {
			s := newSender(t, c.container, c.codec)
			s.every = 660 * time.Millisecond
			s.heard = func(at time.Duration) bool { return at < 20*time.Second || at > time.Minute }
			s.seen = func(at time.Duration) bool {
				return at > 10*time.Second && (at < 80*time.Second || at > 100*time.Second)
			}
			s.run(2 * time.Minute)
			path := s.finish("a." + c.container)
			// ffprobe looks for a picture at the beginning.
			list := ffprobe(t, path, true)
			offsets := s.offsets(list)
			for at, d := range offsets {
				if d.Abs() > 20*time.Millisecond {
					t.Errorf("captured at %v: the sound is %v behind", at, d)
				}
			}
			if len(offsets) < 60 {
				t.Errorf("%d flashes with a beep", len(offsets))
			}
			decodes(t, path)
			last, largest := time.Duration(0), time.Duration(0)
			for _, p := range list {
				if p.track == 0 {
					largest, last = max(largest, p.at-last), p.at
				}
			}
			if filled := largest < 100*time.Millisecond; filled != (c.container == "mp4") {
				t.Errorf("the largest gap of sound is %v", largest)
			}
		})
	}
}

// TestLivePaused leaves two minutes out.
func TestLivePaused(t *testing.T) {
	s := newSender(t, "webm", "vp8")
	s.every = 660 * time.Millisecond
	s.run(10 * time.Second)
	s.pause(2 * time.Minute)
	s.run(10 * time.Second)
	list := ffprobe(t, s.finish("a.webm"), false)
	if last := list[len(list)-1].at; last < 19*time.Second || last > 21*time.Second {
		t.Errorf("it ends at %v", last)
	}
	for at, d := range s.offsets(list) {
		if d.Abs() > 20*time.Millisecond {
			t.Errorf("captured at %v: the sound is %v behind", at, d)
		}
	}
}

// TestLiveSizes changes the size of the picture, and back.
func TestLiveSizes(t *testing.T) {
	for _, c := range []struct{ container, codec string }{{"webm", "vp8"}, {"webm", "vp9"}, {"mp4", "h264"}, {"mkv", "h265"}} {
		t.Run(c.container+"/"+c.codec, func(t *testing.T) {
			s := newSender(t, c.container, c.codec)
			small := s.pictures
			s.run(2 * time.Second)
			s.n, s.pictures = 0, s.stream.Sized(t, "640x360")
			s.run(2 * time.Second)
			s.n, s.pictures = 0, small
			s.run(2 * time.Second)
			path := s.finish("a." + c.container)
			decodes(t, path)
			// Of others than VP8 ffprobe tells the size of the first picture.
			if out := streams(t, path); s.stream.Codec == frame.VP8 && !strings.Contains(out, "640x360") {
				t.Errorf("%s", out)
			}
			if sizes := decoded(t, path); !slices.Contains(sizes, "320x180") || !slices.Contains(sizes, "640x360") {
				t.Errorf("%q", sizes)
			}
		})
	}
}

// TestLiveNothing: a file of nobody who sends opens.
func TestLiveNothing(t *testing.T) {
	for _, c := range liveCases {
		s := newSender(t, c.container, c.codec)
		streams(t, s.finish("a."+c.container))
	}
}

// TestLiveWithoutPicture: a file whose pictures never come, or never whole, has its sound.
func TestLiveWithoutPicture(t *testing.T) {
	for _, c := range liveCases[2:] {
		s := newSender(t, c.container, c.codec)
		s.seen = func(time.Duration) bool { return false }
		s.run(2 * time.Second)
		killed := save(t, "killed."+c.container, s.out)
		for _, path := range []string{s.finish("a." + c.container), killed} {
			if n := len(ffprobe(t, path, true)); n < 60 {
				t.Errorf("%s %s: %d packets", c.container, c.codec, n)
			}
		}
	}
}

// TestLiveUnfit: what a container cannot have is refused with a word on it.
func TestLiveUnfit(t *testing.T) {
	for _, c := range []struct {
		container string
		codec     frame.Codec
		text      string
	}{
		{"webm", frame.H264, "H.264 in WebM"}, {"mp4", frame.VP8, "VP8 in MP4"}, {"mp4", frame.PCMU, "PCMU in MP4"},
		{"avi", frame.VP8, "avi"}, {"mkv", frame.Unknown, "unknown"},
	} {
		if _, err := NewLive(c.container, "", "", []LiveTrack{{Codec: c.codec}}); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s, %s: %v", c.container, c.codec, err)
		}
	}
	if _, err := NewLive("mkv", "", "", []LiveTrack{{Codec: frame.PCMA}, {Codec: frame.H265}}); err != nil {
		t.Error(err)
	}
}

// FuzzLive feeds packets of all kinds.
func FuzzLive(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 10, 0x10, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []struct {
			container string
			codec     frame.Codec
		}{{"webm", frame.VP8}, {"webm", frame.VP9}, {"webm", frame.AV1}, {"mkv", frame.H264}, {"mp4", frame.H265}} {
			l, err := NewLive(c.container, "a", "b", []LiveTrack{{Codec: frame.Opus, RED: 96}, {Codec: c.codec}})
			if err != nil {
				t.Fatal(err)
			}
			out := l.Begin(nil, wallClock)
			at := epoch
			var seq [2]uint64
			var ts [2]uint32
			for d := b; len(d) > 5; {
				i := int(d[0] & 1)
				at = at.Add(time.Duration(d[1]) * time.Millisecond)
				seq[i] += uint64(d[2] & 7)
				ts[i] += uint32(d[3]) << 6
				n := min(int(d[4]), len(d)-5)
				rtp := append([]byte{0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, d[5:5+n]...)
				switch {
				case d[0]&6 == 6:
					l.Report(&Report{Track: i, SSRC: uint32(d[0] >> 6), NTP: uint64(d[3]) << 32, Timestamp: ts[i], At: at})
				case seq[i] > 0:
					out = l.Packet(out, &Packet{Track: i, RTP: rtp, Head: 12, Seq: seq[i], Timestamp: ts[i], Marker: d[0]&8 != 0, Arrival: at, SSRC: uint32(d[0] >> 6), Source: ts[i] + uint32(d[2]), Joined: d[0]&16 != 0})
				}
				if d[0]&32 != 0 {
					out, _ = l.Flush(out, at)
				}
				d = d[5+n:]
			}
			l.End(out)
		}
	})
}

// streams is what ffprobe tells of the streams of a file.
func streams(t testing.TB, path string) string {
	t.Helper()
	return probeOutput(t, "ffprobe", "-loglevel", "error", "-of", "csv=p=0:s=x", "-show_entries", "stream=width,height", path)
}

// decoded are the sizes of the pictures that ffmpeg decodes.
func decoded(t testing.TB, path string) (list []string) {
	t.Helper()
	for line := range strings.Lines(probeOutput(t, "ffprobe", "-loglevel", "error", "-select_streams", "v", "-of", "csv=p=0:s=x", "-show_entries", "frame=width,height", path)) {
		if line = strings.Trim(line, "x\n"); !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	return list
}

func probeOutput(t testing.TB, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: nothing to look into files with")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
	return string(out)
}
