package mix

import (
	"sync"

	"bifrons/rtp/jitter"
	"bifrons/rtp/opus"
)

// maxSpare is how many decoders of one form are kept for later: each has a quarter of a
// megabyte.
const maxSpare = 16

// Pools keep decoders that are not in use at present, for all conferences. (An encoder that
// starts again is as dear as a new one.)
type Pools struct {
	mu       sync.Mutex
	decoders map[form][]*opus.Decoder
}

// form has the properties that decoders depend on.
type form struct{ rate, channels int }

// decoder is one that starts again.
func (p *Pools) decoder(codec Codec, c Config) (jitter.Decoder, error) {
	if codec != Opus {
		return newG711(codec, c), nil
	}
	k := form{c.Rate, c.channels()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.decoders[k]) - 1; last >= 0 {
		d := p.decoders[k][last]
		p.decoders[k] = p.decoders[k][:last]
		return d, nil
	}
	return opus.NewDecoder(k.rate, k.channels)
}

// put gives one back. One that is broken is thrown away.
func (p *Pools) put(d jitter.Decoder) {
	o, ok := d.(*opus.Decoder)
	if !ok {
		return
	}
	if o.Reset(); o.Broken() {
		return
	}
	k := form{o.Rate(), o.Channels()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decoders == nil {
		p.decoders = make(map[form][]*opus.Decoder)
	}
	if len(p.decoders[k]) < maxSpare {
		p.decoders[k] = append(p.decoders[k], o)
	}
}
