// Package sctp carries WebRTC data channels over one SCTP association on top of
// a DTLS connection (RFC 8831, RFC 8832, RFC 8261).
package sctp

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/sctp"
)

const (
	maxStreams  = 300 // in each direction, as negotiated
	maxChannels = 150

	// maxMessage is the longest message that we take, in bytes, as we do not
	// signal another limit (RFC 8841, 6.1). DefaultLimit is the same for a peer
	// that does not, and maxSend ours for one that takes more.
	maxMessage   = 65536
	DefaultLimit = 65536
	maxSend      = 262144

	// warnEvery is the least time between two warnings of one kind.
	warnEvery = 10 * time.Second

	// mtu keeps an SCTP packet, as a DTLS record with the longest overhead of
	// any cipher suite, within 1200 bytes.
	mtu = 1128

	// rtoMax is the longest wait for a retransmission, in milliseconds. The
	// 60 s of RFC 9260, 16 are long after a network change of a phone, and leave
	// too few attempts until stallTime where much is lost.
	rtoMax = 4_000

	// maxFragments bounds the bookkeeping for data that a peer sends into streams
	// that nobody empties. An honest peer is held back before by the receive
	// window.
	maxFragments = 16384

	// openDelay is how long after the association is up we wait for the peer's
	// channel before we open one. Browsers open theirs at once, and a second
	// one with the same label would split their traffic.
	openDelay = time.Second
)

// Config describes an association. The callbacks come from goroutines of the
// association, one at a time. OnReady and OnMessage may call Send; no callback
// may wait for Done.
type Config struct {
	// Conn is the DTLS connection: one SCTP packet is one record. It is used,
	// never closed. Only one association can be started on it.
	Conn net.Conn
	// Client is our DTLS role. It decides the parity of the streams we open
	// (RFC 8832, 6).
	Client bool
	Log    *slog.Logger // may be nil
	Budget *Budget      // of data that waits to be sent, with others; nil = none

	// OnReady reports that the association is up, and again each time all that
	// was sent has arrived. May be nil.
	OnReady func()
	// OnMessage takes a complete message. payload is lent for the call. May be
	// nil.
	OnMessage func(label, protocol string, binary bool, payload []byte)
	// OnClosed reports the end, once: of the association, of the connection
	// below, or after Close. May be nil.
	OnClosed func()
}

// Stats counts messages; those of DCEP are not included.
type Stats struct {
	Channels  int    // open now
	Sent      uint64 // handed to SCTP
	Received  uint64 // handed to OnMessage
	Refused   uint64 // lost: Send returned an error, or it could not be handed to SCTP
	Discarded uint64 // received, but beyond the channels there may be, or too long
}

// Association is an SCTP association with its data channels. Its methods may be
// called from any goroutine.
type Association struct {
	cfg    Config
	conn   *conn
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	sctp     *pion.Association // nil before it is up
	ended    bool
	mayOpen  bool // openDelay is over
	streams  map[uint16]*channel
	channels []*channel // those established, oldest first
	nextID   uint16
	out      outbox

	limit  atomic.Uint64                       // bytes of a message to the peer
	warned [warnings]atomic.Pointer[time.Time] // when the last one was written

	readers sync.WaitGroup
	calling sync.Mutex // held during callbacks
	scratch []byte     // message being delivered; under calling
	partial int        // bytes of messages in pieces; under calling
	stirred chan struct{}

	sent, received, refused, discarded atomic.Uint64
}

// Start begins to set up the association and returns at once. Both sides send
// INIT, whatever the DTLS role: a peer that only waits and one that only calls
// are both served, and so are two that call each other (RFC 9260, 5.2.1).
func Start(cfg Config) *Association {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &Association{
		cfg:     cfg,
		conn:    &conn{Conn: cfg.Conn},
		done:    make(chan struct{}),
		streams: map[uint16]*channel{},
		nextID:  1,
		stirred: make(chan struct{}, 1),
		out:     outbox{budget: cfg.Budget, told: true},
	}
	a.SetLimit(DefaultLimit)
	if cfg.Client {
		a.nextID = 2 // even; 0 stays reserved
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	go a.run()
	return a
}

// SetLimit says how long a message the peer takes, in bytes: a=max-message-size of
// its description (RFC 8841, 6.1), 0 = any. It is DefaultLimit before. Our own limit
// of 262144 holds in any case.
func (a *Association) SetLimit(n uint64) {
	if n == 0 || n > maxSend {
		n = maxSend
	}
	a.limit.Store(n)
}

// Kinds of warnings.
const (
	warnSent = iota
	warnReceived
	warnFull
	warnings
)

// warn writes a warning about the peer or what it would get, but not more often
// than every ten seconds.
func (a *Association) warn(kind int, text string, args ...any) {
	now, last := time.Now(), a.warned[kind].Load()
	if last != nil && now.Sub(*last) < warnEvery || !a.warned[kind].CompareAndSwap(last, &now) {
		return
	}
	a.cfg.Log.Warn(text, args...)
}

// Close aborts the association and returns at once. The connection below stays,
// and whatever still comes from it is thrown away.
func (a *Association) Close() { a.cancel() }

// Done is closed after OnClosed has returned.
func (a *Association) Done() <-chan struct{} { return a.done }

// Stats returns the counters so far.
func (a *Association) Stats() Stats {
	a.mu.Lock()
	open := len(a.channels)
	a.mu.Unlock()
	return Stats{open, a.sent.Load(), a.received.Load(), a.refused.Load(), a.discarded.Load()}
}

func (a *Association) run() {
	defer a.conn.drain()
	defer close(a.done)
	up, err := pion.ClientContext(a.ctx,
		pion.WithNetConn(a.conn),
		pion.WithLoggerFactory(logger{a.cfg.Log}),
		pion.WithMTU(mtu),
		pion.WithMaxMessageSize(maxSend),
		pion.WithRTOMax(rtoMax),
		pion.WithMaxReassemblyQueueEntries(maxFragments),
		// Without interleaving (RFC 8260) messages leave in the order of Send.
		pion.WithEnableInterleaving(false),
	)
	if err != nil {
		a.cfg.Log.Debug("SCTP association failed", "error", err)
		_ = a.conn.Close() // ends the remains of a failed attempt
	} else {
		a.serve(up)
	}
	a.cancel()
	a.end()
	if a.cfg.OnClosed != nil {
		a.calling.Lock()
		defer a.calling.Unlock()
		a.cfg.OnClosed()
	}
}

// serve is the life of the association once it is up.
func (a *Association) serve(up *pion.Association) {
	a.mu.Lock()
	a.sctp = up
	a.flush()
	a.mu.Unlock()
	stop := context.AfterFunc(a.ctx, func() { up.Abort("closed") })
	defer stop()
	over := make(chan struct{})
	a.readers.Go(func() { a.report(over) })
	for {
		s, err := up.AcceptStream()
		if err != nil {
			break
		}
		a.accept(s)
	}
	close(over)
	a.end()
	a.readers.Wait()
	a.mu.Lock()
	a.sctp = nil // and its memory
	a.mu.Unlock()
	a.scratch = nil
}

// report looks after sending: it calls OnReady, ends the waiting for the
// peer's channels, gives SCTP more, and gives up a peer that acknowledges nothing.
func (a *Association) report(over <-chan struct{}) {
	delay := time.NewTimer(openDelay)
	defer delay.Stop()
	again := time.NewTimer(openDelay)
	defer again.Stop()
	a.ready()
	for {
		select {
		case <-a.stirred:
		case <-again.C:
		case <-delay.C:
			a.mu.Lock()
			a.mayOpen = true
			a.mu.Unlock()
		case <-over:
			return
		}
		next, drained := a.look()
		if drained {
			a.ready()
		}
		if next > 0 {
			again.Reset(next)
		}
	}
}

// look sends as much as possible. It returns when to do so again, 0 = when stirred,
// and whether everything has arrived since the last such report.
func (a *Association) look() (next time.Duration, drained bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return 0, false
	}
	a.flush()
	if a.out.stalled(time.Now()) {
		a.cfg.Log.Warn("data channels are given up: the peer acknowledges nothing", "for", stallTime, "bytes", a.out.held)
		a.cancel()
		return 0, false
	}
	drained = !a.out.told && a.sctp.BufferedAmount() == 0
	a.out.told = a.out.told || drained
	return a.out.next(), drained
}

func (a *Association) ready() {
	if a.cfg.OnReady == nil {
		return
	}
	a.calling.Lock()
	defer a.calling.Unlock()
	a.cfg.OnReady()
}

// end stops Send and forgets the queued messages.
func (a *Association) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.out.clear()
}
