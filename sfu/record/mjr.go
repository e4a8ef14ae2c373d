package record

import (
	"encoding/binary"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mono"
)

// MJR is the Format of recordings of Janus, of one track; see package mjr. All packets get
// the SSRC of the first, as tools leave those of another one out.
type MJR struct {
	// Header describes the recording, but for the times.
	Header mjr.Header

	created time.Time
	first   mono.Time // when the first frame arrived, 0 before
	ssrc    uint32
}

// Begin implements Format. All but the magic has to wait for the first frame.
func (m *MJR) Begin(dst []byte, wall time.Time) []byte {
	m.created = wall
	return mjr.AppendMagic(dst)
}

// Packet implements Format.
func (m *MJR) Packet(dst []byte, p *Packet) []byte {
	if m.first == 0 {
		m.ssrc = binary.BigEndian.Uint32(p.RTP[8:])
	}
	dst, ms := m.frame(dst, p.Arrival, p.Arrival.Wall())
	before := len(dst)
	if dst = mjr.AppendFrame(dst, ms, p.RTP); len(dst) > before {
		rtp.SetSSRC(dst[len(dst)-len(p.RTP):], m.ssrc)
	}
	return dst
}

// Message implements Format.
func (m *MJR) Message(dst []byte, x *Message) []byte {
	dst, ms := m.frame(dst, x.At, x.Wall)
	return mjr.AppendMessage(dst, ms, x.Wall.UnixMicro(), x.Payload)
}

// frame appends the header before the first frame, and says how many milliseconds after
// that one another came.
func (m *MJR) frame(dst []byte, at mono.Time, wall time.Time) ([]byte, uint32) {
	if m.first == 0 {
		m.first = at
		m.Header.Created, m.Header.First = m.created.UnixMicro(), wall.UnixMicro()
		dst = mjr.AppendHeader(dst, &m.Header)
	}
	return dst, uint32(max(at.Sub(m.first), 0) / time.Millisecond)
}

// Report implements Format: there is no place for it.
func (m *MJR) Report(*Report) {}

// Flush implements Format.
func (m *MJR) Flush(dst []byte, _ mono.Time) (out []byte, keyframe int) { return dst, -1 }

// End implements Format.
func (m *MJR) End(dst []byte) (rest []byte, patches []Patch) { return dst, nil }
