package codec

import (
	"fmt"
	"testing"
)

// TestNoAllocations runs every packet of every capture, whole and cut, through
// every entry of the packet path.
func TestNoAllocations(t *testing.T) {
	for _, c := range captures {
		set := loadCapture(t, c.name)
		var st DDState
		var i Info
		var m VP8Munger
		n := testing.AllocsPerRun(5, func() {
			for k := range set {
				p := &set[k]
				for _, size := range []int{0, 1, 3, 7, len(p.payload)} {
					_ = Inspect(Payload{Kind: c.kind, Data: p.payload[:min(size, len(p.payload))], Marker: p.marker, Descriptor: p.ext[:min(size, len(p.ext))]}, &st, &i)
				}
				var d VP8
				if c.kind == KindVP8 && d.Parse(p.payload) == nil {
					if d.TID == 2 {
						m.Drop(&d)
					} else if pid, tl0, ok := m.Map(&d); ok {
						d.Rewrite(p.payload, pid, tl0)
					}
				}
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	red := []byte{0xef, 0x1e, 0x00, 0x02, 0x6f, 1, 2, 3}
	n := testing.AllocsPerRun(10, func() {
		for size := range len(red) + 1 {
			_, _ = REDPrimary(red[:size])
			var o Opus
			_ = o.Parse(red[:size])
		}
	})
	if n != 0 {
		t.Errorf("RED, Opus: %v allocations", n)
	}
}

func BenchmarkInspect(b *testing.B) {
	for _, c := range captures {
		set := loadCapture(b, c.name)
		b.Run(c.name, func(b *testing.B) {
			var st DDState
			var i Info
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				p := &set[n]
				_ = Inspect(Payload{Kind: c.kind, Data: p.payload, Marker: p.marker, Descriptor: p.ext}, &st, &i)
				if n++; n == len(set) {
					n = 0
				}
			}
		})
	}
}

func BenchmarkVP8Munger(b *testing.B) {
	var m VP8Munger
	d := vp8Picture(0, 0, 0)
	for n := uint16(0); b.Loop(); n++ {
		d.PictureID = n >> 2 & 0x7fff
		if n&4 != 0 {
			m.Drop(d)
		} else {
			m.Map(d)
		}
	}
}

func Example() {
	var info Info
	payload := append([]byte{0x90, 0xe0, 0x80, 0x01, 0x07, 0x20}, vp8Key...)
	err := Inspect(Payload{Kind: KindVP8, Data: payload}, nil, &info)
	fmt.Println(err, info.Keyframe, info.Width, info.Height, info.HasTemporal)
	// Output: <nil> true 640 480 true
}
