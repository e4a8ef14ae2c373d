package mix

import (
	"errors"

	"bifrons/rtp/g711"
	"bifrons/rtp/resample"
)

// g711Decoder decodes G.711 at the rate and with the channels of a conference.
type g711Decoder struct {
	law    g711.Law
	stereo bool
	up     *resample.Resampler
	low    []float32
	mono   []float32
}

// newG711 makes a decoder.
func newG711(codec Codec, c Config) *g711Decoder {
	return &g711Decoder{
		law: codec.law(), stereo: c.Stereo, up: c.resampler(g711.Rate, c.Rate),
		low: make([]float32, maxG711), mono: make([]float32, c.Rate/50*maxG711/160),
	}
}

// maxG711 is how many samples a packet has at most: those of 120 ms.
const maxG711 = 960

func (c Codec) law() g711.Law {
	if c == PCMA {
		return g711.PCMA
	}
	return g711.PCMU
}

// resampler converts between the rates of a conference and of G.711, for all of which there
// is one.
func (c Config) resampler(from, to int) *resample.Resampler {
	r, err := resample.New(from, to, 1)
	if err != nil {
		panic(err)
	}
	return r
}

// Decode implements jitter.Decoder.
func (d *g711Decoder) Decode(payload []byte, pcm []float32) (samples int, err error) {
	if len(payload) == 0 || len(payload) > maxG711 || len(payload)%20 != 0 {
		return 0, errors.New("mix: length of a G.711 packet")
	}
	low := d.low[:d.law.Decode(payload, d.low)]
	if !d.stereo {
		return d.up.Process(pcm, low), nil
	}
	n := d.up.Process(d.mono, low)
	for i, x := range d.mono[:n] {
		pcm[2*i], pcm[2*i+1] = x, x
	}
	return n, nil
}

// Recover implements jitter.Decoder.
func (d *g711Decoder) Recover([]byte, []float32) error { return errors.ErrUnsupported }

// Conceal implements jitter.Decoder.
func (d *g711Decoder) Conceal([]float32) error { return errors.ErrUnsupported }

// Reset implements jitter.Decoder.
func (d *g711Decoder) Reset() { d.up.Reset() }
