package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// subscriberRun carries out a request of a subscriber.
type subscriberRun = func(*subscriber, *kit.Request, *json.Writer) (kit.Response, *schema.Error)

// locked runs a request with the room locked. It may carry an answer: whatever becomes
// of the request, that counts, because the connection uses it already; an offer that
// waited for it follows the request's own event.
func locked(f subscriberRun) subscriberRun {
	return func(s *subscriber, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		resp, err := s.run(f, r, w)
		after := resp.After
		resp.After = func() {
			if after != nil {
				after()
			}
			s.flush()
		}
		return resp, err
	}
}

func (s *subscriber) run(f subscriberRun, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if r.JSEP != nil {
		if r.JSEP.SDP.Type == sdp.TypeOffer {
			return fail(errInvalidSDPType, "Subscribers can't send offers")
		}
		s.answer(r.JSEP.SDP)
	}
	return f(s, r, w)
}

// The functions below need room.mu, unless they say otherwise.

// refuse is the error of a request that needs a subscription that is alive.
func (s *subscriber) refuse() *schema.Error {
	switch {
	case s.room.Gone:
		return noSuchRoom(s.room.id)
	case s.over:
		return errorf(errUnknown, "This subscription has ended")
	}
	return nil
}

// start takes an answer, or resumes after a pause.
func (s *subscriber) start(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.paused = false
	s.sync()
	for _, l := range s.lines {
		l.requestKeyframe()
	}
	s.room.answer(w, "started")
	return kit.Response{}, nil
}

// pause holds everything until the next start.
func (s *subscriber) pause(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.paused = true
	s.sync()
	s.room.answer(w, "paused")
	return kit.Response{}, nil
}

// leave ends the subscription, whatever description comes along. It takes the lock.
func (s *subscriber) leave(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.end()
	s.room.answer(w, "left")
	return kit.Response{After: s.h.ClosePeer}, nil
}

// readItem checks and reads one; it needs no lock.
func (p *Plugin) readItem(v kit.Args, fields []schema.Field) (x item, err *schema.Error) {
	if err := checkItem(fields, v, "streams"); err != nil {
		return x, err
	}
	x.feed, x.hasFeed = p.ids.Read(v, "feed")
	x.mid, x.hasMID = v.Text("mid")
	x.subMID, x.crossref = v.Str("sub_mid"), v.Str("crossrefid")
	x.send, x.hasSend = v.Flag("send")
	x.keyframe = v.Is("keyframe")
	x.change = mline.Read(v)
	return x, nil
}

// items checks and reads a list of streams; it needs no lock.
func (p *Plugin) items(list []kit.Args, fields []schema.Field) ([]item, *schema.Error) {
	items := make([]item, 0, len(list))
	for _, v := range list {
		x, err := p.readItem(v, fields)
		if err == nil {
			err = mline.Check(v, errInvalidElement)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, nil
}

// configure changes how streams are relayed.
func (s *subscriber) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := check(subscriberFields, body); err != nil {
		return kit.Response{}, err
	}
	list := []kit.Args{body}
	if body.Has("streams") {
		list = body.Items("streams")
	}
	items, err := s.room.plugin.items(list, settingFields)
	if err != nil {
		return kit.Response{}, err
	}
	for i := range items {
		if x := &items[i]; x.hasMID && s.line(x.mid) == nil {
			return fail(errNoSuchFeed, "No such mid '%s' in subscription", x.mid)
		}
	}
	if s.estimation.Set(body); s.live && mline.Estimates(body) {
		s.estimate()
	}
	for _, l := range s.lines {
		if on, ok := body.Flag(plugin.KindName(l.kind)); ok {
			l.setSend(on)
		}
	}
	for i := range items {
		for _, l := range s.lines {
			if x := &items[i]; !x.hasMID || l.mid == x.mid {
				l.configure(x)
			}
		}
	}
	return s.reoffer(body, w)
}

// reoffer is the end of a configuration, with an offer if the client wants one.
func (s *subscriber) reoffer(body kit.Args, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.answer(w, "configured")
	restart := body.Is("restart")
	switch {
	case !restart && !body.Is("update"):
		return kit.Response{}, nil
	case s.over:
		return fail(errUnknown, "This subscription has ended")
	case s.answers:
		return fail(errInvalidRequest, "Who watches by an offer of their own sends the next one, too")
	}
	s.restart = s.restart || restart
	if !s.answered {
		s.pending = true
		return kit.Response{Silent: true}, nil
	}
	return kit.Response{JSEP: s.offer()}, nil
}

// updating makes the request that reads streams to subscribe to under one name and those
// to unsubscribe from under another, "" = none.
func updating(subscribe, unsubscribe string) subscriberRun {
	return func(s *subscriber, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		var more, less []item
		var err *schema.Error
		p, either := s.room.plugin, subscribe != "" && unsubscribe != ""
		if either && !r.Body.Has(subscribe) && !r.Body.Has(unsubscribe) {
			return fail(errMissingElement, "Missing mandatory element (subscribe or unsubscribe)")
		}
		if unsubscribe != "" && (!either || r.Body.Has(unsubscribe)) {
			less, err = p.list(r.Body, unsubscribe, p.unsubscribeFields(), "unsubscription")
		}
		for i := range less {
			if !less[i].hasFeed && less[i].subMID == "" {
				return fail(errMissingElement, "Missing mandatory element (feed or sub_mid)")
			}
		}
		if err == nil && subscribe != "" && (!either || r.Body.Has(subscribe)) {
			more, err = p.list(r.Body, subscribe, p.subscribeFields(), "subscription")
		}
		if err != nil {
			return kit.Response{}, err
		}
		return s.change(more, less, w)
	}
}

// list reads the streams that are under name in a request.
func (p *Plugin) list(body kit.Args, name string, fields []schema.Field, empty string) ([]item, *schema.Error) {
	if err := check([]schema.Field{{Name: name, Type: schema.Array, Required: true}}, body); err != nil {
		return nil, err
	}
	list := body.Items(name)
	if len(list) == 0 {
		return nil, errorf(errInvalidElement, "Empty %s list", empty)
	}
	return p.items(list, fields)
}

// change does all or nothing of an update, and offers the outcome.
func (s *subscriber) change(more, less []item, w *json.Writer) (kit.Response, *schema.Error) {
	if err := s.refuse(); err != nil {
		return kit.Response{}, err
	}
	if s.answers {
		return fail(errInvalidRequest, "Who watches by an offer of their own can only switch")
	}
	list, err := s.find(more, false)
	if err != nil {
		return kit.Response{}, err
	}
	if !s.fits(list) {
		return fail(errInvalidSDP, "Too many streams")
	}
	for i := range less {
		s.stale = s.unsubscribeFrom(&less[i]) || s.stale
	}
	for _, want := range list {
		s.stale = s.subscribeTo(want, false) || s.stale
	}
	switch {
	case !s.stale:
		s.room.begin(w, "updated")
		return kit.Response{}, nil
	case !s.answered:
		s.pending = true
		s.room.begin(w, "updating")
		return kit.Response{}, nil
	}
	s.room.begin(w, "updated")
	s.writeStreams(w)
	s.notifyUpdated()
	return kit.Response{JSEP: s.offer()}, nil
}

// unsubscribeFrom takes sources away; it reports whether that needs an offer.
// Absent ones are no error.
func (s *subscriber) unsubscribeFrom(x *item) bool {
	changed := false
	for _, l := range s.lines {
		if x.subMID != "" && l.mid != x.subMID {
			continue
		}
		for _, st := range slices.Clone(l.sources) {
			if x.subMID == "" && (st.publisher.id != x.feed || x.hasMID && st.mid != x.mid) {
				continue
			}
			changed = l.drop(st) || changed
		}
	}
	return changed
}

// switchStreams makes m-lines carry other streams, without an offer where that is
// possible. An m-line that was not in use has to be offered first; that event has no
// transaction, since only the reply may have it. It takes the lock.
func (s *subscriber) switchStreams(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	resp, err := locked((*subscriber).switchLines)(s, r, w)
	if err == nil {
		s.flush()
	}
	return resp, err
}

// switchLines is switchStreams without the offer. It writes the answer at once, as nobody
// knows how the subscription changes while an offer is made.
func (s *subscriber) switchLines(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := s.room.plugin
	err := check([]schema.Field{{Name: "streams", Type: schema.NonEmptyArray}, p.ids.Field("feed", false)}, r.Body)
	var items []item
	if err == nil {
		items, err = p.items(r.Body.Items("streams"), p.switchFields())
	}
	feed, named := p.ids.Read(r.Body, "feed")
	whole := len(items) == 0 // the streams of the feed choose their m-lines
	switch {
	case err != nil:
	case whole && !named:
		err = errorf(errNoSuchFeed, "No such feed (no streams given)")
	case whole:
		items = []item{{feed: feed}}
	}
	if err == nil {
		err = s.refuse()
	}
	var list []wanted
	if err == nil {
		list, err = s.find(items, false)
	}
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
		if slices.Contains(l.sources, want.stream) {
			continue
		}
		idle := !s.answers && l.kind != sdp.Application && (len(l.sources) == 0 || !l.offered)
		s.stale, s.pending = s.stale || idle, s.pending || idle
		l.move(want.stream, want.item)
		changes++
	}
	s.room.notify(s.h, "switched", func(*json.Writer) {})
	s.room.answer(w, "switched")
	w.Int("changes", int64(changes))
	s.writeStreams(w)
	return kit.Response{}, nil
}

// partner finds the m-line for one of the streams of a whole feed: of the same
// type and codec, rather one that is in use.
func (s *subscriber) partner(st *stream, taken map[*line]bool) *line {
	var used, idle *line
	for _, l := range s.lines {
		switch {
		case taken[l] || !l.sameFormat(st):
		case slices.Contains(l.sources, st):
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
