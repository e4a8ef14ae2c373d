package twcc

import (
	"math/rand/v2"
	"testing"
	"time"

	pion "github.com/pion/rtcp"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// sender is a Sender that remembers.
type sender struct{ Sender }

func newSender() *sender {
	s := new(sender)
	s.Remember()
	return s
}

// put numbers a packet and sends it.
func (s *sender) put(now mono.Time, size int) uint16 {
	n := s.Next()
	s.Sent(now, size)
	return n
}

// views returns the feedback messages of a compound packet.
func views(t testing.TB, b []byte) (out []rtcp.TWCC) {
	t.Helper()
	for it := rtcp.Parse(b); it.Next(); {
		f, _ := it.Feedback()
		cc, ok := f.TWCC()
		if !ok {
			t.Fatalf("%x is no feedback", it.Raw)
		}
		out = append(out, cc)
	}
	return out
}

// A sender and a receiver over a path with loss and varying delay: each packet
// is sampled exactly once, with its size, its sending time and, but for the
// clocks' offset, its arrival.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	tx := newSender()
	var rx Receiver
	type packet struct {
		sent, arrival mono.Time
		size          int
	}
	var packets []packet
	var base time.Duration
	based := false
	seen, lost := 0, 0
	now := t0
	dst := make([]Sample, 0, MaxSamples)
	const clockOffset = 17*time.Hour + 321*time.Millisecond
	for range 200 {
		for range 1 + r.IntN(600) {
			now = now.Add(time.Duration(r.IntN(400)) * time.Microsecond)
			p := packet{sent: now, size: 1 + r.IntN(1500)}
			if s := tx.put(now, p.size); s != uint16(len(packets)+1) {
				t.Fatalf("number %d, want %d", s, uint16(len(packets)+1))
			}
			if r.IntN(20) > 0 || len(packets) == 0 {
				p.arrival = now.Add(20*time.Millisecond + time.Duration(len(packets)%7)*time.Microsecond)
				rx.Arrive(p.arrival.Add(clockOffset), uint16(len(packets)+1))
			}
			packets = append(packets, p)
		}
		for _, cc := range views(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2})) {
			at := now.Add(45 * time.Millisecond)
			samples, rtt := tx.Feedback(at, &cc, dst)
			last := packets[seen+len(samples)-1]
			if last.arrival != 0 && rtt.Truncate(time.Microsecond) != at.Sub(last.sent).Truncate(time.Microsecond) {
				t.Fatalf("rtt %v, want %v", rtt, at.Sub(last.sent))
			}
			for _, s := range samples {
				p := packets[seen]
				if s.Seq != uint16(seen+1) || s.Size != p.size || s.Lost != (p.arrival == 0) {
					t.Fatalf("sample %d: %+v, want %+v", seen, s, p)
				}
				if d := p.sent.Sub(s.Sent); d < 0 || d >= time.Microsecond {
					t.Fatalf("sample %d sent %v off", seen, d)
				}
				seen++
				if s.Lost {
					lost++
					continue
				}
				off := s.Received - time.Duration(p.arrival)
				if !based {
					based, base = true, off
				}
				if d := off - base; d < -250*time.Microsecond || d > 250*time.Microsecond {
					t.Fatalf("sample %d received %v off", seen, d)
				}
			}
			if again, rtt := tx.Feedback(at, &cc, dst); len(again) != 0 || rtt != 0 {
				t.Fatalf("repeated feedback gave %d samples", len(again))
			}
		}
	}
	if lost == 0 || seen < 20000 {
		t.Errorf("%d samples, %d lost: nothing proven", seen, lost)
	}
}

// What is reported lost first and received later is sampled twice.
func TestLostThenReceived(t *testing.T) {
	tx := newSender()
	for range 3 {
		tx.put(t0, 100)
	}
	dst := make([]Sample, 0, MaxSamples)
	feedback := func(deltas ...int32) []Sample {
		cc := views(t, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &rtcp.TWCC{Base: 1, Reference: 5}, deltas))[0]
		samples, _ := tx.Feedback(t0.Add(50*time.Millisecond), &cc, dst)
		return samples
	}
	if got := feedback(0, rtcp.NotReceived, 8); len(got) != 3 || !got[1].Lost || got[1].Received != 0 {
		t.Fatalf("first %+v", got)
	}
	got := feedback(0, 4, 4)
	if len(got) != 1 || got[0].Seq != 2 || got[0].Lost {
		t.Fatalf("then %+v", got)
	}
	if got := feedback(0, rtcp.NotReceived, 8); len(got) != 0 {
		t.Errorf("taken back: %+v", got)
	}
}

// The reference time wraps every 12 days; arrivals go on.
func TestReferenceWrap(t *testing.T) {
	tx := newSender()
	dst := make([]Sample, 0, MaxSamples)
	var last time.Duration
	for i, ref := range []uint32{0xfffffe, 0xffffff, 0, 1, 0xffffff, 2} {
		s := tx.put(t0, 1)
		cc := views(t, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &rtcp.TWCC{Base: s, Reference: ref}, []int32{0}))[0]
		samples, _ := tx.Feedback(t0, &cc, dst)
		want := []int{0, 1, 1, 1, -2, 3}[i]
		if i > 0 && samples[0].Received-last != time.Duration(want)*64*time.Millisecond {
			t.Errorf("step %d: %v after the one before", i, samples[0].Received-last)
		}
		last = samples[0].Received
	}
}

func TestForeignFeedback(t *testing.T) {
	tx := newSender()
	dst := make([]Sample, 0, MaxSamples)
	try := func(base uint16, n int) int {
		deltas := make([]int32, n)
		cc := views(t, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &rtcp.TWCC{Base: base}, deltas))[0]
		samples, rtt := tx.Feedback(t0, &cc, dst)
		if len(samples) == 0 && rtt != 0 {
			t.Error("round-trip time from nothing")
		}
		return len(samples)
	}
	if n := try(0, 10); n != 0 {
		t.Errorf("%d samples before anything was sent", n)
	}
	for range 3 {
		tx.put(t0, 1)
	}
	if n := try(65531, 8); n != 2 {
		t.Errorf("%d samples from before the first to the second, want 2", n)
	}
	for range 2997 {
		tx.put(t0, 1)
	}
	for _, tt := range []struct {
		base    uint16
		n, want int
	}{
		{2996, 10, 5},             // beyond the last
		{3001 - 2048 - 5, 10, 5},  // before the window
		{65000, 100, 0},           // never sent
		{1000, sendWindow + 1, 0}, // longer than anything of ours
		{3001 - 2048, sendWindow, sendWindow - 10},
	} {
		if got := try(tt.base, tt.n); got != tt.want {
			t.Errorf("%d from %d on: %d samples, want %d", tt.n, tt.base, got, tt.want)
		}
	}
	cc := views(t, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &rtcp.TWCC{Base: 2990}, make([]int32, 5)))[0]
	for range 5 {
		tx.put(t0, 1)
	}
	if got, _ := tx.Feedback(t0, &cc, nil); len(got) != 0 {
		t.Error("more samples than there is room for")
	}
}

// A number that was not used is the next packet's, and what was sent before
// Remember is not sampled.
func TestNumbers(t *testing.T) {
	var tx Sender
	tx.Sent(t0, 100)
	if a, b := tx.Next(), tx.Next(); a != 2 || b != 2 {
		t.Errorf("numbers %d and %d after one packet, want 2", a, b)
	}
	dst := make([]Sample, 0, MaxSamples)
	report := func() []Sample {
		cc := views(t, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &rtcp.TWCC{Base: 1}, make([]int32, 3)))[0]
		samples, _ := tx.Feedback(t0, &cc, dst)
		return samples
	}
	if got := report(); len(got) != 0 {
		t.Errorf("%+v without a memory", got)
	}
	tx.Remember()
	tx.Sent(t0, 200)
	tx.Remember()
	if got := report(); len(got) != 1 || got[0].Seq != 2 || got[0].Size != 200 {
		t.Errorf("%+v, want the second packet", got)
	}
}

func TestNoAllocations(t *testing.T) {
	tx := newSender()
	var rx Receiver
	out := make([]byte, 0, 8*MaxFeedbackLen)
	dst := make([]Sample, 0, MaxSamples)
	now := t0
	n := testing.AllocsPerRun(200, func() {
		for i := range 500 {
			now = now.Add(time.Millisecond)
			if s := tx.put(now, 1200); i%9 != 0 {
				rx.Arrive(now, s)
				rx.Arrive(now, s)
				rx.Arrive(now, s-5000)
			}
		}
		for it := rtcp.Parse(rx.Append(out, rtcp.Ends{Sender: 1, Media: 2})); it.Next(); {
			f, _ := it.Feedback()
			cc, _ := f.TWCC()
			tx.Feedback(now, &cc, dst)
			tx.Feedback(now, &cc, dst)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSender(f *testing.F) {
	seed, err := (&pion.TransportLayerCC{
		Header:             pion.Header{Count: 15, Type: 205, Length: 5},
		BaseSequenceNumber: 990, PacketStatusCount: 4,
		PacketChunks: []pion.PacketStatusChunk{&pion.RunLengthChunk{PacketStatusSymbol: 1, RunLength: 4}},
		RecvDeltas:   []*pion.RecvDelta{{Type: 1, Delta: 250}, {Type: 1}, {Type: 1}, {Type: 1}},
	}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		tx := newSender()
		for range 1000 {
			tx.put(t0, 1)
		}
		dst := make([]Sample, 0, MaxSamples)
		total := 0
		for it := rtcp.Parse(b); it.Next(); {
			fb, _ := it.Feedback()
			if cc, ok := fb.TWCC(); ok {
				samples, _ := tx.Feedback(t0, &cc, dst)
				total += len(samples)
			}
		}
		if total > 2000 { // each once as lost and once as received
			t.Fatalf("%d samples of 1000 packets", total)
		}
	})
}

func BenchmarkReceiver(b *testing.B) {
	var rx Receiver
	out := make([]byte, 0, MaxFeedbackLen)
	now, s := t0, uint16(0)
	for b.Loop() {
		now = now.Add(time.Millisecond)
		s++
		rx.Arrive(now, s)
		if s%200 == 0 {
			rx.Append(out, rtcp.Ends{Sender: 1, Media: 2})
		}
	}
}

func BenchmarkSender(b *testing.B) {
	tx := newSender()
	now := t0
	for b.Loop() {
		now += 1000
		tx.put(now, 1200)
	}
}
