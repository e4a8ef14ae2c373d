package twcc

import (
	"testing"
	"time"

	"bifrons/rtp/rtcp"
)

func TestNoAllocations(t *testing.T) {
	var rx Receiver
	out := make([]byte, 0, 8*MaxFeedbackLen)
	now, s := t0, uint16(0)
	n := testing.AllocsPerRun(200, func() {
		for i := range 500 {
			now = now.Add(time.Millisecond)
			if s++; i%9 != 0 {
				rx.Arrive(now, s)
				rx.Arrive(now, s)
				rx.Arrive(now, s-5000)
			}
		}
		rx.Append(out, rtcp.Ends{Sender: 1, Media: 2})
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
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
