package replay

import (
	"crypto/sha256"
	"slices"
	"time"

	"bifrons/sfu/media"
)

// identity is what a packet keeps on its way through the engine.
type identity struct {
	section int
	sum     [sha256.Size]byte
}

// identify leaves out the VP8 descriptor, which is renumbered.
func identify(section int, v *View) identity {
	body := v.Payload
	if v.Codec == media.VP8 && v.VP8.HeaderLen <= len(body) {
		body = body[v.VP8.HeaderLen:]
	}
	return identity{section, sha256.Sum256(body)}
}

// place is a packet of the source with its stream.
type place struct {
	stream *Stream
	packet *Packet
}

// index finds packets of the source by what they carry.
func (in *Input) index() map[identity][]place {
	m := map[identity][]place{}
	for _, s := range in.Streams {
		for _, p := range s.Packets {
			if len(p.View.Payload) > 0 {
				id := identify(s.Section, &p.View)
				m[id] = append(m[id], place{s, p})
			}
		}
	}
	return m
}

// sent is a packet that a receiver got, with what it was made of.
type sent struct {
	*Record
	place // zero for padding
}

// match sorts what a receiver got of one section by number, and finds where each
// packet comes from. Numbers that came again have their first record only.
func match(o *Output, section int, index map[identity][]place, p *problems) []sent {
	first := map[int64]*Record{}
	for i := range o.Records {
		r := &o.Records[i]
		if r.Section != section || r.Kind == LayerChange || r.Kind == Repeated && len(r.View.Payload) == 0 {
			continue
		}
		old := first[r.Number]
		switch {
		case old == nil:
			first[r.Number] = r
		case !r.Asked:
			p.add("number %d came twice, and nobody had asked for it", r.Number)
		case string(old.View.Payload) != string(r.View.Payload) || old.View.Timestamp != r.View.Timestamp:
			p.add("number %d came again as another packet", r.Number)
		}
	}
	list := make([]sent, 0, len(first))
	for _, r := range first {
		list = append(list, sent{Record: r})
	}
	slices.SortFunc(list, func(a, b sent) int { return int(a.Number - b.Number) })
	var last place
	shift := int64(0)
	for i := range list {
		s := &list[i]
		if len(s.View.Payload) == 0 {
			continue
		}
		s.place = nearest(index[identify(section, &s.View)], last, s.Number+shift, s.At)
		if s.packet == nil {
			p.add("number %d is nothing that was sent", s.Number)
			continue
		}
		last, shift = s.place, s.packet.Number-s.Number
	}
	return list
}

// nearest chooses among packets that carry the same, such as silence or parameter
// sets: the one that the numbering leads to, or else the latest one then.
func nearest(list []place, last place, want int64, at time.Duration) (best place) {
	for _, c := range list {
		if !c.packet.arrived || c.packet.arrivedAt > at {
			continue
		}
		if c.stream == last.stream && c.packet.Number == want {
			return c
		}
		if best.packet == nil || c.packet.arrivedAt >= best.packet.arrivedAt {
			best = c
		}
	}
	return best
}
