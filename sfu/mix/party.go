package mix

import (
	"sync"
	"time"

	"bifrons/rtp/g711"
	"bifrons/rtp/jitter"
	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// Party speaks in a conference, listens to it, or both.
type Party struct {
	c   *Conference
	cfg PartyConfig // touched by Tick only, as all but stats

	input Input
	jb    *jitter.Buffer
	dec   jitter.Decoder // nil while it is not heard
	hang  int            // frames that it is still heard
	loud  int            // frames for which decoded audio still counts, without levels
	gain  [2]float32     // at the end of the frame before
	frame []float32      // its audio; nil while it is not heard
	says  bool           // there is something in frame
	talk  talking

	listener Listener
	hears    *encoding // that the listener is to hear
	own      *encoding // its own, nil without
	settle   int       // frames that it keeps that
	alone    bool      // it has one in any case

	decoded, concealed, recovered uint64

	mu    sync.Mutex
	stats PartyStats
}

// Join adds a party.
func (c *Conference) Join(cfg PartyConfig) *Party {
	p := &Party{c: c, cfg: cfg, stats: PartyStats{Level: quiet}}
	p.talk.set(cfg.Window, cfg.Threshold)
	c.do(func(mono.Time) {
		if !c.over {
			c.parties = append(c.parties, p)
		}
	})
	return p
}

// Leave takes it out.
func (p *Party) Leave() { p.c.do(func(mono.Time) { p.c.remove(p) }) }

// Set changes its settings.
func (p *Party) Set(s Settings) {
	p.c.do(func(now mono.Time) {
		if s.Muted != p.cfg.Muted || s.Suspended != p.cfg.Suspended {
			p.forget()
		}
		p.cfg.Settings = s
	})
}

// SetTalking changes when it talks; see PartyConfig.
func (p *Party) SetTalking(window, threshold int) {
	p.c.do(func(mono.Time) { p.talk.set(window, threshold) })
}

// SetGroup changes the group that it speaks in.
func (p *Party) SetGroup(group int) { p.c.do(func(mono.Time) { p.cfg.Group = group }) }

// SetInput changes where it speaks from, nil = nowhere. The conference closes the input.
// It is closed at once if the party has left.
func (p *Party) SetInput(in Input) {
	p.c.do(func(mono.Time) {
		p.closeInput()
		if p.over() && in != nil {
			in.Close()
			p.c.closing = append(p.c.closing, in)
			return
		}
		p.input = in
	})
}

// SetListener changes where the mix without itself goes, nil = nowhere. If it is alone,
// no other party gets the same stream. The conference closes the listener.
func (p *Party) SetListener(l Listener, alone bool) {
	p.c.do(func(mono.Time) {
		p.closeListener()
		if p.over() && l != nil {
			l.Close()
			return
		}
		p.listener, p.alone = l, alone
	})
}

// ResetDecoder makes its decoder start again.
func (p *Party) ResetDecoder() { p.c.do(func(mono.Time) { p.dropDecoder() }) }

// Stats returns its figures.
func (p *Party) Stats() PartyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// over reports whether it has left.
func (p *Party) over() bool {
	for _, q := range p.c.parties {
		if q == p {
			return false
		}
	}
	return true
}

// end gives back all that it has.
func (p *Party) end() {
	p.closeInput()
	p.closeListener()
}

func (p *Party) closeListener() {
	if p.listener != nil {
		p.hear(nil)
		p.closeOwn()
		p.listener.Close()
		p.listener = nil
	}
}

func (p *Party) closeInput() {
	p.dropDecoder()
	p.forget()
	if p.input != nil {
		p.input.Close()
		p.c.closing = append(p.c.closing, p.input)
		p.input = nil
	}
}

// forget empties the jitter buffer.
func (p *Party) forget() {
	if p.jb != nil {
		p.jb.Reset()
	}
	p.hang = 0
}

func (p *Party) dropDecoder() {
	if p.dec != nil {
		p.c.pools.put(p.dec)
		p.dec = nil
		p.c.count.Decoders--
	}
}

// listen takes the party's sound in a frame.
func (p *Party) listen(at mono.Time) {
	p.says = false
	if p.input == nil {
		p.fade()
		return
	}
	if p.jb == nil {
		p.jb = jitter.New(jitter.Config{ClockRate: p.cfg.Codec.clockRate(), SampleRate: p.c.cfg.Rate, Channels: p.c.cfg.channels()})
	}
	p.take()
	p.hang = max(0, p.hang-1)
	p.loud = max(0, p.loud-1)
	switch on := p.hang > 0 && !p.cfg.Muted && !p.cfg.Suspended && (!p.c.muted || p.cfg.Exempt); {
	case on && (p.dec != nil || p.wakeUp()):
		p.decode(at, true)
	case p.dec != nil:
		p.decode(at, false)
		p.dropDecoder()
	default:
		p.jb.Skip(at)
		p.fade()
	}
	p.tell()
}

// fade forgets that it was heard.
func (p *Party) fade() {
	p.gain, p.frame = [2]float32{}, nil
}

// take takes the packets that have come.
func (p *Party) take() {
	q := &p.c.packet
	for p.input.Next(q) {
		x := p.packetOf(q)
		if q.Redundant {
			p.jb.Push(q.Arrival, &x)
			continue
		}
		if q.HasLevel {
			p.talk.hear(q.Level, x.Duration)
		}
		switch {
		case x.DTX:
		case !q.HasLevel, q.Level < 127 && (q.Voice || q.Level <= quietest):
			p.hang = hangover + 1
		}
		p.jb.Push(q.Arrival, &x)
	}
	if changed := p.talk.tick(); changed && p.cfg.Talking != nil {
		p.cfg.Talking(p.talk.on, p.talk.mean())
	}
}

// packetOf is a packet as the jitter buffer wants it.
func (p *Party) packetOf(q *Packet) jitter.Packet {
	x := jitter.Packet{Seq: q.Seq, Timestamp: q.Timestamp, Marker: q.Marker, Payload: q.Payload, Redundant: q.Redundant}
	if p.cfg.Codec == Opus {
		x.Duration, x.DTX, x.FEC = opus.Duration(q.Payload), opus.DTX(q.Payload), opus.HasFEC(q.Payload)
	} else {
		x.Duration = time.Duration(len(q.Payload)) * time.Second / g711.Rate
	}
	return x
}

// wakeUp gets a decoder that knows the latest packets.
func (p *Party) wakeUp() bool {
	d, err := p.c.pools.decoder(p.cfg.Codec, p.c.cfg)
	if err != nil {
		return false
	}
	p.dec = d
	p.c.count.Decoders++
	p.jb.Prime(d)
	return true
}

// renewDecoder gets another decoder in place of one that is broken.
func (p *Party) renewDecoder() {
	if d, ok := p.dec.(*opus.Decoder); ok && d.Broken() {
		p.dropDecoder()
		p.wakeUp()
	}
}

// decode makes the frame, loud or on its way to silence, and adds it to the sum.
func (p *Party) decode(at mono.Time, on bool) {
	if p.frame == nil {
		p.frame = make([]float32, p.c.cfg.samples())
	}
	switch p.jb.Pull(at, p.dec, p.frame) {
	case jitter.Silent:
		p.gain = p.target(on)
		return
	case jitter.Concealed:
		p.concealed++
		p.c.count.Concealed++
	case jitter.Recovered:
		p.recovered++
		p.c.count.Recovered++
	}
	p.renewDecoder()
	p.decoded++
	p.c.count.Decoded++
	if p.talk.knows || energy(p.frame) > faint {
		p.loud = hangover
	}
	p.amplify(p.target(on && p.loud > 0))
	if p.gain == ([2]float32{}) && p.loud == 0 {
		return
	}
	p.says = true
	p.settle = settle
	p.c.add(p, p.frame)
}

// faint is the mean square of samples of -66 dBov.
const faint = 2.5e-7

func energy(pcm []float32) float32 {
	var sum float32
	for _, x := range pcm {
		sum += x * x
	}
	return sum / float32(len(pcm))
}

// target is the gain for both channels that it should have.
func (p *Party) target(on bool) [2]float32 {
	if !on {
		return [2]float32{}
	}
	v := float32(p.cfg.Volume) / 100
	if !p.c.cfg.Stereo || p.cfg.Position < 0 {
		return [2]float32{v, v}
	}
	right := float32(p.cfg.Position) / 100
	return [2]float32{v * (1 - right), v * right}
}

// amplify applies the gain, which goes from that of the frame before to another one.
func (p *Party) amplify(to [2]float32) {
	channels := p.c.cfg.channels()
	n := len(p.frame) / channels
	for ch := range channels {
		g, step := p.gain[ch], (to[ch]-p.gain[ch])/float32(n)
		if step == 0 && g == 1 {
			continue
		}
		for i := ch; i < len(p.frame); i += channels {
			g += step
			p.frame[i] *= g
		}
	}
	p.gain = to
}

// choose decides which encoding it hears.
func (p *Party) choose() {
	p.settle = max(-settle, p.settle-1)
	switch {
	case p.listener == nil:
	case p.cfg.Suspended:
		p.hear(nil)
		p.closeOwn()
	case p.alone || p.settle > 0 && p.cfg.Hears == 0:
		if p.own == nil {
			p.own = p.c.begin(p.key(), p.aloneFor(), p.hears)
		}
		p.own.set(p.cfg.Encoding)
		p.hear(p.own)
	default:
		e := p.c.share(p.key(), p.own)
		if p.own != nil && p.settle > -settle && !p.own.leadsTo(e) {
			break // soon
		}
		if p.own != nil {
			e.independent()
		}
		p.hear(e)
		p.closeOwn()
	}
}

func (p *Party) aloneFor() Listener {
	if p.alone {
		return p.listener
	}
	return nil
}

// hear has the listener get an encoding, nil = nothing.
func (p *Party) hear(e *encoding) {
	if e == p.hears {
		return
	}
	if p.hears != nil {
		p.hears.listeners--
	}
	p.hears = e
	if e == nil {
		p.c.out.Hear(p.listener, -1)
		return
	}
	e.listeners++
	p.c.out.Hear(p.listener, e.stream)
}

func (p *Party) closeOwn() {
	if p.own != nil {
		p.own.close()
		p.own = nil
	}
}

// tell updates the statistics.
func (p *Party) tell() {
	js := p.jb.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats = PartyStats{
		Heard: p.says, HasLevel: p.talk.knows, Level: p.talk.mean(), Talking: p.talk.on,
		Delay: js.Delay, Waiting: js.Waiting, Ready: js.Ready, Late: js.Late,
		Decoded: p.decoded, Recovered: p.recovered, Concealed: p.concealed, Own: p.own != nil,
	}
}

// talking says when somebody talks: when the mean level of so many frames is above a
// threshold. Time without packets is silence; in which frame one comes does not matter.
type talking struct {
	window, threshold int
	n                 int     // frames of this window so far
	heard, sum        float64 // frames with levels in packets, and those levels
	last              float64 // mean of the window before
	measured          bool    // there was one
	knows             bool    // there are levels
	on                bool
}

// quiet is the level of silence, in -dBov (RFC 6464, 3).
const quiet = 127

func (t *talking) set(window, threshold int) {
	if window != t.window || threshold != t.threshold {
		t.window, t.threshold, t.n, t.heard, t.sum = window, threshold, 0, 0, 0
	}
}

// hear takes the level of a packet.
func (t *talking) hear(level uint8, d time.Duration) {
	frames := float64(d) / float64(Frame)
	t.knows = true
	t.heard += frames
	t.sum += frames * float64(level)
}

// tick ends a frame; true if somebody begins to talk now, or stops.
func (t *talking) tick() (changed bool) {
	window := t.window
	if window <= 0 {
		window = 50
	}
	if t.n++; t.n < window {
		return false
	}
	all := max(float64(t.n), t.heard)
	t.last = (t.sum + quiet*(all-t.heard)) / all
	t.measured, t.n, t.heard, t.sum = true, 0, 0, 0
	on := t.knows && t.window > 0 && t.last < float64(t.threshold)
	changed = on != t.on
	t.on = on
	return changed
}

// mean is the latest mean, in -dBov.
func (t *talking) mean() float64 {
	if !t.measured {
		return quiet
	}
	return t.last
}
