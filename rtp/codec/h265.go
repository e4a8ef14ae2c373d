package codec

// NAL unit types of H.265 (RFC 7798, section 1.1.4; H.265, table 7-1).
const (
	h265TSAN     = 2
	h265STSAR    = 5
	h265LastSub  = 14 // up to here even types are sub-layer non-reference
	H265BLA      = 16
	H265CRA      = 21
	h265LastVCL  = 31
	H265VPS      = 32
	H265SPS      = 33
	H265PPS      = 34
	h265AUD      = 35
	h265PreSEI   = 39
	H265AP       = 48
	H265FU       = 49
	H265PACI     = 50
	h265HeadSize = 2
)

// inspectH265 adds the properties of a payload to i. It is for streams
// without decoding order numbers (sprop-max-don-diff is 0), the only ones
// that WebRTC has.
func inspectH265(payload []byte, i *Info) error {
	if len(payload) < h265HeadSize {
		return ErrShort
	}
	if payload[1]&7 == 0 { // nuh_temporal_id_plus1
		return ErrSyntax
	}
	i.HasTemporal, i.Temporal = true, int8(payload[1]&7)-1
	t := payload[0] >> 1 & 0x3f
	b := payload[h265HeadSize:]
	if t == H265PACI {
		// The payload that PACI wraps begins behind PHSize octets of
		// extension; cType is the type it would have had (RFC 7798, 4.4.4).
		if len(b) < 2 {
			return ErrShort
		}
		t = b[0] >> 1 & 0x3f
		size := int(b[0]&1)<<4 | int(b[1]>>4)
		if len(b) < 2+size {
			return ErrShort
		}
		b = b[2+size:]
	}
	switch t {
	case H265AP:
		if err := inspectAP(b, i); err != nil {
			return err
		}
	case H265FU:
		if len(b) < 1 {
			return ErrShort
		}
		if t = b[0] & 0x3f; b[0]&0x80 != 0 { // the unit's first fragment
			inspectH265NAL(t, b[1:], i)
		} else {
			inspectH265Type(t, i)
		}
	default:
		inspectH265NAL(t, b, i)
	}
	if i.Keyframe {
		i.keyframe()
	}
	return nil
}

// inspectAP looks at each NAL unit of an aggregation packet behind its
// header (RFC 7798, section 4.4.2).
func inspectAP(b []byte, i *Info) error {
	for len(b) > 0 {
		if len(b) < 2 {
			return ErrShort
		}
		n := int(b[0])<<8 | int(b[1])
		b = b[2:]
		if n > len(b) || n < h265HeadSize {
			return ErrShort
		}
		inspectH265NAL(b[0]>>1&0x3f, b[h265HeadSize:n], i)
		b = b[n:]
	}
	return nil
}

// inspectH265Type looks at the type of a NAL unit.
func inspectH265Type(t uint8, i *Info) {
	if t <= h265LastSub {
		i.Discardable = t&1 == 0
	}
}

// inspectH265NAL looks at the beginning of one NAL unit, b being the part behind its
// header.
func inspectH265NAL(t uint8, b []byte, i *Info) {
	inspectH265Type(t, i)
	first := false
	switch {
	case t <= h265LastVCL:
		// first_slice_segment_in_pic_flag
		first = len(b) > 0 && b[0]&0x80 != 0
		i.Keyframe = i.Keyframe || first && t >= H265BLA && t <= H265CRA
	case t >= H265VPS && t <= H265PPS:
		first = true
		i.Keyframe = true
		if s := (H265Sequence{}); t == H265SPS && s.parse(b) {
			i.Width, i.Height = s.Width, s.Height
		}
	case t == h265AUD, t == h265PreSEI:
		first = true
	}
	i.FrameStart = i.FrameStart || first
	if first && t >= h265TSAN && t <= h265STSAR && i.Temporal > 0 {
		i.SwitchUp, i.UpFrom, i.UpTo = true, i.Temporal-1, i.Temporal
		if t <= h265TSAN+1 {
			i.UpTo = MaxTemporal
		}
	}
}
