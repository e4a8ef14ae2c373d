package videocall

import (
	"strings"

	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/sdp"
	"bifrons/sfu"
)

// wish is whether a client's media is to be recorded. It holds for later media, too.
type wish struct {
	on   bool
	base string // prefix of the names, "" = not known yet
}

// record begins or ends recording, as a request says. If it fails, nothing more is recorded
// than before. It runs on the executor and waits for the file system.
func (h *handle) record(body kit.Args) error {
	on, given := body.Flag("record")
	switch {
	case !given:
		return nil
	case !on:
		h.want(wish{})
		h.recordings.StopAll(nil)
		return nil
	}
	before := h.want(wish{true, body.Str("filename")})
	err := h.startRecording(body)
	if err != nil {
		h.want(wish{})
		h.want(before)
	}
	return err
}

// want sets a wish, and returns the one before. A wanted recording keeps
// its name.
func (h *handle) want(w wish) (before wish) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	before = h.recording
	if !before.on || !w.on {
		h.recording = w
	}
	return before
}

// startRecording records the client's media, with the settings of a request, as far as it is not
// recorded yet.
func (h *handle) startRecording(body kit.Args) error {
	return h.recordings.StartAll(recording.Owner{Events: &h.plugin.Events, Host: h.Host}, h.wanted(body))
}

// wanted are the media that are to be recorded, with their names.
func (h *handle) wanted(body kit.Args) []recording.Medium {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	sending := h.sending
	sending.Set(body)
	if !h.recording.on || len(h.sends) == 0 {
		return nil
	}
	if h.recording.base == "" {
		h.recording.base = recording.Base("videocall", inName(h.name)+"-"+inName(h.call.opposite(h).name))
	}
	return recording.Named(h.sends, h.recording.base, sending.Mutes)
}

// maxInName is how many bytes of a user's name that has at most.
const maxInName = 64

// inName is a user's name as part of a file's.
func inName(user string) string {
	if user == "" {
		return "unknown"
	}
	user = user[:min(len(user), maxInName)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\`, r) {
			return '_'
		}
		return r
	}, user)
}

// setSends notes which media the client sends by the agreed description. Plugin.mu is held.
func (h *handle) setSends(c *call, peer *sfu.Peer) {
	var list []recording.Medium
	for i := range c.flows {
		f := &c.flows[i]
		sends := f.toCallee.on
		if h == c.callee {
			sends = f.toCaller.on
		}
		if f.medium != nil && sends {
			list = append(list, *f.medium)
		}
	}
	h.sends = recording.Firsts(list)
	for i := range h.sends {
		m := &h.sends[i]
		m.E2EE = c.e2ee
		if m.Kind != sdp.Application {
			m.Origin = peer
			h.recordings.SetOrigin(m.Key, peer, m.Track)
		}
	}
	if h.recording.on {
		h.Host.Run(func() { _ = h.startRecording(kit.Args{}) }) // it is logged
	}
}
