// Package reader reads recordings (.mjr) for playing.
package reader

import (
	"encoding/binary"
	"io"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mjr"
)

// The window in which packets are put into their order. Those that came late were
// retransmitted, which takes no longer.
const (
	maxPackets = 512
	maxSpan    = 500 * time.Millisecond
)

// Header reads the header of a recording. A recording of G.711 that does not say which
// one is known from its first packet.
func Header(in io.Reader) (*mjr.Header, error) {
	r := mjr.NewReader(in)
	read, err := r.Header()
	if err != nil {
		return nil, err
	}
	h := *read // a part of the reader would keep all of it in memory
	if h.Codec != "g711" {
		return &h, nil
	}
	h.Codec = "pcmu"
	if f, err := r.Next(); err == nil && len(f.Data) >= rtp.FixedHeaderLen && f.Data[1]&0x7f == 8 {
		h.Codec = "pcma"
	}
	return &h, nil
}

// Media is a recording of audio or video: a sfu.MediaReader. Its packets have one SSRC, and numbers
// and timestamps without a break that the recording does not have.
type Media struct {
	file io.ReadCloser
	in   *mjr.Sorter
	rate int64 // of the RTP clock, Hz
	red  uint8 // payload type of RED (RFC 2198) in the recording, 0 = none
	opus uint8 // payload type that RED is to have inside, 0 = it is undone
}

// Open makes a Media, which owns the file. opus is the payload type inside RED, if
// the recording has that; with 0 it is undone.
func Open(file io.ReadCloser, opus uint8) (*Media, error) {
	r := mjr.NewReader(file)
	h, err := r.Header()
	if err != nil {
		return nil, err
	}
	in, err := mjr.NewSorter(r, mjr.SortConfig{Packets: maxPackets, Span: maxSpan})
	if err != nil {
		return nil, err
	}
	return &Media{file: file, in: in, rate: int64(h.Rate()), red: h.RED, opus: opus}, nil
}

// Next implements sfu.MediaReader.
func (m *Media) Next(dst []byte) ([]byte, time.Duration, error) {
	p, err := m.in.Next()
	if err != nil {
		return nil, 0, err
	}
	start := len(dst)
	if m.red == 0 {
		dst = append(dst, p.Raw...)
	} else {
		dst = m.appendAudio(dst, &p)
	}
	if len(dst) > start {
		b := dst[start:]
		rtp.SetNumbers(b, uint16(p.Seq), uint32(p.Time))
		binary.BigEndian.PutUint32(b[8:], ssrc)
	}
	return dst, time.Duration(p.Time/m.rate)*time.Second + time.Duration(p.Time%m.rate)*time.Second/time.Duration(m.rate), nil
}

// ssrc is that of all packets, which the engine replaces.
const ssrc = 1

// appendAudio appends a packet of a recording with RED, all of which have it, or none.
func (m *Media) appendAudio(dst []byte, p *mjr.Packet) []byte {
	start := len(dst)
	h := p.FixedHeader
	h.PayloadType = m.red
	dst = h.Append(dst)
	switch {
	case p.PayloadType == m.red && m.opus != 0:
		var d codec.RED
		if d.Parse(p.Payload) != nil {
			return dst[:start]
		}
		dst = append(dst, p.Payload...)
		renumber(dst[start+rtp.FixedHeaderLen:], m.opus)
	case p.PayloadType == m.red:
		b, err := codec.REDPrimary(p.Payload)
		if err != nil || len(b.Data) == 0 {
			return dst[:start]
		}
		dst = append(dst, b.Data...)
	case m.opus != 0:
		dst = append(dst, m.opus)
		dst = append(dst, p.Payload...)
	default:
		dst = append(dst, p.Payload...)
	}
	return dst
}

// renumber gives all blocks of a payload of RED the payload type.
func renumber(payload []byte, pt uint8) {
	for i := 0; ; i += 4 {
		more := payload[i] & 0x80
		payload[i] = more | pt
		if more == 0 {
			return
		}
	}
}

// Close implements sfu.MediaReader.
func (m *Media) Close() error { return m.file.Close() }

// Messages is a recording of a data channel: a sfu.MediaReader.
type Messages struct {
	file  io.ReadCloser
	in    *mjr.Reader
	start int64 // microseconds since 1970, 0 = not known yet
	at    time.Duration
}

// OpenMessages makes a Messages, which owns the file.
func OpenMessages(file io.ReadCloser) (*Messages, error) {
	r := mjr.NewReader(file)
	h, err := r.Header()
	if err != nil {
		return nil, err
	}
	return &Messages{file: file, in: r, start: h.Created}, nil
}

// Next implements sfu.MediaReader.
func (m *Messages) Next(dst []byte) ([]byte, time.Duration, error) {
	f, err := m.in.Next()
	if err != nil {
		return nil, 0, err
	}
	wall, text, ok := f.Message()
	if !ok {
		return dst, m.at, nil
	}
	if m.start == 0 {
		m.start = wall
	}
	if wall > m.start {
		m.at = max(m.at, time.Duration(min(uint64(wall)-uint64(m.start), maxTime))*time.Microsecond)
	}
	return append(dst, text...), m.at, nil
}

// maxTime bounds what a damaged time makes of a message, in microseconds: a year.
const maxTime = 365 * 24 * 3600 * 1e6

// Close implements sfu.MediaReader.
func (m *Messages) Close() error { return m.file.Close() }
