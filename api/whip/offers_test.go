package whip

import (
	"os"
	"strings"
	"testing"
)

// TestOffersOfEncoders takes offers as encoders send them. They are composed by hand of what
// is known of each.
func TestOffersOfEncoders(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "any", Room: "4"}}})
	for _, tt := range []struct{ name, has, hasNot string }{
		{"obs-30", "a=rtpmap:96 H264/90000", "a=simulcast"},
		{"obs-30-av1", "a=rtpmap:98 AV1/90000", "a=simulcast"},
		{"obs-30-hevc", "a=rtpmap:98 H265/90000", "a=simulcast"},
		{"obs-32-simulcast", "a=simulcast:recv 0;1;2", "m=video 0"},
		{"ffmpeg-8", "a=setup:active", "m=video 0"},
		{"larix", "a=rtpmap:96 H264/90000", "VP8"},
	} {
		text, err := os.ReadFile("testdata/offers/" + tt.name + ".sdp")
		if err != nil {
			t.Fatal(err)
		}
		r := l.do("POST", "/whip/endpoint/any", string(text), asSDP)
		if r.StatusCode != 201 || !strings.Contains(r.text, tt.has) || strings.Contains(r.text, tt.hasNot) || !strings.Contains(r.text, "opus/48000/2") {
			t.Errorf("%s: %s", tt.name, r)
		}
	}
}
