package sfu

import (
	"bytes"
	"io"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

// reader is a MediaReader of packets that are all due at once, but for the last one.
type reader struct {
	packets [][]byte      // nil = panic
	last    time.Duration // when that is due
	closed  chan struct{}
}

func newReader(packets ...[]byte) *reader {
	return &reader{packets: packets, closed: make(chan struct{})}
}

func (t *reader) Next(dst []byte) ([]byte, time.Duration, error) {
	if len(t.packets) == 0 {
		return nil, 0, io.EOF
	}
	p := t.packets[0]
	t.packets = t.packets[1:]
	if p == nil {
		panic("test")
	}
	if len(t.packets) == 0 {
		return append(dst, p...), t.last, nil
	}
	return append(dst, p...), 0, nil
}

func (t *reader) Close() error {
	close(t.closed)
	return nil
}

// What is played comes out like what comes by a port, on whichever shard the source is.
func TestPlay(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, func(c *Config) { c.Shards = 2 })
	for shard := 1; shard <= 2; shard++ {
		h := newHeard()
		s := newSource(t, e, h, SourceConfig{Shard: shard, Tracks: []TrackConfig{opusStream(), {Kind: media.Data}}})
		out := newWire(t)
		if _, err := e.Forward(s, 0, Forward{To: out.addr()}); err != nil {
			t.Fatal(err)
		}
		s.site.shard.Call(func(mono.Time) {}) // the forwarder is there
		audio := newReader(rtpPacket(1, 0, 5, "one"), make([]byte, 1700), rtpPacket(2, 960, 5, "two"))
		audio.last = 200 * time.Millisecond
		data := newReader([]byte("hello"))
		ended := make(chan error, 2)
		e.Play(s, []Part{{Reader: audio}, {Reader: data, Track: 1, Messages: true, Binary: true}}, false, func(err error) { ended <- err })
		for _, want := range []string{"one", "two"} {
			if got := out.receive(); !bytes.HasSuffix(got, []byte(want)) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if err := waittest.Next(t, "the end", ended); err != nil {
			t.Error(err)
		}
		<-audio.closed
		<-data.closed
		if got := waittest.Next(t, "a message", h.data); got != "binary:hello" {
			t.Errorf("got %s", got)
		}
	}
}

// A reader that panics, and what waits for the end if that does, fails the source.
func TestPlayPanics(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	for _, ended := range []func(error){nil, func(error) { panic("test") }} {
		h := newHeard()
		s := newSource(t, e, h, SourceConfig{Tracks: []TrackConfig{opusStream()}})
		x := newReader(nil)
		if ended != nil {
			x = newReader()
		}
		e.Play(s, []Part{{Reader: x}}, false, ended)
		for {
			if ev := waittest.Next(t, "the end of the source", h.events); ev.Kind == EventClosed {
				break
			}
		}
		<-x.closed
	}
	if n := e.Drops()[media.DropPanic]; n != 2 {
		t.Errorf("%d panics counted", n)
	}
}

// An engine that is closed plays nothing any more, and closes the readers.
func TestPlayAfterClose(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	held := newReader(rtpPacket(1, 0, 5, "one"))
	e.Play(s, []Part{{Reader: held}}, true, func(error) { t.Error("ended") })
	e.Close()
	<-held.closed
	late := newReader(rtpPacket(1, 0, 5, "one"))
	e.Play(s, []Part{{Reader: late}}, false, func(error) { t.Error("ended") }).Stop()
	<-late.closed
}

// TestFeed: nothing is allocated for what is played, and a shard that is behind gets no
// more than it can hold.
func TestFeed(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	f := &s.site.feed
	seq := uint16(0)
	packet := rtpPacket(0, 0, 5, "payload")
	pool := pktbuf.NewPool(maxFed)
	of := func(b []byte) *pktbuf.Buf {
		buf := pool.Get()
		buf.N = copy(buf.B, b)
		return buf
	}
	next := func() *pktbuf.Buf {
		seq++
		packet[2], packet[3] = byte(seq>>8), byte(seq)
		return of(packet)
	}
	s.site.shard.Call(func(now mono.Time) {
		pass := func() {
			for range 10 {
				if !f.add(s, 0, next()) {
					t.Error("no room")
				}
			}
			b := f.current
			f.current = nil
			f.waiting.Add(b.bytes)
			b.take(now)
		}
		for range 500 {
			pass()
		}
		if n := testing.AllocsPerRun(100, pass); n != 0 {
			t.Errorf("%v allocations for 10 packets", n)
		}
	})
	if got, _ := s.Age(0); got > patience {
		t.Errorf("the last packet came %v ago", got)
	}
	n := 0
	s.site.shard.Call(func(mono.Time) {
		long := make([]byte, 1500)
		for f.add(s, 0, of(long)) {
			n++
		}
		f.flush()
		if got := f.waiting.Load(); got != int64(n*len(long)) {
			t.Errorf("%d bytes wait of %d packets", got, n)
		}
	})
	s.site.shard.Call(func(mono.Time) {})
	if want := maxFed/1500 + 1; n != want || f.waiting.Load() != 0 || !f.add(s, 0, of(packet)) {
		t.Errorf("%d packets fit, not %d; %d bytes wait", n, want, f.waiting.Load())
	}
	e.scheduler.Flush()
	s.Close()
	s.site.shard.Call(func(mono.Time) {})
	if f.add(s, 0, of(packet)); f.current != nil { // for a source that is gone
		e.scheduler.Flush()
	}
	s.site.shard.Call(func(mono.Time) {})
	if left := pool.Outstanding(); left != 1 { // the one that was refused
		t.Errorf("%d packets were not released", left)
	}
}

// A source that could not be made costs nobody else the packets of a batch.
func TestPreloadWithoutCore(t *testing.T) {
	preload([]fed{{to: new(Source), packet: &pktbuf.Buf{B: make([]byte, 16), N: 12}}})
}
