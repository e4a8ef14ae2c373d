package opus

import (
	"time"

	"bifrons/rtp/codec"
)

// packet is an Opus packet, parsed down to its frames.
type packet struct {
	toc   codec.Opus
	first []byte // frame
}

// parse checks a payload by the rules of RFC 6716, section 3.4.
func parse(payload []byte) (p packet, ok bool) {
	if len(payload) > MaxPayload || p.toc.Parse(payload) != nil {
		return p, false
	}
	return p, p.parseFrames(payload)
}

func (p *packet) parseFrames(payload []byte) bool {
	rest := payload[1:]
	switch payload[0] & 3 { // frame counts of section 3.2
	case 0:
		p.first = rest
	case 1:
		if len(rest)%2 != 0 {
			return false
		}
		rest = rest[:len(rest)/2]
		p.first = rest
	case 2:
		size, n := frameLength(rest)
		if n == 0 || size > len(rest)-n {
			return false
		}
		p.first, rest = rest[n:n+size], rest[n+size:]
	default:
		return p.parseMany(payload[1], rest[1:])
	}
	return len(rest) <= maxFrame
}

// parseMany reads a packet of code 3 after its frame count (section 3.2.5).
func (p *packet) parseMany(count byte, rest []byte) bool {
	const variable, padded = 0x80, 0x40
	if count&padded != 0 {
		padding := 0
		for more := true; more; rest = rest[1:] {
			if len(rest) == 0 {
				return false
			}
			more = rest[0] == 255
			padding += int(rest[0])
			if more {
				padding--
			}
		}
		if padding > len(rest) {
			return false
		}
		rest = rest[:len(rest)-padding]
	}
	frames := int(p.toc.Frames)
	if count&variable == 0 {
		if len(rest)%frames != 0 || len(rest)/frames > maxFrame {
			return false
		}
		p.first = rest[:len(rest)/frames]
		return true
	}
	sizes, first := 0, -1
	for range frames - 1 {
		size, n := frameLength(rest)
		if n == 0 {
			return false
		}
		if first < 0 {
			first = size
		}
		sizes += size
		rest = rest[n:]
	}
	if sizes > len(rest) || len(rest)-sizes > maxFrame {
		return false
	}
	if first < 0 {
		first = len(rest)
	}
	p.first = rest[:first]
	return true
}

// frameLength reads the length of a frame and the bytes that it takes (RFC 6716,
// section 3.2.1), 0 if it is cut.
func frameLength(b []byte) (size, n int) {
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] < 252:
		return int(b[0]), 1
	case len(b) < 2:
		return 0, 0
	}
	return int(b[0]) + 4*int(b[1]), 2
}

// samples are those of each channel at a rate in Hz.
func (p *packet) samples(rate int) int { return int(p.toc.Samples) * rate / 48000 }

// hasFEC reads the LBRR flags in front of the first frame (RFC 6716, sections 4.2.3
// and 4.2.4): those of the middle channel, then those of the side channel.
func (p *packet) hasFEC() bool {
	if p.toc.Mode == codec.OpusCELT || len(p.first) == 0 {
		return false
	}
	silk := max(1, int(p.toc.FrameSamples)/960) // frames of 20 ms, or one of 10
	flags := p.first[0] >> (7 - silk) & 1       // after a VAD flag for each
	if p.toc.Channels == 2 {
		flags |= p.first[0] >> (6 - 2*silk) & 1
	}
	return flags != 0
}

// Duration is how long a packet lasts (RFC 6716, section 3.1), 0 if it is malformed.
func Duration(payload []byte) time.Duration {
	p, ok := parse(payload)
	if !ok {
		return 0
	}
	return time.Duration(p.toc.Samples) * time.Second / 48000
}

// DTX reports whether a packet says no more than that nothing is said: it has a
// table of contents and at most one byte more (RFC 6716, section 2.1.9).
func DTX(payload []byte) bool { return len(payload) <= 2 }

// HasFEC reports whether a packet has in-band forward error correction for the packet
// before it (RFC 6716, section 2.1.7).
func HasFEC(payload []byte) bool {
	p, ok := parse(payload)
	return ok && p.hasFEC()
}

// Seamless reports whether a decoder that has decoded the first of two packets can go
// on with the second, of another encoder, without a click, as far as their modes
// are concerned. It cannot if SILK has another sampling rate inside.
func Seamless(last, next []byte) bool {
	a, ok := parse(last)
	b, also := parse(next)
	return ok && also && (a.silkRate() == 0 || b.silkRate() == 0 || a.silkRate() == b.silkRate())
}

// silkRate is the sampling rate inside SILK in Hz (RFC 6716, section 2), 0 without.
func (p *packet) silkRate() int {
	if p.toc.Mode == codec.OpusCELT {
		return 0
	}
	return 2 * min(8000, int(p.toc.Bandwidth))
}
