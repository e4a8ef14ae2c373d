package recordplay

import (
	"strconv"

	"bifrons/api/json"
	"bifrons/api/kit"
	kitrec "bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// handle is a client's attachment.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed

	// The rest is guarded by plugin.mu. But for what configure sets it changes on the
	// handle's executor only.
	bitrate  uint64 // of video that is recorded, bit/s, 0 = no limit
	interval int64  // between its key frames, ms, 0 = as they come
	up       bool   // the peer connection is established
	job      *job
}

// job is the recording or playing of a handle, from the request until the peer connection
// has ended.
type job struct {
	h       *handle
	rec     *recording
	records bool // else it plays
	e2ee    bool
	kinds   []sdp.Kind // of the sections

	set   kitrec.Set // its recordings
	media []kitrec.Medium
	chat  int // key of the data in set, -1 = none
	owner kitrec.Owner
	made  [numMedia]bool   // that have a file
	files [numMedia]string // those, without extension, from the folder

	playback
}

var _ interface {
	plugin.Handle
	plugin.Starter
	plugin.Watcher
	plugin.DataReader
	plugin.Offeree
} = (*handle)(nil)

func (p *Plugin) newHandle(host plugin.Host) *handle {
	return &handle{
		plugin: p, Handle: kit.Handle{Host: host},
		bitrate: defaultBitrate, interval: defaultInterval.Milliseconds(),
	}
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}

// TakesOffer reports whether the client may make an offer: not while something is played,
// which we have offered.
func (h *handle) TakesOffer() bool {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	return h.job == nil || h.job.records
}

// Up limits the recorded bitrate, or begins to play.
func (h *handle) Up() {
	h.plugin.mu.Lock()
	h.up = true
	h.limit()
	h.plugin.mu.Unlock()
	h.proceed()
}

// limit passes the configured limits to the peer connection, with the lock held.
func (h *handle) limit() {
	peer := h.Host.Peer()
	if h.job == nil || !h.job.records || peer == nil {
		return
	}
	peer.SetBitrateCap(h.bitrate)
	peer.SetKeyframePeriod(milliseconds(h.interval))
}

// Data records a message.
func (h *handle) Data(_, _ string, binary bool, payload []byte) {
	h.plugin.mu.Lock()
	s := h.job
	h.plugin.mu.Unlock()
	if s != nil && s.records && s.chat >= 0 {
		s.set.Message(s.chat, binary, payload)
	}
}

// Event tells the client of losses. Their direction is as the client sees it.
func (h *handle) Event(e sfu.Event) {
	if e.Kind != sfu.EventSlowLink {
		return
	}
	h.plugin.mu.Lock()
	bitrate := h.bitrate
	video := h.job != nil && e.Section < len(h.job.kinds) && h.job.kinds[e.Section] == sdp.Video
	h.plugin.mu.Unlock()
	h.push(func(w *json.Writer) {
		w.Str("status", "slow_link")
		if video {
			w.Str("media", "video")
			w.Uint("current-bitrate", bitrate)
		} else {
			w.Str("media", "audio")
		}
		w.Bit("uplink", !e.Uplink)
	})
}

// Hangup ends recording or playing: the peer connection is gone.
func (h *handle) Hangup(string) {
	h.PeerChanged()
	s := h.end()
	h.push(func(w *json.Writer) { s.writeStatus(w, "done") })
}

// end takes the handle's job away and returns it, nil if there is none.
func (h *handle) end() *job {
	h.plugin.mu.Lock()
	s := h.job
	h.job, h.up = nil, false
	h.plugin.mu.Unlock()
	switch {
	case s == nil:
	case s.records:
		s.finish()
	default:
		s.close()
	}
	return s
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.end()
}

// push sends an event that answers no request.
func (h *handle) push(result func(w *json.Writer)) {
	h.Host.Push("", json.Object(func(w *json.Writer) { writeResult(w, result) }), nil)
}

// writeStatus writes that something has ended. s may be nil.
func (s *job) writeStatus(w *json.Writer, status string) {
	w.Str("status", status)
	if s != nil {
		w.Int("id", s.rec.id)
		w.Bit("is_private", s.rec.private)
	}
}

// notify informs event handlers of the state of a job.
func (h *handle) notify(s *job, event string) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("event", event)
		w.Int("id", s.rec.id)
	})
}

// notifyMedia informs them of a new job.
func (h *handle) notifyMedia(s *job, event string, media [numMedia]bool) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("event", event)
		w.Int("id", s.rec.id)
		if s.records {
			w.Bool("is_private", s.rec.private)
		}
		for i, there := range media {
			w.Bool(mediaNames[i], there)
		}
	})
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	s := h.job
	switch {
	case s == nil:
		w.Str("type", "none")
	case s.records:
		w.Str("type", "recorder")
	default:
		w.Str("type", "player")
	}
	if s != nil {
		w.Int("recording_id", s.rec.id)
		w.Str("recording_name", s.rec.name)
		w.OptTrue("e2ee", s.e2ee)
	}
	h.WriteState(w)
}

// Seat is the recording that the client makes or plays.
func (h *handle) Seat() plugin.Seat {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.job == nil {
		return plugin.Seat{}
	}
	s := plugin.Seat{Kind: plugin.AtRecording, ID: strconv.FormatInt(h.job.rec.id, 10), Title: h.job.rec.name, Role: "player"}
	if h.job.records {
		s.Role = "recorder"
	}
	return s
}
