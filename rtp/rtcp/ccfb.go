package rtcp

import (
	"encoding/binary"
	"time"
)

const (
	ccfbBlockHead = 8      // SSRC, first number, count
	ccfbUntimed   = 0x1ffe // from here on offsets say that the arrival is too long ago, or later than the report
)

// CCFB is a view of congestion control feedback (RFC 8888, 3.1).
type CCFB struct {
	Timestamp uint32 // when the report was made, in units of 1/65536 s
	blocks    []byte
}

// CCFB reads p as congestion control feedback. ok is false if it is none, or its
// blocks do not fill it.
func (p *Packet) CCFB() (c CCFB, ok bool) {
	if p.Type != TypeRTPFB || p.Count != FormatCCFB || len(p.Body) < 8 {
		return c, false
	}
	end := len(p.Body) - 4
	c = CCFB{Timestamp: get32(p.Body[end:]), blocks: p.Body[4:end]}
	for rest := c.blocks; len(rest) > 0; {
		n := ccfbBlockLen(rest)
		if n == 0 {
			return CCFB{}, false
		}
		rest = rest[n:]
	}
	return c, true
}

// ccfbBlockLen returns the length of the first block, 0 if it is not whole.
func ccfbBlockLen(b []byte) int {
	if len(b) < ccfbBlockHead {
		return 0
	}
	n := ccfbBlockHead + (2*int(binary.BigEndian.Uint16(b[6:]))+3)&^3
	if n > len(b) {
		return 0
	}
	return n
}

// Reports iterates over the packets that CCFB reports, stream by stream.
type Reports struct {
	SSRC     uint32
	Seq      uint16 // RTP sequence number
	Received bool
	CE       bool          // with the mark of a congestion (RFC 3168)
	Timed    bool          // whether the arrival is known
	Arrival  time.Duration // before the report timestamp

	blocks []byte // from the current one on
	left   int    // reports in it
	rest   []byte
	next   uint16
}

// Reports returns an iterator over the packets reported.
func (c *CCFB) Reports() Reports { return Reports{blocks: c.blocks} }

// Next moves to the next packet and reports whether there is one.
func (it *Reports) Next() bool {
	for it.left == 0 {
		n := ccfbBlockLen(it.blocks)
		if n == 0 {
			return false
		}
		it.SSRC = get32(it.blocks)
		it.next = binary.BigEndian.Uint16(it.blocks[4:])
		it.left = int(binary.BigEndian.Uint16(it.blocks[6:]))
		it.rest, it.blocks = it.blocks[ccfbBlockHead:n], it.blocks[n:]
	}
	r := binary.BigEndian.Uint16(it.rest)
	it.rest = it.rest[2:]
	it.left--
	it.Seq = it.next
	it.next++
	it.Received = r&0x8000 != 0
	it.CE = it.Received && r>>13&3 == 3
	offset := r & 0x1fff
	it.Timed = it.Received && offset < ccfbUntimed
	it.Arrival = 0
	if it.Timed {
		it.Arrival = time.Duration(offset) * time.Second / 1024
	}
	return true
}

// Since returns the time of the report since an earlier one, by the shorter way around
// the circle of 18 hours.
func (c *CCFB) Since(earlier uint32) time.Duration {
	return time.Duration(int32(c.Timestamp-earlier)) * time.Second / 65536
}
