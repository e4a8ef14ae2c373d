package codec

// MaxVP9Spatial is how many spatial layers a VP9 stream can signal.
const MaxVP9Spatial = 8

// VP9 is a VP9 payload descriptor (RFC 9628, section 4.2).
type VP9 struct {
	I bool // picture ID is present
	P bool // inter-picture predicted
	L bool // layer indices are present
	F bool // flexible mode
	B bool // start of a layer frame
	E bool // end of a layer frame
	V bool // scalability structure (SS) is present
	Z bool // not a reference for upper spatial layers

	PictureIDBits uint8 // 7 or 15; 0 without a picture ID
	PictureID     uint16

	TID, SID  uint8
	U         bool // switching up point
	D         bool // inter-layer predicted
	HasTL0    bool // non-flexible mode with layer indices
	TL0PICIDX uint8

	PDiffCount uint8 // flexible mode: pictures referred to
	PDiff      [3]uint8

	SS        VP9Structure // with V
	HeaderLen int          // bytes of the descriptor
}

// VP9Structure is the scalability structure of a VP9 payload descriptor
// (RFC 9628, section 4.2.1).
type VP9Structure struct {
	Spatials      uint8 // spatial layers, 1 to 8 (N_S + 1)
	HasResolution bool  // Y
	Width, Height [MaxVP9Spatial]uint16
	HasGroup      bool  // G
	GroupSize     uint8 // N_G, pictures in the picture group
	Temporals     uint8 // temporal layers of the picture group, 0 = unknown
}

// FlexibleMode says whether each packet carries its references.
func (d *VP9) FlexibleMode() bool { return d.F }

// Parse reads the descriptor at the front of payload. It returns ErrShort when
// the descriptor is cut and ErrSyntax for a fourth reference index.
func (d *VP9) Parse(payload []byte) error {
	*d = VP9{}
	if len(payload) < 1 {
		return ErrShort
	}
	b := payload[0]
	d.I, d.P, d.L, d.F = b&0x80 != 0, b&0x40 != 0, b&0x20 != 0, b&0x10 != 0
	d.B, d.E, d.V, d.Z = b&0x08 != 0, b&0x04 != 0, b&0x02 != 0, b&0x01 != 0
	at := 1
	if d.I {
		if d.PictureID, d.PictureIDBits, at = pictureID(payload, at); at < 0 {
			return ErrShort
		}
	}
	if d.L {
		if at = d.parseLayers(payload, at); at < 0 {
			return ErrShort
		}
	}
	if d.F && d.P {
		for more := true; more; at++ {
			if at >= len(payload) {
				return ErrShort
			}
			if int(d.PDiffCount) == len(d.PDiff) {
				return ErrSyntax
			}
			d.PDiff[d.PDiffCount] = payload[at] >> 1
			d.PDiffCount++
			more = payload[at]&1 != 0
		}
	}
	if d.V {
		n := d.SS.parse(payload[at:])
		if n < 0 {
			return ErrShort
		}
		at += n
	}
	d.HeaderLen = at
	return nil
}

// parseLayers returns the offset behind the layer indices, -1 when they are
// cut.
func (d *VP9) parseLayers(payload []byte, at int) int {
	if at >= len(payload) {
		return -1
	}
	b := payload[at]
	d.TID, d.U, d.SID, d.D = b>>5, b&0x10 != 0, b>>1&7, b&1 != 0
	if d.F {
		return at + 1
	}
	if at+1 >= len(payload) {
		return -1
	}
	d.HasTL0, d.TL0PICIDX = true, payload[at+1]
	return at + 2
}

// parse returns the length of the structure at the front of b, -1 when it is
// cut.
func (s *VP9Structure) parse(b []byte) int {
	if len(b) < 1 {
		return -1
	}
	s.Spatials, s.HasResolution, s.HasGroup = b[0]>>5+1, b[0]&0x10 != 0, b[0]&0x08 != 0
	at := 1
	if s.HasResolution {
		if at+4*int(s.Spatials) > len(b) {
			return -1
		}
		for i := range int(s.Spatials) {
			s.Width[i] = uint16(b[at])<<8 | uint16(b[at+1])
			s.Height[i] = uint16(b[at+2])<<8 | uint16(b[at+3])
			at += 4
		}
	}
	if s.HasGroup {
		if at >= len(b) {
			return -1
		}
		s.GroupSize = b[at]
		at++
		for range s.GroupSize {
			if at >= len(b) {
				return -1
			}
			s.Temporals = max(s.Temporals, b[at]>>5+1)
			at += 1 + int(b[at]>>2&3)
		}
		if at > len(b) {
			return -1
		}
	}
	return at
}

// Info is the meaning of d, parsed from payload, for forwarding.
//
// A key frame has a structure with sizes on a frame that refers to no
// other. Senders that never send one, and set no bit but B and E, are served
// by the VP9 frame header (VP9 bitstream specification, section 6.2).
func (d *VP9) Info(payload []byte) Info {
	i := Info{
		FrameStart: d.B, FrameEnd: d.E,
		HasSpatial: d.L, HasTemporal: d.L,
		Spatial: int8(d.SID), Temporal: int8(d.TID),
		InterPicture: d.P, InterLayer: d.D, NoUpperRef: d.Z, Flexible: d.F,
	}
	if d.B && d.U {
		i.switchingPoint()
	}
	if d.V {
		i.Spatials, i.Temporals = int8(d.SS.Spatials), int8(d.SS.Temporals)
		i.Width, i.Height = d.SS.Width[d.SID], d.SS.Height[d.SID]
	}
	if !d.B || d.P || d.D || len(payload) < minVPx {
		return i
	}
	if d.V && d.SS.hasSize() {
		i.keyframe()
	} else if h := (VP9Header{}); h.Parse(payload[d.HeaderLen:]) {
		i.keyframe()
		i.Width, i.Height = h.Width, h.Height
	}
	return i
}

// switchingPoint follows the U bit. To RFC 9628 it means that no later picture of
// a higher temporal layer needs one of those from before this picture. Some senders
// set it on a picture that itself needs none of its own layer. Both hold for a
// receiver that has all layers below, while one that has fewer may lack references
// of this picture.
func (i *Info) switchingPoint() {
	i.SwitchUp, i.UpFrom, i.UpTo = true, i.Temporal-1, i.Temporal
	if i.Temporal == 0 {
		i.UpFrom, i.UpTo = 0, MaxTemporal
	}
}

func (s *VP9Structure) hasSize() bool {
	for i := range s.Width {
		if s.Width[i] != 0 || s.Height[i] != 0 {
			return true
		}
	}
	return false
}
