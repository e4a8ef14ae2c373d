package streaming

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// start takes an answer, or resumes after a pause.
func (h *handle) start(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.watching == nil {
		return fail(errNoSuchMountpoint, "Can't start: no mountpoint set")
	}
	if err := h.answer(r.JSEP); err != nil {
		return failed(err)
	}
	h.paused = false
	h.sync()
	h.holdPlayer()
	status := "starting"
	if h.up {
		status = "started"
	}
	h.notifyStatus(status, h.watching.id)
	writeStatus(w, status)
	return kit.Response{}, nil
}

// pause holds everything until the next start.
func (h *handle) pause(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.watching == nil {
		return fail(errNoSuchMountpoint, "Can't start: no mountpoint set")
	}
	h.paused = true
	h.sync()
	h.holdPlayer()
	h.notifyStatus("pausing", h.watching.id)
	writeStatus(w, "pausing")
	return kit.Response{}, nil
}

// stop ends the peer connection, and the watching with it.
func (h *handle) stop(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if !h.up || h.stopping {
		writeStatus(w, "idle")
		return kit.Response{}, nil
	}
	h.stopping = true
	h.notifyStatus("stopping", h.watching.id)
	writeStatus(w, "stopping")
	return kit.Response{After: h.closePeer}, nil
}

var configureFields = fields(
	typed(schema.String, "mid"),
	typed(schema.Bool, "send"),
	layerFields(schema.Uint),
	typed(schema.Uint, "fallback"),
	typed(schema.Int, "min_delay", "max_delay"),
)

// configure changes how streams are relayed.
func (h *handle) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.watching == nil {
		return fail(errNoSuchMountpoint, "Can't configure: not on a mountpoint")
	}
	body := r.Body
	if err := check(fields(kindFields, typed(schema.Array, "streams")), body); err != nil {
		return failed(err)
	}
	items := []kit.Args{body}
	if body.Has("streams") {
		items = body.Items("streams")
	}
	for _, item := range items {
		if err := checkItem(item, len(items) > 1); err != nil {
			return failed(err)
		}
	}
	if err := h.answer(r.JSEP); err != nil {
		return failed(err)
	}
	if !body.Has("mid") {
		h.sendKinds(body)
	}
	for _, item := range items {
		mid, named := item.Text("mid")
		for i, l := range h.lines {
			if !named || strings.EqualFold(l.mid, mid) {
				h.change(i, l, item)
			}
		}
	}
	h.sync()
	writeResult(w, func(w *json.Writer) { w.Str("event", "configured") })
	return kit.Response{}, nil
}

// checkItem looks at what is to be changed about one stream.
func checkItem(item kit.Args, several bool) *schema.Error {
	if !json.IsObject(item.Value) {
		return errorf(errInvalidElement, "Invalid element in the streams array (not an object)")
	}
	if err := check(configureFields, item); err != nil {
		return err
	}
	if several && !item.Has("mid") {
		return errorf(errInvalidElement, "Missing mandatory element (mid) in the streams array")
	}
	for _, name := range layerNames {
		if n, _ := item.Number(name); n > highest {
			return errorf(errInvalidElement, "Invalid value (%s should be 0, 1 or 2)", name)
		}
	}
	return nil
}

// sendKinds turns the streams of a kind on and off, the old way. p.mu is held.
func (h *handle) sendKinds(body kit.Args) {
	for _, old := range legacyKinds {
		v := body.Get(old.prefix)
		for _, l := range h.lines {
			if json.IsBool(v) && l.kind == old.kind {
				l.send = json.True(v)
			}
		}
	}
}

// change changes one m-line. The client hears at once of a layer that it has
// already. p.mu is held.
func (h *handle) change(i int, l *line, item kit.Args) {
	if on, ok := item.Flag("send"); ok {
		l.send = on
	}
	st := h.stream(l)
	if st == nil || h.watching.kind != typeRTP && h.watching.kind != typeRTSP {
		return
	}
	if n, ok := item.Number("fallback"); ok {
		l.fallback = n
	}
	now := l.layers(st)
	retarget, keyframe := item.Has("fallback"), false
	for k, name := range layerNames {
		n, ok := item.Number(name)
		if !ok || st.simulcast != (k < spatialLayer) || !st.simulcast && !st.svc {
			continue
		}
		l.want[k], retarget = int8(n), true
		switch {
		case int8(n) == now[k]:
			h.push(func(w *json.Writer) { w.Int(name, n) })
		case k == substream || k == spatialLayer:
			keyframe = true
		}
	}
	peer := h.host.Peer()
	if peer == nil || l.fed.src == nil {
		h.delay(l, item)
		return
	}
	if retarget {
		peer.SetTarget(i, h.target(l), l.wait())
	}
	if keyframe {
		l.fed.src.RequestKeyframe(l.stream)
	}
	if h.delay(l, item) {
		peer.SetPlayoutDelay(i, l.minDelay, l.maxDelay)
	}
}

// delay takes over a playout delay; it reports whether there is one. p.mu is
// held.
func (h *handle) delay(l *line, item kit.Args) bool {
	least, hasLeast := item.Number("min_delay")
	most, hasMost := item.Number("max_delay")
	if !h.watching.playoutDelay || l.kind.String() != "video" || !hasLeast && !hasMost {
		return false
	}
	const limit = 1<<12 - 1 // of the header extension
	set := func(n int64) int { return int(max(min(n, limit), -1)) }
	if hasLeast {
		l.minDelay = set(least)
		l.maxDelay = max(l.maxDelay, l.minDelay)
	}
	if hasMost {
		l.maxDelay = set(most)
		if l.minDelay < 0 || l.minDelay > l.maxDelay {
			l.minDelay = l.maxDelay
		}
	}
	if hasLeast && least < 0 || hasMost && most < 0 {
		l.minDelay, l.maxDelay = -1, -1
	}
	return true
}

// switchTo makes the m-lines carry the streams of another mountpoint, by their
// places, without another offer.
func (h *handle) switchTo(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case h.watching == nil:
		return fail(errNoSuchMountpoint, "Can't switch: not on a mountpoint")
	case !h.watching.live():
		return fail(errCantSwitch, "Can't switch: not on a live RTP mountpoint")
	}
	if err := check([]schema.Field{p.ids.Field("id", true)}, r.Body); err != nil {
		return failed(err)
	}
	to, err := p.find(r.Body)
	switch {
	case err != nil:
		return failed(err)
	case !to.live():
		return fail(errCantSwitch, "Can't switch to a mountpoint that is not live RTP")
	}
	delete(h.watching.viewers, h)
	to.viewers[h] = struct{}{}
	h.watching = to
	for _, l := range h.lines {
		l.current = newLine(l.kind, l.mid, l.stream).current
	}
	h.sync()
	to.src.RequestKeyframe(-1)
	h.notifyStatus("switching", to.id)
	writeResult(w, func(w *json.Writer) {
		w.Str("switched", "ok")
		p.ids.Write(w, "id", to.id)
	})
	return kit.Response{}, nil
}
