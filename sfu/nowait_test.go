package sfu

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
)

// block holds a shard up until the function that it returns is called, or the test
// ends.
func block(t *testing.T, st *site) (release func()) {
	t.Helper()
	held, done := make(chan struct{}), make(chan struct{})
	st.shard.Post(func(mono.Time) {
		close(held)
		<-done
	})
	<-held
	release = sync.OnceFunc(func() { close(done) })
	t.Cleanup(release)
	return release
}

// TestNothingWaitsForShard makes a source with ports and a forwarder on a shard that
// does nothing, and has them carry media when it goes on.
func TestNothingWaitsForShard(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	release := block(t, e.sites[0])
	to, from := newWire(t), newWire(t)
	ready := make(chan uint16, 1)
	go func() {
		given := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
		given.Close()
		s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
		rtp, err := s.ListenRTP(anyLoopback, 0, 0)
		if err == nil {
			_, err = s.ListenRTCP(anyLoopback, 0)
		}
		if err == nil {
			err = e.PrepareForward()
		}
		if err == nil {
			_, err = e.Forward(s, 0, Forward{To: to.addr()})
		}
		if err != nil {
			t.Error(err)
		}
		ready <- rtp
	}()
	var rtp uint16
	select {
	case rtp = <-ready:
	case <-time.After(patience):
		t.Fatal("something waits for the shard")
	}
	from.send(rtp, rtpPacket(1, 960, 7, "held up"))
	release()
	if b := to.receive(); !bytes.HasSuffix(b, []byte("held up")) {
		t.Fatalf("got %q", b)
	}
}

// TestForwardAfterClose: a socket is not opened when nobody would close it.
func TestForwardAfterClose(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	e.Close()
	if err := e.PrepareForward(); err != ErrClosed {
		t.Error(err)
	}
	if _, err := e.NewSource(SourceConfig{}, newHeard()); err != ErrClosed {
		t.Error(err)
	}
}
