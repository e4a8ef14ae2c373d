package streaming

import (
	"time"

	"bifrons/api/json"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Layers that clients choose, by their place in line.want.
const (
	substream     = iota // simulcast
	temporal             // simulcast
	spatialLayer         // SVC
	temporalLayer        // SVC
	numLayers
)

var layerNames = [numLayers]string{"substream", "temporal", "spatial_layer", "temporal_layer"}

// highest is the layer that is forwarded unless the client wants less.
const highest = 2

// line is one m-line of a viewer's. It carries one stream of the mountpoint, or
// none. plugin.mu guards it.
type line struct {
	stream int // index in the mountpoint, -1 = none
	kind   sdp.Kind
	mid    string
	active bool // offered for use
	ready  bool // the client has accepted it
	send   bool // the client wants it

	want               [numLayers]int8
	fallback           int64 // microseconds, 0 = default
	minDelay, maxDelay int   // 10 ms, -1 = none
	current            media.Layer

	fed  origin // what the engine was told to forward
	held bool   // but not now
}

// origin is where the media of an m-line comes from.
type origin struct {
	src    *sfu.Source
	stream int
}

// newLine makes an m-line for a stream.
func newLine(kind sdp.Kind, mid string, stream int) *line {
	return &line{
		stream: stream, kind: kind, mid: mid, active: true, send: true,
		want:     [numLayers]int8{highest, highest, highest, highest},
		minDelay: -1, maxDelay: -1, current: media.NoLayer,
	}
}

// stream is what an m-line carries, nil if nothing. p.mu is held.
func (h *handle) stream(l *line) *streamSettings {
	if m := h.watching; m != nil && l.stream >= 0 && l.stream < len(m.streams) && m.streams[l.stream].kind == l.kind {
		return &m.streams[l.stream]
	}
	return nil
}

// source is where the viewer's media comes from. p.mu is held.
func (h *handle) source() *sfu.Source {
	switch {
	case h.watching == nil:
		return nil
	case h.own != nil:
		return h.own.src
	}
	return h.watching.src
}

// sync makes the engine forward what the m-lines stand for. p.mu is held.
func (h *handle) sync() {
	peer := h.host.Peer()
	if peer == nil {
		return
	}
	if h.own != nil {
		h.own.start(peer)
	}
	src := h.source()
	for i, l := range h.lines {
		if l.kind == sdp.Application {
			continue
		}
		var from origin
		if h.stream(l) != nil && src != nil && h.up && l.active && l.ready {
			from = origin{src, l.stream}
		}
		held := h.paused || !l.send
		switch {
		case from == origin{} && l.fed != origin{}:
			peer.Unsubscribe(i)
		case from == origin{}:
		case from != l.fed:
			peer.Subscribe(sfu.Subscription{
				Source: from.src, SourceSection: from.stream, Section: i,
				Paused: held, Target: h.target(l), Fallback: l.wait(),
			})
			peer.SetPlayoutDelay(i, l.minDelay, l.maxDelay)
		case held != l.held:
			peer.SetPaused(i, held)
		}
		l.fed, l.held = from, held
	}
}

// target is the layer to forward. p.mu is held.
func (h *handle) target(l *line) media.Layer {
	st := h.stream(l)
	switch {
	case st != nil && st.simulcast:
		return media.Layer{Substream: l.want[substream], Spatial: -1, Temporal: l.want[temporal]}
	case st != nil && st.svc:
		return media.Layer{Substream: -1, Spatial: l.want[spatialLayer], Temporal: l.want[temporalLayer]}
	}
	return media.NoLayer
}

func (l *line) wait() time.Duration { return time.Duration(l.fallback) * time.Microsecond }

// layers is the current layers by their names' places, -1 where there is none.
func (l *line) layers(st *streamSettings) [numLayers]int8 { return layersOf(l.current, st) }

func layersOf(c media.Layer, st *streamSettings) [numLayers]int8 {
	if st.svc {
		return [numLayers]int8{-1, -1, c.Spatial, c.Temporal}
	}
	return [numLayers]int8{c.Substream, c.Temporal, -1, -1}
}

// query writes what the Admin API tells about the layers.
func (l *line) query(w *json.Writer, st *streamSettings) {
	if st.simulcast {
		w.Object("simulcast")
		w.Int("substream", int64(l.current.Substream))
		w.Int("substream-target", int64(l.want[substream]))
		w.Int("temporal-layer", int64(l.current.Temporal))
		w.Int("temporal-layer-target", int64(l.want[temporal]))
		optInt(w, "fallback", l.fallback)
		w.End()
	}
	if st.svc {
		w.Object("svc")
		w.Int("spatial-layer", int64(l.current.Spatial))
		w.Int("target-spatial-layer", int64(l.want[spatialLayer]))
		w.Int("temporal-layer", int64(l.current.Temporal))
		w.Int("target-temporal-layer", int64(l.want[temporalLayer]))
		w.End()
	}
	if l.minDelay >= 0 && l.maxDelay >= 0 {
		w.Object("playout-delay")
		w.Int("min-delay", int64(l.minDelay))
		w.Int("max-delay", int64(l.maxDelay))
		w.End()
	}
}
