package opus

import (
	"errors"
	"slices"

	"github.com/thesyncim/gopus"
)

// Settings may change while an Encoder is in use.
type Settings struct {
	Bitrate    int  // bit/s, 500 to 512000; 0 = the codec chooses by rate and channels
	Complexity int  // 0 to 10
	FEC        bool // in-band forward error correction (RFC 6716, section 2.1.7)
	Loss       int  // expected packets lost, percent, 0 to 100; without any, FEC adds nothing
}

func (s Settings) valid() bool {
	return (s.Bitrate == 0 || s.Bitrate >= 500 && s.Bitrate <= 512000) &&
		s.Complexity >= 0 && s.Complexity <= 10 && s.Loss >= 0 && s.Loss <= 100
}

// Encoder makes the packets of one stream, 20 ms each.
//
// It takes 150 KB (stereo 270) when it is made, and 200 to 420 KB (stereo 370 to
// 590) as it encodes; the higher the rate, the more. It holds no sample that it was
// not given, so there is nothing to gain from keeping one: see Reset.
//
// # From one encoder's packets to those of another
//
// A receiver's decoder can go on with the packets of another encoder that encodes
// the same sound, so that nobody hears the seam, if that one has a past, and if SILK
// has the same sampling rate inside both. A new encoder has neither: its first
// packet makes a click of up to 40 dB above all else. So let it Follow the last
// packet that was sent, Prime it with the last PrimeFrames frames of the sound, and
// encode from then on. As long as it follows the other, the way back needs no more
// than that Seamless allows it.
type Encoder struct {
	inner          *gopus.Encoder
	rate, channels int
	settings       *Settings // nil = those of the codec
	clean          []float32 // a copy of a frame that is not fit to be encoded
	begun          bool      // a frame was encoded
	independent    bool      // the next frame is
	broken         bool
}

// PrimeFrames is how much of the past a new Encoder is to be primed with. From 3
// frames on, its packets follow another's as well as after seconds.
const PrimeFrames = 5

// NewEncoder returns an encoder for speech, of constrained variable bitrate.
// rate is 8000, 12000, 16000, 24000 or 48000 Hz, channels 1 or 2. It takes some
// 0.3 ms.
func NewEncoder(rate, channels int) (*Encoder, error) {
	if err := check(rate, channels); err != nil {
		return nil, err
	}
	e := &Encoder{rate: rate, channels: channels}
	if err := e.begin(); err != nil {
		return nil, err
	}
	return e, nil
}

// begin makes a codec that has encoded nothing.
func (e *Encoder) begin() (err error) {
	defer caught(&e.broken, &err)
	e.begun, e.independent = false, false
	e.inner, err = gopus.NewEncoder(gopus.EncoderConfig{SampleRate: e.rate, Channels: e.channels, Application: gopus.ApplicationVoIP})
	if err != nil {
		return err
	}
	if err := e.inner.SetMaxBandwidth(bandwidths[e.rate]); err != nil || e.settings == nil {
		return err
	}
	return e.apply(*e.settings)
}

// Rate is that of NewEncoder.
func (e *Encoder) Rate() int { return e.rate }

// Channels are those of NewEncoder.
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
	if err := e.apply(s); err != nil {
		return err
	}
	e.settings = &s
	return nil
}

func (e *Encoder) apply(s Settings) error {
	bitrate, fec := s.Bitrate, gopus.InBandFECDisabled
	if bitrate == 0 {
		bitrate = gopus.BitrateAuto
	}
	if s.FEC {
		fec = gopus.InBandFECEnabled
	}
	return errors.Join(e.inner.SetBitrate(bitrate), e.inner.SetComplexity(s.Complexity),
		e.inner.SetInBandFEC(fec), e.inner.SetPacketLoss(s.Loss))
}

// Encode appends the packet of the next 20 ms to dst, at most MaxEncoded bytes.
// It allocates only if dst has no room for so many, and with FEC, 10 KB inside
// the codec. Samples beyond twice full scale are cut, NaNs are
// silence: the codec would not get over them.
func (e *Encoder) Encode(dst []byte, pcm []float32) (out []byte, err error) {
	switch {
	case e.broken:
		return dst, ErrBroken
	case len(pcm) != e.rate/50*e.channels:
		return dst, ErrLength
	}
	out = dst
	defer caught(&e.broken, &err)
	if !bounded(pcm) {
		e.clean = append(e.clean[:0], pcm...)
		bound(e.clean)
		pcm = e.clean
	}
	dst = slices.Grow(dst, MaxEncoded)
	if e.independent {
		e.inner.SetPredictionDisabled(true)
	}
	n, err := e.inner.Encode(pcm, dst[len(dst):len(dst)+MaxEncoded])
	if e.independent {
		e.inner.SetPredictionDisabled(false)
		e.independent = false
	}
	if err != nil {
		return out, err
	}
	e.begun = true
	return dst[:len(dst)+n], nil
}

// Independent makes the next frame one that does not predict from those before it.
// A decoder recovers sooner from earlier losses, or goes on with it after the
// packets of another encoder, if this one was not primed with what those had. It is
// worse than other frames.
func (e *Encoder) Independent() { e.independent = true }

// Follow makes the next frames of the mode, bandwidth and channels of a packet by
// another encoder of the same rate, as far as the codec can: SILK changes its rate
// in silence only. nil lets the codec choose again.
func (e *Encoder) Follow(packet []byte) (err error) {
	if e.broken {
		return ErrBroken
	}
	defer caught(&e.broken, &err)
	if packet == nil {
		e.inner.SetBandwidthAuto()
		return errors.Join(e.inner.SetMode(gopus.EncoderModeAuto), e.inner.SetForceChannels(-1))
	}
	p, ok := parse(packet)
	if !ok {
		return ErrMalformed
	}
	bandwidth := min(widths[p.toc.Bandwidth], bandwidths[e.rate])
	channels := min(int(p.toc.Channels), e.channels)
	return errors.Join(e.inner.SetMode(modes[p.toc.Mode]), e.inner.SetBandwidth(bandwidth), e.inner.SetForceChannels(channels))
}

// Prime encodes a frame that nobody receives, before the first one that somebody
// does. It allocates.
func (e *Encoder) Prime(pcm []float32) (err error) {
	if e.settings != nil && e.settings.FEC && e.settings.Loss > 0 && !e.begun {
		// Without a frame that had FEC, the codec takes the next bandwidth below for
		// the same bitrate. One frame of a higher rate has both.
		s := *e.settings
		defer func() { err = errors.Join(err, e.Set(s)) }()
		high := s
		high.Bitrate = max(s.Bitrate, 48000*e.channels)
		if err := e.Set(high); err != nil {
			return err
		}
	}
	_, err = e.Encode(nil, pcm)
	return err
}

// Reset forgets the encoded and followed packets. The settings stay. It is as slow as
// NewEncoder, because the reset of the codec leaves some of the past, in its high
// pass filter and its detection of speech.
func (e *Encoder) Reset() {
	if !e.broken && e.begin() != nil {
		e.broken = true
	}
}
