package route

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// Overhead is the size of a packet on the line besides its payload, in bytes: IPv4, UDP, RTP
// with some header extensions, and the tag of SRTP.
const Overhead = 60

// Rate is the rate of a subscriber with an operating point of a track: everything up
// to a ceiling.
type Rate struct {
	Layer  media.Layer // the ceiling; -1 where the track has no such layers
	Peak   uint64      // bit/s of the busiest second of the last 3, with Overhead
	Recent uint64      // bit/s of the latest second
	Frames float64     // pictures a second
}

const (
	rateSlot     = mono.Time(500 * time.Millisecond)
	rateSlots    = 7 // the last one is being filled
	rateLeast    = 300 * time.Millisecond
	ratePause    = 2 // slots that a pause of the whole track lets pass at most
	rateLevels   = maxSpatial
	rateTemporal = 4 // temporal layers from the last one on are one
	rateCells    = rateLevels * rateTemporal
)

// rates counts the packets of a track by its layers. Time passes only while something comes: the
// pause of an encoder does not make its layers cheap, or end them.
type rates struct {
	cells  []rateCell // rateSlots times width
	width  int
	at     int       // slot that is being filled
	done   int       // slots before it
	began  mono.Time // first packet
	last   mono.Time // latest packet
	end    mono.Time // of the slot
	blind  bool      // encodings cannot be distinguished
	points []Rate    // valid while fresh
	fresh  bool
}

type rateCell struct {
	bytes  uint32
	frames uint32 // whose last packet came
}

// count takes note of a packet.
func (r *rates) count(t *Track, p *Packet) {
	if p.Arrival >= r.end {
		r.turn(t, p.Arrival)
	}
	r.last = p.Arrival
	i := 0
	if t.Kind == media.Video {
		i = r.cell(t, p)
	}
	c := &r.cells[r.at*r.width+i]
	c.bytes += uint32(p.Len) + Overhead
	if p.Marker || p.Info.FrameEnd {
		c.frames++
	}
}

// cell is where a packet of video is counted.
func (r *rates) cell(t *Track, p *Packet) int {
	level, temporal := 0, 0
	switch {
	case t.Simulcast:
		r.blind = t.Encrypted || !p.Codec.Inspected()
		level = int(p.Encoding)
	case t.SVC && p.Read && p.Info.HasSpatial:
		level = int(min(max(p.Info.Spatial, 0), rateLevels-1))
	}
	if p.Read && p.Info.HasTemporal && (t.Simulcast || t.SVC) {
		temporal = int(min(max(p.Info.Temporal, 0), rateTemporal-1))
	}
	return level*rateTemporal + temporal
}

// turn begins the slot of a time.
func (r *rates) turn(t *Track, now mono.Time) {
	width := 1
	if t.Kind == media.Video {
		width = rateCells
	}
	if r.width != width {
		*r = rates{cells: make([]rateCell, rateSlots*width), width: width, points: r.points[:0], began: now, end: now + rateSlot}
		return
	}
	passed := (now-r.end)/rateSlot + 1
	if passed > ratePause {
		passed, r.end = ratePause, now+rateSlot
	} else {
		r.end += passed * rateSlot
	}
	for range passed {
		r.at = (r.at + 1) % rateSlots
		r.done = min(r.done+1, rateSlots-1)
		clear(r.cells[r.at*r.width : (r.at+1)*r.width])
	}
	r.fresh = false
}

// slot returns the cells of the slot so many before the current one.
func (r *rates) slot(ago int) []rateCell {
	i := (r.at - ago + rateSlots) % rateSlots * r.width
	return r.cells[i : i+r.width]
}

// Rates returns the operating points of a track, the lowest first; none before the first
// packet. A track that cannot be thinned out has one. The track lends the list until it is
// called again.
func (t *Track) Rates() []Rate {
	r := &t.rates
	if r.fresh || r.width == 0 {
		return r.points
	}
	r.fresh = r.done >= 2
	r.points = r.points[:0]
	if t.Kind != media.Video || !t.Simulcast && !t.SVC || r.blind {
		return r.whole(t)
	}
	for level := range rateLevels {
		if !r.sent(level) {
			continue
		}
		from := level // simulcast: each encoding by itself
		if t.SVC && !t.Simulcast {
			from = 0
		}
		for temporal := range rateTemporal {
			if x, ok := r.point(from, level, temporal); ok {
				if t.Simulcast {
					x.Layer.Encoding = int8(level)
				} else {
					x.Layer.Spatial = int8(level)
				}
				r.points = append(r.points, x)
			}
		}
	}
	return r.points
}

// whole makes one point of everything; of encodings only one is ever forwarded.
func (r *rates) whole(t *Track) []Rate {
	each := r.width
	if t.Simulcast && r.width > 1 {
		each = rateTemporal
	}
	best := Rate{Layer: media.NoLayer}
	for from := 0; from < r.width; from += each {
		x := Rate{Layer: media.NoLayer}
		if r.measure(&x, from, from+each, from, rateTemporal); x.Peak > best.Peak {
			best = x
		}
	}
	if best.Peak > 0 {
		r.points = append(r.points, best)
	}
	return r.points
}

// sent reports whether a level came within the last slots.
func (r *rates) sent(level int) bool {
	for ago := range min(r.done, 2) + 1 {
		for _, c := range r.slot(ago)[level*rateTemporal : (level+1)*rateTemporal] {
			if c.bytes > 0 {
				return true
			}
		}
	}
	return false
}

// point is that of the levels from one to another, up to a temporal layer that comes.
func (r *rates) point(from, to, temporal int) (Rate, bool) {
	x := Rate{Layer: media.NoLayer}
	some := false
	for ago := range r.done + 1 {
		some = some || r.slot(ago)[to*rateTemporal+temporal].bytes > 0
	}
	if !some {
		return x, false
	}
	x.Layer.Temporal = int8(temporal)
	if temporal == rateTemporal-1 {
		x.Layer.Temporal = maxTemporal
	}
	r.measure(&x, from*rateTemporal, (to+1)*rateTemporal, to*rateTemporal, temporal)
	return x, true
}

// measure fills in the rates of the cells of a range, up to a temporal layer, and the pictures of
// those from top on.
func (r *rates) measure(x *Rate, from, to, top, temporal int) {
	var bytes, frames [rateSlots]uint64
	for ago := range r.done + 1 {
		cells := r.slot(ago)
		for i := from; i < to; i++ {
			if i%rateTemporal > temporal {
				continue
			}
			bytes[ago] += uint64(cells[i].bytes)
			if i >= top {
				frames[ago] += uint64(cells[i].frames)
			}
		}
	}
	if r.done < 2 { // too early for whole seconds
		d := max(r.last.Sub(r.began), rateLeast).Seconds()
		x.Peak = uint64(float64(bytes[0]+bytes[1]) * 8 / d)
		x.Recent, x.Frames = x.Peak, float64(frames[0]+frames[1])/d
		return
	}
	x.Recent = 8 * (bytes[1] + bytes[2])
	var pictures uint64
	for ago := 1; ago <= r.done; ago++ {
		pictures += frames[ago]
		if ago < r.done {
			x.Peak = max(x.Peak, 8*(bytes[ago]+bytes[ago+1]))
		}
	}
	x.Frames = float64(pictures) / (float64(r.done) * time.Duration(rateSlot).Seconds())
}
