package peer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What the light peer offers.
const (
	audioType = 111
	videoType = 96

	extMID          = 1
	extAbsSendTime  = 2
	extTransportSeq = 3
	extAudioLevel   = 4
)

var extensions = map[int]string{
	extMID:          "urn:ietf:params:rtp-hdrext:sdes:mid",
	extAbsSendTime:  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
	extTransportSeq: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
	extAudioLevel:   "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
}

// local is what goes into an offer.
type local struct {
	ufrag, pwd, fingerprint, setup string
	candidates                     []string
	audioSSRC, videoSSRC           uint32
}

// offer writes the description of an audio and a video section in one bundle.
func (l local) offer(direction string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0")
	line("a=group:BUNDLE 0 1\r\na=msid-semantic: WMS bench")
	for mid, kind := range []string{"audio", "video"} {
		pt, codec, ssrc := audioType, "opus/48000/2", l.audioSSRC
		exts := []int{extMID, extAbsSendTime, extTransportSeq, extAudioLevel}
		if kind == "video" {
			pt, codec, ssrc, exts = videoType, "VP8/90000", l.videoSSRC, exts[:3]
		}
		line("m=%s 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0", kind, pt)
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", l.ufrag, l.pwd)
		line("a=fingerprint:sha-256 %s\r\na=setup:%s", l.fingerprint, l.setup)
		line("a=mid:%d\r\na=%s\r\na=rtcp-mux\r\na=rtcp-rsize", mid, direction)
		line("a=rtpmap:%d %s", pt, codec)
		for _, id := range exts {
			line("a=extmap:%d %s", id, extensions[id])
		}
		line("a=rtcp-fb:%d transport-cc", pt)
		if kind == "video" {
			line("a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\na=rtcp-fb:%d ccm fir", pt, pt, pt)
		}
		line("a=msid:bench %s\r\na=ssrc:%d cname:bench", kind, ssrc)
		for _, c := range l.candidates {
			line("a=candidate:%s", c)
		}
		line("a=end-of-candidates")
	}
	return b.String()
}

// answer accepts all that an offer wants to send, with the extensions that the
// light peer knows. It is the DTLS client.
func (l local) answer(offer string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
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
		switch key {
		case "a=ice-ufrag":
			line("a=ice-ufrag:%s", l.ufrag)
		case "a=ice-pwd":
			line("a=ice-pwd:%s", l.pwd)
		case "a=fingerprint":
			line("a=fingerprint:sha-256 %s", l.fingerprint)
		case "a=setup":
			line("a=setup:active")
		case "a=sendonly":
			line("a=recvonly")
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

// remote is what the light peer needs of a description of the server's.
type remote struct {
	offered    bool // it was an offer
	ufrag, pwd string
	active     bool // the server is the DTLS client
	candidates []string
	extensions map[int]bool // ids that video was answered with
	audioExts  map[int]bool
}

func parseRemote(text string) (remote, error) {
	r := remote{extensions: map[int]bool{}, audioExts: map[int]bool{}}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(m)
			if len(f) < 2 || f[1] == "0" {
				return r, fmt.Errorf("the server refused a section: %s", line)
			}
			section = f[0]
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
			if section == "audio" {
				r.candidates = append(r.candidates, value)
			}
		case "extmap":
			id, _, _ := strings.Cut(value, " ")
			id, _, _ = strings.Cut(id, "/")
			if n, err := strconv.Atoi(id); err == nil && section == "video" {
				r.extensions[n] = true
			} else if err == nil {
				r.audioExts[n] = true
			}
		}
	}
	if r.ufrag == "" || r.pwd == "" || len(r.candidates) == 0 {
		return r, errors.New("the description lacks credentials or candidates")
	}
	return r, nil
}
