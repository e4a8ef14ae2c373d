// Package pipe carries the packets of a track from its shard to a goroutine, such as
// that of a recorder or a mixer.
package pipe

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/ring"
	"bifrons/sfu/route"
)

// Size is how many packets wait for the consumer usually at most: what 10 Mbit/s of video
// has in half a second.
const Size = 512

// Pipe is the sink of a subscription whose packets a goroutine takes, the consumer,
// which looks in from time to time. The shard never waits for it and never wakes it:
// packets that find the pipe full are lost and counted.
type Pipe struct {
	drop func(media.Drop)
	ring ring.Ring[item]
	lost atomic.Uint64
	over atomic.Bool // nothing will be put in any more

	// Touched by the shard only.
	sub      *route.Subscription
	reported [media.MaxEncodings]route.Report // that the consumer knows of
}

// item is a packet or a sender report, as it waits.
type item struct {
	buf       *pktbuf.Buf // nil: a report, or nothing under a number
	seq       uint64      // NTP time of a report
	at        mono.Time
	timestamp uint32
	source    uint32
	ssrc      uint32
	head, end uint16
	pictureID uint16
	tl0       uint8
	pt        uint8
	flags     uint8
}

const (
	flagMarker = 1 << iota
	flagKeyframe
	flagRewrite
	flagFill
)

// Packet is one packet, with the numbers of the subscription. They continue across changes of
// layers and SSRCs.
type Packet struct {
	Data      []byte // header, extensions as they came, payload; no padding. Lent until the next Next
	Head      int    // where the payload begins in Data
	Seq       uint64 // extended
	Timestamp uint32
	Marker    bool
	Keyframe  bool // start of a key frame, as far as the engine could look into it
	Arrival   mono.Time

	// As received: the values that sender reports refer to.
	SSRC   uint32
	Source uint32 // timestamp

	Fill   bool   // no packet: nothing comes under Seq, of Timestamp, though it was left free
	Report bool   // no packet but a sender report of SSRC (RFC 3550, 6.4.1): Source at NTP, which Arrival is the arrival of
	NTP    uint64 // 32.32 fixed point seconds since 1900
}

// New makes a Pipe with room for size packets that takes nothing yet. drop counts, on the
// shard, the packets it loses.
func New(size int, drop func(media.Drop)) *Pipe {
	p := &Pipe{drop: drop}
	p.ring.Make(size)
	p.sub = route.NewSubscription(p)
	p.sub.Once()
	return p
}

// Patient says, before Attach, that the consumer does not mind if packets come some ms
// later.
func (p *Pipe) Patient() { p.sub.Patient() }

// Attach makes it take the best layers of a track, unless another choice was made. It belongs to
// the shard, like the methods up to Cut.
func (p *Pipe) Attach(now mono.Time, t *route.Track) {
	if !p.over.Load() {
		p.sub.Attach(now, t)
	}
}

// TakeLowest makes it take the lowest encoding that is sent instead of the best.
func (p *Pipe) TakeLowest(now mono.Time) {
	p.sub.SetTarget(now, media.Layer{Encoding: 0, Spatial: -1, Temporal: -1}, 0)
}

// SetPaused stops or resumes it. Numbers and timestamps continue.
func (p *Pipe) SetPaused(now mono.Time, paused bool) { p.sub.SetPaused(now, paused) }

// RequestKeyframe asks for a key frame.
func (p *Pipe) RequestKeyframe(now mono.Time) {
	if t := p.sub.Track(); t != nil {
		t.RequestKeyframe(now)
	}
}

// Cut ends it: packets that have arrived by now are the last.
func (p *Pipe) Cut(now mono.Time) {
	if t := p.sub.Track(); t != nil {
		t.Flush(now)
	}
	p.sub.Detach()
	p.over.Store(true)
}

// Abandon is Cut for when the shard has ended.
func (p *Pipe) Abandon() { p.over.Store(true) }

// Send implements route.Sink.
func (p *Pipe) Send(_ mono.Time, q *route.Packet, o route.Outgoing) {
	p.report(q)
	if p.full() {
		return
	}
	it := item{
		buf: q.Buf.Retain(), seq: o.Seq, at: q.Arrival, timestamp: o.Timestamp, source: q.Timestamp, ssrc: q.SSRC,
		head: q.Off, end: q.Off + q.Len, pt: q.PayloadType, pictureID: o.PictureID, tl0: o.TL0,
	}
	it.set(flagMarker, o.Marker)
	it.set(flagKeyframe, q.Info.Keyframe)
	it.set(flagRewrite, o.Rewrite)
	p.ring.Put(&it)
}

// report puts in the values of the latest sender report, once.
func (p *Pipe) report(q *route.Packet) {
	r := p.sub.Track().Report(q.Encoding)
	if r.At == 0 || r == p.reported[q.Encoding] || p.full() {
		return
	}
	p.reported[q.Encoding] = r
	p.ring.Put(&item{seq: r.NTP, at: r.At, source: r.Timestamp, ssrc: r.SSRC})
}

func (p *Pipe) full() bool {
	if !p.ring.Full() {
		return false
	}
	p.lost.Add(1)
	p.drop(media.DropPipe)
	return true
}

// Fill implements route.Sink: it says that a packet is not missing.
func (p *Pipe) Fill(_ mono.Time, q *route.Packet, o route.Outgoing) {
	if p.full() {
		return
	}
	it := item{seq: o.Seq, at: q.Arrival, timestamp: o.Timestamp, source: q.Timestamp, ssrc: q.SSRC}
	it.set(flagFill, true)
	p.ring.Put(&it)
}

// LayerChanged implements route.Sink.
func (p *Pipe) LayerChanged(_, _ media.Layer) {}

func (it *item) set(flag uint8, on bool) {
	if on {
		it.flags |= flag
	}
}

// Next takes the next packet, in order of arrival; scratch is memory for it, which is
// returned to be given again. It belongs to the consumer, like Over and Empty.
func (p *Pipe) Next(scratch []byte, q *Packet) (mem []byte, ok bool) {
	if p.ring.Waiting() == 0 {
		return scratch, false
	}
	it := *p.ring.Front()
	p.ring.Shift()
	*q = Packet{
		Head: int(it.head), Seq: it.seq, Timestamp: it.timestamp, Arrival: it.at, SSRC: it.ssrc, Source: it.source,
		Marker: it.flags&flagMarker != 0, Keyframe: it.flags&flagKeyframe != 0,
	}
	if q.Fill = it.flags&flagFill != 0; q.Fill {
		return scratch, true
	}
	if it.buf == nil {
		q.Report, q.NTP, q.Seq = true, it.seq, 0
		return scratch, true
	}
	scratch = append(scratch[:0], it.buf.B[:it.end]...)
	it.buf.Release()
	it.number(scratch)
	q.Data = scratch
	return scratch, true
}

// number writes the numbers of the subscription over those of the packet.
func (it *item) number(b []byte) {
	first := b[0] & 0x1f // extension bit and CSRC count stay, padding is gone
	rtp.FixedHeader{
		Marker: it.flags&flagMarker != 0, PayloadType: it.pt, SequenceNumber: uint16(it.seq & math.MaxUint16),
		Timestamp: it.timestamp, SSRC: binary.BigEndian.Uint32(b[8:]),
	}.Put(b)
	b[0] |= first
	if it.flags&flagRewrite == 0 {
		return
	}
	var d codec.VP8
	if d.Parse(b[it.head:]) == nil {
		d.Rewrite(b[it.head:], it.pictureID, it.tl0)
	}
}

// Lost is how many packets there was no room for, from any goroutine.
func (p *Pipe) Lost() uint64 { return p.lost.Load() }

// Ended reports that nothing will be put in any more.
func (p *Pipe) Ended() bool { return p.over.Load() }

// Over reports that nothing is left, and nothing will come any more.
func (p *Pipe) Over() bool { return p.over.Load() && p.ring.Waiting() == 0 }

// Empty gives back the waiting packets. Cut came before.
func (p *Pipe) Empty() {
	for p.ring.Waiting() > 0 {
		if b := p.ring.Front().buf; b != nil {
			b.Release()
		}
		p.ring.Shift()
	}
}
