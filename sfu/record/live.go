package record

import (
	"fmt"
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/lipsync"
	"bifrons/rtp/mono"
	"bifrons/rtp/mux"
	"bifrons/rtp/seq"
)

// LiveTrack is a track of a Live.
type LiveTrack struct {
	Codec frame.Codec
	Name  string
	RED   uint8  // payload type of Opus as RED (RFC 2198), 0 = none
	Sprop string // H.264 parameter sets of the session description (RFC 6184, 8.1)
}

// Live is the Format of files that players open: webm, mkv and mp4, with all tracks of a
// participant, in sync by the sender reports. At any moment the content of the file can be
// played.
//
// A picture of which packets are missing is left out, with all up to the next key frame,
// which is asked for. Audio that is missing leaves a gap; in mp4, whose players rely on
// durations, silence.
type Live struct {
	container string
	info      mux.Info
	out       mux.Writer // from Begin on
	fill      bool       // gaps of audio are filled
	tracks    []liveTrack
	time      *lipsync.Timeline
	began     mono.Time     // arrival of the first packet
	started   bool          // the header is written
	base      time.Duration // of the Timeline where the file begins
	now       mono.Time
	dropped   uint64
}

// liveTrack is the state of a track.
type liveTrack struct {
	LiveTrack
	order  order
	times  seq.Unwrapper32
	frames *frame.Assembler
	at     mono.Time // of the latest packet
	broken bool      // pictures are of no use until the next key frame
	asked  mono.Time // when one was asked for

	queue   []queued // frames that wait for their turn
	free    [][]byte
	latest  uint64        // timestamp of the frame written last
	last    time.Duration // its time, -1 before the first
	end     time.Duration // of audio that was written
	config  *frame.Config // in the file's head
	largest [2]uint16     // size of pictures
}

// queued is a frame that waits for its turn.
type queued struct {
	timestamp     uint64
	at            mono.Time // when its first packet came
	key           bool
	duration      time.Duration
	data          []byte
	width, height uint16
	config        *frame.Config
}

const (
	// hold is how long frames wait for those of other tracks that are earlier.
	hold = mono.Time(200e6)
	// quiet is from when on nobody waits for a track.
	quiet = mono.Time(500e6)
	// askAgain is how long a key frame is waited for until one is asked for again.
	askAgain = mono.Time(time.Second)
	// maxHeld is how many frames of a track wait at most.
	maxHeld = 512
	// silent is how long a packet of silence lasts, maxFill how much of it is put
	// into a gap at most.
	silent, maxFill = 20 * time.Millisecond, time.Minute
)

// silence is a packet of Opus: CELT, 20 ms, nothing (RFC 6716, 3.1).
var silence = []byte{0xf8, 0xff, 0xfe}

// NewLive returns a Live of one of the containers "webm", "mkv" and "mp4". The error says
// what does not fit.
func NewLive(container, app, comment string, tracks []LiveTrack) (*Live, error) {
	l := &Live{info: mux.Info{App: app, Comment: comment}, tracks: make([]liveTrack, len(tracks))}
	var clocks []lipsync.Track
	for i, t := range tracks {
		rate := uint32(90000)
		switch t.Codec {
		case frame.Opus:
			rate = 48000
		case frame.VP8, frame.VP9, frame.AV1, frame.H264, frame.H265:
		case frame.PCMU, frame.PCMA, frame.G722:
			rate = 8000
		default:
			return nil, fmt.Errorf("no %s file can have a track of %s", container, t.Codec)
		}
		m := mux.Track{Codec: t.Codec, Name: t.Name}
		if t.Codec.PCM() {
			if m.Rate = 8000; t.Codec == frame.G722 {
				m.Rate = 16000
			}
		}
		l.info.Tracks = append(l.info.Tracks, m)
		clocks = append(clocks, lipsync.Track{Rate: rate, Audio: !t.Codec.Video()})
		x := &l.tracks[i]
		*x = liveTrack{LiveTrack: t, frames: frame.New(t.Codec), broken: t.Codec.Video(), last: -1}
		x.frames.SetParameterSets(t.Sprop)
	}
	l.time = lipsync.New(clocks)
	if _, err := liveWriter(container, l.info); err != nil {
		return nil, err
	}
	l.container, l.fill = container, container == "mp4"
	return l, nil
}

// Container reports whether there is a container of such a name.
func Container(name string) bool { return name == "webm" || name == "mkv" || name == "mp4" }

// liveWriter is the writer of a container.
func liveWriter(container string, info mux.Info) (mux.Writer, error) {
	switch container {
	case "webm":
		return mux.NewMatroska(info, true)
	case "mkv":
		return mux.NewMatroska(info, false)
	case "mp4":
		return mux.NewFragmentedMP4(info)
	}
	return nil, fmt.Errorf("there is no format %q", container)
}

// Begin implements Format. The head has to wait for the first frames, which describe the tracks.
func (l *Live) Begin(dst []byte, wall time.Time) []byte {
	l.info.Date = wall
	l.out, _ = liveWriter(l.container, l.info) // NewLive has tried
	return dst
}

// Message implements Format: there is no track for it.
func (*Live) Message(dst []byte, _ *Message) []byte { return dst }

// Report implements Format.
func (l *Live) Report(r *Report) {
	l.time.Report(r.Track, lipsync.Report{SSRC: r.SSRC, NTP: r.NTP, Timestamp: r.Timestamp, At: r.At})
}

// Packet implements Format.
func (l *Live) Packet(dst []byte, p *Packet) []byte {
	t := &l.tracks[p.Track]
	if l.began == 0 {
		l.began = p.Arrival
	}
	l.now = max(l.now, p.Arrival)
	t.at = max(t.at, p.Arrival)
	l.time.Packet(p.Track, t.times.Unwrap(p.Timestamp), p.SSRC, p.Source, p.Arrival, p.Joined)
	t.order.take(p, l.assemble)
	return l.release(dst, false)
}

// Fill implements Filler.
func (l *Live) Fill(dst []byte, p *Packet) []byte {
	l.now = max(l.now, p.Arrival)
	l.tracks[p.Track].order.take(p, l.assemble)
	return l.release(dst, false)
}

// assemble takes a packet that is in order.
func (l *Live) assemble(p *Packet) {
	t := &l.tracks[p.Track]
	if len(p.RTP) == 0 {
		l.take(t, t.frames.Push(&frame.Packet{Seq: p.Seq, Timestamp: p.Timestamp, Arrival: int64(p.Arrival)}))
		return
	}
	x := frame.Packet{
		Seq: p.Seq, Timestamp: p.Timestamp, Marker: p.Marker, Arrival: int64(p.Arrival), Payload: p.RTP[p.Head:],
		PT: p.RTP[1] & 0x7f,
	}
	x.RED = t.RED != 0 && x.PT == t.RED
	l.take(t, t.frames.Push(&x))
}

// take queues frames that are of use.
func (l *Live) take(t *liveTrack, frames []frame.Frame) {
	for i := range frames {
		f := &frames[i]
		switch {
		case !t.Codec.Video():
			if !f.Whole {
				l.dropped++
				continue
			}
		case f.Whole && f.Key:
			t.broken = false
		case !f.Whole || f.Lost > 0:
			t.broken = true
		}
		if t.broken {
			l.dropped++
			continue
		}
		q := queued{
			timestamp: f.Timestamp, at: mono.Time(f.Arrival), key: f.Key, width: f.Width, height: f.Height, config: t.frames.Config(),
			duration: time.Duration(f.Samples) * time.Second / 48000,
		}
		if t.Codec.PCM() {
			q.duration *= 6
		}
		var mem []byte
		if n := len(t.free); n > 0 {
			mem, t.free = t.free[n-1], t.free[:n-1]
		}
		q.data = append(mem[:0], f.Data...)
		t.queue = append(t.queue, q)
	}
}

// Flush implements Format.
func (l *Live) Flush(dst []byte, now mono.Time) (out []byte, keyframe int) {
	l.now = max(l.now, now)
	keyframe = -1
	for i := range l.tracks {
		t := &l.tracks[i]
		t.order.expire(now, l.assemble)
		if t.broken && t.at != 0 && now-t.at < quiet && now-t.asked >= askAgain {
			t.asked, keyframe = now, i
		}
	}
	dst = l.release(dst, false)
	if l.started {
		if l.fill {
			dst = l.fillQuiet(dst)
		}
		dst = l.out.Flush(dst)
	}
	return dst, keyframe
}

// End implements Format.
func (l *Live) End(dst []byte) (rest []byte, patches []Patch) {
	for i := range l.tracks {
		t := &l.tracks[i]
		t.order.flush(l.assemble)
		l.take(t, t.frames.Flush())
	}
	dst = l.release(dst, true)
	if !l.started {
		dst = l.start(dst)
	}
	dst, list := l.out.End(dst)
	for _, p := range list {
		patches = append(patches, Patch(p))
	}
	return dst, patches
}

// Dropped is how many frames were of no use, as packets were missing.
func (l *Live) Dropped() uint64 { return l.dropped }
