package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"math/rand/v2"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/nack"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// Output has the packets of one receiver.
type Output struct {
	Receiver Receiver
	Records  []Record
	Digest   string // of all bytes that were sent to it, but for the time of day in reports
	Lost     int    // packets that its network lost
	Asked    int    // sequence numbers that it asked for again
	lost     map[lostNumber]int
}

// lostNumber is a packet that was lost.
type lostNumber struct {
	section int
	number  int64
}

// Record is one packet or event at a receiver.
type Record struct {
	At      time.Duration // since the capture's begin
	Section int
	Kind    Kind
	Number  int64 // extended sequence number, of the repeated packet for RTX
	Size    int   // of the RTP packet without encryption
	View    View
	Layer   media.Layer // of a LayerChange
	Asked   bool        // the receiver had asked for it
}

// Kind is the kind of a record.
type Kind uint8

// The kinds of records.
const (
	Media       Kind = iota
	Repeated         // by RTX
	Padding          // nothing but padding
	LayerChange      // the engine reports another layer
)

// receiver is a client that takes everything down.
type receiver struct {
	*client
	out      *Output
	sections map[uint32]*receiverSection // by SSRC, those of RTX included
	begin    mono.Time
	random   *rand.Rand
	digest   hash.Hash
	now      func() mono.Time
	scratch  [64]uint16
}

// receiverSection is the state of a section at the receiver.
type receiverSection struct {
	media.Section
	own    uint32 // the receiver's SSRC for feedback
	number order
	nack   nack.Generator
	asked  map[int64]bool
	dd     codec.DDState
}

func newReceiver(c *client, spec Receiver, sections []media.Section, seed uint64, now func() mono.Time) *receiver {
	r := &receiver{
		client: c, out: &Output{Receiver: spec, lost: map[lostNumber]int{}}, sections: map[uint32]*receiverSection{},
		random: rand.New(rand.NewPCG(seed, 3)), digest: sha256.New(), now: now,
	}
	for i := range sections {
		s := &receiverSection{Section: sections[i], own: uint32(1000 + i), asked: map[int64]bool{}}
		r.sections[s.SSRC] = s
		if s.RTXSSRC != 0 {
			r.sections[s.RTXSSRC] = s
		}
	}
	c.onRTP, c.onRTCP, c.due, c.tick = r.media, r.control, r.due0, r.ask
	return r
}

// roundTrip is the receiver's idea of the round-trip time.
const roundTrip = 20 * time.Millisecond

// delay is how long packets take to the receiver.
func (r *Receiver) delay() time.Duration {
	if r.Loss > 0 {
		return roundTrip / 2
	}
	return 0
}

func (r *receiver) due0() mono.Time {
	due := mono.Never
	for _, s := range r.sections {
		due = min(due, s.nack.Deadline())
	}
	return due
}

// ask requests missing packets again.
func (r *receiver) ask(now mono.Time) {
	for _, ssrc := range r.order() {
		s := r.sections[ssrc]
		if ssrc != s.SSRC || !s.NACK {
			continue
		}
		lost := s.nack.Due(now, roundTrip, r.scratch[:0])
		if len(lost) == 0 {
			continue
		}
		r.out.Asked += len(lost)
		for _, n := range lost {
			s.asked[s.number.near(n)] = true
		}
		b, err := r.sealRTCP(rtcp.AppendNACK(nil, rtcp.Ends{Sender: s.own, Media: s.SSRC}, lost))
		if err != nil {
			r.err = err
			return
		}
		r.send(b)
	}
}

// order returns the SSRCs in an order that is the same in every run.
func (r *receiver) order() []uint32 {
	list := make([]uint32, 0, len(r.sections))
	for ssrc := range r.sections {
		list = append(list, ssrc)
	}
	sortSSRCs(list)
	return list
}

// hash takes bytes into the digest, with their length.
func (r *receiver) hash(b []byte) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(b)))
	r.digest.Write(n[:])
	r.digest.Write(b)
}

// control takes RTCP. The time of day differs from run to run.
func (r *receiver) control(_ mono.Time, b []byte) {
	for it := rtcp.Parse(b); it.Next(); {
		if _, ok := it.Packet.SenderReport(); ok {
			clear(it.Packet.Body[4:12])
		}
	}
	r.hash(b)
}

// media takes an RTP packet.
func (r *receiver) media(now mono.Time, b []byte) {
	r.hash(b)
	var h rtp.Header
	if r.err = h.Parse(b); r.err != nil {
		return
	}
	s := r.sections[h.SSRC]
	if s == nil {
		r.err = errUnknownSSRC
		return
	}
	if r.out.Receiver.Loss > 0 && r.random.Float64() < r.out.Receiver.Loss {
		r.lose(s, &h, b)
		return
	}
	b, err := r.openRTP(&h, b)
	if errors.Is(err, srtp.ErrReplay) && s.asked[s.number.near(h.SequenceNumber)] {
		return // the packet itself came after it was asked for
	}
	if r.err = err; err != nil {
		return
	}
	rec := Record{At: now.Sub(r.begin), Section: s.Index, Size: len(b)}
	if h.SSRC == s.RTXSSRC {
		c, _, _ := codecOf(&s.Section, h.PayloadType)
		n, err := rtp.UnwrapRTX(b, &h, c.PayloadType, s.SSRC)
		if err != nil {
			r.err = err
			return
		}
		b, rec.Kind = b[:n], Repeated
	}
	rec.Number = s.number.extend(h.SequenceNumber)
	rec.Asked = s.asked[rec.Number]
	s.nack.Receive(now, h.SequenceNumber)
	rec.View = view(&s.Section, &h, b, &s.dd)
	if len(rec.View.Payload) == 0 && rec.Kind == Media {
		rec.Kind = Padding
	}
	r.out.Records = append(r.out.Records, rec)
}

// lose takes note of a packet that does not arrive.
func (r *receiver) lose(s *receiverSection, h *rtp.Header, b []byte) {
	r.out.Lost++
	seq := h.SequenceNumber
	if h.SSRC == s.RTXSSRC {
		b, err := r.openRTP(h, b)
		if err != nil {
			r.err = err
			return
		}
		payload, _ := h.Payload(b)
		seq, _, _ = rtp.OriginalSequence(payload)
	}
	r.out.lost[lostNumber{s.Index, s.number.near(seq)}]++
}

// host stands outside a peer of the engine, and reports what its receiver
// cannot see.
type host struct{ receiver *receiver }

var _ interface {
	StartDTLS(dtls.Role, dtls.Fingerprints) peer.DTLS
} = host{}

// Emit implements shard.Host.
func (h host) Emit(ev peer.Event) {
	if r := h.receiver; r != nil && ev.Kind == peer.EventLayer {
		r.out.Records = append(r.out.Records, Record{
			At: r.now().Sub(r.begin), Section: ev.Section, Kind: LayerChange, Layer: ev.Layer,
		})
	}
}

// StartDTLS implements shard.Host: keys are given.
func (h host) StartDTLS(dtls.Role, dtls.Fingerprints) peer.DTLS { return handshake{} }

// handshake is one that never ends by itself.
type handshake struct{}

func (handshake) Deliver([]byte) dtls.Verdict { return dtls.Delivered }
func (handshake) Rest()                       {}
func (handshake) Close()                      {}
