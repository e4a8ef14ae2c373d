package mux

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// MP4 writes an MP4 whose index stands at the end. FastStart moves it to the front.
type MP4 struct {
	info    Info
	tracks  []mp4Track
	size    int64
	dataAt  int64 // of mdat
	open    int   // track whose chunk goes on, -1 if none does
	inChunk int   // octets of it
	end     []byte
}

// mp4Track is a track that is being written.
type mp4Track struct {
	index   sampleIndex
	started bool
	start   int64 // time of the first sample, in the track's scale
	latest  int64 // decoding time of the latest
	changed bool  // its configuration changed
	known   bool
	lasts   int64 // duration of the latest sample, 0 if unknown
	before  int64 // duration of the one before
}

// maxChunk is the size of the largest run of samples of one track, in octets.
const maxChunk = 1 << 20

// NewMP4 returns a writer of an MP4. The error wraps ErrFit.
func NewMP4(info Info) (*MP4, error) {
	if err := fitsMP4(&info); err != nil {
		return nil, err
	}
	m := &MP4{info: info, tracks: make([]mp4Track, len(info.Tracks)), open: -1}
	m.info.Tracks = slices.Clone(info.Tracks)
	for i := range m.tracks {
		m.tracks[i].index.allKeys = true
		m.tracks[i].known = info.Tracks[i].Config != nil
	}
	return m, nil
}

// SetTrack implements Writer.
func (m *MP4) SetTrack(i int, t Track) {
	m.tracks[i].changed = m.tracks[i].changed || m.tracks[i].known
	m.tracks[i].known = true
	m.info.Tracks[i] = t
}

// Header implements Writer.
func (m *MP4) Header(dst []byte) []byte {
	from := len(dst)
	w := boxes{dst}
	w.ftyp("isom", "iso6", "mp41")
	m.dataAt = int64(len(w.b) - from)
	w.u32(1) // the size follows the name
	w.text("mdat")
	w.u64(16)
	m.size = int64(len(w.b) - from)
	return w.b
}

// Append implements Writer.
func (m *MP4) Append(dst []byte, s *Sample) []byte {
	t, scale := &m.tracks[s.Track], m.info.Tracks[s.Track].timescale()
	x := &t.index
	at := ticks(s.Time, scale)
	if !t.started {
		t.started, t.start, t.latest = true, at, at
	} else {
		// A sample shown earlier than the one before is decoded after it even so.
		decode := max(at, t.latest+1)
		t.before = decode - t.latest
		x.durations = appendRun(x.durations, uint32(min(t.before, 1<<32-1)))
		t.latest = decode
	}
	t.lasts = ticks(s.Duration, scale)
	x.shifted = x.shifted || at != t.latest
	x.offsets = appendRun(x.offsets, uint32(int32(at-t.latest)))
	x.sizes = append(x.sizes, uint32(len(s.Data)))
	if !m.info.Tracks[s.Track].Codec.Video() {
	} else if s.Key {
		x.keys = append(x.keys, uint32(len(x.sizes)))
	} else {
		x.allKeys = false
	}
	if m.open != s.Track || m.inChunk+len(s.Data) > maxChunk {
		x.chunks = append(x.chunks, chunk{offset: m.size})
		m.open, m.inChunk = s.Track, 0
	}
	x.chunks[len(x.chunks)-1].samples++
	m.inChunk += len(s.Data)
	m.size += int64(len(s.Data))
	return append(dst, s.Data...)
}

// Flush implements Writer.
func (m *MP4) Flush(dst []byte) []byte { return dst }

// End implements Writer.
func (m *MP4) End(dst []byte) ([]byte, []Patch) {
	for i := range m.tracks {
		t := &m.tracks[i]
		if !t.started {
			continue
		}
		if t.lasts == 0 {
			t.lasts = max(t.before, 1)
		}
		t.index.durations = appendRun(t.index.durations, uint32(min(t.lasts, 1<<32-1)))
	}
	m.end = m.moov(0)
	return append(dst, m.end...), []Patch{{
		Offset: m.dataAt + 8, Bytes: binary.BigEndian.AppendUint64(nil, uint64(m.size-m.dataAt)),
	}}
}

// moov is the index, with the data moved by some octets.
func (m *MP4) moov(by int64) []byte {
	list := make([]movieTrack, 0, len(m.tracks))
	for i := range m.tracks {
		t := &m.tracks[i]
		for n := range t.index.chunks {
			t.index.chunks[n].offset += by
		}
		list = append(list, movieTrack{
			Track: &m.info.Tracks[i], start: t.start, duration: t.latest + t.lasts - t.start,
			inBand: t.changed || !t.known, index: &t.index,
		})
	}
	var w boxes
	w.moov(&m.info, list, false)
	return w.b
}

// FastStart moves the index of a file that was ended to its front, so that it can be
// played while it is fetched. An error leaves the file damaged.
func (m *MP4) FastStart(f interface {
	io.ReaderAt
	io.WriterAt
}) error {
	if m.end == nil {
		return errors.New("mux: FastStart before the end")
	}
	by := int64(len(m.end))
	index := m.moov(by)
	if int64(len(index)) != by {
		return errors.New("mux: the index changed its size")
	}
	buf := make([]byte, 1<<20)
	for at := m.size; at > m.dataAt; {
		n := min(int64(len(buf)), at-m.dataAt)
		at -= n
		if _, err := f.ReadAt(buf[:n], at); err != nil {
			return err
		}
		if _, err := f.WriteAt(buf[:n], at+by); err != nil {
			return err
		}
	}
	_, err := f.WriteAt(index, m.dataAt)
	return err
}
