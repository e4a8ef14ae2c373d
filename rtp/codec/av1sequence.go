package codec

// AV1Sequence is a sequence header of AV1 (AV1, 5.5.1).
type AV1Sequence struct {
	Profile, Level, Tier    uint8 // level and tier of the first operating point
	HighBitdepth, TwelveBit bool
	Monochrome              bool
	SubsamplingX            bool
	SubsamplingY            bool
	SamplePosition          uint8  // chroma_sample_position
	Width, Height           uint16 // of the largest picture, in pixels

	layers  uint32 // operating_point_idc of the first operating point
	reduced bool   // reduced_still_picture_header
}

// Parse reads the payload of the OBU. It reports false if it ends too early.
func (s *AV1Sequence) Parse(b []byte) bool {
	r := bitReader{data: b}
	if !s.parseSize(&r) {
		return false
	}
	s.skipTools(&r)
	s.parseColour(&r)
	return !r.over
}

// parseSize reads the header up to the size.
func (s *AV1Sequence) parseSize(r *bitReader) bool {
	*s = AV1Sequence{Profile: uint8(r.bits(3))}
	r.skip(1) // still_picture
	if s.reduced = r.flag(); s.reduced {
		s.Level = uint8(r.bits(5))
	} else {
		s.parseOperatingPoints(r)
	}
	wBits, hBits := int(r.bits(4))+1, int(r.bits(4))+1
	w, h := r.bits(wBits)+1, r.bits(hBits)+1
	if r.over {
		return false
	}
	s.Width, s.Height = uint16(min(w, 0xffff)), uint16(min(h, 0xffff))
	return true
}

// parseOperatingPoints passes over the timing information and reads the operating
// points. The idc of the first one is the mask of its temporal layers, and from bit 8
// of its spatial ones.
func (s *AV1Sequence) parseOperatingPoints(r *bitReader) {
	decoderModel, delayBits := false, 0
	if r.flag() { // timing_info_present_flag
		r.skip(64)
		if r.flag() { // equal_picture_interval
			r.skipUVLC()
		}
		if decoderModel = r.flag(); decoderModel {
			delayBits = int(r.bits(5)) + 1
			r.skip(32 + 5 + 5)
		}
	}
	initialDelay := r.flag()
	for n := range int(r.bits(5)) + 1 {
		idc, level, tier := r.bits(12), uint8(r.bits(5)), uint8(0)
		if level > 7 { // seq_level_idx
			tier = uint8(r.bits(1))
		}
		if n == 0 {
			s.layers, s.Level, s.Tier = idc, level, tier
		}
		if decoderModel && r.flag() {
			r.skip(2*delayBits + 1)
		}
		if initialDelay && r.flag() {
			r.skip(4)
		}
	}
}

// skipTools passes over which coding tools are used.
func (s *AV1Sequence) skipTools(r *bitReader) {
	if !s.reduced && r.flag() { // frame_id_numbers_present_flag
		r.skip(4 + 3)
	}
	r.skip(1 + 1 + 1) // superblocks of 128, filter_intra, intra_edge_filter
	if !s.reduced {
		r.skip(4)
		order := r.flag() // enable_order_hint
		if order {
			r.skip(1 + 1)
		}
		const choose = 2
		screen := uint32(choose)
		if !r.flag() { // seq_choose_screen_content_tools
			screen = r.bits(1)
		}
		if screen > 0 && !r.flag() { // seq_choose_integer_mv
			r.skip(1)
		}
		if order {
			r.skip(3)
		}
	}
	r.skip(1 + 1 + 1) // superres, cdef, restoration
}

// parseColour reads color_config (AV1, 5.5.2).
func (s *AV1Sequence) parseColour(r *bitReader) {
	s.HighBitdepth = r.flag()
	s.TwelveBit = s.Profile == 2 && s.HighBitdepth && r.flag()
	s.Monochrome = s.Profile != 1 && r.flag()
	rgb := false
	if r.flag() { // color_description_present_flag
		rgb = r.bits(24) == 0x010d00 // BT.709, sRGB, identity
	}
	switch {
	case s.Monochrome:
		r.skip(1) // color_range
		s.SubsamplingX, s.SubsamplingY = true, true
		return
	case rgb:
		return
	}
	r.skip(1) // color_range
	switch {
	case s.Profile == 0:
		s.SubsamplingX, s.SubsamplingY = true, true
	case s.Profile == 1:
	case s.TwelveBit:
		s.SubsamplingX = r.flag()
		s.SubsamplingY = s.SubsamplingX && r.flag()
	default:
		s.SubsamplingX = true
	}
	if s.SubsamplingX && s.SubsamplingY {
		s.SamplePosition = uint8(r.bits(2))
	}
}

// addSequence takes the picture size and the number of layers.
func (i *Info) addSequence(b []byte) {
	var s AV1Sequence
	if !s.parseSize(&bitReader{data: b}) {
		return
	}
	i.Width, i.Height = s.Width, s.Height
	if s.layers != 0 {
		i.Temporals, i.Spatials = layerCount(s.layers&0xff), layerCount(s.layers>>8)
	}
}

// layerCount returns the number of layers up to the highest one in mask.
func layerCount(mask uint32) (n int8) {
	for ; mask != 0; mask >>= 1 {
		n++
	}
	return n
}

// skipUVLC passes over a variable length number (AV1, section 4.10.3).
func (r *bitReader) skipUVLC() {
	zeros := 0
	for !r.flag() {
		if r.over {
			return
		}
		zeros++
	}
	if zeros < 32 {
		r.skip(zeros)
	}
}
