package codec

// NAL unit types of H.264 (RFC 6184, section 5.2; H.264, table 7-1).
const (
	h264Slice  = 1
	h264SliceA = 2
	h264IDR    = 5
	h264SEI    = 6
	h264SPS    = 7
	h264AUD    = 9
	h264STAPA  = 24
	h264FUA    = 28
	h264FUB    = 29
)

// inspectH264 adds what an H.264 payload tells to i. A key frame begins with
// the packet that has a sequence parameter set, or the start of one.
func inspectH264(payload []byte, i *Info) error {
	if len(payload) < 1 {
		return ErrShort
	}
	ref := payload[0]&0x60 != 0
	switch t := payload[0] & 0x1f; t {
	case h264STAPA:
		if err := inspectSTAPA(payload[1:], i); err != nil {
			return err
		}
	case h264FUA, h264FUB:
		skip := 2
		if t == h264FUB {
			skip = 4 // the decoding order number
		}
		if len(payload) < skip {
			return ErrShort
		}
		if payload[1]&0x80 != 0 {
			inspectNAL(payload[1]&0x1f, payload[skip:], i)
		}
		// Types 1 to 4 are slices of pictures that are not IDR.
		i.Discardable = !ref && isSlice(payload[1]&0x1f)
	case 0, 25, 26, 27, 30, 31:
		// Interleaved aggregation, and types without a meaning.
	default:
		inspectNAL(t, payload[1:], i)
		i.Discardable = !ref && isSlice(t)
	}
	if i.Keyframe {
		i.keyframe()
	}
	return nil
}

func isSlice(t uint8) bool { return t >= h264Slice && t <= 4 }

// inspectSTAPA looks at each NAL unit of an aggregation packet behind its
// first octet (RFC 6184, section 5.7.1).
func inspectSTAPA(b []byte, i *Info) error {
	slices, refs := false, false
	for len(b) > 0 {
		if len(b) < 2 {
			return ErrShort
		}
		n := int(b[0])<<8 | int(b[1])
		b = b[2:]
		if n > len(b) {
			return ErrShort
		}
		if n > 0 {
			t := b[0] & 0x1f
			inspectNAL(t, b[1:n], i)
			slices = slices || isSlice(t)
			refs = refs || b[0]&0x60 != 0
		}
		b = b[n:]
	}
	i.Discardable = slices && !refs
	return nil
}

// inspectNAL looks at the start of one NAL unit, b being what follows its
// header octet.
func inspectNAL(t uint8, b []byte, i *Info) {
	switch t {
	case h264SPS:
		i.Keyframe, i.FrameStart = true, true
		if w, h, ok := h264Size(b); ok {
			i.Width, i.Height = w, h
		}
	case h264AUD, h264SEI:
		i.FrameStart = true
	case h264Slice, h264SliceA, h264IDR:
		// first_mb_in_slice is 0 when its Exp-Golomb code is one set bit.
		if len(b) > 0 && b[0]&0x80 != 0 {
			i.FrameStart = true
		}
	}
}

// h264Size returns the picture size after cropping from a sequence parameter
// set without its header octet (H.264, 7.3.2.1.1).
func h264Size(sps []byte) (width, height uint16, ok bool) {
	var buf [maxParameterSet]byte
	r := bitReader{data: unescape(&buf, sps)}
	profile := r.bits(8)
	r.skip(16) // constraint flags, level
	r.ue()     // seq_parameter_set_id
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = h264High(&r)
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
		if chroma == 1 || chroma == 2 {
			cropX = 2
		}
		if chroma == 1 {
			cropY *= 2
		}
		w -= min(w, cropX*(uint64(r.ue())+uint64(r.ue())))
		h -= min(h, cropY*(uint64(r.ue())+uint64(r.ue())))
	}
	if r.over || w == 0 || h == 0 || w > 0xffff || h > 0xffff {
		return 0, 0, false
	}
	return uint16(w), uint16(h), true
}

// h264High passes over what the high profiles add and returns
// ChromaArrayType.
func h264High(r *bitReader) uint32 {
	chroma := r.ue()
	array := chroma
	if chroma == 3 && r.flag() { // separate_colour_plane_flag
		array = 0
	}
	r.ue()
	r.ue()
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
