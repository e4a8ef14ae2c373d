// Package ua is SIP user agents (RFC 3261) without JSON, media or words of Janus: accounts that register, calls
// both ways, transfers, messages and subscriptions. Descriptions are texts to it.
//
// # Shape
//
// An Endpoint has the sockets (UDP, TCP, TLS), the transactions and all accounts. An Account is a user agent with
// an identity; a Call is an INVITE with its dialog. Whoever uses an account hears of it by a Handler.
//
//	datagram or stream -> parser (sipgo) -> limits -> transaction -> dialog, account or stranger -> Handler
//	Account, Call      -> dialog -> digest -> where to (DNS) -> transaction -> flow -> wire
//
// Of sipgo there is the parser (messages, framing of streams, URIs). Its transports keep a map entry for each address
// that ever sent something, and start a goroutine for each message, so that a BYE may overtake its ACK; its
// transactions take their timers from variables of the process. So flows and transactions (RFC 3261, 17; RFC 6026)
// stand here.
//
// # Locks
//
// Everything is under one lock, that of the endpoint: messages, timers and calls of the API follow each other, and
// nothing waits under it. Names are looked up and connections made by goroutines that come back with the result.
// Messages go to the queue of their flow, events for a Handler to the queue of its account, so handlers may call
// anything. There is no goroutine for an account, a call or a transaction.
//
// # Strangers
//
// What belongs to no dialog and no account is answered without state (RFC 3261, 8.2.7). What could begin something
// passes Limits: a rate and a number of transactions for each source. Messages have a bound, headers are counted,
// connections that say nothing end. Digests go to the configured registrar or proxy alone, for the realms that it
// asked for at registration.
package ua

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"bifrons/api/task"
)

// Config sets up an Endpoint.
type Config struct {
	// Addrs are the addresses to bind to: one of IPv4, one of IPv6, or both. An unspecified address is one of all
	// interfaces; the address that we advertise is then that of the route to the other side.
	Addrs   []netip.Addr
	Port    uint16      // of UDP and TCP, 0 = one that is free
	TLSPort uint16      // 0 = one that is free
	TLS     *tls.Config // of the TLS listener; nil = there is none
	Client  *tls.Config // of TLS connections that we make; nil = the defaults of crypto/tls

	T1x64      time.Duration // 64*T1 of RFC 3261, after which transactions give up; 0 = 32 s
	Keepalive  time.Duration // between OPTIONS to the registrar, and pings of connections; 0 = none
	UserAgent  string        // where an account has none
	BehindNAT  bool          // the Contact has the address that the registrar saw
	Traces     func() bool   // whether Handler.Trace is wanted now; nil = no
	Limits     Limits
	Log        *slog.Logger // nil = slog.Default()
	network    network      // for tests; nil = the real one
	lookupTime time.Duration
}

// Limits bound what strangers may do. Zero values are defaults.
type Limits struct {
	Rate         int // requests a second from one source (an IPv4 address, an IPv6 /64) that reach no dialog; default 50
	Burst        int // of these at once; default 200
	Transactions int // server transactions at once from one source; default 256
	Total        int // server transactions at once; default 16384
	Connections  int // accepted at once; default 512
	PerSource    int // of these from one source; default 32
	Message      int // bytes of a message; default 65535
}

// Errors that methods of accounts and calls return.
var (
	ErrClosed     = errors.New("closed")
	ErrAddress    = errors.New("not a SIP address")
	ErrHeaders    = errors.New("too many bytes of headers")
	ErrState      = errors.New("wrong state")
	ErrRegistered = errors.New("already registered")
	ErrBusy       = errors.New("in a call")
	ErrPending    = errors.New("another offer is under way")
	ErrNotFound   = errors.New("no such thing")
	ErrTooMany    = errors.New("too many at once")
)

// T1, T2 and T4 of RFC 3261, 17.1.1.1.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	t4 = 5 * time.Second
	// d is timer D, the time for which retransmissions of a final response to an INVITE are answered.
	timerD = 32 * time.Second
)

// Endpoint is the place where SIP comes in and goes out, with all accounts. Its methods may be called from any
// goroutine.
type Endpoint struct {
	cfg    Config
	log    *slog.Logger
	net    network
	parser *sip.Parser
	tasks  task.Tasks
	secret [16]byte // makes the tags of responses without state
	ctx    context.Context
	halt   context.CancelFunc

	mu       sync.Mutex
	closed   bool
	udp      []*udpSocket
	lists    []listener
	conns    map[connKey]*conn
	inbound  map[netip.Addr]int // accepted connections by source
	accepted int
	lookups  int
	clients  map[string]*clientTx // by branch and method
	servers  map[string]*serverTx
	sources  sources
	tokens   map[string]*Account // by the user of the Contact
	users    map[string][]*Account
	dialogs  map[dialogKey]dialogOwner
	calls    int
}

// New opens the sockets of an endpoint.
func New(cfg Config) (*Endpoint, error) {
	cfg = cfg.withDefaults()
	e := &Endpoint{cfg: cfg, log: cfg.Log, net: cfg.network, parser: newParser(cfg.Limits.Message),
		conns: map[connKey]*conn{}, inbound: map[netip.Addr]int{}, clients: map[string]*clientTx{}, servers: map[string]*serverTx{},
		tokens: map[string]*Account{}, users: map[string][]*Account{}, dialogs: map[dialogKey]dialogOwner{}}
	e.tasks.Log = cfg.Log
	e.sources.init(cfg.Limits)
	fill(e.secret[:])
	e.ctx, e.halt = context.WithCancel(context.Background())
	if err := e.listen(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.network == nil {
		c.network = realNetwork{}
	}
	if c.T1x64 <= 0 {
		c.T1x64 = 64 * t1
	}
	if c.lookupTime <= 0 {
		c.lookupTime = 10 * time.Second
	}
	if len(c.Addrs) == 0 {
		c.Addrs = []netip.Addr{netip.IPv4Unspecified()}
	}
	def(&c.Limits.Rate, 50)
	def(&c.Limits.Burst, 200)
	def(&c.Limits.Transactions, 256)
	def(&c.Limits.Total, 16384)
	def(&c.Limits.Connections, 512)
	def(&c.Limits.PerSource, 32)
	def(&c.Limits.Message, 65535)
	return c
}

// Close ends all accounts, without a word to anybody (Account.Close says goodbye), closes the sockets and waits
// for the goroutines. Handlers still get the events that are queued for them.
func (e *Endpoint) Close() {
	e.halt()
	e.do("the end of the endpoint", func() {
		for _, a := range e.tokens {
			a.end(false)
		}
		e.stopTransactions()
		e.closeSockets()
		e.closed = true
	})
	e.tasks.Wait()
}

// do runs f with the lock held, unless the endpoint is closed. A panic ends f alone.
func (e *Endpoint) do(what string, f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	defer task.Contain(e.log, what, nil)
	f()
}

// try is do for functions that can fail.
func (e *Endpoint) try(what string, f func() error) (err error) {
	err = ErrClosed
	e.do(what, func() { err = f() })
	return err
}

// timer is a function that runs later with the lock held.
type timer struct {
	t    *time.Timer
	dead bool
}

// after runs f in a while, with the lock held. The lock is held now, too.
func (e *Endpoint) after(wait time.Duration, f func()) *timer {
	t := &timer{}
	t.t = time.AfterFunc(wait, func() {
		e.do("a timer", func() {
			if !t.dead {
				t.dead = true
				f()
			}
		})
	})
	return t
}

// stop keeps the timer from running. Nil will do.
func (t *timer) stop() {
	if t != nil {
		t.dead = true
		t.t.Stop()
	}
}

// Stats are the numbers of objects that an endpoint holds at the moment.
type Stats struct {
	Accounts, Calls, Dialogs, Clients, Servers, Connections, Sources int
}

// Stats counts the objects that the endpoint holds.
func (e *Endpoint) Stats() (s Stats) {
	e.do("counting", func() {
		s = Stats{Accounts: len(e.tokens), Calls: e.calls, Dialogs: len(e.dialogs), Clients: len(e.clients),
			Servers: len(e.servers), Connections: len(e.conns), Sources: len(e.sources.m)}
	})
	return s
}

// Addrs are the addresses of the UDP sockets, which TCP shares.
func (e *Endpoint) Addrs() (list []netip.AddrPort) {
	e.do("addresses", func() {
		for _, u := range e.udp {
			list = append(list, u.local)
		}
	})
	return list
}
