package codec

import "testing"

func TestStartsIDR(t *testing.T) {
	for name, tt := range map[string]struct {
		b    []byte
		want bool
	}{
		"slice":                {[]byte{0x65, 0x88, 1}, true},
		"other slice":          {[]byte{0x41, 0x9a, 1}, false},
		"first fragment":       {[]byte{0x7c, 0x85, 0x88}, true},
		"next fragment":        {[]byte{0x7c, 0x05, 0x88}, false},
		"fragment of another":  {[]byte{0x5c, 0x81, 0x9a}, false},
		"within an aggregate":  {[]byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 0x88}, true},
		"aggregate without":    {[]byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1}, false},
		"aggregate that lies":  {[]byte{0x78, 0xff, 0xff, 0x67, 1}, false},
		"aggregate of nothing": {[]byte{0x78, 0, 0, 0, 0, 0}, false},
		"empty":                {nil, false},
	} {
		if got := StartsIDR(tt.b); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAppendParameterSets(t *testing.T) {
	sps, pps := []byte{0x67, 0x42, 0xe0, 0x1f}, []byte{0x68, 0xce}
	b := AppendParameterSets(nil, sps, nil, pps)
	var i Info
	if err := inspectH264(b, &i); err != nil || !i.Keyframe {
		t.Errorf("%x: %v, %+v", b, err, i)
	}
	if b[0] != 0x78 || len(b) != 1+2+4+2+2 {
		t.Errorf("%x", b)
	}
}
