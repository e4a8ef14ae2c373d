package webrtctest

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is a direction on a wire, as its owner sees it.
type Direction int

const (
	Out Direction = iota
	In
)

// Wire is a loopback UDP socket that can lose packets, be watched, and get
// another address without its owner's knowledge.
type Wire struct {
	addr net.Addr // by the owner's view

	mu     sync.Mutex
	conn   *net.UDPConn
	remote net.Addr // where the owner last sent to
	loss   [2]loss
	sniff  func(w Direction, b []byte)
	cut    bool          // nothing passes
	stuck  chan struct{} // nothing is read until it is closed; nil = all is
}

// loss drops RTP and RTCP packets at random.
type loss struct {
	rate    float64
	random  *rand.Rand
	dropped int // RTP packets of the first video payload type among the lost
}

// NewWire opens a socket at an address of this machine.
func NewWire(t testing.TB, ip string) *Wire {
	t.Helper()
	c := ListenUDP(t, ip)
	return &Wire{conn: c, addr: c.LocalAddr()}
}

// ListenUDP opens a socket at an address of this machine.
func ListenUDP(t testing.TB, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(1 << 20)
	return c
}

func (w *Wire) socket() *net.UDPConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

// Lose drops this share of the media packets from now on, each way.
func (w *Wire) Lose(out, in float64, seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss[Out] = loss{rate: out, random: rand.New(rand.NewPCG(seed, 1))}
	w.loss[In] = loss{rate: in, random: rand.New(rand.NewPCG(seed, 2))}
}

// Sever ends all traffic, without a word to anybody, until Mend.
func (w *Wire) Sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// Mend has traffic pass again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// Freeze makes the owner read nothing any more, until thaw or Close.
func (w *Wire) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = make(chan struct{})
}

// Thaw makes the owner of a frozen wire read again.
func (w *Wire) Thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stuck != nil {
		close(w.stuck)
		w.stuck = nil
	}
}

func (w *Wire) frozen() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stuck
}

// Dropped is how many video packets were lost so far.
func (w *Wire) Dropped(d Direction) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loss[d].dropped
}

// Watch calls f with every datagram, lost ones too.
func (w *Wire) Watch(f func(d Direction, b []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sniff = f
}

// pass reports whether a datagram gets through.
func (w *Wire) pass(d Direction, b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sniff != nil {
		w.sniff(d, b)
	}
	if w.cut {
		return false
	}
	l := &w.loss[d]
	if l.rate == 0 || !IsMedia(b) {
		return true
	}
	if l.random.Float64() >= l.rate {
		return true
	}
	if b[1]&0x7f == VP8Payload {
		l.dropped++
	}
	return false
}

// IsMedia tells RTP and RTCP (RFC 7983, 7).
func IsMedia(b []byte) bool { return len(b) >= 8 && b[0] >= 128 && b[0] <= 191 }

// Move gives the wire a new address.
func (w *Wire) Move(t testing.TB) {
	t.Helper()
	fresh := ListenUDP(t, w.addr.(*net.UDPAddr).IP.String())
	w.mu.Lock()
	old := w.conn
	w.conn = fresh
	w.mu.Unlock()
	_ = old.Close()
}

// Inject sends a datagram from the wire's address to where its owner sends.
func (w *Wire) Inject(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.conn.WriteTo(b, w.remote)
}

// The methods of net.PacketConn.

func (w *Wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		if c := w.frozen(); c != nil {
			<-c
		}
		c := w.socket()
		n, a, err := c.ReadFrom(b)
		if err != nil && c != w.socket() || err == nil && !w.pass(In, b[:n]) {
			continue
		}
		return n, a, err
	}
}

func (w *Wire) WriteTo(b []byte, a net.Addr) (int, error) {
	if !w.pass(Out, b) {
		return len(b), nil
	}
	w.mu.Lock()
	c := w.conn
	w.remote = a
	w.mu.Unlock()
	return c.WriteTo(b, a)
}

func (w *Wire) Close() error {
	w.Thaw()
	return w.socket().Close()
}

func (w *Wire) LocalAddr() net.Addr                { return w.addr }
func (w *Wire) SetDeadline(t time.Time) error      { return w.socket().SetDeadline(t) }
func (w *Wire) SetReadDeadline(t time.Time) error  { return w.socket().SetReadDeadline(t) }
func (w *Wire) SetWriteDeadline(t time.Time) error { return w.socket().SetWriteDeadline(t) }
