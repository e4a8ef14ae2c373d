package sfu

import (
	"fmt"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/plain"
	"bifrons/sfu/route"
	"bifrons/sfu/shard"
)

// TrackConfig describes one track of a Source; see package plain.
type TrackConfig = plain.TrackConfig

// Keep is how much of a video track is kept for new subscriptions; see package
// route.
type Keep = route.Keep

// SourceConfig describes media that does not come from a peer connection.
type SourceConfig struct {
	Label  string        // for logs
	Shard  int           // wanted shard + 1, 0 = the engine chooses
	Tracks []TrackConfig // their index is the section that subscriptions name
	SRTP   *SRTPKey      // nil: plain RTP
}

// SourceHandler takes the events of a Source. SourceEvent is called in order
// from one goroutine: EventMedia and EventAudioLevel, with the track's index as
// section. SourceData is called with every message of a track of data, from the
// goroutine that received it, with payload lent for the call; while it blocks,
// messages get lost. EventClosed means that the source has ended by itself: something
// in it, in its handler or in its feeder has panicked, or has called Fail.
type SourceHandler interface {
	SourceEvent(Event)
	SourceData(track int, binary bool, payload []byte)
}

// Source is media that comes in as plain RTP or SRTP, by UDP ports or by Write.
// Its methods may be called from any goroutine.
type Source struct {
	leg
	core *plain.Source // touched by the shard only; nil until it was there
}

// NewSource makes a Source. It does not wait for the shard.
func (e *Engine) NewSource(cfg SourceConfig, h SourceHandler) (*Source, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	var opener *srtp.Receiver
	if k := cfg.SRTP; k != nil {
		var err error
		if opener, err = srtp.NewReceiver(k.Profile, k.Key, k.Salt); err != nil {
			return nil, fmt.Errorf("sfu: %w", err)
		}
	}
	s := &Source{leg: leg{engine: e, site: e.choose(cfg.Shard), handler: h, label: cfg.Label}}
	s.stop = func() { s.core.Close() }
	tracks := append([]TrackConfig(nil), cfg.Tracks...)
	if err := s.start(func(mono.Time) shard.Leg { return s.begin(tracks, opener) }); err != nil {
		return nil, err
	}
	return s, nil
}

// begin makes the part that lives on the shard.
func (s *Source) begin(tracks []TrackConfig, opener *srtp.Receiver) *plain.Source {
	h := s.handler
	s.core = plain.NewSource(s.site.shard.Loop(), tracks, opener)
	s.core.OnLevel = func(i int, level float64) {
		s.tell(func() { h.SourceEvent(Event{Kind: EventAudioLevel, Section: i, AudioLevel: level}) })
	}
	s.core.OnMedia = func(i, encoding int, receiving bool) {
		s.tell(func() {
			h.SourceEvent(Event{Kind: EventMedia, Section: i, Encoding: encoding, Receiving: receiving})
		})
	}
	s.core.OnData = func(i int, binary bool, payload []byte) {
		own := append([]byte(nil), payload...)
		s.tell(func() { h.SourceData(i, binary, own) })
	}
	return s.core
}

// track implements Origin.
func (s *Source) track(i int) *route.Track {
	if s.core == nil {
		return nil
	}
	return s.core.Track(i)
}

// do runs f on the source's shard.
func (s *Source) do(f func(now mono.Time, c *plain.Source)) {
	s.site.shard.Post(func(now mono.Time) { s.stay.Do(func() { f(now, s.core) }) })
}

// SetTracks replaces the description of the tracks. Those that exist are
// changed, others are added; none is taken away.
func (s *Source) SetTracks(list []TrackConfig) {
	list = append([]TrackConfig(nil), list...)
	s.do(func(_ mono.Time, c *plain.Source) { c.SetTracks(list) })
}

// Restart makes the next packet of every encoding begin a new run of numbers, as
// from another session.
func (s *Source) Restart() {
	s.do(func(_ mono.Time, c *plain.Source) { c.Restart() })
}

// RequestKeyframe asks the source for a key frame of a track, -1 = all.
func (s *Source) RequestKeyframe(track int) {
	s.do(func(now mono.Time, c *plain.Source) { c.RequestKeyframe(now, track) })
}

// SetEnabled lets media through, or keeps it back. Age advances in any case.
func (s *Source) SetEnabled(on bool) {
	s.do(func(_ mono.Time, c *plain.Source) { c.SetHeld(!on) })
}

// LimitBitrate asks the source not to send more, in bit/s: the lowest limit of
// each second.
func (s *Source) LimitBitrate(bps uint64) {
	s.do(func(now mono.Time, c *plain.Source) { c.LimitBitrate(now, bps) })
}

// Write takes one RTP packet of an encoding, as if it had arrived on a port. The
// packet is copied; one larger than a buffer is dropped.
func (s *Source) Write(track, encoding int, packet []byte) {
	if len(packet) > pktbuf.Size {
		return
	}
	own := append([]byte(nil), packet...)
	s.site.shard.Post(func(now mono.Time) { s.take(now, track, encoding, own) })
}

// SenderReport is the part of a sender report about one stream; see package route.
type SenderReport = route.Report

// Report records the content of a sender report on a track that has just arrived.
func (s *Source) Report(track int, r SenderReport) {
	s.do(func(now mono.Time, c *plain.Source) {
		r.At = now
		c.Report(track, r)
	})
}

// Age is the time since the last packet of a track; false if there was none. It
// waits for the shard.
func (s *Source) Age(track int) (age time.Duration, ok bool) {
	s.site.shard.Call(func(now mono.Time) {
		var last mono.Time
		if s.core == nil {
			return
		}
		if last, ok = s.core.LastPacket(track); ok {
			age = now.Sub(last)
		}
	})
	return age, ok
}

// ListenRTP opens a port for the packets of one encoding of a track; a negative
// track means that it is for all, identified by their SSRCs. It returns the
// port's number.
func (s *Source) ListenRTP(b Bind, track, encoding int) (uint16, error) {
	return s.listen(b, func(now mono.Time, m *netio.Message, buf *pktbuf.Buf) bool {
		return s.core.HandleRTP(now, track, encoding, buf)
	}, nil)
}

// ListenRTCP opens a port for the RTCP of a track, negative = of all. Requests
// to the source go back to whoever sent to that port last.
func (s *Source) ListenRTCP(b Bind, track int) (uint16, error) {
	f := new(feedback)
	n, err := s.listen(b, func(now mono.Time, m *netio.Message, buf *pktbuf.Buf) bool {
		if s.core.Held() {
			return false
		}
		s.core.HandleRTCP(now, track, buf.B[:buf.N])
		return f.learn(now, m, buf)
	}, f)
	if err == nil {
		s.do(func(_ mono.Time, c *plain.Source) { c.SetFeedback(track, f.send) })
	}
	return n, err
}

// ListenData opens a port on which every datagram is a message of a track of
// data.
func (s *Source) ListenData(b Bind, track int, binary bool) (uint16, error) {
	return s.listenData(b, func(payload []byte) {
		s.do(func(now mono.Time, c *plain.Source) { c.Touch(now, track) })
		defer s.site.contain("a handler of data", s.Fail)
		s.handler.SourceData(track, binary, payload)
	})
}
