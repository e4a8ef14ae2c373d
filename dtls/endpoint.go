package dtls

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/dtls/v3"

	"bifrons/dtls/srtp"
)

const (
	defaultMTU     = 1200
	minMTU         = 256
	defaultTimeout = 20 * time.Second

	// flightInterval is the first wait before a flight is sent again; it
	// doubles each time. RFC 6347, 4.2.4.1 says a second, for peers it knows
	// nothing about; ours have just answered a connectivity check.
	flightInterval = 100 * time.Millisecond

	// recordOverhead is the overhead of pion/dtls for a handshake fragment of MTU
	// bytes: record header and handshake header.
	recordOverhead = recordHeader + 12
)

// Config describes an endpoint. The callbacks come from goroutines of the
// endpoint, OnConnected and OnClosed one after another; they may call Close.
type Config struct {
	Certificate *Certificate // ours
	Role        Role
	Remote      Fingerprints // of the peer's certificate: one must match

	MTU     int            // of handshake datagrams, in bytes; 0: 1200
	Timeout time.Duration  // for the handshake; 0: 20 s
	Roots   *x509.CertPool // for RejectSelfSigned; nil: the system's

	// Profiles are the accepted ones, best first; empty means all, with GCM first
	// and its 128-bit variant before the slower 256-bit one. As server our
	// order decides, whatever the client's is.
	Profiles []srtp.Profile

	// RejectSelfSigned asks for a certificate that chains up to one of Roots,
	// in addition to the fingerprint.
	RejectSelfSigned bool

	// Send sends a datagram to the peer. b is lent for the call. It must not
	// wait for anything: everything else in the endpoint waits for it.
	Send func(b []byte)
	// OnConnected reports the end of the handshake, after the peer's
	// certificate has been checked. It takes the keys. Not called if the
	// handshake fails.
	OnConnected func(srtp.Keys)
	// OnClosed reports the end, exactly once. Send is not called afterwards.
	OnClosed func(Reason)
}

// State is the progress of an endpoint.
type State uint8

// States of an endpoint, in this order.
const (
	Handshaking State = iota
	Connected
	Closed
)

// Endpoint is one DTLS association. Its methods may be called from any
// goroutine.
type Endpoint struct {
	cfg  Config
	pipe *pipe

	mu       sync.Mutex
	conn     *pion.Conn  // nil if it could not be made, or while it rests
	end      *pipeEnd    // of conn
	rest     *rest       // nil = awake
	sleeping atomic.Bool // Deliver's hint that there is a rest

	cancel    context.CancelFunc // of the handshake
	handshake chan struct{}      // closed after OnConnected or the failure
	done      chan struct{}

	state  atomic.Uint32 // State
	ending sync.Once

	profile atomic.Uint32
	wanted  atomic.Bool // application data has a reader
	late    atomic.Uint32
	sent    sentFlights // used inside Send only
}

// Start begins the handshake and returns at once.
func Start(cfg Config) *Endpoint {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if len(cfg.Profiles) == 0 {
		cfg.Profiles = []srtp.Profile{srtp.AEADAES128GCM, srtp.AEADAES256GCM, srtp.AES128CMSHA180, srtp.AES128CMSHA132}
	}
	e := &Endpoint{cfg: cfg, handshake: make(chan struct{}), done: make(chan struct{})}
	e.pipe = newPipe(e.send, e.pipeClosed)
	e.end = &pipeEnd{pipe: e.pipe}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	e.cancel = cancel
	go e.run(ctx)
	return e
}

func (e *Endpoint) send(b []byte) {
	e.sent.note(b)
	e.cfg.Send(b)
}

// Verdict reports the outcome of a delivered datagram.
type Verdict uint8

// Verdicts of Deliver.
const (
	Delivered Verdict = iota
	QueueFull         // or closed
	Refused           // malformed, or plaintext that no peer sends at this point
	Unwanted          // application data before Conn was asked for
)

// Deliver hands in a datagram of the peer. It copies b and never waits. All
// verdicts but Delivered mean that the datagram was dropped.
func (e *Endpoint) Deliver(b []byte) Verdict {
	if len(b) > packetSize {
		return Refused
	}
	wanted := e.wanted.Load()
	ok, late := admit(b, e.State() == Connected, wanted)
	switch {
	case !ok && !wanted && len(b) > 0 && b[0] == applicationData:
		return Unwanted
	case !ok || late && e.late.Add(1) > lateHandshakes:
		return Refused
	case !e.pipe.push(b):
		return QueueFull
	}
	if e.sleeping.CompareAndSwap(true, false) {
		go e.rouse()
	}
	return Delivered
}

// run is the handshake goroutine. It ends with the handshake.
func (e *Endpoint) run(ctx context.Context) {
	defer e.cancel()
	keys, err := e.shake(ctx)
	if err == nil {
		if e.state.CompareAndSwap(uint32(Handshaking), uint32(Connected)) {
			e.profile.Store(uint32(keys.Profile))
			e.cfg.OnConnected(keys)
		}
		// An alert that came before the state changed closed the pipe unheard.
		if e.pipe.isClosed() {
			e.finish(Reason{Kind: PeerAlert})
		}
	} else {
		e.finish(reasonFor(err))
	}
	close(e.handshake)
}

func (e *Endpoint) shake(ctx context.Context) (srtp.Keys, error) {
	conn, err := e.open()
	if err != nil {
		return srtp.Keys{}, err
	}
	e.mu.Lock()
	e.conn = conn
	e.mu.Unlock()
	if err := conn.HandshakeContext(ctx); err != nil {
		return srtp.Keys{}, err
	}
	return exportKeys(conn, e.cfg.Role)
}

// pipeClosed hears pion/dtls close its connection by itself, which it does after
// a close_notify or a fatal alert. During the handshake the error says more.
func (e *Endpoint) pipeClosed() {
	if e.State() == Connected {
		e.finish(Reason{Kind: PeerAlert})
	}
}

// Close ends the association; a connected peer is sent a close_notify. It
// returns at once; OnClosed and Done report when all is over. Further calls do
// nothing.
func (e *Endpoint) Close() { e.finish(Reason{Kind: LocalClose}) }

// finish starts the end; the first reason counts.
func (e *Endpoint) finish(r Reason) {
	e.ending.Do(func() {
		e.state.Store(uint32(Closed))
		e.cancel()
		go e.wind(r)
	})
}

func (e *Endpoint) wind(r Reason) {
	<-e.handshake
	e.mu.Lock()
	conn, resting := e.conn, e.rest
	e.rest = nil
	e.mu.Unlock()
	switch {
	case resting != nil:
		_ = e.pipe.write(resting.farewell)
	case conn != nil:
		_ = conn.Close() // sends close_notify if the peer has not
	}
	_ = e.pipe.Close()
	e.pipe.drained()
	e.cfg.OnClosed(r)
	close(e.done)
}

// Done is closed after OnClosed has returned.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// State returns the progress so far.
func (e *Endpoint) State() State { return State(e.state.Load()) }

// Profile returns the negotiated SRTP profile, zero before OnConnected.
func (e *Endpoint) Profile() srtp.Profile { return srtp.Profile(e.profile.Load()) }

// Retransmissions counts the handshake datagrams that were sent again.
func (e *Endpoint) Retransmissions() int { return int(e.sent.again.Load()) }

// Conn returns the application data channel, for SCTP (RFC 8261). It is valid
// from OnConnected on. One Read or Write is one record; a Read buffer must hold
// a whole record. Closing it closes the endpoint. Data is accepted from the
// first call on, and must then be read: unread data holds up the endpoint.
func (e *Endpoint) Conn() net.Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanted.Store(true)
	e.wake()
	if e.conn == nil { // closed while it rested
		closed, _ := net.Pipe()
		_ = closed.Close()
		return closed
	}
	return appConn{e.conn, e}
}

// appConn is the connection as its user may see it.
type appConn struct {
	*pion.Conn
	e *Endpoint
}

// Read skips errors that pion/dtls reports and survives: warning alerts and
// records that make no sense.
func (c appConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err == nil || len(b) < packetSize || !passing(err) {
			return n, err
		}
	}
}

func passing(err error) bool {
	var warning alert
	var temporary *pion.TemporaryError
	return errors.As(err, &warning) && !warning.IsFatalOrCloseNotify() || errors.As(err, &temporary)
}

func (c appConn) Close() error {
	c.e.Close()
	return nil
}

// errNoProfile: without use_srtp there are no keys to hand out.
var errNoProfile = errors.New("the peer negotiated no SRTP profile")
