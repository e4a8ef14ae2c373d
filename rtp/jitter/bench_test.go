package jitter

import (
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// constant is a Decoder that costs nothing.
type constant struct{ n int }

func (c constant) Decode([]byte, []float32) (int, error) { return c.n, nil }
func (constant) Recover([]byte, []float32) error         { return nil }
func (constant) Conceal([]float32) error                 { return nil }
func (constant) Reset()                                  {}

// BenchmarkFrame is a packet that comes, with 30 ms of jitter, and a frame that is played.
func BenchmarkFrame(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	late := make([]time.Duration, 1024)
	for i := range late {
		late[i] = time.Duration(r.Int64N(int64(30 * ms)))
	}
	buf := New(Config{})
	p := Packet{Seq: 1 << 16, Payload: make([]byte, 100), Duration: 20 * ms}
	pcm := make([]float32, 960)
	now := mono.Time(time.Hour)
	b.ReportAllocs()
	for i := range b.N {
		p.Seq++
		p.Timestamp += 960
		now = now.Add(FrameTime)
		buf.Push(now.Add(late[i%len(late)]), &p)
		buf.Pull(now, constant{960}, pcm)
	}
}

// BenchmarkSkip is a packet that comes and a frame that nobody hears.
func BenchmarkSkip(b *testing.B) {
	buf := New(Config{})
	p := Packet{Seq: 1 << 16, Payload: make([]byte, 100), Duration: 20 * ms}
	now := mono.Time(time.Hour)
	b.ReportAllocs()
	for range b.N {
		p.Seq++
		p.Timestamp += 960
		now = now.Add(FrameTime)
		buf.Push(now, &p)
		buf.Skip(now)
	}
}

// BenchmarkStretch is the search for where the signal is alike, which is done before a
// splice.
func BenchmarkStretch(b *testing.B) {
	var s signal
	s.rate, s.ch = 48000, 2
	s.settle()
	f := fake{rate: 48000, ch: 2, of: sine(440)}
	f.write(s.buf, 0)
	s.end = s.start + 2*960
	for range b.N {
		s.find(s.start, 480, 120, 720, 1)
	}
}
