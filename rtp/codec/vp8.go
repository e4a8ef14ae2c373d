package codec

// minVPx is the shortest VP8 or VP9 payload that is taken for a key frame.
const minVPx = 16

// VP8 is a VP8 payload descriptor (RFC 7741, section 4.2).
type VP8 struct {
	X   bool  // extended control bits are present
	N   bool  // non-reference frame
	S   bool  // start of a VP8 partition
	PID uint8 // partition index

	HasPictureID  bool
	PictureIDBits uint8 // 7 or 15; 0 without a picture ID
	PictureID     uint16
	HasTL0        bool
	TL0PICIDX     uint8
	HasTID        bool
	TID           uint8
	Y             bool // layer sync; only with a TID
	HasKEYIDX     bool
	KEYIDX        uint8

	HeaderLen int // bytes of the descriptor
	pidAt     uint8
	tl0At     uint8
}

// Parse reads the descriptor at the front of payload. It returns ErrShort
// when the descriptor is cut.
func (d *VP8) Parse(payload []byte) error {
	*d = VP8{}
	if len(payload) < 1 {
		return ErrShort
	}
	b := payload[0]
	d.X, d.N, d.S, d.PID = b&0x80 != 0, b&0x20 != 0, b&0x10 != 0, b&0x07
	at := 1
	if d.X {
		if len(payload) < 2 {
			return ErrShort
		}
		ext := payload[1]
		at = 2
		if ext&0x80 != 0 {
			d.HasPictureID, d.pidAt = true, uint8(at)
			if d.PictureID, d.PictureIDBits, at = pictureID(payload, at); at < 0 {
				return ErrShort
			}
		}
		if ext&0x40 != 0 {
			if at >= len(payload) {
				return ErrShort
			}
			d.HasTL0, d.TL0PICIDX, d.tl0At = true, payload[at], uint8(at)
			at++
		}
		if ext&0x30 != 0 {
			if at >= len(payload) {
				return ErrShort
			}
			d.parseTIDKEYIDX(ext, payload[at])
			at++
		}
	}
	d.HeaderLen = at
	return nil
}

// pictureID reads a picture ID of 7 or 15 bits, as VP8 and VP9 have it, and returns the
// offset behind it, -1 when it is cut.
func pictureID(payload []byte, at int) (id uint16, bits uint8, next int) {
	switch rest := payload[min(at, len(payload)):]; {
	case len(rest) > 0 && rest[0]&0x80 == 0:
		return uint16(rest[0]), 7, at + 1
	case len(rest) > 1:
		return uint16(rest[0]&0x7f)<<8 | uint16(rest[1]), 15, at + 2
	}
	return 0, 0, -1
}

func (d *VP8) parseTIDKEYIDX(ext, b byte) {
	if ext&0x20 != 0 {
		d.HasTID, d.TID, d.Y = true, b>>6, b&0x20 != 0
	}
	if ext&0x10 != 0 {
		d.HasKEYIDX, d.KEYIDX = true, b&0x1f
	}
}

// Info is the meaning of d, parsed from payload, for forwarding. FrameEnd is
// not known to the descriptor; it is the RTP marker bit.
func (d *VP8) Info(payload []byte) Info {
	i := Info{
		FrameStart:  d.S && d.PID == 0,
		HasTemporal: d.HasTID,
		Temporal:    int8(d.TID),
		Discardable: d.N,
	}
	if !i.FrameStart {
		return i
	}
	if d.HasTID && d.Y && d.TID > 0 {
		// It needs none of its own layer or above. That says nothing of the layers
		// between, which a receiver of the base layer lacks.
		i.SwitchUp, i.UpFrom, i.UpTo = true, i.Temporal-1, i.Temporal
	}
	if len(payload) < minVPx || d.HeaderLen+10 > len(payload) {
		return i
	}
	// The uncompressed data chunk (RFC 6386, section 9.1).
	h := payload[d.HeaderLen : d.HeaderLen+10]
	if h[0]&1 == 0 && h[3] == 0x9d && h[4] == 0x01 && h[5] == 0x2a {
		i.keyframe()
		i.Width = (uint16(h[7])<<8 | uint16(h[6])) & 0x3fff
		i.Height = (uint16(h[9])<<8 | uint16(h[8])) & 0x3fff
	}
	return i
}

// Rewrite writes a new picture ID, in the width that it has, and a new
// TL0PICIDX into payload, the caller's own copy of the bytes that d was parsed from.
// Fields that the descriptor lacks are left out.
func (d *VP8) Rewrite(payload []byte, pictureID uint16, tl0 uint8) {
	if len(payload) < d.HeaderLen {
		return
	}
	switch d.PictureIDBits {
	case 7:
		payload[d.pidAt] = byte(pictureID & 0x7f)
	case 15:
		payload[d.pidAt] = byte(pictureID>>8) | 0x80
		payload[d.pidAt+1] = byte(pictureID)
	}
	if d.HasTL0 {
		payload[d.tl0At] = tl0
	}
}
