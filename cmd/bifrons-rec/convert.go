package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mux"
)

// convert makes the target of the recording.
func (w *work) convert() (err error) {
	if w.header.Encrypted {
		return fmt.Errorf("%s: the media is end-to-end encrypted and cannot be converted; -H, -p, -j and -e work", w.source)
	}
	if err := checkTarget(w.header.Codec, w.targetFormat, w.reader.JSON() == nil); err != nil {
		return fmt.Errorf("%s: %w", w.source, err)
	}
	out, err := create(w.target, w.file)
	if err != nil {
		return err
	}
	samples, err := w.convertTo(out.file)
	if err != nil {
		return fmt.Errorf("%s: %w", w.target, err)
	}
	if samples == 0 {
		w.log.warn("%s: there is no media in it, so %s is not written", w.source, w.target)
		if err := os.Remove(w.target); err != nil {
			w.log.warn("%v", err)
		}
	} else {
		tellFile(w.log, w.target)
	}
	w.log.info("Bye!")
	return nil
}

// convertTo writes the target and closes it. It returns how many samples there are in it.
func (w *work) convertTo(file targetFile) (samples int, err error) {
	s := sink{work: w, file: file}
	if s.writer, err = w.container(); err != nil {
		return 0, errors.Join(err, file.Close())
	}
	s.buf = s.writer.Header(s.buf)
	var damage error
	switch {
	case w.header.Type == mjr.Data:
		damage = w.messages(&s)
	case w.header.Type == mjr.Video:
		damage, err = w.video(&s)
	default:
		damage, err = w.audio(&s)
	}
	if err = errors.Join(err, s.end()); err == nil {
		w.tellDamage(damage)
	}
	return s.samples, err
}

// container makes the writer of the target.
func (w *work) container() (mux.Writer, error) {
	h := w.header
	track := mux.Track{Codec: codecOf(h.Codec)}
	if h.Codec == "multiopus" {
		track.Channels = 6
	}
	info := mux.Info{App: "bifrons-rec", Comment: w.metadata, Tracks: []mux.Track{track}}
	if w.metadata == "" {
		info.Comment = string(w.reader.JSON())
	}
	if h.First > 0 {
		info.Date = time.UnixMicro(h.First)
	}
	switch {
	case h.Codec == "binary":
		return raw{}, nil
	case w.targetFormat == "srt":
		return mux.NewSubRip(info)
	case w.targetFormat == "wav":
		info.Tracks[0].Rate = int(h.Rate()) * pcmPerTick(h.Codec)
		return mux.NewWAV(info)
	case w.targetFormat == "mp4":
		return mux.NewMP4(info)
	case w.targetFormat == "opus" || w.targetFormat == "ogg":
		return mux.NewOgg(info)
	}
	return mux.NewMatroska(info, w.targetFormat == "webm")
}

// raw is the container of binary messages: none.
type raw struct{}

func (raw) Header(dst []byte) []byte                    { return dst }
func (raw) Append(dst []byte, s *mux.Sample) []byte     { return append(dst, s.Data...) }
func (raw) Flush(dst []byte) []byte                     { return dst }
func (raw) SetTrack(int, mux.Track)                     {}
func (raw) End(dst []byte) (rest []byte, _ []mux.Patch) { return dst, nil }

// targetFile is what a target is written to.
type targetFile interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
	io.Closer
}

// sink writes a target file.
type sink struct {
	*work
	writer  mux.Writer
	file    targetFile
	buf     []byte
	samples int
	err     error // of writing
}

// writeSize is how much is written at a time, in bytes.
const writeSize = 256 << 10

// add adds a sample, the data of which is used no longer when it returns.
func (s *sink) add(x *mux.Sample) {
	s.samples++
	s.buf = s.writer.Append(s.buf, x)
	if len(s.buf) >= writeSize {
		s.write()
	}
}

func (s *sink) write() {
	if s.err == nil {
		_, s.err = s.file.Write(s.buf)
	}
	s.buf = s.buf[:0]
}

// end completes the file.
func (s *sink) end() error {
	rest, patches := s.writer.End(s.buf)
	s.buf = rest
	s.write()
	for _, p := range patches {
		if s.err == nil {
			_, s.err = s.file.WriteAt(p.Bytes, p.Offset)
		}
	}
	if m, ok := s.writer.(*mux.MP4); ok && s.faststart && s.err == nil {
		s.err = m.FastStart(s.file)
	}
	return errors.Join(s.err, s.file.Close())
}

// duration turns units of an RTP clock into time.
func duration(ticks, rate int64) time.Duration {
	ticks = min(ticks, maxMicros/1e6*rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// messages converts a data channel's recording.
func (w *work) messages(s *sink) error {
	base := w.header.Created
	for s.err == nil {
		f, err := w.reader.Next()
		if err != nil {
			return err
		}
		w.log.progress(w.reader.Offset(), w.size)
		at, message, ok := f.Message()
		if !ok {
			w.log.warn("%s: byte %d: a message without a time, left out", w.source, f.Offset)
			continue
		}
		if base == 0 {
			base = at
		}
		ms := min(max(at-base, 0), maxMicros) / 1000
		s.add(&mux.Sample{Time: time.Duration(ms) * time.Millisecond, Data: message})
	}
	return nil
}

// maxMicros is the longest time that is told, in microseconds, some 100 years.
const maxMicros = 100 * 365 * 24 * 3600 * 1e6

// video converts a recording of video. damage is why it was not read to its end, err is an
// error besides.
func (w *work) video(s *sink) (damage, err error) {
	sorter, err := mjr.NewSorter(w.reader, w.sort())
	if err != nil {
		return nil, err
	}
	v := videoTrack{sink: s, frames: frameReader{assembler: frame.New(codecOf(w.header.Codec)), header: w.header},
		orientation: w.extension(w.orientation, uriOrientation), rotation: -1}
	v.track = mux.Track{Codec: codecOf(w.header.Codec)}
	for s.err == nil {
		p, err := sorter.Next()
		if err != nil {
			damage = err
			break
		}
		w.log.progress(w.reader.Offset(), w.size)
		v.look(&p)
		for _, f := range v.frames.push(&p) {
			v.add(&f)
		}
	}
	for _, f := range v.frames.assembler.Flush() {
		v.add(&f)
	}
	w.log.info("Counted %d frame packets", sorter.Stats().Packets)
	w.tellStats(sorter.Stats())
	if v.early > 0 {
		w.log.warn("%s: there are %d frames before the first key frame, which players cannot show", w.source, v.early)
	}
	if v.broken > 0 {
		w.log.warn("%s: %d frames lack packets, the picture may be broken there", w.source, v.broken)
	}
	if v.width > 0 {
		w.log.info("  -- %dx%d, %d frames", v.width, v.height, s.samples)
	}
	return damage, nil
}

// videoTrack is the video of a target.
type videoTrack struct {
	*sink
	frames        frameReader
	track         mux.Track
	width, height uint16 // the largest
	orientation   uint8
	rotation      int
	keyed         bool // there was a key frame
	early, broken int
}

// add adds a frame.
func (v *videoTrack) add(f *frame.Frame) {
	if f.Key {
		v.configure(f)
		v.keyed = true
	}
	switch {
	case len(f.Data) == 0:
		v.broken++
		return
	case !v.keyed:
		v.early++ // it stays, so that the file begins when the recording does
	case !f.Whole:
		v.broken++
	}
	v.sink.add(&mux.Sample{Time: duration(int64(f.Timestamp-firstTime), int64(v.header.Rate())), Key: f.Key, Data: f.Data})
}

// configure tells the container what it has to know, the largest size among it.
func (v *videoTrack) configure(f *frame.Frame) {
	larger := f.Width > v.width || f.Height > v.height
	if !larger && !f.NewConfig && v.track.Config != nil {
		return
	}
	if v.track.Config != nil && (f.Width != v.width || f.Height != v.height) {
		v.log.info("  -- %.3f s: %dx%d", duration(int64(f.Timestamp-firstTime), int64(v.header.Rate())).Seconds(), f.Width, f.Height)
	}
	v.width, v.height = max(v.width, f.Width), max(v.height, f.Height)
	var c frame.Config
	if known := v.frames.assembler.Config(); known != nil {
		c = *known
	}
	c.Width, c.Height = v.width, v.height
	v.track.Config = &c
	v.writer.SetTrack(0, v.track)
}

// look follows the rotation that packets tell.
func (v *videoTrack) look(p *mjr.Packet) {
	if v.orientation == 0 {
		return
	}
	b, ok := p.Extension(v.orientation)
	if !ok {
		return
	}
	if o, ok := rtp.VideoOrientation(b); ok && int(o.Rotation) != v.rotation {
		v.rotation = int(o.Rotation)
		v.log.info("  -- %.3f s: rotation %d", duration(p.Time, int64(v.header.Rate())).Seconds(), v.rotation)
	}
}
