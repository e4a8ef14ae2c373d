package mix

import (
	"math"
	"sync/atomic"
	"testing"

	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// lab is a conference in virtual time.
type lab struct {
	t     testing.TB
	c     *Conference
	out   *sink
	pools *Pools
	now   mono.Time
	cfg   Config
	ins   []*mouth
}

func newLab(t testing.TB, cfg Config) *lab {
	l := &lab{t: t, cfg: cfg, pools: new(Pools), now: mono.Time(1e9)}
	l.out = &sink{}
	l.c = New(cfg, l.out, l.pools, func() {})
	return l
}

// run mixes frames; each mouth says its part of each just before.
func (l *lab) run(frames int) {
	for range frames {
		l.now = l.now.Add(Frame)
		for _, m := range l.ins {
			m.speak(l.now)
		}
		l.c.Tick(l.now, l.now)
	}
}

// someone is a party with a mouth and an ear.
type someone struct {
	*Party
	*mouth
	ear *ear
}

func (l *lab) join(cfg PartyConfig) *someone {
	if cfg.Volume == 0 {
		cfg.Volume = 100
	}
	s := &someone{Party: l.c.Join(cfg), ear: newEar(l.t, cfg.Codec, l.cfg)}
	s.SetListener(s.ear, false)
	return s
}

// speaks gives it a mouth.
func (l *lab) speaks(s *someone, sound func(i int) float32) *someone {
	s.mouth = newMouth(l.t, sound)
	s.SetInput(s.mouth)
	l.ins = append(l.ins, s.mouth)
	return s
}

// tone is a sine of some Hz, at 48 kHz.
func tone(hz, amplitude float64) func(i int) float32 {
	return func(i int) float32 { return float32(amplitude * math.Sin(2*math.Pi*hz*float64(i)/48000)) }
}

// mouth is an Input that encodes a sound.
type mouth struct {
	t     testing.TB
	sound func(i int) float32
	enc   *opus.Encoder
	way   []Packet // that have not come yet
	queue []Packet
	seq   uint64
	pos   int
	quiet bool // it sends silence, and says so by its level
	level bool // it says how loud it is
	burst int  // frames that come together; 0 = each in time
	lose  int  // one of so many packets is lost, 0 = none

	missing, repairable int // packets that were lost, and those of which the next one tells
	over                bool
}

func newMouth(t testing.TB, sound func(i int) float32) *mouth {
	enc, err := opus.NewEncoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := enc.Set(opus.Settings{Bitrate: 64000, Complexity: 4}); err != nil {
		t.Fatal(err)
	}
	return &mouth{t: t, sound: sound, enc: enc, level: true}
}

func (m *mouth) speak(now mono.Time) {
	if m.over {
		return
	}
	pcm := make([]float32, 960)
	if !m.quiet {
		for i := range pcm {
			pcm[i] = m.sound(m.pos + i)
		}
	}
	m.pos += 960
	b, err := m.enc.Encode(nil, pcm)
	if err != nil {
		m.t.Fatal(err)
	}
	m.seq++
	p := Packet{Seq: m.seq, Timestamp: uint32(m.pos), Arrival: now, Payload: b, HasLevel: m.level, Level: 20, Voice: true}
	if m.quiet {
		p.Level, p.Voice = 127, false
	}
	if m.lose > 0 {
		switch m.seq % uint64(m.lose) {
		case 0:
			m.missing++
			return
		case 1:
			if m.missing > 0 && opus.HasFEC(b) {
				m.repairable++
			}
		}
	}
	if m.way = append(m.way, p); len(m.way) >= m.burst {
		for i := range m.way {
			m.way[i].Arrival = now
		}
		m.queue, m.way = append(m.queue, m.way...), nil
	}
}

func (m *mouth) Next(p *Packet) bool {
	if len(m.queue) == 0 {
		return false
	}
	*p = m.queue[0]
	m.queue = m.queue[1:]
	return true
}

func (m *mouth) Close()        { m.over = true }
func (m *mouth) Drained() bool { return m.over }

// ear decodes what a listener is given.
type ear struct {
	t      testing.TB
	stream int
	dec    *opus.Decoder
	g      *g711Decoder
	pcm    []float32 // all that was heard
	n      int       // packets
}

func newEar(t testing.TB, codec Codec, cfg Config) *ear {
	e := &ear{t: t, stream: -1}
	channels := cfg.channels()
	if codec != Opus {
		e.g = newG711(codec, Config{Rate: 48000})
		return e
	}
	var err error
	if e.dec, err = opus.NewDecoder(48000, channels); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *ear) take(payload []byte) {
	pcm := make([]float32, 5760*2)
	var n int
	var err error
	if e.g != nil {
		n, err = e.g.Decode(payload, pcm)
	} else if n, err = e.dec.Decode(payload, pcm); err == nil {
		n *= e.dec.Channels()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	e.pcm = append(e.pcm, pcm[:n]...)
	e.n++
}

// Close implements Listener.
func (e *ear) Close() {}

// forget begins anew with what was heard.
func (e *ear) forget() { e.pcm, e.n = nil, 0 }

// channel is one of two.
func (e *ear) channel(i int) []float32 {
	var out []float32
	for ; i < len(e.pcm); i += 2 {
		out = append(out, e.pcm[i])
	}
	return out
}

// amplitude is how much of a tone there is in samples of 48 kHz (Goertzel).
func amplitude(pcm []float32, hz float64) float64 {
	var re, im float64
	for i, x := range pcm {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / 48000)
		re += float64(x) * c
		im += float64(x) * s
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

// sink is an Output that gives packets to ears at once.
type sink struct {
	ears  []*ear
	open  map[int]Codec
	next  int
	ended atomic.Bool
	last  map[int]mono.Time
}

func (s *sink) Open(c Codec, _ Listener) int {
	if s.open == nil {
		s.open, s.last = make(map[int]Codec), make(map[int]mono.Time)
	}
	s.next++
	s.open[s.next] = c
	return s.next
}

func (s *sink) Hear(l Listener, stream int) {
	e := l.(*ear)
	if e.stream < 0 {
		s.ears = append(s.ears, e)
	}
	e.stream = stream
	if stream < 0 {
		for i := range s.ears {
			if s.ears[i] == e {
				s.ears = append(s.ears[:i], s.ears[i+1:]...)
				break
			}
		}
	}
}

func (s *sink) Send(stream int, at mono.Time, payload []byte) {
	s.last[stream] = at
	for _, e := range s.ears {
		if e.stream == stream {
			e.take(payload)
		}
	}
}

func (s *sink) Close(stream int) { delete(s.open, stream) }
func (s *sink) Flush()           {}
func (s *sink) End()             { s.ended.Store(true) }
