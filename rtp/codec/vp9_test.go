package codec

import (
	"testing"

	"github.com/pion/rtp/codecs"
)

// vp9Key is the uncompressed header of a profile 0 key frame of 640x360.
func vp9Key() []byte {
	var w bitWriter
	w.put(2, 2) // frame_marker
	w.put(0, 2) // profile
	w.put(0, 1) // show_existing_frame
	w.put(0, 1) // frame_type
	w.put(2, 2) // show_frame, error_resilient_mode
	w.put(0x498342, 24)
	w.put(2, 3) // color_space
	w.put(0, 1)
	w.put(639, 16)
	w.put(359, 16)
	return append(w.bytes(), make([]byte, 10)...)
}

// TestVP9KeyframeHeader goes through the profiles and color spaces, whose
// fields lie before the size (VP9 bitstream specification, section 7.2.2).
func TestVP9KeyframeHeader(t *testing.T) {
	for profile := range uint64(4) {
		for _, space := range []uint64{2, 7} {
			var w bitWriter
			w.put(2, 2)
			w.put(profile&1, 1)
			w.put(profile>>1, 1)
			if profile == 3 {
				w.put(0, 1)
			}
			w.put(0, 2)
			w.put(3, 2)
			w.put(0x498342, 24)
			if profile >= 2 {
				w.put(1, 1)
			}
			w.put(space, 3)
			switch {
			case space != 7 && profile&1 != 0:
				w.put(6, 1+3)
			case space != 7:
				w.put(0, 1)
			case profile&1 != 0:
				w.put(0, 1)
			}
			w.put(1279, 16)
			w.put(719, 16)
			b := w.bytes()
			var h VP9Header
			if !h.Parse(b) || h.Width != 1280 || h.Height != 720 || uint64(h.Profile) != profile {
				t.Errorf("profile %d, color space %d: %+v", profile, space, h)
			}
			if h.Parse(b[:len(b)-2]) {
				t.Errorf("profile %d, color space %d: cut header read", profile, space)
			}
		}
	}
}

func TestVP9Parse(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    VP9
		err     error
	}{
		{name: "empty", err: ErrShort},
		{name: "B and E alone", payload: []byte{0x0c}, want: VP9{B: true, E: true, HeaderLen: 1}},
		{
			name: "7-bit picture ID", payload: []byte{0x80, 0x7f},
			want: VP9{I: true, PictureIDBits: 7, PictureID: 0x7f, HeaderLen: 2},
		},
		{
			name: "15-bit picture ID", payload: []byte{0x80, 0xff, 0xfe},
			want: VP9{I: true, PictureIDBits: 15, PictureID: 0x7ffe, HeaderLen: 3},
		},
		{name: "picture ID cut", payload: []byte{0x80, 0xff}, err: ErrShort},
		{name: "picture ID missing", payload: []byte{0x80}, err: ErrShort},
		{
			name: "layers, non-flexible", payload: []byte{0x21, 0x57, 0x09},
			want: VP9{L: true, Z: true, TID: 2, U: true, SID: 3, D: true, HasTL0: true, TL0PICIDX: 9, HeaderLen: 3},
		},
		{name: "TL0PICIDX cut", payload: []byte{0x20, 0x57}, err: ErrShort},
		{
			name: "layers, flexible", payload: []byte{0x30, 0x22},
			want: VP9{L: true, F: true, TID: 1, SID: 1, HeaderLen: 2},
		},
		{
			name: "three references", payload: []byte{0x50, 0x03, 0x05, 0x06, 0xff},
			want: VP9{P: true, F: true, PDiffCount: 3, PDiff: [3]uint8{1, 2, 3}, HeaderLen: 4},
		},
		{name: "four references", payload: []byte{0x50, 0x03, 0x05, 0x07, 0x02}, err: ErrSyntax},
		{name: "references cut", payload: []byte{0x50, 0x03}, err: ErrShort},
		{
			name: "P without flexible mode has no references", payload: []byte{0x40, 0x03},
			want: VP9{P: true, HeaderLen: 1},
		},
		{
			name: "structure with sizes", payload: []byte{0x02, 0x30, 1, 2, 3, 4, 5, 6, 7, 8},
			want: VP9{V: true, HeaderLen: 10, SS: VP9Structure{
				Spatials: 2, HasResolution: true,
				Width: [8]uint16{0x0102, 0x0506}, Height: [8]uint16{0x0304, 0x0708},
			}},
		},
		{name: "sizes cut", payload: []byte{0x02, 0x30, 1, 2, 3, 4, 5, 6, 7}, err: ErrShort},
		{
			name: "structure with a picture group", payload: []byte{0x02, 0x08, 3, 0x00, 0x44, 9, 0x28, 1, 2},
			want: VP9{V: true, HeaderLen: 9, SS: VP9Structure{Spatials: 1, HasGroup: true, GroupSize: 3, Temporals: 3}},
		},
		{name: "group cut", payload: []byte{0x02, 0x08, 2, 0x00}, err: ErrShort},
		{name: "group reference cut", payload: []byte{0x02, 0x08, 1, 0x08, 1}, err: ErrShort},
		{name: "group size cut", payload: []byte{0x02, 0x08}, err: ErrShort},
		{name: "structure missing", payload: []byte{0x02}, err: ErrShort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d VP9
			if err := d.Parse(tt.payload); err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if tt.err == nil && d != tt.want {
				t.Fatalf("got  %+v\nwant %+v", d, tt.want)
			}
			if tt.err == nil && d.FlexibleMode() != d.F {
				t.Fatal("FlexibleMode")
			}
		})
	}
}

func TestVP9Info(t *testing.T) {
	body := make([]byte, 20)
	ss := []byte{0x30, 1, 64, 0, 180, 2, 128, 1, 104} // 320x180, 640x360
	with := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	interKey := vp9Key()
	interKey[0] |= 4 // frame_type
	tests := []struct {
		name    string
		payload []byte
		want    Info
	}{
		{
			"structure with sizes", with([]byte{0x0a}, ss, body),
			Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7, Spatials: 2, Width: 320, Height: 180},
		},
		{
			"structure on a predicted frame", with([]byte{0x4a}, ss, body),
			Info{FrameStart: true, InterPicture: true, Spatials: 2, Width: 320, Height: 180},
		},
		{
			"structure without a size", with([]byte{0x0a, 0x10, 0, 0, 0, 0}, body),
			Info{FrameStart: true, Spatials: 1},
		},
		{
			"size with one side", with([]byte{0x0a, 0x10, 0, 0, 0, 1}, body),
			Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7, Spatials: 1, Height: 1},
		},
		{"shorter than 16", with([]byte{0x0a, 0x10, 1, 1, 1, 1}), Info{FrameStart: true, Spatials: 1, Width: 257, Height: 257}},
		{
			"no structure, key frame header", with([]byte{0x08}, vp9Key()),
			Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7, Width: 640, Height: 360},
		},
		{"no structure, other frame", with([]byte{0x08}, interKey), Info{FrameStart: true}},
		{"not the start", with([]byte{0x00}, vp9Key()), Info{}},
		{"end", with([]byte{0x04}, body), Info{FrameEnd: true}},
		{
			"upper layer of a key picture", with([]byte{0x29, 0x13, 0}, vp9Key()),
			Info{
				FrameStart: true, HasSpatial: true, HasTemporal: true, Spatial: 1,
				SwitchUp: true, UpTo: 7, InterLayer: true, NoUpperRef: true,
			},
		},
		{
			"independent upper layer with a structure", with([]byte{0x2a, 0x02, 0}, ss, body),
			Info{
				Keyframe: true, FrameStart: true, HasSpatial: true, HasTemporal: true, Spatial: 1,
				SwitchUp: true, UpFrom: -1, UpTo: 7, Spatials: 2, Width: 640, Height: 360,
			},
		},
		{
			"switching up point", with([]byte{0x78, 0x50, 0x02}, body),
			Info{
				FrameStart: true, HasSpatial: true, HasTemporal: true, Temporal: 2, SwitchUp: true, UpFrom: 1, UpTo: 2,
				InterPicture: true, Flexible: true,
			},
		},
		{
			"U without B is none", with([]byte{0x70, 0x50, 0x02}, body),
			Info{HasSpatial: true, HasTemporal: true, Temporal: 2, InterPicture: true, Flexible: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d VP9
			if err := d.Parse(tt.payload); err != nil {
				t.Fatal(err)
			}
			if got := d.Info(tt.payload); got != tt.want {
				t.Fatalf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// checkVP9Pion compares the descriptor with what pion makes of it. Pion
// refuses more than five spatial layers and takes a second octet of the
// picture ID for a 16-bit one's.
func checkVP9Pion(t *testing.T, payload []byte) {
	t.Helper()
	var d VP9
	err := d.Parse(payload)
	var p codecs.VP9Packet
	rest, perr := p.Unmarshal(payload)
	if d.SID >= 5 {
		return
	}
	if (err == nil) != (perr == nil) {
		t.Fatalf("%x: error %v, pion %v", payload, err, perr)
	}
	if err != nil {
		return
	}
	got := [...]int{
		b2i(d.I), b2i(d.P), b2i(d.L), b2i(d.F), b2i(d.B), b2i(d.E), b2i(d.V), b2i(d.Z), int(d.PictureID),
		int(d.TID), b2i(d.U), int(d.SID), b2i(d.D), int(d.PDiffCount), int(d.TL0PICIDX),
		b2i(d.SS.HasResolution), b2i(d.SS.HasGroup), int(d.SS.GroupSize), d.HeaderLen,
	}
	want := [...]int{
		b2i(p.I), b2i(p.P), b2i(p.L), b2i(p.F), b2i(p.B), b2i(p.E), b2i(p.V), b2i(p.Z), int(p.PictureID & 0x7fff),
		int(p.TID), b2i(p.U), int(p.SID), b2i(p.D), len(p.PDiff), int(p.TL0PICIDX),
		b2i(p.Y), b2i(p.G), int(p.NG), len(payload) - len(rest),
	}
	if got != want {
		t.Fatalf("%x:\ngot  %v\npion %v", payload, got, want)
	}
	for i, w := range p.Width {
		if d.SS.Width[i] != w || d.SS.Height[i] != p.Height[i] {
			t.Fatalf("%x: layer %d is %dx%d, pion %dx%d", payload, i, d.SS.Width[i], d.SS.Height[i], w, p.Height[i])
		}
	}
	if d.V && int(d.SS.Spatials) != int(p.NS)+1 {
		t.Fatalf("%x: %d layers, pion %d", payload, d.SS.Spatials, p.NS+1)
	}
}
