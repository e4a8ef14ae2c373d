package sdp

import (
	"strings"
	"testing"
)

// a=msid names a stream and, if the sender likes, a track; "-" is no stream
// (RFC 8830, 2; RFC 9429, 5.2.1).
func TestMSID(t *testing.T) {
	for _, tt := range []struct{ lines, stream, track, relayed string }{
		{"a=msid:s t\n", "s", "t", "a=msid:s t"},
		{"a=msid:s\n", "s", "", "a=msid:s janusv"},
		{"a=msid:-\n", "", "", "a=msid:janus janusv"},
		{"a=msid:- t\n", "", "t", "a=msid:janus janusv"},
		{"a=msid:s t more\n", "s", "t", "a=msid:s t"},
		{"a=msid:s t\na=msid:r u\n", "s", "t", "a=msid:s t"},
		{"a=msid:-\na=ssrc:5 msid:old t\n", "", "", "a=msid:janus janusv"},
	} {
		d := mustParse(t, video(tt.lines)+creds)
		if err := d.Validate(true); err != nil {
			t.Errorf("%q: %v", tt.lines, err)
		}
		s := &d.Sections[0]
		if s.Stream != tt.stream || s.Track != tt.track {
			t.Errorf("%q: stream %q, track %q", tt.lines, s.Stream, s.Track)
		}
		if again := mustParse(t, d.String()).Sections[0]; again.Stream != tt.stream || again.Track != tt.track {
			t.Errorf("%q: printed as stream %q, track %q", tt.lines, again.Stream, again.Track)
		}
		if text := d.Anonymise().Marshal(testTransport, nil, nil); !strings.Contains(text, tt.relayed+"\r\n") {
			t.Errorf("%q: relayed as\n%s", tt.lines, text)
		}
	}
}
