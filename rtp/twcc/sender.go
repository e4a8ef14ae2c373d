package twcc

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// sendWindow is how many of the last packets sent are remembered; it must be a
// power of two.
const sendWindow = 2048

// What is known about a packet sent.
const (
	inFlight = iota + 1
	reportedLost
	reportedReceived
)

// Sample is what feedback says about one packet.
type Sample struct {
	Seq      uint16
	Lost     bool          // not received yet; a later feedback may report it received after all
	Size     int           // bytes, as given to Sent
	Sent     mono.Time     // on our clock
	Received time.Duration // on the peer's clock, from an arbitrary start; 0 if Lost
}

// Sender numbers the packets of one transport and, if it is asked to, remembers
// when they left. The zero Sender is ready for use; its first number is 1.
type Sender struct {
	last uint64            // number of the last packet that was sent, 0 = none yet
	sent *[sendWindow]sent // nil until Remember

	refUnits int64 // last reference time, unwrapped
	started  bool
}

// sent is one packet's record, in 8 bytes.
type sent struct {
	at    uint32 // microseconds modulo 2^32
	size  uint16
	state uint8
}

// Remember makes it remember what is sent from now on, which Feedback needs and
// takes 16 KB.
func (s *Sender) Remember() {
	if s.sent == nil {
		s.sent = new([sendWindow]sent)
	}
}

// Next returns the transport-wide sequence number of the next packet. It stays
// the same until Sent: a packet that is not sent after all leaves no gap, which
// the peer would report as a loss.
func (s *Sender) Next() uint16 { return uint16(s.last + 1) }

// Sent notes that a packet of size bytes left now, with the number that Next
// returned. Sizes above 65535 count as that.
func (s *Sender) Sent(now mono.Time, size int) {
	s.last++
	if s.sent != nil {
		s.sent[s.last%sendWindow] = sent{at: micros(now), size: uint16(min(max(size, 0), 1<<16-1)), state: inFlight}
	}
}

// Feedback appends to dst a sample for each remembered packet that t reports for
// the first time, or as received after it was reported lost, in order of sequence
// numbers; packets older than the last 2048 are passed over. No more are appended
// than dst has capacity for, so that MaxSamples is room enough for any feedback.
//
// rtt is how long before now the sampled packet that arrived last was sent: the
// round-trip time plus however long the peer held its feedback back. It is 0
// if no packet is newly received.
func (s *Sender) Feedback(now mono.Time, t *rtcp.TWCC, dst []Sample) (samples []Sample, rtt time.Duration) {
	if t.Count > sendWindow {
		return dst, 0 // nobody's feedback: it would cover more than we know of
	}
	epoch := s.reference(t.Reference) - int64(t.Reference)
	latest := int64(-1 << 63)
	for it := t.Statuses(); it.Next() && len(dst) < cap(dst); {
		r := s.find(it.Seq)
		if r == nil || r.state == reportedReceived || r.state == reportedLost && !it.Received {
			continue
		}
		sample := Sample{Seq: it.Seq, Lost: !it.Received, Size: int(r.size), Sent: r.time(now)}
		r.state = reportedLost
		if it.Received {
			r.state = reportedReceived
			sample.Received = time.Duration(epoch)*rtcp.TWCCReference + time.Duration(it.Ticks)*rtcp.TWCCTick
			if it.Ticks >= latest {
				latest, rtt = it.Ticks, now.Sub(sample.Sent)
			}
		}
		dst = append(dst, sample)
	}
	return dst, rtt
}

// MaxSamples is the most samples that one feedback yields.
const MaxSamples = sendWindow

// find returns the record of a number among the last sent, nil if there is none.
func (s *Sender) find(seq uint16) *sent {
	back := uint64(uint16(s.last) - seq) // how many were sent after it
	if s.sent == nil || back >= sendWindow || back >= s.last {
		return nil
	}
	r := &s.sent[(s.last-back)%sendWindow]
	if r.state == 0 { // from before Remember
		return nil
	}
	return r
}

// reference unwraps a 24-bit reference time, in its units, by its distance from
// the one before.
func (s *Sender) reference(ref uint32) int64 {
	if !s.started {
		// One lap up, so that times slightly before stay positive.
		s.started, s.refUnits = true, 1<<24+int64(ref)
	}
	s.refUnits += int64(int32((ref-uint32(s.refUnits))<<8) >> 8)
	return s.refUnits
}

func micros(t mono.Time) uint32 { return uint32(int64(t) / int64(time.Microsecond)) }

// time returns when the packet was sent, which was less than an hour ago, to
// the microsecond.
func (r *sent) time(now mono.Time) mono.Time {
	age := time.Duration(micros(now)-r.at) * time.Microsecond
	return now - now%mono.Time(time.Microsecond) - mono.Time(age)
}
