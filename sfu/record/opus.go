package record

import (
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/mono"
	"bifrons/rtp/mux"
)

// Opus is the Format of Opus in Ogg (RFC 7845), of one track. Payloads are
// left as they are; lost packets are gaps in the granule positions.
type Opus struct {
	// App is the program that writes.
	App string

	out    mux.Writer
	frames *frame.Assembler
	first  uint64 // timestamp of the first frame, 0 before
	order  order
	dst    []byte // while packets are laid out
}

// Begin implements Format.
func (o *Opus) Begin(dst []byte, wall time.Time) []byte {
	o.frames = frame.New(frame.Opus)
	o.out, _ = mux.NewOgg(mux.Info{App: o.App, Date: wall, Tracks: []mux.Track{{Codec: frame.Opus}}}) // these fit
	return o.out.Header(dst)
}

// Packet implements Format.
func (o *Opus) Packet(dst []byte, p *Packet) []byte {
	o.dst = dst
	o.order.take(p, o.write)
	return o.laidOut()
}

// write lays out a packet that is in order.
func (o *Opus) write(p *Packet) {
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
		o.dst = o.out.Append(o.dst, &mux.Sample{
			Time: opusTime(f.Timestamp - min(o.first, f.Timestamp)), Duration: opusTime(uint64(samples)), Key: true, Data: f.Data,
		})
	}
}

// laidOut is the data laid out so far.
func (o *Opus) laidOut() (dst []byte) {
	dst, o.dst = o.dst, nil
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
	o.dst = dst
	o.order.expire(now, o.write)
	return o.out.Flush(o.laidOut()), -1
}

// End implements Format.
func (o *Opus) End(dst []byte) (rest []byte, patches []Patch) {
	o.dst = dst
	o.order.flush(o.write)
	dst, _ = o.out.End(o.laidOut()) // Ogg has no patches
	return dst, nil
}
