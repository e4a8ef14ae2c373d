package codec

// NAL unit types of H.265 (RFC 7798, section 1.1.4; H.265, table 7-1).
const (
	h265TSAN     = 2
	h265STSAR    = 5
	h265LastSub  = 14 // up to here even types are sub-layer non-reference
	h265BLA      = 16
	h265CRA      = 21
	h265LastVCL  = 31
	h265VPS      = 32
	h265SPS      = 33
	h265PPS      = 34
	h265AUD      = 35
	h265PreSEI   = 39
	h265AP       = 48
	h265FU       = 49
	h265PACI     = 50
	h265HeadSize = 2
)

// inspectH265 adds what an H.265 payload tells to i. It is for streams
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
	if t == h265PACI {
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
	case h265AP:
		if err := inspectAP(b, i); err != nil {
			return err
		}
	case h265FU:
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

// inspectH265NAL looks at the beginning of one NAL unit, b being what follows its
// header.
func inspectH265NAL(t uint8, b []byte, i *Info) {
	inspectH265Type(t, i)
	first := false
	switch {
	case t <= h265LastVCL:
		// first_slice_segment_in_pic_flag
		first = len(b) > 0 && b[0]&0x80 != 0
		i.Keyframe = i.Keyframe || first && t >= h265BLA && t <= h265CRA
	case t >= h265VPS && t <= h265PPS:
		first = true
		i.Keyframe = true
		if w, h, ok := h265Size(t, b); ok {
			i.Width, i.Height = w, h
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

// h265Size returns the picture size after cropping from a sequence parameter
// set without its NAL unit header (H.265, 7.3.2.2).
func h265Size(t uint8, sps []byte) (width, height uint16, ok bool) {
	if t != h265SPS {
		return 0, 0, false
	}
	var buf [maxParameterSet]byte
	r := bitReader{data: unescape(&buf, sps)}
	r.skip(4) // sps_video_parameter_set_id
	subLayers := int(r.bits(3))
	r.skip(1)
	skipProfileTierLevel(&r, subLayers)
	r.ue() // sps_seq_parameter_set_id
	chroma := r.ue()
	if chroma == 3 && r.flag() { // separate_colour_plane_flag
		chroma = 0
	}
	w, h := uint64(r.ue()), uint64(r.ue())
	if r.flag() { // conformance_window_flag
		cropX, cropY := uint64(1), uint64(1)
		if chroma == 1 || chroma == 2 {
			cropX = 2
		}
		if chroma == 1 {
			cropY = 2
		}
		w -= min(w, cropX*(uint64(r.ue())+uint64(r.ue())))
		h -= min(h, cropY*(uint64(r.ue())+uint64(r.ue())))
	}
	if r.over || w == 0 || h == 0 || w > 0xffff || h > 0xffff {
		return 0, 0, false
	}
	return uint16(w), uint16(h), true
}

// skipProfileTierLevel passes over profile_tier_level (H.265, 7.3.3).
func skipProfileTierLevel(r *bitReader, subLayers int) {
	r.skip(88 + 8) // general profile, general_level_idc
	if subLayers == 0 {
		return
	}
	present := r.bits(16) // two bits a sub-layer, for eight of them
	for n := range subLayers {
		if present>>(15-2*n)&1 != 0 {
			r.skip(88)
		}
		if present>>(14-2*n)&1 != 0 {
			r.skip(8)
		}
	}
}
