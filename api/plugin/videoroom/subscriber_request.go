package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// with runs a request that may carry an answer. Whatever becomes of the
// request, the answer counts, because the connection uses it already; an offer
// that waited for it follows the request's own event.
func (s *subscriber) with(r *kit.Request, run func() (kit.Response, *schema.Error)) (kit.Response, *schema.Error) {
	if r.JSEP != nil {
		if r.JSEP.SDP.Type == sdp.TypeOffer {
			return fail(errInvalidSDPType, "Subscribers can't send offers")
		}
		s.answer(r.JSEP.SDP)
	}
	resp, err := run()
	after := resp.After
	resp.After = func() {
		if after != nil {
			after()
		}
		s.flush()
	}
	return resp, err
}

func (s *subscriber) done(w *json.Writer, what string) {
	w.Str("videoroom", "event")
	s.room.writeRoom(w)
	w.Str(what, "ok")
}

// start takes an answer, or resumes after a pause.
func (s *subscriber) start(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		s.room.mu.Lock()
		defer s.room.mu.Unlock()
		s.paused = false
		s.sync()
		s.requestKeyframes()
		s.done(w, "started")
		return kit.Response{}, nil
	})
}

// pause holds everything until the next start.
func (s *subscriber) pause(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) {
		s.room.mu.Lock()
		defer s.room.mu.Unlock()
		s.paused = true
		s.sync()
		s.done(w, "paused")
		return kit.Response{}, nil
	})
}

// leave ends the subscription.
func (s *subscriber) leave(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.end()
	s.done(w, "left")
	return kit.Response{After: s.h.ClosePeer}, nil
}

var reconfigureFields = fieldsOf(
	schema.Field{Name: "streams", Type: schema.Array},
	schema.Field{Name: "audio", Type: schema.Bool},
	schema.Field{Name: "video", Type: schema.Bool},
	schema.Field{Name: "data", Type: schema.Bool},
	schema.Field{Name: "restart", Type: schema.Bool},
	schema.Field{Name: "update", Type: schema.Bool},
)

// configure changes how streams are relayed.
func (s *subscriber) configure(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return s.with(r, func() (kit.Response, *schema.Error) { return s.reconfigure(r.Body, w) })
}

func (s *subscriber) reconfigure(body kit.Args, w *json.Writer) (kit.Response, *schema.Error) {
	if err := check(reconfigureFields, body); err != nil {
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
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	for i := range items {
		if x := &items[i]; x.hasMID && s.line(x.mid) == nil {
			return fail(errNoSuchFeed, "No such mid '%s' in subscription", x.mid)
		}
	}
	for kind, name := range map[sdp.Kind]string{sdp.Audio: "audio", sdp.Video: "video", sdp.Application: "data"} {
		if on, ok := body.Flag(name); ok {
			s.sendAll(kind, on)
		}
	}
	for i := range items {
		x := &items[i]
		for _, l := range s.lines {
			if !x.hasMID || l.mid == x.mid {
				l.configure(x)
			}
		}
	}
	return s.reoffer(body, w)
}

// reoffer is the end of a configuration, with an offer if the client wants
// one. room.mu is held.
func (s *subscriber) reoffer(body kit.Args, w *json.Writer) (kit.Response, *schema.Error) {
	s.done(w, "configured")
	restart := body.Is("restart")
	switch {
	case !restart && !body.Is("update"):
		return kit.Response{}, nil
	case s.over:
		return fail(errUnknown, "This subscription has ended")
	}
	s.restart = s.restart || restart
	if !s.answered {
		s.pending = true
		return kit.Response{Silent: true}, nil
	}
	return kit.Response{JSEP: s.offer()}, nil
}

// sendAll pauses or resumes all m-lines of a kind. room.mu is held.
func (s *subscriber) sendAll(kind sdp.Kind, on bool) {
	for _, l := range s.lines {
		if l.kind == kind {
			l.setSend(on)
		}
	}
}

func (l *line) setSend(on bool) {
	l.send = on
	l.sync()
	if on {
		l.requestKeyframe()
	}
}

// configure changes one m-line. The client hears at once of a layer that it
// has already. room.mu is held.
func (l *line) configure(x *item) {
	if x.hasSend {
		l.setSend(x.send)
	}
	if x.keyframe {
		l.requestKeyframe()
	}
	l.set(x)
	if x.change.Delay.Given() {
		l.syncDelay()
	}
	as := l.layering()
	if as == mline.Single || !x.change.Retargets() {
		return
	}
	l.out.Retarget(l.sub.h.Host.Peer(), &l.layers)
	outcome := l.layers.Outcome(x.change, as)
	l.tell(outcome.Reached)
	if outcome.Keyframe || outcome.Temporal {
		l.requestKeyframe()
	}
}
