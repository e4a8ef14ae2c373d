package record

import (
	"encoding/binary"
	"math"
	"time"

	"bifrons/rtp/mono"
)

// WAV is the Format of samples of 16 bits, little endian and interleaved, which come as
// messages: RIFF WAVE. Until the end the header says that the file is as large as can be,
// which players take for "to the end of the file".
type WAV struct {
	Rate     int // Hz
	Channels int

	bytes uint64 // of samples so far
}

// wavHeader is how long the header of a file is, and riffHeader the part of it that the size
// of the whole leaves out.
const (
	wavHeader  = 44
	riffHeader = 8
)

// Begin implements Format.
func (f *WAV) Begin(dst []byte, _ time.Time) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(append(dst, "RIFF"...), math.MaxUint32)
	dst = le.AppendUint32(append(dst, "WAVEfmt "...), 16)
	dst = le.AppendUint16(dst, 1) // PCM
	dst = le.AppendUint16(dst, uint16(f.Channels))
	dst = le.AppendUint32(dst, uint32(f.Rate))
	dst = le.AppendUint32(dst, uint32(f.Rate*f.Channels*2))
	dst = le.AppendUint16(dst, uint16(f.Channels*2))
	dst = le.AppendUint16(dst, 16)
	return le.AppendUint32(append(dst, "data"...), math.MaxUint32)
}

// Packet implements Format: there are none.
func (f *WAV) Packet(dst []byte, _ *Packet) []byte { return dst }

// Message implements Format.
func (f *WAV) Message(dst []byte, m *Message) []byte {
	f.bytes += uint64(len(m.Payload))
	return append(dst, m.Payload...)
}

// Report implements Format.
func (f *WAV) Report(*Report) {}

// Flush implements Format.
func (f *WAV) Flush(dst []byte, _ mono.Time) (out []byte, keyframe int) { return dst, -1 }

// End implements Format. A file larger than the header can say keeps the header of the
// beginning.
func (f *WAV) End(dst []byte) (rest []byte, patches []Patch) {
	if f.bytes > math.MaxUint32-wavHeader {
		return dst, nil
	}
	size := func(n uint64) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	return dst, []Patch{
		{Offset: 4, Bytes: size(f.bytes + wavHeader - riffHeader)},
		{Offset: wavHeader - 4, Bytes: size(f.bytes)},
	}
}
