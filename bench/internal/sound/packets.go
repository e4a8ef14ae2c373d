package sound

import (
	"math"
	"slices"
	"sync"
	"time"

	"bifrons/rtp/opus"
)

// Frame is how many samples a packet has.
const Frame = Rate / 50

// Packet is 20 ms of Opus.
type Packet struct {
	Payload []byte
	Level   uint8 // -dBov, 127 = silence (RFC 6464)
}

// Encode makes packets as browsers do, at a bitrate, for a way on which so many percent
// are lost. The rest of the last frame is dropped.
func Encode(pcm []float32, bitrate, loss int) ([]Packet, error) {
	e, err := opus.NewEncoder(Rate, 1)
	if err != nil {
		return nil, err
	}
	if err := e.Set(opus.Settings{Bitrate: bitrate, Complexity: 9, FEC: true, Loss: loss}); err != nil {
		return nil, err
	}
	var list []Packet
	for ; len(pcm) >= Frame; pcm = pcm[Frame:] {
		b, err := e.Encode(nil, pcm[:Frame])
		if err != nil {
			return nil, err
		}
		list = append(list, Packet{b, level(pcm[:Frame])})
	}
	return list, nil
}

// Decode decodes packets of which none is missing.
func Decode(list []Packet) ([]float32, error) {
	var t Tape
	for i, p := range list {
		t.Add(uint16(i), 0, p.Payload)
	}
	h, err := t.Play()
	return h.PCM, err
}

// Best is the received audio of packets that are repeated, by a server that loses
// nothing and encodes them at a bitrate, 0 = as the codec likes.
func Best(says []Packet, bitrate int) ([]float32, error) {
	pcm, err := Decode(slices.Concat(says, says, says[:min(len(says), Rate/Frame)]))
	if err != nil {
		return nil, err
	}
	list, err := Encode(pcm, bitrate, 0)
	if err != nil {
		return nil, err
	}
	if pcm, err = Decode(list); err != nil {
		return nil, err
	}
	const delays = 2 * Rate * 65 / 10000 // of both encoders
	return pcm[len(says)*Frame+delays:][:len(says)*Frame], nil
}

// FEC is the share of packets that have redundancy for the one before (RFC 6716, 2.1.7).
func FEC(list []Packet) float64 {
	n := 0
	for _, p := range list {
		if opus.HasFEC(p.Payload) {
			n++
		}
	}
	return float64(n) / float64(max(len(list), 1))
}

func level(pcm []float32) uint8 {
	sum := 0.0
	for _, x := range pcm {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return 127
	}
	return uint8(min(127, max(0, -10*math.Log10(sum/float64(len(pcm))))))
}

// Tape has the packets that went past a place. It may be used from anywhere.
type Tape struct {
	mu   sync.Mutex
	list []passed
}

type passed struct {
	seq     uint16
	at      time.Duration
	payload []byte
}

// Add notes a packet, which is lent.
func (t *Tape) Add(seq uint16, at time.Duration, payload []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, passed{seq, at, slices.Clone(payload)})
}

// Heard is the decoded audio of a Tape.
type Heard struct {
	PCM   []float32
	times []time.Duration // of each frame: when its packet was there
}

// Play decodes the tape. Missing packets are concealed, and as late as the next one.
func (t *Tape) Play() (h Heard, err error) {
	d, err := opus.NewDecoder(Rate, 1)
	if err != nil {
		return h, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pcm := make([]float32, Rate*120/1000)
	add := func(n int, at time.Duration) {
		h.PCM = append(h.PCM, pcm[:n]...)
		for range n / Frame {
			h.times = append(h.times, at)
		}
	}
	var last uint16
	for i, p := range t.list {
		gap := int(int16(p.seq - last))
		if i > 0 && gap <= 0 {
			continue
		}
		for k := 1; i > 0 && k < min(gap, 50); k++ {
			if err := d.Conceal(pcm[:Frame]); err != nil {
				return h, err
			}
			add(Frame, p.at)
		}
		last = p.seq
		n, err := d.Decode(p.payload, pcm)
		if err != nil {
			return h, err
		}
		add(n/Frame*Frame, p.at)
	}
	return h, nil
}

// When is when a sample is heard by somebody who plays every packet as it comes.
func (h *Heard) When(i int) time.Duration {
	return h.times[i/Frame] + time.Duration(i%Frame)*time.Second/Rate
}

// from is the first sample of the first packet that was there at a time or later.
func (h *Heard) from(at time.Duration) int {
	i, _ := slices.BinarySearch(h.times, at)
	return i * Frame
}
