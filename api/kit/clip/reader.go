package clip

import (
	"math/rand/v2"
	"time"

	"bifrons/rtp"
)

// Reader is audio as RTP: a sfu.MediaReader. It owns the audio.
type Reader struct {
	Audio
	header rtp.FixedHeader // of the next packet
	pieces int             // so far
}

const tick = 20 * time.Millisecond

// NewReader makes a Reader with a payload type.
func NewReader(audio Audio, pt uint8) *Reader {
	return &Reader{Audio: audio, header: rtp.FixedHeader{Marker: true, PayloadType: pt, SequenceNumber: 1, SSRC: rand.Uint32()}}
}

// Next implements sfu.MediaReader.
func (r *Reader) Next(dst []byte) ([]byte, time.Duration, error) {
	payload, err := r.Audio.Next()
	if err != nil {
		return nil, 0, err
	}
	at, h := time.Duration(r.pieces)*tick, &r.header
	if len(payload) > 0 {
		n := len(dst)
		dst = append(dst, make([]byte, rtp.FixedHeaderLen)...)
		h.Put(dst[n:])
		dst = append(dst, payload...)
		h.SequenceNumber++
	}
	r.pieces++
	h.Marker = false
	h.Timestamp += r.Step()
	return dst, at, nil
}
