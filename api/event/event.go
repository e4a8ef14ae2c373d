// Package event takes the events of the server to event handlers: one outlet
// for each, with a queue of its own, so that one that is slow or dead holds up
// neither the server nor the others.
package event

import (
	"context"
	"strings"
	"time"

	"bifrons/api/janus"
	"bifrons/api/json"
)

// Settings are the settings that the files of all event handlers share.
type Settings struct {
	Enabled  bool     `cfg:"enabled"`
	Events   []string `cfg:"events"`   // labels of types, see ParseMask
	Grouping bool     `cfg:"grouping"` // several events in one message
	JSON     string   `cfg:"json" enum:"indented|plain|compact"`
}

// Defaults are the settings of a handler that says nothing.
func Defaults() Settings { return Settings{Grouping: true, JSON: "compact"} }

// types are the types of events with their labels in masks and their names.
var types = [...]struct {
	typ         janus.NotificationType
	label, name string
}{
	{janus.NotifySession, "sessions", "Sessions"},
	{janus.NotifyHandle, "handles", "Handles"},
	{janus.NotifyExternal, "external", "External"},
	{janus.NotifyJSEP, "jsep", "Jsep"},
	{janus.NotifyWebRTC, "webrtc", "WebRTC"},
	{janus.NotifyMedia, "media", "Media"},
	{janus.NotifyPlugin, "plugins", "Plugins"},
	{janus.NotifyTransport, "transports", "Transports"},
	{janus.NotifyCore, "core", "Core"},
}

// All is the mask of all types.
const All = 2*janus.NotifyCore - 1

// ParseMask makes a mask of labels such as "sessions" and "webrtc", or of a
// single "all" or "none". It also returns the labels that it does not know.
func ParseMask(labels []string) (mask janus.NotificationType, unknown []string) {
	for _, label := range labels {
		label = strings.ToLower(strings.TrimSpace(label))
		bit := janus.NotificationType(0)
		for _, t := range types {
			if t.label == label {
				bit = t.typ
			}
		}
		switch {
		case label == "all":
			bit = All
		case bit == 0 && label != "none" && label != "":
			unknown = append(unknown, label)
		}
		mask |= bit
	}
	return mask, unknown
}

// Name is the name of a type, "WebRTC" for example.
func Name(t janus.NotificationType) string {
	for _, known := range types {
		if known.typ == t {
			return known.name
		}
	}
	return "Unknown"
}

// Label is the name of a type in masks, "webrtc" for example.
func Label(t janus.NotificationType) string {
	for _, known := range types {
		if known.typ == t {
			return known.label
		}
	}
	return "unknown"
}

// Append writes an event with its envelope: emitter, time, and subject.
func Append(w *json.Writer, emitter string, n *janus.Notification) { AppendWith(w, emitter, n, nil) }

// AppendWith is Append for an envelope that more is written to; more may be nil.
func AppendWith(w *json.Writer, emitter string, n *janus.Notification, more func(w *json.Writer)) {
	w.Object("")
	w.Str("emitter", emitter)
	w.Int("type", int64(n.Type))
	if n.Subtype > 0 {
		w.Int("subtype", int64(n.Subtype))
	}
	w.Int("timestamp", n.Time.UnixMicro())
	if n.Session != 0 {
		w.Uint("session_id", n.Session)
	}
	if n.Handle != 0 {
		w.Uint("handle_id", n.Handle)
	}
	w.OptStr("opaque_id", n.OpaqueID)
	if more != nil {
		more(w)
	}
	w.Raw("event", n.Event)
	w.End()
}

// Pause waits, but not longer than ctx lives.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// MaxBackoff is the longest pause before a handler connects again.
const MaxBackoff = 8 * time.Second

// Backoff is the pause before the nth try to connect again, counted from 0.
func Backoff(n int) time.Duration { return min(time.Second<<min(n, 3), MaxBackoff) }
