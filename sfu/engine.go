package sfu

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/sctp"
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/ice/tcp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/playout"
	"bifrons/sfu/record"
	"bifrons/sfu/shard"
)

// ErrClosed is returned by an engine that was closed.
var ErrClosed = errors.New("sfu: engine is closed")

// maxData bounds the queued messages of the data channels of all peers, in bytes.
const maxData = 64 << 20

// recordLimit is how long Close waits for recordings to be complete, and for readers.
const recordLimit = 2500 * time.Millisecond

// Engine is the set of shards. It is safe for use by several goroutines.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	sites  []*site
	policy ice.HostPolicy

	names     names // that clients want to be looked up
	scheduler playout.Scheduler
	mixing    mixing
	playing   sync.WaitGroup // goroutines of the scheduler

	data     *sctp.Budget // of the queued messages of all data channels
	ports    ownPorts
	recorder *record.Recorder

	hostsMu sync.Mutex
	hosts   []ice.HostAddr
	hostsAt time.Time

	tuneMu sync.Mutex
	tuning Tuning

	certificate atomic.Pointer[dtls.Certificate]

	next     atomic.Uint32 // turn for shards of equal load
	placing  sync.Mutex    // held while a peer gets its shard
	together bool          // few peers share a shard
	pending  sync.WaitGroup
	closed   atomic.Bool
}

// site is a shard with the parts that other goroutines know.
type site struct {
	number   int // from 1, as SourceConfig wants it
	shard    *shard.Shard
	options  *peer.Options // touched by the shard only, once it runs
	conn     *netio.Conn
	tcp      *tcp.Listener // nil without ICE-TCP
	gathered chan struct{} // closed when srflx is final

	placed atomic.Int64 // peers that live here or are about to

	mu    sync.Mutex
	srflx netip.AddrPort // invalid if unknown
	peers map[*Peer]struct{}
	legs  map[*leg]struct{} // sources and RTP sessions

	opening sync.Mutex           // held while plain is being opened
	plain   atomic.Pointer[port] // sends plain RTP, nil until it is needed

	forwarders map[*Forwarder]struct{} // that take RTCP; touched by the shard only
	sessions   map[uint16]*RTPSession  // by their ports; touched by the shard only

	feed feed // of media being played
}

// New starts an engine. It fails if no port can be had, the STUN server's name
// does not resolve, STUN or TURN server do not answer, or no certificate can be
// made.
func New(cfg Config) (*Engine, error) {
	free := cfg.Shards == 0
	cfg.setDefaults()
	e := &Engine{cfg: cfg, together: free, log: cfg.Logger, names: names{lookup: net.DefaultResolver.LookupNetIP}, policy: ice.HostPolicy{
		Enforce: cfg.Enforce, Ignore: cfg.Ignore,
		IPv6: cfg.IPv6, LinkLocal: cfg.IPv6LinkLocal,
		PublicIPs: cfg.PublicIPs, KeepPrivate: cfg.KeepPrivate,
	}}
	e.data = sctp.NewBudget(maxData)
	e.scheduler.Flush, e.scheduler.Go = e.flushFeeds, e.playing.Go
	e.recorder = record.New(e.log)
	e.mixing.init(e.conferenceFailed)
	e.tuning = cfg.Peers.Tuning
	if cfg.Certificate == nil {
		c, err := dtls.Generate(false)
		if err != nil {
			return nil, fmt.Errorf("sfu: no DTLS certificate: %w", err)
		}
		cfg.Certificate = c
	}
	e.certificate.Store(cfg.Certificate)
	stun, err := resolveSTUN(cfg.STUNServer, cfg.IPv6)
	if err != nil {
		return nil, err
	}
	for range cfg.Shards {
		if err := e.addSite(stun); err != nil {
			e.Close()
			return nil, err
		}
	}
	if err := e.checkServers(stun.IsValid()); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// checkServers waits for the answers of STUN and TURN server: one that is dead
// would leave clients without a path, which is found out late.
func (e *Engine) checkServers(stun bool) error {
	if e.cfg.IgnoreUnreachableServers {
		return nil
	}
	if stun {
		if err := e.awaitSTUN(); err != nil {
			return err
		}
	}
	return e.tryTURN()
}

func (e *Engine) awaitSTUN() error {
	st := e.sites[0]
	<-st.gathered
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.srflx.IsValid() {
		return fmt.Errorf("sfu: STUN server %s does not answer", e.cfg.STUNServer)
	}
	return nil
}

func (c *Config) setDefaults() {
	def(&c.Shards, runtime.GOMAXPROCS(0))
	def(&c.DTLSMTU, 1200)
	peers := DefaultPeerOptions()
	if c.Peers != nil {
		peers = *c.Peers
	}
	c.Peers = &peers // nobody else's
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// resolveSTUN finds the address of a STUN server, invalid if none is wanted.
func resolveSTUN(server string, ipv6 bool) (netip.AddrPort, error) {
	if server == "" {
		return netip.AddrPort{}, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = server, "3478"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("sfu: STUN server %q has no usable port", server)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("sfu: STUN server %q: %w", server, err)
	}
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() || ipv6 {
			return netip.AddrPortFrom(a, uint16(n)), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("sfu: STUN server %q has no IPv4 address", server)
}

func (e *Engine) addSite(stun netip.AddrPort) error {
	conn, err := netio.Listen(netio.Config{
		IPv6: e.cfg.IPv6, PortMin: e.cfg.PortMin, PortMax: e.cfg.PortMax, DSCP: e.cfg.DSCP, Loop: true,
	})
	if err != nil {
		return fmt.Errorf("sfu: no UDP socket for media: %w", err)
	}
	st := &site{
		number: len(e.sites) + 1, conn: conn, gathered: make(chan struct{}),
		peers: make(map[*Peer]struct{}), legs: make(map[*leg]struct{}),
		forwarders: make(map[*Forwarder]struct{}), sessions: make(map[uint16]*RTPSession),
	}
	options := *e.cfg.Peers
	options.Observations = peer.NewObservations()
	st.options = &options
	cfg := shard.Config{Socket: conn, RecvBuffer: conn.RecvBuffer(), Logger: e.log, Options: st.options}
	if stun.IsValid() {
		cfg.STUNServer = stun
		cfg.OnReflexive = func(a netip.AddrPort, ok bool) { e.reflexive(st, a, ok) }
	} else {
		close(st.gathered)
	}
	st.shard = shard.New(cfg)
	st.feed.site = st
	e.sites = append(e.sites, st)
	e.ports.add(conn)
	go st.shard.Run()
	if e.cfg.ICETCP {
		return e.listenTCP(st)
	}
	return nil
}

// reflexive takes the outcome of a shard's search for its public address.
func (e *Engine) reflexive(st *site, a netip.AddrPort, ok bool) {
	if !ok {
		e.log.Warn("STUN server did not answer, no server-reflexive candidates", "server", e.cfg.STUNServer)
	}
	st.mu.Lock()
	st.srflx = a
	close(st.gathered)
	for p := range st.peers {
		p.announce()
	}
	st.mu.Unlock()
}

// hostAddrs lists the machine's addresses, looked up every few seconds.
func (e *Engine) hostAddrs() []ice.HostAddr {
	const fresh = 3 * time.Second
	e.hostsMu.Lock()
	defer e.hostsMu.Unlock()
	if time.Since(e.hostsAt) < fresh {
		return e.hosts
	}
	list, err := netio.Interfaces()
	if err != nil {
		e.log.Warn("cannot list network interfaces", "error", err)
		return e.hosts
	}
	e.hosts = e.hosts[:0:0]
	for _, a := range list {
		e.hosts = append(e.hosts, ice.HostAddr(a))
	}
	e.hostsAt = time.Now()
	return e.hosts
}

// candidates are the addresses at which a peer on this site can be reached.
func (e *Engine) candidates(st *site) []ice.Candidate {
	hosts := e.policy.Candidates(e.hostAddrs(), st.conn.Port())
	list := hosts
	if st.tcp != nil {
		list = append(list, ice.PassiveCandidates(hosts, st.tcp.Port())...)
	}
	if c, ok := st.reflexiveCandidate(hosts); ok {
		list = append(list, c)
	}
	return list
}

// reflexiveCandidate makes the srflx candidate, unless it only repeats a host.
func (st *site) reflexiveCandidate(hosts []ice.Candidate) (c ice.Candidate, ok bool) {
	st.mu.Lock()
	a := st.srflx
	st.mu.Unlock()
	if !a.IsValid() {
		return ice.Candidate{}, false
	}
	for _, h := range hosts {
		if h.Addr == a {
			return ice.Candidate{}, false
		}
	}
	c = ice.Candidate{
		Foundation: "srflx", Component: 1, Transport: "udp",
		Priority: ice.Priority(ice.ServerReflexive, 0), Addr: a, Type: ice.ServerReflexive,
	}
	for _, h := range hosts {
		if h.Addr.Addr().Is4() == a.Addr().Is4() {
			c.Related = h.Addr
			break
		}
	}
	return c, true
}

// Certificate is the certificate of new peer connections.
func (e *Engine) Certificate() *dtls.Certificate { return e.certificate.Load() }

// SetCertificate replaces it. Existing connections keep theirs.
func (e *Engine) SetCertificate(c *dtls.Certificate) { e.certificate.Store(c) }

// LocalIP is the first address that peers can reach directly; the unspecified
// address if there is none.
func (e *Engine) LocalIP() netip.Addr {
	if e.cfg.LocalIP.IsValid() {
		return e.cfg.LocalIP
	}
	p := e.policy
	p.PublicIPs = nil
	for _, c := range p.Candidates(e.hostAddrs(), 9) {
		return c.Addr.Addr()
	}
	return netip.IPv4Unspecified()
}

// PublicIPs are the addresses of the 1:1 NAT mapping and those found by STUN.
func (e *Engine) PublicIPs() []netip.Addr {
	list := append([]netip.Addr(nil), e.cfg.PublicIPs...)
	for _, st := range e.sites {
		st.mu.Lock()
		a := st.srflx.Addr()
		st.mu.Unlock()
		known := !a.IsValid()
		for _, have := range list {
			known = known || have == a
		}
		if !known {
			list = append(list, a)
		}
	}
	return list
}

// Stats are the engine's counts, a shard each.
type Stats struct {
	Shard shard.Stats
	Net   netio.Stats
	Port  uint16
	GSO   bool

	TCPPort uint16 // of ICE-TCP, 0 without
}

// Stats returns the counts since the start.
func (e *Engine) Stats() []Stats {
	list := make([]Stats, len(e.sites))
	for i, st := range e.sites {
		list[i] = Stats{Shard: st.shard.Stats(), Net: st.conn.Stats(), Port: st.conn.Port(), GSO: st.conn.GSO()}
		if st.tcp != nil {
			list[i].TCPPort = st.tcp.Port()
		}
	}
	return list
}

// Drops sums the reasons of all shards.
func (e *Engine) Drops() (sum [media.NumDrops]uint64) {
	for _, st := range e.sites {
		for i, n := range st.shard.Stats().Drops {
			sum[i] += n
		}
	}
	return sum
}

// choose picks a shard: the wanted one, or the one with the fewest peers.
func (e *Engine) choose(wanted int) *site {
	if wanted > 0 && wanted <= len(e.sites) {
		return e.sites[wanted-1]
	}
	first := int(e.next.Add(1)) % len(e.sites)
	best := e.sites[first]
	for i := range e.sites {
		if st := e.sites[(first+i)%len(e.sites)]; st.placed.Load() < best.placed.Load() {
			best = st
		}
	}
	return best
}

// together is how many peers a shard gets before the next one gets its first. What
// they send each other does not cross shards, and one loop wakes up, not all, which
// saves a quarter where there is little to do. So few are no load for a core.
const together = 48

// place is choose for a peer, which counts at once: many may come together.
func (e *Engine) place(wanted int) *site {
	e.placing.Lock()
	defer e.placing.Unlock()
	st := e.choose(wanted)
	if e.together && (wanted <= 0 || wanted > len(e.sites)) {
		for _, other := range e.sites {
			if other.placed.Load() < together {
				st = other
				break
			}
		}
	}
	st.placed.Add(1)
	return st
}

// Close ends all peers and shards, and waits until nothing of them runs.
func (e *Engine) Close() {
	if e.closed.Swap(true) {
		return
	}
	e.stopPlaying()
	e.stopMixing()
	if n := e.recorder.Close(recordLimit); n > 0 {
		e.log.Error("recordings are incomplete: the file system does not answer", "files", n)
	}
	for _, st := range e.sites {
		st.mu.Lock()
		peers := slices.Collect(maps.Keys(st.peers))
		legs := slices.Collect(maps.Keys(st.legs))
		st.mu.Unlock()
		for _, p := range peers {
			p.Close("Close PC")
		}
		for _, l := range legs {
			l.Close()
		}
		st.opening.Lock()
		if plain := st.plain.Load(); plain != nil {
			_ = plain.conn.Close()
		}
		st.opening.Unlock()
	}
	for _, st := range e.sites {
		st.shard.Call(func(mono.Time) {}) // every peer has ended
	}
	e.pending.Wait() // associations have sent their last alerts
	for _, st := range e.sites {
		if st.tcp != nil {
			st.tcp.Close()
		}
		st.shard.Close()
	}
}

// Outstanding is how many packet buffers have been lent and not given back, but for one
// for each panic, after which nobody knows whose a buffer is. It is for one goroutine,
// after Close.
func (e *Engine) Outstanding() int {
	n := 0
	for _, st := range e.sites {
		n += st.shard.Outstanding()
	}
	return max(0, n-int(e.Drops()[media.DropPanic]))
}

func random(b []byte) { _, _ = rand.Read(b) }
