package record

import (
	"cmp"
	"slices"
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/mono"
	"bifrons/rtp/mux"
)

// Opus is the Format of Opus in Ogg (RFC 7845), of one track. What the payloads are is
// left as it is; lost packets are gaps in the granule positions.
type Opus struct {
	// App is the program that writes.
	App string

	out    mux.Writer
	frames *frame.Assembler
	first  uint64 // timestamp of the first frame, 0 before
	order  reorder
}

// Begin implements Format.
func (o *Opus) Begin(dst []byte, wall time.Time) []byte {
	o.frames = frame.New(frame.Opus)
	o.out, _ = mux.NewOgg(mux.Info{App: o.App, Date: wall, Tracks: []mux.Track{{Codec: frame.Opus}}}) // these fit
	return o.out.Header(dst)
}

// Packet implements Format.
func (o *Opus) Packet(dst []byte, p *Packet) []byte {
	o.order.put(p)
	return o.write(dst, p.Arrival-mono.Time(maxLate))
}

// write lays out the packets that are next, or of which those before are not waited for any
// more: they arrived before a time.
func (o *Opus) write(dst []byte, before mono.Time) []byte {
	for p := o.order.next(before); p != nil; p = o.order.next(before) {
		for _, f := range o.frames.Push(&frame.Packet{Seq: p.Seq, Timestamp: p.Timestamp, Payload: p.RTP[p.Head:]}) {
			if len(f.Data) == 0 {
				continue
			}
			if o.first == 0 {
				o.first = f.Timestamp
			}
			samples := f.Samples
			if samples == 0 {
				samples = opusFrame
			}
			dst = o.out.Append(dst, &mux.Sample{
				Time: opusTime(f.Timestamp - min(o.first, f.Timestamp)), Duration: opusTime(uint64(samples)), Key: true, Data: f.Data,
			})
		}
	}
	return dst
}

// opusFrame is the usual duration of a packet in units of its clock.
const opusFrame = 960

// opusTime is so many units of the clock of 48 kHz, to the nearest nanosecond.
func opusTime(n uint64) time.Duration {
	const rate = 48000
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate*uint64(time.Second)+rate/2)/rate
}

// Message implements Format: there is no place for it.
func (o *Opus) Message(dst []byte, _ *Message) []byte { return dst }

// Report implements Format: one track needs none.
func (o *Opus) Report(*Report) {}

// Flush implements Format.
func (o *Opus) Flush(dst []byte, now mono.Time) (out []byte, keyframe int) {
	return o.out.Flush(o.write(dst, now-mono.Time(maxLate))), -1
}

// End implements Format.
func (o *Opus) End(dst []byte) (rest []byte, patches []Patch) {
	dst, _ = o.out.End(o.write(dst, mono.Time(1<<63-1))) // Ogg has no patches
	return dst, nil
}

// Bounds of reordering.
const (
	// maxLate is how long a packet is waited for that another one overtook.
	maxLate = 200 * time.Millisecond
	// maxOvertaken is how many packets wait for it.
	maxOvertaken = 64
)

// reorder gives packets in the order of their numbers.
type reorder struct {
	last  uint64   // number of the latest one given
	held  []Packet // in order
	spare [][]byte // memory
	given []byte   // memory of the latest one given
}

// put takes a packet, which is copied. One that comes too late, or again, is left out.
func (r *reorder) put(p *Packet) {
	at, again := slices.BinarySearchFunc(r.held, p.Seq, func(x Packet, seq uint64) int {
		return cmp.Compare(x.Seq, seq)
	})
	if again || p.Seq <= r.last {
		return
	}
	q := *p
	var mem []byte
	if n := len(r.spare); n > 0 {
		mem, r.spare = r.spare[n-1], r.spare[:n-1]
	}
	q.RTP = append(mem[:0], p.RTP...)
	r.held = slices.Insert(r.held, at, q)
}

// next is the next packet, lent until the call after: the one behind the last, or the first
// of too many, or one that arrived before a time. nil = none.
func (r *reorder) next(before mono.Time) *Packet {
	if r.given != nil {
		r.spare, r.given = append(r.spare, r.given), nil
	}
	if len(r.held) == 0 {
		return nil
	}
	p := r.held[0]
	if p.Seq != r.last+1 && len(r.held) <= maxOvertaken && p.Arrival >= before {
		return nil
	}
	r.held = slices.Delete(r.held, 0, 1)
	r.last, r.given = p.Seq, p.RTP
	return &p
}
