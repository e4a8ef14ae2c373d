package bwe

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pion "github.com/pion/rtcp"

	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
)

// TestTWCC: what a receiver reports comes back with full numbers and times to the
// tick, over wraps of both counters.
func TestTWCC(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a Adapter
	var rx twcc.Receiver
	dst := make([]Result, 0, MaxResults)
	arrived := map[uint64]time.Duration{}
	now, n := t0, uint64(60000)
	var first, origin time.Duration
	for range 2000 {
		clear(arrived)
		for range 1 + r.IntN(200) {
			n++
			now = now.Add(time.Duration(r.IntN(2_000_000)))
			if r.IntN(5) > 0 {
				rx.Arrive(now, uint16(n))
				arrived[n] = time.Duration(now)
			}
		}
		if r.IntN(20) == 0 {
			now = now.Add(time.Duration(r.IntN(1000)) * time.Second) // 2^24 of 64 ms are 12 days
		}
		var buf [8 * twcc.MaxFeedbackLen]byte
		got := dst[:0]
		for it := rtcp.Parse(rx.Append(buf[:0], rtcp.Ends{Sender: 1, Media: 2})); it.Next(); {
			f, _ := it.Feedback()
			m, ok := f.TWCC()
			if !ok {
				t.Fatal("no feedback")
			}
			got = a.TWCC(got, &m, n)
		}
		for _, x := range got {
			at, ok := arrived[x.Number]
			if ok != x.Received {
				t.Fatalf("packet %d: received %v", x.Number, x.Received)
			}
			if !ok {
				continue
			}
			if first == 0 {
				first, origin = at, x.Arrival
			}
			if off := (at - first) - (x.Arrival - origin); off < -rtcp.TWCCTick || off > rtcp.TWCCTick {
				t.Fatalf("packet %d is off by %v", x.Number, off)
			}
			delete(arrived, x.Number)
		}
		if len(arrived) != 0 {
			t.Fatalf("%d packets are not told of", len(arrived))
		}
	}
}

func TestUnwrap(t *testing.T) {
	for _, x := range []struct {
		s    uint16
		last uint64
		want uint64
	}{
		{5, 5, 5}, {65535, 65536 + 3, 65535}, {2, 65535, 65538}, {65000, 3, 0}, {0, 1 << 40, 1 << 40}, {3, 0, 3},
	} {
		if got := unwrap(x.s, x.last); got != x.want {
			t.Errorf("%d after %d is %d, want %d", x.s, x.last, got, x.want)
		}
	}
}

// TestTWCCBounds: no more than there is room for.
func TestTWCCBounds(t *testing.T) {
	deltas := make([]int32, 300)
	m := rtcp.TWCC{Base: 1}
	for it := rtcp.Parse(rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &m, deltas)); it.Next(); {
		f, _ := it.Feedback()
		m, _ := f.TWCC()
		var a Adapter
		if got := a.TWCC(make([]Result, 0, 100), &m, 300); len(got) != 100 || got[99].Number != 100 {
			t.Errorf("%d results", len(got))
		}
	}
}

// sentNumbers numbers the packets of two streams in turn.
type sentNumbers struct{}

func (sentNumbers) Number(ssrc uint32, seq uint16) (uint64, bool) {
	return 2*uint64(seq) + uint64(ssrc&1), ssrc < 10
}

// TestCCFB: reports of RFC 8888, as pion writes them, become results in order.
func TestCCFB(t *testing.T) {
	var a Adapter
	const second = 65536
	for i, stamp := range []uint32{1<<32 - second, 0, second / 2} { // it wraps
		report := func(received bool, ecn uint8, offset uint16) pion.CCFeedbackMetricBlock {
			return pion.CCFeedbackMetricBlock{Received: received, ECN: pion.ECN(ecn), ArrivalTimeOffset: offset}
		}
		b, err := pion.CCFeedbackReport{SenderSSRC: 1, ReportTimestamp: stamp, ReportBlocks: []pion.CCFeedbackReportBlock{
			{MediaSSRC: 2, BeginSequence: 100, MetricBlocks: []pion.CCFeedbackMetricBlock{
				report(true, 0, 512), report(false, 0, 0), report(true, 3, 256)}},
			{MediaSSRC: 3, BeginSequence: 100, MetricBlocks: []pion.CCFeedbackMetricBlock{
				report(true, 1, 511), report(true, 0, 0x1ffe), report(true, 0, 0x1fff), report(true, 0, 0)}},
			{MediaSSRC: 11, BeginSequence: 1, MetricBlocks: []pion.CCFeedbackMetricBlock{report(true, 0, 1), report(true, 0, 1)}},
		}}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		it := rtcp.Parse(b)
		if !it.Next() {
			t.Fatal(it.Err())
		}
		c, ok := it.CCFB()
		if !ok {
			t.Fatal("no feedback")
		}
		at := 24*time.Hour + []time.Duration{0, time.Second, 1500 * time.Millisecond}[i]
		want := []Result{
			{200, true, false, at - time.Second/2}, {201, true, false, at - 511*time.Second/1024}, {Number: 202},
			{204, true, true, at - time.Second/4}, {207, true, false, at},
		}
		got := a.CCFB(make([]Result, 0, 100), &c, sentNumbers{})
		if !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := a.CCFB(make([]Result, 0, 2), &c, sentNumbers{}); len(got) != 2 {
			t.Errorf("%d results where there is room for 2", len(got))
		}
	}
}
