package mux

import "encoding/binary"

// WAV writes samples of 16 bits. Times of samples count for nothing: gaps are filled by
// who wants them filled.
type WAV struct {
	track Track
	size  int64 // octets of samples
}

// NewWAV returns a writer of WAV. The error wraps ErrFit.
func NewWAV(info Info) (*WAV, error) {
	if len(info.Tracks) != 1 {
		return nil, ErrFit
	}
	if t := &info.Tracks[0]; !t.Codec.PCM() {
		return nil, unfit(t, "WAV")
	}
	return &WAV{track: info.Tracks[0]}, nil
}

// SetTrack implements Writer.
func (*WAV) SetTrack(int, Track) {}

// Header implements Writer. Until the end the sizes say that they are not known.
func (m *WAV) Header(dst []byte) []byte {
	le := binary.LittleEndian
	rate, channels := uint32(m.track.rate()), uint32(m.track.channels())
	dst = append(dst, "RIFF\xff\xff\xff\xffWAVEfmt "...)
	dst = le.AppendUint32(dst, 16)
	dst = le.AppendUint16(dst, 1) // PCM
	dst = le.AppendUint16(dst, uint16(channels))
	dst = le.AppendUint32(dst, rate)
	dst = le.AppendUint32(dst, rate*channels*2)
	dst = le.AppendUint16(dst, uint16(channels*2))
	dst = le.AppendUint16(dst, 16)
	return append(dst, "data\xff\xff\xff\xff"...)
}

// Append implements Writer.
func (m *WAV) Append(dst []byte, s *Sample) []byte {
	m.size += int64(len(s.Data))
	return append(dst, s.Data...)
}

// Flush implements Writer.
func (*WAV) Flush(dst []byte) []byte { return dst }

// End implements Writer. More than four gigabytes stay without sizes.
func (m *WAV) End(dst []byte) ([]byte, []Patch) {
	if m.size > 1<<32-64 {
		return dst, nil
	}
	size := func(v int64) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
	return dst, []Patch{{4, size(m.size + 36)}, {40, size(m.size)}}
}
