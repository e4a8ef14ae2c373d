package janus

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Tell sends a plugin's news.
func (h *Handle) Tell(topic string, data []byte) {
	if !h.gone.Load() {
		h.sendPluginEvent("", topic, data, nil)
	}
}

// Push sends a plugin's event, with a description if j is not nil.
func (h *Handle) Push(transaction string, data []byte, j *plugin.JSEP) error {
	if h.gone.Load() {
		return nil
	}
	if j == nil {
		h.sendPluginEvent(transaction, "", data, nil)
		return nil
	}
	h.pushing.Lock()
	defer h.pushing.Unlock()
	c, d, err := h.describe(j)
	if err != nil {
		return err
	}
	defer h.endUnused()
	text, err := c.print(d)
	if err != nil {
		return err
	}
	typ := d.Type.String()
	h.sendPluginEvent(transaction, "", data, func(w *json.Writer) {
		w.Str("type", typ)
		w.Str("sdp", text)
		if j.E2EE {
			w.Bool("e2ee", true)
		}
	})
	h.notifyJSEP("local", typ, text)
	c.described = true
	c.sendCandidates()
	return nil
}

// reasonUnused is why a connection ends in which the client or we have rejected
// every section.
const reasonUnused = "All media rejected"

// endUnused ends the connection behind what the handle is doing if nothing was agreed
// on. Its transport would never come up, or is given up by the client (RFC 9429, 5.11).
func (h *Handle) endUnused() {
	h.mu.Lock()
	c := h.conn
	unused := c != nil && c.unused
	h.mu.Unlock()
	if !unused {
		return
	}
	h.exec.Must(func() {
		h.mu.Lock()
		still := h.conn == c && c.unused
		h.mu.Unlock()
		if still {
			h.Hangup(reasonUnused)
		}
	})
}

// describe completes a plugin's description and sets the engine up for it.
func (h *Handle) describe(j *plugin.JSEP) (*connection, *sdp.Description, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conn
	answer := j.SDP.Type == sdp.TypeAnswer
	switch {
	case c != nil && c.closing.Load():
		return nil, nil, errCleaning
	case answer && (c == nil || c.offer == nil):
		return nil, nil, errNoOffer
	}
	if c == nil {
		var err error
		if c, err = h.newConnection(true, false); err != nil {
			return nil, nil, err
		}
	}
	c.encrypts = c.encrypts || j.E2EE
	if answer {
		return c, c.answer(j), nil
	}
	return c, c.makeOffer(j), nil
}

// answer completes the plugin's answer. h.mu is held.
func (c *connection) answer(j *plugin.JSEP) *sdp.Description {
	o := c.offer
	c.offer = nil
	d := j.SDP.Complete(o.sdp, c.local)
	t := o.sdp.PeerTransport(d)
	c.takeRole(t)
	if c.restartedBy(t) {
		c.restart()
	}
	c.encrypts = c.encrypts || o.options.e2ee
	c.renew(d)
	c.apply(d, o.sdp, &o.options)
	return d
}

// makeOffer completes the plugin's offer. What is new in it carries nothing
// before the client has answered. h.mu is held.
func (c *connection) makeOffer(j *plugin.JSEP) *sdp.Description {
	d := j.SDP.Complete(c.remote, c.last())
	if j.Restart && c.remote != nil {
		c.restart()
	}
	c.renew(d)
	c.offer, c.offered = nil, d
	c.peer.SetSections(c.sections(d, c.remote, &c.options))
	return d
}

// takeRole fixes our DTLS role by the client's, for as long as the connection lives.
func (c *connection) takeRole(t sdp.PeerTransport) {
	if c.setup == sdp.SetupNone && t.Ufrag != "" {
		c.setup = t.Setup.Answer()
	}
}

// restartedBy tells whether a transport of the client's is another one than it had.
func (c *connection) restartedBy(t sdp.PeerTransport) bool {
	return !c.started.IsZero() && t.Ufrag != "" && t.Restarts(c.transport)
}

// restart makes new credentials, and lets all candidates be sent again.
// h.mu and h.pushing are held.
func (c *connection) restart() {
	c.creds = c.peer.RestartICE()
	clear(c.trickled)
	c.finished.Store(false)
}

// print adds the transport to a complete description, for which it waits until
// the candidates are gathered unless they are trickled.
func (c *connection) print(d *sdp.Description) (string, error) {
	cfg := &c.h.core.cfg
	if !cfg.FullTrickle {
		t := time.NewTimer(gatherWait + cfg.RelayWait)
		defer t.Stop()
		select {
		case <-c.peer.Gathered():
		case <-t.C:
		case <-c.end:
			return "", errGone
		}
	}
	t := sdp.Transport{
		EndOfCandidates: true,
		FullTrickle:     cfg.FullTrickle,
		ICELite:         cfg.Media.ICELite,
		Address:         cfg.Engine.LocalIP().String(),
		NoEncryption:    cfg.Media.NoDTLS,
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
				c.h.notifyCandidate(SubLocalCandidate, "local-candidate", text)
			}
		}
	}

	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.closing.Load() || c.h.conn != c {
		return "", errGone
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
// how they are sent, for the section that carries the transport. h.pushing is held.
func (c *connection) sendCandidates() {
	if !c.h.core.cfg.FullTrickle || !c.described || c.finished.Load() {
		return
	}
	c.h.mu.Lock()
	d := c.last()
	index, ok := d.Tagged(nil)
	c.h.mu.Unlock()
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
			c.h.sendCandidate(mid, index, text)
		}
	}
	if gathered {
		c.finished.Store(true)
		c.h.sendCandidate(mid, index, "")
	}
}
