package codec

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
)

// seqHeader makes an AV1 sequence header OBU without a size field.
func seqHeader(w, h uint32, idc uint64, timing bool) []byte {
	var b bitWriter
	b.put(0, 3) // profile
	b.put(0, 2)
	b.put(uint64(b2i(timing)), 1)
	if timing {
		b.put(1, 32)
		b.put(30, 32)
		b.put(1, 1)
		b.ue(3)      // uvlc, coded like ue
		b.put(1, 1)  // decoder model
		b.put(9, 5)  // buffer_delay_length_minus_1
		b.put(5, 32) // num_units_in_decoding_tick
		b.put(0, 10)
	}
	b.put(1, 1) // initial display delay
	b.put(1, 5) // two operating points
	for n := range 2 {
		b.put(idc>>n, 12)
		b.put(9, 5) // level above 7: a tier follows
		b.put(0, 1)
		if timing {
			b.put(1, 1)
			b.put(3, 21)
		}
		b.put(1, 1)
		b.put(2, 4)
	}
	b.put(15, 4)
	b.put(15, 4)
	b.put(uint64(w-1), 16)
	b.put(uint64(h-1), 16)
	b.put(0, 8)
	return append([]byte{OBUSequenceHeader << 3}, b.bytes()...)
}

func TestAV1Parse(t *testing.T) {
	tests := []struct {
		name     string
		payload  []byte
		elements [][]byte
		err      error
	}{
		{name: "empty", err: ErrShort},
		{name: "header alone", payload: []byte{0x10}, err: ErrShort},
		{name: "W=1", payload: []byte{0x10, 1, 2, 3}, elements: [][]byte{{1, 2, 3}}},
		{name: "W=2", payload: []byte{0x20, 1, 9, 2, 3}, elements: [][]byte{{9}, {2, 3}}},
		{name: "W=3", payload: []byte{0x30, 1, 9, 1, 8, 7}, elements: [][]byte{{9}, {8}, {7}}},
		{name: "W=3 with two elements", payload: []byte{0x30, 1, 9, 1, 8}, err: ErrShort},
		{name: "W=2 with one element", payload: []byte{0x20, 1, 9}, err: ErrShort},
		{name: "W=0", payload: []byte{0x00, 1, 9, 2, 8, 7, 1, 6, 1, 5}, elements: [][]byte{{9}, {8, 7}, {6}, {5}}},
		{name: "W=0 with a length too long", payload: []byte{0x00, 1, 9, 3, 8, 7}, err: ErrShort},
		{name: "length in two octets", payload: append([]byte{0x20, 0x81, 0x01}, make([]byte, 130)...), elements: [][]byte{make([]byte, 129), {0}}},
		{name: "length without end", payload: bytes.Repeat([]byte{0xff}, 12)[0:12:12], err: ErrSyntax},
		{name: "length of nine octets", payload: []byte{0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, err: ErrShort},
		{name: "huge length", payload: []byte{0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, err: ErrShort},
		{name: "Z with N", payload: []byte{0x98, 1}, err: ErrSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d AV1
			if err := d.Parse(tt.payload); err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			for n, want := range tt.elements {
				if got, ok := d.Next(); !ok || !bytes.Equal(got, want) {
					t.Fatalf("element %d: %x %v, want %x", n, got, ok, want)
				}
			}
			if _, ok := d.Next(); ok {
				t.Fatal("an element too many")
			}
		})
	}
}

func TestInspectAV1(t *testing.T) {
	seq := seqHeader(1280, 720, 0x307, false)
	packet := func(header byte, elements ...[]byte) []byte {
		b := []byte{header}
		for _, e := range elements {
			b = append(append(b, byte(len(e))), e...)
		}
		return b
	}
	frame := []byte{OBUFrame << 3, 1, 2, 3}
	layered := []byte{OBUFrame<<3 | 4, 2<<5 | 1<<3, 1, 2, 3}
	sized := []byte{OBUFrame<<3 | 4 | 2, 1<<5 | 2<<3, 2, 2, 3}
	key := Info{
		Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7,
		Width: 1280, Height: 720, Spatials: 2, Temporals: 3,
	}
	tests := []struct {
		name    string
		payload []byte
		want    Info
		err     error
	}{
		{"key frame", packet(0x08, seq, frame), key, nil},
		{"key frame with timing information", packet(0x08, seqHeader(1280, 720, 0x307, true), frame), key, nil},
		{"sequence header without N", packet(0x00, seqHeader(1280, 720, 0, false), frame), Info{FrameStart: true, Width: 1280, Height: 720}, nil},
		{"frame", packet(0x00, frame), Info{FrameStart: true}, nil},
		{"frame with layers", packet(0x00, layered), Info{FrameStart: true, HasSpatial: true, HasTemporal: true, Spatial: 1, Temporal: 2}, nil},
		{"frame with layers and a size", packet(0x00, sized), Info{FrameStart: true, HasSpatial: true, HasTemporal: true, Spatial: 2, Temporal: 1}, nil},
		{"fragment", packet(0x80, frame), Info{Spatial: -1, Temporal: -1}, nil},
		{"fragment, then an OBU", packet(0x80, frame, layered), Info{HasSpatial: true, HasTemporal: true, Spatial: 1, Temporal: 2}, nil},
		{"forbidden bit", packet(0x00, []byte{0xb0}), Info{}, ErrSyntax},
		{"extension cut", packet(0x00, []byte{OBUFrame<<3 | 4}), Info{}, ErrShort},
		{"size cut", packet(0x00, []byte{OBUFrame<<3 | 2}), Info{}, ErrShort},
		{"sequence header cut", packet(0x08, seq[:9]), Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkInspect(t, KindAV1, tt.payload, tt.want, tt.err) })
	}
}

// checkAV1Pion compares the elements with pion's. Pion takes the number of
// elements more loosely, so only what both accept is compared.
func checkAV1Pion(t *testing.T, payload []byte) {
	t.Helper()
	var d AV1
	if d.Parse(payload) != nil {
		return
	}
	//lint:ignore SA1019 the replacement hides the aggregation header
	var p codecs.AV1Packet
	if _, err := p.Unmarshal(payload); err != nil {
		return
	}
	if p.Z != d.Z || p.Y != d.Y || p.N != d.N || p.W != d.W {
		t.Fatalf("%x: %+v, pion %+v", payload, d, p)
	}
	if len(p.OBUElements) > 254 {
		return // pion counts them in a byte
	}
	for n, want := range p.OBUElements {
		if got, ok := d.Next(); !ok || !bytes.Equal(got, want) {
			t.Fatalf("%x: element %d is %x %v, pion %x", payload, n, got, ok, want)
		}
	}
	if _, ok := d.Next(); ok {
		t.Fatalf("%x: pion has fewer elements", payload)
	}
}
