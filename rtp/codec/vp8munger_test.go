package codec

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

func vp8Picture(pid uint16, tl0, tid uint8) *VP8 {
	return &VP8{
		S: true, HasPictureID: true, PictureIDBits: 15, PictureID: pid & 0x7fff,
		HasTL0: true, TL0PICIDX: tl0, HasTID: true, TID: tid,
	}
}

func TestVP8MungerSize(t *testing.T) {
	if n := unsafe.Sizeof(VP8Munger{}); n >= 200 {
		t.Fatalf("%d bytes", n)
	}
}

// mungerStep is one packet given to a munger and what comes of it.
type mungerStep struct {
	sw, drop bool
	pid      uint16
	tl0      uint8
	bits     uint8 // 0 = 15
	wantPID  uint16
	wantTL0  uint8
	refused  bool
}

func TestVP8MungerSteps(t *testing.T) {
	tests := []struct {
		name  string
		steps []mungerStep
	}{
		{"starts at 1 and follows", []mungerStep{
			{pid: 500, tl0: 40, wantPID: 1, wantTL0: 1},
			{pid: 500, tl0: 40, wantPID: 1, wantTL0: 1},
			{pid: 501, tl0: 41, wantPID: 2, wantTL0: 2},
		}},
		{"switch continues by one", []mungerStep{
			{pid: 500, tl0: 40, wantPID: 1, wantTL0: 1},
			{pid: 501, tl0: 41, wantPID: 2, wantTL0: 2},
			{sw: true, pid: 9, tl0: 200, wantPID: 3, wantTL0: 3},
			{pid: 9, tl0: 200, wantPID: 3, wantTL0: 3},
			{pid: 10, tl0: 201, wantPID: 4, wantTL0: 4},
		}},
		{"pictures from before the switch point are refused", []mungerStep{
			{pid: 500, tl0: 40, wantPID: 1, wantTL0: 1},
			{sw: true, pid: 100, tl0: 5, wantPID: 2, wantTL0: 2},
			{pid: 99, tl0: 4, refused: true},
			{pid: 101, tl0: 6, wantPID: 3, wantTL0: 3},
			{pid: 99, tl0: 4, refused: true},
		}},
		{"pictures left out leave no gap", []mungerStep{
			{pid: 10, tl0: 1, wantPID: 1, wantTL0: 1},
			{drop: true, pid: 11, tl0: 1},
			{drop: true, pid: 11, tl0: 1},
			{pid: 12, tl0: 1, wantPID: 2, wantTL0: 1},
			{drop: true, pid: 13, tl0: 1},
			{pid: 14, tl0: 2, wantPID: 3, wantTL0: 2},
			{pid: 13, tl0: 1, refused: true},
		}},
		{"lost pictures keep their gap and may come late", []mungerStep{
			{pid: 10, tl0: 1, wantPID: 1, wantTL0: 1},
			{pid: 13, tl0: 2, wantPID: 4, wantTL0: 2},
			{drop: true, pid: 14, tl0: 2},
			{pid: 15, tl0: 3, wantPID: 5, wantTL0: 3},
			{pid: 12, tl0: 1, wantPID: 3, wantTL0: 1},
			{pid: 11, tl0: 1, wantPID: 2, wantTL0: 1},
			{pid: 16, tl0: 4, wantPID: 6, wantTL0: 4},
		}},
		{"a late packet does not move TL0PICIDX back", []mungerStep{
			{pid: 10, tl0: 1, wantPID: 1, wantTL0: 1},
			{pid: 12, tl0: 2, wantPID: 3, wantTL0: 2},
			{pid: 11, tl0: 1, wantPID: 2, wantTL0: 1},
			{sw: true, pid: 900, tl0: 77, wantPID: 4, wantTL0: 3},
		}},
		{"a picture that went out is not left out later", []mungerStep{
			{pid: 10, tl0: 1, wantPID: 1, wantTL0: 1},
			{pid: 11, tl0: 1, wantPID: 2, wantTL0: 1},
			{drop: true, pid: 11, tl0: 1},
			{drop: true, pid: 10, tl0: 1},
			{pid: 12, tl0: 2, wantPID: 3, wantTL0: 2},
		}},
		{"switch right behind pictures left out", []mungerStep{
			{pid: 10, tl0: 1, wantPID: 1, wantTL0: 1},
			{drop: true, pid: 11, tl0: 1},
			{drop: true, pid: 12, tl0: 1},
			{sw: true, pid: 40, tl0: 9, wantPID: 2, wantTL0: 2},
		}},
		{"15 bits wrap", []mungerStep{
			{pid: 0x7fff, tl0: 255, wantPID: 1, wantTL0: 1},
			{pid: 0, tl0: 0, wantPID: 2, wantTL0: 2},
			{pid: 0x7fff, tl0: 255, wantPID: 1, wantTL0: 1},
		}},
		{"7 bits wrap, and widen on a switch", []mungerStep{
			{pid: 126, tl0: 1, bits: 7, wantPID: 1, wantTL0: 1},
			{drop: true, pid: 127, tl0: 1, bits: 7},
			{pid: 0, tl0: 2, bits: 7, wantPID: 2, wantTL0: 2},
			{pid: 126, tl0: 1, bits: 7, wantPID: 1, wantTL0: 1},
			{sw: true, pid: 3000, tl0: 50, wantPID: 3, wantTL0: 3},
		}},
		{"a source that starts again goes on by one", []mungerStep{
			{pid: 5000, tl0: 50, wantPID: 1, wantTL0: 1},
			{pid: 5001, tl0: 51, wantPID: 2, wantTL0: 2},
			{pid: 17, tl0: 3, wantPID: 3, wantTL0: 3},
			{pid: 18, tl0: 4, wantPID: 4, wantTL0: 4},
			{pid: 20000, tl0: 99, wantPID: 5, wantTL0: 5},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m VP8Munger
			for n, s := range tt.steps {
				d := vp8Picture(s.pid, s.tl0, 0)
				if s.bits != 0 {
					d.PictureIDBits = s.bits
				}
				if s.sw {
					m.Switch()
				}
				if s.drop {
					m.Drop(d)
					continue
				}
				pid, tl0, ok := m.Map(d)
				if ok == s.refused || ok && (pid != s.wantPID || tl0 != s.wantTL0) {
					t.Fatalf("step %d: got %d, %d, %v; want %d, %d, %v", n, pid, tl0, ok, s.wantPID, s.wantTL0, !s.refused)
				}
			}
		})
	}
}

func TestVP8MungerLeftoverOfLongAgo(t *testing.T) {
	var m VP8Munger
	m.Map(vp8Picture(5000, 1, 0))
	old := vp8Picture(4000, 1, 0)
	old.S = false
	if _, _, ok := m.Map(old); ok {
		t.Fatal("a packet from the middle of an old picture was mapped")
	}
	if pid, _, ok := m.Map(vp8Picture(5001, 1, 0)); !ok || pid != 2 {
		t.Fatalf("got %d, %v", pid, ok)
	}
}

func TestVP8MungerAbsentFields(t *testing.T) {
	var m VP8Munger
	if pid, tl0, ok := m.Map(&VP8{S: true}); pid != 0 || tl0 != 0 || !ok {
		t.Fatalf("got %d, %d, %v", pid, tl0, ok)
	}
	d := &VP8{S: true, HasTL0: true, TL0PICIDX: 9}
	if _, tl0, ok := m.Map(d); tl0 != 1 || !ok {
		t.Fatalf("got %d, %v", tl0, ok)
	}
}

// TestVP8MungerModel runs shuffled packets of a layered stream through a
// munger and compares with numbers given out in the order of the pictures.
func TestVP8MungerModel(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var m VP8Munger
		last := uint16(0)
		for range 4 { // encodings
			m.Switch()
			start := uint16(rnd.UintN(1 << 15))
			keep, want, order := modelPictures(rnd, last)
			for _, n := range order {
				d := vp8Picture(start+uint16(n), 0, 0)
				if !keep[n] {
					m.Drop(d)
					continue
				}
				pid, _, ok := m.Map(d)
				if !ok || pid != want[n]&0x7fff {
					t.Fatalf("seed %d picture %d: got %d, %v; want %d", seed, n, pid, ok, want[n])
				}
				last = max(last, want[n])
			}
		}
	}
}

// modelPictures makes 300 pictures, which of them are kept, the number that
// each kept one should get, and an order of arrival. Kept pictures arrive up
// to a few places late; those left out arrive in order among themselves, as a
// late one of them cannot be made unseen.
func modelPictures(rnd *rand.Rand, last uint16) (keep []bool, want []uint16, order []int) {
	const pictures = 300
	keep, want = make([]bool, pictures), make([]uint16, pictures)
	for n := range pictures {
		keep[n] = n == 0 || rnd.UintN(3) != 0
		if keep[n] {
			last++
		}
		want[n] = last
		order = append(order, n)
	}
	// Move kept pictures back, over kept and left out ones alike.
	for n := pictures - 20; n > 1; n-- {
		if keep[order[n]] && rnd.UintN(4) == 0 {
			v, by := order[n], 1+int(rnd.UintN(8))
			copy(order[n:], order[n+1:n+by+1])
			order[n+by] = v
		}
	}
	return keep, want, order
}

// TestVP8MungerCapture leaves the top temporal layers of a real stream out.
func TestVP8MungerCapture(t *testing.T) {
	for target := range uint8(3) {
		var m VP8Munger
		var lastPID uint16
		var lastSrc int
		var lastTL0 uint8
		for n, p := range loadCapture(t, "vp8-chrome-l1t3")[5:] {
			var d VP8
			if err := d.Parse(p.payload); err != nil {
				t.Fatal(err)
			}
			if d.TID > target {
				m.Drop(&d)
				continue
			}
			pid, tl0, ok := m.Map(&d)
			if !ok {
				t.Fatalf("packet %d refused", n)
			}
			wantPID, wantTL0 := lastPID, lastTL0
			if int(d.PictureID) != lastSrc {
				wantPID++
				if d.TID == 0 {
					wantTL0++
				}
			}
			if pid != wantPID || tl0 != wantTL0 {
				t.Fatalf("target %d packet %d: got %d, %d; want %d, %d", target, n, pid, tl0, wantPID, wantTL0)
			}
			lastPID, lastTL0, lastSrc = pid, tl0, int(d.PictureID)
			d.Rewrite(p.payload, pid, tl0)
			var back VP8
			if err := back.Parse(p.payload); err != nil || back.PictureID != pid || back.TL0PICIDX != tl0 || back.TID != d.TID {
				t.Fatalf("rewritten descriptor %+v, %v", back, err)
			}
		}
		if lastPID < 5 {
			t.Fatalf("only %d pictures", lastPID)
		}
	}
}

func TestVP8MungerAdopts(t *testing.T) {
	var m VP8Munger
	d := VP8{HasPictureID: true, PictureIDBits: 15, PictureID: 500, HasTL0: true, TL0PICIDX: 40, S: true}
	m.Adopt(&d)
	for range 3 {
		if pid, tl0, ok := m.Map(&d); !ok || pid != d.PictureID || tl0 != d.TL0PICIDX {
			t.Errorf("%d, %d became %d, %d, %v", d.PictureID, d.TL0PICIDX, pid, tl0, ok)
		}
		d.PictureID++
		d.TL0PICIDX++
	}
	m.Switch()
	d.PictureID, d.TL0PICIDX = 7, 7
	if pid, tl0, ok := m.Map(&d); !ok || pid != 503 || tl0 != 43 {
		t.Errorf("after a switch: %d, %d, %v; want 503, 43", pid, tl0, ok)
	}
}

// TestVP8MungerLateBase has a picture of the base layer come after one above it
// that was left out, and then another encoding.
func TestVP8MungerLateBase(t *testing.T) {
	var m VP8Munger
	picture := func(pid uint16, tl0, tid uint8) *VP8 {
		return &VP8{HasPictureID: true, PictureIDBits: 15, PictureID: pid, HasTL0: true, TL0PICIDX: tl0, HasTID: true, TID: tid, S: true}
	}
	_, first, _ := m.Map(picture(10, 50, 0))
	m.Drop(picture(12, 51, 1))
	pid, late, ok := m.Map(picture(11, 51, 0))
	if !ok || late != first+1 {
		t.Fatalf("the late picture got %d, %d, %v", pid, late, ok)
	}
	m.Switch()
	if _, tl0, _ := m.Map(picture(900, 7, 0)); tl0 != late+1 {
		t.Errorf("TL0PICIDX %d follows %d", tl0, late)
	}
}
