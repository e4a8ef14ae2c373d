package codec

// OpusMode is the coder that an Opus packet was made with.
type OpusMode uint8

// The modes of Opus (RFC 6716, section 3.1).
const (
	OpusSILK OpusMode = iota
	OpusHybrid
	OpusCELT
)

// Opus is the table of contents of one Opus packet (RFC 6716, section 3.1),
// which is an RTP payload of its own (RFC 7587, section 4.2).
type Opus struct {
	Mode      OpusMode
	Bandwidth uint16 // audio bandwidth in Hz, 4000 to 20000
	Channels  uint8  // 1 or 2
	Frames    uint8  // 1 to 48
	// FrameSamples and Samples are the durations of one frame and of the
	// packet in samples at 48 kHz, the RTP clock.
	FrameSamples, Samples uint16
	// DTX is set when the packet carries no speech: a table of contents, and
	// at most one octet more. A receiver makes comfort noise in its place.
	DTX bool
}

// Parse reads the front of payload. It returns ErrShort for a packet without
// a table of contents or frame count and ErrSyntax for one longer than 120 ms.
func (d *Opus) Parse(payload []byte) error {
	*d = Opus{}
	if len(payload) < 1 {
		return ErrShort
	}
	toc := payload[0]
	d.Mode, d.Bandwidth, d.FrameSamples = opusConfig(toc >> 3)
	d.Channels = 1 + toc>>2&1
	d.DTX = len(payload) <= 2
	switch toc & 3 {
	case 0:
		d.Frames = 1
	case 1, 2:
		d.Frames = 2
	case 3:
		if len(payload) < 2 {
			return ErrShort
		}
		d.Frames = payload[1] & 0x3f
	}
	total := int(d.FrameSamples) * int(d.Frames)
	if total > 48*120 || d.Frames == 0 {
		return ErrSyntax
	}
	d.Samples = uint16(total)
	return nil
}

// opusConfig is table 2 of RFC 6716.
func opusConfig(config uint8) (mode OpusMode, bandwidth, samples uint16) {
	switch {
	case config < 12:
		return OpusSILK, 4000 + 2000*uint16(config>>2), [4]uint16{480, 960, 1920, 2880}[config&3]
	case config < 16:
		bandwidth = 12000
		if config >= 14 {
			bandwidth = 20000
		}
		return OpusHybrid, bandwidth, 480 << (config & 1)
	}
	bandwidth = [4]uint16{4000, 8000, 12000, 20000}[config>>2&3]
	return OpusCELT, bandwidth, 120 << (config & 3)
}
