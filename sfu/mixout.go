package sfu

import (
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/mix"
	"bifrons/sfu/spare"
)

// ear is where the mix of a party goes: a section of a peer, or a source of its own.
type ear struct {
	peer    *Peer
	section int
	source  *Source
	site    *site
	stream  int // that it gets, -1 = none
	way     way // of a peer
}

// Close implements mix.Listener.
func (e *ear) Close() {
	if e.source != nil {
		e.source.Close()
	}
}

// outlet is the output of a conference: streams that are tracks of a source on each
// shard where somebody hears them, so that whoever moves from one stream to another does
// so between two packets. It belongs to the goroutine that mixes.
type outlet struct {
	engine  *Engine
	ended   func()
	shards  map[*site]*outShard
	streams []*outStream
}

// outShard is the part of an outlet on a shard.
type outShard struct {
	site   *site
	source *Source   // of the streams that several hear, nil until it is needed
	frame  *mixFrame // that is being mixed, nil if there is nothing for this shard yet
	spares spare.List[*mixFrame]
	lossy  lossy
}

// mixFrame is a shard's part of a frame, in one command.
type mixFrame struct {
	shard *outShard
	at    mono.Time
	items []mixed
	bytes []byte
	twice bool                // streams with redundancy are in it, too
	run   func(now mono.Time) // take, made once
}

// mixed is a packet of a mixFrame.
type mixed struct {
	to       *Source
	track, n int
}

// outStream is one stream: in all sources the same two tracks, of which the second one has
// redundancy (RFC 2198) for those who need it.
type outStream struct {
	codec mix.Codec
	used  bool
	alone *Source       // has it as its only track
	heard map[*site]int // by how many ears

	seq  uint16
	time uint32 // RTP timestamp
	at   mono.Time
	said []byte // the packet before
}

func newOutlet(e *Engine, ended func()) *outlet {
	return &outlet{engine: e, ended: ended, shards: make(map[*site]*outShard)}
}

// trackOf describes a stream.
func trackOf(c mix.Codec) TrackConfig {
	t := TrackConfig{Kind: media.Audio}
	switch c {
	case mix.PCMU:
		t.Codec = media.Codec{Name: media.PCMU, PayloadType: 0, ClockRate: 8000}
	case mix.PCMA:
		t.Codec = media.Codec{Name: media.PCMA, PayloadType: 8, ClockRate: 8000}
	default:
		t.Codec = media.Codec{Name: media.Opus, PayloadType: 100, ClockRate: 48000}
	}
	return t
}

// Open implements mix.Output. A track that is not in use any more is used again.
func (o *outlet) Open(c mix.Codec, alone mix.Listener) int {
	if alone != nil {
		o.streams = append(o.streams, &outStream{codec: c, used: true, alone: alone.(*ear).source})
		return o.free(len(o.streams) - 1)
	}
	for i, s := range o.streams {
		if !s.used && s.codec == c && s.alone == nil {
			s.used = true
			return i
		}
	}
	o.streams = append(o.streams, &outStream{codec: c, used: true, heard: make(map[*site]int)})
	for _, sh := range o.shards {
		if sh.source != nil {
			sh.source.SetTracks(o.tracks())
		}
	}
	return len(o.streams) - 1
}

// free moves the last stream to a place that one which a listener had alone has left.
func (o *outlet) free(last int) int {
	for i, s := range o.streams[:last] {
		if !s.used && s.alone != nil {
			o.streams[i] = o.streams[last]
			o.streams = o.streams[:last]
			return i
		}
	}
	return last
}

func (o *outlet) tracks() []TrackConfig {
	list := make([]TrackConfig, 0, 2*len(o.streams))
	for _, s := range o.streams {
		list = append(list, trackOf(s.codec), redundantTrack)
	}
	return list
}

func (o *outlet) shard(st *site) *outShard {
	sh := o.shards[st]
	if sh == nil {
		sh = &outShard{site: st}
		o.shards[st] = sh
	}
	return sh
}

// Hear implements mix.Output.
func (o *outlet) Hear(l mix.Listener, stream int) {
	e := l.(*ear)
	was := e.stream
	if was >= 0 && e.source == nil {
		o.streams[was].heard[e.site]--
	}
	e.stream = stream
	switch {
	case e.source != nil:
	case stream < 0:
		if was >= 0 {
			e.stop(o.shard(e.site))
		}
	default:
		o.streams[stream].heard[e.site]++
		if src := o.source(e.site); src != nil {
			e.hear(o.shard(e.site), src, stream)
		}
	}
}

// source has the streams for a shard. It may be nil when the engine ends.
func (o *outlet) source(st *site) *Source {
	sh := o.shard(st)
	if sh.source == nil {
		cfg := SourceConfig{Label: "mix", Shard: st.number, Tracks: o.tracks()}
		sh.source, _ = o.engine.NewSource(cfg, deaf{})
	}
	return sh.source
}

// Send implements mix.Output.
func (o *outlet) Send(stream int, at mono.Time, payload []byte) {
	s := o.streams[stream]
	rate := int64(48000)
	if s.codec != mix.Opus {
		rate = 8000
	}
	if s.at == 0 {
		s.at = at - mono.Time(mix.Frame)
	}
	s.seq++
	passed := uint32(int64(at.Sub(s.at)) * rate / int64(time.Second))
	s.time += passed
	s.at = at
	var packet [rtp.FixedHeaderLen + maxMixed]byte
	rtp.FixedHeader{PayloadType: trackOf(s.codec).Codec.PayloadType, SequenceNumber: s.seq, Timestamp: s.time, SSRC: mixSSRC}.Put(packet[:])
	b := packet[:rtp.FixedHeaderLen+copy(packet[rtp.FixedHeaderLen:], payload)]
	if s.alone != nil {
		o.shard(s.alone.site).add(at, s.alone, 0, b)
		return
	}
	var room [rtp.FixedHeaderLen + maxMixed + 1]byte
	var twice []byte
	for st, n := range s.heard {
		if n == 0 {
			continue
		}
		src, sh := o.source(st), o.shard(st)
		if src == nil {
			continue
		}
		sh.add(at, src, trackIndex(stream, false), b)
		if s.codec == mix.Opus && sh.frame.twice {
			if twice == nil {
				twice = s.redundant(room[:0], payload, passed)
			}
			sh.add(at, src, trackIndex(stream, true), twice)
		}
	}
	s.said = append(s.said[:0], payload...)
}

const (
	maxMixed = 1275 // bytes of a payload (RFC 6716, 3.4)
	mixSSRC  = 1    // which nobody sees
)

// Close implements mix.Output.
func (o *outlet) Close(stream int) {
	o.streams[stream].used = false
}

// Flush implements mix.Output.
func (o *outlet) Flush() {
	for _, sh := range o.shards {
		sh.flush()
	}
}

// End implements mix.Output.
func (o *outlet) End() {
	for _, sh := range o.shards {
		if sh.source != nil {
			sh.source.Close()
		}
	}
	o.ended()
}

// add adds a packet of a frame, which is lent.
func (sh *outShard) add(at mono.Time, to *Source, track int, packet []byte) {
	if sh.frame == nil {
		sh.frame = sh.empty()
	}
	f := sh.frame
	f.at = at
	f.items = append(f.items, mixed{to, track, len(packet)})
	f.bytes = append(f.bytes, packet...)
}

// empty is a frame with nothing in it.
func (sh *outShard) empty() *mixFrame {
	f, ok := sh.spares.Take()
	if !ok {
		f = &mixFrame{shard: sh}
		f.run = f.take
	}
	f.twice = sh.lossy.any.Load()
	return f
}

// flush posts the added packets.
func (sh *outShard) flush() {
	if f := sh.frame; f != nil {
		sh.frame = nil
		sh.site.shard.Post(f.run) // without effect when the shard has ended
	}
}

// take gives the packets to their sources, on the loop. They count as having come at the
// time of the frame, so that timestamps continue exactly where a listener changes streams.
func (f *mixFrame) take(now mono.Time) {
	f.shard.lossy.turn(now, f.twice)
	rest := f.bytes
	for i := range f.items {
		it := &f.items[i]
		it.to.take(f.at, it.track, 0, rest[:it.n])
		rest = rest[it.n:]
	}
	clear(f.items)
	f.items, f.bytes = f.items[:0], f.bytes[:0]
	f.shard.spares.Give(f, 1, maxFrames)
}

// maxFrames is how many frames are kept for later.
const maxFrames = 4
