package streaming

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// watched runs f with the lock; if nothing is watched, the request fails with a text.
func (h *handle) watched(otherwise string, f func(m *mountpoint) *schema.Error) (kit.Response, *schema.Error) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching == nil {
		return fail(errNoSuchMountpoint, "%s", otherwise)
	}
	return kit.Response{}, f(h.watching)
}

// start takes an answer, or resumes after a pause.
func (h *handle) start(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.watched("Can't start: no mountpoint set", func(*mountpoint) *schema.Error {
		if err := h.answer(r.JSEP); err != nil {
			return err
		}
		h.paused = false
		h.sync()
		status := "starting"
		if h.up {
			status = "started"
		}
		h.notifyStatus(status)
		writeStatus(w, status)
		return nil
	})
}

// pause holds everything until the next start.
func (h *handle) pause(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.watched("Can't start: no mountpoint set", func(*mountpoint) *schema.Error {
		h.paused = true
		h.sync()
		h.notifyStatus("pausing")
		writeStatus(w, "pausing")
		return nil
	})
}

// stop ends the peer connection, and the watching with it.
func (h *handle) stop(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if !h.up || h.stopping {
		writeStatus(w, "idle")
		return kit.Response{}, nil
	}
	h.stopping = true
	h.notifyStatus("stopping")
	writeStatus(w, "stopping")
	return kit.Response{After: h.ClosePeer}, nil
}

// answer takes a client's answer: accepted media is relayed from now on. The lock is
// held.
func (h *handle) answer(j *plugin.JSEP) *schema.Error {
	switch {
	case j == nil:
		return nil
	case j.SDP.Type != sdp.TypeAnswer:
		return errorf(errInvalidSDP, "Invalid JSEP type (should be an answer)")
	}
	h.offered = false
	for i, l := range h.lines {
		l.ready = l.active && mline.Accepted(j.SDP, i)
	}
	return nil
}

// configure changes how streams are relayed.
func (h *handle) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.watched("Can't configure: not on a mountpoint", func(*mountpoint) *schema.Error {
		items, err := configureItems(r.Body)
		if err == nil {
			err = h.answer(r.JSEP)
		}
		if err != nil {
			return err
		}
		if !r.Body.Has("mid") {
			h.sendKinds(r.Body)
		}
		if !r.Body.Has("streams") && mline.Estimates(r.Body) {
			h.estimation.Set(r.Body)
			if h.up {
				h.estimate()
			}
		}
		for _, item := range items {
			mid, named := item.Text("mid")
			for _, l := range h.lines {
				if !named || strings.EqualFold(l.mid, mid) {
					h.change(l, item)
				}
			}
		}
		h.sync()
		writeResult(w, func(w *json.Writer) { w.Str("event", "configured") })
		return nil
	})
}

// configureItems are the changes of a request, for each stream or for all.
func configureItems(body kit.Args) ([]kit.Args, *schema.Error) {
	if err := check(fields(kindFields, typed(schema.Array, "streams")), body); err != nil {
		return nil, err
	}
	items := []kit.Args{body}
	if body.Has("streams") {
		items = body.Items("streams")
	}
	for _, item := range items {
		err := codes.CheckItem(configureFields, item, "streams")
		if err == nil && len(items) > 1 && !item.Has("mid") {
			err = errorf(errInvalidElement, "Missing mandatory element (mid) in the streams array")
		}
		if err == nil {
			err = mline.Check(item, errInvalidElement)
		}
		if err != nil {
			return nil, err
		}
	}
	return items, nil
}

// sendKinds turns the streams of a kind on and off, the old way. The lock is held.
func (h *handle) sendKinds(body kit.Args) {
	for _, old := range legacyKinds {
		on, ok := body.Flag(old.prefix)
		for _, l := range h.lines {
			if ok && l.kind == old.kind {
				l.send = on
			}
		}
	}
}

// switchTo makes the m-lines carry the streams of another mountpoint, by their
// places, without another offer.
func (h *handle) switchTo(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.watched("Can't switch: not on a mountpoint", func(from *mountpoint) *schema.Error {
		if !from.live() {
			return errorf(errCantSwitch, "Can't switch: not on a live RTP mountpoint")
		}
		to, err := h.plugin.mountpoints.Find(r.Body)
		switch {
		case err != nil:
			return err
		case !to.live():
			return errorf(errCantSwitch, "Can't switch to a mountpoint that is not live RTP")
		}
		delete(from.viewers, h)
		to.viewers[h] = struct{}{}
		h.watching = to
		for _, l := range h.lines {
			l.layers.Current = media.NoLayer
		}
		h.sync()
		to.src.RequestKeyframe(-1)
		h.notifyStatus("switching")
		writeResult(w, func(w *json.Writer) {
			w.Str("switched", "ok")
			h.plugin.ids.Write(w, "id", to.id)
		})
		return nil
	})
}
