package sfu

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/sctp"
	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/capture"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/serial"
)

// ErrNoDataChannels is returned when data channels are not (yet) open.
var ErrNoDataChannels = errors.New("sfu: no data channels on this peer connection")

// Peer is one peer connection as the API sees it. Its methods hand commands to
// the shard that runs it and return at once; they may be called from any
// goroutine and do nothing once the connection has ended.
type Peer struct {
	engine  *Engine
	site    *site
	handler Handler
	label   string
	lookups atomic.Int32  // of names of candidates, under way
	owner   any           // of those
	limit   atomic.Uint64 // bytes of a data channel message to the remote, 0 = any
	cert    *dtls.Certificate
	created mono.Time

	ctx    context.Context // done with the connection
	cancel context.CancelFunc

	mu       sync.Mutex
	ice      ice.Credentials
	gather   gather
	closed   bool
	assoc    *association
	wantData bool

	events *serial.Queue[Event] // for the handler; fixed

	core *peer.Peer // touched by the shard only
}

// NewPeer makes a peer connection. h hears of everything that happens to it,
// until EventClosed.
func (e *Engine) NewPeer(cfg PeerConfig, h Handler) (*Peer, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	st := e.place(cfg.Shard)
	p := &Peer{engine: e, site: st, handler: h, label: cfg.Label, cert: e.Certificate(), created: mono.Now()}
	if p.owner = cfg.Owner; p.owner == nil {
		p.owner = p
	}
	p.events = serial.New(e.pending.Go, p.tell)
	p.limit.Store(sctp.DefaultLimit)
	p.gather = gather{done: make(chan struct{}), relayOnly: cfg.RelayOnly, user: cfg.RelayUser}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	candidates := p.Candidates()
	for p.core == nil {
		p.ice = ice.NewCredentials(random)
		ok := st.shard.Call(func(mono.Time) {
			p.core = st.shard.Add(peer.Config{
				ICE: p.ice, Controlling: cfg.Controlling, Candidates: candidates,
				RelayOnly: cfg.RelayOnly,
			}, (*host)(p))
		})
		if !ok {
			p.cancel()
			st.placed.Add(-1)
			return nil, ErrClosed
		}
	}
	p.findRelay()
	st.mu.Lock()
	st.peers[p] = struct{}{}
	st.mu.Unlock()
	select {
	case <-st.gathered:
		p.announce()
	default:
	}
	return p, nil
}

// do runs f on the peer's shard.
func (p *Peer) do(f func(now mono.Time, core *peer.Peer)) {
	p.site.shard.Post(func(now mono.Time) {
		p.site.shard.Do(p.core, func() { f(now, p.core) })
	})
}

// Label is its name in logs.
func (p *Peer) Label() string { return p.label }

// Certificate is the connection's own certificate.
func (p *Peer) Certificate() *dtls.Certificate { return p.cert }

// ICE returns the local credentials.
func (p *Peer) ICE() ice.Credentials {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ice
}

// SetRemote applies the transport part of the remote description.
func (p *Peer) SetRemote(r Remote) {
	p.do(func(now mono.Time, c *peer.Peer) { c.SetRemote(now, r) })
}

// AddCandidate adds a remote candidate. A name (mDNS) is resolved first, unless
// such names are ignored; one that does not resolve is dropped.
func (p *Peer) AddCandidate(c ice.Candidate) {
	if c.Name != "" {
		if !p.engine.cfg.IgnoreMDNS {
			p.engine.resolve(p, c)
		}
		return
	}
	p.do(func(now mono.Time, core *peer.Peer) { core.AddCandidate(now, c) })
}

// EndOfCandidates reports that the remote has no more candidates.
func (p *Peer) EndOfCandidates() {
	p.do(func(now mono.Time, c *peer.Peer) { c.EndOfCandidates(now) })
}

// RestartICE makes new local credentials and starts checking again as soon as
// the remote's are known. A relay that was lost is looked for again.
func (p *Peer) RestartICE() ice.Credentials {
	p.findRelay()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ice = ice.NewCredentials(random)
	c := p.ice
	p.do(func(now mono.Time, core *peer.Peer) {
		p.site.shard.Rename(core, c.Ufrag)
		core.RestartICE(now, c)
	})
	return c
}

// SetSections applies the negotiated media sections; the peer takes the slice.
func (p *Peer) SetSections(s []media.Section) {
	p.do(func(now mono.Time, c *peer.Peer) { c.SetSections(now, s) })
}

// Subscribe forwards media to a section of this peer, in place of the media that was
// forwarded there before.
func (p *Peer) Subscribe(s Subscription) {
	p.do(func(now mono.Time, c *peer.Peer) {
		sub := c.Subscription(s.Section)
		if sub == nil {
			return
		}
		sub.SetPaused(now, s.Paused)
		sub.SetTarget(now, s.Target, s.Fallback)
		wish := sub.Expect()
		fetch(now, s.Origin, s.Track, p.site, func(now mono.Time, t *route.Track) {
			if !c.Closed() && sub.Expects(wish) { // nothing else was wanted meanwhile
				sub.Attach(now, t)
			}
		})
	})
}

// Shard is the peer's shard as SourceConfig wants it: media subscribed to from
// the same shard is there before anything that is written later.
func (p *Peer) Shard() int { return slices.Index(p.engine.sites, p.site) + 1 }

// home implements Origin.
func (p *Peer) home() *site { return p.site }

// track implements Origin.
func (p *Peer) track(section int) *route.Track {
	if p.core.Closed() {
		return nil
	}
	return p.core.Track(section)
}

// Unsubscribe stops forwarding to a section.
func (p *Peer) Unsubscribe(section int) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.Unsubscribe(section) })
}

// SetPaused holds or resumes forwarding to a section.
func (p *Peer) SetPaused(section int, paused bool) {
	p.do(func(now mono.Time, c *peer.Peer) {
		if s := c.Subscription(section); s != nil {
			s.SetPaused(now, paused)
		}
	})
}

// SetTarget chooses the layers that are forwarded to a section.
func (p *Peer) SetTarget(section int, target media.Layer, fallback time.Duration) {
	p.do(func(now mono.Time, c *peer.Peer) {
		if s := c.Subscription(section); s != nil {
			s.SetTarget(now, target, fallback)
		}
	})
}

// SetEstimation changes whether and how the line to the remote is estimated, and with
// that whether video is fitted to the capacity of the line. It goes on over renegotiations.
func (p *Peer) SetEstimation(e Estimation) {
	p.do(func(now mono.Time, c *peer.Peer) { c.SetEstimation(now, e) })
}

// SetShare changes how a section counts where the line does not carry everything.
func (p *Peer) SetShare(section int, w Weight) {
	p.do(func(now mono.Time, c *peer.Peer) { c.SetShare(now, section, w) })
}

// SetLineTrace calls f with the state of the line after each feedback of the remote; nil
// ends that. f runs on the peer's shard: it must neither block nor call the engine.
func (p *Peer) SetLineTrace(f func(Line)) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.SetLineTrace(f) })
}

// SetPlayoutDelay makes a section's packets carry a playout delay, in steps of
// 10 ms; negative values give that back to the source.
func (p *Peer) SetPlayoutDelay(section, least, most int) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.SetPlayoutDelay(section, least, most) })
}

// SetAudioLevelWindow makes a received audio section report its mean level every
// so many packets that carry one (RFC 6464); 0 turns that off.
func (p *Peer) SetAudioLevelWindow(section, packets int) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.SetAudioLevelWindow(section, packets) })
}

// SetBitrateCap limits the remote's bitrate, in bit/s, by REMB; 0 = no limit.
func (p *Peer) SetBitrateCap(bps uint64) {
	p.do(func(now mono.Time, c *peer.Peer) { c.SetBitrateCap(now, bps) })
}

// SetKeyframePeriod asks the remote for a key frame of every video when none
// has come for d, to the second; 0 = off.
func (p *Peer) SetKeyframePeriod(d time.Duration) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.SetKeyframePeriod(d) })
}

// RequestKeyframe asks the remote for a key frame of a section, -1 = all.
func (p *Peer) RequestKeyframe(section int) {
	p.do(func(now mono.Time, c *peer.Peer) { c.RequestKeyframe(now, section) })
}

// SetDataChannels allows data channels. The association starts when DTLS is
// up, and lives as long as the connection.
func (p *Peer) SetDataChannels(on bool) {
	p.mu.Lock()
	p.wantData = on
	a := p.assoc
	p.mu.Unlock()
	if on && a != nil {
		a.startData()
	}
}

// SetDataLimit says how long a data channel message the remote takes, in bytes:
// a=max-message-size of its description (RFC 8841, 6.1), 0 = any.
func (p *Peer) SetDataLimit(bytes uint64) {
	p.limit.Store(bytes)
	p.mu.Lock()
	a := p.assoc
	p.mu.Unlock()
	if a != nil {
		a.limit()
	}
}

// SendData sends one message on the channel with this label, which is opened
// if there is none. The payload is copied. It never waits: a message for which there is
// no room any more, as the remote does not take those before it, is lost, and counted
// as Association.DataLost in the Snapshot.
func (p *Peer) SendData(label, protocol string, binary bool, payload []byte) error {
	return p.sendData(label, protocol, binary, payload, (*sctp.Association).Send)
}

// SendShared is SendData for a payload that never changes, which is not copied: for
// messages to many.
func (p *Peer) SendShared(label, protocol string, binary bool, payload []byte) error {
	return p.sendData(label, protocol, binary, payload, (*sctp.Association).SendShared)
}

func (p *Peer) sendData(label, protocol string, binary bool, payload []byte, send sendFunc) error {
	p.mu.Lock()
	a, want := p.assoc, p.wantData
	p.mu.Unlock()
	if a == nil || !want {
		return ErrNoDataChannels
	}
	return a.send(label, protocol, binary, payload, send)
}

// SetCapture copies all further RTP and RTCP to a file; nil ends that. A file
// that was set before is not closed.
func (p *Peer) SetCapture(f *capture.File) {
	p.do(func(_ mono.Time, c *peer.Peer) {
		if f == nil {
			c.SetCapture(nil)
		} else {
			c.SetCapture(f)
		}
	})
}

// SetReports gives all further RTCP compounds that come from the remote to f, with the section
// that they are about, -1 if that does not show; nil ends that. f is called on the peer's shard:
// it must not wait, and has the compound for the call alone.
func (p *Peer) SetReports(f func(section int, compound []byte)) {
	p.do(func(_ mono.Time, c *peer.Peer) { c.SetReports(f) })
}

// Close ends the connection; EventClosed follows with the reason.
func (p *Peer) Close(r Reason) {
	p.do(func(now mono.Time, c *peer.Peer) { c.Close(now, r) })
}

// panicked ends the connection after a panic of its handler.
func (p *Peer) panicked() {
	p.do(func(now mono.Time, c *peer.Peer) { c.Fail(now, peer.CauseInternal) })
}

// Counters returns the connection's packet counts, zero after its end.
func (p *Peer) Counters() (n peer.Counters) {
	p.site.shard.Call(func(mono.Time) { n = p.core.Counters() })
	return n
}

// Snapshot describes the connection as it is now, also after its end; the zero
// value once the engine is closed. It waits for the shard.
func (p *Peer) Snapshot() (s peer.Snapshot) {
	var a *association
	p.site.shard.Call(func(now mono.Time) {
		s = p.core.Snapshot(now)
		p.mu.Lock()
		a = p.assoc
		p.mu.Unlock()
	})
	if a != nil {
		a.describe(&s.DTLS)
	}
	return s
}

// host is the Peer as the shard's loop sees it.
type host Peer

// Emit implements shard.Host.
func (h *host) Emit(ev peer.Event) {
	p := (*Peer)(h)
	if ev.Kind == EventClosed {
		p.site.forget(p)
		p.logEnd(ev.Cause)
	}
	p.mu.Lock()
	if ev.Kind == EventClosed {
		p.cancel()
		p.closeLinks()
		if p.assoc != nil {
			p.assoc.end()
		}
	}
	p.push(ev)
	p.mu.Unlock()
}

// logEnd logs an end that nobody has asked for.
func (p *Peer) logEnd(c Cause) {
	text := "media connection ended"
	switch c {
	case CauseClosed:
		return
	case CauseNoPair, CauseCheckingLimit:
		text = "no connection for media: UDP does not get through, or the address that was offered is wrong" +
			" (see bifrons doctor)"
	case CauseSilence, CauseConsent, CauseNoLocal:
		text = "connection for media is lost"
	}
	p.engine.log.Info(text, "peer", p.label, "cause", c)
}

func (st *site) forget(p *Peer) {
	st.placed.Add(-1)
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.peers, p)
}

// push queues an event for the handler, with the peer's lock held.
func (p *Peer) push(ev Event) {
	if p.closed {
		return
	}
	p.closed = ev.Kind == EventClosed
	p.events.Put(ev, serial.NoLimit)
}

func (p *Peer) tell(ev Event) {
	defer p.site.contain("a handler of events", p.panicked)
	p.handler.PeerEvent(ev)
}

// StartDTLS implements shard.Host.
func (h *host) StartDTLS(role dtls.Role, remote dtls.Fingerprints) peer.DTLS {
	p := (*Peer)(h)
	a := &association{peer: p, client: role == dtls.Client}
	p.mu.Lock()
	if p.assoc != nil {
		p.assoc.end() // of an association that this one replaces
	}
	p.assoc = a
	p.mu.Unlock()
	p.engine.pending.Add(1)
	a.endpoint = dtls.Start(dtls.Config{
		Certificate: p.cert,
		Role:        role,
		Remote:      remote,
		MTU:         p.engine.cfg.DTLSMTU,

		RejectSelfSigned: p.engine.cfg.RejectSelfSigned,

		Send:        a.transmit,
		OnConnected: a.connected,
		OnClosed:    a.closed,
	})
	return a.endpoint
}
