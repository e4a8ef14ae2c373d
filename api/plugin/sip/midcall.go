package sip

import (
	"errors"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// update makes a new offer to the other side, or answers its offer.
func (h *handle) update(r *kit.Request, w *json.Writer) (resp kit.Response, err *schema.Error) {
	c := h.call
	switch {
	case !h.established() || c.updating:
		return resp, notInCall()
	case r.JSEP == nil || !r.JSEP.Update:
		return kit.Fail(errMissingSDP, "Missing SDP update")
	case c.pending:
		return resp, failure(ua.ErrPending, "")
	}
	answer := r.JSEP.SDP.Type == sdp.TypeAnswer
	if answer != (c.asked && c.offered) {
		return kit.Fail(errMissingSDP, "Missing SDP update (not what the call waits for)")
	}
	if err := codes.CheckBrowser(r.JSEP); err != nil {
		return resp, err
	}
	if answer {
		text, err := h.leg.Answer(r.JSEP.SDP, c.srtp)
		if err != nil {
			return resp, err
		}
		if fault := c.AnswerReinvite(text, nil); fault != nil {
			return resp, failure(fault, "")
		}
		h.set(func() { c.asked = false })
		resp.After = func() { h.leg.Connect(); h.settled() }
		writeEvent(w, "updated", nil)
		return resp, nil
	}
	if err := h.offerUpdate(r.JSEP.SDP); err != nil {
		return resp, err
	}
	writeEvent(w, "updating", nil)
	return resp, nil
}

// offerUpdate sends the client's offer.
func (h *handle) offerUpdate(d *sdp.Description) *schema.Error {
	c := h.call
	text, err := h.leg.Offer(d, c.srtp)
	if err != nil {
		return err
	}
	send := c.Reinvite
	if c.asked { // without an offer of the other side's
		send = c.AnswerReinvite
	}
	if fault := send(text, nil); fault != nil {
		h.leg.Forget()
		return failure(fault, "")
	}
	h.set(func() { c.asked, c.updating = false, true })
	c.pending, c.remake = true, func() *schema.Error { return h.offerUpdate(d) }
	return nil
}

// reinvited accepts the other side's offer, or asks the client.
func (h *handle) reinvited(v ua.Invite) {
	c := h.call
	c.offered = v.SDP != ""
	var remote *gateway.Remote
	if c.offered {
		var err *schema.Error
		if remote, err = h.leg.TakeOffer(v.SDP, gateway.SRTP{Required: c.srtp.Required}); err != nil {
			h.rejectReinvite()
			return
		}
	}
	if c.auto {
		h.answerReinvite()
		return
	}
	h.set(func() { c.asked = true })
	var j *plugin.JSEP
	srtp := ""
	if remote != nil {
		j, srtp = &plugin.JSEP{SDP: remote.SDP}, secrecy(remote)
	}
	if err := h.push("updatingcall", j, h.invitation(v, srtp)); err != nil {
		h.set(func() { c.asked = false })
		h.rejectReinvite()
		return
	}
	h.notifyInvite("updatingcall", v)
}

// rejectReinvite refuses the other side's offer.
func (h *handle) rejectReinvite() {
	h.leg.Forget()
	_ = h.call.RejectReinvite(488)
	h.settled()
}

// answerReinvite answers a re-INVITE with the description from before. The client hears nothing of it.
func (h *handle) answerReinvite() {
	c := h.call
	var text string
	var err *schema.Error
	if c.offered {
		text, err = h.leg.Reanswer()
	} else {
		text, err = h.leg.Reoffer(c.hold)
	}
	if err != nil {
		h.rejectReinvite()
		return
	}
	switch fault := c.AnswerReinvite(text, nil); {
	case fault != nil:
	case c.offered:
		h.leg.Connect()
		h.settled()
	default: // the answer comes with the ACK
		c.pending = true
	}
}

// putOnHold holds the call.
func (h *handle) putOnHold(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	d, known := map[string]sdp.Direction{"": sdp.SendOnly, "sendonly": sdp.SendOnly, "recvonly": sdp.RecvOnly, "inactive": sdp.Inactive}[r.Body.Str("direction")]
	switch {
	case h.status() != "incall":
		return kit.Response{Silent: true}, nil
	case !known:
		return kit.Fail(errInvalidElement, "Invalid element (direction can only be sendonly, recvonly or inactive)")
	case h.call.hold != sdp.SendRecv:
		writeEvent(w, "holding", nil)
		return kit.Response{}, nil
	}
	return h.hold(r, w, "holding", d)
}

// unhold ends the holding.
func (h *handle) unhold(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	switch {
	case h.status() != "incall":
		return kit.Response{Silent: true}, nil
	case h.call.hold == sdp.SendRecv:
		writeEvent(w, "resuming", nil)
		return kit.Response{}, nil
	}
	return h.hold(r, w, "resuming", sdp.SendRecv)
}

// hold offers other directions, or does so when an offer that is under way is settled. The client's side stays as it is.
func (h *handle) hold(r *kit.Request, w *json.Writer, event string, d sdp.Direction) (kit.Response, *schema.Error) {
	c, list := h.call, headers(r.Body, "headers")
	if c.pending {
		c.next = &holding{d, list}
	} else if err := h.offerHold(d, list); err != nil {
		return kit.Response{}, err
	}
	c.hold = d
	writeEvent(w, event, nil)
	return kit.Response{}, nil
}

// holding is how a call is to be held.
type holding struct {
	direction sdp.Direction
	headers   ua.Headers
}

func (h *handle) offerHold(d sdp.Direction, list ua.Headers) *schema.Error {
	text, err := h.leg.Reoffer(d)
	if err != nil {
		return err
	}
	switch fault := h.call.Reinvite(text, list); {
	case errors.Is(fault, ua.ErrPending): // the other side's, of which we hear next
		h.leg.Forget()
		h.call.next = &holding{d, list}
	case fault != nil:
		h.leg.Forget()
		return failure(fault, "")
	default:
		h.call.pending, h.call.remake = true, func() *schema.Error { return h.offerHold(d, list) }
	}
	return nil
}

// settled goes on when an offer of either side has its answer, or has failed.
func (h *handle) settled() {
	c := h.call
	x, again := c.next, c.displaced
	c.pending, c.displaced = false, nil
	if again != nil && c.State() == ua.Established {
		if again() == nil {
			return
		}
		h.set(func() { c.updating = false })
	}
	c.next = nil
	if x != nil && x.direction != h.leg.Held() && c.State() == ua.Established && h.offerHold(x.direction, x.headers) == nil {
		return
	}
	c.hold = h.leg.Held()
}

// reinviteCanceled forgets the re-INVITE that the client was asked about.
func (h *handle) reinviteCanceled() {
	h.leg.Forget()
	h.set(func() { h.call.asked = false })
	h.settled()
}

// reinviteDisplaced has our offer wait for that of the other side, which came first. A client that is asked about the
// latter has to take its own offer back.
func (h *handle) reinviteDisplaced() {
	c := h.call
	h.leg.Forget()
	c.pending = false
	if c.updating && !c.auto {
		h.set(func() { c.updating = false })
		return
	}
	c.displaced = c.remake
}

// reinviteFailed goes on with the agreement from before.
func (h *handle) reinviteFailed() {
	h.leg.Forget()
	h.set(func() { h.call.updating = false })
	h.settled()
}

// keyframe asks one side, or both, for a key frame.
func (h *handle) keyframe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if !h.established() {
		return kit.Response{}, notInCall()
	}
	h.leg.RequestKeyframes(r.Body.Is("user"), r.Body.Is("peer"))
	writeEvent(w, "keyframesent", nil)
	return kit.Response{}, nil
}

// record begins, pauses or ends recordings.
func (h *handle) record(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if !h.established() {
		return kit.Response{}, notInCall()
	}
	var err *schema.Error
	action, keyframes := r.Body.Lower("action"), false
	switch action {
	case "start":
		who := recording.Owner{Events: &h.plugin.Events, Host: h.Host}
		err = h.leg.Record(who, r.Body, recording.Base("sip-"+h.account.User(), h.Host.HandleID()), errRecording)
		keyframes = true
	case "stop":
		err = h.leg.StopRecording(r.Body, errRecording)
	case "pause", "resume":
		err = h.leg.PauseRecording(r.Body, action == "pause", errRecording)
		keyframes = action == "resume"
	default:
		err = kit.Errorf(errInvalidElement, "Invalid action (should be start|stop|pause|resume)")
	}
	if err != nil {
		return kit.Response{}, err
	}
	if keyframes {
		h.leg.RequestKeyframes(r.Body.Is("video"), r.Body.Is("peer_video") || r.Body.Is("send_peer_pli"))
	}
	writeEvent(w, "recordingupdated", nil)
	return kit.Response{}, nil
}

// rtpForward sends streams on.
func (h *handle) rtpForward(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if !h.established() {
		return kit.Response{}, notInCall()
	}
	return kit.Response{}, h.plugin.forwards().Begin(h.leg, r.Body, w)
}

// stopForward ends a forwarder.
func (h *handle) stopForward(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.plugin.forwards().Stop(h.leg, r.Body, errNoSuchStream, w)
}

// listForwarders lists the forwarders.
func (h *handle) listForwarders(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.plugin.forwards().List(h.leg, w)
	return kit.Response{}, nil
}

// reset has nothing to do: a handle that has no call is ready for one.
func (h *handle) reset(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	writeEvent(w, "reset", nil)
	return kit.Response{}, nil
}

// heardDTMF reports a digit that the other side has sent by RTP. It is called by the engine.
func (h *handle) heardDTMF(digit byte, duration uint32) {
	h.Host.Run(func() {
		if h.call == nil {
			return
		}
		h.tell("dtmf", func(w *json.Writer) {
			w.Str("sender", h.call.peer)
			w.Str("signal", string(rune(digit)))
			w.Int("duration", int64(duration))
		})
	})
}

// tell tells the client something that no request has asked for.
func (h *handle) tell(event string, fields func(w *json.Writer)) {
	h.Host.Push("", json.Object(func(w *json.Writer) {
		writeEvent(w, event, fields)
		h.writeCommon(w)
	}), nil)
}

// wantPicture asks the other side for a key frame that takes no request for one by RTCP. It is called by the engine.
func (h *handle) wantPicture() {
	h.Host.Run(func() {
		if h.call != nil {
			h.call.RequestPicture()
		}
	})
}
