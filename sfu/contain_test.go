package sfu

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
)

// shaky is a SourceHandler that panics when it is told to.
type shaky struct {
	*heard
	events, data atomic.Bool
}

func (h *shaky) SourceEvent(ev Event) {
	if h.events.Load() && ev.Kind != EventClosed {
		panic("test")
	}
	h.heard.SourceEvent(ev)
}

func (h *shaky) SourceData(i int, binary bool, payload []byte) {
	if h.data.Load() {
		panic("test")
	}
	h.heard.SourceData(i, binary, payload)
}

func (e *Engine) panics() (n uint64) {
	for _, st := range e.sites {
		n += st.shard.Stats().Drops[media.DropPanic]
	}
	return n
}

// TestPanicEndsOneSource has something of a source panic: that source ends and
// tells so, and others go on.
func TestPanicEndsOneSource(t *testing.T) {
	for name, cause := range map[string]func(s *Source, h *shaky, rtp, data uint16, from *wire){
		"datagram": func(s *Source, _ *shaky, rtp, _ uint16, from *wire) {
			s.do(func(_ mono.Time, c *plain.Source) { c.OnLevel = func(int, float64) { panic("test") } })
			from.send(rtp, rtpPacket(1, 960, 5, "x"))
		},
		"tick": func(s *Source, _ *shaky, rtp, _ uint16, from *wire) {
			s.do(func(_ mono.Time, c *plain.Source) { c.OnMedia = func(int, int, bool) { panic("test") } })
			from.send(rtp, rtpPacket(1, 960, 5, "x"))
		},
		"command": func(s *Source, _ *shaky, _, _ uint16, _ *wire) {
			s.do(func(mono.Time, *plain.Source) { panic("test") })
		},
		"packet written": func(s *Source, _ *shaky, _, _ uint16, _ *wire) {
			s.do(func(_ mono.Time, c *plain.Source) { c.OnLevel = func(int, float64) { panic("test") } })
			s.Write(0, 0, rtpPacket(1, 960, 5, "x"))
		},
		"handler of events": func(_ *Source, h *shaky, rtp, _ uint16, from *wire) {
			h.events.Store(true)
			from.send(rtp, rtpPacket(1, 960, 5, "x"))
		},
		"feeding goroutine": func(s *Source, _ *shaky, _, _ uint16, _ *wire) {
			go func() {
				defer s.Contain("a test")
				panic("test")
			}()
		},
		"handler of data": func(_ *Source, h *shaky, _, data uint16, from *wire) {
			h.data.Store(true)
			from.send(data, []byte("message"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			waittest.NoLeaks(t)
			e := newEngine(t, nil)
			stream := opusStream()
			stream.LevelWindow = 1
			streams := []TrackConfig{stream, {Kind: media.Data}}
			h, other := &shaky{heard: newHeard()}, newHeard()
			bad := newSource(t, e, h, SourceConfig{Tracks: streams, Shard: 1})
			good := newSource(t, e, other, SourceConfig{Tracks: streams, Shard: 1})
			open := func(s *Source) (rtp, data uint16) {
				rtp, err := s.ListenRTP(anyLoopback, 0, 0)
				if err == nil {
					data, err = s.ListenData(anyLoopback, 1, false)
				}
				if err != nil {
					t.Fatal(err)
				}
				return rtp, data
			}
			rtp, data := open(bad)
			in, _ := open(good)
			to, from := newWire(t), newWire(t)
			if _, err := e.Forward(good, 0, Forward{To: to.addr()}); err != nil {
				t.Fatal(err)
			}
			from.send(in, rtpPacket(1, 960, 7, "before"))
			if b := to.receive(); !bytes.HasSuffix(b, []byte("before")) {
				t.Fatalf("got %q", b)
			}
			cause(bad, h, rtp, data, from)
			await(t, h.heard, EventClosed)
			from.send(in, rtpPacket(2, 1920, 7, "after"))
			if b := to.receive(); !bytes.HasSuffix(b, []byte("after")) {
				t.Fatalf("got %q", b)
			}
			if e.panics() != 1 {
				t.Errorf("%d panics counted", e.panics())
			}
			if _, err := bad.ListenRTP(anyLoopback, 0, 0); err == nil {
				t.Error("the source can still be used")
			}
		})
	}
}

func await(t *testing.T, h *heard, k EventKind) Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case ev := <-h.events:
			if ev.Kind == k {
				return ev
			}
		case <-limit:
			t.Fatal("no such event")
		}
	}
}

// TestPanicEndsOneForwarder has forwarders panic: the track and the other
// forwarders of it go on.
func TestPanicEndsOneForwarder(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	in, err := s.ListenRTP(anyLoopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	to, from := newWire(t), newWire(t)
	failed := make(chan string, 4)
	forward := func(name string, f Forward) *Forwarder {
		f.To, f.Failed = to.addr(), func() { failed <- name }
		w, err := e.Forward(s, 0, f)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	bad := []*Forwarder{forward("tap", Forward{}), forward("subscription", Forward{Encoding: -1}), forward("command", Forward{})}
	forward("good", Forward{SSRC: 9})
	for _, f := range bad[:2] {
		f.do(func(_ mono.Time, c *plain.Forwarder) { c.Sealer = new(srtp.Sender) })
	}
	bad[2].do(func(mono.Time, *plain.Forwarder) { panic("test") })
	for i := range 2 {
		from.send(in, rtpPacket(uint16(i), 960*uint32(i), 7, "x"))
		if b := to.receive(); b[11] != 9 {
			t.Errorf("got a packet of SSRC %d", b[11])
		}
	}
	ended := map[string]bool{}
	for range bad {
		select {
		case name := <-failed:
			ended[name] = true
		case <-time.After(patience):
			t.Fatalf("only %v have told that they failed", ended)
		}
	}
	if ended["good"] || len(ended) != 3 || e.panics() != 3 {
		t.Errorf("%v have failed, %d panics were counted", ended, e.panics())
	}
}

// TestPanicOfPeerHandler has the handler of a peer connection panic.
func TestPanicOfPeerHandler(t *testing.T) {
	waittest.NoLeaks(t)
	a, b := newEngine(t, nil), newEngine(t, nil)
	mine, theirs := newEvents(t), newEvents(t)
	pa, err := a.NewPeer(PeerConfig{Controlling: true}, mine)
	if err != nil {
		t.Fatal(err)
	}
	pb, err := b.NewPeer(PeerConfig{}, panicking{theirs})
	if err != nil {
		t.Fatal(err)
	}
	pa.SetDataChannels(true)
	pb.SetDataChannels(true)
	connect(t, pa, pb)
	mine.await(EventDataReady)
	if err := pa.SendData("x", "", false, []byte("boom")); err != nil {
		t.Fatal(err)
	}
	if ev := theirs.await(EventClosed); ev.Reason != ReasonInternal || ev.Cause != CauseInternal {
		t.Errorf("closed because of %q", ev.Reason)
	}
	if b.panics() != 1 {
		t.Errorf("%d panics counted", b.panics())
	}
}

type panicking struct{ *events }

func (panicking) PeerData(string, string, bool, []byte) { panic("test") }
