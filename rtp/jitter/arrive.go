package jitter

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/seq"
)

const (
	// largest is the size of a payload at most.
	largest = 8 << 10
	// A packet belongs to another stream if its number or its time is that far from
	// those of the latest.
	farNumber, farTime = 1000, 2 * time.Second
	// outage is how late a packet is, against the one before, that says nothing any more
	// of the delays to come: the path was gone, or the sender's clock stood still.
	outage = 500 * time.Millisecond
	// lossMemory is how many packets the measured loss is about.
	lossMemory = 500
	// lossFirst is how many packets it takes until a loss counts.
	lossFirst = 50
	// helped is for how many packets redundancy counts as sent since the latest that
	// had any.
	helped = 100
	// farthest is how many packets later one may repeat another at most, as far as playing
	// waits for it.
	farthest = 4
)

// arrivals is the state of the packets that arrived.
type arrivals struct {
	any     bool
	seq     uint64 // of the latest packet in order
	ext     int64  // its timestamp, extended
	arrival mono.Time
	length  int        // samples a channel in the packet before
	seen    seq.Window // numbers
	suspect Packet     // belongs to another stream, if the next does, too
	at      mono.Time  // when the suspect came
	payload []byte     // of suspect
	jumped  bool       // there is a suspect
	// gaps[n] is the share of packets, of late, before which more than n others were
	// missing, but gaps[0] that of all which never came.
	gaps    [farthest]float32
	counted int // packets behind that, lossMemory at most
	reach   int // how many packets later one repeats another, 0 = none does
	helped  int // packets for which that is expected to stay so
}

// push sorts a packet in.
func (b *Buffer) push(now mono.Time, p *Packet) {
	if len(p.Payload) == 0 || len(p.Payload) > largest {
		b.stats.Discarded++
		return
	}
	if p.Redundant {
		b.pushRedundant(now, p)
		return
	}
	b.stats.Received++
	if !b.in.any {
		b.follow(now, p)
	}
	dseq, dext := int64(p.Seq-b.in.seq), int64(int32(p.Timestamp-uint32(b.in.ext)))
	if b.foreign(now, dseq, dext) {
		if !b.in.jumped || !b.confirms(now, p) {
			b.suspect(now, p)
			return
		}
		q := b.in.suspect
		at := b.in.at
		b.follow(at, &q)
		b.enter(at, &q, b.in.ext)
		b.in.seen.Add(uint16(q.Seq))
		dseq, dext = int64(p.Seq-b.in.seq), int64(int32(p.Timestamp-uint32(b.in.ext)))
	} else if b.in.jumped {
		b.in.jumped = false
		b.stats.Discarded++
	}
	ext := b.in.ext + dext
	fresh := b.in.seen.Add(uint16(p.Seq))
	b.count(dseq, fresh)
	if !fresh {
		b.stats.Repeated++
		return
	}
	if dseq > 0 {
		if now.Sub(b.in.arrival)-b.time(dext) > outage {
			b.delays.restart()
		}
		b.in.seq, b.in.ext, b.in.arrival = p.Seq, ext, now
	}
	b.enter(now, p, ext)
}

// follow begins a new stream with a packet.
func (b *Buffer) follow(now mono.Time, p *Packet) {
	in := &b.in
	if in.any {
		b.stats.Discarded += uint64(b.store.waiting())
		b.store.clear()
		b.rest(false)
	}
	in.any, in.jumped = true, false
	in.seq, in.ext, in.arrival = p.Seq, 1<<32+int64(p.Timestamp), now
	in.seen = seq.Window{}
	b.pos, b.lax = 0, 0
	b.delays.restart()
}

// foreign reports whether a packet has a number and a timestamp, so much after the
// latest ones, that cannot be of the same stream.
func (b *Buffer) foreign(now mono.Time, dseq, dext int64) bool {
	switch {
	case dseq == 0:
		return dext != 0
	case dseq > farNumber || dseq < -farNumber, (dseq > 0) != (dext > 0), dext == 0:
		return true
	}
	later := b.time(dext)
	if dseq < 0 {
		return later < -farNumber*FrameTime
	}
	early := later - now.Sub(b.in.arrival)
	return early > farTime || early < -farTime
}

// time converts a span of timestamps.
func (b *Buffer) time(dext int64) time.Duration {
	return time.Duration(dext) * time.Second / time.Duration(b.cfg.ClockRate)
}

// confirms reports whether a packet continues the suspect one.
func (b *Buffer) confirms(now mono.Time, p *Packet) bool {
	d := int32(p.Timestamp - b.in.suspect.Timestamp)
	return p.Seq == b.in.suspect.Seq+1 && d > 0 && int64(d) < int64(b.cfg.ClockRate) && now.Sub(b.in.at) < farTime
}

// suspect puts a packet aside until the next says where it belongs.
func (b *Buffer) suspect(now mono.Time, p *Packet) {
	if b.in.jumped {
		b.stats.Discarded++
	}
	b.in.payload = append(b.in.payload[:0], p.Payload...)
	b.in.suspect, b.in.at, b.in.jumped = *p, now, true
	b.in.suspect.Payload = b.in.payload
}

// count measures loss.
func (b *Buffer) count(dseq int64, fresh bool) {
	in := &b.in
	if in.helped = max(in.helped-1, 0); in.helped == 0 {
		in.reach = 0
	}
	switch {
	case dseq > 0:
		n := min(dseq, lossFirst)
		in.counted = min(in.counted+int(n), lossMemory)
		for i := range in.gaps {
			share := float32(0)
			switch {
			case i == 0:
				share = float32(n - 1)
			case n-1 > int64(i):
				share = 1
			}
			in.gaps[i] += (share - in.gaps[i]*float32(n)) / float32(max(in.counted, lossFirst))
		}
	case dseq < 0 && fresh:
		for i := range in.gaps {
			in.gaps[i] -= 1 / float32(max(in.counted, lossFirst))
		}
	}
	for i, v := range in.gaps {
		in.gaps[i] = min(max(v, 0), 1)
	}
}

// reaches notes that a packet repeats another, so many packets before.
func (in *arrivals) reaches(n int) {
	if n = min(n, farthest); n > 0 && n >= in.reach {
		in.reach, in.helped = n, helped
	}
}

// enter measures the delay of a packet and keeps it, if it is not too late.
func (b *Buffer) enter(now mono.Time, p *Packet, ext int64) {
	s := b.stored(now, p, ext)
	b.in.length = s.length
	if p.FEC {
		b.in.reaches(1)
	}
	at := b.nanos(s.at)
	b.delays.add(int64(now), at, b.nanos(int64(s.length)))
	if s.end() <= b.pos {
		b.stats.Late++
		if b.running {
			b.delays.late(int64(now), b.delays.above(int64(now), at))
		}
		return
	}
	b.keep(s, p.Payload)
}

// pushRedundant keeps a copy of a packet, if that itself has not come. The packet that it
// came with was pushed before.
func (b *Buffer) pushRedundant(now mono.Time, p *Packet) {
	in := &b.in
	ext := in.ext + int64(int32(p.Timestamp-uint32(in.ext)))
	dseq := int64(p.Seq - in.seq)
	if second := int64(b.cfg.ClockRate); !in.any || max(dseq, -dseq) > helped || max(ext-in.ext, in.ext-ext) > second {
		return
	}
	reach := int(-dseq)
	if p.FEC {
		reach++
	}
	in.reaches(reach)
	s := b.stored(now, p, ext)
	if s.end() > b.pos && s.at >= b.pos-int64(s.length)/2 && !in.seen.Seen(uint16(p.Seq)) {
		b.keep(s, p.Payload)
	}
}

// stored is the record of a packet besides its payload.
func (b *Buffer) stored(now mono.Time, p *Packet, ext int64) stored {
	length := int(int64(min(p.Duration, longest)) * int64(b.cfg.SampleRate) / int64(time.Second))
	if length <= 0 {
		if length = b.in.length; length == 0 {
			length = b.frame
		}
	}
	return stored{
		seq: p.Seq, at: ext * int64(b.cfg.SampleRate) / int64(b.cfg.ClockRate), length: length,
		arrival: int64(now), dtx: p.DTX, marker: p.Marker, redundant: p.Redundant,
	}
}

// keep has a packet wait to be played.
func (b *Buffer) keep(s stored, payload []byte) {
	i, there := b.store.find(s.at)
	if there {
		if !b.store.list[i].redundant || s.redundant {
			if !s.redundant {
				b.stats.Repeated++
			}
			return
		}
		b.store.remove(i)
	}
	for b.store.full(len(payload)) {
		// The oldest goes, past ones first.
		if b.store.past > 0 && b.store.waiting() < MaxPackets {
			b.store.remove(0)
			i--
			continue
		}
		b.stats.Discarded++
		if i == b.store.past {
			return
		}
		b.store.remove(b.store.past)
		i--
	}
	b.store.insert(i, s, payload)
}

// nanos is the time that so many samples take.
func (b *Buffer) nanos(n int64) int64 {
	rate := int64(b.cfg.SampleRate)
	return n/rate*int64(time.Second) + n%rate*int64(time.Second)/rate
}
