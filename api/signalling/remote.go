package signalling

import (
	"slices"
	"time"

	"bifrons/sdp"
	"bifrons/sfu"
)

// cleaningWait is how long an offer waits for the end of the connection
// before it.
const cleaningWait = 3 * time.Second

// Expect reports whether SetRemote would take a description of a type, so that nobody
// need parse one that it would not. For an offer it waits a while for the end of a
// connection that is being closed. Errors are ErrClosing, ErrUnexpectedAnswer and
// ErrClosed.
func (e *Endpoint) Expect(t sdp.Type) error {
	if t == sdp.TypeAnswer {
		return e.expectsAnswer()
	}
	return e.waitClosed()
}

// waitClosed waits for a connection that is being closed.
func (e *Endpoint) waitClosed() error {
	e.mu.Lock()
	c := e.conn
	closing := c != nil && (c.closing.Load() || c.unused)
	e.mu.Unlock()
	if !closing {
		return nil
	}
	t := time.NewTimer(cleaningWait)
	defer t.Stop()
	select {
	case <-c.done:
		return nil
	case <-t.C:
		return ErrClosing
	}
}

func (e *Endpoint) expectsAnswer() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.conn == nil || e.conn.offered == nil:
		return ErrUnexpectedAnswer
	case e.conn.closing.Load():
		return ErrClosed
	}
	return nil
}

// SetRemote takes in a client's description, which it takes over. An offer is kept
// until SetLocal answers it, and makes a peer connection if there is none. An answer is
// given to the engine. Errors are an UnusableError, ErrClosing, ErrUnexpectedAnswer and
// a ConnectError.
func (e *Endpoint) SetRemote(d *sdp.Description, o Options) (*Remote, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.Type == sdp.TypeAnswer {
		return e.takeAnswer(d, o)
	}
	return e.takeOffer(d, o)
}

// validate checks that a description can be used. A first offer of nothing cannot.
// c may be nil. e.mu is held.
func (e *Endpoint) validate(d *sdp.Description, c *Connection) error {
	err := d.Validate(!e.cfg.Engine.Config().Peers.NoDTLS)
	later := c != nil && c.remote != nil
	switch _, used := d.Tagged(nil); {
	case err != nil:
	case later:
		err = d.ValidateUpdate(c.remote, c.local)
	case d.Type == sdp.TypeOffer && !used:
		err = sdp.ErrProcessing
	}
	if err != nil {
		return &UnusableError{Err: err, Later: later}
	}
	return nil
}

// takeOffer keeps a client's offer until it is answered. e.mu is held.
func (e *Endpoint) takeOffer(d *sdp.Description, o Options) (*Remote, error) {
	c := e.conn
	if c != nil && c.closing.Load() {
		return nil, ErrClosing
	}
	if c != nil {
		d.KeepMIDs(c.remote)
	}
	if err := e.validate(d, c); err != nil {
		return nil, err
	}
	if c == nil {
		var err error
		if c, err = e.connect(false, o.Relay); err != nil {
			return nil, err
		}
	}
	c.offer = &offer{d, o}
	c.offered = nil
	return c.seen(d, &o), nil
}

// Repeated is the client's latest description as the application has seen it, if that was an answer
// with this text. It is nil if it was not, or if there has been an offer since.
func (e *Endpoint) Repeated(text string) *Remote {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.conn
	if c == nil || c.closing.Load() || c.offered != nil || c.offer != nil || c.remote == nil ||
		c.remote.Type != sdp.TypeAnswer || c.options.Text != text {
		return nil
	}
	return c.seen(c.remote, &c.options)
}

// takeAnswer applies a client's answer to our offer. e.mu is held.
func (e *Endpoint) takeAnswer(d *sdp.Description, o Options) (*Remote, error) {
	c := e.conn
	if c == nil || c.offered == nil {
		return nil, ErrUnexpectedAnswer
	}
	d.KeepMIDs(c.offered)
	if err := e.validate(d, c); err != nil {
		return nil, err
	}
	c.takeRole(d.PeerTransport(c.offered))
	if o.Relay && c.remote == nil {
		c.peer.ForceRelay()
	}
	r := c.seen(d, &o)
	c.encrypts = c.encrypts || o.E2EE
	c.apply(c.offered, d, &o)
	c.offered = nil
	return r, nil
}

// seen is a client's description as the application sees it. e.mu is held.
func (c *Connection) seen(d *sdp.Description, o *Options) *Remote {
	r := &Remote{SDP: d.Anonymise(), Update: c.remote != nil}
	r.SDP.Type = d.Type
	for i := range d.Sections {
		sim, ok := d.Simulcast(i, o.RIDOrder)
		if !ok {
			continue
		}
		s := Simulcast{Index: i, MID: d.Sections[i].MID, RIDID: sim.RIDExtension}
		for _, rid := range slices.Backward(sim.RIDs) {
			s.RIDs = append(s.RIDs, rid)
		}
		for _, src := range sim.Sources {
			s.SSRCs = append(s.SSRCs, src.SSRC)
		}
		r.Simulcast = append(r.Simulcast, s)
	}
	return r
}

// apply gives the engine the agreement, and all candidates of the client
// that are known by now. If nothing was, the connection is of no use any more
// (see CloseUnused). e.mu is held.
func (c *Connection) apply(local, remote *sdp.Description, o *Options) {
	c.peer.SetSections(c.sections(local, remote, o))
	c.local, c.remote, c.options = local, remote, *o
	_, used := remote.Tagged(local)
	if c.unused = !used; c.unused {
		return
	}
	if i, ok := local.DataSection(); ok {
		if n, ok := sdp.Negotiate(local, remote, i); ok && n.Data != sdp.DataNone {
			c.peer.SetDataLimit(n.MaxMessage)
			c.peer.SetDataChannels(true)
		}
	}
	if c.started.IsZero() {
		c.started = c.e.cfg.Now()
	}
	t := remote.PeerTransport(local)
	trickle := o.Trickle || c.e.trickles
	c.peer.SetRemote(sfu.Remote{
		ICE:          sfu.Credentials{Ufrag: t.Ufrag, Pwd: t.Pwd},
		Lite:         remote.ICELite,
		Fingerprints: fingerprints(t.Fingerprints),
		Role:         c.role(),
		Trickle:      trickle,
		Moved:        c.transport.MID != "" && c.transport.MID != t.MID,
	})
	c.transport = t
	c.complete = !trickle || t.EndOfCandidates
	for _, text := range t.Candidates {
		c.addCandidate(text)
	}
	if c.complete {
		c.peer.EndOfCandidates()
	}
	c.applyEarly()
}

// fingerprints are the client's as the engine takes them.
func fingerprints(list []sdp.Fingerprint) sfu.Fingerprints {
	out := make(sfu.Fingerprints, len(list))
	for i, f := range list {
		out[i] = sfu.Fingerprint{Hash: f.Hash, Value: f.Value}
	}
	return out
}
