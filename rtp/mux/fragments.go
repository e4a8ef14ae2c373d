package mux

import (
	"encoding/binary"
	"slices"
	"time"
)

// FragmentedMP4 writes an MP4 in fragments (ISO 14496-12, 8.8), so that a file that ends
// anywhere has all that was written before. Samples are held back until Flush, the latest
// of each track until it is known how long it lasts.
type FragmentedMP4 struct {
	info   Info
	first  []Track // as they were when the file began
	tracks []fragmentTrack
	size   int64
	headAt int64
	room   int // octets for moov
	number uint32
	held   int // octets
	keys   []cues
}

// fragmentTrack is a track that is being written.
type fragmentTrack struct {
	samples []fragmentSample
	data    []byte
	started bool
	latest  int64 // decoding time of the latest sample
	lasts   int64 // its own duration, or that of the one before
	start   int64 // decoding time of the first sample
	end     int64 // of the written samples
	waited  bool  // the latest sample was there at the Flush before
}

// fragmentSample is a sample that is not written yet.
type fragmentSample struct {
	decode, duration int64 // in the track's scale
	offset           int64 // of presentation
	size             int
	key              bool
}

// maxFragment is how much time a fragment has at most.
const maxFragment = 2 * time.Second

// NewFragmentedMP4 returns a writer of an MP4 in fragments. The error wraps ErrFit.
func NewFragmentedMP4(info Info) (*FragmentedMP4, error) {
	if err := fitsMP4(&info); err != nil {
		return nil, err
	}
	n := len(info.Tracks)
	m := &FragmentedMP4{info: info, tracks: make([]fragmentTrack, n), keys: make([]cues, n)}
	m.info.Tracks = slices.Clone(info.Tracks)
	return m, nil
}

// SetTrack implements Writer. The patches of the end write it, as far
// as there is room.
func (m *FragmentedMP4) SetTrack(i int, t Track) { m.info.Tracks[i] = t }

// Header implements Writer.
func (m *FragmentedMP4) Header(dst []byte) []byte {
	from := len(dst)
	m.first = slices.Clone(m.info.Tracks)
	w := boxes{dst}
	w.ftyp("iso6", "isom", "mp41")
	m.headAt = int64(len(w.b) - from)
	at := len(w.b)
	m.moov(&w)
	room := reserve
	for i := range m.info.Tracks {
		if m.info.Tracks[i].Codec.Video() {
			room += reserveVideo
		}
	}
	w.box("free", func() { w.zeros(room) })
	m.room = len(w.b) - at
	m.size = int64(len(w.b) - from)
	return w.b
}

// moov is the head, with durations as far as they are known.
func (m *FragmentedMP4) moov(w *boxes) {
	list := make([]movieTrack, 0, len(m.tracks))
	for i := range m.tracks {
		t := &m.tracks[i]
		list = append(list, movieTrack{Track: &m.info.Tracks[i], start: t.start, duration: max(0, t.end-t.start), inBand: true})
	}
	w.moov(&m.info, list, true)
}

// Append implements Writer.
func (m *FragmentedMP4) Append(dst []byte, s *Sample) []byte {
	t, track := &m.tracks[s.Track], &m.info.Tracks[s.Track]
	scale := track.timescale()
	at := ticks(s.Time, scale)
	decode := at
	if t.started {
		// A sample shown earlier than the one before is decoded after it even so.
		decode = max(at, t.latest+1)
	} else {
		t.start = at
	}
	if n := len(t.samples); n > 0 {
		last := &t.samples[n-1]
		last.duration = decode - last.decode
		t.lasts = last.duration
		if m.held+len(s.Data) > maxHeld || decode-t.samples[0].decode > ticks(maxFragment, scale) {
			dst = m.Flush(dst)
		}
	}
	t.started, t.latest, t.waited = true, decode, false
	if s.Duration > 0 {
		t.lasts = ticks(s.Duration, scale)
	}
	t.samples = append(t.samples, fragmentSample{decode: decode, offset: at - decode, size: len(s.Data), key: s.Key || !track.Codec.Video()})
	t.data = append(t.data, s.Data...)
	m.held += len(s.Data)
	return dst
}

// Flush implements Writer: it writes a fragment.
func (m *FragmentedMP4) Flush(dst []byte) []byte { return m.flush(dst, false) }

func (m *FragmentedMP4) flush(dst []byte, all bool) []byte {
	counts := make([]int, len(m.tracks))
	any := false
	for i := range m.tracks {
		t := &m.tracks[i]
		n := len(t.samples)
		if n == 0 {
			continue
		}
		last := &t.samples[n-1]
		switch {
		case last.duration != 0: // the next one is at hand
		case all || t.waited:
			last.duration = max(t.lasts, 1)
		default:
			t.waited = true
			n--
		}
		counts[i] = n
		any = any || n > 0
	}
	if !any {
		return dst
	}
	m.number++
	from := len(dst)
	w := boxes{dst}
	places := make([]int, len(m.tracks)) // of data offsets
	w.box("moof", func() {
		w.full("mfhd", 0, 0, func() { w.u32(m.number) })
		number := 0
		for i, n := range counts {
			if n > 0 {
				number++
				places[i] = m.traf(&w, i, n, number)
			}
		}
	})
	offset, size := len(w.b)-from+8, 0
	for i, n := range counts {
		if n > 0 {
			binary.BigEndian.PutUint32(w.b[places[i]:], uint32(offset+size))
			size += m.tracks[i].bytes(n)
		}
	}
	w.box("mdat", func() {
		for i, n := range counts {
			m.held -= m.tracks[i].take(&w, n)
		}
	})
	m.size += int64(len(w.b) - from)
	return w.b
}

// bytes is the size of the first n samples.
func (t *fragmentTrack) bytes(n int) (size int) {
	for _, s := range t.samples[:n] {
		size += s.size
	}
	return size
}

// take writes the data of the first n samples and forgets them.
func (t *fragmentTrack) take(w *boxes, n int) int {
	if n == 0 {
		return 0
	}
	size := t.bytes(n)
	last := t.samples[n-1]
	t.end = last.decode + last.duration
	w.u8(t.data[:size]...)
	t.data = append(t.data[:0], t.data[size:]...)
	t.samples = append(t.samples[:0], t.samples[n:]...)
	return size
}

// traf is the part of a track in a fragment (ISO 14496-12, 8.8.6). It returns where the
// offset of the data stands.
func (m *FragmentedMP4) traf(w *boxes, i, n, number int) (place int) {
	t := &m.tracks[i]
	video := m.info.Tracks[i].Codec.Video()
	w.box("traf", func() {
		w.full("tfhd", 0, 0x020000, func() { w.u32(uint32(i + 1)) }) // offsets count from moof
		w.full("tfdt", 1, 0, func() { w.u64(uint64(t.samples[0].decode)) })
		flags, shifted := uint32(0x701), false
		for _, s := range t.samples[:n] {
			shifted = shifted || s.offset != 0
		}
		if shifted {
			flags |= 0x800
		}
		w.full("trun", 1, flags, func() {
			w.u32(uint32(n))
			place = len(w.b)
			w.u32(0)
			for _, s := range t.samples[:n] {
				w.u32(uint32(min(s.duration, 1<<32-1)))
				w.u32(uint32(s.size))
				if s.key {
					w.u32(0x02000000) // depends on no other
				} else {
					w.u32(0x01010000)
				}
				if shifted {
					w.u32(uint32(int32(s.offset)))
				}
			}
		})
	})
	for k, s := range t.samples[:n] {
		if s.key && (video || k == 0) {
			m.keys[i].add(cue{at: s.decode + s.offset, traf: number, sample: k + 1, offset: m.size})
		}
	}
	return place
}

// End implements Writer.
func (m *FragmentedMP4) End(dst []byte) ([]byte, []Patch) {
	dst = m.flush(dst, true)
	w := boxes{dst}
	m.mfra(&w)
	var head boxes
	m.moov(&head)
	free := m.room - len(head.b)
	if free != 0 && free < 8 {
		m.info.Tracks, head.b = m.first, nil
		m.moov(&head)
		free = m.room - len(head.b)
	}
	if free >= 8 {
		head.box("free", func() { head.zeros(free - 8) })
	}
	if len(head.b) != m.room {
		return w.b, nil
	}
	return w.b, []Patch{{Offset: m.headAt, Bytes: head.b}}
}

// mfra is where to begin playing at (ISO 14496-12, 8.8.9).
func (m *FragmentedMP4) mfra(w *boxes) {
	at := len(w.b)
	w.box("mfra", func() {
		for i := range m.tracks {
			if !m.info.Tracks[i].Codec.Video() || len(m.keys[i].list) == 0 {
				continue
			}
			w.full("tfra", 1, 0, func() {
				w.u32(uint32(i + 1))
				w.u32(0x3f) // numbers of four octets
				w.u32(uint32(len(m.keys[i].list)))
				for _, k := range m.keys[i].list {
					w.u64(uint64(k.at))
					w.u64(uint64(k.offset))
					w.u32(uint32(k.traf))
					w.u32(1)
					w.u32(uint32(k.sample))
				}
			})
		}
		w.full("mfro", 0, 0, func() { w.u32(uint32(len(w.b) - at + 4)) })
	})
}
