package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mux"
)

// room puts all recordings of a folder into one file.
func (p *program) room(as string, args []string) int {
	var folder, target string
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		switch {
		case a == "-h" || a == "--help":
			fmt.Fprint(p.stdout, roomUsage(as))
			return 0
		case (a == "-o" || a == "--output") && len(args) > 0 && target == "":
			target, args = args[0], args[1:]
		case strings.HasPrefix(a, "-") || folder != "":
			fmt.Fprintf(p.stderr, "%s: what is %q?\n\n%s", as, a, roomUsage(as))
			return 1
		default:
			folder = a
		}
	}
	if folder == "" || filepath.Ext(target) != ".mkv" {
		fmt.Fprint(p.stderr, roomUsage(as))
		return 1
	}
	r := room{log: p.logger(), target: target}
	if err := r.make(folder); err != nil {
		r.log.err("%v", err)
		return 1
	}
	return 0
}

func roomUsage(as string) string {
	return "Usage: " + as + ` FOLDER -o ROOM.mkv

Puts all recordings (.mjr) of a folder into one Matroska file, with a track for each
medium of each participant, in sync by the clock of the server. Recordings of one medium
that follow each other, as of who left and came back, are one track. Texts of data
channels become subtitles.
`
}

// room is the output being made.
type room struct {
	log    *logger
	target string
	files  []*roomFile // in order of their beginning
	tracks []roomTrack
	base   int64 // microseconds since 1970, when the first one begins
	total  int64 // bytes
	out    sink
}

// roomTrack is a track of the target.
type roomTrack struct {
	mux.Track
	key   string // files with the same may be one track
	codec string
	until int64         // microseconds, when the latest of its files ends
	last  time.Duration // of the written samples, -1 before
}

// make makes the target.
func (r *room) make(folder string) error {
	paths, err := filepath.Glob(filepath.Join(strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(folder), "*.mjr"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		f, err := openRoomFile(path)
		if err != nil {
			r.log.warn("%s, left out", explain(path, err))
			continue
		}
		r.files = append(r.files, f)
		r.total += f.size
	}
	if len(r.files) == 0 {
		return fmt.Errorf("%s: there are no recordings (.mjr) that can be used", folder)
	}
	slices.SortStableFunc(r.files, func(a, b *roomFile) int { return cmp.Compare(a.begins, b.begins) })
	r.base = r.files[0].begins
	info := mux.Info{App: "bifrons-rec", Date: time.UnixMicro(r.base)}
	for _, f := range r.files {
		r.place(f)
	}
	for i := range r.tracks {
		info.Tracks = append(info.Tracks, r.tracks[i].Track)
		r.log.info("Track %d: %s (%s)", i+1, r.tracks[i].Name, r.tracks[i].codec)
	}
	w, err := mux.NewMatroska(info, false)
	if err != nil {
		return fmt.Errorf("%d tracks are too many for one file", len(info.Tracks))
	}
	out, err := create(r.target)
	if err != nil {
		return err
	}
	r.out = sink{writer: w, file: out.file, work: &work{}}
	r.out.buf = w.Header(nil)
	r.merge()
	if err := r.out.end(); err != nil {
		return fmt.Errorf("%s: %w", r.target, err)
	}
	r.log.clear()
	tellFile(r.log, r.target)
	return nil
}

// place finds the track of a file: one that has the same medium and has ended, or a new
// one.
func (r *room) place(f *roomFile) {
	key, codec := mediumOf(f.path), f.header.Codec
	for i := range r.tracks {
		if t := &r.tracks[i]; t.key == key && t.codec == codec && t.until <= f.begins {
			f.track, t.until = i, f.ends
			return
		}
	}
	t := roomTrack{key: key, codec: codec, until: f.ends, last: -1}
	t.Track = mux.Track{Codec: codecOf(codec), Name: key}
	if f.header.Description != "" {
		t.Name = f.header.Description + " (" + key + ")"
	}
	if t.Codec.PCM() {
		t.Rate = int(f.header.Rate()) * pcmPerTick(codec)
	}
	if codec == "multiopus" {
		t.Channels = 6
	}
	f.track = len(r.tracks)
	r.tracks = append(r.tracks, t)
}

// parts are the parts of file names that differ between recordings of one medium: the
// time, and the number of a file that continues another.
var parts = regexp.MustCompile(`^(.*?)(-\d{16})?(-(?:audio|video|data)(?:-\d+)?)?(?:-\d+)?$`)

// mediumOf is the name of a file, without that.
func mediumOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".mjr")
	m := parts.FindStringSubmatch(name)
	if m == nil || m[3] == "" {
		return name
	}
	return m[1] + m[3]
}

// merge writes the samples of all files, in the order of time. Files are open only while
// something of them is to be written.
func (r *room) merge() {
	waiting := r.files
	var open []*roomFile
	done := int64(0)
	for r.out.err == nil {
		var next *roomFile
		for _, f := range open {
			if next == nil || f.head.Time < next.head.Time {
				next = f
			}
		}
		if len(waiting) > 0 && (next == nil || time.Duration(waiting[0].begins-r.base)*time.Microsecond <= next.head.Time) {
			f := waiting[0]
			waiting = waiting[1:]
			if err := f.start(r.base); err != nil {
				r.log.warn("%s, left out", explain(f.path, err))
			} else if f.advance() {
				open = append(open, f)
			} else {
				r.close(f)
			}
			continue
		}
		if next == nil {
			break
		}
		r.write(next)
		before := next.reader.Offset()
		if !next.advance() {
			r.close(next)
			open = slices.DeleteFunc(open, func(f *roomFile) bool { return f == next })
		}
		done += next.reader.Offset() - before
		r.log.progress(done, r.total)
	}
	for _, f := range open {
		f.file.Close()
	}
}

// close ends a file and reports its problems.
func (r *room) close(f *roomFile) {
	f.file.Close()
	var e *mjr.Error
	if errors.As(f.damage, &e) {
		r.log.warn("%s", explain(f.path, f.damage))
	}
	if f.broken > 0 {
		r.log.warn("%s: %d frames lack packets, the picture may be broken there", f.path, f.broken)
	}
}

// write writes the sample that a file is at.
func (r *room) write(f *roomFile) {
	t := &r.tracks[f.track]
	s := f.head
	s.Track = f.track
	if s.Time <= t.last {
		s.Time = t.last + time.Millisecond
	}
	t.last = s.Time
	if c := f.config; c != nil && s.Key && t.Config == nil {
		t.Config = c
		r.out.writer.SetTrack(f.track, t.Track)
	}
	r.out.add(&s)
}

// roomFile is one recording.
type roomFile struct {
	path         string
	header       mjr.Header
	begins, ends int64 // microseconds since 1970
	size         int64
	track        int

	// While it is open.
	file    *os.File
	base    time.Duration // from the beginning of the target to its own
	reader  *mjr.Reader
	sorter  *mjr.Sorter
	frames  frameReader
	drift   drift
	pending []mux.Sample
	head    mux.Sample // the next one
	keyed   bool
	broken  int
	config  *frame.Config
	over    bool
	damage  error
}

// openRoomFile looks at a recording: its header, and when it ends.
func openRoomFile(path string) (*roomFile, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r := mjr.NewReader(in)
	h, err := r.Header()
	if err != nil {
		return nil, err
	}
	f := &roomFile{path: path, header: *h, begins: h.First, size: size(in)}
	if f.begins <= 0 {
		f.begins = h.Created
	}
	switch {
	case h.Encrypted:
		return nil, errors.New("the media is end-to-end encrypted")
	case h.Codec != "text" && codecOf(h.Codec) == frame.Unknown:
		return nil, fmt.Errorf("%s has no place in Matroska", h.Codec)
	case f.begins <= 0:
		return nil, errors.New("it does not say when it was made")
	}
	f.ends = f.begins
	for {
		x, err := r.Next()
		if err != nil {
			return f, nil
		}
		f.ends = max(f.ends, f.begins+int64(x.ArrivalMS)*1000)
	}
}

// start opens it for its samples.
func (f *roomFile) start(base int64) (err error) {
	if f.file, err = os.Open(f.path); err != nil {
		return err
	}
	f.base = time.Duration(f.begins-base) * time.Microsecond
	f.reader = mjr.NewReader(f.file)
	if f.header.Type == mjr.Data {
		_, err = f.reader.Header()
	} else {
		f.sorter, err = mjr.NewSorter(f.reader, mjr.SortConfig{Packets: 2048, Span: 4 * time.Second})
		f.frames = frameReader{assembler: frame.New(codecOf(f.header.Codec)), header: &f.header}
	}
	if err != nil {
		f.file.Close()
	}
	return err
}

// advance goes to the next sample; false at the end.
func (f *roomFile) advance() bool {
	for len(f.pending) == 0 || f.header.Type == mjr.Data && len(f.pending) == 1 && !f.over {
		if f.over {
			return false
		}
		if f.sorter == nil {
			f.readMessage()
		} else {
			f.readPacket()
		}
	}
	f.head = f.pending[0]
	f.pending = append(f.pending[:0], f.pending[1:]...)
	if f.sorter == nil { // a text stays until the next one
		f.head.Duration = textDuration
		if len(f.pending) > 0 {
			f.head.Duration = max(time.Millisecond, min(f.head.Duration, f.pending[0].Time-f.head.Time))
		}
	}
	return true
}

// textDuration is how long a text is shown at most.
const textDuration = 5 * time.Second

func (f *roomFile) readMessage() {
	x, err := f.reader.Next()
	if err != nil {
		f.over, f.damage = true, err
		return
	}
	if at, text, ok := x.Message(); ok {
		f.pending = append(f.pending, mux.Sample{
			Time: f.base + time.Duration(max(0, min(at-f.begins, maxMicros)))*time.Microsecond, Key: true, Data: slices.Clone(text),
		})
	}
}

func (f *roomFile) readPacket() {
	p, err := f.sorter.Next()
	if err != nil {
		f.over, f.damage = true, err
		f.take(f.frames.assembler.Flush())
		return
	}
	if p.HasArrival {
		f.drift.packet(duration(p.Time, int64(f.header.Rate())), time.Duration(p.ArrivalMS)*time.Millisecond, f.header.Type == mjr.Video)
	}
	f.take(f.frames.push(&p))
}

// take keeps frames that can be decoded.
func (f *roomFile) take(frames []frame.Frame) {
	for i := range frames {
		x := &frames[i]
		video := f.header.Type == mjr.Video
		f.keyed = f.keyed || !video || x.Key && x.Whole
		if !f.keyed || len(x.Data) == 0 || !video && !x.Whole {
			continue
		}
		if !x.Whole {
			f.broken++
		}
		if video && x.Key && f.config == nil {
			c := frame.Config{Width: x.Width, Height: x.Height}
			if known := f.frames.assembler.Config(); known != nil {
				c = *known
			}
			f.config = &c
		}
		at := duration(int64(x.Timestamp-firstTime), int64(f.header.Rate()))
		f.pending = append(f.pending, mux.Sample{
			Time: max(0, f.base+at+f.drift.off), Duration: duration(int64(x.Samples), int64(f.header.Rate())), Key: x.Key, Data: slices.Clone(x.Data),
		})
	}
}

// drift follows the clock of arrivals, so that tracks stay together whose own clocks do
// not: by the fastest packets of ten seconds.
type drift struct {
	off            time.Duration // to be added to times
	at             time.Duration
	since          time.Duration
	recent, before time.Duration
	begun          bool
}

// packet takes note of a packet.
func (d *drift) packet(at, arrival time.Duration, video bool) {
	late := arrival - at
	switch {
	case !d.begun:
		d.begun, d.recent, d.before, d.since = true, late, late, arrival
	case arrival-d.since >= 5*time.Second:
		d.since, d.before, d.recent = arrival, d.recent, late
	}
	d.recent = min(d.recent, late)
	by := min(d.recent, d.before) - d.off
	switch {
	case video && by.Abs() > 40*time.Millisecond, by.Abs() > time.Second:
		d.off += by
	default: // by half a percent
		most := max(0, min(at-d.at, time.Second)) / 200
		d.off += max(-most, min(by, most))
	}
	d.at = max(d.at, at)
}
