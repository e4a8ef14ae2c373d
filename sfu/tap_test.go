package sfu

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

// TestTap has a goroutine take what a source gets, until the source ends.
func TestTap(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	tap, err := e.Tap(s, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	const packets = 200             // fewer than wait for a consumer at most
	release := block(t, e.sites[0]) // all comes in one pass of the shard, and the end with it
	for i := range packets {
		s.Write(0, 0, rtpPacket(uint16(65500+i), uint32(i)*960, 5, fmt.Sprint("packet ", i)))
	}
	s.Close()
	release()
	done := make(chan error, 1)
	go func() {
		first := uint64(0)
		for i := 0; ; i++ {
			p, ok := tap.Next(context.Background())
			switch {
			case !ok && i == packets:
				done <- nil
				return
			case !ok:
				done <- fmt.Errorf("ended after %d packets", i)
				return
			case i == 0:
				first = p.Seq
			}
			if want := fmt.Sprint("packet ", i); p.Seq != first+uint64(i) || p.Timestamp != uint32(i)*960 ||
				p.Arrival == 0 || p.Codec != media.Opus || !bytes.Equal(p.Payload(), []byte(want)) {
				done <- fmt.Errorf("packet %d: %+v", i, p)
				return
			}
			p.Buf.Release()
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	tap.Close()
	if tap.Lost() != 0 {
		t.Errorf("%d lost", tap.Lost())
	}
	none, err := e.Tap(s, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := none.Next(context.Background()); ok {
		t.Error("a packet of a stream that has ended")
	}
	none.Close()
}
