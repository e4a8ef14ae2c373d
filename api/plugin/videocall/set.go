package videocall

import (
	"fmt"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// set changes settings, of which nothing is said that stays as it is, and renegotiates.
func (h *handle) set(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := mline.Check(r.Body, errInvalidElement); err != nil {
		return kit.Response{}, err
	}
	if r.JSEP == nil {
		if err := h.record(r.Body); err != nil {
			return kit.Fail(errInvalidElement, "Recording failed (%v)", err)
		}
	}
	s, codec, reached, err := h.plugin.set(h, r)
	if err != nil {
		return kit.Response{}, err
	}
	warning := ""
	if r.JSEP != nil { // which goes on to the other side anyway
		if err := h.record(r.Body); err != nil {
			warning = fmt.Sprintf("Recording failed (%v)", err)
		}
	}
	h.pushLayers(codec, reached)
	h.notify(func(w *json.Writer) {
		w.Str("event", "configured")
		s.Write(w, mline.Codecs{})
		h.recordings.Write(w)
	})
	resp := done(w, news("set", "", ""))
	resp.Warning = warning
	return resp, nil
}

// set carries it out, and returns what goes on now. reached are the layers that
// were asked for and are there already, codec is that of the video.
func (p *Plugin) set(h *handle, r *kit.Request) (s mline.Sending, codec string, reached []mline.Event, err *schema.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := h.call
	update := r.JSEP != nil && r.JSEP.Update && c != nil && c.accepted
	if update && r.JSEP.SDP.Type == sdp.TypeOffer && c.offering == c.opposite(h) {
		return s, "", nil, kit.Errorf(errInvalidSDP, "The other side has made an offer")
	}
	before, change := h.sending, mline.Read(r.Body)
	h.sending.Set(r.Body)
	h.layers.Set(change)
	h.estimation.Set(r.Body)
	peer := h.Host.Peer()
	if peer != nil && r.Body.Has("bitrate") {
		peer.SetBitrateCap(h.sending.Bitrate)
	}
	if mline.Estimates(r.Body) {
		h.estimation.Tell(peer, true, 0)
	}
	if c == nil || !c.accepted {
		return h.sending, "", nil, nil
	}
	if h.sending.Audio != before.Audio || h.sending.Video != before.Video {
		c.applyGates(h)
	}
	if peer != nil && h.sending.Video && !before.Video {
		peer.RequestKeyframe(-1)
	}
	for i := range c.flows {
		c.way(h, i).out.Weigh(peer, &h.layers)
	}
	reached = c.retarget(h, change)
	if update {
		c.renegotiate(h, r.JSEP, r.Body.Is("restart"))
	}
	return h.sending, c.codecs.Video, reached, nil
}

// renegotiate passes a further offer, or the answer to one, on to the other side.
func (c *call) renegotiate(h *handle, j *plugin.JSEP, restart bool) {
	if j.SDP.Type == sdp.TypeAnswer {
		c.agree(j, h)
	} else {
		c.offering = h
		if h == c.caller {
			c.offered = encodingsOf(j)
		}
	}
	c.opposite(h).update(&plugin.JSEP{SDP: j.SDP, Restart: restart && j.SDP.Type == sdp.TypeOffer})
}
