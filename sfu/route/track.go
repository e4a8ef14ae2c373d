package route

import (
	"math"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// Track is the media that one section of a peer, or one track of a source, receives: one medium
// with its encodings.
type Track struct {
	Kind      media.Kind
	ClockRate uint32 // Hz
	Simulcast bool
	SVC       bool
	Encrypted bool
	Replica   bool // its packets come from another track, as they are
	// Keyframe asks the origin for a key frame. It may be called for every
	// packet: the origin throttles.
	Keyframe func(now mono.Time)
	// Ask has the origin look at Demand; nil if its rate cannot be changed.
	Ask func(now mono.Time)
	// Keep says how much from the latest key frame on is kept for new
	// subscriptions. Not for tracks with several encodings.
	Keep Keep

	reports   [media.MaxEncodings]Report
	start     start
	rates     rates
	caches    [media.MaxEncodings]Cache
	encodings int
	subs      []*Subscription
	taps      []Tap
	pending   []*Packet
	next      int // of pending: those before were given to the subscription at hand
	preloaded uint64
}

// Tap takes the packets of a track elsewhere, such as to another shard. Packets
// are lent; a Tap that keeps one retains its buffer.
type Tap interface {
	Take(p *Packet)
	Skip(p *Packet)
	// Changed reports other properties of the track.
	Changed(t *Track)
	// Ended reports that nothing will come any more.
	Ended()
}

const (
	// keep is how long a packet can be asked for again.
	keep = mono.Time(time.Second)
	// keepBriefly is how long one is kept that nobody can ask for: longer than it
	// waits for a Flush.
	keepBriefly = mono.Time(50 * time.Millisecond)
)

// Report is the latest sender report of an encoding (RFC 3550, 6.4.1): its media
// timestamp at a time of the sender's wall clock. At is 0 if there was none.
type Report struct {
	SSRC      uint32
	Timestamp uint32
	NTP       uint64 // 32.32 fixed point seconds since 1900
	At        mono.Time
}

// Reported takes note of a sender report of an encoding.
func (t *Track) Reported(encoding int, r Report) { t.reports[encoding] = r }

// Report is the latest one of an encoding.
func (t *Track) Report(encoding uint8) Report { return t.reports[encoding] }

// RequestKeyframe asks the origin for a key frame of all encodings.
func (t *Track) RequestKeyframe(now mono.Time) {
	if t.Kind == media.Video && t.Keyframe != nil {
		t.Keyframe(now)
	}
}

// Subscriptions returns the number of subscriptions.
func (t *Track) Subscriptions() int { return len(t.subs) }

// AddTap makes tap take all further packets.
func (t *Track) AddTap(tap Tap) { t.taps = append(t.taps, tap) }

// RemoveTap ends that.
func (t *Track) RemoveTap(tap Tap) {
	for i := range t.taps {
		if t.taps[i] == tap {
			t.taps = append(t.taps[:i], t.taps[i+1:]...)
			return
		}
	}
}

// Changed has to follow a change of the track's properties.
func (t *Track) Changed() {
	for _, tap := range t.taps {
		tap.Changed(t)
	}
}

// Push takes a packet. It is forwarded by the next Flush; first reports that
// nothing was waiting before, so that the caller schedules that Flush.
func (t *Track) Push(p Packet) (first bool) {
	first = len(t.pending) == 0
	t.rates.count(t, &p)
	t.encodings = max(t.encodings, int(p.Encoding)+1)
	if t.Keep != (Keep{}) && t.Kind == media.Video && !t.Simulcast {
		t.start.add(&p, t.Keep)
	}
	keep := t.keeps()
	if len(t.pending) >= minCache { // they must not make way for it, however old they are
		keep = math.MaxInt64
	}
	t.pending = append(t.pending, t.caches[p.Encoding].Put(p, keep))
	return first
}

// keeps is how long packets are kept now. Besides those who can ask for packets, one that
// has yet to begin needs what follows a key frame whose start is late.
func (t *Track) keeps() mono.Time {
	if t.Simulcast || t.Replica {
		return keep
	}
	for _, s := range t.subs {
		if !s.once || !s.open {
			return keep
		}
	}
	return keepBriefly
}

// Skip reports that a sequence number was received but carries nothing, so that
// it leaves no gap. p is lent: it has no payload.
func (t *Track) Skip(now mono.Time, p *Packet) {
	t.Flush(now)
	for _, tap := range t.taps {
		tap.Skip(p)
	}
	for _, s := range t.subs {
		if s.flows() && !s.rebase && p.SSRC == s.ssrc && p.Encoding == s.encoding {
			if seq, fill := s.num.skip(p.Seq); fill {
				s.sink.Fill(now, p, Outgoing{Seq: seq, Timestamp: p.Timestamp - s.tsDelta})
			}
		}
	}
}

// Flush forwards the pushed packets. Subscriptions are the outer loop: all packets
// for one destination follow each other, which makes long GSO runs.
func (t *Track) Flush(now mono.Time) {
	if t.Kind == media.Video && !t.Replica {
		even(t.pending)
	}
	for _, tap := range t.taps {
		for _, p := range t.pending {
			tap.Take(p)
		}
	}
	for i, s := range t.subs {
		if i%PreloadGroup == 0 {
			t.preloaded += preload(t.subs[i:min(i+PreloadGroup, len(t.subs))])
		}
		t.next = 0
		for _, p := range t.pending {
			t.next++
			s.arrive(now, p)
		}
	}
	clear(t.pending)
	t.pending, t.next = t.pending[:0], 0
}

const (
	// holdTime is how long the beginning of a frame may wait for its end.
	holdTime = mono.Time(time.Millisecond)
	// holdFrom is for how many subscriptions that is worth a thought.
	holdFrom = 8
	// holdMost is how many packets wait at most.
	holdMost = 64
)

// HoldUntil says until when the Flush of pushed packets should wait for the
// rest of a frame, 0 if it should not: the frame cannot be shown before its last
// packet, and to many destinations a whole frame is cheaper than two parts.
func (t *Track) HoldUntil(now mono.Time) mono.Time {
	n := len(t.pending)
	if t.Kind != media.Video || len(t.subs) < holdFrom || n == 0 || n >= holdMost || t.pending[n-1].Marker {
		return 0
	}
	if until := t.pending[0].Arrival + holdTime; until > now {
		return until
	}
	return 0
}

// Follows reports whether anybody gets an encoding forwarded.
func (t *Track) Follows(encoding int) bool {
	for _, s := range t.subs {
		if s.open && s.flows() && int(s.encoding) == encoding {
			return true
		}
	}
	return len(t.taps) > 0
}

// Awaited reports whether anybody gets the packets who minds when they come.
func (t *Track) Awaited() bool {
	for _, s := range t.subs {
		if !s.patient && !s.paused {
			return true
		}
	}
	return len(t.taps) > 0
}

// waits reports whether a packet has yet to be given to the subscription at hand.
func (t *Track) waits(p *Packet) bool {
	for _, q := range t.pending[t.next:] {
		if q.Seq == p.Seq && q.Encoding == p.Encoding {
			return true
		}
	}
	return false
}

// maxPad is how many bytes a packet may grow to be as long as another one.
const maxPad = 16

// even gives packets of one frame one size by padding (RFC 3550, 5.1), as far as
// they differ by little: those of one size that follow each other leave as one
// message. The padding is the same for all subscriptions, so it is written here.
func even(list []*Packet) {
	for len(list) > 1 {
		n, most := 1, list[0].Len
		for n < len(list) && list[n].Timestamp == list[0].Timestamp && list[n].SSRC == list[0].SSRC {
			most = max(most, list[n].Len)
			n++
		}
		for _, p := range list[:n] {
			if d := most - p.Len; d > 0 && d <= maxPad && int(p.Off+most) <= len(p.Buf.B) && !p.Buf.Shared() {
				p.Pad = uint8(d)
				b := p.Padded()[p.Len:]
				clear(b)
				b[d-1] = byte(d)
			}
		}
		list = list[n:]
	}
}

// Find returns the cached packet of an encoding by the low bits of its
// sequence number, nil if it is gone; lent until the next Push.
func (t *Track) Find(encoding uint8, seq uint16) *Packet {
	if p := t.caches[encoding].Get(seq); p != nil {
		return p
	}
	return t.start.find(seq)
}

// Expire releases packets that nobody can ask for any more. A packet that waits for a Flush may have
// come long ago, and stays.
func (t *Track) Expire(now mono.Time) {
	if len(t.pending) > 0 {
		return
	}
	for i := range t.caches {
		t.caches[i].Expire(now - t.keeps())
	}
}

// Forget releases all packets, including those that wait for a Flush.
func (t *Track) Forget() {
	t.start.reset()
	clear(t.pending)
	t.pending = t.pending[:0]
	for i := range t.caches {
		t.caches[i].Reset()
	}
}

// Close releases all packets and detaches all subscriptions and taps. Packets
// pushed since the last Flush are lost.
func (t *Track) Close() {
	taps := t.taps
	t.taps = nil
	for _, tap := range taps {
		tap.Ended()
	}
	for len(t.subs) > 0 {
		t.subs[0].Detach()
	}
	t.Forget()
}
