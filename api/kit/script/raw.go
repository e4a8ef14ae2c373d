package script

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/rtcp"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// raw has the packets of a session that the script sees, and those that it makes.
type raw struct {
	taps    []*tap // of the client's media, by section; nil = none
	reports *reports
	feeds   [2]*feed // of audio and video
}

// Bounds on packets.
const (
	maxTurn    = 64                    // of a section that a script sees before others have their turn
	maxReports = 64                    // compounds of RTCP of a session that wait for the script
	maxRelayed = 20000                 // that one call of a script may relay
	lookIn     = 10 * time.Millisecond // how often the packets of pipes are looked for
)

// tap is a section whose packets the script sees.
type tap struct {
	h     *handle
	video bool
	peer  *sfu.Peer
	pipe  *sfu.Pipe
}

// syncTaps begins and ends to show packets to the script. The caller holds the lock.
func (h *handle) syncTaps(peer *sfu.Peer) {
	if h.run.has[cbIncomingRTCP] && h.reports == nil {
		h.reports = &reports{h: h}
		peer.SetReports(h.reports.take)
	}
	if !h.run.has[cbIncomingRTP] {
		return
	}
	for len(h.taps) < len(h.sections) {
		h.taps = append(h.taps, nil)
	}
	for i := range h.sections {
		s := &h.sections[i]
		wanted := s.sends && (s.kind == sdp.Audio || s.kind == sdp.Video)
		switch {
		case wanted && h.taps[i] == nil:
			h.taps[i] = &tap{h: h, video: s.kind == sdp.Video, peer: peer, pipe: h.plugin.Gateway.Engine().Pipe(peer, i)}
			h.plugin.reader.add(h.taps[i])
		case !wanted && h.taps[i] != nil:
			h.taps[i].pipe.Close()
			h.taps[i] = nil
		}
	}
}

func (h *handle) closeTaps() {
	for _, t := range h.taps {
		if t != nil {
			t.pipe.Close()
		}
	}
	h.taps, h.reports = nil, nil
}

// reader gives the packets of taps to scripts. Fields that are not atomic belong to the executor.
type reader struct {
	p    *Plugin
	open atomic.Int32 // taps that were added and are not over
	taps []*tap
	mem  []byte
}

// add begins to look for the packets of a tap.
func (r *reader) add(t *tap) {
	first := r.open.Add(1) == 1
	r.p.exec.Must(func() {
		r.taps = append(r.taps, t)
		if first {
			r.look()
		}
	})
}

// look gives the packets that wait to the script. It belongs to the executor, where it comes
// again for as long as there are taps.
func (r *reader) look() {
	more := false
	r.taps = slices.DeleteFunc(r.taps, func(t *tap) bool {
		if r.read(t) {
			more = true
		}
		if !t.pipe.Over() {
			return false
		}
		r.open.Add(-1)
		return true
	})
	switch {
	case len(r.taps) == 0:
	case more:
		r.p.exec.Must(r.look)
	default:
		time.AfterFunc(lookIn, func() { r.p.exec.Must(r.look) })
	}
}

// read gives the packets of a tap to the script, some at a time, and reports whether there may be
// more.
func (r *reader) read(t *tap) (more bool) {
	for range maxTurn {
		var q sfu.PipePacket
		var ok bool
		if r.mem, ok = t.pipe.Next(r.mem, &q); !ok {
			return false
		}
		if q.Fill || q.Report {
			continue
		}
		_, _ = t.h.run.call(cbIncomingRTP, float64(t.h.id), t.video, Bytes{Data: string(q.Data), Binary: true}, float64(len(q.Data)))
	}
	return true
}

// reports is the RTCP of a session that waits for the script.
type reports struct {
	h       *handle
	waiting atomic.Int32
}

// take takes a compound, on the shard. If too many wait, the script loses it.
func (r *reports) take(section int, b []byte) {
	if r.waiting.Add(1) > maxReports {
		r.waiting.Add(-1)
		return
	}
	own := string(b)
	r.h.plugin.exec.Must(func() {
		r.waiting.Add(-1)
		video := section < 0 || r.h.kind(section) == sdp.Video
		_, _ = r.h.run.call(cbIncomingRTCP, float64(r.h.id), video, Bytes{Data: own, Binary: true}, float64(len(own)))
	})
}

// feed is a source whose packets a script makes, for its session.
type feed struct{ source *sfu.Source }

// SourceEvent and SourceData are of no use here.
func (*feed) SourceEvent(sfu.Event)        {}
func (*feed) SourceData(int, bool, []byte) {}

func (h *handle) closeFeeds() {
	for n, f := range h.feeds {
		if f != nil {
			f.source.Close()
			h.feeds[n] = nil
		}
	}
}

// feed is that of a kind, which is made when it is wanted first; nil if the client takes no such
// medium.
func (h *handle) feed(k sdp.Kind) (*feed, error) {
	n := place(k)
	if h.feeds[n] != nil {
		return h.feeds[n], nil
	}
	peer := h.Host.Peer()
	i := h.find(k, (*section).accepting)
	if peer == nil || !h.up || i < 0 {
		return nil, nil
	}
	c := h.sections[i].codecs[0]
	track := sfu.TrackConfig{Kind: media.Audio, Codec: media.Codec{
		Name: media.ParseCodecName(c.Name), PayloadType: c.PT, ClockRate: uint32(c.Clock),
	}}
	if k == sdp.Video {
		track.Kind = media.Video
	}
	f := &feed{}
	var err error
	f.source, err = h.plugin.Gateway.Engine().NewSource(sfu.SourceConfig{Label: h.String(), Shard: peer.Shard(), Tracks: []sfu.TrackConfig{track}}, f)
	if err != nil {
		return nil, err
	}
	h.feeds[n] = f
	h.sync()
	return f, nil
}

// medium is the medium that an argument of relayRtp and relayRtcp means.
func (c *Call) medium(i int) sdp.Kind {
	if c.bool(i) {
		return sdp.Video
	}
	return sdp.Audio
}

func (c *Call) relayRTP() (Value, error) {
	h, b, err := c.packet()
	if err != nil {
		return nil, err
	}
	var hdr rtp.Header
	if rtp.Classify(b) != rtp.ClassRTP || hdr.Parse(b) != nil {
		return nil, errors.New("no RTP packet")
	}
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	f, err := h.feed(c.medium(1))
	if err != nil {
		return nil, err
	}
	if f != nil {
		f.source.Write(0, 0, b)
	}
	return done, nil
}

// packet is the packet of a call, and whom it is for.
func (c *Call) packet() (*handle, []byte, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, nil, err
	}
	b, err := c.buffer(2, 3)
	if err != nil {
		return nil, nil, err
	}
	if c.run.relayed++; c.run.relayed > maxRelayed {
		return nil, nil, fmt.Errorf("more than %d packets in one call", maxRelayed)
	}
	return h, b, nil
}

// relayRTCP has the engine pass the requests in the packets on to the client. It makes its own reports.
func (c *Call) relayRTCP() (Value, error) {
	h, b, err := c.packet()
	if err != nil {
		return nil, err
	}
	if rtcp.Validate(b) != nil {
		return nil, errors.New("no RTCP compound")
	}
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	peer := h.Host.Peer()
	if peer == nil {
		return done, nil
	}
	for it := rtcp.Parse(b); it.Next(); {
		if r, ok := it.Packet.SenderReport(); ok {
			if f := h.feeds[place(c.medium(1))]; f != nil {
				f.source.Report(0, sfu.SenderReport{SSRC: r.SSRC, Timestamp: r.RTPTime, NTP: r.NTP})
			}
			continue
		}
		f, ok := it.Packet.Feedback()
		if !ok {
			continue
		}
		if f.IsPLI() || f.IsFIR() {
			peer.RequestKeyframe(h.find(c.medium(1), (*section).sending))
		} else if m, ok := f.REMB(); ok {
			peer.SetBitrateCap(m.Bitrate)
		}
	}
	return done, nil
}
