package sfu

import (
	"fmt"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/pipe"
)

// TestPipe has a goroutine take what a source gets, in the numbers of a subscription,
// until the pipe is closed.
func TestPipe(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	p := e.Pipe(s, 0)
	const packets = 200             // fewer than wait for a consumer at most
	release := block(t, e.sites[0]) // all comes in one pass of the shard, and the end with it
	for i := range packets {
		s.Write(0, 0, rtpPacket(uint16(65500+i), 77+uint32(i)*960, 5, fmt.Sprint("packet ", i)))
	}
	s.Close()
	p.Close()
	release()
	e.sites[0].shard.Call(func(mono.Time) {})
	var mem []byte
	var q pipe.Packet
	for i := range packets {
		var ok bool
		if mem, ok = p.Next(mem, &q); !ok {
			t.Fatalf("ended after %d packets", i)
		}
		var h rtp.Header
		if err := h.Parse(q.Data); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint("packet ", i); q.Seq != uint64(i+1) || q.Timestamp != uint32(i)*960 || q.Source != 77+uint32(i)*960 ||
			q.SSRC == 0 || h.SSRC != 5 || h.SequenceNumber != uint16(i+1) || h.Timestamp != q.Timestamp || h.PayloadType != 96 ||
			q.Arrival == 0 || string(q.Data[q.Head:]) != want || q.Report {
			t.Fatalf("packet %d: %+v, header %+v", i, q, h)
		}
	}
	if _, ok := p.Next(mem, &q); ok || !p.Over() || p.Lost() != 0 {
		t.Errorf("left %v, over %v, lost %d", ok, p.Over(), p.Lost())
	}
}
