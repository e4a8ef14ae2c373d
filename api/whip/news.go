package whip

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Relations of the links to what players can have besides media.
const (
	relEvents = "urn:ietf:params:whep:ext:core:server-sent-events"
	relLayer  = "urn:ietf:params:whep:ext:core:layer"
)

// newsKinds are the events that a player can subscribe to.
var newsKinds = []string{"active", "inactive", "layers", "viewercount"}

// feed keeps the news for a player, and its streams of events.
type feed struct {
	mu      sync.Mutex
	closed  bool
	idle    bool           // nobody publishes the media it watches
	mids    []string       // of the media sections, in their order
	layers  map[string]top // by mid
	viewers int
	streams map[string]*stream
}

// stream is one subscription to events: of each kind the latest one waits.
type stream struct {
	wanted  map[string]bool
	waiting []news
	ready   chan struct{} // has one element if something waits
	taken   bool          // somebody reads it
	begun   bool          // or has done so
	done    chan struct{}
}

// news is one event.
type news struct{ kind, data string }

// maxStreams is how many a player may have.
const maxStreams = 4

// tell gives an event to the streams that want it. f.mu is held.
func (f *feed) tell(n news) {
	for _, s := range f.streams {
		s.tell(n)
	}
}

func (s *stream) tell(n news) {
	if !s.wanted[n.kind] {
		return
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(old news) bool { return old.topic() == n.topic() })
	s.waiting = append(s.waiting, n)
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// topic is the topic whose earlier events an event replaces.
func (n news) topic() string {
	if n.kind == "inactive" {
		return "active"
	}
	return n.kind
}

// state is everything a new stream gets. f.mu is held.
func (f *feed) state() []news {
	active := news{"active", "{}"}
	if f.idle {
		active.kind = "inactive"
	}
	list := []news{active, {"viewercount", fmt.Sprintf(`{"viewercount":%d}`, f.viewers)}}
	if len(f.layers) > 0 {
		list = append(list, f.layerNews())
	}
	return list
}

// close ends all streams.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, s := range f.streams {
		close(s.done)
	}
	f.streams = nil
}

// countPause is how long changes are gathered before players get their number.
const countPause = 500 * time.Millisecond

// count makes sure that all who watch an endpoint get their number.
func (s *Server) count(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind != Watch || s.closing {
		return
	}
	if len(s.crowds) == 0 {
		time.AfterFunc(countPause, s.counted)
	}
	s.crowds[e] = true
}

// counted sends the players their number.
func (s *Server) counted() {
	s.mu.Lock()
	crowds := make(map[*Endpoint][]*resource)
	for e := range s.crowds {
		crowds[e] = s.of(e)
	}
	clear(s.crowds)
	s.mu.Unlock()
	for _, of := range crowds {
		for _, x := range of {
			x.news.count(len(of))
		}
	}
}

// viewers is how many watch an endpoint.
func (s *Server) viewers(e *Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members[e])
}

func (f *feed) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.viewers != n {
		f.viewers = n
		f.tell(news{"viewercount", fmt.Sprintf(`{"viewercount":%d}`, n)})
	}
}

// heard takes an event of the plugin. It runs on the client's own goroutine.
func (x *resource) heard(m *message) {
	if m.Janus == "detached" {
		x.end("its handle was detached")
		return
	}
	if x.endpoint.Kind != Watch || len(m.Plugin.Data) == 0 {
		return
	}
	var said struct {
		Streams []struct {
			Type   string `json:"type"`
			Active bool   `json:"active"`
		} `json:"streams"`
		told
		Result told `json:"result"`
	}
	if json.Unmarshal(m.Plugin.Data, &said) != nil {
		return
	}
	x.news.mu.Lock()
	defer x.news.mu.Unlock()
	if said.Streams != nil {
		idle := true
		for _, s := range said.Streams {
			idle = idle && !(s.Active && s.Type != "data")
		}
		if idle != x.news.idle {
			x.news.idle = idle
			if idle {
				clear(x.news.layers) // who comes next may have others
			}
			x.news.tell(x.news.state()[0])
		}
	}
	x.news.changed(&said.told)
	x.news.changed(&said.Result)
}

// subscribe makes a stream of events: the body is a list of their kinds, or there is none.
func (s *Server) subscribe(v *visit) *problem {
	kinds := newsKinds
	if v.r.ContentLength != 0 {
		text, _, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "The list of events has the type "+typeJSON+".").with("Accept-Post", typeJSON), typeJSON)
		if p != nil {
			return p
		}
		kinds = nil
		if json.Unmarshal([]byte(text), &kinds) != nil || len(kinds) == 0 {
			return refuse(http.StatusBadRequest, "The body is no list of names of events.")
		}
	}
	made := &stream{wanted: make(map[string]bool), ready: make(chan struct{}, 1), done: make(chan struct{})}
	for _, k := range kinds {
		if !slices.Contains(newsKinds, k) {
			return refuse(http.StatusBadRequest, "There is no event "+strconv.Quote(k)+".")
		}
		made.wanted[k] = true
	}
	v.resource.news.count(s.viewers(v.endpoint))
	id, p := v.resource.news.add(made)
	if p != nil {
		return p
	}
	v.w.Header().Set("Location", s.path(v.resource, "/events/"+id))
	v.w.WriteHeader(http.StatusCreated)
	return nil
}

func (f *feed) add(made *stream) (id string, p *problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return "", refuse(http.StatusNotFound, "The resource has ended.")
	case len(f.streams) >= maxStreams:
		return "", refuse(http.StatusConflict, "There are "+strconv.Itoa(maxStreams)+" streams of events already.")
	}
	if f.streams == nil {
		f.streams = make(map[string]*stream)
	}
	id = randomID()
	f.streams[id] = made
	for _, n := range f.state() {
		if n.kind != "inactive" { // which is about the end only
			made.tell(n)
		}
	}
	return id, nil
}

// unsubscribe ends a stream of events.
func (s *Server) unsubscribe(v *visit) *problem {
	f := &v.resource.news
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.streams[v.stream]
	if x == nil {
		return refuse(http.StatusNotFound, "There is no such stream of events.")
	}
	delete(f.streams, v.stream)
	close(x.done)
	v.w.WriteHeader(http.StatusOK)
	return nil
}

// commentPeriod is how often a stream without events shows that it is alive.
const commentPeriod = 15 * time.Second

// stream sends events as they come (HTML, 9.2).
func (s *Server) stream(v *visit) *problem {
	f := &v.resource.news
	f.mu.Lock()
	x := f.streams[v.stream]
	busy := x != nil && x.taken
	if x != nil && !busy {
		if x.begun { // events on their way may be lost
			for _, n := range f.state() {
				x.tell(n)
			}
		}
		x.taken, x.begun = true, true
	}
	f.mu.Unlock()
	switch {
	case x == nil:
		return refuse(http.StatusNotFound, "There is no such stream of events.")
	case busy:
		return refuse(http.StatusConflict, "Somebody reads this stream already.")
	}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		x.taken = false
	}()
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(v.w)
	_ = rc.SetReadDeadline(time.Time{}) // it may last
	alive := time.NewTicker(commentPeriod)
	defer alive.Stop()
	for {
		f.mu.Lock()
		list := x.waiting
		x.waiting = nil
		f.mu.Unlock()
		_ = rc.SetWriteDeadline(time.Now().Add(s.cfg.BodyTimeout))
		for _, n := range list {
			fmt.Fprintf(v.w, "event: %s\ndata: %s\n\n", n.kind, n.data)
		}
		if rc.Flush() != nil {
			return nil
		}
		select {
		case <-x.ready:
		case <-alive.C:
			fmt.Fprint(v.w, ":\n\n")
		case <-x.done:
			return nil
		case <-v.r.Context().Done():
			return nil
		}
	}
}
