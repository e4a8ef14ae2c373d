package sfu

import (
	"maps"
	"runtime"
	"slices"
	"sync"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
	"bifrons/sfu/mix"
	"bifrons/sfu/pipe"
	"bifrons/sfu/serial"
)

// Settings and events of a Conference; see package mix.
type (
	ConferenceConfig = mix.Config
	ConferenceStats  = mix.Stats
	PartyConfig      = mix.PartyConfig
	PartySettings    = mix.Settings
	PartyStats       = mix.PartyStats
	AudioCodec       = mix.Codec
	OpusSettings     = opus.Settings
)

// The codecs of parties.
const (
	MixOpus = mix.Opus
	MixPCMU = mix.PCMU
	MixPCMA = mix.PCMA
)

// mixing are the conferences of an Engine.
type mixing struct {
	workers mix.Workers
	pools   mix.Pools
	running sync.WaitGroup // goroutines of the workers

	mu     sync.Mutex
	live   map[*Conference]struct{}
	gone   ConferenceStats // sums of ended conferences
	closed bool
}

func (m *mixing) init(panicked func(c *mix.Conference, r any)) {
	m.workers.Max, m.workers.Go, m.workers.Now = runtime.GOMAXPROCS(0), m.running.Go, mono.Now
	m.workers.Panicked = panicked
	m.live = make(map[*Conference]struct{})
}

// Conference mixes the audio of parties. Its methods, and those of Party, hand commands to
// the goroutines that mix and return at once; they may be called from anywhere.
type Conference struct {
	engine *Engine
	mix    *mix.Conference
	failed func()
	told   *serial.Queue[func()] // for callbacks; fixed
}

// Party is one who speaks in a Conference, listens to it, or both.
type Party struct {
	c     *Conference
	party *mix.Party
	codec AudioCodec
}

// NewConference makes a conference without parties. failed is called on a goroutine of its
// own if it ends by itself, as something in it panicked; it may be nil.
func (e *Engine) NewConference(cfg ConferenceConfig, failed func()) (*Conference, error) {
	m := &e.mixing
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	c := &Conference{engine: e, failed: failed}
	c.told = serial.New(e.pending.Go, func(f func()) {
		defer e.sites[0].contain("a handler of a conference", func() {})
		f()
	})
	job, wake := m.workers.Add()
	c.mix = mix.New(cfg, newOutlet(e, func() { e.forget(c) }), &m.pools, wake)
	job.Mix(c.mix)
	m.live[c] = struct{}{}
	return c, nil
}

// conferenceFailed ends a conference that has panicked, and informs its owner.
func (e *Engine) conferenceFailed(failed *mix.Conference, r any) {
	e.sites[0].shard.Panicked("a conference", r)
	failed.Close()
	e.mixing.mu.Lock()
	defer e.mixing.mu.Unlock()
	for c := range e.mixing.live {
		if c.mix == failed && c.failed != nil {
			c.told.Put(c.failed, serial.NoLimit)
		}
	}
}

// forget notes that a conference is over.
func (e *Engine) forget(c *Conference) {
	m := &e.mixing
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live[c]; ok {
		delete(m.live, c)
		m.gone.Add(c.mix.Stats())
	}
}

// stopMixing ends all conferences, and waits for that.
func (e *Engine) stopMixing() {
	m := &e.mixing
	m.mu.Lock()
	m.closed = true
	live := slices.Collect(maps.Keys(m.live))
	m.mu.Unlock()
	for _, c := range live {
		c.Close()
	}
	m.running.Wait()
}

// Mixing sums up all conferences, including those that are gone.
func (e *Engine) Mixing() ConferenceStats {
	m := &e.mixing
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.gone
	for c := range m.live {
		sum.Add(c.mix.Stats())
	}
	return sum
}

// Close ends the conference with all parties.
func (c *Conference) Close() { c.mix.Close() }

// SetMuted keeps everybody silent who is not exempt.
func (c *Conference) SetMuted(on bool) { c.mix.SetMuted(on) }

// Stats counts.
func (c *Conference) Stats() ConferenceStats { return c.mix.Stats() }

// Record gives every frame of the mix of all to write, interleaved samples that are lent,
// with the time of the first; it is called on a goroutine that mixes and must not block.
// nil ends it.
func (c *Conference) Record(write func(at Time, pcm []int16)) {
	if write == nil {
		c.mix.Tap(nil)
		return
	}
	var pcm []int16
	c.mix.Tap(func(at mono.Time, samples []float32) {
		pcm = pcm[:0]
		for _, x := range samples {
			pcm = append(pcm, int16(max(-1, min(x, 1))*32767))
		}
		write(at, pcm)
	})
}

// Join adds a party. Talking is called on a goroutine of the conference's, in order.
func (c *Conference) Join(cfg PartyConfig) *Party {
	if told := cfg.Talking; told != nil {
		cfg.Talking = func(talking bool, level float64) {
			c.told.Put(func() { told(talking, level) }, serial.NoLimit)
		}
	}
	return &Party{c: c, party: c.mix.Join(cfg), codec: cfg.Codec}
}

// Leave takes the party out.
func (p *Party) Leave() { p.party.Leave() }

// Set changes its settings.
func (p *Party) Set(s PartySettings) { p.party.Set(s) }

// SetTalking changes when it talks: when the mean level of so many frames is above a
// threshold in -dBov.
func (p *Party) SetTalking(window, threshold int) { p.party.SetTalking(window, threshold) }

// SetGroup changes the group that it speaks in.
func (p *Party) SetGroup(group int) { p.party.SetGroup(group) }

// ResetDecoder makes its decoder start again.
func (p *Party) ResetDecoder() { p.party.ResetDecoder() }

// Stats returns its figures.
func (p *Party) Stats() PartyStats { return p.party.Stats() }

// InputFormat is how audio comes that a Party speaks, as far as it was agreed on; 0 = it was
// not.
type InputFormat struct {
	Level uint8 // id of the audio-level extension (RFC 6464)
	RED   uint8 // payload type of redundant audio (RFC 2198)
}

// Input makes it speak the audio of a track of an origin, nil = nothing.
func (p *Party) Input(o Origin, track int, f InputFormat) {
	if o == nil {
		p.party.SetInput(nil)
		return
	}
	p.party.SetInput(&audioInput{pipe: openPipe(o, track, pipeConfig{size: maxAudio}), format: f})
}

// Output gives the mix without itself to a section of a peer, nil = to nobody.
func (p *Party) Output(to *Peer, section int) {
	if to == nil {
		p.party.SetListener(nil, false)
		return
	}
	p.party.SetListener(&ear{peer: to, section: section, site: to.site, stream: -1}, false)
}

// Stream gives the mix without itself to the only track of an origin, for Engine.Forward, or
// for Redirect of a Forwarder that is there already. It has an encoder of its own.
func (p *Party) Stream(by *Forwarder) (Origin, error) {
	cfg := SourceConfig{Label: "mix", Tracks: []TrackConfig{trackOf(p.codec)}}
	if by != nil {
		cfg.Shard = by.site.number
	}
	src, err := p.c.engine.NewSource(cfg, deaf{})
	if err != nil {
		return nil, err
	}
	p.party.SetListener(&ear{source: src, site: src.site, stream: -1}, true)
	return src, nil
}

// maxAudio is how many packets of a party may wait to be mixed: those of a second.
const maxAudio = 64

// audioInput takes packets of audio out of a pipe.
type audioInput struct {
	pipe    *Pipe
	format  InputFormat
	scratch []byte
	header  rtp.Header
	last    mix.Packet // that was taken
	red     codec.RED  // the rest of it, older first
	blocks  int        // that are left
}

// Next implements mix.Input.
func (in *audioInput) Next(p *mix.Packet) bool {
	if in.copied(p) {
		return true
	}
	var q pipe.Packet
	for {
		mem, ok := in.pipe.Next(in.scratch, &q)
		in.scratch = mem
		switch {
		case !ok:
			return false
		case q.Report || q.Head >= len(q.Data):
			continue
		}
		*p = mix.Packet{Seq: q.Seq, Timestamp: q.Timestamp, Marker: q.Marker, Arrival: q.Arrival, Payload: q.Data[q.Head:]}
		if in.format.RED != 0 && q.Data[1]&0x7f == in.format.RED && !in.unpack(p) {
			continue
		}
		in.readLevel(q.Data, p)
		return true
	}
}

// maxCopies is how many copies of earlier packets are taken from one packet.
const maxCopies = 8

// unpack leaves of a packet with redundancy its own audio. Copies of earlier audio
// come next.
func (in *audioInput) unpack(p *mix.Packet) bool {
	first, err := codec.REDPrimary(p.Payload)
	if err != nil || len(first.Data) == 0 || in.red.Parse(p.Payload) != nil {
		return false
	}
	p.Payload = first.Data
	in.last, in.blocks = *p, in.red.Copies()
	return true
}

// copied takes a copy of an earlier packet out of the last one. Senders leave no packet out
// between two copies.
func (in *audioInput) copied(p *mix.Packet) bool {
	for in.blocks > 0 {
		b, ok := in.red.Next()
		before := in.blocks
		if in.blocks--; ok && len(b.Data) > 0 && before <= maxCopies {
			*p = mix.Packet{
				Seq: in.last.Seq - uint64(before), Timestamp: in.last.Timestamp - uint32(b.Offset), Arrival: in.last.Arrival,
				Payload: b.Data, Redundant: true,
			}
			return true
		}
	}
	return false
}

// readLevel reads the audio level of a packet (RFC 6464, 3).
func (in *audioInput) readLevel(b []byte, p *mix.Packet) {
	if in.format.Level == 0 || in.header.Parse(b) != nil {
		return
	}
	for it := in.header.Extensions(b); it.Next(); {
		if it.ID == in.format.Level && len(it.Data) > 0 {
			p.HasLevel, p.Level, p.Voice = true, it.Data[0]&0x7f, it.Data[0]&0x80 != 0
			return
		}
	}
}

// Close implements mix.Input.
func (in *audioInput) Close() { in.pipe.Close() }

// Drained implements mix.Input.
func (in *audioInput) Drained() bool {
	over := in.pipe.Ended()
	in.pipe.Empty()
	return over
}

// deaf is the handler of a Source of which nobody hears.
type deaf struct{}

func (deaf) SourceEvent(Event)            {}
func (deaf) SourceData(int, bool, []byte) {}
