package admin

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/sfu"
)

func (a *Admin) listSessions(q *query) {
	q.ok(func(w *json.Writer) {
		w.Array("sessions")
		for _, s := range a.core.Sessions() {
			w.Uint("", s.ID())
		}
		w.EndArray()
	})
}

func (a *Admin) listHandles(q *query) {
	q.ok(func(w *json.Writer) {
		w.Array("handles")
		for _, h := range q.session.Handles() {
			w.Uint("", h.ID())
		}
		w.EndArray()
	})
}

func (a *Admin) destroySession(q *query) {
	q.session.Destroy()
	q.ok(nil)
}

func (a *Admin) detachHandle(q *query) {
	q.handle.Detach()
	q.ok(nil)
}

// hangupReason is the reason that the client gets.
const hangupReason = "Admin API"

func (a *Admin) hangupWebRTC(q *query) {
	q.handle.Hangup(hangupReason)
	q.ok(nil)
}

func (a *Admin) startPCAP(q *query) { a.startCapture(q, sfu.CapturePCAP, "pcap", "pcap") }

func (a *Admin) startText(q *query) { a.startCapture(q, sfu.CaptureText, "text2pcap", "txt") }

// startCapture starts a capture of either kind; a handle has one at most.
func (a *Admin) startCapture(q *query, format sfu.CaptureFormat, name, ext string) {
	if !q.check(schema.Field{Name: "folder", Type: schema.String},
		schema.Field{Name: "filename", Type: schema.String},
		schema.Field{Name: "truncate", Type: schema.Uint}) {
		return
	}
	file := q.Root.Str("filename")
	if file == "" {
		file = fmt.Sprintf("janus-text2pcap-%d.%s", rand.Uint32(), ext)
	}
	err := q.handle.StartCapture(sfu.CaptureConfig{
		Path:     filepath.Join(q.Root.Str("folder"), file),
		Format:   format,
		Truncate: int(min(q.Root.Num("truncate"), 1<<16)),
		Label:    fmt.Sprintf("[session=%d][handle=%d]", q.SessionID, q.HandleID),
	})
	switch {
	case errors.Is(err, janus.ErrCapturing):
		q.unknown(name + " already started")
	case err != nil:
		a.cfg.Logger.Warn("capture not started", "handle", q.HandleID, "error", err)
		q.unknown("Error starting " + name + " dump")
	default:
		q.done()
	}
}

// startLineLog starts a log of the handle's lines.
func (a *Admin) startLineLog(q *query) {
	if !q.check(schema.Field{Name: "folder", Type: schema.String}, schema.Field{Name: "filename", Type: schema.String}) {
		return
	}
	file := q.Root.Str("filename")
	if file == "" {
		file = fmt.Sprintf("bifrons-bwe-%d.csv", rand.Uint32())
	}
	err := q.handle.StartLineLog(filepath.Join(q.Root.Str("folder"), file))
	switch {
	case errors.Is(err, janus.ErrCapturing):
		q.unknown("Log already started")
	case err != nil:
		a.cfg.Logger.Warn("line log not started", "handle", q.HandleID, "error", err)
		q.unknown("Error starting log")
	default:
		q.done()
	}
}

func (a *Admin) stopLineLog(q *query) {
	if q.handle.StopLineLog() != nil {
		q.unknown("Log not started")
		return
	}
	q.done()
}

func (a *Admin) stopCapture(q *query) {
	if q.handle.StopCapture() != nil {
		q.unknown("Capture not started")
		return
	}
	q.done()
}
