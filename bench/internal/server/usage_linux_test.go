package server

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestUsage compares with what getrusage says about this process.
func TestUsage(t *testing.T) {
	before, err := usage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const work = 50 * time.Millisecond
	for own(t) < before.CPU+work {
	}
	after, err := usage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after.CPU - before.CPU; used < work/2 || after.CPU > own(t)+work {
		t.Errorf("%v before, %v after, getrusage says %v", before.CPU, after.CPU, own(t))
	}
	if after.RSS < 1<<20 || after.PeakRSS < after.RSS || after.Threads < 2 || after.Switches <= 0 {
		t.Errorf("%+v", after)
	}
}

func own(t *testing.T) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
