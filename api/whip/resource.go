package whip

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
)

// resource is one client that publishes or watches (RFC 9725, 4.2).
type resource struct {
	server   *Server
	endpoint *Endpoint    // fixed
	id       string       // fixed
	from     netip.Prefix // fixed; where the client is
	number   uint64       // fixed; counts resources
	news     feed         // for players

	turn chan struct{} // held by whoever changes the fields below
	*client
	offer   string // the client's latest description
	ufrag   string // the client's
	past    string // that of the ICE session before
	ours    bool   // the offer was ours
	pending bool   // it waits for an answer

	mu    sync.Mutex
	etag  string
	timer *time.Timer // of an offer of ours, nil if there was none

	ended sync.Once
}

// reserve makes a resource, if there may be another one from a network.
func (s *Server) reserve(e *Endpoint, from netip.Prefix) (*resource, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.members[e]); {
	case s.endpoints[name{e.Kind, e.ID}] != e:
		return nil, refuse(http.StatusNotFound, "This endpoint has been destroyed.")
	case s.closing || !s.core.Accepting():
		return nil, draining()
	case len(s.resources) >= s.cfg.MaxResources:
		return nil, later(http.StatusServiceUnavailable, 10*time.Second, "The server has as many clients as it may have.")
	case s.cfg.PerAddress > 0 && s.hosts[from] >= s.cfg.PerAddress:
		return nil, later(http.StatusTooManyRequests, 10*time.Second, "This address has as many clients as it may have.")
	case e.Kind == Watch && e.MaxViewers > 0 && n >= e.MaxViewers:
		return nil, later(http.StatusServiceUnavailable, 10*time.Second, "This endpoint has as many viewers as it may have.")
	case e.Kind == Publish && e.Exclusive && n > 0:
		return nil, later(http.StatusConflict, 5*time.Second, "Somebody publishes here already.")
	}
	x := &resource{server: s, endpoint: e, id: randomID(), from: from, turn: make(chan struct{}, 1), etag: newTag(), number: s.made}
	s.made++
	s.resources[x.id] = x
	if s.members[e] == nil {
		s.members[e] = make(map[*resource]bool)
	}
	s.members[e][x] = true
	if from.IsValid() {
		s.hosts[from]++
	}
	return x, nil
}

// newTag is an entity tag (RFC 9725, 4.3.1).
func newTag() string { return `"` + randomID()[:16] + `"` }

// tag is the entity tag of the ICE session.
func (x *resource) tag() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.etag
}

// lock waits for its turn to change the resource.
func (x *resource) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case x.turn <- struct{}{}:
		return func() { <-x.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end ends the resource with all that belongs to it, once.
func (x *resource) end(why string) {
	x.ended.Do(func() {
		s := x.server
		s.cfg.Log.Info("WHIP or WHEP resource ended", "endpoint", x.endpoint.ID, "kind", x.endpoint.Kind, "resource", x.id[:8], "reason", why)
		s.mu.Lock()
		delete(s.resources, x.id)
		if delete(s.members[x.endpoint], x); len(s.members[x.endpoint]) == 0 {
			delete(s.members, x.endpoint)
		}
		if x.from.IsValid() {
			if s.hosts[x.from]--; s.hosts[x.from] <= 0 {
				delete(s.hosts, x.from)
			}
		}
		s.mu.Unlock()
		s.count(x.endpoint)
		x.news.close()
		x.mu.Lock()
		if x.timer != nil {
			x.timer.Stop()
		}
		x.mu.Unlock()
		s.tasks.Go(func() { // it may be the client's own goroutine that is here
			if unlock, err := x.lock(context.Background()); err == nil {
				defer unlock()
				x.leave()
			}
		})
	})
}

// gone reports whether it has ended.
func (x *resource) gone() bool { return x.server.resource(x.endpoint.Kind, x.id) != x }

// leave ends the session. The turn is held.
func (x *resource) leave() {
	if x.client != nil {
		x.client.close()
	}
}

// join makes a session with a handle, in place of one before. The turn is held.
func (x *resource) join(ctx context.Context) error {
	c := newClient(x.server.core, &x.server.tasks)
	c.event = x.heard
	c.over = func(reason string) {
		if x.current(c) {
			x.end(reason)
		}
	}
	x.mu.Lock()
	before := x.client
	x.client = c
	x.mu.Unlock()
	if before != nil {
		before.close()
	}
	return c.attach(ctx, x.endpoint.plugin(), x.endpoint.Kind.String()+" "+x.endpoint.ID)
}

// current reports whether a session is the one in use.
func (x *resource) current(c *client) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.client == c
}

// sessionID is the session of the Janus API, for who looks for it there.
func (x *resource) sessionID() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.client == nil {
		return ""
	}
	return strconv.FormatUint(x.client.session.Load(), 10)
}

// plugin is the one that an endpoint leads to.
func (e *Endpoint) plugin() string {
	if e.Mountpoint != "" {
		return mountPackage
	}
	return roomPackage
}

// body is the body of a request to the plugin: fields that are empty are left out.
type body map[string]any

func (x *resource) body(name string, more body) body {
	e := x.endpoint
	b := body{"request": name}
	for key, value := range more {
		if value != "" {
			b[key] = value
		}
	}
	if e.Mountpoint != "" {
		b["id"] = x.name(e.Mountpoint)
	} else {
		b["room"] = x.name(e.Room)
	}
	if e.PIN != "" {
		b["pin"] = e.PIN
	}
	return b
}

// name is an id as the plugin takes it: a number, or a text where it is set up so.
func (x *resource) name(id string) any {
	p, ok := x.server.core.Plugin(x.endpoint.plugin()).(plugin.Namer)
	if n, err := strconv.ParseUint(id, 10, 63); err == nil && !(ok && p.StringIDs()) {
		return n
	}
	return id
}

// names is name for an id that may be missing.
func (x *resource) names(id string) any {
	if id == "" {
		return ""
	}
	return x.name(id)
}

// open negotiates the client's offer and returns the answer. The turn is held.
func (x *resource) open(ctx context.Context, offer string) (answer string, err error) {
	if err = x.join(ctx); err != nil {
		return "", err
	}
	x.offer, x.ufrag = offer, inSDP(offer).ufrag
	m, err := x.negotiate(ctx, offer)
	switch {
	case err != nil:
		return "", err
	case m.JSEP == nil:
		return "", errors.New("the plugin did not answer the offer")
	case !usable(m.JSEP.SDP):
		return m.JSEP.SDP, nil // without transport
	}
	x.news.named(m.JSEP.SDP)
	return x.whole(ctx, m.JSEP.SDP)
}

// negotiate gives the client's first offer to the plugin.
func (x *resource) negotiate(ctx context.Context, offer string) (*message, error) {
	e := x.endpoint
	j := &description{Type: "offer", SDP: offer}
	if e.Kind == Publish {
		return x.publish(ctx, j)
	}
	return x.message(ctx, x.body("watch", body{"feed": x.names(e.Feed), "token": e.Invitation}), j)
}

// retryPause is the time between two attempts to take a place that is being left.
const retryPause = 50 * time.Millisecond

// publish joins the room. It takes the place of whoever publishes here, before only where
// there is none besides.
func (x *resource) publish(ctx context.Context, j *description) (*message, error) {
	e := x.endpoint
	b := x.body("joinandconfigure", body{"ptype": "publisher", "id": x.names(e.Feed), "display": e.Label, "token": e.Invitation,
		"audiocodec": e.AudioCodec, "videocodec": e.VideoCodec})
	if e.Bitrate > 0 {
		b["bitrate"] = e.Bitrate
	}
	replaced := false
	for {
		m, err := x.message(ctx, b, j)
		if err == nil && !replaced && (m.JSEP == nil || rejected(j.SDP, m.JSEP.SDP) == "") {
			x.replace()
		}
		if r, ok := err.(*refusal); !ok || r.core || r.code != roomIDExists && r.code != roomFull {
			return m, err
		}
		if !replaced {
			replaced = x.replace()
		}
		if !replaced || x.gone() {
			return m, err
		}
		select { // the one before is about to leave
		case <-time.After(retryPause):
		case <-ctx.Done():
			return m, err
		}
	}
}

// replace ends the resources of the endpoint before this one; true if there were any.
func (x *resource) replace() (any bool) {
	s := x.server
	s.mu.Lock()
	of := s.of(x.endpoint)
	s.mu.Unlock()
	for _, other := range of {
		if other.number < x.number {
			other.end("another client publishes in its place")
			any = true
		}
	}
	return any
}

// restart answers other credentials of the client's with others of ours. The turn is held.
func (x *resource) restart(ctx context.Context, f *fragment) (string, error) {
	next := f.restarted(x.offer)
	b, j := body{"request": "configure"}, &description{Type: "offer", SDP: next}
	switch room := x.endpoint.Mountpoint == ""; {
	case x.ours && room:
		b["restart"], j = true, nil
	case x.ours:
		b, j = x.body("watch", body{"restart": true}), nil
	case x.endpoint.Kind == Watch && room:
		b = x.body("watch", nil)
	case x.endpoint.Kind == Watch:
		b = x.body("watch", body{"restart": true})
	}
	x.anew()
	m, err := x.message(ctx, b, j)
	if err == nil && m.JSEP == nil {
		err = errors.New("the plugin did not answer")
	}
	if err != nil {
		return "", err
	}
	text, err := x.whole(ctx, m.JSEP.SDP)
	if err == nil && x.ours { // which the client's answers, though both are sent the other way round
		_, err = x.message(ctx, body{"request": "start"}, &description{Type: "answer", SDP: next})
	}
	if err != nil {
		return "", err
	}
	x.offer, x.past, x.ufrag = next, x.ufrag, f.ufrag
	x.mu.Lock()
	x.etag = newTag()
	x.mu.Unlock()
	return restartAnswer(text), nil
}

// trickle passes the client's candidates on. The turn is held.
func (x *resource) trickle(ctx context.Context, f *fragment) error {
	list := f.candidates
	if f.end {
		list = append(list, candidate{Completed: true})
	}
	if len(list) == 0 {
		return nil
	}
	_, err := x.ask(ctx, request{Janus: "trickle", Transaction: "trickle", Candidates: list})
	return err
}

// counter makes an offer of ours to a player whose own did not fit. The turn is held.
func (x *resource) counter(ctx context.Context) (string, error) {
	if err := x.join(ctx); err != nil {
		return "", err
	}
	e := x.endpoint
	b := x.body("watch", nil)
	if e.Mountpoint == "" {
		feed, err := x.leader(ctx)
		if err != nil {
			return "", err
		}
		b = x.body("join", body{"ptype": "subscriber", "streams": []body{{"feed": feed}}, "autoupdate": false, "token": e.Invitation})
	}
	m, err := x.message(ctx, b, nil)
	if err != nil {
		return "", err
	}
	if m.JSEP == nil || !usable(m.JSEP.SDP) {
		return "", &refusal{code: roomNoFeed, reason: "There is nothing to offer"}
	}
	x.pending = true
	x.news.named(m.JSEP.SDP)
	return x.whole(ctx, m.JSEP.SDP)
}

// leader is the publisher that a player gets who named none.
func (x *resource) leader(ctx context.Context) (json.RawMessage, error) {
	if feed := x.endpoint.Feed; feed != "" {
		return json.Marshal(x.name(feed))
	}
	m, err := x.ask(ctx, request{Janus: "message", Transaction: "list", Body: x.body("listparticipants", nil)})
	if err != nil {
		return nil, err
	}
	var list struct {
		Participants []struct {
			ID        json.RawMessage `json:"id"`
			Publisher bool            `json:"publisher"`
		} `json:"participants"`
	}
	if err := json.Unmarshal(m.Plugin.Data, &list); err != nil {
		return nil, err
	}
	for _, p := range list.Participants {
		if p.Publisher {
			return p.ID, nil
		}
	}
	return nil, &refusal{code: roomNoFeed, reason: "Nobody publishes"}
}

// answered takes a player's answer to our offer. The turn is held.
func (x *resource) answered(ctx context.Context, answer string) error {
	if !x.pending {
		return refuse(http.StatusConflict, "There is no offer to answer.")
	}
	x.offer, x.ours, x.ufrag = answer, true, inSDP(answer).ufrag
	if _, err := x.message(ctx, body{"request": "start"}, &description{Type: "answer", SDP: answer}); err != nil {
		return err
	}
	x.pending = false
	return nil
}

// usable reports whether any media section of a description is in use.
func usable(text string) bool { return carrier(text) >= 0 }

// checkOffer checks an offer by the rules of the two protocols.
func checkOffer(kind Kind, text string) *problem {
	d, err := sdp.Parse(text)
	if err != nil {
		return refuse(http.StatusBadRequest, "The body is no session description: "+err.Error()+".")
	}
	for _, mid := range d.Bundle {
		if _, ok := d.SectionByMID(mid); !ok {
			return refuse(http.StatusBadRequest, "The offer bundles the section "+mid+", which it does not have: it may have been cut off.")
		}
	}
	n := map[sdp.Kind]int{}
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Rejected() || s.Kind != sdp.Audio && s.Kind != sdp.Video {
			continue
		}
		n[s.Kind]++
		if kind == Publish && !s.Direction.Sends() {
			return refuse(http.StatusBadRequest, "To publish, media sections have to be sendonly or sendrecv; mid "+s.MID+" is "+s.Direction.String()+".")
		}
		if kind == Watch && !s.Direction.Receives() {
			return refuse(http.StatusBadRequest, "To watch, media sections have to be recvonly or sendrecv; mid "+s.MID+" is "+s.Direction.String()+".")
		}
	}
	switch t := d.PeerTransport(nil); {
	case n[sdp.Audio]+n[sdp.Video] == 0:
		return refuse(http.StatusBadRequest, "The offer has neither audio nor video.")
	case t.Ufrag == "" || t.Pwd == "":
		return refuse(http.StatusBadRequest, "The offer has no ICE credentials.")
	case len(t.Fingerprints) == 0:
		return refuse(http.StatusBadRequest, "The offer has no fingerprint of a certificate with a hash that is known.")
	case n[sdp.Audio] > 1 || n[sdp.Video] > 1:
		return refuse(http.StatusUnprocessableEntity, "The offer has more than one media section of a kind; one for audio and one for video are taken.")
	}
	return nil
}

// rejected says which offered media were not taken, "" = all were.
func rejected(offer, answer string) string {
	o, err := sdp.Parse(offer)
	if err != nil {
		return ""
	}
	a, err := sdp.Parse(answer)
	if err != nil {
		return ""
	}
	for i := range min(len(o.Sections), len(a.Sections)) {
		s := &o.Sections[i]
		if s.Rejected() || !a.Sections[i].Rejected() || s.Kind != sdp.Audio && s.Kind != sdp.Video {
			continue
		}
		var codecs []string
		for j := range s.Codecs {
			codecs = append(codecs, s.Codecs[j].Name)
		}
		return s.Kind.String() + " in " + strings.Join(codecs, ", ")
	}
	return ""
}
