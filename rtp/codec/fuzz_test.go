package codec

import (
	"bytes"
	"testing"
)

// addCaptures seeds f with payloads and descriptors of real streams.
func addCaptures(f *testing.F, kind Kind, add func(p captured)) {
	for _, c := range captures {
		if kind != KindOther && c.kind != kind {
			continue
		}
		for n, p := range loadCapture(f, c.name) {
			if n%9 == 0 || len(p.ext) > 10 {
				p.payload = p.payload[:min(len(p.payload), 120)]
				add(p)
			}
		}
	}
}

func checkInfo(t *testing.T, i Info) {
	t.Helper()
	if i.Spatial < -1 || i.Spatial > 7 || i.Temporal < -1 || i.Temporal > MaxTemporal {
		t.Fatalf("layers out of range: %+v", i)
	}
	if i.SwitchUp && (i.UpFrom >= i.UpTo || i.UpTo > MaxTemporal || !i.FrameStart && !i.Keyframe) {
		t.Fatalf("switch up: %+v", i)
	}
	if i.Spatials < 0 || i.Spatials > 8 || i.Temporals < 0 || i.Temporals > 8 {
		t.Fatalf("layer counts: %+v", i)
	}
}

func FuzzInspect(f *testing.F) {
	for k := range KindRED + 1 {
		addCaptures(f, k, func(p captured) { f.Add(uint8(k), p.payload, p.ext, p.marker) })
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload, ext []byte, marker bool) {
		var st DDState
		var i Info
		for range 2 { // the second time with the first one's structure
			_ = Inspect(Payload{Kind: Kind(kind % 9), Data: payload, Marker: marker, Descriptor: ext}, &st, &i)
			checkInfo(t, i)
		}
	})
}

func FuzzVP8(f *testing.F) {
	addCaptures(f, KindVP8, func(p captured) { f.Add(p.payload) })
	f.Add([]byte{0x90, 0xf0, 0x80, 0x01, 0x07, 0xa3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkVP8Pion(t, payload)
		var d VP8
		if d.Parse(payload) != nil {
			return
		}
		checkInfo(t, d.Info(payload))
		out := bytes.Clone(payload)
		d.Rewrite(out, 0x5a5a, 0xc3)
		var back VP8
		if err := back.Parse(out); err != nil {
			t.Fatal(err)
		}
		want := d
		if d.HasPictureID {
			want.PictureID = 0x5a5a & (1<<d.PictureIDBits - 1)
		}
		if d.HasTL0 {
			want.TL0PICIDX = 0xc3
		}
		if back != want || !bytes.Equal(out[d.HeaderLen:], payload[d.HeaderLen:]) {
			t.Fatalf("%x became %x", payload, out)
		}
	})
}

// FuzzVP8Munger reads operations from data: one octet of flags, then three of
// descriptor each. Whatever a source does, numbers fit their width.
func FuzzVP8Munger(f *testing.F) {
	f.Add([]byte{1, 0, 5, 9, 0, 0, 6, 9, 2, 0, 7, 9, 0, 0, 8, 10})
	f.Add([]byte{0, 0x7f, 0xff, 9, 4, 0, 6, 9, 2, 0, 7, 9, 8, 0, 8, 10})
	f.Fuzz(func(t *testing.T, data []byte) {
		var m VP8Munger
		for ; len(data) >= 4; data = data[4:] {
			d := VP8{
				S: data[0]&8 == 0, HasPictureID: data[0]&16 == 0, PictureIDBits: 15,
				PictureID: uint16(data[1]&0x7f)<<8 | uint16(data[2]), HasTL0: data[0]&32 == 0, TL0PICIDX: data[3],
			}
			if data[0]&4 != 0 {
				d.PictureIDBits, d.PictureID = 7, d.PictureID&0x7f
			}
			if data[0]&1 != 0 {
				m.Switch()
			}
			if data[0]&2 != 0 {
				m.Drop(&d)
				continue
			}
			pid, tl0, ok := m.Map(&d)
			if pid >= 1<<d.PictureIDBits {
				t.Fatalf("%d does not fit %d bits", pid, d.PictureIDBits)
			}
			if p2, t2, ok2 := m.Map(&d); ok && (p2 != pid || t2 != tl0 || !ok2) {
				t.Fatalf("a second packet of the picture got %d, %d, %v after %d, %d", p2, t2, ok2, pid, tl0)
			}
		}
	})
}

func FuzzVP9(f *testing.F) {
	addCaptures(f, KindVP9, func(p captured) { f.Add(p.payload) })
	f.Add([]byte{0x02, 0x38, 1, 2, 3, 4, 5, 6, 7, 8, 2, 0x28, 1, 2, 0x04, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkVP9Pion(t, payload)
		var d VP9
		if d.Parse(payload) == nil {
			checkInfo(t, d.Info(payload))
		}
	})
}

func FuzzH264(f *testing.F) {
	addCaptures(f, KindH264, func(p captured) { f.Add(p.payload) })
	f.Add(spsH264(spsConfig{profile: 244, chroma: 3, scaling: true, poc: 1, mbsW: 2, mbsH: 2, crop: true}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var i Info
		_ = inspectH264(payload, &i)
		checkInfo(t, i)
	})
}

func FuzzH265(f *testing.F) {
	addCaptures(f, KindH265, func(p captured) { f.Add(p.payload) })
	f.Add(spsH265(3, 3, 640, 360, 1))
	f.Add([]byte{50 << 1, 1, 19 << 1, 0x10, 0xff, 0x80, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var i Info
		_ = inspectH265(payload, &i)
		checkInfo(t, i)
	})
}

func FuzzAV1(f *testing.F) {
	addCaptures(f, KindAV1, func(p captured) { f.Add(p.payload) })
	f.Add(append([]byte{0x18}, seqHeader(640, 360, 0x303, true)...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkAV1Pion(t, payload)
		var d AV1
		if d.Parse(payload) == nil {
			n := 0
			for e, ok := d.Next(); ok; e, ok = d.Next() {
				n += len(e)
			}
			if n >= len(payload) || len(d.rest) != 0 {
				t.Fatalf("%d octets in elements, %d left", n, len(d.rest))
			}
		}
		var i Info
		_ = inspectAV1(payload, &i)
		checkInfo(t, i)
	})
}

func FuzzDD(f *testing.F) {
	addCaptures(f, KindOther, func(p captured) {
		if len(p.ext) > 3 {
			f.Add(p.ext, []byte{0x81, 0, 9})
		}
	})
	f.Add(l3t3.descriptor(ddFrame{structure: true}), l3t3.descriptor(ddFrame{custom: true, fdiffs: []int{300}, template: 3}))
	f.Fuzz(func(t *testing.T, key, ext []byte) {
		var s DDStructure
		var d DD
		err := s.Parse(key, &d)
		if s.Valid() != (err == nil) {
			t.Fatalf("valid %v after %v", s.Valid(), err)
		}
		before := s
		if err = s.Parse(ext, &d); err != nil {
			if s != before {
				t.Fatal("an error changed the structure")
			}
			return
		}
		all := uint32(1)<<s.Targets() - 1
		if !d.HasStructure && (d.Present()|d.Switchable()|d.Discardable()|d.Active)&^all != 0 {
			t.Fatalf("%d targets: %+v", s.Targets(), d)
		}
		if d.Spatial >= MaxDDSpatial || d.Temporal > MaxTemporal {
			t.Fatalf("%+v", d)
		}
		out := bytes.Clone(ext)
		if d.PutActive(out, d.Active); !bytes.Equal(out, ext) {
			t.Fatalf("the same mask changed %x to %x", ext, out)
		}
	})
}

func FuzzOpus(f *testing.F) {
	f.Add([]byte{0xfc, 0xff, 0xfe})
	f.Add([]byte{0x03, 0x06, 0x00})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var d Opus
		if d.Parse(payload) == nil && (d.Samples < 120 || d.Samples > 5760 || d.Samples != d.FrameSamples*uint16(d.Frames)) {
			t.Fatalf("%x: %+v", payload, d)
		}
	})
}

func FuzzRED(f *testing.F) {
	f.Add([]byte{0xef, 0x1e, 0x00, 0x02, 0x6f, 1, 2, 3})
	f.Add([]byte{0x6f, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var d RED
		if d.Parse(payload) != nil {
			return
		}
		size := 0
		for b, ok := d.Next(); ok; b, ok = d.Next() {
			size += len(b.Data) + 4
			if b.Primary {
				size -= 3
			}
		}
		if size != len(payload) {
			t.Fatalf("%d octets of %d", size, len(payload))
		}
	})
}

func FuzzH264Format(f *testing.F) {
	f.Add("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
	f.Add(";=;profile-level-id=")
	f.Fuzz(func(t *testing.T, fmtp string) {
		a, err := ParseH264Format(fmtp)
		if err == nil && !a.Matches(a) {
			t.Fatalf("%q does not match itself", fmtp)
		}
	})
}
