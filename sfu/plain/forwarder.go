package plain

import (
	"encoding/binary"
	"net/netip"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Forward is the destination and input of a Forwarder.
type Forward struct {
	To netip.AddrPort
	// RTCP is where the receiver's feedback comes from; invalid = none.
	RTCP netip.AddrPort

	PayloadType uint8  // 0 = as it came
	SSRC        uint32 // 0 = as it came
	// Encoding is the one to forward as it comes, -1 = the best one, in
	// continuous numbering.
	Encoding int
	// Sealer makes it SRTP. It belongs to the Forwarder.
	Sealer *srtp.Sender
	// Panicked is called when forwarding a packet has panicked, after which nothing
	// is forwarded. The Forwarder must not be closed by it, but soon after.
	Panicked func(r any)
}

// Forwarder sends a track as plain RTP. Header extensions go along as they
// came. Its methods belong to the loop.
type Forwarder struct {
	Forward
	loop  Loop
	track *route.Track
	sub   *route.Subscription // nil: one encoding, as a tap
	held  bool
	dead  bool // has panicked

	// The numbering of a tap: that of the track, which goes on when the sender
	// changes under an SSRC of ours.
	started bool
	run     uint32 // Packet.SSRC of it
	moved   bool   // to another track since the last packet
	ssrc    uint32 // as it came
	delta   uint64 // outgoing = incoming - delta
	next    uint64 // next outgoing number
	floor   uint64 // lowest outgoing number of the run
	clock   uint32 // outgoing timestamp = incoming - clock
	lastTS  uint32
	lastAt  mono.Time

	// Packets and Bytes count sent packets.
	Packets, Bytes uint64
}

// NewForwarder starts to forward a track; nil means that only messages are
// given to Message.
func NewForwarder(now mono.Time, loop Loop, t *route.Track, f Forward) *Forwarder {
	w := &Forwarder{Forward: f, loop: loop, track: t}
	switch {
	case t == nil:
		// Numbers go on from those of an earlier one, as long as that sent no more
		// than a message each millisecond.
		w.next = uint64(uint16(now / mono.Time(time.Millisecond)))
	case f.Encoding < 0:
		w.sub = route.NewSubscription(w)
		w.sub.Once()
	}
	w.listen(now)
	w.Latch()
	return w
}

// listen takes the packets of the track.
func (f *Forwarder) listen(now mono.Time) {
	switch {
	case f.track == nil:
	case f.sub != nil:
		f.sub.Attach(now, f.track)
	default:
		f.track.AddTap(f)
	}
}

// Attach continues with another track of the same kind.
func (f *Forwarder) Attach(now mono.Time, t *route.Track) {
	if t == f.track {
		return
	}
	f.Close()
	f.track, f.moved = t, true
	f.listen(now)
}

// Latch sends two empty packets to where feedback comes from, so that it can
// find its way back.
func (f *Forwarder) Latch() {
	if !f.RTCP.IsValid() {
		return
	}
	for range 2 {
		b := f.loop.Reserve()
		rtp.FixedHeader{}.Put(b)
		f.loop.Commit(f.RTCP, rtp.FixedHeaderLen)
	}
}

// SetPaused stops or resumes the forwarding.
func (f *Forwarder) SetPaused(now mono.Time, paused bool) {
	switch {
	case f.track == nil:
	case f.sub != nil:
		f.sub.SetPaused(now, paused)
	case f.held && !paused:
		f.track.RequestKeyframe(now)
	}
	f.held = paused
}

// RequestKeyframe passes a request of the receiver on.
func (f *Forwarder) RequestKeyframe(now mono.Time) {
	if f.track != nil {
		f.track.RequestKeyframe(now)
	}
}

// KeyframeRequest finds a request for a key frame in RTCP (RFC 4585, 6.3.1; RFC
// 5104, 4.3.1), and the SSRC that it is about.
func KeyframeRequest(b []byte) (ssrc uint32, ok bool) {
	if rtcp.Validate(b) != nil {
		return 0, false
	}
	for it := rtcp.Parse(b); it.Next(); {
		f, isFeedback := it.Packet.Feedback()
		switch {
		case isFeedback && f.IsPLI():
			return f.Media, true
		case isFeedback && f.FIRLen() > 0:
			return f.FIR(0).SSRC, true
		}
	}
	return 0, false
}

// Close ends the forwarding.
func (f *Forwarder) Close() {
	if f.track == nil {
		return
	}
	if f.sub != nil {
		f.sub.Detach()
	} else {
		f.track.RemoveTap(f)
	}
	f.track = nil
}

// Take implements route.Tap.
func (f *Forwarder) Take(p *route.Packet) {
	defer f.guard()
	if f.dead || f.held || int(p.Encoding) != f.Encoding {
		return
	}
	if !f.started || f.moved || p.SSRC != f.run {
		f.base(p)
	}
	seq := p.Seq - f.delta
	if int64(seq) < int64(f.floor) {
		return // from before the run was based
	}
	f.next = max(f.next, seq+1)
	ts := p.Timestamp - f.clock
	if int32(ts-f.lastTS) >= 0 {
		f.lastTS, f.lastAt = ts, p.Arrival
	}
	f.write(p, route.Outgoing{Seq: seq, Timestamp: ts, Marker: p.Marker})
}

// base follows a new run. The first one keeps its numbers, and so does every
// one with an SSRC of its own, for which a receiver starts with rollover counter 0.
// Under one SSRC the numbers continue: none is used twice.
func (f *Forwarder) base(p *route.Packet) {
	ssrc := binary.BigEndian.Uint32(p.Buf.B[8:])
	switch {
	case !f.started || f.SSRC == 0 && ssrc != f.ssrc:
		f.delta, f.clock, f.floor = p.Seq&^0xffff, 0, 0
	default:
		f.delta, f.floor = p.Seq-f.next, f.next
		passed := mono.Ticks(p.Arrival.Sub(f.lastAt), f.track.ClockRate)
		f.clock = p.Timestamp - (f.lastTS + uint32(max(passed, 1)))
	}
	f.lastTS, f.lastAt = p.Timestamp-f.clock, p.Arrival
	f.started, f.moved, f.run, f.ssrc = true, false, p.SSRC, ssrc
}

// Skip implements route.Tap: a number that carries nothing is a gap.
func (f *Forwarder) Skip(*route.Packet) {}

// Changed implements route.Tap.
func (f *Forwarder) Changed(*route.Track) {}

// Ended implements route.Tap.
func (f *Forwarder) Ended() { f.track = nil }

// Send implements route.Sink.
func (f *Forwarder) Send(_ mono.Time, p *route.Packet, o route.Outgoing) {
	defer f.guard()
	if !f.dead {
		f.write(p, o)
	}
}

// guard keeps a panic of this Forwarder from ending the track for everybody.
func (f *Forwarder) guard() {
	if r := recover(); r != nil {
		f.dead = true
		f.Panicked(r)
	}
}

// Tick needs nothing.
func (f *Forwarder) Tick(mono.Time) {}

// Fill implements route.Sink: plain RTP has no use for padding.
func (f *Forwarder) Fill(mono.Time, *route.Packet, route.Outgoing) {}

// LayerChanged implements route.Sink.
func (f *Forwarder) LayerChanged(_, _ media.Layer) {}

// write sends one packet with its header as it came, except for the changes in o.
func (f *Forwarder) write(p *route.Packet, o route.Outgoing) {
	b := f.loop.Reserve()
	head, size := int(p.Off), int(p.Off)+int(p.Len)
	if copy(b, p.Buf.B[:size]) < size {
		f.loop.Drop(media.DropOversize)
		return
	}
	pt := p.PayloadType
	if f.PayloadType != 0 {
		pt = f.PayloadType
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	if f.SSRC != 0 {
		ssrc = f.SSRC
	}
	first := b[0] & 0x1f // extension bit and CSRC count stay, padding is gone
	rtp.FixedHeader{Marker: o.Marker, PayloadType: pt, SequenceNumber: uint16(o.Seq), Timestamp: o.Timestamp, SSRC: ssrc}.Put(b)
	b[0] |= first
	if o.Rewrite {
		p.VP8.Rewrite(b[head:size], o.PictureID, o.TL0)
	}
	if f.Sealer != nil {
		var err error
		if size, err = f.Sealer.SealRTP(b, head, b[head:size], uint32(o.Seq>>16)); err != nil {
			f.loop.Drop(media.DropOversize)
			return
		}
	}
	f.loop.Commit(f.To, size)
	f.Packets++
	f.Bytes += uint64(size)
}

// Message sends a datagram of its own, such as a message of a data channel. With
// an SSRC it is made to look like RTP: its header has payload type 1 for binary
// data and 0 for text.
func (f *Forwarder) Message(now mono.Time, binary bool, payload []byte) {
	b := f.loop.Reserve()
	n := 0
	if f.SSRC != 0 {
		pt := uint8(dataText)
		if binary {
			pt = dataBinary
		}
		rtp.FixedHeader{PayloadType: pt, SequenceNumber: uint16(f.next), Timestamp: uint32(now / mono.Time(time.Millisecond)), SSRC: f.SSRC}.Put(b)
		f.next++
		n = rtp.FixedHeaderLen
	}
	size := n + copy(b[n:], payload)
	if size < n+len(payload) {
		f.loop.Drop(media.DropOversize)
		return
	}
	if f.Sealer != nil && n > 0 {
		var err error
		if size, err = f.Sealer.SealRTP(b, n, b[n:size], uint32((f.next-1)>>16)); err != nil {
			f.loop.Drop(media.DropOversize)
			return
		}
	}
	f.loop.Commit(f.To, size)
}
