package audiobridge

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

var configureFields = schema.NotNull(bothFields, schema.Typed(schema.Bool, "update"))

// configure changes the settings of the client, and negotiates.
func (h *handle) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.current()
	if p == nil {
		return fail(errNotJoined, "Can't configure (not in a room)")
	}
	err := codes.Check(configureFields, r.Body)
	if err == nil {
		err = checkJSEP(r.JSEP)
	}
	if err == nil {
		err = h.mayNegotiate(r.JSEP)
	}
	if err == nil && r.JSEP == nil && r.Body.Has("rtp") {
		err = h.connectPlain(r.Body)
	}
	if err == nil {
		err = p.configure(r.Body)
	}
	if err != nil {
		return kit.Response{}, err
	}
	w.Str("audiobridge", "event")
	w.Str("result", "ok")
	return h.negotiate(p, r)
}

// told are the settings that the others get to know.
var told = []string{"muted", "display", "denoise"}

// configure changes the settings that a request names.
func (p *participant) configure(body kit.Args) *schema.Error {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(p) {
		return errorf(errNotJoined, "Can't configure (not in a room)")
	}
	if err := p.check(body); err != nil {
		return err
	}
	p.take(body, 0)
	p.follow()
	if body.Has("group") {
		p.party.SetGroup(p.group)
	}
	p.recordings.Read(body, p.startRecording)
	if slices.ContainsFunc(told, body.Has) || r.spatial && body.Has("spatial_position") {
		p.changed(p)
	}
	p.notify("configured", func(w *json.Writer) {
		w.OptStr("display", p.display)
		w.Bool("muted", p.muted)
		w.OptUint("bitrate", uint64(p.bitrate))
		w.Int("quality", int64(p.quality))
		p.writePlace(w)
	})
	return nil
}

// resetDecoder makes the decoder of the client start again.
func (h *handle) resetDecoder(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.current()
	if p == nil {
		return fail(errNotJoined, "Can't reset (not in a room)")
	}
	p.party.ResetDecoder()
	w.Str("audiobridge", "success")
	return kit.Response{}, nil
}
