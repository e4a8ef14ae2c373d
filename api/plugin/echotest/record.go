package echotest

import (
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/sdp"
	"bifrons/sfu"
)

// record begins or ends recording as a request says, and records what a new description has
// brought. peer is where the media come from, nil if that is still to be told. If it fails,
// nothing more is recorded than before.
func (h *handle) record(body kit.Args, peer *sfu.Peer) error {
	on, given := body.Flag("record")
	if given && !on {
		h.setRecording("", "")
		h.recordings.StopAll(nil)
		return nil
	}
	before, format := h.settings.recording, h.settings.format
	if given && before == "" {
		base := body.Str("filename")
		if base == "" {
			base = recording.Base("echotest", h.Host.HandleID())
		}
		h.setRecording(base, body.Lower("record_format"))
	}
	if h.settings.recording == "" {
		return nil
	}
	media := h.media()
	for i := range media {
		m := &media[i]
		m.NameIn(h.settings.recording)
		m.E2EE = h.settings.e2ee
		if peer != nil && m.Kind != sdp.Application {
			m.Origin = peer
		}
	}
	err := h.start(media)
	if err != nil {
		h.setRecording(before, format)
	}
	return err
}

// start begins to record media: audio and video in one file, or each in its own.
func (h *handle) start(media []recording.Medium) error {
	who := recording.Owner{Events: &h.plugin.Events, Host: h.Host}
	if !recording.Joint(h.settings.format) {
		return h.recordings.StartAll(who, media)
	}
	var joint, rest []recording.Medium
	for _, m := range media {
		if m.Kind == sdp.Application {
			rest = append(rest, m)
		} else {
			joint = append(joint, m)
		}
	}
	if err := h.recordings.StartJoint(who, h.settings.format, h.settings.recording, joint); err != nil {
		return err
	}
	return h.recordings.StartAll(who, rest)
}

func (h *handle) setRecording(base, format string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings.recording, h.settings.format = base, format
}

// media are the first of each kind that the client sends.
func (h *handle) media() (list []recording.Medium) {
	seen := make(map[sdp.Kind]bool)
	for i := range h.sections {
		m := h.sections[i].medium
		if m == nil || seen[m.Kind] {
			continue
		}
		seen[m.Kind] = true
		medium := *m
		medium.Muted = m.Kind != sdp.Application && h.settings.sending.Mutes(m.Kind)
		list = append(list, medium)
	}
	return list
}
