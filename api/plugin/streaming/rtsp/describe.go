package rtsp

import (
	"strconv"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	librarysdp "github.com/bluenviron/gortsplib/v5/pkg/sdp"

	"bifrons/api/plugin/streaming/format"
	"bifrons/sdp"
)

// cameraStream is a stream that an RTSP server has.
type cameraStream struct {
	kind    sdp.Kind
	format  format.Format
	control string // where it is set up (RFC 2326, C.1.1)
	secure  bool   // SRTP
	keys    string // a=key-mgmt (RFC 4567)
}

// cameraText is an RTSP server's description, by its lines.
type cameraText struct {
	session  []string
	sections [][]string // the first line of each is its m= line
}

func splitCameraText(text string) (c cameraText) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch n := len(c.sections); {
		case strings.HasPrefix(line, "m="):
			c.sections = append(c.sections, []string{line})
		case n > 0:
			c.sections[n-1] = append(c.sections[n-1], line)
		default:
			c.session = append(c.session, line)
		}
	}
	return c
}

// attribute is the value of the first attribute of that name, with the prefix cut off.
func attribute(lines []string, name, prefix string) string {
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, "a="+name+":"); ok {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(value), prefix); ok {
				return strings.TrimSpace(rest)
			}
		}
	}
	return ""
}

// readCamera finds, for each kind, the first stream of a server's description that
// viewers can be offered. Whatever else is in it may be damaged.
func readCamera(text string, kinds ...sdp.Kind) []cameraStream {
	c := splitCameraText(text)
	var list []cameraStream
	for _, kind := range kinds {
		for _, lines := range c.sections {
			st, ok := readCameraStream(lines, kind)
			if ok && st.secure && st.keys == "" {
				st.keys = attribute(c.session, "key-mgmt", "")
			}
			if ok && libraryReads(libraryText(text, st)) {
				list = append(list, st)
				break
			}
		}
	}
	return list
}

// readCameraStream reads a section, if it is of the kind: its first format that
// viewers can be offered.
func readCameraStream(lines []string, kind sdp.Kind) (st cameraStream, ok bool) {
	media := strings.Fields(strings.TrimPrefix(lines[0], "m="))
	if len(media) < 4 || !strings.EqualFold(media[0], kind.String()) {
		return st, false
	}
	for _, line := range lines {
		if line == "a=sendonly" { // it listens (ONVIF's back channel)
			return st, false
		}
	}
	st.kind, st.control = kind, attribute(lines, "control", "")
	if st.secure = strings.EqualFold(media[2], "RTP/SAVP"); st.secure {
		st.keys = attribute(lines, "key-mgmt", "")
	}
	for _, number := range media[3:] {
		if strings.HasPrefix(number, "smart/") { // some cameras name the payload type only here
			number, _, _ = strings.Cut(attribute(lines, "rtpmap", ""), " ")
		}
		pt, err := strconv.ParseUint(number, 10, 7)
		if err != nil {
			continue
		}
		c, known := sdp.StaticCodec(uint8(pt))
		f := format.Of(c)
		if m := attribute(lines, "rtpmap", number+" "); m != "" {
			f, known = format.Parse(m)
		}
		if !known || f.ID == "" || !f.Fits(kind) {
			continue
		}
		f.PT = uint8(pt)
		if f.Fmtp = attribute(lines, "fmtp", number+" "); !format.ValidFmtp(f.Fmtp) {
			f.Fmtp = ""
		}
		st.format = f
		return st, true
	}
	return st, false
}

// libraryText is a description of the streams with only the lines that the library needs
// to set them up, which refuses one with any flaw. text is the server's.
func libraryText(text string, list ...cameraStream) string {
	var b strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteString("\r\n")
	}
	line("v=0")
	line("o=- 0 0 IN IP4 127.0.0.1")
	line("s=-")
	line("t=0 0")
	control := attribute(splitCameraText(text).session, "control", "")
	if _, err := base.ParseURL(control); err == nil {
		line("a=control:", control)
	}
	for i := range list {
		st := &list[i]
		proto, pt := "RTP/AVP", strconv.Itoa(int(st.format.PT))
		if st.secure {
			proto = "RTP/SAVP"
		}
		line("m=", st.kind.String(), " 0 ", proto, " ", pt)
		line("a=rtpmap:", pt, " any/", strconv.Itoa(st.format.Clock))
		if st.control != "" {
			line("a=control:", st.control)
		}
		if st.keys != "" {
			line("a=key-mgmt:", st.keys)
		}
	}
	return b.String()
}

// libraryReads reports whether the library takes a description.
func libraryReads(text string) bool {
	var s librarysdp.SessionDescription
	var d description.Session
	return s.Unmarshal([]byte(text)) == nil && d.Unmarshal(&s) == nil
}

// isDescription reports whether a server answers with a description.
func isDescription(res *base.Response) bool {
	kind := strings.Join(res.Header["Content-Type"], "")
	return res.StatusCode == base.StatusOK && strings.HasPrefix(kind, "application/sdp")
}
