package videoroom

import (
	"slices"
	"strconv"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// The request watch is ours: a subscription by the client's offer, for clients that
// cannot take one, such as players that speak WHEP. It lasts with the m-lines of that
// offer: changes in the room never lead to an offer of ours.

// watchFields are those of watch besides the room and its pin.
func (p *Plugin) watchFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", false), {Name: "token", Type: schema.String}, {Name: "private_id", Type: schema.Uint}},
		mline.Fields, mline.EstimationFields)
}

// watch makes a handle a subscriber by its offer, to the feed that it names, or to
// whoever publishes in the room. With another offer the handle renews the connection.
func (p *Plugin) watch(h *handle, r *kit.Request, w *json.Writer) (resp kit.Response, err *schema.Error) {
	if r.JSEP == nil || r.JSEP.SDP.Type != sdp.TypeOffer {
		return fail(errInvalidSDPType, "Watching takes an offer")
	}
	switch s := h.is().(type) {
	case *publisher:
		return fail(errAlreadyJoined, "Already in as a publisher on this handle")
	case *subscriber:
		return s.watchAgain(r, w)
	}
	err = p.rooms.With(r.Body, func(room *room) (err *schema.Error) {
		if err = check(p.watchFields(), r.Body); err == nil {
			err = p.rooms.Enter(room, r.Body)
		}
		if err == nil {
			resp, err = room.watch(h, r, w)
		}
		return err
	})
	return resp, err
}

// watch is watch for a room that is there. room.mu is held.
func (r *room) watch(h *handle, req *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	name, named := r.plugin.ids.Read(req.Body, "feed")
	feed := r.participants[name]
	if !named {
		feed = r.leader(nil)
	}
	switch {
	case !named && feed == nil:
		return fail(errNoSuchFeed, "Nobody publishes in room %s", r.id)
	case feed == nil || feed.gone || !feed.available():
		return fail(errNoSuchFeed, "No such feed (%s)", name)
	}
	private, _ := req.Body.Number("private_id")
	s := &subscriber{room: r, h: h, privateID: uint32(private), answered: true, answers: true, follows: !named,
		e2ee: r.requireE2EE || feed.e2ee}
	s.estimation.Set(req.Body)
	if private == int64(s.privateID) {
		s.owner = r.private[s.privateID]
	}
	if r.requirePvtID && s.owner == nil {
		return fail(errUnauthorized, "Unauthorized (this room requires a valid private_id)")
	}
	for i := range req.JSEP.SDP.Sections {
		offered := &req.JSEP.SDP.Sections[i]
		s.place(offered)
	}
	answer := s.take(req.JSEP, feed)
	change := mline.Read(req.Body)
	for _, l := range s.lines {
		l.layers.Set(change)
	}
	if !slices.ContainsFunc(s.lines, func(l *line) bool { return l.ready }) {
		for _, l := range s.lines {
			l.release()
		}
		return fail(errInvalidSDP, "The offer takes none of the streams of feed %s", feed.id)
	}
	r.subscribers[s] = struct{}{}
	h.become(s)
	r.begin(w, "attached")
	feed.writeIdentity(w)
	s.writeStreams(w)
	r.notify(h, "subscribing", func(w *json.Writer) {
		s.writeStreams(w)
		w.Uint("private_id", uint64(s.privateID))
	})
	return kit.Response{JSEP: answer}, nil
}

// leader is the participant whom one watches who names nobody: the first that publishes
// video, else the first that publishes at all; nil if nobody does but one who leaves.
// room.mu is held.
func (r *room) leader(leaving *publisher) *publisher {
	var first *publisher
	for _, p := range r.members {
		switch {
		case p.gone || p.dummy || p == leaving || !p.publishing():
		case p.first(sdp.Video) != nil:
			return p
		case first == nil && p.first(sdp.Audio) != nil:
			first = p
		}
	}
	return first
}

// place adds the m-line of an offered section. room.mu is held.
func (s *subscriber) place(offered *sdp.Section) {
	l := s.add(offered.Kind, "")
	if l.mid = offered.MID; l.mid == "" {
		l.mid = strconv.Itoa(l.index)
	}
}

// take answers an offer. An m-line without a stream gets the first one of the feed of its
// kind, of those that are left, whose codec it lists. room.mu is held.
func (s *subscriber) take(j *plugin.JSEP, feed *publisher) *plugin.JSEP {
	d := sdp.Answer(j.SDP, sdp.AnswerOptions{Name: "VideoRoom " + s.room.id, Choose: func(i int, o *sdp.Section) sdp.SectionChoice {
		l := s.lines[i]
		if len(l.sources) == 0 && feed != nil {
			if st := s.match(feed, o); st != nil {
				l.codec, l.profile = st.Codec, st.Profile()
				l.attach(st)
			}
		}
		return l.choice()
	}})
	for i, l := range s.lines {
		l.offered = !d.Sections[i].Rejected()
		if l.ready = l.offered && len(l.sources) > 0; !l.offered {
			l.release()
		}
	}
	return &plugin.JSEP{SDP: d, E2EE: s.e2ee}
}

// choice is how an m-line is answered. room.mu is held.
func (l *line) choice() sdp.SectionChoice {
	st := l.stream()
	c := sdp.SectionChoice{NoReceive: true, Codecs: []string{l.codec}, Profile: l.profile}
	switch {
	case l.kind == sdp.Application:
		c.Reject = len(l.sources) == 0
		return c
	case l.codec == "":
		c.Reject = true
		return c
	case l.codec == sdp.RED:
		c.Codecs, c.OpusRED = []string{sdp.Opus}, true
	}
	for _, x := range l.extensions() {
		c.Extensions = append(c.Extensions, x.URI)
	}
	if st != nil {
		o := sdp.OfferSection{Codec: c.Codecs[0]}
		st.OfferParameters(&o)
		c.Fmtp, c.Stream, c.Track = o.Fmtp, st.publisher.id, st.mid
	}
	return c
}

// match finds a stream of a feed for an offered section, nil if there is none.
// room.mu is held.
func (s *subscriber) match(feed *publisher, o *sdp.Section) *stream {
	return kit.Find(feed.streams, func(st *stream) bool {
		if st.disabled || st.kind != o.Kind || s.carries(st) {
			return false
		}
		if st.kind == sdp.Application {
			return true
		}
		_, listed := o.FindCodec(st.Codec, "")
		return listed && o.Direction.Receives()
	})
}

// carries reports whether an m-line carries a stream. room.mu is held.
func (s *subscriber) carries(st *stream) bool {
	return slices.ContainsFunc(s.lines, func(l *line) bool { return slices.Contains(l.sources, st) })
}

// release takes the sources away from an m-line of which the client knows nothing.
// room.mu is held.
func (l *line) release() {
	for _, st := range l.sources {
		delete(st.lines, l)
	}
	l.sources = nil
}

// watchAgain answers another offer of a client who watches: it restarts ICE, say.
func (s *subscriber) watchAgain(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	switch n := len(r.JSEP.SDP.Sections); {
	case !s.answers:
		return fail(errAlreadyJoined, "Already in as a subscriber on this handle")
	case s.over:
		return fail(errUnknown, "This subscription has ended")
	case n > maxLines || n < len(s.lines):
		return fail(errInvalidSDP, "An offer keeps the m-lines of the one before")
	}
	for i := len(s.lines); i < len(r.JSEP.SDP.Sections); i++ {
		s.place(&r.JSEP.SDP.Sections[i])
	}
	answer := s.take(r.JSEP, nil)
	s.sync()
	s.room.begin(w, "updated")
	s.writeStreams(w)
	return kit.Response{JSEP: answer}, nil
}

// follow gives those who named no feed, and get nothing any more, the streams of whoever
// publishes now. room.mu is held.
func (r *room) follow(leaving *publisher) {
	feed := r.leader(leaving)
	if feed == nil {
		return
	}
	for s := range r.subscribers {
		if s.follows && !s.fed() {
			s.followTo(feed)
		}
	}
}

// fed reports whether audio or video comes from somewhere. room.mu is held.
func (s *subscriber) fed() bool {
	return slices.ContainsFunc(s.lines, func(l *line) bool { return l.stream() != nil })
}

// followTo makes the m-lines carry as much as they can of a feed. room.mu is held.
func (s *subscriber) followTo(feed *publisher) {
	taken := make(map[*line]bool)
	for _, st := range feed.streams {
		if l := s.partner(st, taken); l != nil && !st.disabled {
			taken[l] = true
			l.move(st, &item{})
		}
	}
	if len(taken) > 0 {
		s.tellStreams()
	}
}

// tellStreams informs a client that gets no offers which streams its m-lines carry now. room.mu
// is held.
func (s *subscriber) tellStreams() {
	s.h.Host.Push("", s.room.event("updated", s.writeStreams), nil)
}
