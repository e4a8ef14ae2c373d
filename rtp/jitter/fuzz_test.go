package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// wild is a Decoder that does what the payload says.
type wild struct{ ch int }

func (d wild) Decode(b []byte, pcm []float32) (int, error) {
	for i := range pcm {
		pcm[i] = float32(int8(b[i%len(b)])) / 128
	}
	switch b[0] {
	case 1:
		return 0, errors.New("broken")
	case 2:
		pcm[int(b[len(b)-1])%len(pcm)] = float32(math.NaN())
	case 3:
		return len(pcm), nil
	case 4:
		return -1, nil
	}
	return min(int(b[len(b)-1])*11, len(pcm)/d.ch), nil
}

func (d wild) Recover(b []byte, pcm []float32) error {
	if b[0]&1 == 0 {
		return errors.ErrUnsupported
	}
	_, err := d.Decode(b, pcm)
	return err
}

func (d wild) Conceal(pcm []float32) error {
	if d.ch == 2 {
		return errors.ErrUnsupported
	}
	for i := range pcm {
		pcm[i] = 0.1
	}
	return nil
}

func (wild) Reset() {}

// FuzzBuffer does what the bytes say: packets of all kinds, frames pulled and skipped, time
// that jumps.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100})
	f.Add([]byte{3, 1, 1, 1, 1, 9, 1, 1, 1, 9, 2, 200, 1, 1, 9, 3, 1, 9, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("\x07\x00the quick brown fox jumps over the lazy dog, again and again and again"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 {
			return
		}
		rates := []int{8000, 12000, 16000, 24000, 48000}
		cfg := Config{ClockRate: 48000, SampleRate: rates[int(in[0])%len(rates)], Channels: 1 + int(in[0]>>7)}
		if in[0]&64 != 0 {
			cfg.ClockRate = 8000
		}
		b := New(cfg)
		d := wild{cfg.Channels}
		guard := float32(12345)
		pcm := make([]float32, cfg.SampleRate/50*cfg.Channels+1)
		p := Packet{Seq: 1 << 16, Duration: 20 * ms}
		now := mono.Time(time.Hour)
		if in[1]&1 != 0 {
			now = 1
		}
		in = in[2:]
		next := func(n int) []byte {
			var room [8]byte
			in = in[copy(room[:n], in):]
			return room[:]
		}
		for len(in) > 0 {
			op := next(1)[0]
			switch op % 16 {
			case 0, 1, 2, 3, 4, 5: // the next packet
				p.Seq++
				p.Timestamp += uint32(time.Duration(cfg.ClockRate) * p.Duration / time.Second)
				p.Payload = append([]byte{op >> 4}, next(int(op>>5))...)
				p.FEC, p.DTX, p.Redundant = op&16 != 0, op&32 != 0, false
				b.Push(now, &p)
			case 6: // one of those before, or that never was
				q := p
				k := next(2)
				q.Seq -= uint64(k[0])
				q.Timestamp -= uint32(k[0]) * uint32(time.Duration(cfg.ClockRate)*p.Duration/time.Second)
				q.Redundant = op&16 != 0
				q.Timestamp += uint32(k[1] >> 6)
				b.Push(now, &q)
			case 7:
				p.Seq = binary.LittleEndian.Uint64(next(8))
			case 8:
				p.Timestamp = binary.LittleEndian.Uint32(next(4))
			case 9:
				p.Timestamp += uint32(int8(next(1)[0])) * 100
			case 10:
				p.Duration = time.Duration(int8(next(1)[0])) * 2500 * time.Microsecond
			case 11:
				now = now.Add(time.Duration(int16(binary.LittleEndian.Uint16(next(2)))) * ms)
			case 12:
				b.Skip(now)
				now = now.Add(FrameTime)
			case 13:
				switch op >> 4 {
				case 0:
					b.Prime(d)
				case 1:
					b.Reset()
				case 2:
					p.Payload = make([]byte, 1400)
					for range 60 {
						p.Seq++
						p.Timestamp += 100
						b.Push(now, &p)
					}
				}
			default:
				now = now.Add(FrameTime)
				pcm[len(pcm)-1] = guard
				out := b.Pull(now, d, pcm)
				for _, v := range pcm[:len(pcm)-1] {
					if !(v >= -100 && v <= 100) || out == Silent && v != 0 {
						t.Fatalf("%v in %v", v, out)
					}
				}
				if pcm[len(pcm)-1] != guard {
					t.Fatal("written beyond the frame")
				}
			}
			s := b.Stats()
			if s.Waiting > MaxPackets || b.store.n > len(b.store.list) || len(b.store.arena) > MaxBytes || s.Target < 5*ms || s.Target > 300*ms {
				t.Fatalf("%+v", s)
			}
			live := 0
			for i := range b.store.n {
				live += b.store.list[i].size
			}
			if live != b.store.live || live > MaxBytes {
				t.Fatalf("%d bytes, %d counted", live, b.store.live)
			}
		}
	})
}
