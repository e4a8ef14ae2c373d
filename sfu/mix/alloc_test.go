package mix

import "testing"

// TestAllocations: mixing allocates nothing, once all is under way.
func TestAllocations(t *testing.T) {
	l := newLab(t, Config{Rate: 16000})
	for i := range 10 {
		s := l.speaks(l.join(PartyConfig{}), tone(400+200*float64(i), .1))
		s.quiet = i > 2
	}
	l.run(200)
	packets := make([][]Packet, len(l.ins))
	for i, m := range l.ins {
		for range 60 {
			m.speak(l.now)
		}
		packets[i], m.queue = m.queue, nil
	}
	l.out.ears = nil
	n := 0
	if got := testing.AllocsPerRun(50, func() {
		l.now = l.now.Add(Frame)
		for i, m := range l.ins {
			m.queue = packets[i][n : n+1]
			m.queue[0].Arrival = l.now
		}
		n++
		l.c.Tick(l.now, l.now)
	}); got > 0 {
		t.Errorf("%.1f allocations a frame", got)
	}
}

// BenchmarkRoom is a frame of a conference of 100 in which three speak.
func BenchmarkRoom(b *testing.B) {
	l := newLab(b, Config{Rate: 48000})
	var cfg PartyConfig
	cfg.Encoding.Complexity = 4
	for i := range 100 {
		s := l.speaks(l.join(cfg), tone(400+20*float64(i), .1))
		s.quiet = i > 2
	}
	l.run(150)
	packets := make([][]Packet, len(l.ins))
	for i, m := range l.ins {
		for range 100 {
			m.speak(l.now)
		}
		packets[i], m.queue = m.queue, nil
	}
	l.out.ears = nil
	seq := l.ins[0].seq
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		l.now = l.now.Add(Frame)
		for i, m := range l.ins {
			m.queue = packets[i][n%100 : n%100+1]
			p := &m.queue[0]
			p.Arrival, p.Seq, p.Timestamp = l.now, seq+uint64(n), uint32(n)*960
		}
		n++
		l.c.Tick(l.now, l.now)
	}
}
