package sctp

import (
	"runtime"
	"testing"
	"time"
)

// How much an idle association with one channel costs, without DTLS.
func BenchmarkIdle(b *testing.B) {
	const pairs = 100
	for b.Loop() {
		before, goroutines := memory()
		var sides []*side
		var wires []*wire
		for range pairs {
			x, y := newWires(nil)
			sides = append(sides, start(x, true), start(y, false))
			wires = append(wires, x, y)
		}
		for i := 0; i < len(sides); i += 2 {
			_ = sides[i].Send("", "", false, []byte("x"))
			<-sides[i+1].got
		}
		time.Sleep(100 * time.Millisecond)
		after, more := memory()
		b.ReportMetric(float64(after-before)/(2*pairs), "B/association")
		b.ReportMetric(float64(more-goroutines)/(2*pairs), "goroutines/association")
		for i, s := range sides {
			s.Close()
			_ = wires[i].Close()
			<-s.Done()
		}
	}
}

// memory is what heap and stacks hold, and how many goroutines there are.
func memory() (int, int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
