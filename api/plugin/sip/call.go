package sip

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/plugin"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// call is the call of a handle. The executor changes it, asked and updating with the handle's mu.
type call struct {
	*ua.Call
	transaction string // of the request that events belong to, "" = none
	peer        string // URI of the other side
	srtp        gateway.SRTP
	auto        bool          // re-INVITEs are accepted without the client
	offered     bool          // the other side has sent an offer with its INVITE
	early       string        // description that was sent or taken before the call was accepted, "" = none
	asked       bool          // a re-INVITE waits for the client
	updating    bool          // our re-INVITE is an update of the client's
	hold        sdp.Direction // that the call was put on hold with, SendRecv = it is not
	pending     bool          // an offer of ours, after the first one, waits for its answer
	next        *holding      // to offer then, nil = nothing
	remake      offering      // makes the offer that is pending once more
	displaced   offering      // is to be made once more when the other side's is settled, nil = nothing
}

// offering makes an offer of ours, after the first one, and sends it.
type offering func() *schema.Error

// begin makes a call the handle's.
func (h *handle) begin(c *call) { h.set(func() { h.call = c }) }

// is reports whether an event belongs to the handle's call.
func (h *handle) is(c *ua.Call) bool { return h.call != nil && h.call.Call == c }

// status is the call's state as Janus has it.
func (h *handle) status() string {
	if h.call == nil {
		return "idle"
	}
	switch h.call.State() {
	case ua.Inviting:
		return "inviting"
	case ua.Invited:
		return "invited"
	case ua.Progressing:
		return "progress"
	case ua.Established:
		switch {
		case h.call.asked:
			return "incall_reinvited"
		case h.call.updating:
			return "incall_reinviting"
		}
		return "incall"
	case ua.Closing:
		return "closing"
	}
	return "idle"
}

// established reports whether there is a call that was answered.
func (h *handle) established() bool { return h.call != nil && h.call.State() == ua.Established }

// notInCall is the error of requests for an established call. Janus has the number 0 here.
func notInCall() *schema.Error { return kit.Errorf(errWrongState, "Wrong state (not in a call?)") }

var callFields = append(schema.NotNull(
	[]schema.Field{{Name: "uri", Type: schema.String, Required: true}},
	schema.Typed(schema.Object, "headers"),
	schema.Typed(schema.String, "call_id", "secret", "ha1_secret", "authuser"),
	schema.Typed(schema.Bool, "autoaccept_reinvites"),
	schema.Typed(schema.Int, "refer_id"),
), gateway.Fields...)

// dial calls somebody.
func (h *handle) dial(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := h.mayCall(); err != nil {
		return kit.Response{}, err
	}
	if err := codes.Check(callFields, body); err != nil {
		return kit.Response{}, err
	}
	uri := body.Str("uri")
	if !ua.Valid(uri, false) {
		return kit.Fail(errAddress, "Invalid user address %s", uri)
	}
	c := &call{hold: sdp.SendRecv, transaction: r.Transaction, peer: uri, auto: body.FlagOr("autoaccept_reinvites", true)}
	err := checkSecrets(body, false)
	if err == nil {
		c.srtp, err = readSRTP(body)
	}
	if err == nil {
		err = codes.CheckBrowser(r.JSEP)
	}
	if err != nil {
		return kit.Response{}, err
	}
	cfg := ua.CallConfig{URI: uri, Headers: headers(body, "headers"), CallID: body.Str("call_id")}
	if secret, ha1 := body.Str("secret"), body.Str("ha1_secret"); secret != "" || ha1 != "" {
		cfg.Credentials = &ua.Credentials{User: body.Str("authuser"), Secret: secret, HA1: ha1}
	}
	refer := body.Num("refer_id")
	if refer > 0 {
		if cfg.Transfer = h.plugin.transfers.find(h.number, refer); cfg.Transfer == nil {
			return kit.Fail(errWrongState, "Wrong state (no transfer?)")
		}
	}
	if cfg.SDP, err = h.leg.Offer(r.JSEP.SDP, c.srtp); err != nil {
		return kit.Response{}, err
	}
	made, fault := h.account.Call(cfg)
	if fault != nil {
		h.leg.Close()
		return kit.Response{}, failure(fault, uri)
	}
	h.plugin.transfers.drop(refer)
	c.Call = made
	h.begin(c)
	writeEvent(w, "calling", func(w *json.Writer) { w.Str("call_id", made.ID()) })
	h.notify("calling", func(w *json.Writer) {
		w.Str("callee", uri)
		w.Str("call-id", made.ID())
		w.Str("sdp", cfg.SDP)
	})
	return kit.Response{}, nil
}

// mayCall reports whether there can be a new call.
func (h *handle) mayCall() *schema.Error {
	switch {
	case h.account == nil:
		return kit.Errorf(errWrongState, "Wrong state (register first)")
	case !h.usable():
		return kit.Errorf(errWrongState, "Wrong state (not registered)")
	case h.call != nil:
		return kit.Errorf(errWrongState, "Wrong state (already in a call? status=%s)", h.status())
	}
	return nil
}

// usable reports whether there is an account that may send requests.
func (h *handle) usable() bool {
	if h.account == nil {
		return false
	}
	s := h.account.State()
	return s == ua.RegRegistered || s == ua.RegDisabled
}

// readSRTP reads the SRTP parameters of a request.
func readSRTP(body kit.Args) (gateway.SRTP, *schema.Error) {
	s, err := codes.ReadSRTP(body)
	if err == nil {
		err = codes.ReadSuite(body, &s)
	}
	return s, err
}

// provisional reports a response that is not the last one.
func (h *handle) provisional(a ua.Answer) {
	c := h.call
	if a.Code == 180 || a.Code == 183 {
		switch {
		case a.SDP == "":
			h.push("ringing", nil, func(w *json.Writer) { h.writeHeaders(w, a.Headers) })
		case c.early == "":
			if !h.answered("progress", a, true) {
				return
			}
			c.early = a.SDP
		}
	}
	h.push("proceeding", nil, func(w *json.Writer) { w.Int("code", int64(a.Code)) })
	h.notify("proceeding", func(w *json.Writer) {
		w.Str("call-id", c.ID())
		w.Int("code", int64(a.Code))
	})
}

// accepted reports that the other side has taken our offer, of the call or of something that changes it.
func (h *handle) accepted(a ua.Answer) {
	c := h.call
	switch {
	case !a.Update && c.Outgoing() && c.early != "" && c.early != a.SDP:
		// Somebody else than who has rung: media moves there, and the client's side stays as it is.
		if _, err := h.leg.TakeOtherAnswer(a.SDP, c.srtp); err != nil {
			h.give(err)
			return
		}
		h.leg.Connect()
		h.answered("accepted", a, false)
	case !a.Update:
		h.answered("accepted", a, c.early == "" || !c.Outgoing())
	case c.updating:
		h.set(func() { c.updating = false })
		h.answered("accepted", a, true)
		h.settled()
	default: // of ours: the client's side stays as it is
		if _, err := h.leg.TakeAnswer(a.SDP, gateway.SRTP{}); err != nil {
			h.give(err)
			return
		}
		h.leg.Connect()
		h.settled()
	}
}

// answered tells the client of an answer, with the description if the client lacks it. It is false if the call could not
// go on.
func (h *handle) answered(event string, a ua.Answer, described bool) bool {
	c := h.call
	var j *plugin.JSEP
	if described {
		remote, err := h.leg.TakeAnswer(a.SDP, c.srtp)
		if err != nil {
			h.give(err)
			return false
		}
		j = &plugin.JSEP{SDP: remote.SDP}
	}
	err := h.push(event, j, func(w *json.Writer) {
		w.Str("username", c.peer)
		w.OptTrue("isfocus", a.Focus)
		h.writeHeaders(w, a.Headers)
	})
	if err != nil {
		h.give(kit.Errorf(errMissingSDP, "%v", err))
		return false
	}
	h.notify(event, func(w *json.Writer) {
		w.Str("call-id", c.ID())
		w.Str("username", c.peer)
	})
	h.leg.Connect()
	return true
}

// give hangs a call up that cannot go on.
func (h *handle) give(err *schema.Error) {
	h.plugin.Gateway.Logger().Warn("a call cannot go on", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "call", h.call.ID(), "reason", err.Text)
	_ = h.call.Hangup(nil)
}

// incoming tells the client of a call.
func (h *handle) incoming(made *ua.Call, v ua.Invite) {
	c := &call{hold: sdp.SendRecv, Call: made, peer: v.From, auto: true, offered: v.SDP != ""}
	var j *plugin.JSEP
	srtp := ""
	if c.offered {
		remote, err := h.leg.TakeOffer(v.SDP, gateway.SRTP{})
		if err != nil {
			h.plugin.Gateway.Logger().Info("a call was refused", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "call", made.ID(), "reason", err.Text)
			_ = made.Decline(488, nil)
			return
		}
		j, srtp = &plugin.JSEP{SDP: remote.SDP}, secrecy(remote)
	}
	h.begin(c)
	if !h.quiet {
		_ = made.Ring()
	}
	if err := h.push("incomingcall", j, h.invitation(v, srtp)); err != nil {
		h.plugin.Gateway.Logger().Info("a call was refused", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "call", made.ID(), "reason", err)
		_ = made.Decline(488, nil)
		return
	}
	h.notifyInvite("incomingcall", v)
}

// secrecy is the SRTP of a description as clients hear of it.
func secrecy(r *gateway.Remote) string {
	switch {
	case r.SRTP && r.Required:
		return "sdes_mandatory"
	case r.SRTP:
		return "sdes_optional"
	}
	return ""
}

// invitation writes the fields of an INVITE for clients.
func (h *handle) invitation(v ua.Invite, srtp string) func(w *json.Writer) {
	return func(w *json.Writer) {
		w.Str("username", v.From)
		w.Str("call_id", v.CallID)
		w.OptStr("displayname", display(v.DisplayName))
		w.Str("callee", v.To)
		w.OptStr("referred_by", v.ReferredBy)
		w.OptStr("replaces", v.Replaces)
		w.OptTrue("isfocus", v.Focus)
		w.OptStr("srtp", srtp)
		h.writeHeaders(w, v.Headers)
	}
}

func (h *handle) notifyInvite(event string, v ua.Invite) {
	h.notify(event, func(w *json.Writer) {
		w.Str("call-id", v.CallID)
		w.Str("username", v.From)
		w.OptStr("displayname", display(v.DisplayName))
		w.Str("callee", v.To)
		w.OptStr("referred_by", v.ReferredBy)
	})
}

// missed reports a call that found us busy.
func (h *handle) missed(v ua.Invite) {
	fields := func(w *json.Writer) {
		w.Str("caller", v.From)
		w.OptStr("displayname", display(v.DisplayName))
		w.Str("callee", v.To)
	}
	h.Host.Push("", json.Object(func(w *json.Writer) {
		writeEvent(w, "missed_call", fields)
		w.Str("call_id", v.CallID)
	}), nil)
	h.notify("missed_call", func(w *json.Writer) {
		w.Str("caller", v.From)
		w.Str("callee", v.To)
	})
}

var acceptFields = append(schema.NotNull(schema.Typed(schema.Object, "headers"), schema.Typed(schema.Bool, "autoaccept_reinvites")), gateway.Fields...)

// accept answers a call.
func (h *handle) accept(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.take(r, w, "accepted")
}

// progress has media flow before a call is answered.
func (h *handle) progress(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.take(r, w, "progressed")
}

// take answers a call, or only has its media flow.
func (h *handle) take(r *kit.Request, w *json.Writer, event string) (resp kit.Response, err *schema.Error) {
	c, early := h.call, event == "progressed"
	switch status := h.status(); {
	case early && status != "invited":
		return kit.Fail(errWrongState, "Wrong state (not invited? status=%s)", status)
	case status != "invited" && status != "progress":
		return kit.Fail(errWrongState, "Wrong state (not invited or progress? status=%s)", status)
	}
	s, err := readSRTP(r.Body)
	if err == nil && (r.JSEP != nil || c.early == "") {
		err = codes.CheckBrowser(r.JSEP)
	}
	if err != nil {
		return resp, err
	}
	_, secure := h.leg.Waiting()
	if s.Offer && c.offered && c.early == "" && !secure {
		return kit.Fail(errTooStrict, "Can't answer: SDES-SRTP required, but the caller has none")
	}
	text, offer := c.early, !c.offered
	if r.JSEP != nil {
		offer = r.JSEP.SDP.Type == sdp.TypeOffer
	}
	switch {
	case text != "": // the answer stays as it was
	case offer == c.offered:
		return kit.Fail(errMissingSDP, "Missing SDP (an %s is needed)", map[bool]string{true: "answer", false: "offer"}[c.offered])
	case offer:
		text, err = h.leg.Offer(r.JSEP.SDP, s)
	default:
		text, err = h.leg.Answer(r.JSEP.SDP, s)
	}
	if err != nil {
		return resp, err
	}
	send, list := c.Accept, headers(r.Body, "headers")
	if early {
		send = c.Progress
	}
	if fault := send(text, list); fault != nil {
		return resp, failure(fault, "")
	}
	c.auto, c.srtp = r.Body.FlagOr("autoaccept_reinvites", c.auto), s
	if early {
		c.early = text
	}
	if offer {
		c.transaction = r.Transaction
		if !early {
			event = "accepting"
		}
	} else {
		resp.After = h.leg.Connect
	}
	writeEvent(w, event, nil)
	h.notify(event, func(w *json.Writer) { w.Str("call-id", c.ID()) })
	return resp, nil
}
