package peer

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
)

// TestCamera reads the packets with pion's VP8 parser.
func TestCamera(t *testing.T) {
	m := DefaultMedia(1_500_000)
	c := newCamera(m, 7)
	total, seconds := 0, 20
	sizes := map[int]bool{}
	for frame := range seconds * m.VideoFPS {
		list := c.next()
		last := 0
		for i, b := range list {
			var d codecs.VP8Packet
			payload, err := d.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if (d.S == 1) != (i == 0) || int(d.PictureID) != frame {
				t.Fatalf("packet %d of frame %d: %+v", i, frame, d)
			}
			if key := payload[0]&1 == 0; i == 0 && key != (frame%keyFramePeriod == 0) {
				t.Fatalf("frame %d: key frame %v", frame, key)
			}
			if len(b) > m.MaxPayload || i > 0 && (len(b) < last || len(b) > len(list[0])+1) {
				t.Fatalf("frame %d: a packet of %d bytes after one of %d", frame, len(b), last)
			}
			last = len(b)
			total += len(b)
			sizes[len(list)] = true
		}
	}
	if rate := 8 * float64(total) / float64(seconds); math.Abs(rate-float64(m.VideoRate)) > 0.05*float64(m.VideoRate) {
		t.Errorf("%.0f bits per second, want about %d", rate, m.VideoRate)
	}
	if len(sizes) < 2 {
		t.Errorf("all frames have as many packets: %v", sizes)
	}
}

func TestTag(t *testing.T) {
	b := make([]byte, 40)
	if _, _, ok := readTag(b); ok {
		t.Error("a tag was found where there is none")
	}
	putTag(b, 7, 3*time.Second)
	if id, sent, ok := readTag(b); id != 7 || sent != 3*time.Second || !ok {
		t.Errorf("%d %v %v", id, sent, ok)
	}
	if _, _, ok := readTag(b[:tagSize-1]); ok {
		t.Error("a tag was found in too few bytes")
	}
}

func TestParseAnswer(t *testing.T) {
	l := local{
		ufrag: "u", pwd: "p", fingerprint: "AA", setup: "active", media: DefaultMedia(1e6),
		candidates: []string{"1 1 udp 1 10.0.0.1 9 typ host"},
	}
	r, err := parseRemote(l.offer(true))
	if err != nil {
		t.Fatal(err)
	}
	if r.ufrag != "u" || r.pwd != "p" || !r.active || len(r.candidates) != 1 || r.candidates[0] != l.candidates[0] {
		t.Errorf("%+v", r)
	}
	if r.audioExts[extAudioLevel] != extAudioLevel || r.videoExts[extAudioLevel] != 0 || r.videoExts[extTransportSeq] == 0 {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{"", "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0\r\n" + l.offer(true)} {
		if _, err := parseRemote(text); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}

func TestParseCandidate(t *testing.T) {
	for text, want := range map[string]string{
		"1 1 udp 2130706431 10.0.0.1 9 typ host": "10.0.0.1:9",
		"1 1 UDP 1 127.0.0.1 65535 typ host":     "127.0.0.1:65535",
		"1 2 udp 1 10.0.0.1 9 typ host":          "",
		"1 1 tcp 1 10.0.0.1 9 typ host":          "",
		"1 1 udp 1 2001:db8::1 9 typ host":       "",
		"1 1 udp 1 4711.local 9 typ host":        "",
		"1 1 udp":                                "",
	} {
		a, err := parseCandidate(text)
		if (err == nil) != (want != "") || err == nil && a.String() != want {
			t.Errorf("%s: %v %v", text, a, err)
		}
	}
}

// TestWindow: only what is within counts.
func TestWindow(t *testing.T) {
	var w Window
	before := clock()
	if w.has(before) {
		t.Error("it was open from the start")
	}
	w.Open()
	within := clock()
	if w.has(before-1) || !w.has(within) {
		t.Error("it does not open")
	}
	w.Shut()
	if !w.has(within) || w.has(clock()+1) {
		t.Error("it does not shut")
	}
}

func TestAnswerTakesRTX(t *testing.T) {
	offer := "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=setup:actpass\r\na=sendonly\r\n" +
		"a=fmtp:97 apt=96\r\na=extmap:9 urn:unknown\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n"
	r, err := parseRemote(offer)
	if err != nil || r.repairs[97] != 96 || r.active {
		t.Errorf("%v %+v", err, r)
	}
	answer := local{ufrag: "me", pwd: "mine"}.answer(offer, false)
	for text, want := range map[string]bool{
		"a=recvonly": true, "a=ice-ufrag:me": true, "a=setup:active": true, "apt=96": true,
		"a=sendonly": false, "urn:unknown": false, "10.0.0.1": false,
	} {
		if strings.Contains(answer, text) != want {
			t.Errorf("%q: %v in %q", text, !want, answer)
		}
	}
}

// TestAnswerSends: an answer that sends back has the ids of extensions that the offer has.
func TestAnswerSends(t *testing.T) {
	l := local{ufrag: "a", pwd: "b", audioSSRC: 11, videoSSRC: 12, media: DefaultMedia(1e6), candidates: []string{"1 1 udp 1 10.0.0.1 9 typ host"}}
	offer := strings.ReplaceAll(l.offer(true), "a=extmap:1 ", "a=extmap:14/sendrecv ")
	r, err := parseRemote(offer)
	if err != nil || r.audioExts[extMID] != 14 || r.videoExts[extMID] != 14 {
		t.Errorf("%v %+v", err, r)
	}
	l.audioSSRC, l.videoSSRC = 21, 22
	answer := l.answer(offer, true)
	_, video, _ := strings.Cut(answer, "m=video")
	if strings.Count(answer, "a=sendrecv") != 2 || strings.Contains(answer, "a=ssrc:1") ||
		strings.Count(answer, "a=ssrc:21 ") != 1 || !strings.Contains(video, "a=ssrc:22 ") {
		t.Errorf("%s", answer)
	}
}
