package codec

// NAL unit types of H.264 (RFC 6184, section 5.2; H.264, table 7-1).
const (
	H264Slice  = 1
	H264SliceA = 2
	H264IDR    = 5
	H264SEI    = 6
	H264SPS    = 7
	H264PPS    = 8
	H264AUD    = 9
	H264STAPA  = 24
	H264FUA    = 28
	H264FUB    = 29
)

// inspectH264 adds the properties of a payload to i. A key frame begins with
// the packet that has a sequence parameter set, or the start of one.
func inspectH264(payload []byte, i *Info) error {
	if len(payload) < 1 {
		return ErrShort
	}
	ref := payload[0]&0x60 != 0
	switch t := payload[0] & 0x1f; t {
	case H264STAPA:
		if err := inspectSTAPA(payload[1:], i); err != nil {
			return err
		}
	case H264FUA, H264FUB:
		skip := 2
		if t == H264FUB {
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

func isSlice(t uint8) bool { return t >= H264Slice && t <= 4 }

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

// inspectNAL looks at the start of one NAL unit, b being the part behind its
// header octet.
func inspectNAL(t uint8, b []byte, i *Info) {
	switch t {
	case H264SPS:
		i.Keyframe, i.FrameStart = true, true
		if s := (H264Sequence{}); s.parse(b) {
			i.Width, i.Height = s.Width, s.Height
		}
	case H264AUD, H264SEI:
		i.FrameStart = true
	case H264Slice, H264SliceA, H264IDR:
		// first_mb_in_slice is 0 when its Exp-Golomb code is one set bit.
		if len(b) > 0 && b[0]&0x80 != 0 {
			i.FrameStart = true
		}
	}
}
