package jitter

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// stand is a Buffer with a clock, for tests that say what comes.
type stand struct {
	t     testing.TB
	b     *Buffer
	d     *fake
	now   mono.Time
	seq   uint64
	ts    uint32
	n     int64
	frame []float32
	dtx   bool
	fec   bool
}

func newStand(t testing.TB) *stand {
	return &stand{t: t, b: New(Config{}), d: &fake{rate: 48000, ch: 1, of: sine(440)}, now: mono.Time(time.Hour), seq: 1 << 16, ts: 1000,
		frame: make([]float32, 960)}
}

// packet is the next packet.
func (s *stand) packet() *Packet {
	p := &Packet{Seq: s.seq, Timestamp: s.ts, Payload: payload(s.n, 960, s.fec), Duration: 20 * ms, DTX: s.dtx, FEC: s.fec}
	s.seq++
	s.ts += 960
	s.n += 960
	return p
}

func (s *stand) push() { s.b.Push(s.now, s.packet()) }

func (s *stand) pull() Outcome {
	s.t.Helper()
	s.now = s.now.Add(8 * ms) // packets come 8 ms before ticks
	defer func() { s.now = s.now.Add(12 * ms) }()
	return s.b.Pull(s.now, s.d, s.frame)
}

// talk has n packets come and be played.
func (s *stand) talk(n int) (outcomes []Outcome) {
	s.t.Helper()
	for range n {
		s.push()
		outcomes = append(outcomes, s.pull())
	}
	return outcomes
}

func (s *stand) all(o Outcome, of []Outcome) {
	s.t.Helper()
	for i, v := range of {
		if v != o {
			s.t.Fatalf("frame %d is %v, expected %v: %v", i, v, o, of)
		}
	}
}

func TestPause(t *testing.T) {
	for _, dtx := range []bool{true, false} {
		s := newStand(t)
		s.d.conceals = true
		s.talk(100)
		delay := s.b.Stats().Delay
		for round := range 10 {
			if dtx {
				s.dtx = true
				s.talk(1)
				s.dtx = false
			}
			var pause []Outcome
			for range 100 {
				s.ts += 960 // no number, but time
				pause = append(pause, s.pull())
			}
			for i, o := range pause[3:] {
				if o == Sound || dtx && o == Concealed || !dtx && i > 5 && o != Silent || i > 30 && o != Silent {
					t.Fatalf("DTX %v, round %d: frame %d of a pause is %v: %v", dtx, round, i, o, pause)
				}
			}
			if dtx && pause[10] != Comfort {
				t.Errorf("a pause that was told is %v", pause[10])
			}
			after := s.talk(50)
			s.all(Sound, after[2:])
			if now := s.b.Stats().Delay; now > delay+ms {
				t.Errorf("DTX %v: a delay of %v before a pause, and of %v after it", dtx, delay, now)
			}
		}
		if lost := s.b.Stats().Lost; lost != 0 {
			t.Errorf("DTX %v: %d lost", dtx, lost)
		}
	}
}

func TestJumps(t *testing.T) {
	for _, x := range []struct {
		name string
		jump func(s *stand)
	}{
		{"numbers and time", func(s *stand) { s.seq += 30000; s.ts += 1 << 30 }},
		{"numbers back", func(s *stand) { s.seq -= 20000; s.ts -= 1 << 29 }},
		{"time alone", func(s *stand) { s.ts += 1 << 30 }},
		{"time back", func(s *stand) { s.ts -= 10 * 48000 }},
		{"time back a little", func(s *stand) { s.ts -= 4800 }},
		{"time a little", func(s *stand) { s.ts += 4800 }},
		{"time half a second", func(s *stand) { s.ts += 24000 }},
		{"time stands still", func(s *stand) {
			for range 75 {
				s.pull()
			}
		}},
		{"numbers alone", func(s *stand) { s.seq += 40 }},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newStand(t)
			s.talk(200)
			delay := s.b.Stats().Delay
			x.jump(s)
			after := s.talk(200)
			s.all(Sound, after[20:])
			if sound := bytes.Count(outcomeBytes(after[:20]), []byte{byte(Sound)}); sound < 12 {
				t.Errorf("after it: %v", after[:20])
			}
			s.all(Sound, s.talk(300))
			if now := s.b.Stats().Delay; now > delay+20*ms {
				t.Errorf("a delay of %v before, and of %v after it", delay, now)
			}
		})
	}
}

func outcomeBytes(list []Outcome) (b []byte) {
	for _, o := range list {
		b = append(b, byte(o))
	}
	return b
}

// TestStrays has single packets that belong to nothing come among the others.
func TestStrays(t *testing.T) {
	s := newStand(t)
	s.talk(100)
	for i := range 100 {
		p := *s.packet()
		s.seq, s.ts, s.n = s.seq-1, s.ts-960, s.n-960
		switch i % 4 {
		case 0:
			p.Seq, p.Timestamp = p.Seq+20000, p.Timestamp+123456789
		case 1:
			p.Seq -= 5000
		case 2:
			p.Timestamp += 1 << 31
		case 3:
			p.Payload = nil
		}
		s.b.Push(s.now, &p)
		s.all(Sound, s.talk(1))
	}
	if st := s.b.Stats(); st.Discarded != 100 || st.Concealed != 0 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
}

func TestRepeatedAndLate(t *testing.T) {
	s := newStand(t)
	s.talk(20)
	s.b.Stats()
	for range 20 {
		p := s.packet()
		s.b.Push(s.now, p)
		s.b.Push(s.now, p)
		if o := s.pull(); o != Sound {
			t.Fatal(o)
		}
		s.b.Push(s.now, p)
	}
	if st := s.b.Stats(); st.Repeated != 40 || st.Late != 0 {
		t.Errorf("%+v", st)
	}
	missing := s.packet()
	s.talk(10)
	s.b.Push(s.now, missing)
	if st := s.b.Stats(); st.Repeated != 40 || st.Late != 1 || st.Lost != 1 || st.Concealed != 1 {
		t.Errorf("%+v", st)
	}
	s.all(Sound, s.talk(10))
}

// TestRedundant loses packets of which the next brings a copy.
func TestRedundant(t *testing.T) {
	for name, tt := range map[string]struct {
		lost   func(i int) bool
		copies int  // that come with each packet
		fec    bool // is in all
		most   int  // frames that are made up, in the beginning
	}{
		"one packet":                    {lost: func(i int) bool { return i%8 == 0 }, copies: 1, most: 10},
		"two, by two copies":            {lost: func(i int) bool { return i%10 < 2 }, copies: 2, most: 30},
		"two, by a copy that has FEC":   {lost: func(i int) bool { return i%10 < 2 }, copies: 1, fec: true, most: 30},
		"four, by copies and by FEC":    {lost: func(i int) bool { return i%16 < 4 }, copies: 3, fec: true, most: 60},
		"many, which is not waited for": {lost: func(i int) bool { return i%50 < 5 }, copies: 2, most: 70},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.fec = tt.fec
			s.talk(50)
			var sent []Packet
			missing := 0
			for i := range 1000 {
				p := *s.packet()
				sent = append(sent, p)
				if tt.lost(i) {
					missing++
				} else {
					s.b.Push(s.now, &p)
					for _, c := range sent[max(0, i-tt.copies):i] {
						c.Redundant = true
						s.b.Push(s.now, &c)
						s.b.Push(s.now, &c)
					}
				}
				s.pull()
			}
			st := s.b.Stats()
			t.Logf("%d missing: %+v", missing, st)
			if int(st.Concealed) > tt.most || int(st.Recovered+st.Concealed) < missing-4 || st.Repeated != 0 {
				t.Errorf("%d missing: %+v", missing, st)
			}
		})
	}
}

func TestStall(t *testing.T) {
	s := newStand(t)
	s.talk(100)
	delay := s.b.Stats().Delay
	for range 100 {
		s.push()
		s.now = s.now.Add(20 * ms)
	}
	after := s.talk(20)
	s.all(Sound, after)
	if now := s.b.Stats().Delay; now > delay {
		t.Errorf("a delay of %v before, and of %v after it", delay, now)
	}
	// A late tick or two are made up for without starting anew.
	s.push()
	s.now = s.now.Add(20 * ms)
	s.push()
	s.now = s.now.Add(20 * ms)
	s.all(Sound, s.talk(100))
	if now := s.b.Stats().Delay; now > delay+5*ms {
		t.Errorf("a delay of %v before, and of %v after it", delay, now)
	}
}

func TestSkipAndPrime(t *testing.T) {
	s := newStand(t)
	s.d.conceals = true
	tick := func() Outcome {
		s.now = s.now.Add(8 * ms)
		defer func() { s.now = s.now.Add(12 * ms) }()
		return s.b.Skip(s.now)
	}
	for i := range 500 {
		s.push()
		if o := tick(); i > 3 && o != Sound {
			t.Fatalf("skips %v", o)
		}
		if w := s.b.Stats().Waiting; w > 3 {
			t.Fatalf("%d wait", w)
		}
	}
	if s.d.decoded != 0 || s.b.signal.buf != nil || len(s.b.store.arena) > 1024 {
		t.Errorf("%d decoded, %d samples, %d bytes kept", s.d.decoded, len(s.b.signal.buf), len(s.b.store.arena))
	}
	s.b.Prime(s.d)
	if s.d.decoded != warm || s.d.resets != 1 {
		t.Errorf("%d decoded and %d resets by Prime", s.d.decoded, s.d.resets)
	}
	end := s.d.end
	from := 960 * (s.n/960 - 1)
	if end != from && end != from-960 && end != from+960 {
		t.Errorf("primed up to %d, packets up to %d", end, s.n)
	}
	s.push()
	if o := s.pull(); o != Sound || s.d.end != end+960 {
		t.Errorf("then %v, from %d to %d", o, end, s.d.end)
	}
	if v := s.frame[0]; math.Abs(float64(v)) > 0.02 {
		t.Errorf("begins with %v", v)
	}
	s.all(Sound, s.talk(100))
	if d := s.b.Stats().Delay; d > 28*ms {
		t.Errorf("a delay of %v", d)
	}
	// Nothing is sent.
	for range 20 {
		tick()
	}
	if o := tick(); o != Silent {
		t.Errorf("skips %v", o)
	}
	if o := s.pull(); o != Silent {
		t.Errorf("plays %v", o)
	}
}

// TestReset begins with another stream.
func TestReset(t *testing.T) {
	s := newStand(t)
	s.talk(100)
	s.b.Reset()
	s.seq, s.ts = 5, 0xffffff00
	s.all(Sound, s.talk(100)[2:])
	if st := s.b.Stats(); st.Concealed != 0 || st.Lost != 0 || st.Late != 0 {
		t.Errorf("%+v", st)
	}
}

// broken is a Decoder of which everything fails, as told.
type broken struct {
	n    int
	fill float32
	err  error
}

func (d *broken) Decode(_ []byte, pcm []float32) (int, error) { return d.n, d.write(pcm) }
func (d *broken) Recover(_ []byte, pcm []float32) error       { return d.write(pcm) }
func (d *broken) Conceal(pcm []float32) error                 { return d.write(pcm) }
func (d *broken) Reset()                                      {}
func (d *broken) write(pcm []float32) error {
	for i := range pcm {
		pcm[i] = d.fill
	}
	return d.err
}

func TestBrokenDecoder(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, d := range []broken{
		{n: 960, err: errors.New("broken")}, {n: 0}, {n: -5}, {n: 1 << 20}, {n: 960, fill: nan}, {n: 960, fill: inf},
		{n: 960, fill: 1e30}, {n: 960, fill: -1e30}, {n: 1, fill: 0.5},
	} {
		s := newStand(t)
		s.fec = true
		s.talk(20)
		for i := range 100 {
			if p := s.packet(); i%5 != 0 {
				s.b.Push(s.now, p)
			}
			s.now = s.now.Add(20 * ms)
			s.b.Pull(s.now, &d, s.frame)
			for _, v := range s.frame {
				if !(v > -100 && v < 100) {
					t.Fatalf("%+v: %v", d, v)
				}
			}
		}
		s.b.Prime(&d)
		s.all(Sound, s.talk(40)[20:])
	}
}

// TestFlood pushes far more than can be played.
func TestFlood(t *testing.T) {
	s := newStand(t)
	big := bytes.Repeat([]byte{1}, 1500)
	for i := range 20000 {
		p := s.packet()
		if i%3 == 0 {
			p.Payload = big
		}
		s.b.Push(s.now, p)
		if i%100 == 0 {
			s.pull()
		}
		if st := s.b.Stats(); st.Waiting > MaxPackets || s.b.store.live > MaxBytes || len(s.b.store.arena) > MaxBytes {
			t.Fatalf("%+v, %d bytes", st, s.b.store.live)
		}
	}
	s.now = s.now.Add(time.Second)
	s.seq += 100
	s.all(Sound, s.talk(100)[50:])
}

func TestNoAllocations(t *testing.T) {
	for _, conceals := range []bool{true, false} {
		s := newStand(t)
		s.d.conceals, s.fec = conceals, true
		i := 0
		p := *s.packet()
		step := func() {
			for range 10 {
				// Sizes differ, packets are lost and come in another order.
				p.Seq, p.Timestamp = s.seq+uint64(i^1), s.ts+uint32(i^1)*960
				if i%17 != 0 {
					s.b.Push(s.now, &p)
				}
				s.pull()
				i++
			}
		}
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%v allocations for ten frames", n)
		}
	}
}

// TestLengths has packets of changing length, with 10 ms of jitter.
func TestLengths(t *testing.T) {
	s := newStand(t)
	s.d.conceals = true
	var outcomes []Outcome
	for round := range 8 {
		n := []int64{960, 2880, 480, 1920}[round%4]
		until := s.now.Add(10 * time.Second)
		due := s.now.Add(8 * ms)
		for i := 0; s.now < until; i++ {
			p := &Packet{Seq: s.seq, Timestamp: s.ts, Payload: payload(s.n, int(n), false), Duration: time.Duration(n) * time.Second / 48000}
			s.seq, s.ts, s.n = s.seq+1, s.ts+uint32(n), s.n+n
			s.now = s.now.Add(p.Duration) // it has been said
			for ; due <= s.now; due = due.Add(FrameTime) {
				outcomes = append(outcomes, s.b.Pull(due, s.d, s.frame))
			}
			s.b.Push(s.now.Add(time.Duration(i*7%10)*ms), p)
		}
	}
	st := s.b.Stats()
	// A longer packet comes later by what it is longer.
	if st.Concealed > 12 || st.Lost != 0 || st.Late != 0 || st.Discarded != 0 {
		t.Errorf("%+v", st)
	}
	if sound := bytes.Count(outcomeBytes(outcomes), []byte{byte(Sound)}); sound < len(outcomes)*9/10 {
		t.Errorf("%d of %d frames are sound", sound, len(outcomes))
	}
}
