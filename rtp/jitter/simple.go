package jitter

import (
	"slices"

	"bifrons/rtp/mono"
)

type slot struct {
	Packet
	at mono.Time
}

type core struct {
	packets []slot // by timestamp, the first past of them were played
	past    int
	ready   []float32
	pos     uint32
	running bool
	missing int
	scratch []float32
}

func (b *Buffer) waiting() int { return len(b.packets) - b.past }

func (b *Buffer) reset() {
	b.core = core{scratch: b.scratch}
}

func (b *Buffer) push(now mono.Time, p *Packet) {
	if b.running && int32(p.Timestamp-b.pos) < 0 {
		if int32(p.Timestamp-b.pos) > -int32(b.cfg.ClockRate) {
			b.stats.Late++
			return
		}
		b.reset()
	}
	i := len(b.packets)
	for i > 0 && int32(b.packets[i-1].Timestamp-p.Timestamp) >= 0 {
		if i--; b.packets[i].Timestamp == p.Timestamp {
			b.stats.Repeated++
			return
		}
	}
	s := slot{*p, now}
	s.Payload = append([]byte(nil), p.Payload...)
	b.packets = slices.Insert(b.packets, max(i, b.past), s)
	for len(b.packets)-b.past > MaxPackets {
		b.past++
	}
	b.forget()
}

func (b *Buffer) forget() {
	if n := b.past - warm; n > 0 {
		b.packets = slices.Delete(b.packets, 0, n)
		b.past = warm
	}
}

func (b *Buffer) due(now mono.Time) bool {
	return b.past < len(b.packets) && (now.Sub(b.packets[b.past].at) >= b.cfg.Least || b.waiting() > 1)
}

func (b *Buffer) pull(now mono.Time, d Decoder, pcm []float32) Outcome {
	clear(pcm)
	ch := b.cfg.Channels
	if b.scratch == nil {
		b.scratch = make([]float32, 6*b.frame*ch)
	}
	if !b.running {
		if !b.due(now) {
			return Silent
		}
		b.running, b.pos, b.missing = true, b.packets[b.past].Timestamp, 0
	}
	out := Sound
	for len(b.ready) < len(pcm) {
		add := b.scratch[:len(pcm)]
		switch {
		case b.past == len(b.packets):
			if b.missing++; b.missing > 5 {
				b.running = false
				return Silent
			}
			out = Concealed
			if d.Conceal(add) != nil {
				clear(add)
			}
		default:
			p := &b.packets[b.past]
			gap := p.Timestamp - b.pos
			lost := int(gap)*b.cfg.SampleRate/int(b.cfg.ClockRate)/b.frame - b.missing
			if lost > 0 && lost < 6 {
				b.missing++
				if out = Recovered; lost > 1 || d.Recover(p.Payload, add) != nil {
					if out = Concealed; d.Conceal(add) != nil {
						clear(add)
					}
				}
				break
			}
			n, err := d.Decode(p.Payload, b.scratch)
			if err == nil && n > 0 && n*ch <= len(b.scratch) {
				add = b.scratch[:n*ch]
			} else {
				clear(add)
			}
			b.missing = 0
			b.pos = p.Timestamp + uint32(len(add)/ch*int(b.cfg.ClockRate)/b.cfg.SampleRate)
			b.past++
			b.forget()
		}
		b.ready = append(b.ready, add...)
	}
	b.ready = b.ready[:copy(b.ready, b.ready[copy(pcm, b.ready):])]
	b.stats.Frames++
	return out
}

func (b *Buffer) skip(now mono.Time) Outcome {
	b.running, b.ready = false, b.ready[:0]
	if !b.due(now) {
		return Silent
	}
	b.past++
	b.forget()
	return Sound
}

func (b *Buffer) prime(d Decoder) {
	if b.scratch == nil {
		b.scratch = make([]float32, 6*b.frame*b.cfg.Channels)
	}
	d.Reset()
	for i := range b.past {
		d.Decode(b.packets[i].Payload, b.scratch)
	}
}
