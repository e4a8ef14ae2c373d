package sfu

import (
	"math"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/opus"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/mix"
	"bifrons/sfu/pipe"
)

// phone is a client: a peer of an engine of its own that is connected to a conference.
type phone struct {
	t      *testing.T
	server *Peer
	source *Source // what it says
	heard  *Pipe
	party  *Party

	enc  *opus.Encoder
	dec  *opus.Decoder
	hz   float64
	seq  uint16
	time uint32
	loud bool
	free bool // what comes may have any numbers

	// What came.
	pcm     []float32
	lastSeq uint64
	lastTS  uint32
	packets int
}

func audioSection() media.Section {
	return media.Section{
		Kind: media.Audio, Receive: true, Send: true, MID: "0",
		Codecs: []media.Codec{{Name: media.Opus, PayloadType: 111, ClockRate: 48000}},
	}
}

// call connects a phone to the conference.
func call(t *testing.T, server *Engine, c *Conference, shard int, hz float64) *phone {
	t.Helper()
	p := &phone{t: t, hz: hz}
	client := newEngine(t, nil) // a peer is known by its address
	hc, hs := newEvents(t), newEvents(t)
	own, err := client.NewPeer(PeerConfig{Controlling: true}, hc)
	if err != nil {
		t.Fatal(err)
	}
	if p.server, err = server.NewPeer(PeerConfig{Shard: shard}, hs); err != nil {
		t.Fatal(err)
	}
	own.SetSections([]media.Section{audioSection()})
	p.server.SetSections([]media.Section{audioSection()})
	connect(t, own, p.server)
	hc.await(EventUp)
	hs.await(EventUp)
	p.source = newSource(t, client, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	own.Subscribe(Subscription{Origin: p.source, Target: media.NoLayer})
	p.heard = client.Pipe(own, 0)
	t.Cleanup(func() {
		p.heard.Close()
		waittest.Until(t, "the pipe is empty", func() bool { p.heard.Empty(); return p.heard.Over() })
	})
	if p.enc, err = opus.NewEncoder(48000, 1); err != nil {
		t.Fatal(err)
	}
	if p.dec, err = opus.NewDecoder(48000, 1); err != nil {
		t.Fatal(err)
	}
	p.party = c.Join(PartyConfig{Settings: PartySettings{Volume: 100}})
	p.party.Input(p.server, 0, InputFormat{})
	p.party.Output(p.server, 0)
	return p
}

// step says a frame and hears what has come.
func (p *phone) step() {
	pcm := make([]float32, 960)
	for i := range pcm {
		if p.loud {
			pcm[i] = float32(.2 * math.Sin(2*math.Pi*p.hz*float64(int(p.time)+i)/48000))
		}
	}
	b, err := p.enc.Encode(make([]byte, rtp.FixedHeaderLen), pcm)
	if err != nil {
		p.t.Fatal(err)
	}
	p.seq++
	rtp.FixedHeader{PayloadType: 111, SequenceNumber: p.seq, Timestamp: p.time, SSRC: 7}.Put(b)
	p.time += 960
	p.source.Write(0, 0, b)
	var q pipe.Packet
	for scratch, ok := p.heard.Next(nil, &q); ok; scratch, ok = p.heard.Next(scratch, &q) {
		if !q.Report {
			p.take(&q)
		}
	}
}

func (p *phone) take(q *pipe.Packet) {
	// Frames are left out when the machine is too slow for them.
	if d := q.Timestamp - p.lastTS; p.packets > 0 && !p.free && (q.Seq != p.lastSeq+1 || d == 0 || d > 1<<20 || d%960 != 0) {
		p.t.Errorf("after number %d with time %d comes %d with %d", p.lastSeq, p.lastTS, q.Seq, q.Timestamp)
	}
	p.lastSeq, p.lastTS = q.Seq, q.Timestamp
	p.packets++
	pcm := make([]float32, 5760)
	n, err := p.dec.Decode(q.Data[q.Head:], pcm)
	if err != nil {
		p.t.Fatal(err)
	}
	p.pcm = append(p.pcm, pcm[:n]...)
}

// hears is the amplitude of a tone in the last fifth of a second (Goertzel's algorithm).
func (p *phone) hears(hz float64) float64 {
	const n = 9600
	if len(p.pcm) < n {
		return 0
	}
	k := 2 * math.Cos(2*math.Pi*hz/48000)
	var a, b float64
	for _, x := range p.pcm[len(p.pcm)-n:] {
		a, b = float64(x)+k*a-b, a
	}
	return 2 * math.Sqrt(max(0, a*a+b*b-k*a*b)) / n
}

// TestConference: those on one shard and another hear each other and not themselves, and
// numbers and timestamps go on without a gap while they begin and stop to speak.
func TestConference(t *testing.T) {
	waittest.NoLeaks(t)
	server := newEngine(t, func(c *Config) { c.Shards = 2 })
	c, err := server.NewConference(ConferenceConfig{Rate: 8000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := []*phone{
		call(t, server, c, 1, 400), call(t, server, c, 1, 700),
		call(t, server, c, 2, 1000), call(t, server, c, 2, 1300),
	}
	ticker := time.NewTicker(mix.Frame)
	defer ticker.Stop()
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !done(); {
			if time.Now().After(end) {
				t.Fatalf("not seen: %s", what)
			}
			for range 10 {
				for _, p := range list {
					p.step()
				}
				<-ticker.C
			}
		}
	}
	for _, speakers := range [][]int{{0}, {0, 2}, {1, 2, 3}, {3}} {
		for _, p := range list {
			p.loud = false
		}
		for _, i := range speakers {
			list[i].loud = true
		}
		until("all hear the others alone", func() bool {
			for _, p := range list {
				for _, q := range list {
					a := p.hears(q.hz)
					if q.loud && q != p && (a < .12 || a > .28) || (!q.loud || q == p) && a > .02 {
						return false
					}
				}
			}
			return true
		})
	}
	if s := c.Stats(); s.Encoders > 5 || s.Parties != 4 {
		t.Errorf("%+v", s)
	}
	list[0].party.Leave()
	list = list[1:]
	n := len(list[0].pcm)
	until("the others go on", func() bool { return len(list[0].pcm) > n+24000 })
	c.Close()
	waittest.Until(t, "it is over", func() bool {
		s := server.Mixing()
		return s.Parties == 0 && s.Encoders == 0 && s.Decoders == 0 && s.Encoded > 100
	})
	for _, p := range list {
		p.server.Close("")
	}
}

// TestMove: who goes on to another conference hears that one, also when the first one notices
// only later.
func TestMove(t *testing.T) {
	waittest.NoLeaks(t)
	server := newEngine(t, nil)
	var rooms [2]*Conference
	for i := range rooms {
		c, err := server.NewConference(ConferenceConfig{Rate: 8000}, nil)
		if err != nil {
			t.Fatal(err)
		}
		rooms[i] = c
	}
	p, q := call(t, server, rooms[0], 0, 400), call(t, server, rooms[1], 0, 700)
	p.free, q.free, q.loud = true, true, true
	ticker := time.NewTicker(mix.Frame)
	defer ticker.Stop()
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !done(); <-ticker.C {
			if time.Now().After(end) {
				t.Fatalf("not seen: %s", what)
			}
			p.step()
			q.step()
		}
	}
	until("the first conference is heard", func() bool { return p.packets > 0 })
	second := rooms[1].Join(PartyConfig{Settings: PartySettings{Volume: 100}})
	second.Output(p.server, 0)
	until("the second conference is heard", func() bool { return p.hears(q.hz) > .12 })
	p.party.Leave()
	n := len(p.pcm)
	until("it is heard on", func() bool { return len(p.pcm) > n+24000 })
	second.Leave()
	for _, c := range rooms {
		c.Close()
	}
	waittest.Until(t, "it is over", func() bool { return server.Mixing().Parties == 0 })
	for _, x := range []*phone{p, q} {
		x.server.Close("")
	}
}
