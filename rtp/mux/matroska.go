package mux

import (
	"encoding/binary"
	"slices"
	"time"

	"bifrons/rtp/frame"
)

// Matroska writes Matroska (RFC 9559) or WebM: clusters of known size, so that a file
// that ends anywhere has all that was written before, and an index at the end.
type Matroska struct {
	info  Info
	first []Track // as they were when the file began
	webm  bool
	main  int   // the track whose key frames begin clusters, -1 if there is no video
	size  int64 // bytes of the file so far
	ebml  int   // bytes before the origin of positions
	room  int   // bytes for SeekHead, Info, Tracks and Tags
	cues  cues
	end   int64 // milliseconds, of the written samples

	written bool // there is a cluster

	last   []int64 // order of each track's latest block
	steps  []int64 // how long the block before that lasted
	blocks []block // of the cluster that is not written yet
	data   []byte
}

// block is a frame in a cluster.
type block struct {
	track    int
	at       int64 // milliseconds
	order    int64 // at, or that of the block before if it is less
	duration int64 // of text, in milliseconds
	key      bool
	from, to int // in data
}

const (
	maxCluster = 5000 // milliseconds
	// reserve is the room for later knowledge of the tracks, and the place of the cues, in bytes
	// for a file and for each track of video.
	reserve, reserveVideo = 100, 500
)

// NewMatroska returns a writer of Matroska, or of WebM, which has fewer codecs. The error
// wraps ErrFit.
func NewMatroska(info Info, webm bool) (*Matroska, error) {
	m := &Matroska{info: info, webm: webm, main: -1}
	m.last, m.steps = make([]int64, len(info.Tracks)), make([]int64, len(info.Tracks))
	m.info.Tracks = slices.Clone(info.Tracks)
	if len(info.Tracks) == 0 || len(info.Tracks) > 126 {
		return nil, ErrFit
	}
	for i := range info.Tracks {
		t := &info.Tracks[i]
		if m.main < 0 && t.Codec.Video() {
			m.main = i
		}
		switch t.Codec {
		case frame.VP8, frame.VP9, frame.AV1, frame.Opus:
		default:
			if webm {
				return nil, unfit(t, "WebM")
			}
		}
	}
	return m, nil
}

// SetTrack implements Writer. The patches of the end write it, as far
// as there is room.
func (m *Matroska) SetTrack(i int, t Track) { m.info.Tracks[i] = t }

// Header implements Writer.
func (m *Matroska) Header(dst []byte) []byte {
	from := len(dst)
	m.first = slices.Clone(m.info.Tracks)
	dst = m.appendEBML(dst)
	m.ebml = len(dst) - from
	at := len(dst)
	dst = m.appendHead(dst)
	room := reserve
	for i := range m.info.Tracks {
		if m.info.Tracks[i].Codec.Video() {
			room += reserveVideo
		}
	}
	dst = appendVoid(dst, room)
	m.room = len(dst) - at
	m.size = int64(len(dst) - from)
	return dst
}

// Append implements Writer.
func (m *Matroska) Append(dst []byte, s *Sample) []byte {
	t := &m.info.Tracks[s.Track]
	at := milliseconds(s.Time)
	b := block{track: s.Track, at: at, order: max(at, m.last[s.Track]), key: s.Key || !t.Codec.Video()}
	if len(m.blocks) > 0 {
		first := m.blocks[0].order
		if b.order-first >= maxCluster || first-b.at > maxCluster || len(m.data)+len(s.Data) > maxHeld ||
			s.Track == m.main && s.Key && b.order > first {
			dst = m.Flush(dst)
		}
	}
	if m.last[s.Track] > 0 {
		m.steps[s.Track] = b.order - m.last[s.Track]
	}
	m.last[s.Track] = b.order
	b.from = len(m.data)
	m.data = append(m.data, s.Data...)
	b.to = len(m.data)
	m.end = max(m.end, milliseconds(s.Time+s.Duration))
	if t.text() {
		b.duration = max(1, milliseconds(s.Duration))
	}
	m.blocks = append(m.blocks, b)
	return dst
}

// Flush implements Writer: it writes the cluster.
func (m *Matroska) Flush(dst []byte) []byte {
	if len(m.blocks) == 0 {
		return dst
	}
	slices.SortStableFunc(m.blocks, func(a, b block) int { return int(a.order - b.order) })
	start := m.blocks[0].at
	for i := range m.blocks {
		start = min(start, m.blocks[i].at)
	}
	from := len(dst)
	dst = append(dst, 0x1f, 0x43, 0xb6, 0x75, 0x01, 0, 0, 0, 0, 0, 0, 0)
	body := len(dst)
	dst = appendUint(append(dst, 0xe7), uint64(start)) // Timestamp
	for i := range m.blocks {
		b := &m.blocks[i]
		if m.indexed(b) {
			m.cues.add(cue{at: b.at, track: b.track, offset: m.size})
		}
		dst = m.appendBlock(dst, b, start)
	}
	putSize(dst[from+4:], uint64(len(dst)-body))
	m.size += int64(len(dst) - from)
	m.written = true
	m.blocks, m.data = m.blocks[:0], m.data[:0]
	return dst
}

// appendBlock appends a SimpleBlock, or a BlockGroup for a sample with a duration.
func (m *Matroska) appendBlock(dst []byte, b *block, start int64) []byte {
	data := m.data[b.from:b.to]
	size := uint64(4 + len(data))
	flags := byte(0)
	if b.duration > 0 {
		var d [10]byte
		duration := appendUint(append(d[:0], 0x9b), uint64(b.duration))
		dst = append(dst, 0xa0)
		dst = appendSize(dst, 1+uint64(sizeLength(size))+size+uint64(len(duration)))
		dst = append(dst, duration...)
		dst = append(dst, 0xa1)
	} else {
		if b.key {
			flags = 0x80
		}
		dst = append(dst, 0xa3)
	}
	dst = appendSize(dst, size)
	dst = append(dst, 0x80|byte(b.track+1))
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.at-start))
	return append(append(dst, flags), data...)
}

// indexed reports whether a block gets a cue: key frames of video, and audio every five
// seconds where there is no video.
func (m *Matroska) indexed(b *block) bool {
	t := &m.info.Tracks[b.track]
	if m.main >= 0 {
		return b.key && t.Codec.Video()
	}
	return !t.text() && b.at >= m.cues.latest(b.track)+maxCluster
}

// End implements Writer.
func (m *Matroska) End(dst []byte) ([]byte, []Patch) {
	if dst = m.Flush(dst); !m.written {
		// Without any cluster nothing opens the file.
		dst = append(dst, 0x1f, 0x43, 0xb6, 0x75, 0x83, 0xe7, 0x81, 0)
		m.size += 8
	}
	for i, at := range m.last { // the last ones last as long as those before
		m.end = max(m.end, at+min(m.steps[i], 1000))
	}
	from, cuesAt := len(dst), m.size
	dst = m.appendCues(dst)
	m.size += int64(len(dst) - from)
	if len(dst) > from {
		m.cues.at = cuesAt - int64(m.ebml)
	}
	head := m.appendHead(nil)
	if free := m.room - len(head); free != 0 && free < 2 {
		// Too much became known: leave that out, but not the duration.
		m.info.Tracks = m.first
		head = m.appendHead(nil)
	}
	segment := make([]byte, 8)
	putSize(segment, uint64(m.size-int64(m.ebml)))
	patches := []Patch{{Offset: int64(m.ebml) - 8, Bytes: segment}}
	if free := m.room - len(head); free == 0 || free >= 2 {
		patches = append(patches, Patch{Offset: int64(m.ebml), Bytes: appendVoid(head, free)})
	}
	return dst, patches
}

func milliseconds(d time.Duration) int64 {
	return int64((max(d, 0) + time.Millisecond/2) / time.Millisecond)
}

// appendUint appends the size and the shortest form of a number.
func appendUint(dst []byte, v uint64) []byte {
	n := 1
	for n < 8 && v>>(8*n) != 0 {
		n++
	}
	dst = append(dst, 0x80|byte(n))
	for n--; n >= 0; n-- {
		dst = append(dst, byte(v>>(8*n)))
	}
	return dst
}

// sizeLength is how many octets appendSize takes.
func sizeLength(v uint64) int {
	n := 1
	for v >= 1<<(7*n)-1 {
		n++
	}
	return n
}

// appendSize appends the shortest size of an element (RFC 8794, 4).
func appendSize(dst []byte, v uint64) []byte {
	n := sizeLength(v)
	v |= 1 << (7 * n)
	for n--; n >= 0; n-- {
		dst = append(dst, byte(v>>(8*n)))
	}
	return dst
}

// putSize writes a size in eight octets.
func putSize(dst []byte, v uint64) { binary.BigEndian.PutUint64(dst, v|1<<56) }

// appendVoid fills n bytes; 1 cannot be filled.
func appendVoid(dst []byte, n int) []byte {
	switch {
	case n < 2:
		return dst
	case n < 9:
		dst = append(dst, 0xec, 0x80|byte(n-2))
		return append(dst, make([]byte, n-2)...)
	}
	dst = append(dst, 0xec, 0x01, 0, 0, 0, 0, 0, 0, 0)
	putSize(dst[len(dst)-8:], uint64(n-9))
	return append(dst, make([]byte, n-9)...)
}

// cue is a place to begin playing at.
type cue struct {
	at     int64 // milliseconds
	track  int
	sample int   // MP4: number of the track in its fragment, of the sample in that
	traf   int   // from 1
	offset int64 // of the cluster or fragment, in the file
}

// cues are the places, thinned out where they would be too many.
type cues struct {
	list []cue
	skip int // each skip-th one is taken, but the first
	seen int
	at   int64 // where they stand, from where positions count
}

// maxCues is how many a file has at most.
const maxCues = 1 << 15

func (c *cues) add(n cue) {
	if c.skip == 0 {
		c.skip = 1
	}
	if c.seen++; (c.seen-1)%c.skip != 0 {
		return
	}
	if len(c.list) == maxCues {
		for i := range maxCues / 2 {
			c.list[i] = c.list[2*i]
		}
		c.list = c.list[:maxCues/2]
		c.skip *= 2
	}
	c.list = append(c.list, n)
}

// latest is the time of a track's latest cue in milliseconds, long ago without one.
func (c *cues) latest(track int) int64 {
	for i := len(c.list) - 1; i >= 0 && i > len(c.list)-200; i-- {
		if c.list[i].track == track {
			return c.list[i].at
		}
	}
	return -maxCluster
}
