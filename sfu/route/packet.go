// Package route forwards tracks to subscriptions: packet caches, layer
// selection, and continuous numbering. It runs inside one shard's loop.
package route

import (
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

// Packet is one received RTP packet: parsed, decrypted and from then on
// immutable. It holds one reference to Buf.
type Packet struct {
	Buf       *pktbuf.Buf
	Seq       uint64 // extended sequence number of its stream
	Arrival   mono.Time
	Timestamp uint32
	SSRC      uint32 // of the encoding, also for a repaired packet; from a source a key of its run
	Off, Len  uint16 // payload within Buf.B, without padding
	Pad       uint8  // bytes of padding behind the payload that even the sizes of a frame out

	Codec       media.CodecName
	PayloadType uint8
	Encoding    uint8 // simulcast encoding, 0 = lowest
	Marker      bool
	Resumed     bool // first of its stream, at all or after a pause by negotiation

	Ext  Extensions
	Info codec.Info
	VP8  codec.VP8 // descriptor, valid when Codec is VP8 and Info was read
	Read bool      // Info is valid: the payload could be looked into
}

// Payload returns the packet's payload; the packet lends it.
func (p *Packet) Payload() []byte { return p.Buf.B[p.Off : p.Off+p.Len] }

// Padded returns the payload with Pad bytes of padding; the packet lends it.
func (p *Packet) Padded() []byte { return p.Buf.B[p.Off : p.Off+p.Len+uint16(p.Pad)] }

// Extensions are the header extension values that are relayed.
type Extensions struct {
	HasAudioLevel, HasOrientation, HasPlayoutDelay bool
	AudioLevel                                     uint8 // RFC 6464 byte: voice bit and level
	Orientation                                    uint8
	PlayoutDelay                                   [3]byte
	Descriptor                                     []byte // dependency descriptor, part of Buf
	Capture                                        []byte // abs-capture-time, part of Buf
}

// SetAudioLevel takes the value of an audio level extension (RFC 6464).
func (x *Extensions) SetAudioLevel(b []byte) {
	if len(b) > 0 {
		x.AudioLevel, x.HasAudioLevel = b[0], true
	}
}

// SetOrientation takes the value of a video orientation extension.
func (x *Extensions) SetOrientation(b []byte) {
	if len(b) > 0 {
		x.Orientation, x.HasOrientation = b[0], true
	}
}

// SetPlayoutDelay takes the value of a playout delay extension.
func (x *Extensions) SetPlayoutDelay(b []byte) {
	x.HasPlayoutDelay = copy(x.PlayoutDelay[:], b) == len(x.PlayoutDelay)
}

// Limits of a packet cache, in packets. A cache grows while it would forget
// packets that are younger than keep.
const (
	minCache = 16
	maxCache = 2048
)

// Cache is the ring of a stream's recent packets. It answers NACKs.
type Cache struct {
	slots   []Packet
	arrived []mono.Time // of each slot, mono.Never if it is empty: that is all that Expire looks at
	highest uint64
	any     bool
}

// place makes n empty slots.
func (c *Cache) place(n int) {
	c.slots, c.arrived = make([]Packet, n), make([]mono.Time, n)
	for i := range c.arrived {
		c.arrived[i] = mono.Never
	}
}

// Put takes p, forgetting the packet whose place it needs. keep is how long
// a packet should stay available.
func (c *Cache) Put(p Packet, keep mono.Time) *Packet {
	if c.slots == nil {
		c.place(minCache)
	}
	i := p.Seq & uint64(len(c.slots)-1)
	s := &c.slots[i]
	for s.Buf != nil && len(c.slots) < maxCache && s.needed(&p, keep) {
		c.grow()
		i = p.Seq & uint64(len(c.slots)-1)
		s = &c.slots[i]
	}
	if s.Buf != nil {
		s.Buf.Release()
	}
	*s, c.arrived[i] = p, p.Arrival
	if !c.any || p.Seq > c.highest {
		c.highest, c.any = p.Seq, true
	}
	return s
}

// needed reports whether a packet must not give way to another one: it may wait for a Flush, or
// somebody may ask for it.
func (p *Packet) needed(by *Packet, keep mono.Time) bool {
	age := by.Arrival - p.Arrival
	return p.Seq != by.Seq && (age < keepBriefly || age < keep && by.Seq > p.Seq)
}

// grow doubles the ring. Pointers that Put returned before stay readable.
func (c *Cache) grow() {
	old := c.slots
	c.place(2 * len(old))
	for i := range old {
		if old[i].Buf != nil {
			at := old[i].Seq & uint64(len(c.slots)-1)
			c.slots[at], c.arrived[at] = old[i], old[i].Arrival
		}
	}
}

// Get returns the packet with the low 16 bits of its sequence number, nil if
// it is not held any more. The cache lends it until the next Put.
func (c *Cache) Get(seq uint16) *Packet {
	if !c.any {
		return nil
	}
	s := &c.slots[c.extend(seq)&uint64(len(c.slots)-1)]
	if s.Buf == nil || uint16(s.Seq) != seq {
		return nil
	}
	return s
}

// at is Get by the extended sequence number.
func (c *Cache) at(seq uint64) *Packet {
	if !c.any {
		return nil
	}
	if s := &c.slots[seq&uint64(len(c.slots)-1)]; s.Buf != nil && s.Seq == seq {
		return s
	}
	return nil
}

// extend finds the extended number nearest to the highest one seen.
func (c *Cache) extend(seq uint16) uint64 {
	return uint64(int64(c.highest) + int64(int16(seq-uint16(c.highest))))
}

// Expire releases packets that arrived before t. It costs a walk over the
// ring and belongs in a slow timer.
func (c *Cache) Expire(t mono.Time) {
	for i, at := range c.arrived {
		if at < t {
			c.slots[i].Buf.Release()
			c.slots[i], c.arrived[i] = Packet{}, mono.Never
		}
	}
}

// Reset releases everything.
func (c *Cache) Reset() {
	c.Expire(mono.Never)
	c.slots, c.arrived, c.any = nil, nil, false
}
