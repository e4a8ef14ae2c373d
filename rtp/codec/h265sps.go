package codec

// H265Sequence is a sequence parameter set of H.265 (H.265, 7.3.2.2).
type H265Sequence struct {
	SubLayers uint8 // temporal layers, from 1
	Nested    bool  // sps_temporal_id_nesting_flag
	// General is the general part of profile_tier_level: profile space, tier and
	// profile, four octets of compatibility, six of constraints, the level.
	General               [12]byte
	Chroma                uint8 // chroma_format_idc
	BitDepth, ChromaDepth uint8
	Width, Height         uint16 // in pixels, after cropping
}

// Parse reads a NAL unit. It reports false if it ends too early or has an
// impossible size.
func (s *H265Sequence) Parse(nal []byte) bool {
	return len(nal) > h265HeadSize && s.parse(nal[h265HeadSize:])
}

// parse reads one without its header.
func (s *H265Sequence) parse(sps []byte) bool {
	var buf [maxParameterSet]byte
	r := bitReader{data: unescape(&buf, sps)}
	*s = H265Sequence{}
	r.skip(4) // sps_video_parameter_set_id
	subLayers := int(r.bits(3))
	s.SubLayers, s.Nested = uint8(subLayers)+1, r.flag()
	for i := range s.General {
		s.General[i] = uint8(r.bits(8))
	}
	skipSubLayers(&r, subLayers)
	r.ue() // sps_seq_parameter_set_id
	chroma := r.ue()
	s.Chroma = uint8(chroma & 3)
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
		return false
	}
	s.Width, s.Height = uint16(w), uint16(h)
	s.BitDepth, s.ChromaDepth = 8+uint8(r.ue()&7), 8+uint8(r.ue()&7)
	return true
}

// skipSubLayers skips the fields of profile_tier_level for single sub-layers
// (H.265, 7.3.3).
func skipSubLayers(r *bitReader, subLayers int) {
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

// H265SetID returns the id of a parameter set, of its NAL unit.
func H265SetID(nal []byte) (id uint32, ok bool) {
	if len(nal) <= h265HeadSize {
		return 0, false
	}
	b := nal[h265HeadSize:]
	switch nal[0] >> 1 & 0x3f {
	case H265VPS:
		return uint32(b[0] >> 4), true
	case H265PPS:
		return setID(b, 0)
	case H265SPS:
		var buf [maxParameterSet]byte
		r := bitReader{data: unescape(&buf, b)}
		r.skip(4)
		subLayers := int(r.bits(3))
		r.skip(1 + 96)
		skipSubLayers(&r, subLayers)
		id = r.ue()
		return id, !r.over
	}
	return 0, false
}
