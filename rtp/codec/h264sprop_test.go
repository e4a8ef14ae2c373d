package codec

import "testing"

// TestParameterSets: what is no parameter set is not sent as one, or decoders lose
// those that the source sends itself.
func TestParameterSets(t *testing.T) {
	const sps, pps = "Z0LgHw==", "aM48gA=="
	whole := "\x78\x00\x04\x67\x42\xe0\x1f\x00\x04\x68\xce\x3c\x80" // STAP-A (RFC 6184, 5.7.1)
	for text, want := range map[string]string{
		sps + "," + pps:               whole,
		" " + sps + " , " + pps + ",": whole,
		"Z0LgHw,aM48gA":               whole, // without padding
		"," + sps + ",," + pps:        whole,
		"":                            "",
		",":                           "",
		"!," + pps:                    "",
		sps + "," + "ZYiEAAE=":        "", // a picture
		sps + ",AAA=":                 "",
		sps + "," + sps[:3] + "%":     "",
	} {
		if got := string(ParameterSets(text)); got != want {
			t.Errorf("%q: %x", text, got)
		}
	}
}
