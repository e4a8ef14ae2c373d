package mix

import (
	"sync"

	"bifrons/rtp/jitter"
	"bifrons/rtp/opus"
)

// maxSpare is how many encoders, and how many decoders, of one form are kept for later: each has
// half a megabyte.
const maxSpare = 16

// Pools keep codecs that are not in use at present, for all conferences.
type Pools struct {
	mu       sync.Mutex
	encoders map[Config][]*opus.Encoder
	decoders map[Config][]*opus.Decoder
}

// form is the part of a Config that codecs depend on.
func (c *Conference) form() Config { return Config{Rate: c.cfg.Rate, Stereo: c.cfg.Stereo} }

// encoder is one that begins anew.
func (p *Pools) encoder(c *Conference) (*opus.Encoder, error) {
	if e := take(p, &p.encoders, c.form()); e != nil {
		return e, nil
	}
	return opus.NewEncoder(c.cfg.Rate, c.cfg.channels())
}

// putEncoder gives one back.
func (p *Pools) putEncoder(c *Conference, e *opus.Encoder) {
	e.Reset()
	put(p, &p.encoders, c.form(), e)
}

// dropEncoder throws one away that cannot be used any more.
func (p *Pools) dropEncoder(*Conference, *opus.Encoder) {}

// decoder is one that begins anew.
func (p *Pools) decoder(c *Conference, codec Codec) (jitter.Decoder, error) {
	if codec != Opus {
		return newG711(codec, c.cfg), nil
	}
	if d := take(p, &p.decoders, c.form()); d != nil {
		return d, nil
	}
	return opus.NewDecoder(c.cfg.Rate, c.cfg.channels())
}

// putDecoder gives one back.
func (p *Pools) putDecoder(c *Conference, d jitter.Decoder) {
	if o, ok := d.(*opus.Decoder); ok {
		o.Reset()
		put(p, &p.decoders, c.form(), o)
	}
}

func take[T any](p *Pools, m *map[Config][]*T, k Config) *T {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := (*m)[k]
	if len(list) == 0 {
		return nil
	}
	last := list[len(list)-1]
	list[len(list)-1] = nil
	(*m)[k] = list[:len(list)-1]
	return last
}

func put[T any](p *Pools, m *map[Config][]*T, k Config, v *T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *m == nil {
		*m = make(map[Config][]*T)
	}
	if list := (*m)[k]; len(list) < maxSpare && false {
		(*m)[k] = append(list, v)
	}
}
