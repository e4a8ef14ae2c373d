package janus

import (
	"errors"
	"slices"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// cleaningWait is how long an offer waits for the end of the connection
// before it.
const cleaningWait = 3 * time.Second

// jsepOptions are what a client says besides the description.
type jsepOptions struct {
	trickle  bool
	relay    bool // only relayed candidates of ours are to be used
	ridOrder string
	e2ee     bool
	svc      []plugin.SVC
	text     string // the description as it came
}

// scalable tells whether a section was announced as scalable.
func (o *jsepOptions) scalable(i int) bool {
	return o != nil && slices.ContainsFunc(o.svc, func(s plugin.SVC) bool { return s.Index == i })
}

var jsepFields = []schema.Field{
	{Name: "type", Type: schema.String, Required: true},
	{Name: "sdp", Type: schema.String, Required: true},
	{Name: "trickle", Type: schema.Bool},
	{Name: "rid_order", Type: schema.String},
	{Name: "force_relay", Type: schema.Bool},
	{Name: "e2ee", Type: schema.Bool},
	{Name: "svc", Type: schema.Array},
}

// takeJSEP takes in a client's description and makes what the plugin gets to
// see of it.
func (h *Handle) takeJSEP(v *json.Value) (*plugin.JSEP, *Error) {
	if !json.IsObject(v) {
		return nil, &Error{ErrInvalidObject, "Invalid jsep object"}
	}
	if err := schema.Check(jsepFields, v, int(ErrMissingElement), int(ErrInvalidType)); err != nil {
		return nil, &Error{Code(err.Code), schema.Cap("JSEP error: " + strings.ToLower(err.Text[:1]) + err.Text[1:])}
	}
	typ, _ := json.String(v.Get("type"))
	text, _ := json.String(v.Get("sdp"))
	o := jsepOptions{trickle: json.IsNull(v.Get("trickle")) || json.True(v.Get("trickle")), e2ee: json.True(v.Get("e2ee"))}
	o.relay = h.core.cfg.AllowForceRelay && json.True(v.Get("force_relay"))
	o.ridOrder, _ = json.String(v.Get("rid_order"))

	var isOffer bool
	switch strings.ToLower(typ) {
	case "offer":
		isOffer = true
		if err := h.waitCleaned(); err != nil {
			return nil, err
		}
	case "answer":
		if err := h.expectsAnswer(); err != nil {
			return nil, err
		}
	default:
		return nil, &Error{ErrJSEPType, "JSEP error: unknown message type '" + typ + "'"}
	}
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, &Error{ErrJSEPInvalid, err.Error()}
	}
	o.svc, o.text = parseSVC(v.Get("svc"), d), text
	h.notifyJSEP("remote", typ, text)
	if isOffer {
		d.Type = sdp.TypeOffer
		return h.takeOffer(d, o)
	}
	d.Type = sdp.TypeAnswer
	return h.takeAnswer(d, o)
}

// waitCleaned waits for a connection that is being closed.
func (h *Handle) waitCleaned() *Error {
	h.mu.Lock()
	conn := h.conn
	closing := conn != nil && (conn.closing.Load() || conn.unused)
	h.mu.Unlock()
	if !closing {
		return nil
	}
	t := time.NewTimer(cleaningWait)
	defer t.Stop()
	select {
	case <-conn.done:
		return nil
	case <-t.C:
		return &Error{ErrWebRTCState, errCleaning.Error()}
	}
}

func (h *Handle) expectsAnswer() *Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.conn == nil || h.conn.offered == nil:
		return &Error{ErrUnexpectedAnswer, "Unexpected ANSWER (did we offer?)"}
	case h.conn.closing.Load():
		return &Error{ErrWebRTCState, errGone.Error()}
	}
	return nil
}

// validate checks that a description can be used. A first offer of nothing cannot.
func (h *Handle) validate(d *sdp.Description, c *connection) *Error {
	err := d.Validate(!h.core.cfg.Media.NoDTLS)
	code := ErrJSEPInvalid
	switch _, used := d.Tagged(nil); {
	case err != nil:
	case c != nil && c.remote != nil:
		err = d.ValidateUpdate(c.remote, c.local)
	case d.Type == sdp.TypeOffer && !used:
		err = sdp.ErrProcessing
	}
	if c != nil && c.remote != nil {
		code = ErrUnexpectedAnswer
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, sdp.ErrProcessing) {
		code = ErrJSEPInvalid
	}
	return &Error{code, err.Error()}
}

// takeOffer keeps a client's offer for the plugin's answer.
func (h *Handle) takeOffer(d *sdp.Description, o jsepOptions) (*plugin.JSEP, *Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conn
	if c != nil && c.closing.Load() {
		return nil, &Error{ErrWebRTCState, errCleaning.Error()}
	}
	if c != nil {
		d.KeepMIDs(c.remote)
	}
	if err := h.validate(d, c); err != nil {
		return nil, err
	}
	if c == nil {
		var err error
		if c, err = h.newConnection(false, o.relay); err != nil {
			h.log.Warn("no peer connection", "error", err)
			return nil, &Error{ErrUnknown, "Error setting ICE locally"}
		}
	}
	c.offer = &offer{d, o}
	c.offered = nil
	return c.forPlugin(d, &o), nil
}

// takeAnswer applies a client's answer to our offer.
func (h *Handle) takeAnswer(d *sdp.Description, o jsepOptions) (*plugin.JSEP, *Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conn
	if c == nil || c.offered == nil {
		return nil, &Error{ErrUnexpectedAnswer, "Unexpected ANSWER (did we offer?)"}
	}
	d.KeepMIDs(c.offered)
	if err := h.validate(d, c); err != nil {
		return nil, err
	}
	c.takeRole(d.PeerTransport(c.offered))
	if o.relay && c.remote == nil {
		c.peer.ForceRelay()
	}
	j := c.forPlugin(d, &o)
	c.encrypts = c.encrypts || o.e2ee
	c.apply(c.offered, d, &o)
	c.offered = nil
	return j, nil
}

// apply gives the engine what was agreed on, and all candidates of the client
// that are known by now. If nothing was, the connection is of no use any more
// (see endUnused). h.mu is held.
func (c *connection) apply(local, remote *sdp.Description, o *jsepOptions) {
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
		c.started = c.h.core.cfg.Now()
	}
	t := remote.PeerTransport(local)
	trickle := o.trickle || c.h.trickle
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

// forPlugin is what the plugin gets to see of a client's description.
func (c *connection) forPlugin(d *sdp.Description, o *jsepOptions) *plugin.JSEP {
	j := &plugin.JSEP{SDP: d.Anonymise(), E2EE: o.e2ee, Update: c.remote != nil, SVC: o.svc}
	j.SDP.Type = d.Type
	for i := range d.Sections {
		sim, ok := d.Simulcast(i, o.ridOrder)
		if !ok {
			continue
		}
		s := plugin.Simulcast{Index: i, MID: d.Sections[i].MID, RIDID: sim.RIDExtension}
		for _, rid := range slices.Backward(sim.RIDs) {
			s.RIDs = append(s.RIDs, rid)
		}
		for _, src := range sim.Sources {
			s.SSRCs = append(s.SSRCs, src.SSRC)
		}
		j.Simulcast = append(j.Simulcast, s)
	}
	return j
}

// parseSVC reads the svc array of a jsep; what makes no sense is left out.
func parseSVC(v *json.Value, d *sdp.Description) []plugin.SVC {
	var list []plugin.SVC
	for _, e := range json.Array(v) {
		mode, ok := json.String(e.Get("svc"))
		if !ok || mode == "" {
			continue
		}
		i := -1
		if mid, ok := json.String(e.Get("mid")); ok {
			if n, found := d.SectionByMID(mid); found {
				i = n
			}
		} else if n, ok := json.Int(e.Get("mindex")); ok && n < int64(len(d.Sections)) {
			i = int(n)
		}
		if i < 0 || d.Sections[i].Kind != sdp.Video {
			continue
		}
		list = append(list, plugin.SVC{Index: i, MID: d.Sections[i].MID, Mode: mode})
	}
	return list
}
