package rest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bifrons/api/janus"
	"bifrons/api/transport"
)

// service answers the requests of one API.
type service struct {
	*Server
	API
	admin bool
}

// ServeHTTP answers a request. API errors have status 200; the others are for
// requests that do not reach the API at all.
func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	visitor := transport.VisitorOf(r.Context())
	visitor.Active()
	defer visitor.Idle()
	if !s.ACL.AllowsRequest(r) {
		panic(http.ErrAbortHandler)
	}
	if others := s.cfg.Others; others != nil && !s.admin && others.Serves(r.URL.Path) {
		others.ServeHTTP(w, r)
		return
	}
	if h := s.static(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	if s.servesFile(w, r) {
		return
	}
	s.working.Add(1)
	defer s.working.Add(-1)
	id := strconv.FormatUint(s.requests.Add(1), 10)
	s.notify(id, r)
	s.allowOrigin(w, r)
	if r.Method == http.MethodOptions {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		s.refuse(w, janus.ErrTransport, "Unsupported method "+r.Method)
		return
	}
	t, ok := parsePath(s.BasePath, r.URL.Path)
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case s.cfg.Origins.Refuses(r, true):
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPost:
		s.post(w, r, t, id)
	case t.word != "":
		s.answer(w, r, s.start(janus.Request{ID: id, Body: fmt.Appendf(nil, `{"janus":%q,"transaction":%q}`, t.word, randomText(11))}))
	case s.admin:
		s.refuse(w, janus.ErrInvalidJSON, "Request payload missing")
	default:
		s.poll(w, r, t)
	}
}

// servesFile answers for a file of a plugin, if it is one.
func (s service) servesFile(w http.ResponseWriter, r *http.Request) bool {
	return s.cfg.Files != nil && !s.admin && (r.Method == http.MethodGet || r.Method == http.MethodHead) && s.cfg.Files(w, r)
}

// static finds the handler of pages served besides the API.
func (s service) static(r *http.Request) http.Handler {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	path := r.URL.Path
	switch {
	case path == "/healthz" || path == "/readyz":
		return http.HandlerFunc(s.health)
	case s.admin && path == "/metrics":
		return s.cfg.Metrics
	case s.admin && (path == "/" || strings.HasPrefix(path, "/dashboard/")):
		return s.cfg.Dashboard
	case s.admin:
		return nil
	case path == "/" || strings.HasPrefix(path, "/echo/"):
		return s.cfg.Page
	case path == "/demos" || strings.HasPrefix(path, "/demos/"):
		return s.cfg.Demos
	}
	return nil
}

// health answers probes of whether the server is there, and whether it
// takes new clients.
func (s service) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/readyz" && s.cfg.Ready != nil {
		if err := s.cfg.Ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// notify informs event handlers of a request. Requests count as connections of
// their own, as sessions survive every one of them.
func (s service) notify(id string, r *http.Request) {
	if !s.control.Notifies() {
		return
	}
	ip, port := transport.RemoteIP(r)
	n, _ := strconv.Atoi(port) // 0 for a Unix socket
	s.control.Notify(id, struct {
		Event string `json:"event"`
		Admin bool   `json:"admin_api"`
		IP    string `json:"ip"`
		Port  int    `json:"port"`
	}{"request", s.admin, ip, n})
}

// allowOrigin sets the CORS headers, which every response has (Fetch, 3.2).
func (s service) allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", s.cfg.Origins.Header())
	if s.cfg.Origins.Allow != "" {
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Max-Age", "86400")
	if m := r.Header.Get("Access-Control-Request-Method"); m != "" {
		h.Set("Access-Control-Allow-Methods", m)
	}
	if m := r.Header.Get("Access-Control-Request-Headers"); m != "" {
		h.Set("Access-Control-Allow-Headers", m)
	}
}

func (s service) post(w http.ResponseWriter, r *http.Request, t target, id string) {
	if t.word != "" {
		if s.admin {
			s.refuse(w, janus.ErrTransport, "Use GET for the "+t.word+" endpoint")
		} else {
			w.WriteHeader(http.StatusBadRequest)
		}
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	body, release, err := transport.Receive(r.Context(), http.MaxBytesReader(w, r.Body, s.cfg.MaxBody), r.ContentLength, s.cfg.Bodies)
	defer release()
	switch tooBig := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooBig):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, transport.ErrBusy):
		s.writeStatus(w, http.StatusServiceUnavailable, janus.Busy())
		return
	case err != nil || len(body) == 0:
		panic(http.ErrAbortHandler)
	}
	_ = rc.SetReadDeadline(time.Time{}) // the answer may take longer
	replies := s.start(janus.Request{ID: id, Body: body, Session: t.session, Handle: t.handle})
	release()
	s.answer(w, r, replies)
}

// start gives a request to the core, which copies the parts it needs.
func (s service) start(req janus.Request) (replies chan []byte) {
	req.Path, req.Admin = true, s.admin
	replies = make(chan []byte, 1)
	s.core.Handle(s.Server, req, func(msg []byte) { replies <- msg })
	return replies
}

// answer waits for the core's reply and gives it to the client.
func (s service) answer(w http.ResponseWriter, r *http.Request, replies chan []byte) {
	late := time.NewTimer(s.cfg.ReplyTimeout)
	defer late.Stop()
	select {
	case msg := <-replies:
		s.write(w, msg)
	case <-late.C:
		panic(http.ErrAbortHandler)
	case <-r.Context().Done():
	}
}

func (s service) refuse(w http.ResponseWriter, code janus.Code, reason string) {
	s.write(w, janus.ErrorReply(0, "", code, reason))
}

// poll answers a long poll: with queued events, the next ones, or a keepalive.
func (s service) poll(w http.ResponseWriter, r *http.Request, t target) {
	if t.session == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	query := r.URL.Query()
	max, err := strconv.Atoi(query.Get("maxev"))
	if err != nil || max < 1 {
		max = 1
	}
	if t.depth == 1 {
		if last := s.hub.lastWord(t.session); last != nil {
			s.write(w, join(last, max > 1))
			return
		}
	}
	switch s.core.Poll(t.session, query.Get("apisecret"), query.Get("token")) {
	case 0:
	case janus.ErrUnauthorized:
		w.WriteHeader(http.StatusForbidden)
		return
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if t.depth == 2 {
		w.Header().Set("Location", s.BasePath+"/"+strconv.FormatUint(t.session, 10))
		w.WriteHeader(http.StatusFound)
		return
	}
	events, ok := s.hub.wait(r.Context(), t.session, max, s.cfg.PollTimeout)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(events) == 0 {
		events = []janus.Event{{Head: keepalive}}
	}
	s.write(w, join(events, max > 1))
}

var keepalive = []byte(`{"janus":"keepalive"}`)

// join makes the body of a poll's response: an array, or a single event.
func join(events []janus.Event, array bool) []byte {
	if !array {
		return events[0].Bytes()
	}
	body := []byte{'['}
	for i := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = events[i].Append(body)
	}
	return append(body, ']')
}

func (s service) write(w http.ResponseWriter, msg []byte) {
	s.writeStatus(w, http.StatusOK, msg)
}

func (s service) writeStatus(w http.ResponseWriter, status int, msg []byte) {
	msg = s.control.Relayout(msg)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(msg)))
	w.WriteHeader(status)
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.cfg.BodyTimeout))
	if len(msg) > largeResponse {
		e := janus.Event{Head: msg}
		claim := s.cfg.Queues.Open(func() { _ = rc.SetWriteDeadline(time.Now()) })
		claim.Add(&e)
		s.cfg.Queues.Relieve()
		defer func() {
			claim.Remove(&e)
			claim.Close()
		}()
	}
	w.Write(msg)
}

// largeResponse is the size in bytes from which a response counts while it is
// on its way to the client, who may be slow.
const largeResponse = 16 << 10

// randomText is n letters that serve as a transaction.
func randomText(n int) string { return rand.Text()[:n] }
