package videoroom

import (
	"strconv"

	"bifrons/api/kit/mline"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// subscription joins a stream to an m-line of a subscriber.
type subscription struct {
	line   *line   // fixed
	stream *stream // fixed
}

// line is one m-line of a subscriber's. It carries one stream of a publisher's,
// or none; the one for data carries any number. room.mu guards it.
type line struct {
	sub   *subscriber // fixed
	index int         // fixed
	mid   string      // fixed
	kind  sdp.Kind    // fixed

	codec    string // sdp.Codec.ID of the stream, or of the last one
	profile  string // of VP9 or H.264, likewise
	crossref string
	sources  []*subscription
	offered  bool // the last offer has it as active
	ready    bool // the client has accepted it
	send     bool

	layers mline.Layers
	delay  mline.Delay // none = the stream's
	out    mline.Output
}

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

// stream is what an m-line for audio or video carries, nil if nothing. room.mu
// is held.
func (l *line) stream() *stream {
	if l.kind == sdp.Application || len(l.sources) == 0 {
		return nil
	}
	return l.sources[0].stream
}

// active tells whether an m-line is offered for use. room.mu is held.
func (l *line) active() bool {
	st := l.stream()
	return l.kind == sdp.Application || st != nil && !st.disabled
}

// carries tells whether a stream is among the sources. room.mu is held.
func (l *line) carries(st *stream) bool {
	for _, x := range l.sources {
		if x.stream == st {
			return true
		}
	}
	return false
}

// attach adds a source. room.mu is held.
func (l *line) attach(st *stream) {
	x := &subscription{l, st}
	if st.subscribers == nil {
		st.subscribers = make(map[*subscription]struct{})
	}
	st.subscribers[x] = struct{}{}
	l.sources = append(l.sources, x)
	l.layers.Current = media.NoLayer
}

// drop takes a source away; it reports whether the next offer will tell.
// room.mu is held.
func (l *line) drop(x *subscription) bool {
	delete(x.stream.subscribers, x)
	for i := range l.sources {
		if l.sources[i] == x {
			l.sources = append(l.sources[:i], l.sources[i+1:]...)
			break
		}
	}
	if l.kind == sdp.Application {
		return false
	}
	l.ready, l.layers.Current = false, media.NoLayer
	l.sync()
	return true
}

// idle finds an m-line without source that was made for the same kind and
// codec, nil if there is none. room.mu is held.
func (s *subscriber) idle(kind sdp.Kind, codec string) *line {
	for _, l := range s.lines {
		if l.kind == kind && kind != sdp.Application && l.codec == codec && len(l.sources) == 0 {
			return l
		}
	}
	return nil
}

// sync makes the engine forward what the m-line stands for. room.mu is held.
func (l *line) sync() {
	if l.kind == sdp.Application {
		return
	}
	var from mline.Feed
	held := true
	if st := l.stream(); st != nil && l.ready && l.sub.live {
		from = mline.Feed{Origin: st.publisher.origin(), Section: st.mindex, Layering: l.layering()}
		held = l.sub.blocked() || !l.send || !st.flows()
	}
	l.out.Sync(l.sub.h.Host.Peer(), from, held, &l.layers, l.playoutDelay())
}

// layering is how the stream is layered that an m-line carries. room.mu is held.
func (l *line) layering() mline.Layering {
	if st := l.stream(); st != nil {
		return mline.LayeringOf(st.simulcast, st.svc)
	}
	return mline.Single
}

// playoutDelay is what the subscriber wants, else the publisher. room.mu is held.
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

// syncDelay tells the engine the playout delay. room.mu is held.
func (l *line) syncDelay() { l.out.SetDelay(l.sub.h.Host.Peer(), l.playoutDelay()) }

// requestKeyframe asks the publisher for a key frame. room.mu is held.
func (l *line) requestKeyframe() {
	if st := l.stream(); st != nil && l.kind == sdp.Video {
		st.requestKeyframe()
	}
}
