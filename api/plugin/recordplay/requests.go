package recordplay

import (
	"slices"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// Error codes.
const (
	errUnknownRequest = 413
	errInvalidElement = 414
	errMissingElement = 415
	errNoSuch         = 416
	errUnreadable     = 417
	errInvalidState   = 418
	errInvalidSDP     = 419
	errExists         = 420
	errUnauthorized   = 440
	errUnknown        = 499
)

var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errUnknownRequest, BadSDP: errInvalidSDP, Unauthorized: errUnauthorized}

var adminKey = schema.Field{Name: "admin_key", Type: schema.String}

func newTable() *kit.Table[*handle] {
	return &kit.Table[*handle]{
		Key: "recordplay", Codes: codes,
		Rows: []kit.Row[*handle]{
			{Name: "list", Fields: []schema.Field{adminKey}, Run: (*handle).list},
			{Name: "update", Run: (*handle).update},
			{Name: "configure", Run: (*handle).configure, Fields: []schema.Field{
				{Name: "video-bitrate-max", Type: schema.Uint},
				{Name: "video-keyframe-interval", Type: schema.Uint},
			}},
			{Name: "record", Async: true, Run: (*handle).record}, // it checks its fields itself
			{Name: "play", Async: true, Run: (*handle).play, Fields: []schema.Field{
				{Name: "id", Type: schema.Uint, Required: true},
				{Name: "restart", Type: schema.Bool},
			}},
			{Name: "start", Async: true, Run: (*handle).start},
			{Name: "pause", Async: true, Run: (*handle).pause},
			{Name: "resume", Async: true, Run: (*handle).resume},
			{Name: "stop", Async: true, Run: (*handle).stop},
		},
	}
}

const (
	maxList = 4 << 20 // how long a list may be, in bytes
	listEnd = 64      // for the end of the list
)

// list lists the recordings that can be played, the newest first, as many as fit. Private
// recordings are for those who know the key.
func (h *handle) list(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p, all := h.plugin, false
	if key := p.general.AdminKey; key != "" && r.Body.Str(adminKey.Name) != "" {
		if err := codes.Authorize(r.Body, adminKey.Name, key); err != nil {
			return kit.Response{}, err
		}
		all = true
	}
	w.Str("recordplay", "list")
	w.Array("list")
	recordings, out := p.finished(), 0
	slices.SortStableFunc(recordings, func(a, b *recording) int { return strings.Compare(b.date, a.date) })
	for _, rec := range recordings {
		switch n := w.Len(); {
		case rec.private && !all:
		case out > 0:
			out++
		default:
			if rec.write(w); w.Len() > maxList-listEnd {
				w.Truncate(n)
				out++
			}
		}
	}
	w.EndArray()
	if out > 0 {
		w.Int("left_out", int64(out))
	}
	return kit.Response{}, nil
}

// write writes an item of a list.
func (r *recording) write(w *json.Writer) {
	w.Object("")
	w.Int("id", r.id)
	w.Bool("is_private", r.private)
	w.Str("name", r.name)
	w.Str("date", r.date)
	for i, name := range mediaNames {
		w.Bool(name, r.files[i] != "")
		if i == data {
			break // of which nobody asks for the format
		}
		w.OptStr(name+"_codec", r.codecs[i])
		w.OptTrue("audio_red", i == audio && r.red)
	}
	w.End()
}

// update reads the folder again.
func (h *handle) update(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := codes.Authorize(r.Body, adminKey.Name, h.plugin.general.AdminKey); err != nil {
		return kit.Response{}, err
	}
	if err := h.plugin.scan(); err != nil {
		h.plugin.Gateway.Logger().Error("folder of recordings cannot be read", "error", err)
		return kit.Fail(errUnknown, "Can't read the folder")
	}
	w.Str("recordplay", "ok")
	return kit.Response{}, nil
}

// Defaults of the settings.
const (
	defaultBitrate  = 1 << 20          // bit/s
	defaultInterval = 15 * time.Second // between key frames
)

// configure sets how the video that is recorded is to come.
func (h *handle) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := r.Body.Number("video-bitrate-max"); ok {
		h.bitrate = uint64(n)
	}
	if n, ok := r.Body.Number("video-keyframe-interval"); ok {
		h.interval = min(n, kit.MaxNumber)
	}
	h.limit()
	w.Str("recordplay", "configure")
	w.Str("status", "ok")
	w.Object("settings")
	w.Int("video-keyframe-interval", h.interval)
	w.Uint("video-bitrate-max", h.bitrate)
	w.End()
	return kit.Response{}, nil
}

// start begins to play the prepared recording, once the connection is up.
func (h *handle) start(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	s := h.job
	switch {
	case s == nil || s.records:
		return kit.Fail(errInvalidState, "Not a playout session, can't start")
	case r.JSEP == nil:
		return kit.Fail(errMissingElement, "Missing SDP answer")
	}
	first := !s.answered
	s.accept(r.JSEP.SDP)
	writeResult(w, func(w *json.Writer) { w.Str("status", "playing") })
	if first {
		h.notify(s, "playing")
	}
	return kit.Response{After: h.proceed}, nil
}

// pause stops recording until resume. Playing goes on.
func (h *handle) pause(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.setPaused(true, w)
}

// resume goes on recording.
func (h *handle) resume(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.setPaused(false, w)
}

func (h *handle) setPaused(paused bool, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	s := h.job
	if s == nil {
		w.Str("recordplay", "event")
		return kit.Response{}, nil
	}
	status := "resumed"
	if paused {
		status = "paused"
	}
	if s.records {
		s.set.SetPaused(paused)
		if peer := h.Host.Peer(); peer != nil && !paused {
			peer.RequestKeyframe(-1)
		}
		h.notify(s, status)
	}
	writeResult(w, func(w *json.Writer) {
		w.Str("status", status)
		w.Int("id", s.rec.id)
	})
	return kit.Response{}, nil
}

// stop ends the handle's job, by closing its connection.
func (h *handle) stop(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	s := h.job
	writeResult(w, func(w *json.Writer) { s.writeStatus(w, "stopped") })
	if s != nil {
		h.notify(s, "stopped")
	}
	return kit.Response{After: h.ClosePeer}, nil
}

// writeResult writes an event with a result.
func writeResult(w *json.Writer, result func(w *json.Writer)) {
	kit.WriteResult(w, "recordplay", result)
}
