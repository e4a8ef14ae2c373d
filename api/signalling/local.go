package signalling

import (
	"time"

	"bifrons/sdp"
)

// gatherWait is how long a description waits for local candidates at most.
const gatherWait = 5 * time.Second

// SetLocal completes a description of ours, which comes without transport, sets the
// engine up for it and gives send its text. An offer makes a peer connection if there
// is none. Without full trickle it waits for the gathering of candidates. Handler.Candidate
// is not called before send has returned, and send must not call SetLocal. Errors are
// ErrClosing, ErrClosed, ErrNoOffer and a ConnectError; then nothing is sent.
func (e *Endpoint) SetLocal(d *sdp.Description, o LocalOptions, send func(text string)) error {
	e.sending.Lock()
	defer e.sending.Unlock()
	c, d, err := e.complete(d, o)
	if err != nil {
		return err
	}
	defer e.CloseUnused()
	text, err := c.print(d)
	if err != nil {
		return err
	}
	send(text)
	c.described = true
	c.sendCandidates()
	return nil
}

// complete completes a description and sets the engine up for it.
func (e *Endpoint) complete(d *sdp.Description, o LocalOptions) (*Connection, *sdp.Description, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.conn
	answer := d.Type == sdp.TypeAnswer
	switch {
	case c != nil && c.closing.Load():
		return nil, nil, ErrClosing
	case answer && (c == nil || c.offer == nil):
		return nil, nil, ErrNoOffer
	}
	if c == nil {
		var err error
		if c, err = e.connect(true, false); err != nil {
			return nil, nil, err
		}
	}
	c.encrypts = c.encrypts || o.E2EE
	if answer {
		return c, c.answer(d), nil
	}
	return c, c.makeOffer(d, o.Restart), nil
}

// answer completes the application's answer. e.mu is held.
func (c *Connection) answer(d *sdp.Description) *sdp.Description {
	o := c.offer
	c.offer = nil
	d = d.Complete(o.sdp, c.local)
	t := o.sdp.PeerTransport(d)
	c.takeRole(t)
	if c.restartedBy(t) {
		c.restart()
	}
	c.encrypts = c.encrypts || o.options.E2EE
	c.renew(d)
	c.apply(d, o.sdp, &o.options)
	return d
}

// makeOffer completes the application's offer. New sections in it carry nothing
// before the client has answered. e.mu is held.
func (c *Connection) makeOffer(d *sdp.Description, restart bool) *sdp.Description {
	d = d.Complete(c.remote, c.last())
	if restart && c.remote != nil {
		c.restart()
	}
	c.renew(d)
	c.offer, c.offered = nil, d
	c.peer.SetSections(c.sections(d, c.remote, &c.options))
	return d
}

// takeRole fixes our DTLS role by the client's, for as long as the connection lives.
func (c *Connection) takeRole(t sdp.PeerTransport) {
	if c.setup == sdp.SetupNone && t.Ufrag != "" {
		c.setup = t.Setup.Answer()
	}
}

// restartedBy reports whether a transport of the client's is another one than it had.
func (c *Connection) restartedBy(t sdp.PeerTransport) bool {
	return !c.started.IsZero() && t.Ufrag != "" && t.Restarts(c.transport)
}

// restart makes new credentials, and lets all candidates be sent again.
// e.mu and e.sending are held.
func (c *Connection) restart() {
	c.creds = c.peer.RestartICE()
	clear(c.trickled)
	c.finished.Store(false)
}

// print adds the transport to a complete description, for which it waits until
// the candidates are gathered unless they are trickled.
func (c *Connection) print(d *sdp.Description) (string, error) {
	cfg := c.e.cfg
	if !cfg.FullTrickle {
		t := time.NewTimer(gatherWait + cfg.RelayWait)
		defer t.Stop()
		select {
		case <-c.peer.Gathered():
		case <-t.C:
		case <-c.end:
			return "", ErrClosed
		}
	}
	peers := cfg.Engine.Config().Peers
	t := sdp.Transport{
		EndOfCandidates: true,
		FullTrickle:     cfg.FullTrickle,
		ICELite:         peers.Lite,
		Address:         cfg.Engine.LocalIP().String(),
		NoEncryption:    peers.NoDTLS,
	}
	if public := cfg.Engine.PublicIPs(); len(public) > 0 {
		t.Address = public[0].String()
	}
	if !t.NoEncryption {
		f, err := c.peer.Certificate().Fingerprint("sha-256")
		if err != nil {
			return "", err
		}
		t.Fingerprint = sdp.Fingerprint{Hash: f.Hash, Value: f.Value}
	}
	if !cfg.FullTrickle {
		for _, candidate := range c.peer.Candidates() {
			text := candidate.String()
			t.Candidates = append(t.Candidates, text)
			if !c.trickled[text] {
				c.trickled[text] = true
				if o := c.e.client.Observer; o != nil {
					o.Described(text)
				}
			}
		}
	}

	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.closing.Load() || c.e.conn != c {
		return "", ErrClosed
	}
	c.version++
	t.Ufrag, t.Pwd = c.creds.Ufrag, c.creds.Pwd
	t.SessionID, t.Version = c.origin, c.version
	t.Setup = sdp.SetupActpass
	if d.Type == sdp.TypeAnswer {
		t.Setup = c.setup
	}
	sources := make([]sdp.LocalSection, len(d.Sections))
	for i := range sources {
		sources[i] = c.source(i)
	}
	c.text = d.WithTransport(t, sources).String()
	return c.text, nil
}

// sendCandidates trickles our candidates that were not sent yet, if that is
// how they are sent, for the section that carries the transport. e.sending is held.
func (c *Connection) sendCandidates() {
	if !c.e.cfg.FullTrickle || !c.described || c.finished.Load() {
		return
	}
	c.e.mu.Lock()
	d := c.last()
	index, ok := d.Tagged(nil)
	c.e.mu.Unlock()
	if !ok {
		return
	}
	mid := d.Sections[index].MID
	gathered := false
	select {
	case <-c.peer.Gathered():
		gathered = true
	default:
	}
	for _, candidate := range c.peer.Candidates() {
		if text := candidate.String(); !c.trickled[text] {
			c.trickled[text] = true
			c.e.client.Handler.Candidate(mid, index, text)
		}
	}
	if gathered {
		c.finished.Store(true)
		c.e.client.Handler.Candidate(mid, index, "")
	}
}
