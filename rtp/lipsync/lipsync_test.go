package lipsync

import (
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// source is a track of a sender in virtual time.
type source struct {
	rate  uint32
	ppm   float64       // by which its RTP clock is fast
	every time.Duration // between frames
	delay time.Duration // from capture to sending
	ssrc  uint32
	first uint32        // RTP timestamp at 0
	sr    time.Duration // between reports
	srAt  time.Duration // the first
	wrong time.Duration // by how much the first report is
	gone  time.Duration // how long its clock stood still
	base  uint32        // of the recording's timestamps
}

// rtp is the RTP timestamp of a moment.
func (s *source) rtp(at time.Duration) uint32 {
	return s.first + uint32(int64((at-s.gone).Seconds()*(1+s.ppm/1e6)*float64(s.rate)))
}

// sim is a sender with its tracks, and the Timeline that follows it.
type sim struct {
	t      *testing.T
	l      *Timeline
	list   []*source
	random *rand.Rand
	loss   float64
	wall   func(time.Duration) time.Time // the sender's clock
	jitter time.Duration
	before func(at time.Duration) // called before each millisecond
	skip   func(i int, at time.Duration) bool
}

const start = mono.Time(time.Hour)

func newSim(t *testing.T, list ...*source) *sim {
	s := &sim{t: t, list: list, random: rand.New(rand.NewPCG(1, 2)), jitter: 20 * time.Millisecond}
	var tracks []Track
	for _, x := range list {
		tracks = append(tracks, Track{Rate: x.rate, Audio: x.rate == 48000})
	}
	s.l = New(tracks)
	wall := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	s.wall = wall.Add
	return s
}

// run goes from one moment to another, and calls check each 100 ms with where the
// two tracks are that were captured at the same moment.
func (s *sim) run(from, to time.Duration, check func(at, offset time.Duration)) {
	for at := from; at < to; at += time.Millisecond {
		if s.before != nil {
			s.before(at)
		}
		for i, x := range s.list {
			if x.sr > 0 && at >= x.srAt {
				ts := x.rtp(at)
				if x.wrong != 0 {
					ts += uint32(int64(x.wrong.Seconds() * float64(x.rate)))
					x.wrong = 0
				}
				x.srAt += x.sr
				s.l.Report(i, Report{x.ssrc, rtcp.NTP(s.wall(at)), ts, start.Add(at + 10*time.Millisecond + s.noise())})
			}
			if at%x.every == 0 && s.random.Float64() >= s.loss && (s.skip == nil || !s.skip(i, at)) {
				ts := x.rtp(at)
				s.l.Packet(i, 1<<32+uint64(ts-x.first)+uint64(x.base), x.ssrc, ts, start.Add(at+x.delay+10*time.Millisecond+s.noise()), false)
			}
		}
		if at%(100*time.Millisecond) == 0 && len(s.l.tracks[0].runs) > 0 && len(s.l.tracks[1].runs) > 0 {
			check(at, s.place(0, at)-s.place(1, at))
		}
	}
}

// place is where in the file something is that is captured now.
func (s *sim) place(i int, at time.Duration) time.Duration {
	x := s.list[i]
	return s.l.Time(i, 1<<32+uint64(x.rtp(at)-x.first)+uint64(x.base))
}

func (s *sim) noise() time.Duration { return time.Duration(s.random.Int64N(int64(s.jitter))) }

func audio() *source {
	return &source{rate: 48000, every: 20 * time.Millisecond, ssrc: 1, first: 0xfffff000, sr: 5 * time.Second, srAt: 300 * time.Millisecond}
}

func video() *source {
	return &source{rate: 90000, every: 33 * time.Millisecond, delay: 80 * time.Millisecond, ssrc: 2, first: 77, sr: time.Second, srAt: 200 * time.Millisecond}
}

const limit = 20 * time.Millisecond

// TestDrift: ten minutes with clocks that drift apart, and loss: sound and picture stay
// together from the first second on, and audio never jumps.
func TestDrift(t *testing.T) {
	for _, ppm := range []float64{100, -100, 300} {
		a, v := audio(), video()
		a.ppm, v.ppm = ppm, -20
		s := newSim(t, a, v)
		s.loss = 0.02
		worst, before := time.Duration(0), time.Duration(-1)
		s.run(0, 10*time.Minute, func(at, offset time.Duration) {
			if at < time.Second {
				return
			}
			worst = max(worst, offset.Abs())
			now := s.place(0, at)
			if d := now - before - 100*time.Millisecond; before >= 0 && d.Abs() > 100*time.Millisecond/slew+time.Millisecond/4 {
				t.Fatalf("%v: audio jumps by %v", at, d)
			}
			before = now
		})
		if worst > limit {
			t.Errorf("%g ppm: apart by %v", ppm, worst)
		}
		if d := s.place(0, 10*time.Minute) - 10*time.Minute; d.Abs() > 100*time.Millisecond {
			t.Errorf("%g ppm: ten minutes are longer by %v", ppm, d)
		}
	}
}

// TestLateReport: until the first reports arrivals tell, then they do.
func TestLateReport(t *testing.T) {
	a, v := audio(), video()
	a.srAt, v.srAt = 2500*time.Millisecond, 900*time.Millisecond
	newSim(t, a, v).run(0, 30*time.Second, func(at, offset time.Duration) {
		if at > 100*time.Millisecond && offset.Abs() > 100*time.Millisecond || at > 2600*time.Millisecond && offset.Abs() > limit {
			t.Errorf("%v: apart by %v", at, offset)
		}
	})
}

// TestFirstReportWrong: one report that is wrong is not believed.
func TestFirstReportWrong(t *testing.T) {
	for i := range 2 {
		a, v := audio(), video()
		[]*source{a, v}[i].wrong = 318 * time.Millisecond
		newSim(t, a, v).run(0, time.Minute, func(at, offset time.Duration) {
			if at > time.Second && offset.Abs() > 100*time.Millisecond || at > 12*time.Second && offset.Abs() > limit {
				t.Errorf("track %d, %v: apart by %v", i, at, offset)
			}
		})
	}
}

// TestReportsMadeUp: who has sent nothing yet may report any timestamp, as pion does, and
// some always do. Such reports are not believed, so sound never jumps.
func TestReportsMadeUp(t *testing.T) {
	for n := range 6 {
		a, v := audio(), video()
		s := newSim(t, a, v)
		a.sr = time.Second
		made := []*source{a, v}[n%2]
		begin, always := 2500*time.Millisecond, n/2 == 2
		if n/2 == 1 {
			begin = 0 // after the first packet, once
		}
		made.wrong = 19249 * time.Second
		s.skip = func(_ int, at time.Duration) bool { return at < begin }
		s.before = func(at time.Duration) {
			if always || at < begin {
				made.wrong += time.Minute / 1000
			}
		}
		before := time.Duration(-1)
		s.run(0, time.Minute, func(at, offset time.Duration) {
			if at < begin+time.Second {
				return
			}
			if offset.Abs() > 100*time.Millisecond || at > begin+12*time.Second && offset.Abs() > limit && !always {
				t.Fatalf("case %d, %v: apart by %v", n, at, offset)
			}
			now := s.place(0, at)
			if d := now - before - 100*time.Millisecond; before >= 0 && d.Abs() > time.Millisecond {
				t.Fatalf("case %d, %v: audio jumps by %v", n, at, d)
			}
			before = now
		})
	}
}

// TestTracksBegin minutes apart: the other track is placed beside the first.
func TestTracksBegin(t *testing.T) {
	for n := range 4 {
		i := n / 2
		s := newSim(t, audio(), video())
		late := s.list[i]
		if n%2 == 0 { // or reports come before there are packets
			late.srAt = 3*time.Minute + late.srAt
		}
		s.skip = func(n int, at time.Duration) bool { return n == i && at < 3*time.Minute }
		s.run(0, 4*time.Minute, func(at, offset time.Duration) {
			if at > 3*time.Minute+time.Second && offset.Abs() > limit {
				t.Errorf("track %d, %v: apart by %v", i, at, offset)
			}
		})
	}
}

// TestCaptureStalls: sound stands still for ten seconds, and its clock does.
func TestCaptureStalls(t *testing.T) {
	a, v := audio(), video()
	s := newSim(t, a, v)
	s.skip = func(i int, at time.Duration) bool { return i == 0 && at >= time.Minute && at < 70*time.Second }
	s.before = func(at time.Duration) {
		if at == 70*time.Second {
			a.gone = 10 * time.Second
		}
	}
	s.run(0, 2*time.Minute, func(at, offset time.Duration) {
		if (at > time.Second && at < time.Minute || at > 70*time.Second+400*time.Millisecond) && offset.Abs() > 3*limit || at > 110*time.Second && offset.Abs() > limit {
			t.Errorf("%v: apart by %v", at, offset)
		}
	})
}

// TestNetworkStalls: what comes late together stays where it was.
func TestNetworkStalls(t *testing.T) {
	s := newSim(t, audio(), video())
	s.before = func(at time.Duration) {
		switch at {
		case time.Minute:
			s.jitter = 2 * time.Second
		case 63 * time.Second:
			s.jitter = 20 * time.Millisecond
		}
	}
	s.run(0, 2*time.Minute, func(at, offset time.Duration) {
		if at > time.Second && offset.Abs() > limit {
			t.Errorf("%v: apart by %v", at, offset)
		}
		if d := s.place(0, at) - at; at > time.Second && d.Abs() > 100*time.Millisecond {
			t.Errorf("%v: at %v", at, s.place(0, at))
		}
	})
}

// TestClockSet: the sender's wall clock is set by an hour.
func TestClockSet(t *testing.T) {
	s := newSim(t, audio(), video())
	wall := s.wall
	s.before = func(at time.Duration) {
		if at == time.Minute {
			s.wall = func(d time.Duration) time.Time { return wall(d).Add(time.Hour) }
		}
	}
	s.run(0, 2*time.Minute, func(at, offset time.Duration) {
		if at > time.Second && offset.Abs() > limit {
			t.Errorf("%v: apart by %v", at, offset)
		}
	})
}

// TestNewSSRC: a sender that begins anew goes on beside what there was.
func TestNewSSRC(t *testing.T) {
	a, v := audio(), video()
	s := newSim(t, a, v)
	s.skip = func(_ int, at time.Duration) bool { return at >= time.Minute && at < 64*time.Second }
	wall := s.wall
	s.before = func(at time.Duration) {
		if at != 64*time.Second {
			return
		}
		for _, x := range s.list {
			before := x.rtp(at) - x.first
			x.ssrc += 10
			x.first += 123456
			x.base += before - (x.rtp(at) - x.first)
			x.srAt = at + 500*time.Millisecond
		}
		s.wall = func(d time.Duration) time.Time { return wall(d).Add(-time.Minute) }
	}
	s.run(0, 2*time.Minute, func(at, offset time.Duration) {
		if (at > time.Second && at < time.Minute || at > 65*time.Second) && offset.Abs() > limit {
			t.Errorf("%v: apart by %v", at, offset)
		}
	})
}

// TestPause: a pause is left out of both tracks, which stay together.
func TestPause(t *testing.T) {
	a, v := audio(), video()
	s := newSim(t, a, v)
	feed := func(from, to time.Duration, joined bool) {
		first := [2]bool{joined, joined}
		for at := from; at < to; at += time.Millisecond {
			for i, x := range s.list {
				if at >= x.srAt {
					x.srAt += x.sr
					s.l.Report(i, Report{x.ssrc, rtcp.NTP(s.wall(at)), x.rtp(at), start.Add(at + 10*time.Millisecond)})
				}
				// The picture begins half a second later, with its key frame.
				if at%x.every == 0 && !(joined && i == 1 && at < from+500*time.Millisecond) {
					ts := x.rtp(at)
					if first[i] {
						x.base = uint32(s.l.tracks[i].last-1<<32) + x.rate/50 - (ts - x.first)
					}
					s.l.Packet(i, 1<<32+uint64(ts-x.first+x.base), x.ssrc, ts, start.Add(at+x.delay), first[i])
					first[i] = false
				}
			}
		}
	}
	at := func(i int) time.Duration { return s.l.Time(i, s.l.tracks[i].last) }
	feed(0, 10*time.Second, false)
	before := at(0)
	feed(100*time.Second, 110*time.Second, true)
	if d := at(0) - before - 10*time.Second; d.Abs() > 100*time.Millisecond {
		t.Errorf("after the pause %v are missing or too much", d)
	}
	x := 109 * time.Second
	audioAt := s.l.Time(0, 1<<32+uint64(a.rtp(x)-a.first+a.base))
	videoAt := s.l.Time(1, 1<<32+uint64(v.rtp(x)-v.first+v.base))
	if d := audioAt - videoAt; d.Abs() > limit {
		t.Errorf("apart by %v", d)
	}
}

func FuzzTimeline(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18})
	f.Fuzz(func(t *testing.T, b []byte) {
		l := New([]Track{{Rate: 48000, Audio: true}, {Rate: 90000}})
		at := start
		var ts [2]uint64
		for ; len(b) >= 6; b = b[6:] {
			i := int(b[0] & 1)
			at = at.Add(time.Duration(b[1]) * 10 * time.Millisecond)
			if b[0]&2 != 0 {
				l.Report(i, Report{uint32(b[0] >> 4), uint64(b[2])<<56 | uint64(b[3])<<32, uint32(b[4])<<24 | uint32(b[5])<<8, at})
				continue
			}
			ts[i] += uint64(b[2]) << 6
			l.Packet(i, 1<<32+ts[i], uint32(b[0]>>4), uint32(b[3])<<24|uint32(b[4])<<10, at, b[0]&4 != 0)
			l.Time(i, 1<<32+ts[i])
			for n := range l.tracks {
				if x := &l.tracks[n]; len(x.runs) > maxRuns || len(x.clocks) > maxClocks || len(l.cuts) > maxCuts || len(l.sessions) > maxSessions {
					t.Fatal("more is held than may be")
				}
			}
		}
	})
}
