package sfu

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"bifrons/dtls/srtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"

	pionrtp "github.com/pion/rtp"
	pionsrtp "github.com/pion/srtp/v3"
)

var (
	opusCodec = media.Codec{Name: media.Opus, PayloadType: 111, ClockRate: 48000}
	toneCodec = media.Codec{Name: media.TelephoneEvent, PayloadType: 101, ClockRate: 8000}
)

func newSession(t *testing.T, e *Engine, h SourceHandler, cfg RTPSessionConfig) *RTPSession {
	t.Helper()
	cfg.Bind.Addr = anyLoopback.Addr
	s, err := e.NewRTPSession(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// farEnd is what a session talks to: two sockets, with pion's SRTP if there are keys.
type farEnd struct {
	rtp, rtcp *wire
	in, out   *pionsrtp.Context
}

func newFarEnd(t *testing.T) *farEnd { return &farEnd{rtp: newWire(t), rtcp: newWire(t)} }

// pionProfiles are the profiles as pion calls them.
var pionProfiles = map[SRTPProfile]pionsrtp.ProtectionProfile{
	srtp.AES128CMSHA180: pionsrtp.ProtectionProfileAes128CmHmacSha1_80,
	srtp.AES128CMSHA132: pionsrtp.ProtectionProfileAes128CmHmacSha1_32,
	srtp.AEADAES128GCM:  pionsrtp.ProtectionProfileAeadAes128Gcm,
	srtp.AEADAES256GCM:  pionsrtp.ProtectionProfileAeadAes256Gcm,
}

func pionContext(t *testing.T, k *SRTPKey) *pionsrtp.Context {
	t.Helper()
	c, err := pionsrtp.CreateContext(k.Key, k.Salt, pionProfiles[k.Profile], pionsrtp.SRTPReplayProtection(64), pionsrtp.SRTCPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// remote is the far end as signalling tells it.
func (f *farEnd) remote(codecs ...media.Codec) RTPRemote {
	return RTPRemote{RTP: f.rtp.addr(), RTCP: f.rtcp.addr(), Codecs: codecs}
}

// secure gives both sides keys.
func (f *farEnd) secure(t *testing.T, r *RTPRemote, p SRTPProfile) {
	r.Receive, r.Send = RandomSRTPKey(p), RandomSRTPKey(p)
	f.out, f.in = pionContext(t, r.Receive), pionContext(t, r.Send)
}

func (f *farEnd) send(port uint16, p pionrtp.Packet) {
	f.rtp.t.Helper()
	p.Version = 2
	b, err := p.Marshal()
	if err == nil && f.out != nil {
		b, err = f.out.EncryptRTP(nil, b, nil)
	}
	if err != nil {
		f.rtp.t.Fatal(err)
	}
	f.rtp.send(port, b)
}

func (f *farEnd) receive() (p pionrtp.Packet) {
	f.rtp.t.Helper()
	b := f.rtp.receive()
	var err error
	if f.in != nil {
		b, err = f.in.DecryptRTP(nil, b, nil)
	}
	if err == nil {
		err = p.Unmarshal(b)
	}
	if err != nil {
		f.rtp.t.Fatal(err)
	}
	return p
}

func voice(seq uint16, payload string) pionrtp.Packet {
	return pionrtp.Packet{
		Header:  pionrtp.Header{PayloadType: 111, SequenceNumber: seq, Timestamp: uint32(seq) * 960, SSRC: 7},
		Payload: []byte(payload),
	}
}

// settled waits until the session's shard has done what was asked of it so far.
func settled(s *RTPSession) { s.Stats() }

// TestRTPSession carries packets both ways, by a pair of ports, with every suite.
func TestRTPSession(t *testing.T) {
	for _, p := range []SRTPProfile{0, srtp.AES128CMSHA180, srtp.AES128CMSHA132, srtp.AEADAES128GCM, srtp.AEADAES256GCM} {
		t.Run(p.String(), func(t *testing.T) {
			waittest.NoLeaks(t)
			e := newEngine(t, nil)
			h := newHeard()
			s := newSession(t, e, h, RTPSessionConfig{})
			if s.Port()%2 != 0 || s.Port() < defaultPairMin || s.Port() > defaultPairMax {
				t.Errorf("port %d", s.Port())
			}
			far := newFarEnd(t)
			r := far.remote(opusCodec, toneCodec)
			if p.Valid() {
				far.secure(t, &r, p)
			}
			if err := s.SetRemote(r); err != nil {
				t.Fatal(err)
			}
			// What comes in is a track that others get.
			to := newWire(t)
			if _, err := e.Forward(s, 0, Forward{To: to.addr()}); err != nil {
				t.Fatal(err)
			}
			settled(s)
			for i := range uint16(3) {
				far.send(s.Port(), voice(65534+i, "from afar"))
				if b := to.receive(); !bytes.HasSuffix(b, []byte("from afar")) {
					t.Fatalf("got %q", b)
				}
			}
			if ev := await(t, h, EventMedia); !ev.Receiving {
				t.Errorf("event %+v", ev)
			}
			// And what others send goes out, with one SSRC and numbers that go on.
			first, second := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}}), newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
			var last pionrtp.Packet
			for i, src := range []*Source{first, second, first} {
				s.Send(src, 0)
				settled(s)
				for j := range uint16(2) {
					src.Write(0, 0, rtpPacket(uint16(1000*i)+j, 960*uint32(j), uint32(i), "hello"))
					got := far.receive()
					if string(got.Payload) != "hello" || got.PayloadType != 111 || got.Extension {
						t.Fatalf("got %v", got)
					}
					if last.SSRC != 0 && (got.SSRC != last.SSRC || got.SequenceNumber != last.SequenceNumber+1 || int32(got.Timestamp-last.Timestamp) <= 0) {
						t.Errorf("%v\nfollows %v", got, last)
					}
					last = got
				}
			}
			s.Send(nil, 0)
			settled(s)
			first.Write(0, 0, rtpPacket(5000, 9600, 3, "nobody"))
			tone := pionrtp.Packet{Header: pionrtp.Header{PayloadType: 101, SequenceNumber: 1, Timestamp: 4000, SSRC: 7}, Payload: []byte{7, 0x8a, 3, 0x20}}
			far.send(s.Port(), tone)
			if !p.Valid() {
				if ev := await(t, h, EventDTMF); ev.Digit != '7' || ev.Duration != 800 {
					t.Errorf("event %+v", ev)
				}
			}
			waittest.Until(t, "all packets are counted", func() bool { return s.Stats().In.Packets == 4 })
			st := s.Stats()
			if st.Out.Packets != 6 || st.InSSRC != 7 || st.OutSSRC != last.SSRC || st.NotAuthentic != 0 {
				t.Errorf("stats %+v", st)
			}
			s.Close()
			b := far.rtcp.receive()
			if far.in != nil {
				var err error
				if b, err = far.in.DecryptRTCP(nil, b, nil); err != nil {
					t.Fatal(err)
				}
			}
			bye := false
			for it := rtcp.Parse(b); it.Next(); {
				if y, ok := it.Packet.Bye(); ok {
					bye = y.Len() == 1 && y.SSRC(0) == last.SSRC
				}
			}
			if !bye {
				t.Errorf("the last RTCP is %x", b)
			}
		})
	}
}

// TestRTPSessionAcrossShards sends and is heard on other shards than its own.
func TestRTPSessionAcrossShards(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, func(c *Config) { c.Shards = 2 })
	a, b := newSession(t, e, newHeard(), RTPSessionConfig{Shard: 1}), newSession(t, e, newHeard(), RTPSessionConfig{Shard: 2})
	far, other := newFarEnd(t), newFarEnd(t)
	if err := errors.Join(a.SetRemote(far.remote(opusCodec)), b.SetRemote(other.remote(opusCodec))); err != nil {
		t.Fatal(err)
	}
	a.Send(b, 0)
	b.Send(a, 0)
	for range 3 { // there and back between the shards
		settled(a)
		settled(b)
	}
	far.send(a.Port(), voice(1, "one"))
	if p := other.receive(); string(p.Payload) != "one" {
		t.Errorf("got %v", p)
	}
	other.send(b.Port(), voice(1, "two"))
	if p := far.receive(); string(p.Payload) != "two" {
		t.Errorf("got %v", p)
	}
}

// TestRTPSessionMoves changes the far end's address and keys.
func TestRTPSessionMoves(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSession(t, e, newHeard(), RTPSessionConfig{})
	src := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	s.Send(src, 0)
	var last pionrtp.Packet
	for i := range uint16(3) {
		far := newFarEnd(t)
		r := far.remote(opusCodec)
		far.secure(t, &r, srtp.AES128CMSHA180)
		if err := s.SetRemote(r); err != nil {
			t.Fatal(err)
		}
		settled(s)
		src.Write(0, 0, rtpPacket(2*i, 960*uint32(2*i), 5, "hello"))
		got := far.receive()
		if i > 0 && (got.SSRC != last.SSRC || got.SequenceNumber != last.SequenceNumber+1) {
			t.Errorf("%v\nfollows %v", got, last)
		}
		last = got
		far.send(s.Port(), voice(i, "x"))
		waittest.Until(t, "it has come", func() bool { return s.Stats().In.Packets == uint64(i)+1 })
		bad := far.remote(opusCodec)
		bad.Send = &SRTPKey{Profile: srtp.AEADAES128GCM, Key: make([]byte, 16), Salt: make([]byte, 14)}
		if s.SetRemote(bad) == nil {
			t.Error("a salt of 14 bytes was taken")
		}
		src.Write(0, 0, rtpPacket(2*i+1, 960*uint32(2*i+1), 5, "still there"))
		last = far.receive()
	}
}

// TestPortPairs takes every pair of a range and gives it back.
func TestPortPairs(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	low := freeRange(t, 12)
	cfg := RTPSessionConfig{Bind: Bind{Addr: anyLoopback.Addr, PortMin: low, PortMax: low + 11}}
	for range 3 {
		var list []*RTPSession
		seen := map[uint16]bool{}
		for range 6 {
			s, err := e.NewRTPSession(cfg, newHeard())
			if err != nil {
				t.Fatal(err)
			}
			if p := s.Port(); p%2 != 0 || p < low || p > low+10 || seen[p] {
				t.Errorf("port %d", p)
			}
			seen[s.Port()] = true
			list = append(list, s)
		}
		if _, err := e.NewRTPSession(cfg, newHeard()); !errors.Is(err, ErrNoPorts) {
			t.Errorf("one more: %v", err)
		}
		for _, s := range list {
			s.Close()
			s.Close()
			settled(s)
		}
	}
	// Half of a pair is of no use.
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(low) + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Bind.PortMax = low + 1
	if _, err := e.NewRTPSession(cfg, newHeard()); !errors.Is(err, ErrNoPorts) {
		t.Errorf("with RTCP's port taken: %v", err)
	}
	for _, b := range []Bind{{PortMin: 4001, PortMax: 4002}, {PortMin: 9, PortMax: 5}, {Addr: netip.MustParseAddr("192.0.2.1")}} {
		if _, err := e.NewRTPSession(RTPSessionConfig{Bind: b}, newHeard()); err == nil {
			t.Errorf("%+v was taken", b)
		}
	}
}

// freeRange finds n ports in a row that are free now; the first is even.
func freeRange(t *testing.T, n int) uint16 {
	t.Helper()
	for low := 30000; low < 60000; low += n + n%2 {
		free := true
		for p := low; p < low+n && free; p++ {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
			if free = err == nil; free {
				c.Close()
			}
		}
		if free {
			return uint16(low)
		}
	}
	t.Fatal("no free ports")
	return 0
}

// TestPanicEndsOneRTPSession has something of a session panic: it ends and tells so,
// the other goes on.
func TestPanicEndsOneRTPSession(t *testing.T) {
	for name, cause := range map[string]func(s *RTPSession, h *shaky, far *farEnd, src *Source){
		"datagram": func(s *RTPSession, _ *shaky, far *farEnd, _ *Source) {
			s.do(func(_ mono.Time, c *plain.Session) { c.Tone = func(byte, uint32) { panic("test") } })
			far.send(s.Port(), pionrtp.Packet{Header: pionrtp.Header{PayloadType: 101, SSRC: 7}, Payload: []byte{1, 0x80, 0, 9}})
		},
		"command": func(s *RTPSession, _ *shaky, _ *farEnd, _ *Source) {
			s.do(func(mono.Time, *plain.Session) { panic("test") })
		},
		"sending": func(s *RTPSession, _ *shaky, far *farEnd, src *Source) {
			s.do(func(now mono.Time, c *plain.Session) {
				c.SetRemote(now, plain.Remote{RTP: far.rtp.addr(), Codecs: []media.Codec{opusCodec}, Sealer: new(srtp.Sender)})
			})
			settled(s)
			src.Write(0, 0, rtpPacket(9, 9600, 5, "x"))
		},
		"handler of events": func(s *RTPSession, h *shaky, far *farEnd, _ *Source) {
			h.events.Store(true)
			far.send(s.Port(), voice(1, "x"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			waittest.NoLeaks(t)
			e := newEngine(t, nil)
			h := &shaky{heard: newHeard()}
			src := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}, Shard: 1})
			bad, good := newSession(t, e, h, RTPSessionConfig{Shard: 1}), newSession(t, e, newHeard(), RTPSessionConfig{Shard: 1})
			far, other := newFarEnd(t), newFarEnd(t)
			if err := errors.Join(bad.SetRemote(far.remote(opusCodec, toneCodec)), good.SetRemote(other.remote(opusCodec))); err != nil {
				t.Fatal(err)
			}
			bad.Send(src, 0)
			good.Send(src, 0)
			settled(good)
			src.Write(0, 0, rtpPacket(1, 960, 5, "before"))
			other.receive()
			cause(bad, h, far, src)
			await(t, h.heard, EventClosed)
			src.Write(0, 0, rtpPacket(20, 19200, 5, "after"))
			for p := other.receive(); string(p.Payload) != "after"; p = other.receive() {
			}
			if e.panics() != 1 {
				t.Errorf("%d panics counted", e.panics())
			}
		})
	}
}

// TestUnreachable ends a session whose far end is gone, but not one that hears from it,
// nor one that only RTCP does not reach.
func TestUnreachable(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	src := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	gone, alive := newHeard(), newHeard()
	bad, good := newSession(t, e, gone, RTPSessionConfig{}), newSession(t, e, alive, RTPSessionConfig{})
	far, other := newFarEnd(t), newFarEnd(t)
	if err := errors.Join(bad.SetRemote(far.remote(opusCodec)), good.SetRemote(other.remote(opusCodec))); err != nil {
		t.Fatal(err)
	}
	far.rtp.conn.Close()
	other.rtcp.conn.Close()
	bad.Send(src, 0)
	good.Send(src, 0)
	settled(bad)
	settled(good)
	seq := uint16(0)
	waittest.Until(t, "it has ended", func() bool {
		src.Write(0, 0, rtpPacket(seq, 960*uint32(seq), 5, "hello"))
		seq++
		other.receive()
		select {
		case ev := <-gone.events:
			if ev.Kind != EventClosed || ev.Cause != CauseUnreachable {
				t.Errorf("event %+v", ev)
			}
			return true
		default:
			return false
		}
	})
	if seq < 100 {
		t.Errorf("it ended after %d packets", seq)
	}
	if st := good.Stats(); st.Refused != 0 || st.Out.Packets != uint64(seq) {
		t.Errorf("stats %+v", st)
	}
}

// TestRTPSessionOwned: the ports of a session are ones of this engine, but calls may go from one to another.
func TestRTPSessionOwned(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	defer e.Close()
	s := newSession(t, e, newHeard(), RTPSessionConfig{Kind: media.Audio})
	port := netip.AddrPortFrom(anyLoopback.Addr, s.Port())
	rtcp := netip.AddrPortFrom(anyLoopback.Addr, s.Port()+1)
	if !e.Owns(port) || !e.Owns(rtcp) || e.OwnsOther(port) || !e.OwnsOther(rtcp) {
		t.Errorf("owned are %v and %v, of others %v and %v", e.Owns(port), e.Owns(rtcp), e.OwnsOther(port), e.OwnsOther(rtcp))
	}
	s.Close()
	waittest.Until(t, "the ports are given up", func() bool { return !e.Owns(port) && !e.Owns(rtcp) })
}

// TestRTPSessionAfterEngine is closed late, and made too late.
func TestRTPSessionAfterEngine(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSession(t, e, newHeard(), RTPSessionConfig{})
	e.Close()
	s.Close()
	s.Send(s, 0)
	s.SetDirection(true, false)
	s.RequestKeyframe(0)
	if err := s.SetRemote(RTPRemote{}); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st != (RTPSessionStats{}) {
		t.Errorf("stats %+v", st)
	}
	if _, err := e.NewRTPSession(RTPSessionConfig{}, newHeard()); !errors.Is(err, ErrClosed) {
		t.Errorf("made a session: %v", err)
	}
}
