package streaming

import (
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/sdp"
	"bifrons/sfu"
)

// line is one m-line of a viewer's. It carries one stream of the mountpoint, or
// none. plugin.mu guards it.
type line struct {
	stream int // index in the mountpoint, -1 = none
	kind   sdp.Kind
	mid    string
	active bool // offered for use
	ready  bool // the client has accepted it
	send   bool // the client wants it
	layers mline.Layers
	delay  mline.Delay
	out    mline.Output
}

// add adds an m-line for a stream. The lock is held.
func (h *handle) add(kind sdp.Kind, mid string, stream int) *line {
	l := &line{stream: stream, kind: kind, mid: mid, send: true, layers: mline.NewLayers(), delay: mline.NoDelay,
		out: mline.Output{Section: len(h.lines)}}
	h.lines = append(h.lines, l)
	return l
}

// stream is the stream of an m-line, nil if none. The lock is held.
func (h *handle) stream(l *line) *streamSettings {
	if m := h.watching; m != nil && l.stream >= 0 && l.stream < len(m.streams) && m.streams[l.stream].kind == l.kind {
		return &m.streams[l.stream]
	}
	return nil
}

// layering is how the stream of an m-line is layered. The lock is held.
func (h *handle) layering(l *line) mline.Layering {
	if st := h.stream(l); st != nil {
		return mline.LayeringOf(st.simulcast, st.svc)
	}
	return mline.Single
}

// source is where the viewer's media comes from, nil if from nowhere. The lock is held.
func (h *handle) source() *sfu.Source {
	switch {
	case h.watching == nil:
		return nil
	case h.own != nil:
		return h.own.src
	}
	return h.watching.src
}

// sync makes the engine forward the streams of the m-lines. The lock is held.
func (h *handle) sync() {
	peer := h.Host.Peer()
	if peer == nil {
		return
	}
	if h.own != nil {
		h.own.start(peer)
	}
	src := h.source()
	for _, l := range h.lines {
		var from mline.Input
		if src != nil && h.stream(l) != nil && h.up && l.active && l.ready && l.kind != sdp.Application {
			from = mline.Input{Origin: src, Section: l.stream, Layering: h.layering(l)}
		}
		l.out.Sync(peer, from, h.paused || !l.send, &l.layers, l.delay)
	}
	h.own.hold()
}

// change changes one m-line as a request says. The client hears at once of a layer
// that it has already. The lock is held.
func (h *handle) change(l *line, item kit.Args) {
	if on, ok := item.Flag("send"); ok {
		l.send = on
	}
	if h.stream(l) == nil || !h.watching.live() {
		return
	}
	c, peer := mline.Read(item), h.Host.Peer()
	l.layers.Set(c)
	l.out.Weigh(peer, &l.layers)
	outcome := l.layers.Outcome(c, h.layering(l))
	for _, reached := range outcome.Reached {
		h.push(reached.Write)
	}
	if c.Retargets() {
		l.out.Retarget(peer, &l.layers)
	}
	if from := l.out.Input(); outcome.Keyframe && from.Origin != nil {
		from.Origin.RequestKeyframe(from.Section)
	}
	if c.Delay.Given() && h.watching.playoutDelay && l.kind == sdp.Video {
		l.delay.Set(c.Delay)
		l.out.SetDelay(peer, l.delay)
	}
}
