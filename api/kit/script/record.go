package script

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// startRecording records one to three media of a session: of each the type, the codec, a folder
// and a name.
func (c *Call) startRecording() (Value, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, err
	}
	if (len(c.args)-1)%4 != 0 {
		return nil, fmt.Errorf("%d arguments, not 5, 9 or 13", len(c.args))
	}
	begun := false
	for i := 1; i < len(c.args); i += 4 {
		k, ok := plugin.ParseKind(c.text(i))
		if !ok {
			return nil, fmt.Errorf("no medium %.20q", c.text(i))
		}
		if err := h.record(k, c.text(i+1), c.text(i+2), c.text(i+3)); err == nil {
			begun = true
		} else if !errors.Is(err, recording.ErrRecording) {
			h.plugin.Gateway.Logger().Warn("not recorded", "plugin", h.plugin.pkg(), "handle", h.Host.HandleID(), "error", err)
		}
	}
	if !begun {
		return nil, errors.New("nothing is recorded")
	}
	return done, nil
}

// record begins to record the first medium of a kind. codec may have parameters behind it,
// "/fmtp=...".
func (h *handle) record(k sdp.Kind, codec, folder, name string) error {
	if name == "" {
		name = fmt.Sprint("janus-recording-", rand.Uint32())
	}
	codec, fmtp, _ := strings.Cut(codec, "/fmtp=")
	h.plugin.mu.Lock()
	m := recording.Medium{Key: int(k), Kind: k}
	if agreed := h.recordable(k); agreed != nil {
		m = *agreed
		m.Origin = h.origin()
	}
	h.plugin.mu.Unlock()
	if codec != "" {
		m.Codec = codec
	}
	if fmtp != "" {
		m.Fmtp = fmtp
	}
	if k == sdp.Application {
		m.Codec, m.Origin = "text", nil // whatever is sent
	}
	m.Name = recording.Path(folder, name)
	if !m.Recordable() {
		return fmt.Errorf("there are no recordings of the codec %.20q", codec)
	}
	err := h.recordings.Start(recording.Owner{Events: &h.plugin.Events, Host: h.Host}, m)
	if err == nil && k == sdp.Video {
		_ = h.requestKeyframe()
	}
	return err
}

// recordable is the first medium of a kind that the client sends, nil if there is none. The
// caller holds the lock, here and below.
func (h *handle) recordable(k sdp.Kind) *recording.Medium {
	for i := range h.sections {
		if m := h.sections[i].medium; m != nil && m.Kind == k {
			return m
		}
	}
	return nil
}

// origin is the source of recordings. Media that the script wants to see are not
// recorded.
func (h *handle) origin() sfu.Origin {
	peer := h.Host.Peer()
	if peer == nil || h.run.has[cbIncomingRTP] {
		return nil
	}
	return peer
}

// syncRecordings has recordings continue with the latest agreed state.
func (h *handle) syncRecordings() {
	for _, k := range kinds {
		if m := h.recordable(k); m != nil {
			h.recordings.SetOrigin(m.Key, h.origin(), m.Track)
		}
	}
}

// stopRecording ends the recording of media.
func (c *Call) stopRecording() (Value, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(c.args); i++ {
		if k, ok := plugin.ParseKind(c.text(i)); ok {
			h.recordings.Stop(int(k))
		}
	}
	return done, nil
}
