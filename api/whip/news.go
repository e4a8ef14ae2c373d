package whip

import (
	"encoding/json"
	"fmt"
	"maps"
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

// feed keeps what a player may be told, and its streams of events.
type feed struct {
	mu      sync.Mutex
	closed  bool
	idle    bool              // nobody publishes what it watches
	layers  map[string]*media // by mid
	viewers int
	streams map[string]*stream
}

// media is what a player gets of one media section.
type media struct {
	Active []layer `json:"active"`
}

// layer is one of a media section.
type layer struct {
	RID      string `json:"rid,omitempty"`
	Spatial  *int   `json:"spatialLayerId,omitempty"`
	Temporal *int   `json:"temporalLayerId,omitempty"`
}

// stream is one subscription to events: of each kind the latest one waits.
type stream struct {
	wanted  map[string]bool
	waiting []news
	ready   chan struct{} // has one element if something waits
	taken   bool          // somebody reads it
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

// topic is what an event replaces the ones before of.
func (n news) topic() string {
	if n.kind == "inactive" {
		return "active"
	}
	return n.kind
}

// state is everything that there is to tell. f.mu is held.
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

func (f *feed) layerNews() news {
	text, err := json.Marshal(f.layers)
	if err != nil {
		text = []byte("{}")
	}
	return news{"layers", string(text)}
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

// count tells all who watch an endpoint how many they are.
func (s *Server) count(e *Endpoint) {
	s.mu.Lock()
	of := s.of(e)
	s.mu.Unlock()
	for _, x := range of {
		x.news.count(len(of))
	}
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
			x.news.tell(x.news.state()[0])
		}
	}
	x.news.changed(&said.told)
	x.news.changed(&said.Result)
}

// told is what a plugin says of the layer that is sent.
type told struct {
	MID       string `json:"mid"`
	Substream *int   `json:"substream"`
	Temporal  *int   `json:"temporal"`
	Spatial   *int   `json:"spatial_layer"`
	TemporalL *int   `json:"temporal_layer"`
}

// changed takes note of a layer. f.mu is held.
func (f *feed) changed(t *told) {
	if t.Substream == nil && t.Temporal == nil && t.Spatial == nil && t.TemporalL == nil {
		return
	}
	if f.layers == nil {
		f.layers = make(map[string]*media)
	}
	m := f.layers[t.MID]
	if m == nil {
		if len(f.layers) >= maxMedia {
			return
		}
		m = &media{Active: make([]layer, 1)}
		f.layers[t.MID] = m
	}
	l := &m.Active[0]
	if t.Substream != nil {
		l.RID = strconv.Itoa(*t.Substream)
	}
	for _, p := range []struct {
		to   **int
		from *int
	}{{&l.Spatial, t.Spatial}, {&l.Temporal, t.Temporal}, {&l.Temporal, t.TemporalL}} {
		if p.from != nil {
			*p.to = p.from
		}
	}
	f.tell(f.layerNews())
}

// maxMedia is how many media sections layers are told of.
const maxMedia = 8

// subscribe makes a stream of events: the body is a list of their kinds.
func (s *Server) subscribe(v *visit) *problem {
	text, _, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "The list of events has the type "+typeJSON+".").with("Accept-Post", typeJSON), typeJSON)
	if p != nil {
		return p
	}
	var kinds []string
	if json.Unmarshal([]byte(text), &kinds) != nil || len(kinds) == 0 {
		return refuse(http.StatusBadRequest, "The body is no list of names of events.")
	}
	made := &stream{wanted: make(map[string]bool), ready: make(chan struct{}, 1), done: make(chan struct{})}
	for _, k := range kinds {
		if !slices.Contains(newsKinds, k) {
			return refuse(http.StatusBadRequest, "There is no event "+strconv.Quote(k)+".")
		}
		made.wanted[k] = true
	}
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
		made.tell(n)
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
	if x != nil {
		x.taken = true
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

// choice is the layer that a player asks for; what is nil is left to the server.
type choice struct {
	Media       string  `json:"mediaId"`
	RID         *string `json:"rid"`
	Spatial     *int    `json:"spatialLayerId"`
	Temporal    *int    `json:"temporalLayerId"`
	MaxSpatial  *int    `json:"maxSpatialLayerId"`
	MaxTemporal *int    `json:"maxTemporalLayerId"`
}

// layer chooses what a player gets at most.
func (s *Server) layer(v *visit) *problem {
	text, _, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "A choice of layers has the type "+typeJSON+".").with("Accept-Post", typeJSON), typeJSON)
	if p != nil {
		return p
	}
	var c choice
	if json.Unmarshal([]byte(text), &c) != nil {
		return refuse(http.StatusBadRequest, "The body is no object that chooses layers.")
	}
	fields, p := c.fields()
	if p != nil {
		return p
	}
	x := v.resource
	unlock, err := x.lock(v.r.Context())
	if err != nil {
		return x.endpoint.explain(err)
	}
	defer unlock()
	b := body{"request": "configure"}
	maps.Copy(b, fields)
	if x.endpoint.Mountpoint == "" {
		stream := body{}
		maps.Copy(stream, fields)
		b = body{"request": "configure", "streams": []body{stream}}
	}
	_, err = x.message(v.r.Context(), b, nil)
	if r, ok := err.(*refusal); ok && !r.core {
		return refuse(http.StatusBadRequest, r.reason+".")
	}
	if err != nil {
		return x.endpoint.explain(err)
	}
	v.w.WriteHeader(http.StatusOK)
	return nil
}

// highest is what asks for everything there is.
const highest = 2

// fields are those of a configure that does what is asked for.
func (c *choice) fields() (body, *problem) {
	substream := highest
	if c.RID != nil {
		n, err := strconv.Atoi(*c.RID)
		if err != nil || n < 0 || n > highest {
			return nil, refuse(http.StatusBadRequest, "rid is 0, 1 or 2, as the event layers has it.")
		}
		substream = n
	}
	at := func(list ...*int) (int, *problem) {
		least := highest
		for _, n := range list {
			if n != nil && (*n < 0 || *n > 7) {
				return 0, refuse(http.StatusBadRequest, "Layers are counted from 0.")
			}
			if n != nil {
				least = min(least, *n)
			}
		}
		return least, nil
	}
	spatial, p := at(c.Spatial, c.MaxSpatial)
	if p != nil {
		return nil, p
	}
	temporal, p := at(c.Temporal, c.MaxTemporal)
	if p != nil {
		return nil, p
	}
	b := body{"substream": substream, "temporal": temporal, "spatial_layer": spatial, "temporal_layer": temporal}
	if c.Media != "" {
		b["mid"] = c.Media
	}
	return b, nil
}
