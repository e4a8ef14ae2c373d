package record

import (
	"log/slog"
	"sync"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/pipe"
)

// Config describes a File.
type Config struct {
	Path string // of the file when it is whole; its folder is made if need be
	// Next asks for a file next to the one with the path, which gets a number that no
	// file there has.
	Next bool
	// Suffix is put behind the path until then, "" = none.
	Suffix string
	// Check, if not nil, reports whether there may be a file at a path, before it is made.
	// It may wait for the file system.
	Check  func(path string) error
	Format Format
	// ClockRates are those of the tracks in Hz, 0 for data.
	ClockRates []uint32
	// Trouble, if not nil, is called when writing to path fails, and with nil when it goes
	// on. Ended is called when the file is whole, or all that there will be of it.
	// Both are called on a goroutine of their own, in order.
	Trouble func(path string, err error)
	Ended   func()
}

// Stats are counts of a File, or of all of a Recorder.
type Stats struct {
	Packets uint64 // and messages, that were laid out
	Bytes   uint64 // in the file
	Lost    [NumLoss]uint64
}

// File is one file that is being recorded. Its methods may be called from any
// goroutine.
type File struct {
	cfg      Config
	recorder *Recorder
	log      *slog.Logger
	disk     *disk
	out      output
	done     chan struct{}

	mu           sync.Mutex
	stats        Stats
	closing      bool
	messages     []Message // that wait for the collector
	messageBytes int
	chunk        []byte    // that the disk has or had, nil = it has written all
	chunked      uint64    // packets in chunk
	busy         bool      // the disk is at it
	handed       mono.Time // since when
	late         bool      // that takes long, which was reported
	spare        []byte    // memory for the next chunk, if that is small
	failed       time.Time // when writing failed last, zero = it did not
	final        bool      // chunk is the last
	patches      []Patch

	// Touched by the collector only, tracks[].inputs by all under mu.
	tracks  []track
	fill    []byte // that is laid out
	filled  uint64 // packets in fill
	since   mono.Time
	flushed mono.Time
	dropped uint64 // by the format, counted so far
	ended   bool
	scratch []byte

	size int64 // in the file; the disk's
}

// Input makes a track continue with another input; the one before should be closed.
// joined leaves out the time in between.
func (f *File) Input(i int, in Input, joined bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		in.Close()
	}
	f.tracks[i].inputs = append(f.tracks[i].inputs, &source{Input: in, joined: joined})
}

// Message records a message of a data channel on a track, which is copied.
func (f *File) Message(i int, binary bool, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return
	}
	if len(payload) > MaxMessage {
		f.lose(LossSize, 1)
		return
	}
	size := len(payload) + 128 // an empty one takes memory, too
	if f.messageBytes+size > maxMessages {
		f.lose(LossQueue, 1)
		return
	}
	f.messageBytes += size
	f.messages = append(f.messages, Message{
		Track: i, At: mono.Now(), Wall: time.Now(), Binary: binary, Payload: append([]byte(nil), payload...),
	})
}

// Lose counts something that was not recorded, by the Format.
func (f *File) lose(why Loss, n uint64) {
	f.stats.Lost[why] += n
	f.recorder.lost[why].Add(n)
}

// Close ends the file: everything taken by now is written. It waits for nothing.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return
	}
	f.closing = true
	for i := range f.tracks {
		for _, in := range f.tracks[i].inputs {
			in.Close()
		}
	}
}

// ends reports whether it was closed.
func (f *File) ends() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closing
}

// Done is closed when the file is whole and has its name, or all that there will be.
func (f *File) Done() <-chan struct{} { return f.done }

// Path is where the file is at present, or will be.
func (f *File) Path() string {
	select {
	case <-f.done:
		return f.cfg.Path
	default:
		return f.cfg.Path + f.cfg.Suffix
	}
}

// FinalPath is where the file is when it is whole: Config.Path, or that with a number.
func (f *File) FinalPath() string { return f.cfg.Path }

// Stats are its counts by now.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// collect lays out the packets that have come. It reports whether there will be more.
func (f *File) collect(now mono.Time) (more bool) {
	over := true
	for i := range f.tracks {
		over = f.drain(i) && over
	}
	over = f.takeMessages() && over
	before := len(f.fill)
	if over && !f.ended {
		f.ended = true
		var patches []Patch
		f.fill, patches = f.cfg.Format.End(f.fill)
		f.mu.Lock()
		f.patches = patches
		f.mu.Unlock()
	} else if !f.ended && now-f.flushed >= mono.Time(fresh)/2 {
		f.flushed = now
		var track int
		if f.fill, track = f.cfg.Format.Flush(f.fill, now); track >= 0 {
			f.requestKeyframe(track)
		}
	}
	f.grown(now, before)
	f.countDropped()
	return !f.handOver(now)
}

// countDropped counts packets that the format has left out.
func (f *File) countDropped() {
	d, ok := f.cfg.Format.(interface{ Dropped() uint64 })
	if !ok {
		return
	}
	if n := d.Dropped(); n != f.dropped {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lose(LossFrame, n-f.dropped)
		f.dropped = n
	}
}

// drain lays out the packets of a track. It reports whether the file is closed and
// none will come any more.
func (f *File) drain(i int) (over bool) {
	t := &f.tracks[i]
	for {
		in, ok := f.current(t)
		if !ok {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.closing
		}
		f.take(i, in)
		f.countLost(in)
		if !in.Over() {
			return false
		}
		f.mu.Lock()
		t.inputs = t.inputs[1:]
		f.mu.Unlock()
		t.based = false
	}
}

func (f *File) current(t *track) (in *source, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(t.inputs) == 0 {
		return nil, false
	}
	return t.inputs[0], true
}

// countLost counts packets that a pipe had no room for.
func (f *File) countLost(in *source) {
	lost := in.Lost()
	if lost == in.lost {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose(LossQueue, lost-in.lost)
	in.lost = lost
}

// take lays out the packets that wait in an input.
func (f *File) take(i int, in *source) {
	t := &f.tracks[i]
	var q pipe.Packet
	taken, dropped := uint64(0), uint64(0)
	for ok := true; ; {
		if f.scratch, ok = in.Next(f.scratch, &q); !ok {
			break
		}
		if q.Report {
			f.cfg.Format.Report(&Report{Track: i, SSRC: q.SSRC, NTP: q.NTP, Timestamp: q.Source, At: q.Arrival})
			continue
		}
		if q.Fill {
			f.fillIn(i, &q)
			continue
		}
		p := Packet{
			Track: i, RTP: q.Data, Head: q.Head, Seq: q.Seq, Timestamp: q.Timestamp, Marker: q.Marker, Keyframe: q.Keyframe,
			Arrival: q.Arrival, SSRC: q.SSRC, Source: q.Source,
		}
		if !t.number(&p, in.joined) {
			continue
		}
		if !f.room(len(p.RTP)) {
			dropped++
			continue
		}
		before := len(f.fill)
		f.fill = f.cfg.Format.Packet(f.fill, &p)
		f.grown(p.Arrival, before)
		taken++
	}
	f.count(taken, dropped)
}

// fillIn informs the format of a number that will not be used.
func (f *File) fillIn(i int, q *pipe.Packet) {
	format, waits := f.cfg.Format.(Filler)
	if !waits || !f.tracks[i].based {
		return
	}
	p := Packet{Track: i, Seq: q.Seq, Timestamp: q.Timestamp, Arrival: q.Arrival}
	if !f.tracks[i].number(&p, false) {
		return
	}
	before := len(f.fill)
	f.fill = format.Fill(f.fill, &p)
	f.grown(p.Arrival, before)
}

// takeMessages lays out the messages that wait.
func (f *File) takeMessages() (over bool) {
	f.mu.Lock()
	list, closing := f.messages, f.closing
	f.messages, f.messageBytes = nil, 0
	f.mu.Unlock()
	taken, dropped := uint64(0), uint64(0)
	for i := range list {
		if !f.room(len(list[i].Payload)) {
			dropped++
			continue
		}
		before := len(f.fill)
		f.fill = f.cfg.Format.Message(f.fill, &list[i])
		f.grown(list[i].At, before)
		taken++
	}
	f.count(taken, dropped)
	return closing
}

func (f *File) count(taken, dropped uint64) {
	if taken+dropped == 0 {
		return
	}
	f.recorder.packets.Add(taken)
	f.filled += taken
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Packets += taken
	if dropped > 0 {
		f.lose(LossDisk, dropped)
	}
}

// room reports whether n more bytes may wait for the disk.
func (f *File) room(n int) bool {
	return len(f.fill)+n <= maxWaiting && f.disk.bytes.Load()+int64(n) <= maxDiskWaiting &&
		f.recorder.waiting.Load()+int64(n) <= maxAllWaiting
}

// wait counts n more bytes as waiting for the disk, or fewer.
func (f *File) wait(n int) {
	f.recorder.waiting.Add(int64(n))
	f.disk.bytes.Add(int64(n))
}

// grown records the size of the data laid out.
func (f *File) grown(at mono.Time, before int) {
	f.wait(len(f.fill) - before)
	if before == 0 && len(f.fill) > 0 {
		f.since = at
	}
}

func (f *File) requestKeyframe(i int) {
	if i >= len(f.tracks) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if list := f.tracks[i].inputs; len(list) > 0 {
		list[0].RequestKeyframe()
	}
}

// watch reports a disk that does not answer; mu is held.
func (f *File) watch(now mono.Time) {
	if f.late || now.Sub(f.handed) < stalled {
		return
	}
	f.late = true
	if f.failed.IsZero() {
		f.log.Error("recording waits for its disk", "file", f.out.Name(), "error", ErrStall)
		f.tell(ErrStall)
	}
}

// handOver gives the disk the laid out bytes, if they are enough or have waited for long. It
// reports whether the file has ended and the disk has the rest.
func (f *File) handOver(now mono.Time) (gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.busy:
		f.watch(now)
		return false
	case f.chunk != nil && f.ended: // writing it failed: once more, with all that is left
		f.chunk, f.chunked = append(f.chunk, f.fill...), f.chunked+f.filled
		f.fill, f.final = nil, true
	case f.chunk != nil:
		if time.Since(f.failed) < retry {
			return false
		}
	case f.ended || len(f.fill) >= chunk || len(f.fill) > 0 && now-f.since >= mono.Time(fresh):
		f.chunk, f.chunked, f.final = f.fill, f.filled, f.ended
		f.fill, f.filled, f.spare = f.spare, 0, nil
		if len(f.chunk) > maxSpare {
			f.fill, _ = f.recorder.spares.Take()
		}
	default:
		return false
	}
	f.busy, f.handed = true, now
	f.disk.push(f)
	return f.final
}
