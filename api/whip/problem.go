package whip

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"bifrons/api/janus"
)

// problem is an error as clients read it (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`

	retry time.Duration // when to try again, 0 = it would be the same
	field [2]string     // another header field
}

func (p *problem) Error() string { return p.Detail }

// refuse is a problem that goes away by another request.
func refuse(status int, detail string) *problem { return &problem{Status: status, Detail: detail} }

// later is a problem that goes away by itself.
func later(status int, retry time.Duration, detail string) *problem {
	return &problem{Status: status, Detail: detail, retry: retry}
}

// with adds a header field.
func (p *problem) with(name, value string) *problem {
	p.field = [2]string{name, value}
	return p
}

// write answers a request.
func (p *problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	text, err := json.Marshal(p)
	if err != nil {
		text = nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(p.retry/time.Second))))
	}
	if p.field[0] != "" {
		h.Set(p.field[0], p.field[1])
	}
	w.WriteHeader(p.Status)
	w.Write(text)
}

// Codes of the plugins.
const (
	roomNone       = 426
	roomNoFeed     = 428
	roomBadField   = 430
	roomFull       = 432
	roomForbidden  = 433
	roomIDExists   = 436
	roomBadSDP     = 437
	mountMissing   = 453
	mountNone      = 455
	mountForbidden = 457
	mountBadSDP    = 461
)

// explain makes a problem from an error of the core or a plugin.
func (e *Endpoint) explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	r, ok := errors.AsType[*refusal](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return later(http.StatusServiceUnavailable, 2*time.Second, "The server did not answer in time.")
	case !ok:
		return refuse(http.StatusInternalServerError, err.Error())
	}
	switch {
	case r.core:
		return explainCore(r)
	case e.Mountpoint != "":
		return e.explainMountpoint(r)
	}
	return e.explainRoom(r)
}

func explainCore(r *refusal) *problem {
	switch janus.Code(r.code) {
	case janus.ErrNotAccepting:
		return draining()
	case janus.ErrJSEPInvalid, janus.ErrJSEPType:
		return refuse(http.StatusBadRequest, "The description cannot be used: "+r.reason+".")
	case janus.ErrUnexpectedAnswer:
		return refuse(http.StatusConflict, "There is no offer to answer.")
	case janus.ErrPluginNotFound:
		return refuse(http.StatusNotFound, "The plugin of this endpoint is not running.")
	}
	return refuse(http.StatusInternalServerError, r.reason+".")
}

func (e *Endpoint) explainRoom(r *refusal) *problem {
	switch r.code {
	case roomNone:
		return refuse(http.StatusNotFound, "The room of this endpoint, "+e.Room+", does not exist.")
	case roomNoFeed:
		return later(http.StatusConflict, 2*time.Second, "Nobody publishes here at the moment. Try again later.")
	case roomFull:
		return later(http.StatusServiceUnavailable, 10*time.Second, "The room is full: "+r.reason+".")
	case roomForbidden:
		return refuse(http.StatusForbidden, "The room does not let this endpoint in: "+r.reason+". Its operator has to set pin or invitation.")
	case roomIDExists:
		return later(http.StatusConflict, 2*time.Second, "Somebody else publishes in this endpoint's name.")
	case roomBadField, roomBadSDP:
		return refuse(http.StatusUnprocessableEntity, r.reason+".")
	}
	return refuse(http.StatusInternalServerError, r.reason+".")
}

func (e *Endpoint) explainMountpoint(r *refusal) *problem {
	switch r.code {
	case mountNone:
		return refuse(http.StatusNotFound, "The mountpoint of this endpoint, "+e.Mountpoint+", does not exist.")
	case mountForbidden, mountMissing:
		return refuse(http.StatusForbidden, "The mountpoint does not let this endpoint in: its operator has to set pin.")
	case mountBadSDP:
		return refuse(http.StatusUnprocessableEntity, r.reason+".")
	}
	return refuse(http.StatusInternalServerError, r.reason+".")
}

func draining() *problem {
	return later(http.StatusServiceUnavailable, 5*time.Second, "The server takes no new clients at the moment.")
}
