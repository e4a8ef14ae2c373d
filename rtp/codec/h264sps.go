package codec

// H264Sequence is a sequence parameter set of H.264 (H.264, 7.3.2.1.1).
type H264Sequence struct {
	Profile, Constraints, Level uint8
	Chroma                      uint8 // chroma_format_idc
	BitDepth, ChromaDepth       uint8
	Width, Height               uint16 // in pixels, after cropping
}

// Parse reads a NAL unit. It reports false if it ends too early or has an
// impossible size.
func (s *H264Sequence) Parse(nal []byte) bool {
	return len(nal) > 0 && s.parse(nal[1:])
}

// parse reads one without its header octet.
func (s *H264Sequence) parse(sps []byte) bool {
	var buf [maxParameterSet]byte
	r := bitReader{data: unescape(&buf, sps)}
	*s = H264Sequence{Chroma: 1, BitDepth: 8, ChromaDepth: 8}
	s.Profile, s.Constraints, s.Level = uint8(r.bits(8)), uint8(r.bits(8)), uint8(r.bits(8))
	r.ue() // seq_parameter_set_id
	array := uint32(1)
	if s.High() {
		array = s.high(&r)
	}
	r.ue() // log2_max_frame_num_minus4
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.skip(1)
		r.se()
		r.se()
		for n := r.ue(); n > 0 && !r.over; n-- {
			r.se()
		}
	}
	r.ue()    // max_num_ref_frames
	r.skip(1) // gaps_in_frame_num_value_allowed_flag
	w := (uint64(r.ue()) + 1) * 16
	h := (uint64(r.ue()) + 1) * 16
	field := uint64(1)
	if !r.flag() { // frame_mbs_only_flag
		field = 2
		r.skip(1)
	}
	h *= field
	r.skip(1) // direct_8x8_inference_flag
	if r.flag() {
		cropX, cropY := uint64(1), field
		if array == 1 || array == 2 {
			cropX = 2
		}
		if array == 1 {
			cropY *= 2
		}
		w -= min(w, cropX*(uint64(r.ue())+uint64(r.ue())))
		h -= min(h, cropY*(uint64(r.ue())+uint64(r.ue())))
	}
	if r.over || w == 0 || h == 0 || w > 0xffff || h > 0xffff {
		return false
	}
	s.Width, s.Height = uint16(w), uint16(h)
	return true
}

// High reports whether the profile has more formats than 4:2:0 with 8 bits.
func (s *H264Sequence) High() bool {
	switch s.Profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

// high reads the fields of the high profiles and returns ChromaArrayType.
func (s *H264Sequence) high(r *bitReader) uint32 {
	chroma := r.ue()
	array := chroma
	if chroma == 3 && r.flag() { // separate_colour_plane_flag
		array = 0
	}
	s.Chroma = uint8(chroma & 3)
	s.BitDepth, s.ChromaDepth = 8+uint8(r.ue()&7), 8+uint8(r.ue()&7)
	r.skip(1)
	if !r.flag() { // seq_scaling_matrix_present_flag
		return array
	}
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for n := range lists {
		if !r.flag() {
			continue
		}
		size := 16
		if n >= 6 {
			size = 64
		}
		// scaling_list: a zero next scale ends the list's values.
		last, next := int32(8), int32(8)
		for range size {
			if next != 0 {
				next = (last + r.se() + 256) & 255
			}
			if next != 0 {
				last = next
			}
		}
	}
	return array
}

// H264SetID returns the id of a sequence or picture parameter set, of its NAL unit.
func H264SetID(nal []byte) (id uint32, ok bool) {
	if len(nal) < 2 {
		return 0, false
	}
	skip := 0
	if nal[0]&0x1f == H264SPS {
		skip = 24 // profile, constraints, level
	}
	return setID(nal[1:], skip)
}

// setID reads a number behind some bits.
func setID(b []byte, skip int) (id uint32, ok bool) {
	var buf [maxParameterSet]byte
	r := bitReader{data: unescape(&buf, b)}
	r.skip(skip)
	id = r.ue()
	return id, !r.over
}
