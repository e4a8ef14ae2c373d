package route

import (
	"time"

	"bifrons/rtp/mono"
)

// Keep is how much of a track is kept for new subscriptions, counted from the
// latest key frame on, which is kept in any case. 0 is no limit; without any
// limit nothing is kept.
type Keep struct {
	Time  time.Duration
	Bytes int
}

// maxStart bounds the kept packets of one track.
const maxStart = 4096

// start has the packets of a track from its latest key frame on, so that a new
// subscription has a picture at once.
type start struct {
	packets []Packet
	bytes   int
	full    bool // later packets are missing
	// early is set until the first part came from another shard: whatever
	// arrives meanwhile is kept.
	early bool
}

// add takes a packet that was pushed. A key frame replaces all others.
func (b *start) add(p *Packet, limit Keep) {
	if p.Info.Keyframe && (len(b.packets) == 0 || p.SSRC != b.packets[0].SSRC || p.Timestamp != b.packets[0].Timestamp) {
		b.clear()
		b.put(p)
		return
	}
	switch {
	case len(b.packets) == 0:
		if b.early {
			b.put(p)
		}
		return
	case p.SSRC != b.packets[0].SSRC:
		b.clear() // another sender, whose key frame is still to come
		return
	}
	frame := p.Timestamp == b.packets[0].Timestamp // of the key frame itself
	within := (limit.Time == 0 || p.Arrival.Sub(b.packets[0].Arrival) <= limit.Time) &&
		(limit.Bytes == 0 || b.bytes+int(p.Len) <= limit.Bytes)
	if b.full || !frame && !within || len(b.packets) == maxStart {
		b.full = true
		return
	}
	b.put(p)
}

func (b *start) put(p *Packet) {
	p.Buf.Retain()
	b.packets = append(b.packets, *p)
	b.bytes += int(p.Len)
}

func (b *start) clear() {
	for i := range b.packets {
		b.packets[i].Buf.Release()
	}
	clear(b.packets)
	b.packets, b.bytes, b.full = b.packets[:0], 0, false
}

func (b *start) reset() {
	b.clear()
	b.packets, b.early = nil, false
}

// find returns a packet by the low bits of its number, nil if it is not there.
func (b *start) find(seq uint16) *Packet {
	for i := range b.packets {
		if uint16(b.packets[i].Seq) == seq {
			return &b.packets[i]
		}
	}
	return nil
}

// replay forwards the kept packets to a new subscription. Where later packets are
// missing it continues at the next key frame.
func (t *Track) replay(now mono.Time, s *Subscription) {
	if t.start.early {
		return
	}
	since := s.since
	s.since = mono.Never // all of it comes from here
	for i := range t.start.packets {
		s.forward(now, &t.start.packets[i])
	}
	s.since = since
	if len(t.start.packets) > 0 && t.start.full {
		s.open, s.rebase = false, true
	}
}

// Start is a copy of the packets that a track keeps, for its replica on another shard. It
// holds a reference to every buffer.
type Start struct {
	packets []Packet
	full    bool
}

// Start copies the kept packets; nil if there are none.
func (t *Track) Start() *Start {
	if len(t.start.packets) == 0 {
		return nil
	}
	s := &Start{packets: append([]Packet(nil), t.start.packets...), full: t.start.full}
	for i := range s.packets {
		s.packets[i].Buf.Retain()
	}
	return s
}

// Release gives the references back.
func (s *Start) Release() {
	if s == nil {
		return
	}
	for i := range s.packets {
		s.packets[i].Buf.Release()
	}
	s.packets = nil
}

// Await makes a new track keep everything until Seed.
func (t *Track) Await() { t.start.early = t.Keep != (Keep{}) }

// Seed puts the packets that another shard has kept before those that came since. It takes s, which
// may be nil.
func (t *Track) Seed(s *Start) {
	later := t.start
	t.start = start{}
	if s != nil {
		for i := range s.packets {
			t.start.put(&s.packets[i])
		}
		t.start.full = s.full
	}
	for i := range later.packets {
		t.start.add(&later.packets[i], t.Keep)
	}
	later.clear()
	s.Release()
}
