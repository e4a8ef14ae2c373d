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
	media := recording.Named(h.media(), h.settings.recording, h.settings.sending.Mutes)
	for i := range media {
		m := &media[i]
		m.E2EE = h.settings.e2ee
		if peer != nil && m.Kind != sdp.Application {
			m.Origin = peer
		}
	}
	err := h.recordings.StartAs(recording.Owner{Events: &h.plugin.Events, Host: h.Host}, h.settings.format, h.settings.recording, media)
	if err != nil {
		h.setRecording(before, format)
	}
	return err
}

func (h *handle) setRecording(base, format string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings.recording, h.settings.format = base, format
}

// media are the first of each kind that the client sends.
func (h *handle) media() (list []recording.Medium) {
	for i := range h.sections {
		if m := h.sections[i].medium; m != nil {
			list = append(list, *m)
		}
	}
	return recording.Firsts(list)
}
