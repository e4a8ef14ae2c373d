package codec

import (
	"encoding/base64"
	"strings"
)

// maxParameterSets is the size of the largest payload of parameter sets that is
// sent, in bytes.
const maxParameterSets = 1200

// ParameterSets is the H.264 payload with the parameter sets of a
// sprop-parameter-sets (RFC 6184, 8.1), nil if there are none, or something that is
// none.
func ParameterSets(sprop string) []byte {
	var units [][]byte
	for text := range strings.SplitSeq(sprop, ",") {
		text = strings.TrimRight(strings.TrimSpace(text), "=")
		b, err := base64.RawStdEncoding.DecodeString(text)
		switch {
		case err != nil:
			return nil
		case len(b) == 0: // cameras leave commas at the end
		case !isParameterSet(b[0] & 0x1f):
			return nil
		default:
			units = append(units, b)
		}
	}
	if len(units) == 0 {
		return nil
	}
	if b := AppendParameterSets(nil, units...); len(b) <= maxParameterSets {
		return b
	}
	return nil
}

// isParameterSet reports whether NAL units of a type are parameter sets (H.264, 7.4.1).
func isParameterSet(kind byte) bool {
	return kind == 7 || kind == 8 || kind == 13 || kind == 15
}
