package record

import (
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/pipe"
)

// Input is where a track of a file gets its packets: a pipe whose shard somebody else
// looks after.
type Input interface {
	Next(scratch []byte, q *pipe.Packet) (mem []byte, ok bool)
	Over() bool
	Lost() uint64
	Close()
	RequestKeyframe()
}

// track is one track of a file: inputs one after another, in continuous numbers.
// The collector owns it, except for the parts that the file's lock guards.
type track struct {
	clockRate uint32 // Hz

	inputs []*source // guarded by the file's lock; the first is the current one

	based bool      // on the current input
	seq   uint64    // outgoing = incoming + seq, modulo 2^64
	floor uint64    // lowest outgoing number of the input
	ts    uint32    // outgoing = incoming + ts
	next  uint64    // next outgoing number
	last  uint32    // latest outgoing timestamp
	step  uint32    // between the latest two, of one input
	at    mono.Time // when that came
	began bool
}

// source is an Input, and how its numbers continue those before.
type source struct {
	Input
	joined bool   // the time since the one before is left out
	lost   uint64 // of Lost, counted so far
}

// number makes the numbers of a packet go on after those of earlier inputs. It is
// false for one that came too late.
func (t *track) number(p *Packet, joined bool) bool {
	first := !t.based
	if first {
		p.Joined = joined && t.began
		t.base(p, joined)
	}
	p.Seq += t.seq
	if int64(p.Seq-t.floor) < 0 {
		return false
	}
	p.Timestamp += t.ts
	t.next = max(t.next, p.Seq+1)
	if len(p.RTP) == 0 { // a fill
		return true
	}
	if d := p.Timestamp - t.last; first || int32(d) > 0 {
		if p.Seq != t.floor {
			t.step = min(d, t.clockRate/5)
		}
		t.last, t.at = p.Timestamp, p.Arrival
	}
	t.began = true
	rtp.SetNumbers(p.RTP, uint16(p.Seq), p.Timestamp)
	return true
}

// base joins an input to the one before.
func (t *track) base(p *Packet, joined bool) {
	t.based = true
	if !t.began {
		t.next = 1
	}
	t.floor = t.next
	t.seq = t.next - p.Seq
	ts := uint32(0)
	if t.began {
		passed := int64(t.step)
		if !joined {
			passed = mono.Ticks(p.Arrival.Sub(t.at), t.clockRate)
		}
		ts = t.last + uint32(max(passed, 1))
	}
	t.ts = ts - p.Timestamp
}
