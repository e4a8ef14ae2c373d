package mix

import (
	"math"
	"testing"

	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// script is an Input whose packets a fuzzer has written.
type script struct {
	queue []Packet
	over  bool
}

func (s *script) Next(p *Packet) bool {
	if len(s.queue) == 0 {
		return false
	}
	*p = s.queue[0]
	s.queue = s.queue[1:]
	return true
}

func (s *script) Close()        { s.over = true }
func (s *script) Drained() bool { return true }

// mouthful is what is sent of a mix.
type mouthful struct {
	sink
	t *testing.T
}

func (m *mouthful) Send(stream int, _ mono.Time, payload []byte) {
	if len(payload) == 0 || len(payload) > opus.MaxEncoded || m.open[stream] != Opus && len(payload) != 160 {
		m.t.Fatalf("a packet of %d bytes", len(payload))
	}
}

// FuzzConference has parties come, go, change and send whatever they like.
func FuzzConference(f *testing.F) {
	f.Add([]byte("\x00\x10\x21\x08\x55abcdefghij\x31\x05hello\x40\x51\x62\x73\x84\x95"), uint8(2), true)
	f.Add([]byte("\x00\x00\x01\x02\x10\x20\x21\x22\x09\x7fxxxxxxxx"), uint8(0), false)
	rates := []int{8000, 12000, 16000, 24000, 48000}
	f.Fuzz(func(t *testing.T, b []byte, rate uint8, stereo bool) {
		if len(b) > 300 {
			b = b[:300]
		}
		now := mono.Time(1e9)
		c := New(Config{Rate: rates[int(rate)%len(rates)], Stereo: stereo, Groups: 1}, &mouthful{t: t}, new(Pools), func() {})
		c.Tap(func(_ mono.Time, pcm []float32) {
			for _, x := range pcm {
				if math.IsNaN(float64(x)) || x > 1 || x < -1 {
					t.Fatalf("the sum has a sample of %v", x)
				}
			}
		})
		var parties [4]*Party
		var inputs [4]*script
		next := func() (x byte) {
			if len(b) > 0 {
				x, b = b[0], b[1:]
			}
			return x
		}
		for len(b) > 0 {
			op := next()
			i := int(op) % len(parties)
			p := parties[i]
			if p == nil {
				s := Settings{Volume: int(next()) * 4, Position: int(op) - 1}
				s.Encoding.Complexity, s.Encoding.FEC = 1, op&16 != 0
				p = c.Join(PartyConfig{Settings: s, Codec: Codec(op>>2) % 3, Group: int(op>>4) % 2, Hears: int(op>>5) % 2})
				inputs[i] = new(script)
				p.SetInput(inputs[i])
				p.SetListener(&ear{stream: -1}, op&64 != 0)
				parties[i] = p
				continue
			}
			switch op >> 4 {
			case 0, 1, 2, 3:
				seq, time, n := uint64(next()), uint32(next())*960, int(next())
				n = min(n, len(b))
				inputs[i].queue = append(inputs[i].queue, Packet{
					Seq: seq, Timestamp: time, Arrival: now, Payload: b[:n],
					HasLevel: op&64 != 0, Level: op & 127, Voice: op&32 != 0, Redundant: op&16 != 0,
				})
				b = b[n:]
			case 4:
				p.Set(Settings{Volume: 100, Muted: op&8 != 0, Suspended: op&4 != 0})
			case 5:
				c.SetMuted(op&8 != 0)
			case 6:
				p.SetGroup(int(op & 1))
				p.ResetDecoder()
			case 7:
				p.Leave()
				parties[i] = nil
			default:
				for range op >> 6 {
					now = now.Add(Frame)
					c.Tick(now, now)
				}
			}
		}
		c.Tick(now.Add(Frame), now.Add(Frame))
		c.Close()
		c.Tick(now.Add(2*Frame), now.Add(2*Frame))
		if s := c.Stats(); s.Encoders != 0 || s.Decoders != 0 || s.Parties != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}
