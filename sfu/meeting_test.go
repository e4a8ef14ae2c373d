package sfu

import (
	"bytes"
	"net/netip"
	"testing"

	"bifrons/dtls/srtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
)

// sockets is how many datagrams a session has sent by its socket of RTP.
func sockets(s *RTPSession) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ports[0].conn.Stats().DatagramsOut
}

func at(s *RTPSession) netip.AddrPort { return netip.AddrPortFrom(anyLoopback.Addr, s.Port()) }

// joined tells, on the loop, whether packets of a session go past the kernel.
func joined(s *RTPSession) (yes bool) {
	s.site.shard.Call(func(mono.Time) { yes = s.way.Joined() })
	return yes
}

// legPair is a call with both legs on this machine: a source that the first sends, and a
// wire that gets what the second one hears.
type legPair struct {
	t    *testing.T
	a, b *RTPSession
	src  *Source
	to   *wire
	seq  uint16
}

func newLegPair(t *testing.T, e *Engine, shardA, shardB int) *legPair {
	c := &legPair{t: t, to: newWire(t)}
	c.a, c.b = newSession(t, e, newHeard(), RTPSessionConfig{Shard: shardA}), newSession(t, e, newHeard(), RTPSessionConfig{Shard: shardB})
	c.src = newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}, Shard: shardA})
	c.a.Send(c.src, 0)
	if _, err := e.Forward(c.b, 0, Forward{To: c.to.addr(), SSRC: 9}); err != nil {
		t.Fatal(err)
	}
	return c
}

// set tells a session of another one.
func (c *legPair) set(s, other *RTPSession, r RTPRemote) {
	c.t.Helper()
	r.RTP, r.Codecs = at(other), remoteCodecs
	if err := s.SetRemote(r); err != nil {
		c.t.Fatal(err)
	}
	settled(s)
}

var remoteCodecs = []media.Codec{opusCodec}

// talk has a packet arrive.
func (c *legPair) talk() {
	c.t.Helper()
	c.src.Write(0, 0, rtpPacket(c.seq, 960*uint32(c.seq), 5, "hello"))
	c.seq++
	if b := c.to.receive(); !bytes.HasSuffix(b, []byte("hello")) {
		c.t.Fatalf("got %q", b)
	}
}

// TestSessionsMeet: packets of a call with both legs on one shard do not go through the
// kernel, until one of them moves away or ends.
func TestSessionsMeet(t *testing.T) {
	for name, keys := range map[string]*SRTPKey{"clear": nil, "SRTP": RandomSRTPKey(srtp.AES128CMSHA180)} {
		t.Run(name, func(t *testing.T) {
			waittest.NoLeaks(t)
			e := newEngine(t, nil)
			c := newLegPair(t, e, 1, 1)
			c.set(c.a, c.b, RTPRemote{Send: keys})
			if joined(c.a) {
				t.Error("joined before both know of each other")
			}
			c.set(c.b, c.a, RTPRemote{Receive: keys})
			for range 3 {
				c.talk()
			}
			if n := sockets(c.a); n != 0 || !joined(c.a) || !joined(c.b) {
				t.Errorf("%d datagrams left", n)
			}
			c.a.SetDirection(false, true)
			c.a.SetDirection(true, true)
			c.talk()
			if st := c.b.Stats(); st.In.Packets != 4 || st.Lost != 0 || st.Elsewhere != 0 {
				t.Errorf("stats %+v", st)
			}

			far := newFarEnd(t)
			if err := c.b.SetRemote(far.remote(opusCodec)); err != nil {
				t.Fatal(err)
			}
			settled(c.b)
			c.src.Write(0, 0, rtpPacket(100, 96000, 5, "to one who has gone"))
			waittest.Until(t, "it left by the socket", func() bool { return sockets(c.a) == 1 })
			waittest.Until(t, "it was refused", func() bool { return c.b.Stats().Elsewhere == 1 })
			if joined(c.a) || joined(c.b) {
				t.Error("still joined")
			}
			c.set(c.b, c.a, RTPRemote{Receive: keys})
			c.seq = 101
			c.talk()
			if n := sockets(c.a); n != 1 {
				t.Errorf("%d datagrams left", n)
			}
			c.b.Close()
			settled(c.b)
			if joined(c.a) {
				t.Error("joined with one that has ended")
			}
		})
	}
}

// TestSessionsMeetAcrossShards by the kernel.
func TestSessionsMeetAcrossShards(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, func(c *Config) { c.Shards = 2 })
	c := newLegPair(t, e, 1, 2)
	c.set(c.a, c.b, RTPRemote{})
	c.set(c.b, c.a, RTPRemote{})
	c.talk()
	waittest.Until(t, "it is counted", func() bool { return sockets(c.a) == 1 })
}

// TestPanicParts has one of two sessions that met panic over what the other one sends.
func TestPanicParts(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	c := newLegPair(t, e, 1, 1)
	c.set(c.a, c.b, RTPRemote{})
	c.set(c.b, c.a, RTPRemote{})
	c.talk()
	c.b.do(func(now mono.Time, core *plain.Session) {
		core.Tone = func(byte, uint32) { panic("test") }
		core.SetRemote(now, plain.Remote{RTP: at(c.a), Codecs: []media.Codec{{Name: toneCodec.Name, PayloadType: 111, ClockRate: 8000}}})
	})
	h := c.b.handler.(*heard)
	c.a.do(func(now mono.Time, core *plain.Session) {
		core.SetRemote(now, plain.Remote{RTP: at(c.b), Codecs: remoteCodecs})
	})
	c.src.Write(0, 0, rtpPacket(c.seq, 960*uint32(c.seq), 5, "\x01\x80\x01\x00"))
	await(t, h, EventClosed)
	waittest.Until(t, "they have parted", func() bool { return !joined(c.a) })
	if e.panics() != 1 {
		t.Errorf("%d panics counted", e.panics())
	}
	if err := c.a.SetRemote(RTPRemote{RTP: at(c.b), Codecs: remoteCodecs}); err != nil {
		t.Fatal(err)
	}
	if joined(c.a) {
		t.Error("joined with one that has ended")
	}
}
