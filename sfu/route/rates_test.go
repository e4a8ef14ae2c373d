package route

import (
	"math"
	"testing"
	"time"

	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// meter pushes frames of a layered track at 30 pictures a second.
type meter struct {
	*fixture
	seq uint64
	pic uint32
}

// stream sends for a time; each picture has one packet of each size, whose place in the list
// is its level. Temporal layers come in the order 0, 2, 1, 2.
func (m *meter) stream(d time.Duration, svc bool, sizes ...uint16) {
	for end := m.now.Add(d); m.now < end; m.now += 33333 * mono.Time(time.Microsecond) {
		tid := []int8{0, 2, 1, 2}[m.pic%4]
		m.pic++
		for level, size := range sizes {
			if size == 0 {
				continue
			}
			m.seq++
			p := m.packet(m.seq, m.pic*3000, func(p *Packet) {
				p.Len = size
				p.Marker = level == len(sizes)-1
				p.Info = codec.Info{HasTemporal: true, Temporal: tid, FrameStart: true, FrameEnd: true}
				if svc {
					p.Codec, p.Info.HasSpatial, p.Info.Spatial = media.VP9, true, int8(level)
				} else {
					p.Encoding, p.SSRC = uint8(level), uint32(level+1)
				}
			})
			m.track.Push(p)
		}
		m.track.Flush(m.now)
	}
}

func newMeter(t testing.TB) *meter { return &meter{fixture: newFixture(t)} }

// expect compares with what points should be: layer, share of the bytes a picture of 30 a
// second, pictures.
type expected struct {
	layer  media.Layer
	bytes  float64 // in 4 pictures, with Overhead
	frames float64
}

func expectRates(t *testing.T, got []Rate, want ...expected) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d points, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		bps := w.bytes * 8 * 30 / 4
		if g := got[i]; g.Layer != w.layer || math.Abs(float64(g.Peak)/bps-1) > 0.15 || math.Abs(float64(g.Recent)/bps-1) > 0.15 ||
			math.Abs(g.Frames/w.frames-1) > 0.15 {
			t.Errorf("point %d: %+v, want %+v with %.0f bit/s", i, g, w.layer, bps)
		}
	}
}

func TestRatesOfSimulcast(t *testing.T) {
	m := newMeter(t)
	m.track.Simulcast = true
	if got := m.track.Rates(); len(got) != 0 {
		t.Fatalf("%+v before the first packet", got)
	}
	m.stream(4*time.Second, false, 140, 440, 940)
	at := func(e, tid int8) media.Layer { return media.Layer{Encoding: e, Spatial: -1, Temporal: tid} }
	want := []expected{
		{at(0, 0), 200, 7.5}, {at(0, 1), 400, 15}, {at(0, 2), 800, 30},
		{at(1, 0), 500, 7.5}, {at(1, 1), 1000, 15}, {at(1, 2), 2000, 30},
		{at(2, 0), 1000, 7.5}, {at(2, 1), 2000, 15}, {at(2, 2), 4000, 30},
	}
	expectRates(t, m.track.Rates(), want...)
	m.now += 10 * mono.Time(time.Second) // a pause of the encoder changes nothing
	m.stream(100*time.Millisecond, false, 140, 440, 940)
	if got := m.track.Rates(); len(got) != 9 || got[8].Peak < 200_000 {
		t.Errorf("after a pause: %+v", got)
	}
	m.stream(2*time.Second, false, 140, 440) // the highest one ends
	if got := m.track.Rates(); len(got) != 6 {
		t.Errorf("after an encoding has ended: %+v", got)
	}
}

func TestRatesOfSVC(t *testing.T) {
	m := newMeter(t)
	m.track.SVC = true
	m.stream(4*time.Second, true, 140, 440)
	at := func(s, tid int8) media.Layer { return media.Layer{Encoding: -1, Spatial: s, Temporal: tid} }
	expectRates(t, m.track.Rates(),
		expected{at(0, 0), 200, 7.5}, expected{at(0, 1), 400, 15}, expected{at(0, 2), 800, 30},
		expected{at(1, 0), 700, 7.5}, expected{at(1, 1), 1400, 15}, expected{at(1, 2), 2800, 30})
}

// TestLayered: what was announced as SVC and has no layers is a stream like any other.
func TestLayered(t *testing.T) {
	m := newMeter(t)
	m.track.SVC = true
	if !m.track.Layered() {
		t.Error("not layered before anything came")
	}
	m.stream(4*time.Second, true, 500, 1000)
	if !m.track.Layered() {
		t.Error("layers are none")
	}
	m = newMeter(t)
	m.track.SVC = true
	m.sub.SetDemand(m.now, 300_000)
	for range 100 {
		m.seq++
		m.track.Push(m.packet(m.seq, uint32(m.seq)*3000, nil))
		m.now += mono.Time(33 * time.Millisecond)
	}
	if m.track.Layered() || m.track.Demand() != 300_000 {
		t.Errorf("without layers: layered %v, demand %d", m.track.Layered(), m.track.Demand())
	}
}

// A layer costs what its busiest second did, for 3 s.
func TestRatesRememberThePeak(t *testing.T) {
	m := newMeter(t)
	m.stream(4*time.Second, false, 440)
	m.stream(time.Second, false, 940)
	m.stream(1500*time.Millisecond, false, 440)
	if got := m.track.Rates(); len(got) != 1 || got[0].Layer != media.NoLayer || got[0].Peak < 230_000 || got[0].Recent > 130_000 {
		t.Errorf("%+v, want a peak of 240 kbit/s and 120 now", got)
	}
	m.stream(2500*time.Millisecond, false, 440)
	if got := m.track.Rates(); got[0].Peak > 130_000 {
		t.Errorf("%+v, want 120 kbit/s", got)
	}
}

// What is told early on is of the right order.
func TestRatesEarly(t *testing.T) {
	m := newMeter(t)
	m.stream(400*time.Millisecond, false, 440)
	if got := m.track.Rates(); len(got) != 1 || got[0].Peak < 100_000 || got[0].Peak > 150_000 {
		t.Errorf("%+v after 400 ms, want 120 kbit/s", got)
	}
}

// What cannot be looked into cannot be thinned out: it has one point, of simulcast that of
// the dearest encoding.
func TestRatesOfOpaque(t *testing.T) {
	m := newMeter(t)
	m.track.Simulcast, m.track.Encrypted = true, true
	m.stream(4*time.Second, false, 140, 440)
	if got := m.track.Rates(); len(got) != 1 || got[0].Layer != media.NoLayer || got[0].Peak < 110_000 || got[0].Peak > 130_000 {
		t.Errorf("%+v, want one point of 120 kbit/s", got)
	}
	audio := newMeter(t)
	audio.track.Kind = media.Audio
	audio.stream(4*time.Second, false, 100)
	if got := audio.track.Rates(); len(got) != 1 || got[0].Peak < 35_000 || got[0].Peak > 42_000 {
		t.Errorf("%+v of audio, want 38 kbit/s", got)
	}
}

func TestRatesAllocateNothing(t *testing.T) {
	m := newMeter(t)
	m.track.Simulcast = true
	m.stream(4*time.Second, false, 140, 440, 940)
	p := m.packet(1, 0, nil)
	defer p.Buf.Release()
	if n := testing.AllocsPerRun(500, func() {
		p.Arrival += 10 * ms
		m.track.rates.count(m.track, &p)
		m.track.Rates()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
