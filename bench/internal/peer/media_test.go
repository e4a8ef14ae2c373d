package peer

import (
	"math"
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

// TestCounts: only what was sent in the window counts, whenever it comes back.
func TestCounts(t *testing.T) {
	c := newCounts(nil)
	b := make([]byte, 40)
	pass := func(back bool) {
		now := clock()
		putTag(b, 1, now)
		c.send(now, len(b))
		if back {
			c.receive(1, b)
		}
	}
	pass(true) // before
	c.window.Open()
	pass(true)
	pass(false)
	late := append([]byte(nil), b...)
	c.window.Shut()
	pass(true) // after
	c.receive(1, late)
	c.receive(2, b) // another peer's
	if c.sent.Load() != 2 || len(c.trips) != 2 || c.strange.Load() != 1 || c.sentBytes.Load() != 80 {
		t.Errorf("sent %d (%d bytes), back %d, strange %d", c.sent.Load(), c.sentBytes.Load(), len(c.trips), c.strange.Load())
	}
}

func TestParseAnswer(t *testing.T) {
	l := local{ufrag: "u", pwd: "p", fingerprint: "AA", setup: "active", candidates: []string{"1 1 udp 1 10.0.0.1 9 typ host"}}
	r, err := parseRemote(l.offer("sendrecv"))
	if err != nil {
		t.Fatal(err)
	}
	if r.ufrag != "u" || r.pwd != "p" || !r.active || len(r.candidates) != 1 || r.candidates[0] != l.candidates[0] {
		t.Errorf("%+v", r)
	}
	if !r.audioExts[extAudioLevel] || r.extensions[extAudioLevel] || !r.extensions[extTransportSeq] {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{"", "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0\r\n" + l.offer("sendrecv")} {
		if _, err := parseRemote(text); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}
