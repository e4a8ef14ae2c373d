package rtp

import (
	"bytes"
	"errors"
	"testing"

	pion "github.com/pion/rtp"
)

func TestClassify(t *testing.T) {
	// RFC 7983, figure 3; everything else is unknown.
	want := func(c int) Class {
		switch {
		case c <= 3:
			return ClassSTUN
		case 20 <= c && c <= 63:
			return ClassDTLS
		case 64 <= c && c <= 79:
			return ClassTURNChannel
		case 128 <= c && c <= 191:
			return ClassRTP
		}
		return ClassUnknown
	}
	for c := range 256 {
		if got := Classify([]byte{byte(c), 96}); got != want(c) {
			t.Errorf("first byte %d is %v, want %v", c, got, want(c))
		}
	}
	for c := range 256 {
		want := ClassRTP
		if c >= 192 && c <= 223 || c >= 64 && c <= 95 {
			want = ClassRTCP
		}
		if got := Classify([]byte{0x80, byte(c)}); got != want {
			t.Errorf("second byte %d is %v, want %v", c, got, want)
		}
	}
	if Classify(nil) != ClassUnknown || Classify([]byte{0x80}) != ClassUnknown {
		t.Error("a class for next to nothing")
	}
}

func TestUnwrapRTX(t *testing.T) {
	for _, padding := range []uint8{0, 4} {
		orig := pion.Packet{
			Header:  pion.Header{Version: 2, Marker: true, PayloadType: 96, SequenceNumber: 1234, Timestamp: 99, SSRC: 0x1111},
			Payload: []byte("payload"),
		}
		if err := orig.SetExtension(4, []byte("0")); err != nil {
			t.Fatal(err)
		}
		want, err := orig.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		rtx := orig
		rtx.PayloadType, rtx.SequenceNumber, rtx.SSRC = 97, 7, 0x2222
		rtx.Payload = append(AppendOriginalSequence(nil, 1234), orig.Payload...)
		rtx.Header.Padding, rtx.Header.PaddingSize = padding > 0, padding
		b, err := rtx.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		n, err := UnwrapRTX(b, &h, 96, 0x1111)
		if err != nil || !bytes.Equal(b[:n], want) {
			t.Fatalf("%x, %v; want %x", b[:n], err, want)
		}
		var again Header
		if err := again.Parse(b[:n]); err != nil || again != h {
			t.Errorf("header %+v, want %+v", h, again)
		}
	}
}

func TestUnwrapRTXErrors(t *testing.T) {
	for _, tt := range []struct {
		packet string
		want   error
	}{
		{"800000000000000000000000 01", ErrShort},
		{"a00000000000000000000000 0002", ErrShort}, // padding only
		{"a00000000000000000000000 0000", ErrPadding},
	} {
		b := unhex(t, tt.packet)
		before := bytes.Clone(b)
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		if _, err := UnwrapRTX(b, &h, 96, 1); !errors.Is(err, tt.want) || !bytes.Equal(b, before) {
			t.Errorf("%s: %v, packet %x", tt.packet, err, b)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	packet := unhex(t, "90800001 00000002 00000003 bede0004 10aa 21bbbb 33cccccccc 22010203 0000 0000 aabbccdd")
	rtx := unhex(t, "80800001 00000002 00000003 0102 aabb")
	bad := unhex(t, "90000000 00000000 00000000 bedeffff 10000000")
	vla := unhex(t, "07a8 010203040506070809 0102030405")
	out := make([]byte, 0, 256)
	var h Header
	var w ExtensionWriter
	var a LayersAllocation
	scratch := make([]byte, 64)
	long := make([]byte, 20)
	n := testing.AllocsPerRun(100, func() {
		if h.Parse(packet) != nil {
			t.Fatal("refused")
		}
		_, _ = h.Payload(packet)
		for it := h.Extensions(packet); it.Next(); {
			_, _, _ = AudioLevel(it.Data)
		}
		h.FindExtension(packet, 9)
		_ = h.Parse(bad)
		_ = h.Parse(rtx)
		_, _ = UnwrapRTX(scratch[:copy(scratch, rtx)], &h, 96, 1)
		_, _ = UnwrapRTX(scratch[:13], &h, 96, 1)
		a.Parse(vla)
		a.Parse(vla[:1])
		Classify(packet)
		w.Reset(h.Append(out))
		w.AddUint24(2, 3)
		w.AddString(4, "mid")
		w.Add(5, long)
		w.Finish()
		exts := [2]Extension{{1, long[:2]}, {2, long}}
		AppendExtensions(out, exts[:])
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3})
	f.Add(append([]byte{0xb1, 224, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 9, 9, 2))
	f.Add(append([]byte{0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, 0x10, 0, 0, 2, 1, 0, 2, 3, 1, 2, 3, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		Classify(b)
		var h Header
		if h.Parse(b) != nil {
			return
		}
		if h.HeaderLen > len(b) || h.ExtOff+h.ExtLen > h.HeaderLen {
			t.Fatalf("offsets outside the packet: %+v", h)
		}
		var exts []Extension
		for it := h.Extensions(b); it.Next(); {
			exts = append(exts, Extension{it.ID, it.Data})
			var a LayersAllocation
			a.Parse(it.Data)
			AbsCaptureTime(it.Data)
			PlayoutDelay(it.Data)
			ValidMID(it.Data)
			ValidRID(it.Data)
		}
		payload, err := h.Payload(b)
		if err == nil && len(payload)+h.PaddingLen+h.HeaderLen != len(b) {
			t.Fatalf("%d + %d + %d bytes of %d", h.HeaderLen, len(payload), h.PaddingLen, len(b))
		}
		// What was read can be written and read again.
		out := AppendExtensions(h.Append(nil), exts)
		if len(exts) > 0 {
			SetExtensionBit(out)
		}
		var again Header
		if err := again.Parse(out); err != nil {
			t.Fatal(err)
		}
		i := 0
		for it := again.Extensions(out); it.Next(); i++ {
			if it.ID != exts[i].ID || !bytes.Equal(it.Data, exts[i].Data) {
				t.Fatalf("element %d changed: %v", i, exts[i])
			}
		}
		if i != len(exts) {
			t.Fatalf("%d elements of %d came back", i, len(exts))
		}
		h.RenameExtension(b, 6, 5)
		if n, err := UnwrapRTX(b, &h, 96, 1); err == nil && h.Parse(b[:n]) != nil {
			t.Fatal("unwrapped packet does not parse")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	packet := unhex(b, "90800001 00000002 00000003 bede0004 10aa 21bbbb 33cccccccc 22010203 0000 0000 aabbccdd")
	var h Header
	for b.Loop() {
		_ = h.Parse(packet)
		for it := h.Extensions(packet); it.Next(); {
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	out := make([]byte, 0, 64)
	h := FixedHeader{PayloadType: 96}
	var w ExtensionWriter
	for b.Loop() {
		w.Reset(h.Append(out))
		w.AddUint24(2, 3)
		w.AddUint16(3, 3)
		w.AddString(4, "0")
		w.Finish()
	}
}
