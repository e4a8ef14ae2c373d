package streaming

import (
	"encoding/base64"
	"strings"

	"bifrons/rtp/codec"
	"bifrons/sdp"
)

// maxParameterSets is the size of the largest payload of parameter sets that is
// sent, in bytes.
const maxParameterSets = 1200

// parameterSets is the H.264 payload with the parameter sets of a stream's
// settings, nil if there are none.
func parameterSets(st *streamSettings) []byte {
	if st.codec != sdp.H264 || st.sps == "" {
		return nil
	}
	var units [][]byte
	for text := range strings.SplitSeq(st.sps, ",") {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(b) == 0 {
			return nil
		}
		units = append(units, b)
	}
	if b := codec.AppendParameterSets(nil, units...); len(b) <= maxParameterSets {
		return b
	}
	return nil
}
