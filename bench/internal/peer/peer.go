// Package peer has WebRTC clients that put a known load on a server's EchoTest or
// a room of its and measure what comes back.
package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Peer is one client with a connection to the server that is up. Send methods
// are for one goroutine.
type Peer interface {
	// SendFrame sends the next video frame.
	SendFrame()
	// SendAudio sends the next audio packet.
	SendAudio()
	// SendReports sends RTCP sender reports, where the peer does not by itself.
	SendReports()
	// Profile is the SRTP protection profile that was negotiated.
	Profile() string
	// Counts is what was sent and what came back.
	Counts() *Counts
	// Close ends the connection.
	Close()
}

// Options say what a peer is like.
type Options struct {
	ID       uint32
	Host     string // local address
	Media    Media
	Profiles []string // SRTP protection profiles it offers, in its order
	// Client makes the peer the DTLS client, which leaves the choice of the
	// SRTP profile to the server. By default it offers both roles.
	Client bool

	window *Window // shared with others, nil = its own
}

// Dial connects a peer to the EchoTest.
type Dial func(ctx context.Context, api *API, o Options) (Peer, error)

// Counts are what one peer sent and got back. A packet belongs to the
// measurement if it was sent in its window, whenever it comes back.
type Counts struct {
	window *Window

	sent, sentBytes atomic.Int64
	strange         atomic.Int64 // packets that are not what was sent

	mu    sync.Mutex
	trips []time.Duration
}

// Window is the time of a measurement.
type Window struct{ from, to atomic.Int64 }

// Open and Shut start and end the measurement.
func (w *Window) Open() { w.to.Store(int64(1 << 62)); w.from.Store(int64(clock())) }

// Shut ends the measurement.
func (w *Window) Shut() { w.to.Store(int64(clock())) }

func (w *Window) has(t time.Duration) bool {
	from := w.from.Load()
	return from != 0 && int64(t) >= from && int64(t) < w.to.Load()
}

func newCounts(w *Window) *Counts {
	if w == nil {
		w = new(Window)
	}
	return &Counts{window: w}
}

func (c *Counts) send(now time.Duration, size int) {
	if c.window.has(now) {
		c.sent.Add(1)
		c.sentBytes.Add(int64(size))
	}
}

// receive takes a payload of the sender id that came to a peer.
func (c *Counts) receive(id uint32, payload []byte) {
	now := clock()
	sender, sent, ok := readTag(payload)
	if !ok || sender != id {
		c.strange.Add(1)
		return
	}
	if !c.window.has(sent) {
		return
	}
	c.mu.Lock()
	c.trips = append(c.trips, now-sent)
	c.mu.Unlock()
}
