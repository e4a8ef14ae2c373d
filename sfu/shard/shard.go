// Package shard is the engine's loop: one goroutine that owns a UDP socket, an
// arena of packet memory, timers, and the peers that live on it. Everything a
// packet meets on its way through a shard runs on that goroutine.
package shard

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/due"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
)

// Socket is the shard's way to the network.
type Socket interface {
	RecvBatch(ms []netio.Message, deadline time.Time) (int, error)
	SendBatch(ms []netio.Message) (int, error)
	Moderate(d time.Duration)
	Wake()
	Close() error
}

// Config sets up a Shard.
type Config struct {
	Socket  Socket
	Options *peer.Options
	Logger  *slog.Logger
	// RecvBuffer is how many bytes the socket keeps; 0 = unknown, it is never moderated.
	RecvBuffer int
	// Buffers limits the packets held in memory at the same time.
	Buffers int
	// STUNServer finds the shard's server-reflexive address; invalid = none.
	// OnReflexive is called, once, on the loop.
	STUNServer  netip.AddrPort
	OnReflexive func(a netip.AddrPort, ok bool)
	// Random fills a slice; default crypto/rand.
	Random func([]byte)
}

// Bounds of one pass.
const (
	batchSize      = 128
	defaultBuffers = 1 << 18
	// maxAddresses is how many remote addresses one peer may have bound.
	maxAddresses = 32
	// receiveRetry is the pause after an error of the socket, such as a lack
	// of memory.
	receiveRetry = 10 * time.Millisecond
)

// Shard runs peers. Its methods are for the loop's own goroutine, except Post,
// Call, Run's caller and the statistics.
type Shard struct {
	cfg    Config
	sock   Socket
	log    *slog.Logger
	pool   *pktbuf.Pool
	slots  []netio.Message
	bufs   []*pktbuf.Buf
	out    *egress
	hungry bool // the arena was empty: slots without a buffer are left

	peers   map[*peer.Peer]*member
	byAddr  map[netip.AddrPort]*member
	byUfrag map[string]*member
	byKey   map[uint32]*member // by the transaction ids of its checks
	lastKey uint32
	timers  due.Heap[*member]

	links    map[uint32]linkEnd
	parting  map[*peer.Peer]*member // removed, with links that are still open
	lastLink uint32

	// Tracks of other shards, and ours that others have.
	inbound, outbound []*crossing
	replicas, exports []*replica
	nextSweep         mono.Time

	// Media outside WebRTC.
	stays    []*Stay
	plain    *egress // nil until there is something to send
	nextTick mono.Time

	// From one leg to another.
	nearby, spareNearby []near
	nearMessage         netio.Message

	watch watch // of the socket

	dirty     []*route.Track // with packets to forward
	heldUntil mono.Time      // when that is due
	preloaded uint64
	box       mailbox
	stunner   *ice.Reflexive // nil = no STUN server
	told      bool           // OnReflexive was called

	scratch peer.Scratch
	now     mono.Time
	ended   peer.Counters // sums of the peers that are gone
	load    atomic.Int64  // number of peers
	drops   [media.NumDrops]atomic.Uint64
	passes  atomic.Uint64
	packets atomic.Uint64
	busy    atomic.Int64 // time.Duration
	closing bool
	done    chan struct{}
}

// New makes a shard; Run starts it.
func New(cfg Config) *Shard {
	if cfg.Buffers == 0 {
		cfg.Buffers = defaultBuffers
	}
	if cfg.Random == nil {
		cfg.Random = func(b []byte) { _, _ = rand.Read(b) }
	}
	s := &Shard{
		cfg: cfg, sock: cfg.Socket, log: cfg.Logger,
		pool:    pktbuf.NewPool(cfg.Buffers),
		slots:   make([]netio.Message, batchSize),
		bufs:    make([]*pktbuf.Buf, batchSize),
		peers:   make(map[*peer.Peer]*member),
		byAddr:  make(map[netip.AddrPort]*member),
		byUfrag: make(map[string]*member),
		byKey:   make(map[uint32]*member),
		links:   make(map[uint32]linkEnd),
		parting: make(map[*peer.Peer]*member),
		done:    make(chan struct{}),
	}
	s.out = newEgress(s.sock.SendBatch, s.drop)
	s.out.divert = s.divert
	if cfg.STUNServer.IsValid() {
		s.stunner = ice.NewReflexive(cfg.STUNServer, cfg.Random, s.transmit)
	}
	return s
}

// Run is the loop. It returns after Close.
func (s *Shard) Run() {
	defer close(s.done)
	s.now = mono.Now()
	if s.stunner != nil {
		s.stunner.Start(s.now)
		s.out.flush()
	}
	failing := false
	for n := batchSize; !s.closing; {
		s.refill(n)
		var err error
		n, err = s.sock.RecvBatch(s.slots, s.wakeTime())
		if errors.Is(err, net.ErrClosed) {
			s.log.Error("media socket closed, shard stops")
			break
		}
		if err != nil && !failing {
			s.log.Error("cannot receive media, still trying", "error", err)
		}
		if failing = err != nil; failing {
			time.Sleep(receiveRetry)
		}
		begun := mono.Now()
		s.Step(begun, s.slots[:n])
		s.moderate(n)
		s.busy.Add(int64(mono.Now().Sub(begun)))
	}
	s.shutDown()
}

// Next is when a pass is due without a datagram, mono.Never if it is not.
func (s *Shard) Next() mono.Time {
	due := s.timers.Next()
	if len(s.nearby) > 0 {
		return s.now
	}
	if len(s.dirty) > 0 {
		due = min(due, s.heldUntil)
	}
	if s.stunner != nil {
		due = min(due, s.stunner.Deadline())
	}
	if len(s.replicas) > 0 {
		due = min(due, s.nextSweep)
	}
	if len(s.stays) > 0 {
		due = min(due, s.nextTick)
	}
	for _, c := range s.inbound {
		if c.ring.Waiting() > 0 {
			return s.now
		}
	}
	return due
}

func (s *Shard) wakeTime() time.Time {
	due := s.Next()
	if due == mono.Never {
		return time.Time{}
	}
	return due.Wall()
}

// Inject is a pass over datagrams that did not come by the socket, for tests
// that run the shard without its loop. in is lent.
func (s *Shard) Inject(now mono.Time, in []netio.Message) {
	for {
		n := min(len(in), len(s.slots))
		s.refill(n)
		for i := range n {
			m := &s.slots[i]
			m.N = copy(m.Buf, in[i].Buf[:in[i].N])
			m.Remote, m.Local, m.Age, m.Truncated = in[i].Remote, in[i].Local, in[i].Age, m.N < in[i].N
		}
		s.Step(now, s.slots[:n])
		if in = in[n:]; len(in) == 0 {
			return
		}
	}
}

// refill puts a buffer into those of the first n receive slots that lent their
// own away. When the arena is empty the slots keep theirs.
func (s *Shard) refill(n int) {
	if s.hungry {
		n, s.hungry = len(s.slots), false
	}
	for i := range n {
		if s.bufs[i] == nil {
			if s.bufs[i] = s.pool.Get(); s.bufs[i] == nil {
				s.hungry = true
				s.drop(media.DropNoBuffer)
				s.slots[i].Buf = s.slots[i].Buf[:0]
				continue
			}
			s.slots[i].Buf = s.bufs[i].B
		}
	}
}

// Step is one pass: datagrams, commands, timers, forwarding, sending. Tests
// call it with their own clock.
func (s *Shard) Step(now mono.Time, in []netio.Message) {
	s.passes.Add(1)
	for i := range in {
		s.now = max(s.now, now.Add(-in[i].Age)) // when it came
		s.datagram(i, &in[i])
	}
	s.now = now
	s.packets.Add(uint64(len(in)))
	s.receive()
	s.exchange()
	s.forward()
	s.exchange()
	s.commands()
	s.expire()
	s.forward()
	s.flush()
	s.wakeOthers()
}

// flush sends the pass's packets.
func (s *Shard) flush() {
	s.out.flush()
	s.FlushLegs()
}

// datagram routes one received datagram to its peer. A panic costs that peer.
func (s *Shard) datagram(i int, m *netio.Message) {
	buf := s.bufs[i]
	switch {
	case m.N == 0 || buf == nil:
		s.drop(media.DropEmpty)
		return
	case m.Truncated:
		s.drop(media.DropOversize)
		return
	}
	buf.N = m.N
	path := ice.Path{Local: m.Local, Remote: m.Remote}
	mb := s.byAddr[m.Remote]
	if mb == nil || ice.IsSTUN(buf.Bytes()) {
		s.stun(mb, path, buf.Bytes())
		return
	}
	if rtp.Classify(buf.Bytes()) == rtp.ClassDTLS {
		s.awaited()
	}
	defer s.guard(mb)
	s.bufs[i] = nil // after a panic nobody knows whose it is
	if !mb.peer.HandleDatagram(s.now, path, buf) {
		s.bufs[i] = buf
	}
	s.settle(mb)
}

// stun takes a STUN message. A request is for the peer that its USERNAME names,
// a response for the peer that made its transaction id. The address is bound to
// that peer once the message proved authentic.
func (s *Shard) stun(known *member, path ice.Path, b []byte) {
	if !ice.IsSTUN(b) {
		s.drop(media.DropUnknownPeer)
		return
	}
	if s.stunner != nil && s.stunner.Handle(s.now, path.Remote, b) {
		s.tellReflexive()
		return
	}
	mb := known
	if local, _, ok := ice.STUNUsername(b); ok {
		if mb = s.byUfrag[string(local)]; mb == nil {
			s.drop(media.DropSTUNUsername)
			return
		}
	}
	if key, ok := ice.TransactionKey(b); ok {
		mb = s.byKey[key]
	}
	if mb == nil {
		s.drop(media.DropUnknownPeer)
		return
	}
	defer s.guard(mb)
	if mb != known || !mb.peer.Up() {
		s.awaited()
	}
	if mb.peer.HandleSTUN(s.now, path, b) && mb != known {
		s.bindAddress(mb, path.Remote)
	}
	s.settle(mb)
}

// bindAddress routes an address to a peer. Of too many it gives up the oldest,
// as a peer may move on and on.
func (s *Shard) bindAddress(mb *member, a netip.AddrPort) {
	old := s.byAddr[a]
	if old == mb || mb.gone {
		return
	}
	if old != nil {
		old.addrs = slices.DeleteFunc(old.addrs, func(b netip.AddrPort) bool { return a == b })
	}
	if len(mb.addrs) >= maxAddresses {
		i := 0
		if mb.addrs[i] == mb.peer.RemoteAddr() {
			i = 1
		}
		delete(s.byAddr, mb.addrs[i])
		mb.addrs = slices.Delete(mb.addrs, i, i+1)
	}
	s.byAddr[a] = mb
	mb.addrs = append(mb.addrs, a)
}

// settle follows up after a peer did something: its timer, or its end.
func (s *Shard) settle(mb *member) {
	if mb.gone {
		return
	}
	if mb.peer.Closed() {
		s.Remove(mb.peer)
		return
	}
	s.timers.Set(&mb.timer, mb.peer.Deadline())
}

// commands runs the commands in the mailbox.
func (s *Shard) commands() {
	q := s.box.take()
	for _, c := range q {
		s.command(c)
	}
	s.box.done(q)
}

// command runs one command. A panic that concerns no peer or leg ends nothing.
func (s *Shard) command(c command) {
	defer func() {
		if r := recover(); r != nil {
			s.Panicked("a command", r)
		}
	}()
	c(s.now)
}

// expire runs the timers that are due.
func (s *Shard) expire() {
	if s.stunner != nil && s.stunner.Deadline() <= s.now {
		s.stunner.Advance(s.now)
		s.tellReflexive()
	}
	if len(s.replicas) > 0 {
		s.sweep()
	}
	if len(s.stays) > 0 {
		s.tick()
	}
	for range s.timers.Len() {
		if s.timers.Next() > s.now {
			return
		}
		s.advance(s.timers.First())
	}
}

func (s *Shard) advance(mb *member) {
	defer s.guard(mb)
	mb.peer.Advance(s.now)
	if !mb.peer.Closed() && mb.peer.Deadline() <= s.now {
		s.timers.Set(&mb.timer, s.now+1) // never twice in one pass
		return
	}
	s.settle(mb)
}

// forward forwards the new packets of tracks, but for the beginnings of frames whose
// end is to come at once.
func (s *Shard) forward() {
	held := s.dirty[:0]
	s.heldUntil = mono.Never
	for i, t := range s.dirty {
		if i%route.PreloadGroup == 0 {
			s.preloaded += route.Preload(s.dirty[i:min(i+route.PreloadGroup, len(s.dirty))])
		}
		if until := t.HoldUntil(s.now); until != 0 {
			held = append(held, t)
			s.heldUntil = min(s.heldUntil, until)
			continue
		}
		s.forwardOne(t)
	}
	clear(s.dirty[len(held):])
	s.dirty = held
}

// transmit sends one datagram as it is.
func (s *Shard) transmit(path ice.Path, b []byte) {
	n := copy(s.out.reserve(), b)
	s.out.commit(path, n)
}

func (s *Shard) tellReflexive() {
	if s.told || !s.stunner.Done() {
		return
	}
	s.told = true
	s.cfg.OnReflexive(s.stunner.Address())
}

func (s *Shard) drop(d media.Drop) { s.drops[d].Add(1) }

// shutDown closes all peers and gives the memory back.
func (s *Shard) shutDown() {
	s.now = mono.Now()
	for _, c := range s.box.close() {
		s.command(c)
	}
	for p := range s.peers {
		p.Close(s.now, "Close PC")
		s.Remove(p)
	}
	s.releaseCrossings()
	s.releaseNearby()
	s.flush()
	for p := range s.parting {
		s.CloseLinks(p)
	}
	for i, b := range s.bufs {
		if b != nil {
			b.Release()
			s.bufs[i] = nil
		}
	}
	_ = s.sock.Close()
}
