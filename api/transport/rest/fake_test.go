package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"bifrons/api/janus"
	"bifrons/api/transport"
)

// fakeCore answers as little of the Janus API as a transport's tests need, and
// keeps what it was given.
type fakeCore struct {
	mu       sync.Mutex
	requests []janus.Request
	conn     janus.Conn
	replies  [][]byte // used up one by one, before the built-in answers
	silent   bool
	sessions map[uint64]bool
	secret   string
	polls    int
}

func (f *fakeCore) Handle(conn janus.Conn, r janus.Request, reply func([]byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = conn
	r.Body = bytes.Clone(r.Body)
	f.requests = append(f.requests, r)
	if f.silent {
		return
	}
	if len(f.replies) > 0 {
		reply(f.replies[0])
		f.replies = f.replies[1:]
		return
	}
	reply([]byte(builtin(r.Body)))
}

func builtin(body []byte) string {
	var m struct{ Janus, Transaction string }
	if err := json.Unmarshal(body, &m); err != nil {
		return `{"janus":"error","error":{"code":454,"reason":"JSON error: on line 1: x"}}`
	}
	txn, _ := json.Marshal(m.Transaction)
	switch m.Janus {
	case "ping":
		return fmt.Sprintf(`{"janus":"pong","transaction":%s}`, txn)
	case "info":
		return fmt.Sprintf(`{"janus":"server_info","transaction":%s}`, txn)
	}
	return fmt.Sprintf(`{"janus":"error","transaction":%s,"error":{"code":457,"reason":"Unhandled request '%s' at this path"}}`, txn, m.Janus)
}

func (f *fakeCore) Poll(session uint64, secret, token string) janus.Code {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polls++
	if f.secret != "" && secret != f.secret && token != f.secret {
		return janus.ErrUnauthorized
	}
	if !f.sessions[session] {
		return janus.ErrSessionNotFound
	}
	return 0
}

func (f *fakeCore) last(t *testing.T) janus.Request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) == 0 {
		t.Fatal("the core got no request")
	}
	return f.requests[len(f.requests)-1]
}

// rig is a running server with its fake core and a client.
type rig struct {
	*testing.T
	core   *fakeCore
	server *Server
	client *http.Client
	base   string // of the first endpoint
}

var local = transport.Address{Enabled: true, IP: netip.MustParseAddr("127.0.0.1")}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	if !cfg.API.HTTP.Enabled && !cfg.API.HTTPS.Enabled && !cfg.Admin.HTTP.Enabled {
		cfg.API.HTTP = local
	}
	f := &fakeCore{sessions: map[uint64]bool{}}
	s, err := New(cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	tr := &http.Transport{}
	r := &rig{T: t, core: f, server: s, client: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	r.base = "http://" + s.Listeners()[0].Addr.String()
	t.Cleanup(func() {
		s.Close()
		tr.CloseIdleConnections()
	})
	return r
}

// bind makes a session that polls find.
func (r *rig) bind(session uint64) {
	r.core.mu.Lock()
	r.core.sessions[session] = true
	r.core.mu.Unlock()
	r.server.SessionBound(session)
}

type response struct {
	status int
	header http.Header
	body   string
}

func (r *rig) try(method, path, body string, header map[string]string) (response, error) {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
		if header["chunked"] != "" {
			rd = io.MultiReader(rd) // hides the length
		}
	}
	req, err := http.NewRequest(method, r.base+path, rd)
	if err != nil {
		return response{}, err
	}
	for k, v := range header {
		if k != "chunked" {
			req.Header.Set(k, v)
		}
	}
	res, err := r.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, string(text)}, err
}

func (r *rig) do(method, path, body string, header map[string]string) response {
	r.Helper()
	res, err := r.try(method, path, body, header)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

// aborted expects that the server closes the connection without a response.
func (r *rig) aborted(method, path, body string, header map[string]string) {
	r.Helper()
	res, err := r.try(method, path, body, header)
	if err == nil {
		r.Errorf("%s %s: got status %d and %q, want a closed connection", method, path, res.status, res.body)
	}
}
