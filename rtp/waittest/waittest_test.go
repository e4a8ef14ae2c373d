package waittest

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// TestLeft: a goroutine and a socket are found while they are there, and what was there
// before is not.
func TestLeft(t *testing.T) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { <-quit }()
	before := take()
	if left := before.left(0); left != "" {
		t.Errorf("left: %s", left)
	}
	go func() { defer close(done); <-quit }()
	if left := before.left(0); !strings.Contains(left, "0 sockets and 1 goroutines") || !strings.Contains(left, "TestLeft") {
		t.Errorf("left: %s", left)
	}
	close(quit)
	<-done
	if left := before.left(Patience); left != "" {
		t.Errorf("left: %s", left)
	}
	if runtime.GOOS != "linux" {
		return
	}
	c, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	if left := before.left(0); !strings.Contains(left, "1 sockets") {
		t.Errorf("left: %s", left)
	}
	c.Close()
	if left := before.left(Patience); left != "" {
		t.Errorf("left: %s", left)
	}
}

// failing is a test that keeps how it failed.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, _ ...any) {
	f.text = format
	runtime.Goexit()
}

// pooled lends a buffer for ever when it is closed.
type pooled struct{ lent int }

func (p *pooled) Close()           { p.lent = 1 }
func (p *pooled) Outstanding() int { return p.lent }

// TestLimits: what does not happen fails the test.
func TestLimits(t *testing.T) {
	for name, wait := range map[string]func(t testing.TB){
		"next":  func(t testing.TB) { NextWithin(t, time.Millisecond, "x", make(chan int)) },
		"close": func(t testing.TB) { closeWithin(t, time.Millisecond, new(pooled)) },
		"until": func(t testing.TB) { UntilWithin(t, time.Millisecond, "x", func() bool { return false }) },
	} {
		f := &failing{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); wait(f) }()
		<-done
		if f.text == "" {
			t.Errorf("%s has not failed", name)
		}
	}
	if n := Next(t, "x", func() chan int { c := make(chan int, 1); c <- 3; return c }()); n != 3 {
		t.Errorf("got %d", n)
	}
	InTime(t, "x", func() {})
	Until(t, "x", func() bool { return true })
}
