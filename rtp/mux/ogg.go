package mux

import (
	"encoding/binary"

	"bifrons/rtp/frame"
	"bifrons/rtp/ogg"
)

// Ogg writes Opus in Ogg (RFC 7845).
type Ogg struct {
	info Info
	out  *ogg.Writer
	end  uint64 // granule position of the latest packet
}

// NewOgg returns a writer of Opus in Ogg. The error wraps ErrFit.
func NewOgg(info Info) (*Ogg, error) {
	if len(info.Tracks) != 1 {
		return nil, ErrFit
	}
	if t := &info.Tracks[0]; t.Codec != frame.Opus {
		return nil, unfit(t, "Ogg")
	}
	return &Ogg{info: info, out: ogg.NewWriter(1)}, nil
}

// SetTrack implements Writer.
func (*Ogg) SetTrack(int, Track) {}

// Header implements Writer.
func (m *Ogg) Header(dst []byte) []byte {
	dst = m.out.Flush(m.out.Packet(dst, OpusHead(m.info.Tracks[0].channels()), 0), false)
	text := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	tags := text([]byte("OpusTags"), m.info.App)
	if m.info.Comment == "" {
		tags = binary.LittleEndian.AppendUint32(tags, 0)
	} else {
		tags = text(binary.LittleEndian.AppendUint32(tags, 1), "COMMENT="+m.info.Comment)
	}
	return m.out.Flush(m.out.Packet(dst, tags, 0), false)
}

// Append implements Writer. The position of a packet is its end.
func (m *Ogg) Append(dst []byte, s *Sample) []byte {
	m.end = max(m.end, uint64(ticks(s.Time+s.Duration, 48000)))
	return m.out.Packet(dst, s.Data, m.end)
}

// Flush implements Writer.
func (m *Ogg) Flush(dst []byte) []byte { return m.out.Flush(dst, false) }

// End implements Writer.
func (m *Ogg) End(dst []byte) ([]byte, []Patch) { return m.out.Flush(dst, true), nil }
