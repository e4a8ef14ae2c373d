package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The light peer's formats.
const (
	audioType = 111
	redType   = 63 // audio with a copy of earlier audio (RFC 2198)
	videoType = 96

	extMID          = 1
	extAbsSendTime  = 2
	extTransportSeq = 3
	extAudioLevel   = 4
	extRID          = 5
)

var extensions = map[int]string{
	extMID:          "urn:ietf:params:rtp-hdrext:sdes:mid",
	extAbsSendTime:  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
	extTransportSeq: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
	extAudioLevel:   "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
	extRID:          "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
}

// rids are the encodings of simulcast, the largest first.
var rids = []string{"h", "m", "l"}

// local has the parameters of a description.
type local struct {
	ufrag, pwd, fingerprint, setup string
	candidates                     []string
	audioSSRC, videoSSRC           uint32
	media                          Media
	speaks                         bool // audio that can be decoded
	red                            bool // and takes redundant audio
}

func (l local) ssrc(kind string) uint32 {
	if kind == "video" {
		return l.videoSSRC
	}
	return l.audioSSRC
}

// offer writes the description of an audio and a video section, or of the one
// that the media has, in one bundle.
func (l local) offer(receives bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	kinds := l.media.kinds()
	mids := []string{"0", "1"}[:len(kinds)]
	line("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0")
	line("a=group:BUNDLE %s\r\na=msid-semantic: WMS bench", strings.Join(mids, " "))
	direction := "sendonly"
	if receives {
		direction = "sendrecv"
	}
	for mid, kind := range kinds {
		pt, codec := audioType, "opus/48000/2"
		exts := []int{extMID, extAbsSendTime, extTransportSeq, extAudioLevel}
		if kind == "video" {
			pt, codec, exts = videoType, "VP8/90000", exts[:3]
			if l.media.Simulcast {
				exts = append(exts, extRID)
			}
		}
		formats := fmt.Sprint(pt)
		red := kind == "audio" && l.red
		if red {
			formats += fmt.Sprintf(" %d", redType)
		}
		line("m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0", kind, formats)
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", l.ufrag, l.pwd)
		line("a=fingerprint:sha-256 %s\r\na=setup:%s", l.fingerprint, l.setup)
		line("a=mid:%d\r\na=%s\r\na=rtcp-mux\r\na=rtcp-rsize", mid, direction)
		line("a=rtpmap:%d %s", pt, codec)
		if kind == "audio" && l.speaks {
			line("a=fmtp:%d minptime=10;useinbandfec=1", pt)
		}
		if red {
			line("a=rtpmap:%d red/48000/2\r\na=fmtp:%d %d/%d", redType, redType, pt, pt)
		}
		for _, id := range exts {
			line("a=extmap:%d %s", id, extensions[id])
		}
		line("a=rtcp-fb:%d transport-cc", pt)
		line("a=msid:bench %s", kind)
		if kind == "video" {
			line("a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\na=rtcp-fb:%d ccm fir", pt, pt, pt)
		}
		if kind == "video" && l.media.Simulcast {
			for _, rid := range rids {
				line("a=rid:%s send", rid)
			}
			line("a=simulcast:send %s", strings.Join(rids, ";"))
		} else {
			line("a=ssrc:%d cname:bench", l.ssrc(kind))
		}
		for _, c := range l.candidates {
			line("a=candidate:%s", c)
		}
		line("a=end-of-candidates")
	}
	return b.String()
}

// answer accepts all that an offer wants to send, with the extensions that the
// light peer knows, and sends the same back if it is to. It is the DTLS client.
func (l local) answer(offer string, sends bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	kind := ""
	known := func(value string) bool {
		for _, uri := range extensions {
			if strings.HasSuffix(value, " "+uri) {
				return true
			}
		}
		return false
	}
	for text := range strings.Lines(offer) {
		text = strings.TrimRight(text, "\r\n")
		key, value, _ := strings.Cut(text, ":")
		if m, ok := strings.CutPrefix(text, "m="); ok {
			kind, _, _ = strings.Cut(m, " ")
		}
		switch key {
		case "a=ice-ufrag":
			line("a=ice-ufrag:%s", l.ufrag)
		case "a=ice-pwd":
			line("a=ice-pwd:%s", l.pwd)
		case "a=fingerprint":
			line("a=fingerprint:sha-256 %s", l.fingerprint)
		case "a=setup":
			line("a=setup:active")
		case "a=sendonly", "a=sendrecv":
			if sends {
				line("a=sendrecv\r\na=msid:bench %s\r\na=ssrc:%d cname:bench", kind, l.ssrc(kind))
			} else {
				line("a=recvonly")
			}
			for _, c := range l.candidates {
				line("a=candidate:%s", c)
			}
			line("a=end-of-candidates")
		case "a=candidate", "a=end-of-candidates", "a=ssrc", "a=ssrc-group", "a=msid", "a=ice-options":
		case "a=extmap":
			if known(value) {
				line("%s", text)
			}
		default:
			line("%s", text)
		}
	}
	return b.String()
}

// remote is the part of the server's description that the light peer needs.
type remote struct {
	ufrag, pwd string
	active     bool // the server is the DTLS client
	candidates []string
	// videoExts and audioExts are the ids of header extensions, by the ids that the
	// light peer offers.
	videoExts, audioExts map[int]uint8
	// red reports whether audio is to be sent with redundancy: it is the format listed first.
	red bool
	// repairs are the payload types of RTX, with those they repair.
	repairs map[byte]byte
}

func parseRemote(text string) (remote, error) {
	r := remote{videoExts: map[int]uint8{}, audioExts: map[int]uint8{}, repairs: map[byte]byte{}}
	section, sections := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(m)
			if len(f) < 2 || f[1] == "0" {
				return r, fmt.Errorf("the server refused a section: %s", line)
			}
			section = f[0]
			sections++
			r.red = r.red || section == "audio" && len(f) > 3 && f[3] == strconv.Itoa(redType)
			continue
		}
		a, ok := strings.CutPrefix(line, "a=")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(a, ":")
		switch key {
		case "ice-ufrag":
			r.ufrag = value
		case "ice-pwd":
			r.pwd = value
		case "setup":
			r.active = value == "active"
		case "candidate":
			if sections == 1 {
				r.candidates = append(r.candidates, value)
			}
		case "extmap":
			exts := r.audioExts
			if section == "video" {
				exts = r.videoExts
			}
			id, uri, _ := strings.Cut(value, " ")
			id, _, _ = strings.Cut(id, "/")
			n, err := strconv.ParseUint(id, 10, 8)
			for own, known := range extensions {
				if err == nil && uri == known {
					exts[own] = uint8(n)
				}
			}
		case "fmtp":
			pt, format, _ := strings.Cut(value, " ")
			if apt, ok := strings.CutPrefix(format, "apt="); ok {
				a, _ := strconv.Atoi(pt)
				b, _ := strconv.Atoi(apt)
				r.repairs[byte(a)] = byte(b)
			}
		}
	}
	if r.ufrag == "" || r.pwd == "" || len(r.candidates) == 0 {
		return r, errors.New("the description lacks credentials or candidates")
	}
	return r, nil
}

// parseCandidate returns the address of a candidate (RFC 8839, 5.1) for media
// over UDP and IPv4.
func parseCandidate(text string) (netip.AddrPort, error) {
	f := strings.Fields(text)
	if len(f) < 6 || f[1] != "1" || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, fmt.Errorf("candidate %q", text)
	}
	a, err := netip.ParseAddrPort(f[4] + ":" + f[5])
	if err == nil && !a.Addr().Is4() {
		err = fmt.Errorf("candidate %q", text)
	}
	return a, err
}
