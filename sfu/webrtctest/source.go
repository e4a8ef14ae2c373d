package webrtctest

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// VP8Payload is the payload type that pion gives to VP8.
const VP8Payload = 96

// stampMark ends a numbered payload, before its number.
var stampMark = []byte("numbered")

// StampLen is how long a stamp is.
const StampLen = 16

// Stamp ends a payload with a number.
func Stamp(payload []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(payload, stampMark...), n)
}

// Stamped reads the number back.
func Stamped(payload []byte) (n uint64, ok bool) {
	at := len(payload) - StampLen
	if at < 0 || !bytes.HasPrefix(payload[at:], stampMark) {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload[at+len(stampMark):]), true
}

// Source sends numbered packets on a track. It is used by one goroutine, but
// for the atomic fields.
type Source struct {
	Track      *webrtc.TrackLocalStaticRTP
	Extensions []Extension   // header extensions that every packet carries
	Size       int           // bytes of payload in each packet
	Base       uint64        // added to the numbers
	Keyframe   atomic.Bool   // one was asked for
	Sent       atomic.Uint64 // number of the last packet, without base

	Seq       uint16
	Timestamp uint32
	Picture   uint16

	mu   sync.Mutex
	when []time.Time // that the packets were sent
}

// Extension is a header extension (RFC 8285).
type Extension struct {
	ID    uint8
	Value string
}

// Write sends one packet. Failures count as losses on the way.
func (s *Source) Write(payload []byte, marker bool) {
	s.Seq++
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, SequenceNumber: s.Seq, Timestamp: s.Timestamp},
		Payload: Stamp(payload, s.Base+s.Sent.Add(1)),
	}
	for _, x := range s.Extensions {
		_ = p.SetExtension(x.ID, []byte(x.Value))
	}
	s.mu.Lock()
	s.when = append(s.when, time.Now())
	s.mu.Unlock()
	_ = s.Track.WriteRTP(p)
}

// Sound sends one packet of 20 ms that looks like Opus.
func (s *Source) Sound() {
	s.Timestamp += 960
	s.Write(append(make([]byte, 0, 64), 0xf8, 0xff, 0xfe), s.Sent.Load() == 0)
}

// Frame sends a VP8 picture of so many packets (RFC 7741), the first one and
// requested ones as key frames. every is the time between frames.
func (s *Source) Frame(packets int, every time.Duration) {
	s.Picture++
	s.Timestamp += uint32(every * 90000 / time.Second)
	key := s.Keyframe.Swap(false) || s.Sent.Load() == 0
	for i := range packets {
		b := VP8(s.Picture, i == 0, key)
		b = append(b, make([]byte, max(s.Size-len(b)-StampLen, 0))...)
		s.Write(b, i == packets-1)
	}
}

// VP8 is the beginning of a packet: the descriptor with a 15-bit picture id, a
// TL0PICIDX and a temporal layer 0, then a frame header in the first packet.
func VP8(picture uint16, first, key bool) []byte {
	start := byte(0x80)
	if first {
		start |= 0x10
	}
	b := []byte{start, 0xe0, 0x80 | byte(picture>>8), byte(picture), byte(picture), 0}
	switch {
	case first && key:
		b = append(b, 0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00)
	case first:
		b = append(b, 0x11, 2, 0, 0, 0, 0, 0, 0, 0, 0)
	default:
		b = append(b, make([]byte, 10)...)
	}
	return b
}

// Next sends a packet of audio, or a picture of one packet.
func (s *Source) Next() {
	if s.Track.Kind() == webrtc.RTPCodecTypeAudio {
		s.Sound()
	} else {
		s.Frame(1, time.Second/30)
	}
}
