package replay

import (
	"crypto/sha256"
	"slices"
	"time"

	"bifrons/sfu/media"
)

// identity is the part of a packet that stays the same on its way through the engine.
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

// index finds packets of the source by their content.
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

// sent is a packet that a receiver got, with its source.
type sent struct {
	*Record
	place // zero for padding
}

// match sorts a receiver's packets of one section by number, and finds where each
// packet comes from; unsure if that is guessed. Numbers that came again have their
// first record only.
func match(o *Output, section int, index map[identity][]place, p *problems) (list []sent, unsure bool) {
	first := map[int64]*Record{}
	for i := range o.Records {
		r := &o.Records[i]
		if r.Section != section || r.Kind == LayerChange {
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
	list = make([]sent, 0, len(first))
	for _, r := range first {
		list = append(list, sent{Record: r})
	}
	slices.SortFunc(list, func(a, b sent) int { return int(a.Number - b.Number) })
	// Packets that carry the same as others, such as silence or parameter sets, are
	// distinguished by the numbers of those beside them.
	delay := o.Receiver.delay()
	found := make([][]place, len(list))
	for i := range list {
		if s := &list[i]; len(s.View.Payload) > 0 {
			found[i] = candidates(index[identify(section, &s.View)], s.At-delay)
			if len(found[i]) == 1 {
				s.place = found[i][0]
			}
		}
	}
	before := anchors(list, false)
	after := anchors(list, true)
	for i := range list {
		s := &list[i]
		if s.packet != nil || len(s.View.Payload) == 0 {
			continue
		}
		guess := false
		if s.place, guess = choose(found[i], s.Number, before[i], after[i]); s.packet == nil {
			p.add("number %d is nothing that was sent", s.Number)
		}
		unsure = unsure || guess
	}
	return list, unsure
}

// candidates are the packets that the engine had by a time.
func candidates(list []place, at time.Duration) (out []place) {
	for _, c := range list {
		if c.packet.arrived && c.packet.arrivedAt <= at {
			out = append(out, c)
		}
	}
	return out
}

// anchors returns for each packet the nearest one before, or after, whose origin is
// known; nil if there is none.
func anchors(list []sent, backwards bool) []*sent {
	out := make([]*sent, len(list))
	var last *sent
	for k := range list {
		i := k
		if backwards {
			i = len(list) - 1 - k
		}
		if list[i].packet != nil {
			last = &list[i]
		}
		out[i] = last
	}
	return out
}

// choose takes the candidate that the numbering leads to, or else the latest; the
// first anchor is the surest.
func choose(list []place, number int64, anchors ...*sent) (best place, guess bool) {
	for i, a := range anchors {
		for _, c := range list {
			if a != nil && c.stream == a.stream && c.packet.Number-number == a.packet.Number-a.Number {
				return c, i > 0 // padding may lie between
			}
		}
	}
	for _, c := range list {
		if best.packet == nil || c.packet.arrivedAt >= best.packet.arrivedAt {
			best = c
		}
	}
	return best, true
}
