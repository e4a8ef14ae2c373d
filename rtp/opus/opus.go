// Package opus encodes and decodes Opus (RFC 6716). It is a small face of gopus,
// a codec in pure Go.
//
// Samples are float32, interleaved, 1.0 is full scale. A frame that is encoded
// lasts 20 ms. Encoders and decoders belong to one goroutine at a time. They
// allocate nothing once they have seen a frame of each mode, but with FEC and where
// packets are lost.
//
// Whatever panics inside the codec becomes an error. The Encoder or Decoder
// that it happened to is broken from then on: every call returns ErrBroken.
package opus

import (
	"errors"
	"fmt"

	"bifrons/rtp/codec"

	"github.com/thesyncim/gopus"
)

// Errors of this package besides those of the codec itself.
var (
	// ErrBroken means that the codec panicked. It is not to be used again.
	ErrBroken = errors.New("opus: codec is broken")
	// ErrMalformed means that a payload is no Opus packet (RFC 6716, section 3.4).
	ErrMalformed = errors.New("opus: malformed packet")
	// ErrNoFEC means that a payload has no in-band forward error correction.
	ErrNoFEC = errors.New("opus: packet without FEC")
	// ErrLength means that a slice of samples has the wrong length.
	ErrLength = errors.New("opus: wrong number of samples")
	// ErrSettings means that settings are out of range.
	ErrSettings = errors.New("opus: settings out of range")
)

const (
	// MaxEncoded is the size of the largest packet that an Encoder makes, in bytes.
	MaxEncoded = 1275
	// MaxPayload is the size of the largest packet that a Decoder takes, in bytes.
	MaxPayload = 1500

	maxFrame = 1275 // bytes (RFC 6716, section 3.2.1)

	// ceiling is the largest sample that goes in or comes out. A codec may pass full
	// scale by a little; more than this is nonsense that somebody sent.
	ceiling = 2
)

// bandwidths are the widest ones that a sampling rate can carry (RFC 6716, table 1).
var bandwidths = map[int]gopus.Bandwidth{
	8000:  gopus.BandwidthNarrowband,
	12000: gopus.BandwidthMediumband,
	16000: gopus.BandwidthWideband,
	24000: gopus.BandwidthSuperwideband,
	48000: gopus.BandwidthFullband,
}

// modes and widths are the codec's values for the fields of packets.
var (
	modes = [...]gopus.EncoderMode{
		codec.OpusSILK: gopus.EncoderModeSILK, codec.OpusHybrid: gopus.EncoderModeHybrid, codec.OpusCELT: gopus.EncoderModeCELT,
	}
	widths = map[uint16]gopus.Bandwidth{
		4000: gopus.BandwidthNarrowband, 6000: gopus.BandwidthMediumband, 8000: gopus.BandwidthWideband,
		12000: gopus.BandwidthSuperwideband, 20000: gopus.BandwidthFullband,
	}
)

// check reports whether Opus has a sampling rate in Hz and a number of channels.
func check(rate, channels int) error {
	if _, ok := bandwidths[rate]; !ok || channels < 1 || channels > 2 {
		return fmt.Errorf("opus: no such format: %d Hz, %d channels", rate, channels)
	}
	return nil
}

// caught turns a panic of the codec into an error, for good. It is to be deferred.
func caught(broken *bool, err *error) {
	if r := recover(); r != nil {
		*broken = true
		*err = fmt.Errorf("%w: %v", ErrBroken, r)
	}
}

// bounded reports whether samples are within the ceiling, and numbers.
func bounded(pcm []float32) bool {
	for _, v := range pcm {
		if !(v >= -ceiling && v <= ceiling) {
			return false
		}
	}
	return true
}

// bound keeps samples within the ceiling, and turns NaNs into silence.
func bound(pcm []float32) {
	for i, v := range pcm {
		switch {
		case v >= -ceiling && v <= ceiling:
		case v > ceiling:
			pcm[i] = ceiling
		case v < -ceiling:
			pcm[i] = -ceiling
		default:
			pcm[i] = 0
		}
	}
}
