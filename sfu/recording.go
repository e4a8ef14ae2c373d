package sfu

import (
	"bifrons/sfu/pipe"
	"fmt"
	"sync"

	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
	"bifrons/sfu/record"
)

// Types of package record for users of the engine.
type (
	RecordFormat = record.Format
	RecordPacket = record.Packet
	RecordStats  = record.Stats

	// RecordLoss is why something was not recorded.
	RecordLoss = record.Loss

	// MJRHeader describes the content of a file in the format of Janus; see package mjr.
	MJRHeader = mjr.Header
)

// NumRecordLoss is the number of reasons in RecordStats.Lost.
const NumRecordLoss = record.NumLoss

// MJRFormat is the format of Janus's recordings, of one track. It fails if there are
// none with such a header.
func MJRFormat(h MJRHeader) (RecordFormat, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	return &record.MJR{Header: h}, nil
}

// LiveTrack is a track of a file that players open.
type LiveTrack struct {
	Codec string // in lower case, as recordings name it
	Name  string // that players show
	RED   uint8  // payload type of RED, 0 = not used
}

var liveCodecs = map[string]frame.Codec{
	"vp8": frame.VP8, "vp9": frame.VP9, "av1": frame.AV1, "h264": frame.H264, "h265": frame.H265, "opus": frame.Opus,
	"pcmu": frame.PCMU, "pcma": frame.PCMA, "g722": frame.G722,
}

// LiveContainer reports whether there is a format of such a name for LiveFormat.
func LiveContainer(name string) bool { return record.Container(name) }

// LiveFormat is the format of files that players open at any time: "webm", "mkv" or
// "mp4", with all tracks in sync; see record.Live. app is the program that writes. The error
// says what does not fit.
func LiveFormat(container, app string, tracks []LiveTrack) (RecordFormat, error) {
	var list []record.LiveTrack
	for _, t := range tracks {
		c, ok := liveCodecs[t.Codec]
		if !ok {
			return nil, fmt.Errorf("no %s file can have a track of %.40q", container, t.Codec)
		}
		list = append(list, record.LiveTrack{Codec: c, Name: t.Name, RED: t.RED})
	}
	return record.NewLive(container, app, "", list)
}

// OpusFormat is the format of Ogg with one track of Opus. app is the program that writes.
func OpusFormat(app string) RecordFormat { return &record.Opus{App: app} }

// WAVFormat is the format of WAV files, of samples of 16 bits that are given to
// Recording.Message: little endian and interleaved. rate is in Hz.
func WAVFormat(rate, channels int) RecordFormat { return &record.WAV{Rate: rate, Channels: channels} }

// RecordConfig describes a file to record to; see record.Config.
type RecordConfig struct {
	Path, Suffix string
	Next         bool                    // next to the file with this path
	Check        func(path string) error // may wait for the file system; nil = all paths are allowed
	Format       RecordFormat
	Tracks       []RecordTrack
	Paused       bool // it begins with SetPaused
	Trouble      func(path string, err error)
	Ended        func()
}

// RecordTrack is one track of a recording, of which the best layers are recorded.
type RecordTrack struct {
	Origin    Origin // nil: data, or nobody yet
	Track     int    // its index
	ClockRate uint32 // Hz, 0 for data
	Muted     bool   // it begins with SetMuted
	Lowest    bool   // of several encodings the lowest is recorded, not the best
}

// Recording is a file that tracks are recorded to. Its methods may be called from any
// goroutine and wait for nothing.
type Recording struct {
	*record.File

	mu     sync.Mutex
	paused bool
	closed bool
	tracks []RecordTrack
	pipes  []*Pipe // nil where nothing comes from
}

// Record creates a file, replacing an existing one, and begins to record. Next to one
// that is being recorded it gets a number, see record.Recorder. It waits
// for the file system, five seconds at most. The recording goes on when an origin
// ends, until Close.
func (e *Engine) Record(cfg RecordConfig) (*Recording, error) {
	c := record.Config{Path: cfg.Path, Suffix: cfg.Suffix, Next: cfg.Next, Check: cfg.Check, Format: cfg.Format, Trouble: cfg.Trouble, Ended: cfg.Ended}
	for _, t := range cfg.Tracks {
		c.ClockRates = append(c.ClockRates, t.ClockRate)
	}
	f, err := e.recorder.Open(c)
	if err != nil {
		return nil, err
	}
	r := &Recording{
		File: f, paused: cfg.Paused, tracks: append([]RecordTrack(nil), cfg.Tracks...),
		pipes: make([]*Pipe, len(cfg.Tracks)),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.tracks {
		r.connect(i, false)
	}
	return r, nil
}

// RecordTotals are the counts of all recordings, and how many there are at present.
func (e *Engine) RecordTotals() (RecordStats, int) { return e.recorder.Stats() }

// connect gives a track a new pipe; mu is held.
func (r *Recording) connect(i int, joined bool) {
	r.cut(i)
	t := r.tracks[i]
	if t.Origin == nil || r.paused || r.closed {
		return
	}
	p := openPipe(t.Origin, t.Track, pipeConfig{size: pipe.Size, paused: t.Muted, lowest: t.Lowest, patient: true})
	r.pipes[i] = p
	r.Input(i, p, joined)
}

// cut ends a track's pipe.
func (r *Recording) cut(i int) {
	if p := r.pipes[i]; p != nil {
		p.Close()
		r.pipes[i] = nil
	}
}

// SetOrigin makes a track continue with another origin, nil = none for now.
func (r *Recording) SetOrigin(i int, o Origin, track int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := &r.tracks[i]; t.Origin != o || t.Track != track {
		t.Origin, t.Track = o, track
		r.connect(i, false)
	}
}

// SetPaused stops or resumes it. The time of the pause is left out.
func (r *Recording) SetPaused(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused == paused {
		return
	}
	r.paused = paused
	for i := range r.tracks {
		r.connect(i, true)
	}
}

// SetMuted leaves out the media of a track, while its time advances.
func (r *Recording) SetMuted(i int, muted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks[i].Muted = muted
	if p := r.pipes[i]; p != nil {
		p.SetPaused(muted)
	}
}

// Message records a message of a data channel on a track, which is copied.
func (r *Recording) Message(i int, binary bool, payload []byte) {
	r.mu.Lock()
	out := r.paused || r.tracks[i].Muted
	r.mu.Unlock()
	if !out {
		r.File.Message(i, binary, payload)
	}
}

// Close ends it. See Done of record.File for when the file is whole.
func (r *Recording) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for i := range r.pipes {
		r.cut(i)
	}
	r.File.Close()
}
