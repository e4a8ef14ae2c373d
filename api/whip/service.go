package whip

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"bifrons/api/transport"
)

// place is the target of a path.
type place uint8

const (
	atEndpoint place = iota
	atResource
	atLayer  // of a player (WHEP extension)
	atEvents // of a player (WHEP extension)
	atStream // of its events
)

// target is a path taken apart.
type target struct {
	at         place
	kind       Kind
	id, stream string
}

// visit is a request on its way.
type visit struct {
	target
	w        http.ResponseWriter
	r        *http.Request
	endpoint *Endpoint
	resource *resource  // nil at an endpoint
	address  netip.Addr // of the client
}

// run answers a request, or returns its problem.
type run func(s *Server, v *visit) *problem

// table is everything that can be done, by place and method.
type table map[place]map[string]run

func newTable() table {
	return table{
		atEndpoint: {http.MethodPost: (*Server).open, http.MethodGet: (*Server).look, http.MethodHead: (*Server).look, http.MethodOptions: (*Server).options},
		atResource: {http.MethodPatch: (*Server).patch, http.MethodDelete: (*Server).remove, http.MethodGet: (*Server).look,
			http.MethodHead: (*Server).look, http.MethodOptions: (*Server).options},
		atLayer:  {http.MethodPost: (*Server).layer, http.MethodOptions: (*Server).options},
		atEvents: {http.MethodPost: (*Server).subscribe, http.MethodOptions: (*Server).options},
		atStream: {http.MethodGet: (*Server).stream, http.MethodDelete: (*Server).unsubscribe, http.MethodOptions: (*Server).options},
	}
}

// allowed are the methods of a place, in one order.
func (t table) allowed(at place) string {
	var list []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		if t[at][m] != nil {
			list = append(list, m)
		}
	}
	return strings.Join(list, ", ")
}

// route takes a path apart: endpoint/ID, resource/ID and paths below that.
func (s *Server) route(path string) (t target, ok bool) {
	rest, is := strings.CutPrefix(path, s.cfg.WHIP+"/")
	if !is {
		t.kind = Watch
		if rest, is = strings.CutPrefix(path, s.cfg.WHEP+"/"); !is {
			return t, false
		}
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 2 || parts[1] == "" {
		return t, false
	}
	t.id = parts[1]
	switch {
	case parts[0] == "endpoint" && len(parts) == 2:
		return t, true
	case parts[0] != "resource":
		return t, false
	}
	watch := t.kind == Watch
	switch t.at = atResource; {
	case len(parts) == 2:
		return t, true
	case watch && len(parts) == 3 && parts[2] == "layer":
		t.at = atLayer
		return t, true
	case watch && len(parts) == 3 && parts[2] == "events":
		t.at = atEvents
		return t, true
	case watch && len(parts) == 4 && parts[2] == "events" && parts[3] != "":
		t.at, t.stream = atStream, parts[3]
		return t, true
	}
	return t, false
}

// path is where a resource is, or a place below it.
func (s *Server) path(x *resource, below string) string {
	base := s.cfg.WHIP
	if x.endpoint.Kind == Watch {
		base = s.cfg.WHEP
	}
	return base + "/resource/" + x.id + below
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.allowOrigin(w, r)
	t, ok := s.route(r.URL.Path)
	if !ok {
		refuse(http.StatusNotFound, "There is nothing at this path.").write(w)
		return
	}
	if p := s.serve(&visit{target: t, w: w, r: r}); p != nil {
		p.write(w)
	}
}

// serve finds out whether a request may be made, and runs it.
func (s *Server) serve(v *visit) *problem {
	do := s.table[v.at][v.r.Method]
	if do == nil {
		return refuse(http.StatusMethodNotAllowed, v.r.Method+" means nothing here.").with("Allow", s.table.allowed(v.at))
	}
	if preflight(v.r) {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.address = s.address(v.r)
	from := network(v.address)
	switch {
	case s.cfg.Origins.Refuses(v.r, true):
		return refuse(http.StatusForbidden, "Pages of this origin may not connect.")
	case from.IsValid() && !s.rates.allow(from, time.Now()):
		return later(http.StatusTooManyRequests, time.Second, "Too many requests come from this address.")
	}
	if v.at == atEndpoint {
		v.endpoint = s.endpoint(v.kind, v.id)
	} else if v.resource = s.resource(v.kind, v.id); v.resource != nil {
		v.endpoint = v.resource.endpoint
	}
	switch {
	case v.endpoint == nil && v.at == atEndpoint:
		return refuse(http.StatusNotFound, "There is no "+v.kind.String()+" endpoint of that name.")
	case v.endpoint == nil:
		return refuse(http.StatusNotFound, "There is no such resource, or it has ended.")
	}
	if to := v.endpoint.Redirect; to != "" {
		v.w.Header().Set("Location", to)
		v.w.WriteHeader(http.StatusTemporaryRedirect)
		return nil
	}
	// Browsers read events without a token; only who has shown it knows the stream.
	if p := s.authorize(v); p != nil && !(v.at == atStream && v.r.Method == http.MethodGet) {
		return p
	}
	return do(s, v)
}

// authorize checks the token (RFC 6750). Only the question of a browser before a request
// needs none, and its answer does not name relays.
func (s *Server) authorize(v *visit) *problem {
	token := v.endpoint.Token
	if token == "" {
		return nil
	}
	given := ""
	if scheme, text, _ := strings.Cut(v.r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(text)
	} else if s.cfg.TokenInURL {
		given = v.r.URL.Query().Get("token")
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 {
		return nil
	}
	challenge, detail := "Bearer", "A token is needed: Authorization: Bearer ..."
	if given != "" {
		challenge, detail = `Bearer error="invalid_token"`, "The token is not that of this endpoint."
	}
	return refuse(http.StatusUnauthorized, detail).with("WWW-Authenticate", challenge)
}

// preflight reports whether a browser asks before a request (Fetch, 3.2.2).
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowOrigin sets the CORS headers, which every response has (Fetch, 3.2).
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", s.cfg.Origins.Header())
	if s.cfg.Origins.Allow != "" {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Accept-Post, Allow, Retry-After, WWW-Authenticate")
	if preflight(r) {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, ETag, Accept") // ETag: some clients have the tag there
		h.Set("Access-Control-Max-Age", "86400")
	}
}

// Media types.
const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
	typeJSON     = "application/json"
)

// options lists the acceptable media types, and the ICE servers to use.
func (s *Server) options(v *visit) *problem {
	h := v.w.Header()
	h.Set("Allow", s.table.allowed(v.at))
	switch v.at {
	case atEndpoint:
		h.Set("Accept-Post", typeSDP)
		s.tellServers(v)
	case atResource:
		h.Set("Accept-Patch", acceptPatch(v.kind))
	}
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

// look answers GET and HEAD with nothing: players learn that it is a WHEP endpoint.
func (s *Server) look(v *visit) *problem {
	if v.at == atResource {
		v.w.Header().Set("ETag", v.resource.tag())
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.w.Header().Set("Accept-Post", typeSDP)
	if v.kind == Publish {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.w.Header().Set("Content-Type", typeSDP)
	v.w.Header().Set("Content-Length", "0")
	v.w.WriteHeader(http.StatusOK)
	return nil
}

// tellServers lists the ICE servers.
func (s *Server) tellServers(v *visit) {
	servers := v.endpoint.ICEServers
	if servers == nil {
		servers = s.cfg.ICEServers
	}
	if servers == nil && s.cfg.Relays != nil {
		ctx, cancel := context.WithTimeout(v.r.Context(), relayTimeout)
		defer cancel()
		servers = s.cfg.Relays(ctx, v.endpoint.Kind.String()+"-"+v.endpoint.ID)
	}
	for i := range servers {
		v.w.Header().Add("Link", servers[i].link())
	}
}

// relayTimeout is how long a TURN REST API may take.
const relayTimeout = 3 * time.Second

func acceptPatch(kind Kind) string {
	if kind == Watch {
		return typeFragment + ", " + typeSDP
	}
	return typeFragment
}

// maxBody bounds a description, in bytes.
const maxBody = 256 << 10

// body reads a request of one of several types, and returns which one it is.
func (s *Server) body(v *visit, refusal *problem, types ...string) (text, is string, p *problem) {
	is, _, _ = mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	known := false
	for _, t := range types {
		known = known || is == t
	}
	if !known {
		return "", "", refusal
	}
	rc := http.NewResponseController(v.w)
	_ = rc.SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	defer rc.SetReadDeadline(time.Time{})
	body, release, err := transport.Receive(v.r.Context(), http.MaxBytesReader(v.w, v.r.Body, maxBody), v.r.ContentLength, s.cfg.Bodies)
	defer release()
	switch tooBig := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooBig):
		return "", "", refuse(http.StatusRequestEntityTooLarge, "The body is larger than "+strconv.Itoa(maxBody)+" bytes.")
	case errors.Is(err, transport.ErrBusy):
		return "", "", later(http.StatusServiceUnavailable, time.Second, "The server is busy.")
	case err != nil:
		return "", "", refuse(http.StatusBadRequest, "The body did not come whole.")
	case len(body) == 0:
		return "", "", refuse(http.StatusBadRequest, "The body is empty.")
	case !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0:
		return "", "", refuse(http.StatusBadRequest, "The body is no text in UTF-8.")
	}
	return string(body), is, nil
}

// open makes a resource of an offer (RFC 9725, 4.2).
func (s *Server) open(v *visit) *problem {
	offer, _, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "An offer has the type "+typeSDP+".").with("Accept-Post", typeSDP), typeSDP)
	if p == nil {
		p = checkOffer(v.kind, offer)
	}
	if p != nil {
		return p
	}
	x, p := s.reserve(v.endpoint, network(v.address))
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), s.cfg.AnswerTimeout)
	defer cancel()
	status, text, p := x.begin(ctx, offer)
	if p != nil {
		x.end("it could not begin: " + p.Detail)
		return p
	}
	s.cfg.Log.Info("WHIP or WHEP resource begins", "endpoint", x.endpoint.ID, "kind", x.endpoint.Kind, "resource", x.id[:8], "address", v.address)
	h := v.w.Header()
	s.tellServers(v)
	if v.kind == Watch {
		h.Add("Link", "<"+s.path(x, "/events")+`>; rel="`+relEvents+`"; events="`+strings.Join(newsKinds, ",")+`"`)
		h.Add("Link", "<"+s.path(x, "/layer")+`>; rel="`+relLayer+`"`)
		s.count(x.endpoint)
	}
	h.Set("Location", s.path(x, ""))
	h.Set("ETag", x.tag())
	h.Set("Accept-Patch", acceptPatch(v.kind))
	h.Set("Content-Type", typeSDP)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	v.w.WriteHeader(status)
	io.WriteString(v.w, text)
	return nil
}

// begin negotiates an offer. It returns an answer with 201, or an offer of ours with 406 to
// a player whose own fits none of the media.
func (x *resource) begin(ctx context.Context, offer string) (status int, text string, p *problem) {
	unlock, err := x.lock(ctx)
	if err != nil {
		return 0, "", x.endpoint.explain(err)
	}
	defer unlock()
	if x.gone() {
		return 0, "", refuse(http.StatusConflict, "The resource has ended.")
	}
	text, err = x.open(ctx, offer)
	watch := x.endpoint.Kind == Watch
	if r, ok := errors.AsType[*refusal](err); watch && (err == nil && !usable(text) || ok && !r.core && r.code == roomBadSDP && x.endpoint.Mountpoint == "") {
		if text, err = x.counter(ctx); err == nil {
			x.expire()
			return http.StatusNotAcceptable, text, nil
		}
	}
	if err != nil {
		return 0, "", x.endpoint.explain(err)
	}
	if none := rejected(offer, text); none != "" && !watch {
		return 0, "", refuse(http.StatusUnprocessableEntity, "The room does not take "+none+".")
	}
	if x.gone() {
		return 0, "", refuse(http.StatusConflict, "The connection has ended.")
	}
	return http.StatusCreated, text, nil
}

// expire ends the resource if our offer is not answered in time. The turn is held.
func (x *resource) expire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timer = time.AfterFunc(x.server.cfg.OfferTimeout, func() {
		unlock, err := x.lock(x.server.ctx)
		if err != nil {
			return
		}
		pending := x.pending
		unlock()
		if pending {
			x.end("its offer was not answered")
		}
	})
}

// patch takes candidates, a restart of ICE (RFC 9725, 4.3) or a player's answer.
func (s *Server) patch(v *visit) *problem {
	x := v.resource
	text, is, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "PATCH takes "+acceptPatch(v.kind)+".").with("Accept-Patch", acceptPatch(v.kind)),
		strings.Split(acceptPatch(v.kind), ", ")...)
	if p != nil {
		return p
	}
	var f fragment
	if is == typeFragment {
		var err error
		if f, err = parseFragment(text); err != nil {
			return refuse(http.StatusBadRequest, "The fragment cannot be used: "+err.Error()+".")
		}
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), s.cfg.AnswerTimeout)
	defer cancel()
	unlock, err := x.lock(ctx)
	if err != nil {
		return x.endpoint.explain(err)
	}
	defer unlock()
	if x.gone() {
		return refuse(http.StatusNotFound, "The resource has ended.")
	}
	if is == typeSDP {
		if err = x.answered(ctx, text); err == nil {
			v.w.WriteHeader(http.StatusNoContent)
		}
	} else if p = x.matches(&f, v.r.Header.Values("If-Match")); p != nil {
		return p
	} else if f.ufrag != "" && f.ufrag != x.ufrag {
		if text, err = x.restart(ctx, &f); err == nil {
			h := v.w.Header()
			h.Set("ETag", x.tag())
			h.Set("Content-Type", typeFragment)
			h.Set("Content-Length", strconv.Itoa(len(text)))
			io.WriteString(v.w, text)
		}
	} else if err = x.trickle(ctx, &f); err == nil {
		v.w.WriteHeader(http.StatusNoContent)
	}
	if err != nil {
		return x.endpoint.explain(err)
	}
	return nil
}

// matches reports whether a fragment is for the ICE session that there is: by the precondition,
// which many clients do not have, and by its credentials. The turn is held.
func (x *resource) matches(f *fragment, tags []string) *problem {
	current := x.tag()
	switch {
	case x.pending:
		return refuse(http.StatusConflict, "Our offer waits for an answer of the type "+typeSDP+".")
	case f.ufrag != "" && f.ufrag == x.past:
		return refuse(http.StatusPreconditionFailed, "The fragment is from an ICE session before.").with("ETag", current)
	case len(tags) == 0:
		if x.server.cfg.Strict {
			return refuse(http.StatusPreconditionRequired, "PATCH needs If-Match.").with("ETag", current)
		}
		return nil
	}
	for _, list := range tags {
		for t := range strings.SplitSeq(list, ",") {
			if t = strings.TrimSpace(t); t == current || t == "*" || t == `"*"` { // as the examples of RFC 9725 have it
				return nil
			}
		}
	}
	return refuse(http.StatusPreconditionFailed, "If-Match names another ICE session.").with("ETag", current)
}

// remove ends a resource.
func (s *Server) remove(v *visit) *problem {
	v.resource.end("its client asked for that")
	v.w.WriteHeader(http.StatusOK)
	return nil
}
