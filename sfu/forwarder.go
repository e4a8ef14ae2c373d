package sfu

import (
	"fmt"
	"net/netip"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/plain"
	"bifrons/sfu/shard"
)

// Forward says where a track is sent to as plain RTP, and how.
type Forward struct {
	To netip.AddrPort
	// RTCP is where the receiver's requests for key frames come from; it is
	// sent two empty packets first. Invalid = none.
	RTCP netip.AddrPort

	PayloadType uint8    // 0 = the origin's
	SSRC        uint32   // 0 = the origin's
	Encoding    int      // the one to send, -1 = the best one there is
	SRTP        *SRTPKey // nil: plain RTP

	// Failed, if not nil, is called on a goroutine of its own when the Forwarder
	// has ended because something in it panicked.
	Failed func()
}

// Forwarder sends one track of an origin as plain RTP or SRTP. It ends with the
// origin, or with Close.
type Forwarder struct {
	site *site
	rtcp uint16
	// All of this is touched by the shard only.
	core *plain.Forwarder // nil until there is a track
	stay *shard.Stay
	over bool
}

// Forward starts to send a track of an origin; a negative number stands for no
// track: only messages of Message are sent. After PrepareForward it only posts a
// command to the shard.
func (e *Engine) Forward(o Origin, track int, cfg Forward) (*Forwarder, error) {
	var sealer *srtp.Sender
	if k := cfg.SRTP; k != nil {
		var err error
		if sealer, err = srtp.NewSender(k.Profile, k.Key, k.Salt); err != nil {
			return nil, fmt.Errorf("sfu: %w", err)
		}
	}
	st := o.home()
	socket, err := e.plainPort(st)
	if err != nil {
		return nil, err
	}
	f := &Forwarder{site: st}
	if cfg.RTCP.IsValid() {
		f.rtcp = socket.conn.Port()
	}
	ok := st.shard.Post(func(now mono.Time) {
		if f.over {
			return
		}
		t := o.track(track)
		if t == nil && track >= 0 {
			return
		}
		f.core = plain.NewForwarder(now, st.shard.Loop(), t, plain.Forward{
			To: cfg.To, RTCP: cfg.RTCP, PayloadType: cfg.PayloadType, SSRC: cfg.SSRC,
			Encoding: cfg.Encoding, Sealer: sealer,
			Panicked: func(r any) {
				st.shard.Panicked("a forwarder", r)
				st.shard.Post(func(mono.Time) { f.stay.Fail() })
			},
		})
		f.stay = st.shard.AddLeg(f.core, func() { f.fail(e, cfg.Failed) })
		if cfg.RTCP.IsValid() {
			st.forwarders[f] = struct{}{}
		}
	})
	if !ok {
		return nil, ErrClosed
	}
	return f, nil
}

// RTCPPort is the local port that takes RTCP of the receiver, 0 = none.
func (f *Forwarder) RTCPPort() uint16 { return f.rtcp }

// fail forgets the forwarder after a panic and tells.
func (f *Forwarder) fail(e *Engine, told func()) {
	f.over = true
	delete(f.site.forwarders, f)
	f.core = nil
	if told == nil {
		return
	}
	e.pending.Add(1)
	go func() {
		defer e.pending.Done()
		defer f.site.contain("a handler of events", func() {})
		told()
	}()
}

// do runs f on the shard while there is something to forward.
func (f *Forwarder) do(run func(now mono.Time, c *plain.Forwarder)) {
	f.site.shard.Post(func(now mono.Time) {
		if f.core != nil {
			f.stay.Do(func() { run(now, f.core) })
		}
	})
}

// Message sends one message of a data channel, which is copied.
func (f *Forwarder) Message(binary bool, payload []byte) {
	own := append([]byte(nil), payload...)
	f.do(func(now mono.Time, c *plain.Forwarder) { c.Message(now, binary, own) })
}

// SetPaused stops or resumes the forwarding.
func (f *Forwarder) SetPaused(paused bool) {
	f.do(func(now mono.Time, c *plain.Forwarder) { c.SetPaused(now, paused) })
}

// Redirect continues with a track of another origin, which is on the same shard, or to another
// place. The numbers and timestamps continue if the Forwarder has an SSRC of its own.
func (f *Forwarder) Redirect(o Origin, track int, to netip.AddrPort) {
	f.do(func(now mono.Time, c *plain.Forwarder) {
		if t := o.track(track); t != nil && o.home() == f.site {
			c.To = to
			c.Attach(now, t)
		}
	})
}

// Close ends the forwarding.
func (f *Forwarder) Close() {
	f.site.shard.Post(func(mono.Time) {
		f.over = true
		delete(f.site.forwarders, f)
		if f.core != nil {
			f.stay.Do(f.core.Close)
			f.stay.End()
			f.core = nil
		}
	})
}

// keyframeRequest is a request of the receiver at an address: for the forwarder
// with that SSRC, or for all that send there.
func (st *site) keyframeRequest(now mono.Time, from netip.AddrPort, ssrc uint32) {
	known := false
	for f := range st.forwarders {
		known = known || f.core.RTCP == from && f.core.SSRC == ssrc
	}
	for f := range st.forwarders {
		if f.core.RTCP == from && (!known || f.core.SSRC == ssrc) {
			f.stay.Do(func() { f.core.RequestKeyframe(now) })
		}
	}
}

// PrepareForward opens the sockets that Forward sends by, so that Forward needs not.
// It opens none twice, and does not wait for shards.
func (e *Engine) PrepareForward() error {
	for _, st := range e.sites {
		if _, err := e.plainPort(st); err != nil {
			return err
		}
	}
	return nil
}

// plainPort is the socket by which a site sends plain RTP, opened with its first
// use. RTCP of the receivers arrives there too.
func (e *Engine) plainPort(st *site) (*port, error) {
	if p := st.plain.Load(); p != nil {
		return p, nil
	}
	st.opening.Lock()
	defer st.opening.Unlock()
	if p := st.plain.Load(); p != nil {
		return p, nil
	}
	if e.closed.Load() {
		return nil, ErrClosed
	}
	p, err := e.openPort(st, nil, netio.Config{IPv6: true, DSCP: e.cfg.DSCP},
		func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool {
			if ssrc, ok := plain.KeyframeRequest(b.Bytes()); ok {
				st.keyframeRequest(now, m.Remote, ssrc)
			}
			return false
		})
	if err != nil {
		return nil, err
	}
	st.shard.Post(func(mono.Time) { st.shard.OpenPlain(p.conn) })
	st.plain.Store(p)
	return p, nil
}
