package codec

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"github.com/pion/rtp/codecs"
)

// captured is one packet of a set in testdata.
type captured struct {
	marker  bool
	payload []byte
	ext     []byte // dependency descriptor, nil if none
}

// loadCapture reads testdata/<name>.bin; the README there tells its form.
func loadCapture(t testing.TB, name string) []captured {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	var set []captured
	for len(b) > 0 {
		p := captured{marker: b[0] != 0}
		extLen, full, stored := int(b[1]), int(binary.BigEndian.Uint16(b[2:])), int(binary.BigEndian.Uint16(b[4:]))
		b = b[6:]
		if extLen > 0 {
			p.ext = b[:extLen:extLen]
		}
		p.payload = make([]byte, full)
		copy(p.payload, b[extLen:extLen+stored])
		b = b[extLen+stored:]
		set = append(set, p)
	}
	return set
}

// captures lists the sets: the packets that begin key frames, the size that
// the first of them tells, the highest layers, and how many packets come
// before the first structure.
var captures = []struct {
	name              string
	kind              Kind
	keys              []int
	w, h              uint16
	spatial, temporal int8
	unknown           int
}{
	{"vp8-ffmpeg", KindVP8, []int{0, 18, 37}, 320, 180, 0, 0, 0},
	{"vp8-chrome-l1t3", KindVP8, []int{5}, 320, 180, 0, 2, 0},
	{"vp8-chrome-l1t3-dd", KindVP8, []int{2}, 320, 180, 0, 2, 2},
	{"vp9-ffmpeg", KindVP9, []int{0, 21}, 320, 180, 0, 0, 0},
	{"vp9-chrome-l2t2", KindVP9, []int{2}, 240, 135, 1, 1, 0},
	{"vp9-chrome-l3t3key", KindVP9, []int{3}, 240, 135, 1, 2, 0},
	{"h264-x264", KindH264, []int{0, 18, 37}, 320, 180, 0, 0, 0},
	{"h264-chrome", KindH264, []int{2}, 320, 180, 0, 0, 2},
	{"h265-x265", KindH265, []int{0, 3, 19, 22, 38, 41}, 320, 180, 0, 0, 0},
	{"av1-aom", KindAV1, []int{0, 21}, 320, 180, 0, 0, 0},
	{"av1-chrome-l1t3", KindAV1, []int{2}, 320, 180, 0, 2, 2},
	{"av1-chrome-l3t3", KindAV1, []int{4}, 320, 180, 1, 2, 4},
}

func TestInspectCaptures(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			var st DDState
			var keys []int
			var spatial, temporal int8
			for n, p := range loadCapture(t, c.name) {
				var i Info
				err := Inspect(Payload{Kind: c.kind, Data: p.payload, Marker: p.marker, Descriptor: p.ext}, &st, &i)
				if n < c.unknown && err != ErrNoStructure || n >= c.unknown && err != nil {
					t.Fatalf("packet %d: %v", n, err)
				}
				if i.Keyframe {
					keys = append(keys, n)
					if !i.FrameStart || i.SwitchUp != true || i.UpTo != MaxTemporal {
						t.Fatalf("packet %d: %+v", n, i)
					}
					if len(keys) == 1 && (i.Width != c.w || i.Height != c.h) {
						t.Fatalf("packet %d: %dx%d, want %dx%d", n, i.Width, i.Height, c.w, c.h)
					}
				}
				// The last packet of a picture is the last of its top frame.
				if p.marker && !i.FrameEnd {
					t.Fatalf("packet %d: marker, and no end of a frame", n)
				}
				spatial, temporal = max(spatial, i.Spatial), max(temporal, i.Temporal)
			}
			if !slices.Equal(keys, c.keys) {
				t.Fatalf("key frames begin at %v, want %v", keys, c.keys)
			}
			if spatial != c.spatial || temporal != c.temporal {
				t.Fatalf("layers up to %d, %d; want %d, %d", spatial, temporal, c.spatial, c.temporal)
			}
		})
	}
}

// TestInspectFrames checks, where start and end are exact, that frames follow
// each other without overlap.
func TestInspectFrames(t *testing.T) {
	for _, c := range captures {
		if c.kind == KindH264 || c.kind == KindH265 {
			continue
		}
		var st DDState
		open, frames := false, 0
		for n, p := range loadCapture(t, c.name) {
			if n < c.keys[0] {
				continue
			}
			var i Info
			if err := Inspect(Payload{Kind: c.kind, Data: p.payload, Marker: p.marker, Descriptor: p.ext}, &st, &i); err != nil {
				t.Fatal(err)
			}
			if i.FrameStart == open {
				t.Fatalf("%s packet %d: start %v inside %v", c.name, n, i.FrameStart, open)
			}
			open = !i.FrameEnd
			frames += b2i(i.FrameEnd)
		}
		if frames < 10 {
			t.Fatalf("%s: %d frames", c.name, frames)
		}
	}
}

// TestDDAgreesWithVP9 compares the layers of the two descriptors that the
// same packets carry.
func TestDDAgreesWithVP9(t *testing.T) {
	for _, name := range []string{"vp9-chrome-l2t2", "vp9-chrome-l3t3key"} {
		var s DDStructure
		seen := 0
		for n, p := range loadCapture(t, name) {
			var d DD
			if s.Parse(p.ext, &d) != nil {
				continue
			}
			var v VP9
			if err := v.Parse(p.payload); err != nil {
				t.Fatal(err)
			}
			if d.Spatial != v.SID || d.Temporal != v.TID || d.Start != v.B || d.End != v.E || d.HasStructure != v.V {
				t.Fatalf("%s packet %d: %+v and %+v", name, n, d, v)
			}
			if v.V && (d.Width != v.SS.Width[0] || d.Height != v.SS.Height[0]) {
				t.Fatalf("%s packet %d: %dx%d and %v", name, n, d.Width, d.Height, v.SS)
			}
			seen++
		}
		if seen < 70 {
			t.Fatalf("%s: %d packets compared", name, seen)
		}
	}
}

// TestDDChains follows each chain through a whole capture: every frame's
// difference must lead to a frame of the chain.
func TestDDChains(t *testing.T) {
	for _, name := range []string{"av1-chrome-l1t3", "av1-chrome-l3t3", "vp9-chrome-l2t2", "vp9-chrome-l3t3key"} {
		var s DDStructure
		last := map[int]uint16{}
		checked := 0
		for n, p := range loadCapture(t, name) {
			var d DD
			if s.Parse(p.ext, &d) != nil || !d.Start {
				continue
			}
			for c := range s.Chains() {
				diff := d.ChainDiff(c)
				if prev, ok := last[c]; ok && diff != 0 {
					if d.FrameNumber-uint16(diff) != prev {
						t.Fatalf("%s packet %d frame %d: chain %d is %d back, want %d", name, n, d.FrameNumber, c, diff, prev)
					}
					checked++
				}
				if inChain(&s, &d, c) {
					last[c] = d.FrameNumber
				}
			}
		}
		if checked < 10 {
			t.Fatalf("%s: %d differences checked", name, checked)
		}
	}
}

// inChain is PartOfActiveChain (AV1 RTP specification, A.6).
func inChain(s *DDStructure, d *DD, chain int) bool {
	for i := range s.Targets() {
		if s.ProtectedBy(i) == chain && (d.DTI(i) == NotPresent || d.DTI(i) == Discardable) {
			return false
		}
	}
	return true
}

func TestCapturesAgainstPion(t *testing.T) {
	for _, c := range captures {
		for _, p := range loadCapture(t, c.name) {
			switch c.kind {
			case KindVP8:
				checkVP8Pion(t, p.payload)
			case KindVP9:
				checkVP9Pion(t, p.payload)
			case KindAV1:
				checkAV1Pion(t, p.payload)
			case KindH264:
				var i Info
				err := inspectH264(p.payload, &i)
				if _, perr := new(codecs.H264Packet).Unmarshal(p.payload); (err == nil) != (perr == nil) {
					t.Fatalf("%v, pion %v", err, perr)
				}
			}
		}
	}
}
