package codec

// VP9Header is the uncompressed header of a key frame, as far as its size (VP9
// bitstream specification, section 6.2).
type VP9Header struct {
	Profile, BitDepth          uint8
	SubsamplingX, SubsamplingY bool
	FullRange                  bool
	Width, Height              uint16 // in pixels
}

// Parse reads the front of a frame. It reports false if it is no key frame or ends too
// early.
func (h *VP9Header) Parse(frame []byte) bool {
	r := bitReader{data: frame}
	*h = VP9Header{BitDepth: 8}
	if r.bits(2) != 2 { // frame_marker
		return false
	}
	h.Profile = uint8(r.bits(1) | r.bits(1)<<1)
	if h.Profile == 3 {
		r.skip(1)
	}
	if r.bits(2) != 0 { // show_existing_frame, frame_type
		return false
	}
	r.skip(2) // show_frame, error_resilient_mode
	if r.bits(24) != 0x498342 {
		return false
	}
	if h.Profile >= 2 {
		h.BitDepth = 10 + 2*uint8(r.bits(1))
	}
	const sRGB = 7
	odd := h.Profile&1 != 0
	if r.bits(3) != sRGB {
		h.FullRange = r.flag()
		h.SubsamplingX, h.SubsamplingY = true, true
		if odd {
			h.SubsamplingX, h.SubsamplingY = r.flag(), r.flag()
			r.skip(1)
		}
	} else {
		h.FullRange = true
		if odd {
			r.skip(1)
		}
	}
	w, ht := r.bits(16)+1, r.bits(16)+1
	h.Width, h.Height = uint16(min(w, 0xffff)), uint16(min(ht, 0xffff))
	return !r.over
}
