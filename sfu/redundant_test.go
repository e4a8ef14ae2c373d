package sfu

import (
	"testing"

	"bifrons/sfu/mix"
)

// unpacked is what one payload with redundancy tells.
func unpacked(in *audioInput, payload []byte) (list []mix.Packet, ok bool) {
	p := mix.Packet{Seq: 1<<16 + 9, Timestamp: 9600, Arrival: 7, HasLevel: true, Payload: payload}
	if !in.unpack(&p) {
		return nil, false
	}
	for list = append(list, p); in.copied(&p); {
		list = append(list, p)
	}
	return list, true
}

// TestRedundantAudio: copies of earlier packets come with their own numbers and timestamps,
// empty ones do not.
func TestRedundantAudio(t *testing.T) {
	const pt = 111
	payload := []byte{
		0x80 | pt, 2880 >> 6, 2880 << 2 & 0xff, 3,
		0x80 | pt, 1920 >> 6, 1920 << 2 & 0xff, 0,
		0x80 | pt, 960 >> 6, 960 << 2 & 0xff, 2,
		pt, 'a', 'b', 'c', 'd', 'e', 'f', 'g',
	}
	var in audioInput
	list, ok := unpacked(&in, payload)
	if !ok || len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	for i, want := range []mix.Packet{
		{Seq: 1<<16 + 9, Timestamp: 9600, Payload: []byte("fg"), HasLevel: true},
		{Seq: 1<<16 + 6, Timestamp: 6720, Payload: []byte("abc"), Redundant: true},
		{Seq: 1<<16 + 8, Timestamp: 8640, Payload: []byte("de"), Redundant: true},
	} {
		got := list[i]
		if got.Seq != want.Seq || got.Timestamp != want.Timestamp || string(got.Payload) != string(want.Payload) ||
			got.Redundant != want.Redundant || got.HasLevel != want.HasLevel || got.Arrival != 7 {
			t.Errorf("%d: %+v", i, got)
		}
	}
	for _, broken := range [][]byte{{}, {0x80 | pt, 0, 0, 1}, {0x80 | pt, 0, 0, 9, pt, 1, 2}, {pt}, {0x80 | pt, 0, 0, 1, pt, 1}} {
		if list, ok := unpacked(&in, broken); ok {
			t.Errorf("%v: %+v", broken, list)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		p := mix.Packet{Seq: 1 << 16, Payload: payload}
		for ok := in.unpack(&p); ok; ok = in.copied(&p) {
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRedundantAudio(f *testing.F) {
	f.Add([]byte{0xef, 15, 2, 1, 0x6f, 'a', 'b'})
	f.Add([]byte{0x6f, 'a'})
	f.Add([]byte{0x80, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var in audioInput
		list, ok := unpacked(&in, payload)
		if !ok {
			return
		}
		bytes := 0
		for i, p := range list {
			bytes += len(p.Payload)
			switch {
			case len(p.Payload) == 0, p.Redundant != (i > 0):
				t.Fatalf("%+v", p)
			case i > 0 && p.Seq >= list[0].Seq, i > 1 && p.Seq <= list[i-1].Seq, list[0].Seq-p.Seq > maxCopies:
				t.Fatalf("%d: number %d after %d", i, p.Seq, list[i-1].Seq)
			}
		}
		if bytes >= len(payload) {
			t.Fatalf("%d bytes out of %d", bytes, len(payload))
		}
	})
}
