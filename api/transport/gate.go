package transport

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Gate counts the connections of all listeners that it is given to, so that they
// leave some files for the rest, and no address that they come from
// takes them all.
type Gate struct {
	cfg     GateConfig
	trusted ACL
	all     *crowd
	refused [numReasons]refusals
}

// refusals are those for one reason.
type refusals struct {
	n atomic.Uint64

	mu     sync.Mutex
	warned time.Time // when it was last logged
	told   uint64    // of n, at that time
}

// GateConfig sets up a Gate. Zero values set no limits.
type GateConfig struct {
	// Max is how many connections there may be.
	Max int

	// PerAddress is how many of them may come from one address, at each listener
	// and in all. Default half of what there may be.
	PerAddress int

	// Trusted are the addresses of proxies, which have as many connections as
	// they like. Loopback addresses and Unix sockets are trusted.
	Trusted []string

	Log *slog.Logger // default slog.Default()
}

// Reason says why a connection was refused or ended.
type Reason uint8

// Reasons.
const (
	Share   Reason = iota // its address has its share
	Full                  // the limit of all connections is reached
	Waiting               // it asked for nothing, while others wanted to
	Files                 // no more files may be open
	numReasons
)

// String is the reason's name in metrics.
func (r Reason) String() string { return [...]string{"share", "full", "waiting", "files"}[r] }

// Reasons are all of them.
var Reasons = [...]Reason{Share, Full, Waiting, Files}

// maxWaiting is how many connections of one address may wait for a request at a
// time: those on which nothing was asked for yet, and those kept for the next.
const maxWaiting = 128

// NewGate makes a Gate.
func NewGate(cfg GateConfig) *Gate {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	g := &Gate{cfg: cfg, trusted: NewACL(cfg.Trusted, false)}
	g.all = g.crowd(cfg.Max)
	return g
}

// Refused counts the connections that were refused or ended for a reason.
func (g *Gate) Refused(r Reason) uint64 { return g.refused[r].n.Load() }

// Connections is how many there are.
func (g *Gate) Connections() int { return g.all.size() }

// warnPeriod is the time between two warnings at least.
const warnPeriod = 10 * time.Second

// note counts a refusal and warns of it now and then.
func (g *Gate) note(r Reason, from netip.Addr, what string, more ...any) {
	x := &g.refused[r]
	n := x.n.Add(1)
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if !x.warned.IsZero() && now.Sub(x.warned) < warnPeriod {
		return
	}
	args := []any{"since the last warning", n - x.told}
	x.warned, x.told = now, n
	if from.IsValid() {
		args = append(args, "address", from.String())
	}
	g.cfg.Log.Warn(what, append(args, more...)...)
}

// trusts reports whether an address has no share. Unix sockets have none, either.
func (g *Gate) trusts(a netip.Addr) bool {
	return !a.IsValid() || a.IsLoopback() || len(g.cfg.Trusted) > 0 && g.trusted.Allows(a.String())
}
