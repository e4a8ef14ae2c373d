package opus

import "github.com/thesyncim/gopus"

// Decoder decodes the packets of one stream.
//
// It takes 150 to 210 KB (stereo 210 to 330) when it is made, and 150 to 300 KB
// (stereo 220 to 440) as it decodes; the higher the rate, the more. After Reset it
// is as good as a new one, so it pays to keep one.
type Decoder struct {
	inner          *gopus.Decoder
	rate, channels int
	broken         bool
}

// NewDecoder returns a decoder. rate is 8000, 12000, 16000, 24000 or 48000 Hz,
// channels 1 or 2, whatever the packets have.
func NewDecoder(rate, channels int) (d *Decoder, err error) {
	if err := check(rate, channels); err != nil {
		return nil, err
	}
	d = &Decoder{rate: rate, channels: channels}
	defer caught(&d.broken, &err)
	d.inner, err = gopus.NewDecoder(gopus.DecoderConfig{
		SampleRate: rate, Channels: channels, MaxPacketSamples: rate * 120 / 1000, MaxPacketBytes: MaxPayload,
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Rate and Channels are those of NewDecoder.
func (d *Decoder) Rate() int     { return d.rate }
func (d *Decoder) Channels() int { return d.channels }

// Decode decodes a packet to the front of pcm and returns the samples of each
// channel. 120 ms are room for any packet. A payload that is refused changes
// nothing.
func (d *Decoder) Decode(payload []byte, pcm []float32) (samples int, err error) {
	if d.broken {
		return 0, ErrBroken
	}
	p, ok := parse(payload)
	if !ok {
		return 0, ErrMalformed
	}
	samples = p.samples(d.rate)
	if len(pcm) < samples*d.channels {
		return 0, ErrLength
	}
	pcm = pcm[:samples*d.channels]
	defer caught(&d.broken, &err)
	if n, err := d.inner.Decode(payload, pcm); err != nil {
		return 0, err
	} else if n != samples {
		return 0, ErrLength
	}
	bound(pcm)
	return samples, nil
}

// Recover fills pcm with the audio that was lost right before payload, from the in-band
// forward error correction in payload (RFC 6716, section 2.1.7). It is n times
// 2.5 ms long, at most 120 ms. FEC reaches back as far as one packet; all
// before that is concealed. payload itself is to be decoded next. ErrNoFEC means
// that payload has none: nothing has changed then. It allocates 4 KB inside the
// codec, as Conceal does.
func (d *Decoder) Recover(payload []byte, pcm []float32) (err error) {
	switch {
	case d.broken:
		return ErrBroken
	case !d.fits(pcm) || len(pcm) > d.rate*120/1000*d.channels:
		return ErrLength
	}
	p, ok := parse(payload)
	if !ok {
		return ErrMalformed
	}
	if !p.hasFEC() {
		return ErrNoFEC
	}
	defer caught(&d.broken, &err)
	if n, err := d.inner.DecodeWithFEC(payload, pcm, true); err != nil {
		return err
	} else if n*d.channels != len(pcm) {
		return ErrLength
	}
	bound(pcm)
	return nil
}

// Conceal fills all of pcm, n times 2.5 ms, with plausible audio where a packet
// is missing. It fades within about 100 ms.
func (d *Decoder) Conceal(pcm []float32) (err error) {
	switch {
	case d.broken:
		return ErrBroken
	case !d.fits(pcm):
		return ErrLength
	}
	defer caught(&d.broken, &err)
	for len(pcm) > 0 {
		part := pcm[:min(len(pcm), d.rate/50*d.channels)]
		if n, err := d.inner.Decode(nil, part); err != nil {
			return err
		} else if n*d.channels != len(part) {
			return ErrLength
		}
		bound(part)
		pcm = pcm[len(part):]
	}
	return nil
}

// fits reports whether pcm is n times 2.5 ms long.
func (d *Decoder) fits(pcm []float32) bool {
	return len(pcm) > 0 && len(pcm)%(d.rate/400*d.channels) == 0
}

// Broken reports that the codec has panicked.
func (d *Decoder) Broken() bool { return d.broken }

// Reset forgets the past: the next packet begins a stream.
func (d *Decoder) Reset() {
	if d.broken {
		return
	}
	var err error // broken reports it
	defer caught(&d.broken, &err)
	d.inner.Reset()
}
