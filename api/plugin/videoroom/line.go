package videoroom

import (
	"slices"
	"strconv"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// add adds an m-line. room.mu is held.
func (s *subscriber) add(kind sdp.Kind, codec string) *line {
	l := &line{sub: s, index: len(s.lines), mid: strconv.Itoa(len(s.lines)), kind: kind, codec: codec, out: mline.Output{Section: len(s.lines)}}
	l.reset()
	s.lines = append(s.lines, l)
	return l
}

// reset forgets what the client has set for an earlier stream.
func (l *line) reset() {
	l.crossref, l.ready, l.send = "", false, true
	l.layers, l.delay = mline.NewLayers(), mline.NoDelay
}

// stream is the stream of an m-line for audio or video, nil if none. room.mu
// is held.
func (l *line) stream() *stream {
	if l.kind == sdp.Application || len(l.sources) == 0 {
		return nil
	}
	return l.sources[0]
}

// active reports whether an m-line is offered for use. room.mu is held.
func (l *line) active() bool {
	st := l.stream()
	return l.kind == sdp.Application || st != nil && !st.disabled
}

// sameFormat reports whether an m-line can carry a stream without being changed.
// room.mu is held.
func (l *line) sameFormat(st *stream) bool {
	if l.sub.answers && !l.offered {
		return false // it was rejected
	}
	return l.kind == st.kind && (l.kind == sdp.Application || l.codec == st.Codec)
}

// attach adds a source. room.mu is held.
func (l *line) attach(st *stream) {
	if st.lines == nil {
		st.lines = make(map[*line]struct{})
	}
	st.lines[l] = struct{}{}
	l.sources = append(l.sources, st)
	l.layers.Current = media.NoLayer
}

// drop takes a source away; it reports whether that takes another offer.
// room.mu is held.
func (l *line) drop(st *stream) bool {
	delete(st.lines, l)
	l.sources = slices.DeleteFunc(l.sources, func(x *stream) bool { return x == st })
	if l.kind == sdp.Application {
		return false
	}
	l.ready, l.layers.Current = false, media.NoLayer
	l.sync()
	return true
}

// move makes an m-line carry another stream, from the highest layer on unless
// the client wants another. room.mu is held.
func (l *line) move(st *stream, x *item) {
	for _, old := range l.sources {
		delete(old.lines, l)
	}
	l.sources = nil
	l.attach(st)
	l.send = true
	l.ready = l.ready || l.sub.answers
	l.layers.WantHighest()
	l.layers.Choose(x.change)
	l.sync()
	l.requestKeyframe()
}

// idle finds an m-line without source that was made for the same kind and
// codec, nil if there is none. room.mu is held.
func (s *subscriber) idle(kind sdp.Kind, codec string) *line {
	return kit.Find(s.lines, func(l *line) bool {
		return l.kind == kind && kind != sdp.Application && l.codec == codec && len(l.sources) == 0
	})
}

// sync makes the engine forward the m-line's stream. room.mu is held.
func (l *line) sync() {
	if l.kind == sdp.Application {
		return
	}
	var from mline.Input
	held := true
	if st := l.stream(); st != nil && l.ready && l.sub.live {
		from = mline.Input{Origin: st.publisher.origin(), Section: st.mindex, Layering: l.layering()}
		held = l.sub.blocked() || !l.send || !st.flows()
	}
	l.out.Sync(l.sub.h.Host.Peer(), from, held, &l.layers, l.playoutDelay())
}

// layering is how the stream is layered that an m-line carries. room.mu is held.
func (l *line) layering() mline.Layering {
	if st := l.stream(); st != nil {
		return st.Layering
	}
	return mline.Single
}

// playoutDelay is the subscriber's wish, else the publisher's. room.mu is held.
func (l *line) playoutDelay() mline.Delay {
	st := l.stream()
	switch {
	case l.kind != sdp.Video:
		return mline.NoDelay
	case st != nil && !l.delay.IsSet():
		return st.delay
	}
	return l.delay
}

// syncDelay sets the playout delay in the engine. room.mu is held.
func (l *line) syncDelay() { l.out.SetDelay(l.sub.h.Host.Peer(), l.playoutDelay()) }

// requestKeyframe asks the publisher for a key frame. room.mu is held.
func (l *line) requestKeyframe() {
	if st := l.stream(); st != nil && l.kind == sdp.Video {
		st.requestKeyframe()
	}
}

// changed tells the client which layer it gets from now on. room.mu is held.
func (l *line) changed(now media.Layer) { l.tell(l.layers.Changed(now, l.layering())) }

// tell tells the client of layers, one by one. room.mu is held.
func (l *line) tell(news []mline.Event) {
	for _, e := range news {
		l.sub.h.Host.Push("", l.sub.room.event("event", func(w *json.Writer) {
			w.Str("mid", l.mid)
			e.Write(w)
		}), nil)
	}
}

// tellPaused informs the client whether its line carries the video. room.mu is held.
func (l *line) tellPaused(paused bool) {
	l.sub.h.Host.Push("", l.sub.room.event("event", func(w *json.Writer) {
		w.Str("mid", l.mid)
		mline.WritePaused(w, paused)
	}), nil)
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
	l.layers.Set(x.change)
	l.delay.Set(x.change.Delay)
	if x.change.Delay.Given() {
		l.syncDelay()
	}
	if x.change.Weighs() {
		l.out.Weigh(l.sub.h.Host.Peer(), &l.layers)
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

// blocked reports whether nothing at all goes to the subscriber. room.mu is held.
func (s *subscriber) blocked() bool { return s.paused || s.owner != nil && s.owner.kicked }

// line finds an m-line by its mid, nil if there is none. room.mu is held.
func (s *subscriber) line(mid string) *line {
	return kit.Find(s.lines, func(l *line) bool { return l.mid == mid })
}
