package rtp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	pion "github.com/pion/rtp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// randomPacket makes a packet with pion, and the extensions it holds.
func randomPacket(t *testing.T, r *rand.Rand) (*pion.Packet, []Extension) {
	t.Helper()
	p := &pion.Packet{Header: pion.Header{
		Version: 2, Marker: r.IntN(2) == 0, PayloadType: uint8(r.IntN(128)),
		SequenceNumber: uint16(r.Uint32()), Timestamp: r.Uint32(), SSRC: r.Uint32(),
	}}
	for range r.IntN(16) {
		p.CSRC = append(p.CSRC, r.Uint32())
	}
	p.Payload = randomBytes(r, r.IntN(50))
	if r.IntN(3) == 0 {
		p.Header.Padding, p.Header.PaddingSize = true, uint8(1+r.IntN(255))
	}
	var exts []Extension
	if form := r.IntN(3); form > 0 {
		profile, maxID, minLen, maxLen := uint16(ProfileOneByte), 14, 1, 16
		if form == 2 {
			profile, maxID, minLen, maxLen = ProfileTwoByte, 255, 0, 40
		}
		for i, id := range r.Perm(maxID)[:r.IntN(6)] {
			if i == 0 {
				p.Header.Extension, p.Header.ExtensionProfile = true, profile
			}
			e := Extension{uint8(id + 1), randomBytes(r, minLen+r.IntN(maxLen-minLen+1))}
			if err := p.Header.SetExtensionWithProfile(e.ID, e.Data, profile); err != nil {
				t.Fatal(err)
			}
			exts = append(exts, e)
		}
	}
	return p, exts
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestParseAgainstPion(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		want, exts := randomPacket(t, r)
		b, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if h.Version != 2 || h.Marker != want.Marker || h.PayloadType != want.PayloadType ||
			h.SequenceNumber != want.SequenceNumber || h.Timestamp != want.Timestamp || h.SSRC != want.SSRC ||
			int(h.CSRCs) != len(want.CSRC) || h.Extension != (len(exts) > 0) || h.Padding != want.Header.Padding {
			t.Fatalf("%x:\n got %+v\nwant %+v", b, h, want.Header)
		}
		for i, c := range want.CSRC {
			if got := h.CSRC(b, i); got != c {
				t.Fatalf("CSRC %d is %#x, want %#x", i, got, c)
			}
		}
		payload, err := h.Payload(b)
		if err != nil || !bytes.Equal(payload, want.Payload) || h.PaddingLen != int(want.Header.PaddingSize) {
			t.Fatalf("payload %x, padding %d, %v; want %x, %d", payload, h.PaddingLen, err, want.Payload, want.Header.PaddingSize)
		}
		checkExtensions(t, &h, b, exts)
		// Cut short anywhere inside the header, it must be refused.
		for n := range h.HeaderLen {
			var cut Header
			if cut.Parse(b[:n]) == nil {
				t.Fatalf("%d of %d header bytes parsed", n, h.HeaderLen)
			}
		}
	}
}

func checkExtensions(t *testing.T, h *Header, b []byte, want []Extension) {
	t.Helper()
	i := 0
	for it := h.Extensions(b); it.Next(); i++ {
		if i >= len(want) || it.ID != want[i].ID || !bytes.Equal(it.Data, want[i].Data) {
			t.Fatalf("element %d is %d %x, want %v", i, it.ID, it.Data, want)
		}
	}
	if i != len(want) {
		t.Fatalf("%d elements, want %v", i, want)
	}
	for _, e := range want {
		if data, ok := h.FindExtension(b, e.ID); !ok || !bytes.Equal(data, e.Data) {
			t.Fatalf("FindExtension(%d) = %x, %v", e.ID, data, ok)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, packet string
		want         error
	}{
		{"empty", "", ErrShort},
		{"eleven bytes", "8000000000000000000000", ErrShort},
		{"version 1", "400000000000000000000000", ErrVersion},
		{"version 3", "c00000000000000000000000", ErrVersion},
		{"CSRC missing", "810000000000000000000000", ErrShort},
		{"extension header missing", "900000000000000000000000 bede00", ErrExtension},
		{"extension data missing", "900000000000000000000000 bede0001 100000", ErrExtension},
		{"huge extension", "900000000000000000000000 bedeffff 10000000", ErrExtension},
		{"just enough", "900000000000000000000000 bede0001 10000000", nil},
	}
	for _, tt := range tests {
		var h Header
		if err := h.Parse(unhex(t, tt.packet)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestPayloadPadding(t *testing.T) {
	const header = "a00000000000000000000000"
	tests := []struct {
		name, body string
		payload    string
		err        error
	}{
		{"one byte", "aabb01", "aabb", nil},
		{"all padding", "000003", "", nil},
		{"zero length", "aabb00", "", ErrPadding},
		{"too long", "aabb04", "", ErrPadding},
		{"no byte at all", "", "", ErrPadding},
	}
	for _, tt := range tests {
		b := unhex(t, header+tt.body)
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		got, err := h.Payload(b)
		if !errors.Is(err, tt.err) || hex.EncodeToString(got) != tt.payload {
			t.Errorf("%s: %x, %v; want %s, %v", tt.name, got, err, tt.payload, tt.err)
		}
	}
	var h Header
	b := unhex(t, "800000000000000000000000")
	_ = h.Parse(b)
	if _, err := h.Payload(b[:11]); !errors.Is(err, ErrShort) {
		t.Errorf("packet shorter than its header: %v", err)
	}
}

func TestRFC8285Forms(t *testing.T) {
	fixed := "90000000 00000000 00000000"
	tests := []struct {
		name, ext string
		want      []Extension
	}{
		{"one-byte, 4.2", "bede0003 10aa 21bbbb 0000 33cccccccc", []Extension{{1, []byte{0xaa}}, {2, []byte{0xbb, 0xbb}}, {3, []byte{0xcc, 0xcc, 0xcc, 0xcc}}}},
		{"two-byte, 4.3", "10000003 0100 0201bb 00 0304cccccccc", []Extension{{1, nil}, {2, []byte{0xbb}}, {3, []byte{0xcc, 0xcc, 0xcc, 0xcc}}}},
		{"two-byte, appbits", "100f0001 0101aa 00", []Extension{{1, []byte{0xaa}}}},
		{"id 15 ends", "bede0002 10aa f0bb 20cc 0000", []Extension{{1, []byte{0xaa}}}},
		{"id 0 with length ends", "bede0002 10aa 01bb 20cc 0000", []Extension{{1, []byte{0xaa}}}},
		{"element beyond the end", "bede0001 10aa 2fbb", []Extension{{1, []byte{0xaa}}}},
		{"two-byte header cut", "10000001 0101aa 02", []Extension{{1, []byte{0xaa}}}},
		{"other profile", "abcd0001 10aa 2fbb", nil},
		{"empty", "bede0000", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, fixed+tt.ext)
			var h Header
			if err := h.Parse(b); err != nil {
				t.Fatal(err)
			}
			checkExtensions(t, &h, b, tt.want)
		})
	}
}

func TestWriteAgainstPion(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var exts []Extension
		maxID, maxLen := 14, 16
		if r.IntN(2) == 0 {
			maxID, maxLen = 40, 30
		}
		for _, id := range r.Perm(maxID)[:r.IntN(7)] {
			exts = append(exts, Extension{uint8(id + 1), randomBytes(r, r.IntN(maxLen+1))})
		}
		h := FixedHeader{Marker: r.IntN(2) == 0, PayloadType: uint8(r.IntN(128)), SequenceNumber: uint16(r.Uint32()), Timestamp: r.Uint32(), SSRC: r.Uint32()}
		payload := randomBytes(r, r.IntN(20))
		b := AppendExtensions(h.Append(nil), exts)
		if len(exts) > 0 {
			SetExtensionBit(b)
		}
		b = append(b, payload...)
		pad := uint8(r.IntN(5))
		if pad > 0 {
			b = AppendPadding(b, pad)
			SetPaddingBit(b)
		}

		var got pion.Packet
		if err := got.Unmarshal(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if got.Marker != h.Marker || got.PayloadType != h.PayloadType || got.SequenceNumber != h.SequenceNumber ||
			got.Timestamp != h.Timestamp || got.SSRC != h.SSRC || !bytes.Equal(got.Payload, payload) {
			t.Fatalf("%x:\n got %+v\nwant %+v %x", b, got, h, payload)
		}
		wide := false
		for _, e := range exts {
			if data := got.GetExtension(e.ID); !bytes.Equal(data, e.Data) {
				t.Fatalf("extension %d is %x, want %x (%x)", e.ID, data, e.Data, b)
			}
			wide = wide || len(e.Data) == 0 || len(e.Data) > 16 || e.ID > 14
		}
		if len(got.GetExtensionIDs()) != len(exts) {
			t.Fatalf("extensions %v, want %v", got.GetExtensionIDs(), exts)
		}
		if len(exts) > 0 && (got.ExtensionProfile == ProfileTwoByte) != wide {
			t.Fatalf("profile %#x for %v", got.ExtensionProfile, exts)
		}
	}
}

func TestExtensionWriterRefuses(t *testing.T) {
	var w ExtensionWriter
	w.Reset([]byte("xy"))
	if w.Add(0, []byte{1}) || w.Add(3, make([]byte, 256)) || w.AddUint16(0, 1) || w.AddUint8(0, 1) || w.AddUint24(0, 1) || w.AddString(0, "a") {
		t.Error("an impossible element was taken")
	}
	if got := w.Finish(); string(got) != "xy" {
		t.Errorf("block without elements: %x", got)
	}
}

func TestExtensionWriterBytes(t *testing.T) {
	var w ExtensionWriter
	w.Reset(nil)
	w.AddUint24(2, 0x123456)
	w.AddUint16(3, 0xabcd)
	w.AddString(4, "v1")
	if got, want := w.Finish(), unhex(t, "bede0003 22123456 31abcd 417631 0000"); !bytes.Equal(got, want) {
		t.Errorf("one-byte form %x, want %x", got, want)
	}
	w.Reset(nil)
	w.AddUint24(2, 0x123456)
	w.AddUint16(3, 0xabcd)
	w.AddUint8(15, 7)
	if got, want := w.Finish(), unhex(t, "10000003 0203123456 0302abcd 0f0107"); !bytes.Equal(got, want) {
		t.Errorf("widened form %x, want %x", got, want)
	}
}

func TestRenameExtension(t *testing.T) {
	for _, tt := range []struct {
		name, before, after string
		from, to            uint8
		ok                  bool
	}{
		{"one-byte", "bede0002 10aa 62727374 0000", "bede0002 10aa 52727374 0000", 6, 5, true},
		{"two-byte", "10000002 0101aa 0602 7273 00", "10000002 0101aa 1102 7273 00", 6, 17, true},
		{"not there", "bede0001 10aa 0000", "bede0001 10aa 0000", 6, 5, false},
		{"cannot be said", "bede0001 10aa 0000", "bede0001 10aa 0000", 1, 15, false},
	} {
		fixed := "90000000 00000000 00000000"
		b := unhex(t, fixed+tt.before)
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(tt.name, err)
		}
		if ok := h.RenameExtension(b, tt.from, tt.to); ok != tt.ok || !bytes.Equal(b, unhex(t, fixed+tt.after)) {
			t.Errorf("%s: %v, %x", tt.name, ok, b)
		}
	}
}
