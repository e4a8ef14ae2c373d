package whip

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"bifrons/sdp"
)

// top is the highest layers of a media section that have been sent; nil if it has none.
type top struct{ substream, spatial, temporal *int }

// layer is one of a media section.
type layer struct {
	RID      string `json:"rid,omitempty"`
	Spatial  *int   `json:"spatialLayerId,omitempty"`
	Temporal *int   `json:"temporalLayerId,omitempty"`
}

// list is that one with all below, the highest first.
func (t top) list() (list []layer) {
	down := func(highest *int, f func(*int)) {
		if highest == nil {
			f(nil)
			return
		}
		for i := *highest; i >= 0; i-- {
			f(&i)
		}
	}
	down(t.substream, func(substream *int) {
		down(t.spatial, func(spatial *int) {
			down(t.temporal, func(temporal *int) {
				l := layer{Spatial: spatial, Temporal: temporal}
				if substream != nil {
					l.RID = strconv.Itoa(*substream)
				}
				list = append(list, l)
			})
		})
	})
	return list
}

func (f *feed) layerNews() news {
	lists := make(map[string][]layer)
	for mid, t := range f.layers {
		place := mid
		if i := slices.Index(f.mids, mid); i >= 0 {
			place = strconv.Itoa(i)
		}
		lists[place] = t.list()
	}
	text, err := json.Marshal(lists)
	if err != nil {
		text = []byte("{}")
	}
	return news{"layers", string(text)}
}

// told is a plugin's news of the layer that is sent.
type told struct {
	MID       string `json:"mid"`
	Substream *int   `json:"substream"`
	Temporal  *int   `json:"temporal"`
	Spatial   *int   `json:"spatial_layer"`
	TemporalL *int   `json:"temporal_layer"`
}

// named takes note of the media sections of a description.
func (f *feed) named(text string) {
	d, err := sdp.Parse(text)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mids = nil
	for i := range d.Sections {
		f.mids = append(f.mids, d.Sections[i].MID)
	}
}

// changed takes note of a layer. f.mu is held.
func (f *feed) changed(t *told) {
	if t.Substream == nil && t.Temporal == nil && t.Spatial == nil && t.TemporalL == nil {
		return
	}
	if f.layers == nil {
		f.layers = make(map[string]top)
	}
	m, known := f.layers[t.MID]
	if !known && len(f.layers) >= maxMedia {
		return
	}
	changed := false
	for _, p := range []struct {
		to   **int
		seen *int
	}{{&m.substream, t.Substream}, {&m.spatial, t.Spatial}, {&m.temporal, t.Temporal}, {&m.temporal, t.TemporalL}} {
		if p.seen != nil && *p.seen < maxLayers && (*p.to == nil || **p.to < *p.seen) {
			*p.to, changed = p.seen, true
		}
	}
	if f.layers[t.MID] = m; changed {
		f.tell(f.layerNews())
	}
}

// maxLayers is how many layers of one dimension players get to know.
const maxLayers = 8

// maxMedia is for how many media sections players get to know layers.
const maxMedia = 8

// choice is the layer that a player asks for; nil fields are left to the server.
type choice struct {
	Media       string  `json:"mediaId"` // place of a media section, or its mid
	RID         *string `json:"rid"`
	Spatial     *int    `json:"spatialLayerId"`
	Temporal    *int    `json:"temporalLayerId"`
	MaxSpatial  *int    `json:"maxSpatialLayerId"`
	MaxTemporal *int    `json:"maxTemporalLayerId"`
}

// layer chooses the highest layer that a player gets.
func (s *Server) layer(v *visit) *problem {
	text, _, p := s.body(v, refuse(http.StatusUnsupportedMediaType, "A choice of layers has the type "+typeJSON+".").with("Accept-Post", typeJSON), typeJSON)
	if p != nil {
		return p
	}
	var c choice
	if json.Unmarshal([]byte(text), &c) != nil {
		return refuse(http.StatusBadRequest, "The body is no object that chooses layers.")
	}
	fields, p := c.fields()
	if p != nil {
		return p
	}
	x := v.resource
	if c.Media != "" {
		mid, ok := x.news.mid(c.Media)
		if !ok {
			return refuse(http.StatusBadRequest, "There is no media section "+strconv.Quote(c.Media)+".")
		}
		fields["mid"] = mid
	}
	unlock, err := x.lock(v.r.Context())
	if err != nil {
		return x.endpoint.explain(err)
	}
	defer unlock()
	b := body{"request": "configure"}
	maps.Copy(b, fields)
	if x.endpoint.Mountpoint == "" {
		stream := body{}
		maps.Copy(stream, fields)
		b = body{"request": "configure", "streams": []body{stream}}
	}
	_, err = x.message(v.r.Context(), b, nil)
	if r, ok := err.(*refusal); ok && !r.core {
		return refuse(http.StatusBadRequest, r.reason+".")
	}
	if err != nil {
		return x.endpoint.explain(err)
	}
	v.w.WriteHeader(http.StatusOK)
	return nil
}

// mid finds a media section.
func (f *feed) mid(media string) (mid string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, err := strconv.Atoi(media); err == nil && i >= 0 && i < len(f.mids) {
		return f.mids[i], true
	}
	return media, slices.Contains(f.mids, media)
}

// highest asks for all layers.
const highest = 2

// fields are the fields of a configure that carries the choice out.
func (c *choice) fields() (body, *problem) {
	substream := highest
	if c.RID != nil {
		n, err := strconv.Atoi(*c.RID)
		if err != nil || n < 0 || n > highest {
			return nil, refuse(http.StatusBadRequest, "rid is 0, 1 or 2, as the event layers has it.")
		}
		substream = n
	}
	at := func(list ...*int) (int, *problem) {
		least := highest
		for _, n := range list {
			if n != nil && (*n < 0 || *n > 7) {
				return 0, refuse(http.StatusBadRequest, "Layers are counted from 0.")
			}
			if n != nil {
				least = min(least, *n)
			}
		}
		return least, nil
	}
	spatial, p := at(c.Spatial, c.MaxSpatial)
	if p != nil {
		return nil, p
	}
	temporal, p := at(c.Temporal, c.MaxTemporal)
	if p != nil {
		return nil, p
	}
	return body{"substream": substream, "temporal": temporal, "spatial_layer": spatial, "temporal_layer": temporal}, nil
}
