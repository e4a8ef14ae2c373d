package sfu

import (
	"slices"
	"sync/atomic"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// Who hears a mix and loses packets on the way is sent each frame twice, in redundant audio
// (RFC 2198), if that was agreed on. It costs those who lose nothing neither packets nor bytes.

const (
	// A listener is sent redundancy when its reports show more than lossBegins, in the
	// mean of some, until they show less than lossEnds.
	lossBegins, lossEnds = 0.01, 0.0025
	lossReports          = 4
)

// way is the way to an ear. It belongs to the shard.
type way struct {
	core  *peer.Peer
	shard *outShard
	src   *Source
	hears int     // stream
	twice bool    // it gets that with redundancy
	lost  float64 // share of the packets
}

// lossy are the ears of a shard that need redundancy.
type lossy struct {
	any  atomic.Bool // there are some
	ears []*ear      // belongs to the shard
}

// trackIndex is where sources have a stream, with redundancy or without.
func trackIndex(stream int, twice bool) int {
	if twice {
		return 2*stream + 1
	}
	return 2 * stream
}

// redundantTrack describes a stream with redundancy.
var redundantTrack = TrackConfig{Kind: media.Audio, Codec: media.Codec{Name: media.RED, PayloadType: 101, ClockRate: 48000}}

// innerOpus is the payload type of Opus inside redundancy, which is built once for all: the
// one that browsers have.
const innerOpus = 111

// takes reports whether redundancy can be sent.
func (e *ear) takes() bool {
	c := e.way.core
	return c.Takes(e.section, media.RED, 0) && c.Takes(e.section, media.Opus, innerOpus)
}

// largestRED is the size of a payload with redundancy at most, as it is with browsers.
const largestRED = 1200

// redundant appends the packet that was built last, with the one sent so much earlier in it.
func (s *outStream) redundant(b, payload []byte, before uint32) []byte {
	const opus = innerOpus
	b = append(b, make([]byte, rtp.FixedHeaderLen)...)
	rtp.FixedHeader{PayloadType: redundantTrack.Codec.PayloadType, SequenceNumber: s.seq, Timestamp: s.time, SSRC: mixSSRC}.Put(b)
	n := len(s.said)
	const header, most = 4, 1<<10 - 1
	if n == 0 || n > most || before >= 1<<14 || header+n+1+len(payload) > largestRED {
		b = append(b, opus)
	} else {
		b = append(b, 0x80|opus, byte(before>>6), byte(before<<2)|byte(n>>8), byte(n), opus)
		b = append(b, s.said...)
	}
	return append(b, payload...)
}

// hear makes an ear get a stream of a source on its shard, after the packets of the one that
// it got before.
func (e *ear) hear(sh *outShard, src *Source, stream int) {
	e.peer.do(func(now mono.Time, c *peer.Peer) {
		w := &e.way
		if w.core == nil {
			c.WatchLoss(e.section, e.lose)
		}
		w.core, w.shard, w.src, w.hears = c, sh, src, stream
		e.attach(now)
	})
}

// stop ends hear, unless the section gets something else by now, as it does when its peer
// has gone on to another conference.
func (e *ear) stop(sh *outShard) {
	e.peer.do(func(now mono.Time, c *peer.Peer) {
		if e.hears() {
			c.WatchLoss(e.section, nil)
			c.Unsubscribe(e.section)
		}
		sh.lossy.remove(e)
		e.way = way{}
	})
}

// hears reports whether the section gets the stream of its ear.
func (e *ear) hears() bool {
	w := &e.way
	if w.core == nil {
		return false
	}
	sub := w.core.Subscription(e.section)
	return sub != nil && sub.Track() != nil && sub.Track() == w.src.track(trackIndex(w.hears, w.twice))
}

// attach makes the section get its stream.
func (e *ear) attach(now mono.Time) {
	w := &e.way
	sub := w.core.Subscription(e.section)
	if sub == nil {
		return
	}
	sub.Expect() // the previous wish has lapsed
	if was := sub.Track(); was != nil {
		was.Flush(now)
	}
	if t := w.src.track(trackIndex(w.hears, w.twice)); t != nil {
		sub.SetPaused(now, false)
		sub.Attach(now, t)
	}
}

// lose takes a report of losses on the way.
func (e *ear) lose(_ mono.Time, lost float64) {
	w := &e.way
	if w.shard == nil {
		return
	}
	w.lost += (lost - w.lost) / lossReports
	there := slices.Contains(w.shard.lossy.ears, e)
	switch {
	case !there && w.lost > lossBegins && e.takes():
		w.shard.lossy.add(e)
	case there && w.lost < lossEnds:
		w.lost = 0
	}
}

func (l *lossy) add(e *ear) {
	l.ears = append(l.ears, e)
	l.any.Store(true)
}

func (l *lossy) remove(e *ear) {
	if i := slices.Index(l.ears, e); i >= 0 {
		l.ears = slices.Delete(l.ears, i, i+1)
		l.any.Store(len(l.ears) > 0)
	}
}

// turn has the ears that need it get the streams with redundancy, from a frame on that has
// these, and the others those without.
func (l *lossy) turn(now mono.Time, there bool) {
	for i := len(l.ears) - 1; i >= 0; i-- {
		e := l.ears[i]
		w := &e.way
		ours := w.core != nil && w.core.Up() && e.hears()
		twice := there && ours && w.lost > 0 && e.takes()
		changed := twice != w.twice
		if w.twice = twice; changed && ours {
			e.attach(now)
		}
		if !ours || w.lost == 0 {
			l.remove(e)
		}
	}
}
