package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

func (p *Plugin) switchFields() []schema.Field {
	return fieldsOf(
		p.ids.Field("feed", true),
		schema.Field{Name: "mid", Type: schema.String, Required: true},
		schema.Field{Name: "sub_mid", Type: schema.String, Required: true},
	)
}

// switchStreams makes m-lines carry other streams, without an offer where that
// is possible.
func (s *subscriber) switchStreams(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		p := s.room.plugin
		if err := check([]schema.Field{{Name: "streams", Type: schema.NonEmptyArray}, p.ids.Field("feed", false)}, r.Body); err != nil {
			return kit.Response{}, err
		}
		feed, whole := p.ids.Parse(r.Body.Get("feed"))
		items, err := p.items(r.Body.Items("streams"), p.switchFields())
		switch {
		case err != nil:
			return kit.Response{}, err
		case len(items) == 0 && !whole:
			return fail(errNoSuchFeed, "No such feed (no streams given)")
		case len(items) == 0:
			return s.switchTo([]item{{feed: feed}}, true, w)
		}
		return s.switchTo(items, false, w)
	})
}

// switchTo switches; whole means to a whole feed, whose streams choose their
// m-lines. One that was not in use has to be offered first; that event has no
// transaction, since only the reply may have it.
func (s *subscriber) switchTo(items []item, whole bool, w *json.Writer) (kit.Response, *schema.Error) {
	resp, err := s.switchLines(items, whole, w)
	if err == nil {
		s.flush()
	}
	return resp, err
}

// switchLines is switchTo without the offer. It writes the answer at once, as nobody
// knows what becomes of the subscription while an offer is made.
func (s *subscriber) switchLines(items []item, whole bool, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if err := s.refuse(); err != nil {
		return kit.Response{}, err
	}
	list, err := s.find(items, false)
	if err != nil {
		return kit.Response{}, err
	}
	changes := 0
	taken := make(map[*line]bool)
	for _, want := range list {
		l := s.line(want.item.subMID)
		if whole {
			l = s.partner(want.stream, taken)
		}
		if l == nil || !l.sameFormat(want.stream) {
			continue
		}
		taken[l] = true
		if l.carries(want.stream) {
			continue
		}
		idle := l.kind != sdp.Application && (len(l.sources) == 0 || !l.offered)
		s.stale, s.pending = s.stale || idle, s.pending || idle
		l.move(want.stream, want.item)
		changes++
	}
	s.h.notify("switched", s.room.writeRoom)
	w.Str("videoroom", "event")
	w.Str("switched", "ok")
	s.room.writeRoom(w)
	w.Int("changes", int64(changes))
	s.writeStreams(w)
	return kit.Response{}, nil
}

// partner finds the m-line for one of the streams of a whole feed: of the same
// type and codec, rather one that is in use. room.mu is held.
func (s *subscriber) partner(st *stream, taken map[*line]bool) *line {
	var used, idle *line
	for _, l := range s.lines {
		switch {
		case taken[l] || !l.sameFormat(st):
		case l.carries(st):
			return l
		case len(l.sources) > 0 && used == nil:
			used = l
		case len(l.sources) == 0 && idle == nil:
			idle = l
		}
	}
	if used == nil {
		return idle
	}
	return used
}

// move makes an m-line carry another stream, from the highest layer on unless
// the client wants another. room.mu is held.
func (l *line) move(st *stream, x *item) {
	ready := l.ready
	for len(l.sources) > 0 {
		src := l.sources[0]
		l.sources = l.sources[1:]
		delete(src.stream.subscribers, src)
	}
	l.attach(st)
	l.ready = ready
	l.send = true
	l.layers.WantHighest()
	l.layers.Choose(x.change)
	if l.kind != sdp.Application {
		l.sync()
		l.requestKeyframe()
	}
}
