package mix

import (
	"bifrons/rtp/g711"
	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
	"bifrons/rtp/resample"
)

// key has the settings of parties that share an encoding.
type key struct {
	codec    Codec
	settings opus.Settings // zero but for Opus
	hears    int
}

func (p *Party) key() key {
	k := key{codec: p.cfg.Codec, hears: p.cfg.Hears}
	if k.codec == Opus {
		k.settings = p.cfg.Encoding
	}
	return k
}

// encoding is a mix as the packets of a stream.
type encoding struct {
	c         *Conference
	key       key
	stream    int
	listeners int // that hear it

	enc   *opus.Encoder       // nil when it failed, and for G.711
	down  *resample.Resampler // to 8 kHz, for G.711
	low   []float32           // the result
	mono  []float32           // of a stereo mix, for G.711
	pcm   []float32           // input of the encoder
	out   []byte              // the latest packet
	still int                 // frames of silence that were encoded

	follows bool // enc encodes like another one
}

// find is the encoding for all who agree on it, nil if there is none.
func (c *Conference) find(k key) *encoding {
	for _, e := range c.shared {
		if e.key == k {
			return e
		}
	}
	return nil
}

// share is the encoding for all who agree on it, for a listener that comes from another one,
// or from none.
func (c *Conference) share(k key, from *encoding) *encoding {
	e := c.find(k)
	if e == nil {
		e = c.begin(k, nil, from)
		c.shared = append(c.shared, e)
	}
	return e
}

// begin makes an encoding that goes on where another one of the same sum is left, nil = there
// was none. The frame that is mixed at present is not in the history yet.
func (c *Conference) begin(k key, alone Listener, from *encoding) *encoding {
	e := &encoding{c: c, key: k, stream: c.out.Open(k.codec, alone), pcm: make([]float32, c.cfg.samples())}
	if k.codec != Opus {
		e.low = make([]float32, 160)
		e.mono = make([]float32, c.cfg.Rate/50)
		e.down = c.cfg.resampler(c.cfg.Rate, g711.Rate)
	}
	e.prime(from)
	return e
}

// prime has the encoder encode the frames before, if it is the sum of all, in the way that
// another one encoded it last.
func (e *encoding) prime(from *encoding) {
	if e.key.codec == Opus && !e.renew() || e.key.hears != 0 {
		return
	}
	e.follow(from)
	for i := range primed {
		copy(e.pcm, e.c.past.frame(i))
		switch {
		case e.key.codec != Opus:
			e.narrow()
		case e.enc != nil && e.enc.Prime(e.pcm) != nil:
			e.fail()
		}
	}
}

// follow has the next frame encoded in the way that another encoding was last, so that a
// listener can go from one to the other; nil = as the codec likes.
func (e *encoding) follow(other *encoding) {
	if e.enc == nil {
		return
	}
	var packet []byte
	if other != nil && other.key.codec == Opus && len(other.out) > 0 {
		packet = other.out
	}
	if packet == nil && !e.follows {
		return
	}
	e.follows = packet != nil
	_ = e.enc.Follow(packet) // a packet that cannot be followed is skipped
}

// independent makes the next packet one that does not refer to those before, for a listener
// who did not get them. All others get that one, too.
func (e *encoding) independent() {
	if e.enc != nil {
		e.enc.Independent()
	}
}

// leadsTo reports whether a listener can continue with another encoding without a click.
func (e *encoding) leadsTo(other *encoding) bool {
	return e.key.codec != Opus || len(e.out) == 0 || len(other.out) == 0 || opus.Seamless(e.out, other.out)
}

// renew gets an encoder.
func (e *encoding) renew() bool {
	enc, err := opus.NewEncoder(e.c.cfg.Rate, e.c.cfg.channels())
	if err != nil || enc.Set(e.key.settings) != nil {
		return false
	}
	e.enc, e.follows = enc, false
	e.c.count.Encoders++
	return true
}

// set changes how it is encoded.
func (e *encoding) set(s opus.Settings) {
	if e.key.codec != Opus || e.key.settings == s {
		return
	}
	e.key.settings = s
	if e.enc != nil && e.enc.Set(s) != nil {
		e.fail()
	}
}

// fail throws an encoder away that cannot be used any more.
func (e *encoding) fail() {
	e.enc = nil
	e.c.count.Encoders--
}

// unheard closes it if nobody hears it.
func (e *encoding) unheard() bool {
	if e.listeners == 0 {
		e.close()
	}
	return e.listeners == 0
}

func (e *encoding) close() {
	if e.enc != nil {
		e.enc = nil
		e.c.count.Encoders--
	}
	e.c.out.Close(e.stream)
}

// sendShared sends the frame to all who share it.
func (e *encoding) sendShared(at mono.Time) {
	sum := e.c.sum
	if g := e.key.hears - 1; g >= 0 && g < len(e.c.groups) {
		sum = e.c.groups[g]
	}
	copy(e.pcm, sum)
	e.follow(nil)
	e.send(at)
}

// sendOwn sends the frame without a party's own audio.
func (e *encoding) sendOwn(at mono.Time, p *Party) {
	if p.cfg.Hears != 0 {
		e.sendShared(at)
		return
	}
	copy(e.pcm, e.c.sum)
	if p.says {
		for i, x := range p.frame {
			e.pcm[i] -= x
		}
	}
	if !p.alone {
		e.follow(e.c.find(p.key()))
	}
	e.send(at)
}

// send limits, encodes and sends pcm. Lasting silence is encoded once.
func (e *encoding) send(at mono.Time) {
	if silent(e.pcm) {
		e.still++
	} else {
		e.still = 0
	}
	if e.still > stillness && len(e.out) > 0 {
		e.c.count.Repeated++
		e.c.out.Send(e.stream, at, e.out)
		return
	}
	e.c.limiter.apply(e.pcm)
	if e.encode() {
		e.c.count.Encoded++
		e.c.out.Send(e.stream, at, e.out)
	}
}

// encode makes a packet of pcm.
func (e *encoding) encode() bool {
	switch e.key.codec {
	case PCMU, PCMA:
		e.narrow()
		e.out = e.key.codec.law().Encode(e.out[:0], e.low)
		return true
	}
	if e.enc == nil && !e.renew() {
		return false
	}
	out, err := e.enc.Encode(e.out[:0], e.pcm)
	if err != nil {
		e.fail()
		e.out = e.out[:0]
		return false
	}
	e.out = out
	return true
}

// narrow brings pcm to one channel and 8 kHz.
func (e *encoding) narrow() {
	in := e.pcm
	if e.c.cfg.Stereo {
		for i := range e.mono {
			e.mono[i] = (in[2*i] + in[2*i+1]) / 2
		}
		in = e.mono
	}
	e.down.Process(e.low, in)
}

func silent(pcm []float32) bool {
	for _, x := range pcm {
		if x != 0 {
			return false
		}
	}
	return true
}
