package rtp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"bifrons/rtp/mono"
)

func TestAudioLevel(t *testing.T) {
	for level := range uint8(128) {
		for _, voice := range []bool{false, true} {
			want, err := pion.AudioLevelExtension{Level: level, Voice: voice}.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if got := AudioLevelValue(level, voice); got != want[0] {
				t.Fatalf("value of %d, %v is %#x, want %#x", level, voice, got, want[0])
			}
			if l, v, ok := AudioLevel(want); l != level || v != voice || !ok {
				t.Fatalf("%x read as %d, %v, %v", want, l, v, ok)
			}
		}
	}
	if _, _, ok := AudioLevel(nil); ok {
		t.Error("empty level accepted")
	}
	if AudioLevelValue(200, false) != 127 {
		t.Error("level not limited")
	}
}

func TestAbsSendTime(t *testing.T) {
	tests := []struct {
		now  mono.Time
		want uint32
	}{
		{mono.Time(time.Second), 1 << 18},
		{mono.Time(500 * time.Millisecond), 1 << 17},
		{mono.Time(64*time.Second + 250*time.Millisecond), 1 << 16},
		{mono.Time(63*time.Second + 999999999), 0xffffff},
	}
	for _, tt := range tests {
		if got := AbsSendTimeOf(tt.now); got != tt.want {
			t.Errorf("AbsSendTimeOf(%v) = %#x, want %#x", time.Duration(tt.now), got, tt.want)
		}
	}
	if v, ok := AbsSendTime([]byte{0x12, 0x34, 0x56}); v != 0x123456 || !ok {
		t.Errorf("read %#x, %v", v, ok)
	}
	if _, ok := AbsSendTime([]byte{1, 2}); ok {
		t.Error("two bytes accepted")
	}
	a, b := mono.Time(63*time.Second+900*time.Millisecond), mono.Time(64*time.Second+100*time.Millisecond)
	for _, tt := range []struct {
		later, earlier mono.Time
	}{{b, a}, {a, b}} {
		want := tt.later.Sub(tt.earlier)
		got := AbsSendTimeDiff(AbsSendTimeOf(tt.later), AbsSendTimeOf(tt.earlier))
		if d := got - want; d < -5*time.Microsecond || d > 5*time.Microsecond {
			t.Errorf("difference across the wrap %v, want %v", got, want)
		}
	}
}

func TestTransportSequence(t *testing.T) {
	b, err := pion.TransportCCExtension{TransportSequence: 0xfedc}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := TransportSequence(b); s != 0xfedc || !ok {
		t.Errorf("read %#x, %v", s, ok)
	}
	if _, ok := TransportSequence(b[:1]); ok {
		t.Error("one byte accepted")
	}
}

func TestVideoOrientation(t *testing.T) {
	tests := []struct {
		b    byte
		want Orientation
	}{
		{0, Orientation{}},
		{1, Orientation{Rotation: 90}},
		{2, Orientation{Rotation: 180}},
		{3, Orientation{Rotation: 270}},
		{4, Orientation{Flip: true}},
		{8 | 1, Orientation{Rotation: 90, Back: true}},
	}
	for _, tt := range tests {
		if got, ok := VideoOrientation([]byte{tt.b}); got != tt.want || !ok {
			t.Errorf("%#x is %+v, want %+v", tt.b, got, tt.want)
		}
		if got := tt.want.Value(); got != tt.b {
			t.Errorf("%+v is %#x, want %#x", tt.want, got, tt.b)
		}
	}
	if _, ok := VideoOrientation(nil); ok {
		t.Error("empty orientation accepted")
	}
}

func TestPlayoutDelay(t *testing.T) {
	for _, tt := range []struct{ least, most uint16 }{{0, 0}, {1, 2}, {0x123, 0xfff}, {0xfff, 0}} {
		b, err := pion.PlayoutDelayExtension{MinDelay: tt.least, MaxDelay: tt.most}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		least, most, ok := PlayoutDelay(b)
		if least != time.Duration(tt.least)*10*time.Millisecond || most != time.Duration(tt.most)*10*time.Millisecond || !ok {
			t.Errorf("%x is %v..%v, %v", b, least, most, ok)
		}
		v := PlayoutDelayValue(least, most)
		if got := []byte{byte(v >> 16), byte(v >> 8), byte(v)}; !bytes.Equal(got, b) {
			t.Errorf("written %x, want %x", got, b)
		}
	}
	if v := PlayoutDelayValue(-time.Second, time.Hour); v != 0xfff {
		t.Errorf("out of range delays give %#x", v)
	}
	if _, _, ok := PlayoutDelay([]byte{1, 2}); ok {
		t.Error("two bytes accepted")
	}
}

func TestAbsCaptureTime(t *testing.T) {
	offset := int64(-5 << 30)
	for _, p := range []pion.AbsCaptureTimeExtension{
		{Timestamp: 0x123456789abcdef0},
		{Timestamp: 0x123456789abcdef0, EstimatedCaptureClockOffset: &offset},
	} {
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		c, ok := AbsCaptureTime(b)
		if !ok || c.Time != p.Timestamp || c.HasOffset != (p.EstimatedCaptureClockOffset != nil) || c.HasOffset && c.Offset != offset {
			t.Errorf("%x is %+v, %v", b, c, ok)
		}
		if got := c.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("written %x, want %x", got, b)
		}
	}
	if _, ok := AbsCaptureTime(make([]byte, 7)); ok {
		t.Error("seven bytes accepted")
	}
}

func TestIDs(t *testing.T) {
	tests := []struct {
		id       string
		mid, rid bool
	}{
		{"", false, false},
		{"0", true, true},
		{"video-1_x", true, true},
		{"ABCXYZabcxyz0189", true, true},
		{"12345678901234567", false, false},
		{"a.b!#$~", true, false},
		{"a b", false, false},
		{"a\x00", false, false},
		{"a;b", false, false},
		{"@", false, false},
		{"[", false, false},
		{"`{", true, false},
		{"\xff", false, false},
	}
	for _, tt := range tests {
		if got := ValidMID([]byte(tt.id)); got != tt.mid {
			t.Errorf("ValidMID(%q) = %v", tt.id, got)
		}
		if got := ValidRID([]byte(tt.id)); got != tt.rid {
			t.Errorf("ValidRID(%q) = %v", tt.id, got)
		}
	}
}

func TestLayersAllocationAgainstPion(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		v := randomAllocation(r)
		b, err := v.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var a LayersAllocation
		if !a.Parse(b) {
			t.Fatalf("%x refused: %v", b, v)
		}
		if int(a.Stream) != v.RTPStreamID || int(a.Streams) != v.RTPStreamCount || a.HasResolution != v.HasResolutionAndFramerate {
			t.Fatalf("%x: %+v, want %v", b, a, v)
		}
		var want LayersAllocation
		for _, l := range v.ActiveSpatialLayer {
			w := &want.Layers[l.RTPStreamID][l.SpatialID]
			w.Temporal = uint8(len(l.TargetBitrates))
			for i, rate := range l.TargetBitrates {
				w.Bitrate[i] = uint32(rate)
			}
			if v.HasResolutionAndFramerate {
				w.Width, w.Height, w.FPS = uint32(l.Width), uint32(l.Height), uint8(l.Framerate)
			}
		}
		if a.Layers != want.Layers {
			t.Fatalf("%x:\n got %+v\nwant %+v", b, a.Layers, want.Layers)
		}
		// Whatever is cut off the end, nothing panics.
		for n := range b {
			a.Parse(b[:n])
		}
	}
}

func randomAllocation(r *rand.Rand) pion.VLA {
	v := pion.VLA{RTPStreamCount: 1 + r.IntN(4), HasResolutionAndFramerate: r.IntN(2) == 0}
	v.RTPStreamID = r.IntN(v.RTPStreamCount)
	same := r.IntN(2) == 0
	mask := 1 + r.IntN(15)
	for s := range v.RTPStreamCount {
		if !same {
			mask = 1 + r.IntN(15)
		}
		for l := range 4 {
			if mask>>l&1 == 0 {
				continue
			}
			layer := pion.SpatialLayer{RTPStreamID: s, SpatialID: l}
			for range 1 + r.IntN(4) {
				layer.TargetBitrates = append(layer.TargetBitrates, r.IntN(1<<r.IntN(24)))
			}
			if v.HasResolutionAndFramerate {
				layer.Width, layer.Height, layer.Framerate = 1+r.IntN(4096), 1+r.IntN(4096), r.IntN(256)
			}
			v.ActiveSpatialLayer = append(v.ActiveSpatialLayer, layer)
		}
	}
	return v
}

func TestLayersAllocationEdges(t *testing.T) {
	var a LayersAllocation
	if a.Parse(nil) {
		t.Error("empty data accepted")
	}
	if !a.Parse([]byte{0}) || a.Streams != 0 || a.Spatial(0) != 0 {
		t.Errorf("all inactive: %+v", a)
	}
	// One stream, three spatial layers of three temporal ones, nothing more.
	if !a.Parse([]byte{0x07, 0xa8}) || a.Spatial(0) != 3 || a.Layers[0][2].Temporal != 3 || a.Layers[0][3].Active() {
		t.Errorf("without bitrates: %+v", a)
	}
	if a.Parse([]byte{0x07}) || a.Parse([]byte{0x30, 0x11}) {
		t.Error("layer structure cut short accepted")
	}
	if _, n := leb128([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}); n != 0 {
		t.Error("35-bit number accepted")
	}
}
