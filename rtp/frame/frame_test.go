package frame

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// assemble returns all frames, copied.
func assemble(a *Assembler, list []Packet) (frames []Frame) {
	keep := func(more []Frame) {
		for _, f := range more {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
	}
	for i := range list {
		keep(a.Push(&list[i]))
	}
	keep(a.Flush())
	return frames
}

// TestVP9Superframe: the frames of several layers are one superframe.
func TestVP9Superframe(t *testing.T) {
	a := New(VP9)
	low, high := bytes.Repeat([]byte{1}, 20), bytes.Repeat([]byte{2}, 300)
	// I, L, B, E and the layers of flexible mode; the second needs the first.
	list := []Packet{
		{Seq: 1, Payload: append([]byte{0xbc, 1, 0 << 1}, low...)},
		{Seq: 2, Payload: append([]byte{0xb8, 1, 1<<1 | 1}, high[:100]...)},
		{Seq: 3, Payload: append([]byte{0xb4, 1, 1<<1 | 1}, high[100:]...), Marker: true},
		{Seq: 4, Timestamp: 1, Payload: append([]byte{0xbc, 2, 0 << 1}, low...), Marker: true},
		{Seq: 6, Timestamp: 2, Payload: append([]byte{0xbc, 3, 1<<1 | 1}, low...), Marker: true},
	}
	frames := assemble(a, list)
	if len(frames) != 3 {
		t.Fatalf("%d frames", len(frames))
	}
	const marker = 0xc0 | 1<<3 | 1
	want := append(append(bytes.Clone(low), high...), marker, 20, 0, 300&0xff, 300>>8, marker)
	if !bytes.Equal(frames[0].Data, want) || !frames[0].Whole {
		t.Errorf("%x", frames[0].Data)
	}
	if !bytes.Equal(frames[1].Data, low) || !frames[1].Whole {
		t.Errorf("%x", frames[1].Data)
	}
	if frames[2].Whole || frames[2].Lost != 1 {
		t.Errorf("a layer without that below is whole: %+v", frames[2])
	}
}

// TestTimestampWraps goes over the end of the 32 bits.
func TestTimestampWraps(t *testing.T) {
	a := New(PCMU)
	frames := assemble(a, []Packet{{Seq: 1, Timestamp: 1<<32 - 100, Payload: []byte{1}}, {Seq: 2, Timestamp: 60, Payload: []byte{1}}})
	if frames[1].Timestamp-frames[0].Timestamp != 160 {
		t.Errorf("%d, %d", frames[0].Timestamp, frames[1].Timestamp)
	}
}

// TestOldPackets: what is not newer than the latest packet is left out.
func TestOldPackets(t *testing.T) {
	a := New(PCMU)
	frames := assemble(a, []Packet{{Seq: 5, Payload: []byte{1}}, {Seq: 5, Payload: []byte{1}}, {Seq: 3, Payload: []byte{1}}, {Seq: 7, Payload: []byte{1}}})
	if len(frames) != 2 || frames[1].Lost != 1 {
		t.Errorf("%+v", frames)
	}
}

// TestWithoutMarker: the next timestamp ends a picture, if no packet is missing.
func TestWithoutMarker(t *testing.T) {
	key := []byte{0x10, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3, 4, 5, 6, 7}
	rest := []byte{0x00, 8, 9}
	frames := assemble(New(VP8), []Packet{
		{Seq: 1, Timestamp: 0, Payload: key}, {Seq: 2, Timestamp: 0, Payload: rest},
		{Seq: 3, Timestamp: 10, Payload: key},
		{Seq: 5, Timestamp: 20, Payload: key},
	})
	if len(frames) != 3 || !frames[0].Whole || frames[1].Whole || !frames[2].Whole || frames[2].Lost != 1 {
		t.Fatalf("%+v", frames)
	}
	if want := append(bytes.Clone(key[1:]), 8, 9); !bytes.Equal(frames[0].Data, want) || frames[0].Width != 64 || frames[0].Height != 48 {
		t.Errorf("%+v", frames[0])
	}
}

// TestTooLarge: a frame has a bound.
func TestTooLarge(t *testing.T) {
	part := bytes.Repeat([]byte{0}, 1<<20)
	for _, c := range []Codec{VP8, VP9, H264, H265, AV1} {
		a := New(c)
		for seq := range uint64(20) {
			p := Packet{Seq: seq + 1, Payload: append([]byte{0x7c, 0x01, 0x00}, part...)}
			switch c {
			case H265:
				p.Payload[0], p.Payload[2] = 49<<1, 1
			case AV1:
				p.Payload[0] = 0xd0
			}
			if seq == 0 && c == AV1 {
				p.Payload[0] = 0x50
			}
			if seq == 0 && (c == H264 || c == H265) {
				p.Payload[1+int(c-H264)] |= 0x80
			}
			if n := len(a.Push(&p)); n != 0 {
				t.Fatalf("%d: %d frames", c, n)
			}
		}
		f := a.Flush()
		if len(f) != 1 || f[0].Whole || len(f[0].Data) > MaxFrame || cap(a.pic.obu) > 3*MaxFrame || cap(a.bufs[0]) > 3*MaxFrame {
			t.Errorf("%d: %d octets, %d and %d held, whole %v", c, len(f[0].Data), cap(a.pic.obu), cap(a.bufs[0]), f[0].Whole)
		}
	}
}

// TestParameterSetsInBand: a key frame without the sets that others had is not whole if
// a packet before it is missing, as they were in that one.
func TestParameterSetsInBand(t *testing.T) {
	sps := []byte{0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x48, 0x99, 0x20}
	idr := []byte{0x65, 0x88, 1, 2}
	a := New(H264)
	frames := assemble(a, []Packet{
		{Seq: 1, Timestamp: 0, Payload: sps}, {Seq: 2, Timestamp: 0, Payload: idr, Marker: true},
		{Seq: 4, Timestamp: 1, Payload: idr, Marker: true},
		{Seq: 5, Timestamp: 2, Payload: sps}, {Seq: 6, Timestamp: 2, Payload: idr, Marker: true},
		{Seq: 7, Timestamp: 3, Payload: idr, Marker: true},
		{Seq: 9, Timestamp: 4, Payload: idr, Marker: true},
	})
	var got []bool
	for _, f := range frames {
		got = append(got, f.Whole && f.Key)
	}
	if len(got) != 5 || !got[0] || got[1] || !got[2] || !got[3] || !got[4] {
		t.Errorf("%v", got)
	}
	if !frames[0].NewConfig || frames[2].NewConfig || len(a.Config().SPS) != 1 || !bytes.Equal(a.Config().SPS[0], sps) {
		t.Errorf("%+v", a.Config())
	}
}

// TestSprop takes parameter sets from the session description.
func TestSprop(t *testing.T) {
	a := New(H264)
	a.SetParameterSets("Z0LACtkehAAAAwAEAAADAMg8SJkg,aM48gA==")
	if c := a.Config(); c == nil || len(c.SPS) != 1 || len(c.PPS) != 1 || !bytes.Equal(c.PPS[0], []byte{0x68, 0xce, 0x3c, 0x80}) || c.Width == 0 {
		t.Errorf("%+v", c)
	}
}

// fuzzPackets cuts b into packets: a header of four octets (kind of step, timestamp,
// length) and a payload each.
func fuzzPackets(b []byte) (list []Packet) {
	seq := uint64(0)
	for len(b) >= 4 {
		n := min(int(binary.BigEndian.Uint16(b[2:]))&0x3ff, len(b)-4)
		seq += uint64(b[0] & 3)
		list = append(list, Packet{
			Seq: seq, Timestamp: uint32(b[1]) << 22, Marker: b[0]&4 != 0, RED: b[0]&8 != 0, PT: b[0] & 8,
			Payload: b[4 : 4+n : 4+n],
		})
		b = b[4+n:]
	}
	return list
}

func addPacket(b []byte, head, ts byte, payload ...byte) []byte {
	return append(append(b, head, ts, byte(len(payload)>>8), byte(len(payload))), payload...)
}

func fuzz(f *testing.F, codecs ...Codec) {
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range codecs {
			a := New(c)
			total, size := uint64(0), 0
			list := fuzzPackets(b)
			for _, fr := range assemble(a, list) {
				total += fr.Lost
				size += len(fr.Data)
				if fr.Whole && len(fr.Data) == 0 {
					t.Fatalf("whole without data: %+v", fr)
				}
				if fr.Whole && (c == H264 || c == H265) {
					for d := fr.Data; len(d) > 0; {
						n := int(binary.BigEndian.Uint32(d))
						d = d[4+n:]
					}
				}
			}
			if len(list) > 0 && total > list[len(list)-1].Seq {
				t.Fatalf("%d lost of %d", total, list[len(list)-1].Seq)
			}
			// Units get lengths, superframes an index, samples twice the size.
			if size > 4*len(b)+64 {
				t.Fatalf("%d octets made of %d", size, len(b))
			}
			if n := a.Config(); n != nil && n.Width == 0 && c == AV1 {
				t.Fatalf("%+v", n)
			}
		}
	})
}

func FuzzVP8(f *testing.F) {
	f.Add(addPacket(addPacket(nil, 5, 0, 0x10, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3, 4, 5, 6, 7), 5, 1, 0x10, 1))
	fuzz(f, VP8)
}

func FuzzVP9(f *testing.F) {
	f.Add(addPacket(addPacket(nil, 1, 0, 0xbc, 1, 0, 1, 2), 5, 0, 0xbc, 1, 3, 3, 4))
	f.Add(addPacket(nil, 5, 0, 0x8c, 1, 0x82, 0x49, 0x83, 0x42, 0, 1, 0x3f, 0, 0xb3, 0, 0, 0, 0, 0, 0, 0))
	fuzz(f, VP9)
}

func FuzzH264(f *testing.F) {
	f.Add(addPacket(addPacket(nil, 1, 0, 0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 0x80), 5, 0, 0x65, 0x88))
	f.Add(addPacket(addPacket(nil, 1, 0, 0x7c, 0x85, 1, 2), 5, 0, 0x7c, 0x45, 1, 2))
	fuzz(f, H264)
}

func FuzzH265(f *testing.F) {
	f.Add(addPacket(nil, 5, 0, 48<<1, 1, 0, 4, 0x40, 1, 1, 2, 0, 4, 0x42, 1, 1, 1))
	f.Add(addPacket(addPacket(nil, 1, 0, 49<<1, 1, 0x93, 2), 5, 0, 49<<1, 1, 0x53, 2))
	fuzz(f, H265)
}

func FuzzAV1(f *testing.F) {
	f.Add(addPacket(nil, 5, 0, 0x18, 0x08, 0x00, 0x00, 0x00, 0x0a, 0x33))
	f.Add(addPacket(addPacket(nil, 1, 0, 0x50, 0x30, 1, 2), 5, 0, 0x90, 3, 4))
	fuzz(f, AV1)
}

func FuzzAudio(f *testing.F) {
	f.Add(addPacket(addPacket(nil, 1, 1, 0xfc, 1), 10, 2, red(960, opusPacket(1), opusPacket(2))...))
	f.Add(addPacket(nil, 9, 1, 1, 2, 3))
	fuzz(f, Opus, PCMU, PCMA, G711, G722, L16, Unknown)
}
