package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

const ms = time.Millisecond

// signalAt is what a voice says at a sample of its own clock.
type signalAt func(n int64, rate, channel int) float32

func sine(hz float64) signalAt {
	return func(n int64, rate, channel int) float32 {
		return float32(0.5 * math.Sin(2*math.Pi*hz*float64(n)/float64(rate)+float64(channel)))
	}
}

// counter tells in each sample which one it is.
func counter(n int64, _, _ int) float32 { return float32(n) / (1 << 20) }

// fake is a Decoder of payloads that say which part of a signal they are.
type fake struct {
	rate, ch  int
	of        signalAt
	conceals  bool  // goes on with the signal; otherwise errors.ErrUnsupported
	end       int64 // behind the latest sample
	decoded   int
	recovered int
	concealed int
	resets    int
}

const payloadSize = 17

// payload is a packet with n samples from a place on, and what it tells of those before.
func payload(from int64, n int, fec bool) []byte {
	b := make([]byte, payloadSize)
	binary.BigEndian.PutUint64(b, uint64(from))
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	if fec {
		b[16] = 1
	}
	return b
}

func (f *fake) write(pcm []float32, from int64) {
	for i := range pcm {
		pcm[i] = f.of(from+int64(i/f.ch), f.rate, i%f.ch)
	}
	f.end = from + int64(len(pcm)/f.ch)
}

func (f *fake) Decode(b []byte, pcm []float32) (int, error) {
	if len(b) != payloadSize || len(pcm) < f.rate*120/1000*f.ch {
		return 0, errors.New("broken")
	}
	n := int(binary.BigEndian.Uint64(b[8:]))
	f.write(pcm[:n*f.ch], int64(binary.BigEndian.Uint64(b)))
	f.decoded++
	return n, nil
}

func (f *fake) Recover(b []byte, pcm []float32) error {
	if len(b) != payloadSize || b[16] == 0 {
		return errors.New("nothing there")
	}
	f.write(pcm, int64(binary.BigEndian.Uint64(b))-int64(len(pcm)/f.ch))
	f.recovered++
	return nil
}

func (f *fake) Conceal(pcm []float32) error {
	if !f.conceals {
		return errors.ErrUnsupported
	}
	f.write(pcm, f.end)
	f.concealed++
	return nil
}

func (f *fake) Reset() { f.resets++ }

// sent is a packet on its way.
type sent struct {
	Packet
	at mono.Time // of arrival
}

// network is how packets come.
type network struct {
	clock    uint32
	rate, ch int
	packet   time.Duration
	length   time.Duration
	delay    func(r *rand.Rand, at time.Duration) time.Duration // above the least
	loss     float64
	reorder  float64 // share of packets that come 30 ms later
	fec      bool
	ppm      float64 // by which the sender's clock is fast
	paused   func(at time.Duration) bool
	dtx      bool // pauses are told, with a packet every 400 ms
	conceals bool
	of       signalAt
	phase    time.Duration // of the ticks
	least    time.Duration
	change   func(i int, p *sent) // of packet i
	seed     uint64
}

// packets lays out all that comes, in order of arrival.
func (w *network) packets() []sent {
	r := rand.New(rand.NewPCG(w.seed, 7))
	var list []sent
	n := int64(w.packet) * int64(w.rate) / int64(time.Second)
	const start = 5 * time.Second
	seq := uint64(1 << 16)
	quiet := 0
	for i, from := 0, int64(0); ; i, from = i+1, from+n {
		// A packet leaves when its last sample was said.
		at := time.Duration(float64((from+n)*int64(time.Second)/int64(w.rate)) / (1 + w.ppm/1e6))
		if at > w.length {
			break
		}
		p := sent{Packet: Packet{
			Seq: seq, Timestamp: 77 + uint32(from*int64(w.clock)/int64(w.rate)), Payload: payload(from, int(n), w.fec),
			Duration: w.packet, FEC: w.fec,
		}}
		if w.paused != nil && w.paused(at) {
			quiet++
			if !w.dtx || (time.Duration(quiet-1)*w.packet)%(400*ms) >= w.packet {
				continue
			}
			p.DTX = true
		} else {
			quiet = 0
		}
		seq++
		if r.Float64() < w.loss {
			continue
		}
		delay := time.Duration(0)
		if w.delay != nil {
			delay = w.delay(r, at)
		}
		if r.Float64() < w.reorder {
			delay += 30 * ms
		}
		p.at = mono.Time(start + at + delay)
		if w.change != nil {
			w.change(i, &p)
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b sent) int { return int(a.at - b.at) })
	return list
}

// heard is what came of it.
type heard struct {
	pcm      []float32
	outcomes []Outcome
	delays   []time.Duration // by the Buffer
	targets  []time.Duration
	ticks    []mono.Time
	stats    Stats
	decoder  *fake
}

func (w *network) run(t testing.TB) *heard {
	t.Helper()
	if w.clock == 0 {
		w.clock = 48000
	}
	if w.rate == 0 {
		w.rate = 48000
	}
	w.ch = max(w.ch, 1)
	if w.packet == 0 {
		w.packet = 20 * ms
	}
	if w.of == nil {
		w.of = sine(440)
	}
	b := New(Config{ClockRate: w.clock, SampleRate: w.rate, Channels: w.ch, Least: w.least})
	h := &heard{decoder: &fake{rate: w.rate, ch: w.ch, of: w.of, conceals: w.conceals}}
	list := w.packets()
	frame := make([]float32, w.rate/50*w.ch)
	for at := mono.Time(5 * time.Second).Add(w.phase); at < mono.Time(5*time.Second).Add(w.length); at = at.Add(FrameTime) {
		for len(list) > 0 && list[0].at <= at {
			b.Push(list[0].at, &list[0].Packet)
			list = list[1:]
		}
		for i := range frame {
			frame[i] = float32(math.NaN())
		}
		out := b.Pull(at, h.decoder, frame)
		for _, v := range frame {
			if math.IsNaN(float64(v)) || out == Silent && v != 0 {
				t.Fatalf("%v with %v", out, v)
			}
		}
		s := b.Stats()
		h.pcm = append(h.pcm, frame...)
		h.outcomes = append(h.outcomes, out)
		h.delays = append(h.delays, s.Delay)
		h.targets = append(h.targets, s.Target)
		h.ticks = append(h.ticks, at)
	}
	h.stats = b.Stats()
	return h
}

// share returns how many of the frames from a time on have an outcome.
func (h *heard) share(o Outcome, from time.Duration) float64 {
	n, all := 0, 0
	for _, v := range h.outcomes[from/FrameTime:] {
		if v == o {
			n++
		}
		if v != Silent && v != Comfort {
			all++
		}
	}
	return float64(n) / float64(max(all, 1))
}

// delay returns the mean delay, from a time on, that a counter was heard with: from the
// end of its packet, which is when that was sent, to the first sample's play-out.
func (h *heard) delay(w *network, from time.Duration) (mean, most time.Duration) {
	n := w.rate / 50
	var sum time.Duration
	count := 0
	for i := int(from / FrameTime); i < len(h.outcomes); i++ {
		if a, b := h.pcm[i*n*w.ch], h.pcm[(i*n+1)*w.ch]; h.outcomes[i] != Sound || math.Abs(float64(b-a)*(1<<20)-1) > 0.9 {
			continue // faded, spliced
		}
		place := float64(h.pcm[i*n*w.ch]) * (1 << 20) / float64(w.rate) / (1 + w.ppm/1e6)
		d := h.ticks[i].Sub(mono.Time(5*time.Second)) - time.Duration(place*float64(time.Second)) - w.packet
		sum += d
		most = max(most, d)
		count++
	}
	return sum / time.Duration(max(count, 1)), most
}

// click returns the largest departure from a sine of hz, of any amplitude and phase,
// from one sample to the next, in full scale.
func (h *heard) click(hz float64, rate, ch int) (worst float64, at int) {
	k := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	for i := 2 * ch; i < len(h.pcm); i++ {
		e := math.Abs(float64(h.pcm[i]) - k*float64(h.pcm[i-ch]) + float64(h.pcm[i-2*ch]))
		if e > worst {
			worst, at = e, i/ch
		}
	}
	return worst, at
}

func uniform(d time.Duration) func(*rand.Rand, time.Duration) time.Duration {
	return func(r *rand.Rand, _ time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
}

func bursts(r *rand.Rand, at time.Duration) time.Duration {
	// Every 3 s all that was sent in 100 ms comes at once.
	if in := at % (3 * time.Second); in < 100*ms {
		return 100*ms - in
	}
	return time.Duration(r.Int64N(int64(2 * ms)))
}
