package brokertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Gate is a way to a broker that can be shut.
type Gate struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	shut   bool
	passed int
	conns  map[net.Conn]struct{}
	tasks  sync.WaitGroup
}

// NewGate makes an open Gate to an address.
func NewGate(t testing.TB, to string) *Gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{to: to, listener: l, conns: make(map[net.Conn]struct{})}
	g.tasks.Go(g.serve)
	t.Cleanup(func() {
		_ = l.Close()
		g.Shut()
		g.tasks.Wait()
	})
	return g
}

// Address is where it listens.
func (g *Gate) Address() string { return g.listener.Addr().String() }

// Port is that of the address.
func (g *Gate) Port() int { return g.listener.Addr().(*net.TCPAddr).Port }

// Shut ends all connections, and those to come.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.conns {
		_ = c.Close()
	}
}

// Open lets connections through again.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// Passed is how many connections have gone through so far.
func (g *Gate) Passed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

func (g *Gate) serve() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		if !g.join(c, out) {
			_ = c.Close()
			_ = out.Close()
		}
	}
}

func (g *Gate) join(c, out net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.passed++
	for _, way := range [][2]net.Conn{{c, out}, {out, c}} {
		g.conns[way[0]] = struct{}{}
		g.tasks.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
			g.mu.Lock()
			defer g.mu.Unlock()
			delete(g.conns, way[0])
		})
	}
	return true
}
