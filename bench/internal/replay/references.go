package replay

import (
	"time"

	"bifrons/sfu/media"
)

// layerFrame names a frame of one spatial layer in one stream.
type layerFrame struct {
	stream  *Stream
	number  uint16 // picture id, or frame number of the dependency descriptor
	spatial uint8
}

// references checks that the frames that others refer to were forwarded, where packets say
// which they are: VP9 in flexible mode, and the dependency descriptor. Packets that never
// came to the engine are not its fault.
func (c *check) references() {
	got := map[layerFrame]bool{}
	for i := range c.list {
		s := &c.list[i]
		if s.packet == nil {
			continue
		}
		v := &s.packet.View // the receiver may lack the structure
		switch {
		case v.HasDD && v.Codec == media.AV1:
			if v.DD.Start {
				c.described(s, got)
			}
			got[layerFrame{s.stream, v.DD.FrameNumber, 0}] = true
		case v.Codec == media.VP9 && v.VP9.I:
			if v.VP9.B {
				c.vp9(s, got)
			}
			got[layerFrame{s.stream, v.VP9.PictureID, v.VP9.SID}] = true
		}
	}
}

// described checks a frame by its dependency descriptor.
func (c *check) described(s *sent, got map[layerFrame]bool) {
	_, diffs := s.packet.View.DD.Fdiffs()
	for _, d := range diffs {
		f := layerFrame{s.stream, s.packet.View.DD.FrameNumber - d, 0}
		if !got[f] && s.stream.has(f, c.since()) {
			c.add("number %d: frame %d refers to frame %d, which was left out", s.Number, s.packet.View.DD.FrameNumber, f.number)
		}
	}
}

// vp9 checks a layer frame by its payload descriptor.
func (c *check) vp9(s *sent, got map[layerFrame]bool) {
	v := &s.packet.View.VP9
	refer := func(number uint16, spatial uint8) {
		f := layerFrame{s.stream, number & (1<<v.PictureIDBits - 1), spatial}
		if !got[f] && s.stream.has(f, c.since()) {
			c.add("number %d: picture %d, layer %d refers to picture %d, layer %d, which was left out", s.Number, v.PictureID, v.SID, f.number, spatial)
		}
	}
	if v.D && v.SID > 0 {
		refer(v.PictureID, v.SID-1)
	}
	if v.F && v.P {
		for _, d := range v.PDiff[:v.PDiffCount] {
			refer(v.PictureID-uint16(d), v.SID)
		}
	}
}

// has reports whether the engine got a whole frame since a time, as far as that is
// known.
func (s *Stream) has(f layerFrame, since time.Duration) bool {
	found := false
	for _, p := range s.Packets {
		v := &p.View
		switch {
		case v.HasDD && v.Codec == media.AV1 && v.DD.FrameNumber == f.number,
			v.Codec == media.VP9 && v.VP9.PictureID == f.number && v.VP9.SID == f.spatial:
			if !p.arrived || p.arrivedAt < since {
				return false
			}
			found = true
		}
	}
	return found
}
