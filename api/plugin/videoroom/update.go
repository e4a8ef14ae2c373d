package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// lists are what an update adds and takes away.
type lists struct {
	subscribe, unsubscribe []item
}

// list reads the streams that are under name in a request.
func (s *subscriber) list(body kit.Args, name string, fields []schema.Field, empty string) ([]item, *schema.Error) {
	if err := check([]schema.Field{{Name: name, Type: schema.Array, Required: true}}, body); err != nil {
		return nil, err
	}
	list := body.Items(name)
	if len(list) == 0 {
		return nil, errorf(errInvalidElement, "Empty %s list", empty)
	}
	return s.room.plugin.items(list, fields)
}

func (s *subscriber) additions(body kit.Args, name string) ([]item, *schema.Error) {
	return s.list(body, name, s.room.plugin.subscribeFields(), "subscription")
}

func (s *subscriber) removals(body kit.Args, name string) ([]item, *schema.Error) {
	items, err := s.list(body, name, s.room.plugin.unsubscribeFields(), "unsubscription")
	for i := range items {
		if !items[i].hasFeed && items[i].subMID == "" {
			return nil, errorf(errMissingElement, "Missing mandatory element (feed or sub_mid)")
		}
	}
	return items, err
}

// subscribe adds streams.
func (s *subscriber) subscribe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		items, err := s.additions(r.Body, "streams")
		if err != nil {
			return kit.Response{}, err
		}
		return s.change(lists{subscribe: items}, w)
	})
}

// unsubscribe takes streams away.
func (s *subscriber) unsubscribe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		items, err := s.removals(r.Body, "streams")
		if err != nil {
			return kit.Response{}, err
		}
		return s.change(lists{unsubscribe: items}, w)
	})
}

// update does both.
func (s *subscriber) update(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		var c lists
		var err *schema.Error
		more, less := r.Body.Has("subscribe"), r.Body.Has("unsubscribe")
		if !more && !less {
			return fail(errMissingElement, "Missing mandatory element (subscribe or unsubscribe)")
		}
		if less {
			if c.unsubscribe, err = s.removals(r.Body, "unsubscribe"); err != nil {
				return kit.Response{}, err
			}
		}
		if more {
			if c.subscribe, err = s.additions(r.Body, "subscribe"); err != nil {
				return kit.Response{}, err
			}
		}
		return s.change(c, w)
	})
}

// change does all or nothing of an update, and offers what came of it.
func (s *subscriber) change(c lists, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if err := s.refuse(); err != nil {
		return kit.Response{}, err
	}
	list, err := s.find(c.subscribe, false)
	if err != nil {
		return kit.Response{}, err
	}
	if !s.fits(list) {
		return fail(errInvalidSDP, "Too many streams")
	}
	for i := range c.unsubscribe {
		s.stale = s.unsubscribeFrom(&c.unsubscribe[i]) || s.stale
	}
	for _, want := range list {
		s.stale = s.subscribeTo(want, false) || s.stale
	}
	switch {
	case !s.stale:
		w.Str("videoroom", "updated")
		s.room.writeRoom(w)
		return kit.Response{}, nil
	case !s.answered:
		s.pending = true
		w.Str("videoroom", "updating")
		s.room.writeRoom(w)
		return kit.Response{}, nil
	}
	w.Str("videoroom", "updated")
	s.room.writeRoom(w)
	s.writeStreams(w)
	s.notifyUpdated()
	return kit.Response{JSEP: s.offer()}, nil
}

// unsubscribeFrom takes sources away; it reports whether that needs an offer.
// What is not there is not missed. room.mu is held.
func (s *subscriber) unsubscribeFrom(x *item) bool {
	changed := false
	for _, l := range s.lines {
		if x.subMID != "" && l.mid != x.subMID {
			continue
		}
		for _, src := range slices.Clone(l.sources) {
			st := src.stream
			if x.subMID == "" && (st.publisher.id != x.feed || x.hasMID && st.mid != x.mid) {
				continue
			}
			changed = l.drop(src) || changed
		}
	}
	return changed
}

// sameFormat tells whether an m-line can carry a stream without being changed.
// room.mu is held.
func (l *line) sameFormat(st *stream) bool {
	return l.kind == st.kind && (l.kind == sdp.Application || l.codec == st.codec)
}
