package codec

// StartsIDR reports whether an H.264 payload begins an IDR picture: by a slice of
// its own, within an aggregation packet, or as the start of fragments (RFC 6184,
// 5.6 to 5.8). Several packets of one picture may do so.
func StartsIDR(payload []byte) bool {
	if len(payload) < 2 {
		return false
	}
	switch t := payload[0] & 0x1f; t {
	case H264IDR:
		return true
	case H264FUA, H264FUB:
		return payload[1]&0x80 != 0 && payload[1]&0x1f == H264IDR
	case H264STAPA:
		for b := payload[1:]; len(b) > 2; {
			n := int(b[0])<<8 | int(b[1])
			if b[2]&0x1f == H264IDR && n > 0 {
				return true
			}
			b = b[min(2+n, len(b)):]
		}
	}
	return false
}

// AppendParameterSets appends a payload that carries NAL units in one
// aggregation packet (RFC 6184, 5.7.1). Empty ones and those that are too large
// for it are left out.
func AppendParameterSets(dst []byte, units ...[]byte) []byte {
	at := len(dst)
	dst = append(dst, H264STAPA)
	for _, u := range units {
		if len(u) == 0 || len(u) > 1<<16-1 {
			continue
		}
		dst[at] = dst[at]&^0x60 | max(dst[at]&0x60, u[0]&0x60)
		dst = append(dst, byte(len(u)>>8), byte(len(u)))
		dst = append(dst, u...)
	}
	return dst
}
