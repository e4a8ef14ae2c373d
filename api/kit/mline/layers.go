// Package mline is one m-line on which media goes to a client: what the engine
// forwards to it and in which format, and the layers and the playout delay that the
// client wants, in requests, towards the engine, in answers and in events.
package mline

import (
	"fmt"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Layering is how a stream is layered.
type Layering uint8

// Ways to layer a stream.
const (
	Single    Layering = iota // one encoding
	Simulcast                 // several encodings, each with temporal layers
	SVC                       // one encoding with spatial and temporal layers
)

// LayeringOf is how a stream is layered that is said to be simulcast or SVC.
func LayeringOf(simulcast, svc bool) Layering {
	switch {
	case simulcast:
		return Simulcast
	case svc:
		return SVC
	}
	return Single
}

// Layers that clients choose, by their place in Layers.want.
const (
	substream = iota
	temporal
	spatialLayer
	temporalLayer
	numLayers
)

// names are those of the layers in requests and events.
var names = [numLayers]string{"substream", "temporal", "spatial_layer", "temporal_layer"}

// Highest is the highest layer that can be chosen, which is forwarded unless a
// client wants less.
const Highest = 2

// MaxPriority is the highest priority of an m-line.
const MaxPriority = 255

// maxFallback bounds the time after which a lower layer is taken, in microseconds.
const maxFallback = 1<<32 - 1

// applies reports whether a layer is one of a stream's.
func (as Layering) applies(layer int) bool {
	return as == Simulcast && layer < spatialLayer || as == SVC && layer >= spatialLayer
}

// Fields are those of requests that choose layers, or bound and weight the media.
var Fields = []schema.Field{
	{Name: names[substream], Type: schema.Uint},
	{Name: names[temporal], Type: schema.Uint},
	{Name: names[spatialLayer], Type: schema.Uint},
	{Name: names[temporalLayer], Type: schema.Uint},
	{Name: "fallback", Type: schema.Uint},    // microseconds
	{Name: "max_bitrate", Type: schema.Uint}, // bit/s
	{Name: "priority", Type: schema.Uint},
}

// Check checks the layers that a request chooses, whose types
// were checked. invalid is the code of the failure.
func Check(request kit.Args, invalid int) *schema.Error {
	for _, name := range names {
		if n, _ := request.Number(name); n > Highest {
			return &schema.Error{Code: invalid, Text: fmt.Sprintf("Invalid value (%s should be 0, 1 or %d)", name, Highest)}
		}
	}
	if n, _ := request.Number("priority"); n > MaxPriority {
		return &schema.Error{Code: invalid, Text: fmt.Sprintf("Invalid value (priority should be 0 to %d)", MaxPriority)}
	}
	return nil
}

// Change has the fields of a request about an m-line. The zero value changes nothing.
type Change struct {
	want        [numLayers]int8
	given       [numLayers]bool
	fallback    int64 // microseconds
	hasFallback bool
	max         uint64 // bit/s
	priority    int
	hasMax      bool
	hasPriority bool
	Delay       DelayChange
}

// Read reads the settings of a request. Layers above Highest count as that.
func Read(request kit.Args) Change {
	c := Change{Delay: ReadDelay(request)}
	for i, name := range names {
		if n, ok := request.Number(name); ok && n >= 0 {
			c.want[i], c.given[i] = int8(min(n, Highest)), true
		}
	}
	if n, ok := request.Number("fallback"); ok && n >= 0 {
		c.fallback, c.hasFallback = min(n, maxFallback), true
	}
	if n, ok := request.Number("max_bitrate"); ok && n >= 0 {
		c.max, c.hasMax = uint64(n), true
	}
	if n, ok := request.Number("priority"); ok && n >= 0 {
		c.priority, c.hasPriority = int(min(n, MaxPriority)), true
	}
	return c
}

// ChoosesLayers reports whether a request chooses any layer.
func (c *Change) ChoosesLayers() bool { return c.given != [numLayers]bool{} }

// Retargets reports whether a request changes how layers are forwarded.
func (c *Change) Retargets() bool { return c.ChoosesLayers() || c.hasFallback }

// Weighs reports whether a request changes how the m-line counts.
func (c *Change) Weighs() bool { return c.hasMax || c.hasPriority }

// DropFallback removes the fallback from the request.
func (c *Change) DropFallback() { c.fallback, c.hasFallback = 0, false }

// Layers holds the layers that a client wants on an m-line, and those it gets. The
// wishes for all ways of layering are kept, as the m-line may come to carry another
// stream.
type Layers struct {
	want     [numLayers]int8
	fallback int64 // microseconds, 0 = the engine's

	// Weight is how the m-line counts where the line does not carry everything.
	Weight sfu.Weight

	// Current is the layer that the engine forwards, by sfu.EventLayer.
	Current media.Layer
}

// NewLayers are the settings before a client says anything.
func NewLayers() Layers {
	l := Layers{Current: media.NoLayer}
	l.WantHighest()
	return l
}

// WantHighest takes back which layers the client chose.
func (l *Layers) WantHighest() { l.want = [numLayers]int8{Highest, Highest, Highest, Highest} }

// Set applies the settings of a request.
func (l *Layers) Set(c Change) {
	l.Choose(c)
	if c.hasFallback {
		l.fallback = c.fallback
	}
	if c.hasMax {
		l.Weight.Max = c.max
	}
	if c.hasPriority {
		l.Weight.Priority = c.priority
	}
}

// Choose takes over the layers that a request chooses, and nothing else of it.
func (l *Layers) Choose(c Change) {
	for i, given := range c.given {
		if given {
			l.want[i] = c.want[i]
		}
	}
}

// WantSimulcast chooses the layers of simulcast; invalid layers leave the choice as it was.
func (l *Layers) WantSimulcast(encoding, layer int64) {
	for i, n := range map[int]int64{substream: encoding, temporal: layer} {
		if n >= 0 && n <= Highest {
			l.want[i] = int8(n)
		}
	}
}

// Target is the layer that the engine is to forward of a stream.
func (l *Layers) Target(as Layering) media.Layer {
	switch as {
	case Simulcast:
		return media.Layer{Encoding: l.want[substream], Spatial: -1, Temporal: l.want[temporal]}
	case SVC:
		return media.Layer{Encoding: -1, Spatial: l.want[spatialLayer], Temporal: l.want[temporalLayer]}
	}
	return media.NoLayer
}

// Fallback is how long a layer is waited for before a lower one is taken, 0 = the
// engine's default.
func (l *Layers) Fallback() time.Duration { return time.Duration(l.fallback) * time.Microsecond }

// Event is news on one layer for the client.
type Event struct {
	name  string
	layer int8
}

// Write writes the field of the event.
func (e Event) Write(w *json.Writer) { w.Int(e.name, int64(e.layer)) }

// Changed notes what the engine forwards now, and returns what the client has
// to be called.
func (l *Layers) Changed(now media.Layer, as Layering) []Event {
	before, after := places(l.Current), places(now)
	l.Current = now
	var news []Event
	for i, n := range after {
		if as.applies(i) && n >= 0 && n != before[i] {
			news = append(news, Event{names[i], n})
		}
	}
	return news
}

// Outcome is the consequence of a request's choice of layers.
type Outcome struct {
	Reached  []Event // for the client, about layers that it has already
	Keyframe bool    // another one comes with a key frame
	Temporal bool    // another temporal layer, which needs none
}

// Outcome is the consequence of an applied change.
func (l *Layers) Outcome(c Change, as Layering) Outcome {
	var o Outcome
	now := places(l.Current)
	for i, given := range c.given {
		switch {
		case !given || !as.applies(i):
		case c.want[i] == now[i]:
			o.Reached = append(o.Reached, Event{names[i], c.want[i]})
		case i == substream || i == spatialLayer:
			o.Keyframe = true
		default:
			o.Temporal = true
		}
	}
	return o
}

// places are the parts of a layer in the order of names.
func places(m media.Layer) [numLayers]int8 {
	return [numLayers]int8{m.Encoding, m.Temporal, m.Spatial, m.Temporal}
}

// Write writes the current and the wanted layers, as an object with the name of the
// way of layering; nothing of a single stream.
func (l *Layers) Write(w *json.Writer, as Layering) {
	switch as {
	case Simulcast:
		w.Object("simulcast")
		l.writeSimulcast(w)
		w.End()
	case SVC:
		w.Object("svc")
		w.Int("spatial-layer", int64(l.Current.Spatial))
		w.Int("target-spatial-layer", int64(l.want[spatialLayer]))
		w.Int("temporal-layer", int64(l.Current.Temporal))
		w.Int("target-temporal-layer", int64(l.want[temporalLayer]))
		w.End()
	}
}

// WriteFlat is Write for those who have fields instead of an object.
func (l *Layers) WriteFlat(w *json.Writer, as Layering) {
	switch as {
	case Simulcast:
		l.writeSimulcast(w)
	case SVC:
		w.Int("spatial-layer", int64(l.Current.Spatial))
		w.Int("spatial-layer-target", int64(l.want[spatialLayer]))
		w.Int("temporal-layer", int64(l.Current.Temporal))
		w.Int("temporal-layer-target", int64(l.want[temporalLayer]))
	}
}

func (l *Layers) writeSimulcast(w *json.Writer) {
	w.Int("substream", int64(l.Current.Encoding))
	w.Int("substream-target", int64(l.want[substream]))
	w.Int("temporal-layer", int64(l.Current.Temporal))
	w.Int("temporal-layer-target", int64(l.want[temporal]))
	if l.fallback > 0 {
		w.Int("fallback", l.fallback)
	}
}
