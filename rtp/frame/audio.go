package frame

import "bifrons/rtp/codec"

// pushAudio takes a packet of audio. Frames are as long as their packets, so that
// there is nothing to put together but the repeats of RED.
func (a *Assembler) pushAudio(p *Packet, ts, lost uint64) {
	lost += a.pic.Lost
	if a.pic.Lost = 0; len(p.Payload) == 0 {
		a.pic.Lost = lost
		return
	}
	a.audio = a.audio[:0]
	if a.codec != Opus || !p.RED {
		a.addAudio(p, p.Payload, ts, lost)
		return
	}
	var d codec.RED
	if d.Parse(p.Payload) != nil {
		a.out = append(a.out, Frame{Timestamp: ts, Arrival: p.Arrival, Key: true, Lost: lost})
		return
	}
	primary, _ := codec.REDPrimary(p.Payload)
	if lost > 0 && a.audioAt != 0 {
		lost = a.rebuild(p, &d, primary.PT, ts, lost)
	}
	if len(primary.Data) == 0 {
		a.pic.Lost = lost
		return
	}
	a.addAudio(p, primary.Data, ts, lost)
}

// rebuild gives the lost packets that are repeated in a RED payload, and returns how
// many are lost even so.
func (a *Assembler) rebuild(p *Packet, d *codec.RED, pt uint8, ts, lost uint64) uint64 {
	n := uint64(0)
	for e := *d; ; {
		b, ok := e.Next()
		if !ok || b.Primary {
			break
		}
		if a.repeats(&b, pt, ts, a.audioAt) {
			n++
		}
	}
	skip := n - min(n, lost) // more than are missing: the latest count
	lost -= min(n, lost)
	for {
		b, ok := d.Next()
		if !ok || b.Primary {
			return lost
		}
		if !a.repeats(&b, pt, ts, a.audioAt) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		a.addAudio(p, b.Data, ts-uint64(b.Offset), lost)
		a.out[len(a.out)-1].Rebuilt = true
		lost = 0
	}
}

// repeats reports whether a block is audio from after some moment.
func (a *Assembler) repeats(b *codec.REDBlock, pt uint8, ts, after uint64) bool {
	at := ts - uint64(b.Offset)
	return b.PT == pt && len(b.Data) > 0 && b.Offset > 0 && at > after && at < ts
}

// addAudio gives one frame.
func (a *Assembler) addAudio(p *Packet, payload []byte, ts, lost uint64) {
	at := len(a.audio)
	f := Frame{Timestamp: ts, Arrival: p.Arrival, Key: true, Whole: true, Lost: lost}
	switch a.codec {
	case Opus:
		a.audio = append(a.audio, payload...)
		var d codec.Opus
		if f.Whole = d.Parse(payload) == nil; f.Whole {
			f.Samples = uint32(d.Samples)
		}
	case PCMU, PCMA, G711:
		law := &pcmu
		if a.codec == PCMA || a.codec == G711 && p.PT == 8 {
			law = &pcma
		}
		a.audio = appendG711(a.audio, law, payload)
		f.Samples = uint32(len(payload))
	case G722:
		if a.g722 == nil {
			a.g722 = newG722()
		}
		a.audio = a.g722.append(a.audio, payload)
		f.Samples = uint32(len(payload))
	case L16:
		a.audio = appendL16(a.audio, payload)
		f.Samples = uint32(len(payload) / 2)
		f.Whole = f.Samples > 0
	default:
		f.Whole = false
	}
	f.Data = a.audio[at:len(a.audio):len(a.audio)]
	a.audioAt = max(a.audioAt, ts)
	a.out = append(a.out, f)
}

// appendL16 appends big-endian samples (RFC 3551, 4.5.11) as little-endian ones. Half a
// sample at the end is left out.
func appendL16(dst, payload []byte) []byte {
	for i := 0; i+1 < len(payload); i += 2 {
		dst = append(dst, payload[i+1], payload[i])
	}
	return dst
}

// law has the sample for each octet of G.711.
type law [256]int16

func appendG711(dst []byte, l *law, payload []byte) []byte {
	for _, b := range payload {
		v := uint16(l[b])
		dst = append(dst, byte(v), byte(v>>8))
	}
	return dst
}

// pcmu is mu-law: sign, three bits of exponent, four of mantissa, all inverted (G.711,
// table 2).
var pcmu = func() (l law) {
	for i := range l {
		b := ^byte(i)
		v := (int16(b&0x0f)<<3+132)<<(b>>4&7) - 132
		if b&0x80 != 0 {
			v = -v
		}
		l[i] = v
	}
	return l
}()

// pcma is A-law: the same with even bits inverted and a linear first segment (G.711,
// table 1).
var pcma = func() (l law) {
	for i := range l {
		b := byte(i) ^ 0x55
		v := int16(b&0x0f)<<4 + 8
		if e := b >> 4 & 7; e > 0 {
			v = (v + 256) << (e - 1)
		}
		if b&0x80 == 0 {
			v = -v
		}
		l[i] = v
	}
	return l
}()
