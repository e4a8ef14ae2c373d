package codec

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// spsConfig is what spsH264 makes a sequence parameter set of.
type spsConfig struct {
	profile              byte
	chroma               uint32 // high profiles
	scaling              bool
	frameNum             uint32
	poc                  uint32
	mbsW, mbsH           uint32
	field                bool
	crop                 bool
	left, right, top, bo uint32
}

// spsH264 returns a NAL unit with emulation prevention (H.264, 7.3.2.1.1).
func spsH264(c spsConfig) []byte {
	var w bitWriter
	w.put(uint64(c.profile), 8)
	w.put(0, 8)
	w.put(31, 8)
	w.ue(0)
	if c.profile == 100 || c.profile == 244 {
		w.ue(c.chroma)
		if c.chroma == 3 {
			w.put(0, 1)
		}
		w.ue(0)
		w.ue(0)
		w.put(0, 1)
		w.put(uint64(b2i(c.scaling)), 1)
		if c.scaling {
			lists := 8
			if c.chroma == 3 {
				lists = 12
			}
			for n := range lists {
				w.put(1, 1)
				size := 16
				if n >= 6 {
					size = 64
				}
				if n == 2 { // a delta of -8 ends the list at once
					w.ue(16)
					continue
				}
				for range size {
					w.ue(1)
				}
			}
		}
	}
	w.ue(c.frameNum)
	w.ue(c.poc)
	switch c.poc {
	case 0:
		w.ue(2)
	case 1:
		w.put(0, 1)
		w.ue(3)
		w.ue(4)
		w.ue(2)
		w.ue(5)
		w.ue(6)
	}
	w.ue(1)
	w.put(0, 1)
	w.ue(c.mbsW - 1)
	w.ue(c.mbsH - 1)
	w.put(uint64(b2i(!c.field)), 1)
	if c.field {
		w.put(0, 1)
	}
	w.put(1, 1)
	w.put(uint64(b2i(c.crop)), 1)
	if c.crop {
		w.ue(c.left)
		w.ue(c.right)
		w.ue(c.top)
		w.ue(c.bo)
	}
	w.put(0, 1)
	w.put(1, 1)
	return append([]byte{0x67}, escape(w.bytes())...)
}

func escape(b []byte) (out []byte) {
	zeros := 0
	for _, v := range b {
		if zeros >= 2 && v <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		out = append(out, v)
		if zeros++; v != 0 {
			zeros = 0
		}
	}
	return out
}

func TestH264Size(t *testing.T) {
	tests := []struct {
		name string
		c    spsConfig
		w, h uint16
	}{
		{"baseline", spsConfig{profile: 66, mbsW: 40, mbsH: 30}, 640, 480},
		{"1080p crops 8 lines", spsConfig{profile: 77, poc: 2, mbsW: 120, mbsH: 68, crop: true, bo: 4}, 1920, 1080},
		{"field coding", spsConfig{profile: 77, poc: 1, mbsW: 120, mbsH: 34, field: true, crop: true, bo: 2}, 1920, 1080},
		{"high with scaling lists", spsConfig{profile: 100, chroma: 1, scaling: true, mbsW: 20, mbsH: 12, crop: true, bo: 6}, 320, 180},
		{"4:4:4", spsConfig{profile: 244, chroma: 3, scaling: true, mbsW: 2, mbsH: 2, crop: true, left: 1, right: 2, top: 3, bo: 4}, 29, 25},
		{"4:2:2", spsConfig{profile: 100, chroma: 2, mbsW: 2, mbsH: 2, crop: true, right: 2, bo: 4}, 28, 28},
		{"too wide", spsConfig{profile: 66, poc: 2, mbsW: 4096, mbsH: 1}, 0, 0},
		{"emulation prevention", spsConfig{profile: 66, frameNum: 1 << 30, mbsW: 40, mbsH: 30}, 640, 480},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sps := spsH264(tt.c)
			if tt.name == "emulation prevention" && !bytes.Contains(sps, []byte{0, 0, 3}) {
				t.Fatalf("%x needs none", sps)
			}
			var i Info
			if err := inspectH264(sps, &i); err != nil || !i.Keyframe {
				t.Fatalf("%+v, %v", i, err)
			}
			if i.Width != tt.w || i.Height != tt.h {
				t.Fatalf("got %dx%d, want %dx%d", i.Width, i.Height, tt.w, tt.h)
			}
			for n := range sps {
				i = Info{}
				if err := inspectH264(sps[:n], &i); n > 0 && err != nil {
					t.Fatalf("cut at %d: %v", n, err)
				}
			}
		})
	}
}

func TestInspectH264(t *testing.T) {
	sps := spsH264(spsConfig{profile: 66, mbsW: 40, mbsH: 30})
	pps := []byte{0x68, 0xce, 0x38, 0x80}
	key := Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7, Width: 640, Height: 480}
	tests := []struct {
		name    string
		payload []byte
		want    Info
		err     error
	}{
		{"empty", nil, Info{}, ErrShort},
		{"single SPS", sps, key, nil},
		{"single PPS", pps, Info{}, nil},
		{"STAP-A with SPS", aggregate([]byte{0x78}, sps, pps), key, nil},
		{"STAP-A with SPS last", aggregate([]byte{0x78}, pps, sps), key, nil},
		{"STAP-A without SPS", aggregate([]byte{0x78}, pps), Info{}, nil},
		{"STAP-A cut", aggregate([]byte{0x78}, sps)[:8], Info{}, ErrShort},
		{"STAP-A length cut", []byte{0x78, 0}, Info{}, ErrShort},
		{"STAP-A of discardable slices", aggregate([]byte{0x18}, []byte{0x01, 0x80}), Info{FrameStart: true, Discardable: true}, nil},
		{"STAP-A with an empty unit", aggregate([]byte{0x78}, nil, pps), Info{}, nil},
		{"FU-A start of SPS", append([]byte{0x7c, 0x87}, sps[1:]...), key, nil},
		{"FU-A middle of SPS", append([]byte{0x7c, 0x07}, sps[1:]...), Info{}, nil},
		{"FU-B start of SPS", append([]byte{0x7d, 0x87, 0, 1}, sps[1:]...), key, nil},
		{"FU-A start of IDR", []byte{0x7c, 0x85, 0x88}, Info{FrameStart: true}, nil},
		{"FU-A of a later slice", []byte{0x7c, 0x85, 0x08}, Info{}, nil},
		{"FU-A discardable", []byte{0x1c, 0x01, 0xff}, Info{Discardable: true}, nil},
		{"FU-A cut", []byte{0x7c}, Info{}, ErrShort},
		{"FU-B cut", []byte{0x7d, 0x87, 0}, Info{}, ErrShort},
		{"IDR alone is no switch point", []byte{0x65, 0x88, 1}, Info{FrameStart: true}, nil},
		{"slice", []byte{0x41, 0x9a, 1}, Info{FrameStart: true}, nil},
		{"later slice", []byte{0x41, 0x1a, 1}, Info{}, nil},
		{"non-reference slice", []byte{0x01, 0x9a, 1}, Info{FrameStart: true, Discardable: true}, nil},
		{"delimiter", []byte{0x09, 0xf0}, Info{FrameStart: true}, nil},
		{"type 7 in the low bits of a filler", []byte{0x6c, 0x67}, Info{}, nil},
		{"MTAP16", []byte{0x7a, 0x67, 0x67, 0x67}, Info{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkInspect(t, KindH264, tt.payload, tt.want, tt.err) })
	}
}

// aggregate puts NAL units into an aggregation packet.
func aggregate(header []byte, nals ...[]byte) []byte {
	b := bytes.Clone(header)
	for _, n := range nals {
		b = binary.BigEndian.AppendUint16(b, uint16(len(n)))
		b = append(b, n...)
	}
	return b
}

func checkInspect(t *testing.T, k Kind, payload []byte, want Info, wantErr error) {
	t.Helper()
	var got Info
	err := Inspect(Payload{Kind: k, Data: payload}, nil, &got)
	if err != wantErr || err == nil && got != want {
		t.Fatalf("got  %+v, %v\nwant %+v, %v", got, err, want, wantErr)
	}
}

// spsH265 returns a sequence parameter set with sub-layers (H.265, 7.3.2.2).
func spsH265(subLayers int, chroma, width, height, crop uint32) []byte {
	var w bitWriter
	w.put(0, 4)
	w.put(uint64(subLayers), 3)
	w.put(1, 1)
	w.put(0x0160, 16)
	w.put(0, 72)
	w.put(93, 8)
	if subLayers > 0 {
		for n := range 8 {
			w.put(uint64(b2i(n < subLayers))*3, 2)
		}
		for range subLayers {
			w.put(0, 96)
		}
	}
	w.ue(0)
	w.ue(chroma)
	if chroma == 3 {
		w.put(0, 1)
	}
	w.ue(width)
	w.ue(height)
	w.put(uint64(b2i(crop != 0)), 1)
	if crop != 0 {
		w.ue(0)
		w.ue(crop)
		w.ue(0)
		w.ue(crop)
	}
	w.put(1, 1)
	return append([]byte{0x42, 0x01}, escape(w.bytes())...)
}

func TestH265Size(t *testing.T) {
	tests := []struct {
		name string
		sps  []byte
		w, h uint16
	}{
		{"no window", spsH265(0, 1, 1280, 720, 0), 1280, 720},
		{"window", spsH265(0, 1, 1920, 1088, 4), 1912, 1080},
		{"sub-layers", spsH265(2, 1, 640, 368, 4), 632, 360},
		{"4:4:4", spsH265(1, 3, 640, 368, 4), 636, 364},
		{"too large", spsH265(0, 1, 1<<20, 720, 0), 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var i Info
			if err := inspectH265(tt.sps, &i); err != nil || !i.Keyframe || i.Width != tt.w || i.Height != tt.h {
				t.Fatalf("got %+v, %v; want %dx%d", i, err, tt.w, tt.h)
			}
		})
	}
}

func TestInspectH265(t *testing.T) {
	sps := spsH265(0, 1, 640, 360, 0)
	vps, pps := []byte{0x40, 0x01, 0x0c}, []byte{0x44, 0x01, 0xc0}
	key := Info{Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: 7, HasTemporal: true}
	sized := key
	sized.Width, sized.Height = 640, 360
	base := Info{HasTemporal: true}
	start := Info{HasTemporal: true, FrameStart: true}
	// nal makes a NAL unit with a slice's first octet.
	nal := func(typ, tid, first byte) []byte { return []byte{typ << 1, tid + 1, first, 0} }
	fu := func(s, typ, first byte) []byte { return []byte{49 << 1, 1, s | typ, first, 0} }
	tests := []struct {
		name    string
		payload []byte
		want    Info
		err     error
	}{
		{"empty", nil, Info{}, ErrShort},
		{"one octet", []byte{0x40}, Info{}, ErrShort},
		{"temporal id 0", []byte{0x40, 0x00, 1}, Info{}, ErrSyntax},
		{"VPS", vps, key, nil},
		{"SPS", sps, sized, nil},
		{"PPS", pps, key, nil},
		{"AP", aggregate([]byte{48 << 1, 1}, vps, sps, pps), sized, nil},
		{"AP without", aggregate([]byte{48 << 1, 1}, nal(1, 0, 0x80)), start, nil},
		{"AP cut", aggregate([]byte{48 << 1, 1}, vps)[:5], Info{}, ErrShort},
		{"AP with a unit of one octet", []byte{48 << 1, 1, 0, 1, 9}, Info{}, ErrShort},
		{"AP length cut", []byte{48 << 1, 1, 0}, Info{}, ErrShort},
		{"BLA 16", nal(16, 0, 0x80), key, nil},
		{"IDR 19", nal(19, 0, 0x80), key, nil},
		{"CRA 21", nal(21, 0, 0x80), key, nil},
		{"reserved 22", nal(22, 0, 0x80), start, nil},
		{"second slice of an IDR", nal(19, 0, 0x00), base, nil},
		{"FU start of IDR", fu(0x80, 19, 0x80), key, nil},
		{"FU middle of IDR", fu(0, 19, 0x80), base, nil},
		{"FU end of IDR", fu(0x40, 19, 0x80), base, nil},
		{"FU start of VPS", fu(0x80, 32, 0), key, nil},
		{"FU cut", []byte{49 << 1, 1}, Info{}, ErrShort},
		{"TRAIL_R", nal(1, 0, 0x80), start, nil},
		{"TRAIL_N", nal(0, 2, 0x80), Info{HasTemporal: true, FrameStart: true, Temporal: 2, Discardable: true}, nil},
		{
			"TSA_R", nal(3, 1, 0x80),
			Info{HasTemporal: true, FrameStart: true, Temporal: 1, SwitchUp: true, UpTo: 7}, nil,
		},
		{
			"STSA_N", nal(4, 2, 0x80),
			Info{HasTemporal: true, FrameStart: true, Temporal: 2, SwitchUp: true, UpFrom: 1, UpTo: 2, Discardable: true}, nil,
		},
		{"PACI around an IDR", append([]byte{50 << 1, 1, 19 << 1, 0x10, 0xff}, 0x80, 0), key, nil},
		{"PACI cut", []byte{50 << 1, 1, 19 << 1, 0x20, 0xff}, Info{}, ErrShort},
		{"delimiter", nal(35, 0, 0), start, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkInspect(t, KindH265, tt.payload, tt.want, tt.err) })
	}
}

func TestH264Format(t *testing.T) {
	tests := []struct {
		fmtp string
		want H264Format
		prof H264Profile
		err  error
	}{
		{"", H264Format{ProfileIDC: 0x42, Level: 10}, H264Baseline, nil},
		{
			"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
			H264Format{0x42, 0xe0, 0x1f, 1, true}, H264ConstrainedBaseline, nil,
		},
		{"profile-level-id=42001F; packetization-mode=0", H264Format{0x42, 0, 0x1f, 0, false}, H264Baseline, nil},
		{"Profile-Level-Id=4d001f", H264Format{0x4d, 0, 0x1f, 0, false}, H264Main, nil},
		{"profile-level-id=4d8028", H264Format{0x4d, 0x80, 0x28, 0, false}, H264ConstrainedBaseline, nil},
		{"profile-level-id=580028", H264Format{0x58, 0, 0x28, 0, false}, H264Extended, nil},
		{"profile-level-id=640c1f", H264Format{0x64, 0x0c, 0x1f, 0, false}, H264ConstrainedHigh, nil},
		{"profile-level-id=64001f", H264Format{0x64, 0, 0x1f, 0, false}, H264High, nil},
		{"profile-level-id=6e001f", H264Format{0x6e, 0, 0x1f, 0, false}, H264High10, nil},
		{"profile-level-id=7a001f", H264Format{0x7a, 0, 0x1f, 0, false}, H264High422, nil},
		{"profile-level-id=f4001f", H264Format{0xf4, 0, 0x1f, 0, false}, H264High444, nil},
		{"profile-level-id=990000", H264Format{0x99, 0, 0, 0, false}, H264Unknown, nil},
		{"profile-level-id=42e0", H264Format{}, 0, ErrSyntax},
		{"profile-level-id=-2e01f", H264Format{}, 0, ErrSyntax},
		{"profile-level-id", H264Format{}, 0, ErrSyntax},
		{"packetization-mode=3", H264Format{}, 0, ErrSyntax},
		{"packetization-mode=", H264Format{}, 0, ErrSyntax},
		{"level-asymmetry-allowed=2", H264Format{}, 0, ErrSyntax},
		{";; x=y ;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==;", H264Format{ProfileIDC: 0x42, Level: 10}, H264Baseline, nil},
	}
	for _, tt := range tests {
		f, err := ParseH264Format(tt.fmtp)
		if err != tt.err || err == nil && (f != tt.want || f.Profile() != tt.prof) {
			t.Errorf("%q: got %+v profile %d, %v", tt.fmtp, f, f.Profile(), err)
		}
	}
}

func TestH264Matches(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42c034;packetization-mode=1", true},
		{"profile-level-id=42e01f;packetization-mode=1", "profile-level-id=4d801f;packetization-mode=1", true},
		{"profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f", false},
		{"profile-level-id=42001f", "profile-level-id=42e01f", false},
		{"profile-level-id=640c1f", "profile-level-id=64001f", false},
		{"profile-level-id=990000", "profile-level-id=990028", true},
		{"profile-level-id=990000", "profile-level-id=980000", false},
	}
	for _, tt := range tests {
		a, _ := ParseH264Format(tt.a)
		b, _ := ParseH264Format(tt.b)
		if a.Matches(b) != tt.want || b.Matches(a) != tt.want {
			t.Errorf("%q and %q: want %v", tt.a, tt.b, tt.want)
		}
	}
}
