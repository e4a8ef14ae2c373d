package videocall

import (
	"maps"
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Error codes.
const (
	errInvalidRequest    = 472
	errRegisterFirst     = 473
	errInvalidElement    = 474
	errMissingElement    = 475
	errUsernameTaken     = 476
	errAlreadyRegistered = 477
	errNoSuchUsername    = 478
	errUseEchoTest       = 479
	errAlreadyInCall     = 480
	errNoCall            = 481
	errMissingSDP        = 482
	errInvalidSDP        = 483
)

var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest, BadSDP: errInvalidSDP}

// maxUsername is the length of a name in bytes: lists have all of them.
const maxUsername = 256

var usernameFields = []schema.Field{{Name: "username", Type: schema.String, Required: true, NotNull: true}}

var table = kit.Table[*handle]{
	Key:        "videocall",
	Codes:      codes,
	LateErrors: true, UnknownText: "Unknown request (%s)",
	Rows: []kit.Row[*handle]{
		{Name: "list", Async: true, Run: (*handle).list},
		{Name: "register", Async: true, Fields: usernameFields, Run: (*handle).register},
		{Name: "call", Async: true, Run: (*handle).makeCall}, // it checks its fields itself
		{Name: "accept", Async: true, Run: (*handle).accept},
		{Name: "set", Async: true, Run: (*handle).set, Fields: slices.Concat(mline.SendingFields, recording.Fields, []schema.Field{
			{Name: "substream", Type: schema.Uint},
			{Name: "temporal", Type: schema.Uint},
			{Name: "fallback", Type: schema.Uint},
			{Name: "max_bitrate", Type: schema.Uint},
			{Name: "priority", Type: schema.Uint},
			{Name: "restart", Type: schema.Bool},
		}, mline.EstimationFields)},
		{Name: "hangup", Async: true, Run: (*handle).hangup},
	},
}

// list lists who is registered.
func (h *handle) list(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.plugin.mu.Lock()
	names := slices.Collect(maps.Keys(h.plugin.users))
	h.plugin.mu.Unlock()
	slices.Sort(names)
	return done(w, func(w *json.Writer) {
		w.Array("list")
		for _, name := range names {
			w.Str("", name)
		}
		w.EndArray()
	}), nil
}

// register gives the client a name, which it keeps for as long as the handle.
func (h *handle) register(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	name := r.Body.Str("username")
	if len(name) > maxUsername {
		return kit.Fail(errInvalidElement, "Invalid element (username has more than %d bytes)", maxUsername)
	}
	if err := h.plugin.register(h, name); err != nil {
		return kit.Response{}, err
	}
	h.notify(news("registered", name, ""))
	return done(w, news("registered", name, "")), nil
}

func (p *Plugin) register(h *handle, name string) *schema.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case h.registered:
		return kit.Errorf(errAlreadyRegistered, "Already registered (%s)", h.name)
	case p.users[name] != nil:
		return kit.Errorf(errUsernameTaken, "Username '%s' already taken", name)
	}
	p.users[name] = h
	h.name, h.registered = name, true
	return nil
}

// makeCall calls another user. Without success the caller's connection, which is for
// nothing else, is closed.
func (h *handle) makeCall(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	hangUp := kit.Response{After: h.hangUp}
	busy, err := h.plugin.call(h, r)
	switch {
	case err != nil:
		return hangUp, err
	case busy:
		h.notify(news("hangup", "", reasonBusy))
		writeResult(w, news("hangup", h.name, reasonBusy))
		return hangUp, nil
	}
	h.notify(news("calling", "", ""))
	return done(w, news("calling", "", "")), nil
}

// hangUp closes the connection that a call was to have.
func (h *handle) hangUp() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.ClosePeer()
}

// call makes a call, unless the other side is busy. Nobody has heard of it then but the
// caller.
func (p *Plugin) call(h *handle, r *kit.Request) (busy bool, err *schema.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !h.registered:
		return false, kit.Errorf(errRegisterFirst, "Register a username first")
	case h.call != nil || h.HangingUp():
		return false, kit.Errorf(errAlreadyInCall, "Already in a call")
	}
	if err := codes.Check(usernameFields, r.Body); err != nil {
		return false, err
	}
	name := r.Body.Str("username")
	callee := p.users[name]
	switch {
	case name == h.name:
		return false, kit.Errorf(errUseEchoTest, "You can't call yourself... use the EchoTest for that")
	case callee == nil:
		return false, kit.Errorf(errNoSuchUsername, "Username '%s' doesn't exist", name)
	case callee.call != nil:
		return true, nil
	case r.JSEP == nil:
		return false, kit.Errorf(errMissingSDP, "Missing SDP")
	case r.JSEP.SDP.Type != sdp.TypeOffer:
		return false, kit.Errorf(errInvalidSDP, "Not an offer")
	}
	c := &call{caller: h, callee: callee, offered: encodingsOf(r.JSEP), layered: -1, e2ee: r.JSEP.E2EE}
	c.offer = &plugin.JSEP{SDP: r.JSEP.SDP, E2EE: r.JSEP.E2EE}
	h.call, callee.call = c, c
	h.left, callee.left = nil, nil
	callee.ring()
	return false, nil
}

// accept answers the call that the client knows of.
func (h *handle) accept(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := h.plugin.accept(h, r.JSEP); err != nil {
		return kit.Response{}, err
	}
	h.notify(news("accepted", "", ""))
	return done(w, news("accepted", "", "")), nil
}

func (p *Plugin) accept(h *handle, j *plugin.JSEP) *schema.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := h.call
	switch {
	case c == nil || c.callee != h || !c.told || c.accepted:
		return kit.Errorf(errNoCall, "No incoming call to accept")
	case j == nil:
		return kit.Errorf(errMissingSDP, "Missing SDP")
	case j.SDP.Type != sdp.TypeAnswer:
		return kit.Errorf(errInvalidSDP, "Not an answer")
	}
	c.accepted = true
	c.e2ee = c.e2ee || j.E2EE
	c.agree(j, h)
	h.other.Store(c.caller)
	c.caller.other.Store(h)
	answer := &plugin.JSEP{SDP: j.SDP, E2EE: j.E2EE}
	c.caller.Host.Run(func() { c.answer(answer) })
	return nil
}

// hangup ends the call that there may be.
func (h *handle) hangup(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	reason := r.Body.Str("reason")
	if reason == "" {
		reason = reasonNone
	}
	if len(reason) > maxReason {
		return kit.Fail(errInvalidElement, "Invalid element (reason has more than %d bytes)", maxReason)
	}
	h.plugin.hangup(h, reason)
	h.notify(news("hangup", "", reasonExplicit))
	return done(w, news("hangup", h.name, reasonExplicit)), nil
}

// hangup ends a call. Clients that hang up again while their connections are being closed
// are used to the other side hearing of that too; it does, once.
func (p *Plugin) hangup(h *handle, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case h.call != nil && h.call.knows(h):
		h.call.end(h, false, reason)
	case h.left != nil && !h.left.repeated:
		h.left.repeated = true
		h.remind(reason)
	}
}

// maxReason is the length of a reason in bytes.
const maxReason = 4 << 10
