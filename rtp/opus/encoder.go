package opus

import (
	"slices"

	"github.com/thesyncim/gopus"
)

// Settings are what may change while an Encoder is in use.
type Settings struct {
	Bitrate    int  // bit/s, 500 to 512000; 0 = the codec chooses by rate and channels
	Complexity int  // 0 to 10
	FEC        bool // in-band forward error correction (RFC 6716, section 2.1.7)
	Loss       int  // expected packets lost, percent, 0 to 100
}

func (s Settings) valid() bool {
	return (s.Bitrate == 0 || s.Bitrate >= 500 && s.Bitrate <= 512000) &&
		s.Complexity >= 0 && s.Complexity <= 10 && s.Loss >= 0 && s.Loss <= 100
}

// Encoder makes packets of one stream.
type Encoder struct {
	inner          *gopus.Encoder
	rate, channels int
	independent    bool // the next frame is
	broken         bool
}

// NewEncoder returns an encoder for speech, of constrained variable bitrate.
// rate is 8000, 12000, 16000, 24000 or 48000 Hz, channels 1 or 2.
func NewEncoder(rate, channels int) (e *Encoder, err error) {
	if err := check(rate, channels); err != nil {
		return nil, err
	}
	e = &Encoder{rate: rate, channels: channels}
	defer caught(&e.broken, &err)
	e.inner, err = gopus.NewEncoder(gopus.EncoderConfig{SampleRate: rate, Channels: channels, Application: gopus.ApplicationVoIP})
	if err != nil {
		return nil, err
	}
	return e, e.inner.SetMaxBandwidth(bandwidths[rate])
}

// Rate and Channels are those of NewEncoder.
func (e *Encoder) Rate() int     { return e.rate }
func (e *Encoder) Channels() int { return e.channels }

// Set changes the settings from the next frame on, or nothing if it returns an error.
func (e *Encoder) Set(s Settings) (err error) {
	switch {
	case e.broken:
		return ErrBroken
	case !s.valid():
		return ErrSettings
	}
	defer caught(&e.broken, &err)
	bitrate, fec := s.Bitrate, gopus.InBandFECDisabled
	if bitrate == 0 {
		bitrate = gopus.BitrateAuto
	}
	if s.FEC {
		fec = gopus.InBandFECEnabled
	}
	for _, err := range [...]error{
		e.inner.SetBitrate(bitrate), e.inner.SetComplexity(s.Complexity),
		e.inner.SetInBandFEC(fec), e.inner.SetPacketLoss(s.Loss),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Encode appends the packet of the next 20 ms to dst, at most MaxEncoded bytes.
// It allocates only if dst has no room for so many. Samples beyond full scale are
// taken as they are, those that are no number as silence.
func (e *Encoder) Encode(dst []byte, pcm []float32) (out []byte, err error) {
	switch {
	case e.broken:
		return dst, ErrBroken
	case len(pcm) != e.rate/50*e.channels:
		return dst, ErrLength
	}
	out = dst
	defer caught(&e.broken, &err)
	if e.independent {
		e.inner.SetPredictionDisabled(true)
	}
	dst = slices.Grow(dst, MaxEncoded)
	n, err := e.inner.Encode(pcm, dst[len(dst):len(dst)+MaxEncoded])
	if e.independent {
		e.independent = false
		e.inner.SetPredictionDisabled(false)
	}
	if err != nil {
		return out, err
	}
	return dst[:len(dst)+n], nil
}

// Independent makes the next frame one that does not refer to those before it.
func (e *Encoder) Independent() { e.independent = true }

// Reset forgets what was encoded. The settings stay.
func (e *Encoder) Reset() {
	if e.broken {
		return
	}
	var err error // it is told by broken
	defer caught(&e.broken, &err)
	e.independent = false
	e.inner.SetPredictionDisabled(false)
	e.inner.Reset()
}
