package signalling

import (
	"sync"
	"sync/atomic"

	"bifrons/sfu"
)

// Endpoint is our end of the negotiation with one client, who has at most one
// peer connection at a time. It may be used from any goroutine.
//
// Two mutexes: sending is held while a description of ours, and the candidates
// behind it, go to the client, which may wait for the gathering; it keeps them in
// order. mu guards everything else but the atomics, and nothing waits under it. sending
// is taken before mu. The Handler is called without mu, and with sending for Candidate
// and the function given to SetLocal only; the Observer may be called with both.
type Endpoint struct {
	cfg    *Config
	client Client
	ended  atomic.Bool

	sending sync.Mutex

	mu       sync.Mutex
	conn     *Connection // nil without peer connection
	trickles bool        // the client has trickled
	early    []earlyCandidate
}

// New makes an Endpoint, without peer connection. cfg stays as it is.
func New(cfg *Config, client Client) *Endpoint { return &Endpoint{cfg: cfg, client: client} }

// Connection is the peer connection, nil if there is none.
func (e *Endpoint) Connection() *Connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conn
}

// Peer is the engine's side of the peer connection, nil if there is none.
func (e *Endpoint) Peer() *sfu.Peer {
	if c := e.Connection(); c != nil {
		return c.peer
	}
	return nil
}

// Established is the peer connection, nil unless media may flow.
func (e *Endpoint) Established() *Connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil || !e.conn.up || e.conn.closing.Load() {
		return nil
	}
	return e.conn
}

// Close closes the peer connection, if there is one. Handler.Closed follows.
func (e *Endpoint) Close(reason sfu.Reason) {
	e.mu.Lock()
	c := e.conn
	if c != nil {
		c.close()
	}
	e.mu.Unlock()
	if c != nil {
		c.peer.Close(reason)
	}
}

// End is the last call: the handler hears of nothing afterwards. The peer connection
// that there was, nil if none, is closed when last returns, which is given it.
func (e *Endpoint) End(reason sfu.Reason, last func(c *Connection)) *Connection {
	e.ended.Store(true)
	e.mu.Lock()
	c := e.conn
	e.conn, e.early = nil, nil
	if c != nil {
		c.close()
	}
	e.mu.Unlock()
	if c != nil {
		last(c)
		c.peer.Close(reason)
		close(c.done)
	}
	return c
}

// ReasonUnused is why a connection ends in which either side has rejected every
// section.
const ReasonUnused sfu.Reason = "All media rejected"

// CloseUnused closes the connection, after the queued work of the Executor, if nothing was
// agreed on. Its transport would never come up, or is given up by the client
// (RFC 9429, 5.11). SetLocal does it by itself; it is to be called when a remote
// answer has been dealt with.
func (e *Endpoint) CloseUnused() {
	e.mu.Lock()
	c := e.conn
	unused := c != nil && c.unused
	e.mu.Unlock()
	if !unused {
		return
	}
	e.client.Executor.Must(func() {
		e.mu.Lock()
		still := e.conn == c && c.unused
		e.mu.Unlock()
		if still {
			e.Close(ReasonUnused)
		}
	})
}
