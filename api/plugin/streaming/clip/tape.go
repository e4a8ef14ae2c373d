package clip

import (
	"math/rand/v2"
	"time"

	"bifrons/rtp"
)

// Tape is audio as RTP: a sfu.Tape. It owns the audio.
type Tape struct {
	Audio
	header rtp.FixedHeader // of the next packet
	pieces int             // so far
}

const tick = 20 * time.Millisecond

// NewTape makes a Tape with a payload type.
func NewTape(audio Audio, pt uint8) *Tape {
	return &Tape{Audio: audio, header: rtp.FixedHeader{Marker: true, PayloadType: pt, SequenceNumber: 1, SSRC: rand.Uint32()}}
}

// Next implements sfu.Tape.
func (t *Tape) Next(dst []byte) ([]byte, time.Duration, error) {
	payload, err := t.Audio.Next()
	if err != nil {
		return nil, 0, err
	}
	at, h := time.Duration(t.pieces)*tick, &t.header
	if len(payload) > 0 {
		n := len(dst)
		dst = append(dst, make([]byte, rtp.FixedHeaderLen)...)
		h.Put(dst[n:])
		dst = append(dst, payload...)
		h.SequenceNumber++
	}
	t.pieces++
	h.Marker = false
	h.Timestamp += t.Step()
	return dst, at, nil
}
