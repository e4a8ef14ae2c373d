package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// way is a direction on a wire, as its owner sees it.
type way int

const (
	outward way = iota
	inward
)

// wire is a loopback UDP socket that can lose packets, be watched, and get
// another address without its owner's knowledge.
type wire struct {
	addr net.Addr // what the owner believes

	mu     sync.Mutex
	conn   *net.UDPConn
	remote net.Addr // where the owner last sent to
	loss   [2]loss
	sniff  func(w way, b []byte)
	cut    bool          // nothing passes
	stuck  chan struct{} // nothing is read until it is closed; nil = all is
}

// loss drops RTP and RTCP packets at random.
type loss struct {
	rate    float64
	random  *rand.Rand
	dropped int // RTP packets of the first video payload type among the lost
}

func newWire(t testing.TB, ip string) *wire {
	t.Helper()
	c := listenUDP(t, ip)
	return &wire{conn: c, addr: c.LocalAddr()}
}

func listenUDP(t testing.TB, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(1 << 20)
	return c
}

func (w *wire) socket() *net.UDPConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

// lose drops this share of the media packets from now on, each way.
func (w *wire) lose(out, in float64, seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss[outward] = loss{rate: out, random: rand.New(rand.NewPCG(seed, 1))}
	w.loss[inward] = loss{rate: in, random: rand.New(rand.NewPCG(seed, 2))}
}

// sever ends all traffic, without a word to anybody.
func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// freeze makes the owner read nothing any more, until thaw or Close.
func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = make(chan struct{})
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stuck != nil {
		close(w.stuck)
		w.stuck = nil
	}
}

func (w *wire) frozen() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stuck
}

// dropped is how many video packets were lost so far.
func (w *wire) dropped(d way) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loss[d].dropped
}

// watch calls f with every datagram, lost ones too.
func (w *wire) watch(f func(d way, b []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sniff = f
}

// pass tells whether a datagram gets through.
func (w *wire) pass(d way, b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sniff != nil {
		w.sniff(d, b)
	}
	if w.cut {
		return false
	}
	l := &w.loss[d]
	if l.rate == 0 || !isMedia(b) {
		return true
	}
	if l.random.Float64() >= l.rate {
		return true
	}
	if b[1]&0x7f == vp8Payload {
		l.dropped++
	}
	return false
}

// isMedia tells RTP and RTCP (RFC 7983, 7).
func isMedia(b []byte) bool { return len(b) >= 8 && b[0] >= 128 && b[0] <= 191 }

// move gives the wire a new address.
func (w *wire) move(t testing.TB) {
	t.Helper()
	fresh := listenUDP(t, w.addr.(*net.UDPAddr).IP.String())
	w.mu.Lock()
	old := w.conn
	w.conn = fresh
	w.mu.Unlock()
	_ = old.Close()
}

// inject sends a datagram from the wire's address to where its owner sends.
func (w *wire) inject(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.conn.WriteTo(b, w.remote)
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		if c := w.frozen(); c != nil {
			<-c
		}
		c := w.socket()
		n, a, err := c.ReadFrom(b)
		if err != nil && c != w.socket() || err == nil && !w.pass(inward, b[:n]) {
			continue
		}
		return n, a, err
	}
}

func (w *wire) WriteTo(b []byte, a net.Addr) (int, error) {
	if !w.pass(outward, b) {
		return len(b), nil
	}
	w.mu.Lock()
	c := w.conn
	w.remote = a
	w.mu.Unlock()
	return c.WriteTo(b, a)
}

func (w *wire) Close() error {
	w.thaw()
	return w.socket().Close()
}

func (w *wire) LocalAddr() net.Addr                { return w.addr }
func (w *wire) SetDeadline(t time.Time) error      { return w.socket().SetDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.socket().SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.socket().SetWriteDeadline(t) }
