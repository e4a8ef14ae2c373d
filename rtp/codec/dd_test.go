package codec

import (
	"encoding/hex"
	"fmt"
	"testing"
)

// ddTemplate is one line of the example tables in the AV1 RTP specification, appendix A:
// layers, frame differences, chain differences and indications.
type ddTemplate struct {
	spatial, temporal int
	fdiffs            []int
	chains            []int
	dtis              string
}

type ddConfig struct {
	offset      int
	templates   []ddTemplate
	protectedBy []uint32
	chains      int
	sizes       [][2]int
}

// l1t3 and l3t3 are two of the specification's examples; protectedBy stands
// for each decode target.
var l1t3 = ddConfig{
	templates: []ddTemplate{
		{0, 0, nil, []int{0}, "SSS"},
		{0, 0, []int{4}, []int{4}, "SSS"},
		{0, 1, []int{2}, []int{2}, "SD-"},
		{0, 2, []int{1}, []int{1}, "D--"},
		{0, 2, []int{1}, []int{3}, "D--"},
	},
	chains: 1, protectedBy: []uint32{0, 0, 0},
}

var l3t3 = ddConfig{
	offset: 60, // template IDs wrap
	templates: []ddTemplate{
		{0, 0, nil, []int{0, 0, 0}, "SSSSSSSSS"},
		{0, 0, []int{12}, []int{12, 11, 10}, "RRRRRRSSS"},
		{0, 1, []int{6}, []int{6, 5, 4}, "RR-RR-SD-"},
		{0, 2, []int{3}, []int{3, 2, 1}, "R--R--D--"},
		{0, 2, []int{3}, []int{9, 8, 7}, "R--R--D--"},
		{1, 0, []int{1}, []int{1, 1, 1}, "SSSSSS---"},
		{1, 0, []int{12, 1}, []int{1, 1, 1}, "RRRSSS---"},
		{1, 1, []int{6, 1}, []int{7, 6, 5}, "RR-SD----"},
		{1, 2, []int{3, 1}, []int{4, 3, 2}, "R--D-----"},
		{1, 2, []int{3, 1}, []int{10, 9, 8}, "R--D-----"},
		{2, 0, []int{1}, []int{2, 1, 1}, "SSS------"},
		{2, 0, []int{12, 1}, []int{2, 1, 1}, "SSS------"},
		{2, 1, []int{6, 1}, []int{8, 7, 6}, "SD-------"},
		{2, 2, []int{3, 1}, []int{5, 4, 3}, "D--------"},
		{2, 2, []int{3, 1}, []int{11, 10, 9}, "D--------"},
	},
	chains: 3, protectedBy: []uint32{2, 2, 2, 1, 1, 1, 0, 0, 0},
	sizes: [][2]int{{320, 180}, {640, 360}, {1280, 720}},
}

func (c ddConfig) targets() int { return len(c.protectedBy) }

func dtiValue(c byte) uint64 {
	return map[byte]uint64{'-': 0, 'D': 1, 'S': 2, 'R': 3}[c]
}

// structure writes template_dependency_structure.
func (c ddConfig) structure(w *bitWriter) {
	w.put(uint64(c.offset), 6)
	w.put(uint64(c.targets()-1), 5)
	for n, t := range c.templates {
		switch {
		case n+1 == len(c.templates):
			w.put(3, 2)
		case c.templates[n+1].spatial != t.spatial:
			w.put(2, 2)
		case c.templates[n+1].temporal != t.temporal:
			w.put(1, 2)
		default:
			w.put(0, 2)
		}
	}
	for _, t := range c.templates {
		for i := range t.dtis {
			w.put(dtiValue(t.dtis[i]), 2)
		}
	}
	for _, t := range c.templates {
		for _, f := range t.fdiffs {
			w.put(1, 1)
			w.put(uint64(f-1), 4)
		}
		w.put(0, 1)
	}
	w.ns(uint32(c.targets())+1, uint32(c.chains))
	if c.chains > 0 {
		for _, p := range c.protectedBy {
			w.ns(uint32(c.chains), p)
		}
		for _, t := range c.templates {
			for _, d := range t.chains {
				w.put(uint64(d), 4)
			}
		}
	}
	w.put(uint64(b2i(c.sizes != nil)), 1)
	for _, s := range c.sizes {
		w.put(uint64(s[0]-1), 16)
		w.put(uint64(s[1]-1), 16)
	}
}

// ddFrame is a descriptor to write.
type ddFrame struct {
	start, end bool
	template   int // index
	number     uint16
	structure  bool
	active     *uint32
	dtis       string
	fdiffs     []int
	custom     bool // of fdiffs, which may be empty
	chains     []int
	minimal    bool
}

func (c ddConfig) descriptor(f ddFrame) []byte {
	var w bitWriter
	w.put(uint64(b2i(f.start)), 1)
	w.put(uint64(b2i(f.end)), 1)
	w.put(uint64((c.offset+f.template)&63), 6)
	w.put(uint64(f.number), 16)
	if f.minimal {
		return w.bytes()
	}
	for _, b := range []bool{f.structure, f.active != nil, f.dtis != "", f.custom, f.chains != nil} {
		w.put(uint64(b2i(b)), 1)
	}
	if f.structure {
		c.structure(&w)
	}
	if f.active != nil {
		w.put(uint64(*f.active), c.targets())
	}
	for i := range f.dtis {
		w.put(dtiValue(f.dtis[i]), 2)
	}
	if f.custom {
		for _, d := range f.fdiffs {
			size := 1
			for d-1 >= 1<<(4*size) {
				size++
			}
			w.put(uint64(size), 2)
			w.put(uint64(d-1), 4*size)
		}
		w.put(0, 2)
	}
	for _, d := range f.chains {
		w.put(uint64(d), 8)
	}
	return w.bytes()
}

// checkDD compares a parsed frame with what was written.
func checkDD(t *testing.T, c ddConfig, s *DDStructure, d *DD, tpl ddTemplate) {
	t.Helper()
	if int(d.Spatial) != tpl.spatial || int(d.Temporal) != tpl.temporal {
		t.Fatalf("layers %d, %d; want %+v", d.Spatial, d.Temporal, tpl)
	}
	for i := range tpl.dtis {
		if got := d.DTI(i); uint64(got) != dtiValue(tpl.dtis[i]) {
			t.Fatalf("DTI %d is %d, want %c", i, got, tpl.dtis[i])
		}
	}
	if d.DTI(-1) != NotPresent || d.DTI(len(tpl.dtis)) != NotPresent {
		t.Fatal("DTI out of range")
	}
	n, fdiffs := d.Fdiffs()
	got := make([]int, 0)
	for _, f := range fdiffs {
		got = append(got, int(f))
	}
	if n != len(tpl.fdiffs) || fmt.Sprint(got) != fmt.Sprint(append([]int{}, tpl.fdiffs[:min(n, MaxFdiffs)]...)) {
		t.Fatalf("%d fdiffs %v, want %v", n, got, tpl.fdiffs)
	}
	for i, want := range tpl.chains {
		if int(d.ChainDiff(i)) != want {
			t.Fatalf("chain %d is %d, want %d", i, d.ChainDiff(i), want)
		}
	}
	w, h := s.Resolution(tpl.spatial)
	if c.sizes != nil && (int(w) != c.sizes[tpl.spatial][0] || int(h) != c.sizes[tpl.spatial][1]) || d.Width != w || d.Height != h {
		t.Fatalf("%dx%d and %dx%d", w, h, d.Width, d.Height)
	}
}

func TestDDExamples(t *testing.T) {
	for name, c := range map[string]ddConfig{"L1T3": l1t3, "L3T3": l3t3} {
		t.Run(name, func(t *testing.T) {
			var s DDStructure
			var d DD
			key := c.descriptor(ddFrame{start: true, number: 0xfffe, structure: true})
			if err := s.Parse(key, &d); err != nil {
				t.Fatal(err)
			}
			if !d.HasStructure || !d.Start || d.End || d.FrameNumber != 0xfffe || !s.Valid() {
				t.Fatalf("%+v", d)
			}
			checkDD(t, c, &s, &d, c.templates[0])
			all := uint32(1)<<c.targets() - 1
			if s.Targets() != c.targets() || s.Chains() != c.chains || s.Active() != all || d.Active != all {
				t.Fatalf("%d targets, %d chains, active %b", s.Targets(), s.Chains(), s.Active())
			}
			for i, p := range c.protectedBy {
				if s.ProtectedBy(i) != int(p) {
					t.Fatalf("target %d is protected by %d, want %d", i, s.ProtectedBy(i), p)
				}
			}
			for n, tpl := range c.templates {
				if err := s.Parse(c.descriptor(ddFrame{end: true, template: n, number: uint16(n), minimal: true}), &d); err != nil {
					t.Fatal(err)
				}
				if d.Start || !d.End || d.FrameNumber != uint16(n) {
					t.Fatalf("%+v", d)
				}
				checkDD(t, c, &s, &d, tpl)
			}
		})
	}
}

func TestDDLayers(t *testing.T) {
	var s DDStructure
	var d DD
	if sp, te := s.Layers(); sp != 0 || te != 0 || s.Target(0, 0) != -1 {
		t.Fatal("layers without a structure")
	}
	if err := s.Parse(l3t3.descriptor(ddFrame{start: true, structure: true}), &d); err != nil {
		t.Fatal(err)
	}
	if sp, te := s.Layers(); sp != 3 || te != 3 {
		t.Fatal(sp, te)
	}
	// Targets go down from HD at the full rate to QVGA at a quarter of it.
	for i := range 9 {
		wantS, wantT := int8(2-i/3), int8(2-i%3)
		if sp, te := s.TargetLayer(i); sp != wantS || te != wantT || s.Target(sp, te) != i {
			t.Fatalf("target %d: %d, %d", i, sp, te)
		}
	}
	if sp, te := s.TargetLayer(9); sp != -1 || te != -1 || s.Target(3, 0) != -1 || s.ProtectedBy(9) != -1 || s.ProtectedBy(-1) != -1 {
		t.Fatal("target out of range")
	}
	if d.ChainDiff(3) != 0 || d.ChainDiff(-1) != 0 {
		t.Fatal("chain out of range")
	}
	if w, h := s.Resolution(3); w != 0 || h != 0 {
		t.Fatal(w, h)
	}
}

func TestDDCustom(t *testing.T) {
	var s DDStructure
	var d DD
	if err := s.Parse(l3t3.descriptor(ddFrame{start: true, structure: true}), &d); err != nil {
		t.Fatal(err)
	}
	base := l3t3.templates[7]
	tests := []struct {
		name string
		f    ddFrame
		want ddTemplate
	}{
		{"nothing", ddFrame{}, base},
		{"dtis", ddFrame{dtis: "SDR-SDR-S"}, ddTemplate{1, 1, base.fdiffs, base.chains, "SDR-SDR-S"}},
		{"fdiffs", ddFrame{custom: true, fdiffs: []int{16, 17, 256, 257, 4096}}, ddTemplate{1, 1, []int{16, 17, 256, 257, 4096}, base.chains, base.dtis}},
		{"no fdiffs", ddFrame{custom: true}, ddTemplate{1, 1, nil, base.chains, base.dtis}},
		{"many fdiffs", ddFrame{custom: true, fdiffs: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}, ddTemplate{1, 1, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, base.chains, base.dtis}},
		{"chains", ddFrame{chains: []int{255, 0, 128}}, ddTemplate{1, 1, base.fdiffs, []int{255, 0, 128}, base.dtis}},
		{"all", ddFrame{dtis: "RRRRRRRRR", custom: true, fdiffs: []int{9}, chains: []int{1, 2, 3}}, ddTemplate{1, 1, []int{9}, []int{1, 2, 3}, "RRRRRRRRR"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.f.template = 7
			ext := l3t3.descriptor(tt.f)
			if err := s.Parse(ext, &d); err != nil {
				t.Fatal(err)
			}
			checkDD(t, l3t3, &s, &d, tt.want)
			if d.CustomDTIs != (tt.f.dtis != "") || d.CustomFdiffs != tt.f.custom || d.CustomChains != (tt.f.chains != nil) {
				t.Fatalf("%+v", d)
			}
			if len(ext) > 4 {
				if err := s.Parse(ext[:len(ext)-1], &d); err != ErrShort {
					t.Fatalf("cut: %v", err)
				}
			}
		})
	}
}

func TestDDActive(t *testing.T) {
	var s DDStructure
	var d DD
	mask := func(v uint32) *uint32 { return &v }
	steps := []struct {
		f      ddFrame
		frame  uint32 // d.Active
		stream uint32 // s.Active()
	}{
		{ddFrame{start: true, number: 100, structure: true}, 0x1ff, 0x1ff},
		{ddFrame{number: 101, active: mask(0x038)}, 0x038, 0x038},
		{ddFrame{number: 102, minimal: true}, 0x038, 0x038},
		{ddFrame{number: 103, active: mask(0x1c0)}, 0x1c0, 0x1c0},
		{ddFrame{number: 102, active: mask(0x038)}, 0x038, 0x1c0}, // late
		{ddFrame{number: 110, structure: true, active: mask(0x007)}, 0x007, 0x007},
	}
	for n, st := range steps {
		ext := l3t3.descriptor(st.f)
		if err := s.Parse(ext, &d); err != nil || d.Active != st.frame || s.Active() != st.stream {
			t.Fatalf("step %d: %v, %b, %b", n, err, d.Active, s.Active())
		}
		if d.PutActive(ext, 0x155) != (st.f.active != nil) {
			t.Fatalf("step %d: PutActive", n)
		}
		d.PutFrameNumber(ext, 0xbeef)
		var other DDStructure
		if st.f.active != nil && st.f.structure {
			var back DD
			if err := other.Parse(ext, &back); err != nil || back.Active != 0x155 || back.FrameNumber != 0xbeef {
				t.Fatalf("step %d: %v, %+v", n, err, back)
			}
			checkDD(t, l3t3, &other, &back, l3t3.templates[0])
		}
	}
}

func TestDDStructureChanges(t *testing.T) {
	var s DDStructure
	var d DD
	first, second := l1t3, l1t3
	second.offset = 5
	parse := func(c ddConfig, f ddFrame, want error) {
		t.Helper()
		if err := s.Parse(c.descriptor(f), &d); err != want {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	parse(first, ddFrame{number: 1, minimal: true}, ErrNoStructure)
	parse(first, ddFrame{number: 1}, ErrNoStructure)
	parse(first, ddFrame{number: 2, structure: true}, nil)
	parse(second, ddFrame{number: 9, minimal: true, template: 2}, ErrNoStructure)
	parse(second, ddFrame{number: 8, structure: true}, nil)
	parse(second, ddFrame{number: 9, minimal: true, template: 2}, nil)
	// The first key frame again, late: told by its own structure, which does
	// not come back.
	parse(first, ddFrame{number: 2, structure: true}, nil)
	checkDD(t, first, &s, &d, first.templates[0])
	parse(second, ddFrame{number: 10, minimal: true, template: 2}, nil)
	parse(first, ddFrame{number: 10, minimal: true, template: 2}, ErrNoStructure)
	// A stream that started again, far off.
	parse(first, ddFrame{number: 40000, structure: true}, nil)
	parse(first, ddFrame{number: 40001, minimal: true, template: 2}, nil)
	// A broken structure changes nothing.
	ext := second.descriptor(ddFrame{number: 40002, structure: true})
	if err := s.Parse(ext[:len(ext)-4], &d); err != ErrShort {
		t.Fatal(err)
	}
	parse(first, ddFrame{number: 40003, minimal: true, template: 2}, nil)
}

func TestDDSyntax(t *testing.T) {
	layers := func(idc ...uint64) []byte {
		var w bitWriter
		w.put(1<<23, 24)
		w.put(16, 5)
		w.put(0, 11)
		for _, v := range idc {
			w.put(v, 2)
		}
		return append(w.bytes(), make([]byte, 100)...)
	}
	tests := []struct {
		name string
		ext  []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"two octets", []byte{0x80, 0}, ErrShort},
		{"five spatial layers", layers(2, 2, 2, 2, 3), ErrSyntax},
		{"nine temporal layers", layers(1, 1, 1, 1, 1, 1, 1, 1, 3), ErrSyntax},
		{"templates without end", layers(), ErrSyntax},
	}
	for _, tt := range tests {
		var s DDStructure
		var d DD
		if err := s.Parse(tt.ext, &d); err != tt.want || s.Valid() {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestDDChrome reads structures that a browser sent, with what its own table
// of scalability modes says of them.
func TestDDChrome(t *testing.T) {
	tests := []struct {
		name, ext string
		want      ddConfig
	}{
		{"L1T3", "80001e800214eaa860414d1410208427013f00b3", ddConfig{
			templates: []ddTemplate{
				{0, 0, nil, []int{0}, "SSS"}, {0, 0, []int{4}, []int{4}, "SSS"}, {0, 1, []int{2}, []int{2}, "-DS"},
				{0, 2, []int{1}, []int{1}, "--D"}, {0, 2, []int{1}, []int{3}, "--D"},
			},
			chains: 1, protectedBy: []uint32{0, 0, 0}, sizes: [][2]int{{320, 180}},
		}},
		{"L2T2", "86004980c3187aaaf130a0a014d141382304600864222226500ef008601df010d0", ddConfig{
			offset: 6,
			templates: []ddTemplate{
				{0, 0, nil, []int{0, 0}, "SSSS"}, {0, 0, []int{4}, []int{4, 3}, "SSRR"}, {0, 1, []int{2}, []int{2, 1}, "-D-R"},
				{1, 0, []int{1}, []int{1, 1}, "--SS"}, {1, 0, []int{4, 1}, []int{1, 1}, "--SS"}, {1, 1, []int{2, 1}, []int{3, 2}, "---D"},
			},
			chains: 2, protectedBy: []uint32{0, 0, 1, 1}, sizes: [][2]int{{240, 135}, {480, 270}},
		}},
	}
	for _, tt := range tests {
		ext, err := hex.DecodeString(tt.ext)
		if err != nil {
			t.Fatal(err)
		}
		var s DDStructure
		var d DD
		if err := s.Parse(ext, &d); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for n, tpl := range tt.want.templates {
			if err := s.Parse(tt.want.descriptor(ddFrame{template: n, minimal: true}), &d); err != nil {
				t.Fatal(err)
			}
			checkDD(t, tt.want, &s, &d, tpl)
		}
		for i, p := range tt.want.protectedBy {
			if s.ProtectedBy(i) != int(p) {
				t.Fatalf("%s: target %d", tt.name, i)
			}
		}
	}
}

func TestInspectDD(t *testing.T) {
	frame := func(c ddConfig, st *DDState, kind Kind, payload []byte, f ddFrame) (i Info) {
		t.Helper()
		if err := Inspect(Payload{Kind: kind, Data: payload, Descriptor: c.descriptor(f)}, st, &i); err != nil {
			t.Fatal(err)
		}
		return i
	}
	obu := []byte{0x10, OBUFrame << 3, 1, 2}
	var st DDState
	got := frame(l3t3, &st, KindAV1, obu, ddFrame{start: true, structure: true})
	want := Info{
		Keyframe: true, FrameStart: true, HasSpatial: true, HasTemporal: true, SwitchUp: true, UpFrom: -1, UpTo: 7,
		Spatials: 3, Temporals: 3, Width: 320, Height: 180,
	}
	if got != want {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	tests := []struct {
		f    ddFrame
		want Info
	}{
		{ddFrame{end: true}, Info{FrameEnd: true}},
		{ddFrame{start: true, template: 1}, Info{FrameStart: true, SwitchUp: true, UpTo: 2}},
		{ddFrame{template: 1}, Info{}},
		{ddFrame{start: true, template: 2}, Info{FrameStart: true, Temporal: 1, SwitchUp: true, UpFrom: 1, UpTo: 2}},
		{ddFrame{start: true, template: 3}, Info{FrameStart: true, Temporal: 2}},
		{ddFrame{start: true, template: 6}, Info{FrameStart: true, Spatial: 1, SwitchUp: true, UpTo: 2}},
		{ddFrame{start: true, template: 14}, Info{FrameStart: true, Spatial: 2, Temporal: 2, Discardable: true}},
	}
	for _, tt := range tests {
		tt.want.HasSpatial, tt.want.HasTemporal = true, true
		if got := frame(l3t3, &st, KindAV1, obu, tt.f); got != tt.want {
			t.Fatalf("%+v:\ngot  %+v\nwant %+v", tt.f, got, tt.want)
		}
	}
	// Targets that the source does not produce cannot be switched to.
	active := uint32(0x1c0 &^ 0x040)
	got = frame(l3t3, &st, KindAV1, obu, ddFrame{start: true, template: 1, active: &active})
	if !got.SwitchUp || got.UpTo != 1 {
		t.Fatalf("%+v", got)
	}
	// The descriptor outweighs N, and serves payloads that say nothing.
	if got = frame(l3t3, &st, KindAV1, []byte{0x18, OBUFrame << 3}, ddFrame{template: 1}); got.Keyframe {
		t.Fatalf("%+v", got)
	}
	if got = frame(l3t3, &st, KindOther, []byte{1}, ddFrame{start: true, structure: true}); !got.Keyframe {
		t.Fatalf("%+v", got)
	}
	if got = frame(l3t3, &st, KindH264, []byte{0x65, 0x88}, ddFrame{start: true, structure: true}); got.Keyframe {
		t.Fatalf("%+v", got)
	}
	if got = frame(l3t3, &st, KindH264, []byte{0x67, 66, 0, 31}, ddFrame{start: true, template: 2}); !got.Keyframe || !got.HasTemporal {
		t.Fatalf("%+v", got)
	}
	var none DDState
	var i Info
	if err := Inspect(Payload{Kind: KindAV1, Data: obu, Marker: true, Descriptor: []byte{0, 0, 0}}, &none, &i); err != ErrNoStructure || !i.FrameStart || !i.FrameEnd {
		t.Fatalf("%v, %+v", err, i)
	}
}
