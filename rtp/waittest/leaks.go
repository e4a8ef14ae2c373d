// Package waittest waits in tests: until goroutines, sockets and packet buffers are
// gone, until something is so, until a function returns. Only tests import it.
package waittest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main is for TestMain: it runs the tests of a package and fails if a goroutine or a
// socket is left. In the bubbles of testing/synctest that is checked test by test.
func Main(m *testing.M) {
	before := take()
	code := m.Run()
	// The fuzzing engine has goroutines of its own.
	if f := flag.Lookup("test.fuzz"); code == 0 && (f == nil || f.Value.String() == "") {
		if left := before.left(5 * time.Second); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}

// NoLeaks fails the test if goroutines or sockets are left when everything that is
// started after this call has been cleaned up.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := take()
	t.Cleanup(func() {
		if left := before.left(Patience); left != "" {
			t.Error(left)
		}
	})
}

// Pooled lends packet buffers, as sfu.Engine does. Outstanding is called after
// Close.
type Pooled interface {
	Close()
	Outstanding() int
}

// Close closes a lender of packet buffers, and fails the test if some are not given back.
func Close(t testing.TB, p Pooled) {
	t.Helper()
	closeWithin(t, Patience, p)
}

func closeWithin(t testing.TB, limit time.Duration, p Pooled) {
	t.Helper()
	p.Close()
	UntilWithin(t, limit, "packet buffers are given back", func() bool { return p.Outstanding() == 0 })
}

// census counts goroutines and the like at one moment.
type census struct {
	goroutines map[string]string // stacks by id
	sockets    map[string]bool   // by inode, empty where there is no /proc
}

func take() census {
	c := census{map[string]string{}, map[string]bool{}}
	b := make([]byte, 1<<20)
	n := runtime.Stack(b, true)
	for n == len(b) {
		b = make([]byte, 2*len(b))
		n = runtime.Stack(b, true)
	}
	own := true // is the first
	for g := range bytes.SplitSeq(b[:n], []byte("\n\n")) {
		id, _, _ := strings.Cut(strings.TrimPrefix(string(g), "goroutine "), " ")
		if !own && !bytes.Contains(g, []byte("os/signal.loop")) { // never ends
			c.goroutines[id] = string(g)
		}
		own = false
	}
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			c.sockets[to] = true
		}
	}
	return c
}

// left waits until nothing new is there, and lists the rest
// after so long.
func (before census) left(limit time.Duration) string {
	late := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		now := take()
		var text []string
		for id, stack := range now.goroutines {
			if before.goroutines[id] == "" {
				text = append(text, stack)
			}
		}
		sockets := 0
		for inode := range now.sockets {
			if !before.sockets[inode] {
				sockets++
			}
		}
		switch {
		case len(text) == 0 && sockets == 0:
			return ""
		case time.Now().After(late):
			return fmt.Sprintf("%d sockets and %d goroutines are left over:\n%s", sockets, len(text), strings.Join(text, "\n\n"))
		}
		time.Sleep(pause)
	}
}
