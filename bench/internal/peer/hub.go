package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"bifrons/ice/netio"
)

// hubBuffer is how far the load may fall behind while the server has the machine.
const hubBuffer = 64 << 20

// mostPeers is how many addresses a hub gives away.
const mostPeers = 1 << 15

// Hub is one UDP socket that many light peers share. Each has an address of its
// own, which goes to the socket with every datagram, and all have one port.
type Hub struct {
	conn   *netio.Conn
	base   netip.Addr
	window Window

	sending sync.Mutex
	one     [1]netio.Message

	mu      sync.Mutex // for all that the peers of this hub hold
	peers   [mostPeers]*Light
	next    uint32
	free    []uint32
	random  *rand.PCG
	sample  uint64 // one of so many packets is decrypted
	loss    uint64 // one of so many packets is lost, 0 = none
	totals  Totals
	replies []netio.Message

	done chan struct{}
}

// Totals are the measurements of the peers of a hub.
type Totals struct {
	Sent      int64 // packets, first transmissions only
	Received  int64 // packets
	Strange   int64 // packets that differ from the sent ones, of those looked into
	Late      int64 // packets of audio that came more than two intervals after those before
	Lost      int64 // packets dropped on purpose on their way in
	Recovered int64 // of those, packets that came again
	Switches  int64 // changes of the encoding, as far as looked into
	Trips     []time.Duration
}

// NewHub opens the socket. Peers get the addresses from base on, which have to be
// local ones of this machine.
func NewHub(base netip.Addr) (*Hub, error) {
	// The kernel would cut runs of datagrams apart in the context of who sends
	// them, which is the server that is measured.
	conn, err := netio.Listen(netio.Config{
		Addr: netip.IPv4Unspecified(), RecvBuffer: hubBuffer, SendBuffer: 16 << 20, GRO: true,
	})
	if err != nil {
		return nil, err
	}
	h := &Hub{conn: conn, base: base, random: rand.NewPCG(1, 2), sample: 1, done: make(chan struct{})}
	go h.run()
	return h, nil
}

// Close closes the socket. The peers have to be closed before.
func (h *Hub) Close() {
	_ = h.conn.Close()
	<-h.done
}

// Dropped counts the datagrams, or runs of them, that the load was too slow for.
func (h *Hub) Dropped() uint64 { return h.conn.Stats().KernelDrops }

// Sample sets how many packets a second are decrypted to look at their tags, of
// so many that will come.
func (h *Hub) Sample(perSecond, of float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sample = max(1, uint64(of/perSecond))
}

// Lose drops one of n packets on their way to the peers, and on their way from
// them; n = 0 ends that.
func (h *Hub) Lose(n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loss = n
}

// Open starts a measurement.
func (h *Hub) Open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.peers[:h.next] {
		if p != nil {
			p.got = 0
		}
	}
	h.totals = Totals{}
	h.window.Open()
}

// Shut ends it.
func (h *Hub) Shut() { h.window.Shut() }

// Totals returns the measurements. The trips are not in order.
func (h *Hub) Totals() Totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.totals
}

// add gives a peer its address.
func (h *Hub) add(p *Light) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.next
	if n := len(h.free); n > 0 {
		i, h.free = h.free[n-1], h.free[:n-1]
	} else if h.next++; i >= mostPeers {
		h.next--
		return errors.New("the load has no more addresses")
	}
	h.peers[i] = p
	b := h.base.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+i)
	p.addr = netip.AddrFrom4(b)
	return nil
}

func (h *Hub) index(a netip.Addr) uint32 {
	if !a.Is4() {
		return mostPeers
	}
	b, base := a.As4(), h.base.As4()
	return binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(base[:])
}

func (h *Hub) remove(p *Light) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.index(p.addr); i < mostPeers && h.peers[i] == p {
		h.peers[i] = nil
		h.free = append(h.free, i)
	}
}

// send sends one datagram, for which it may be called from anywhere.
func (h *Hub) send(p *Light, b []byte) {
	h.sending.Lock()
	defer h.sending.Unlock()
	h.one[0] = netio.Message{Buf: b, Remote: p.server, Local: p.addr}
	_, _ = h.conn.SendBatch(h.one[:])
}

func (h *Hub) sendAll(ms []netio.Message) {
	if len(ms) == 0 {
		return
	}
	h.sending.Lock()
	defer h.sending.Unlock()
	_, _ = h.conn.SendBatch(ms)
}

// run receives.
func (h *Hub) run() {
	defer close(h.done)
	const batch = 128
	ms := make([]netio.Message, batch)
	for i := range ms {
		ms[i].Buf = make([]byte, netio.MaxSegmentedBytes)
	}
	for {
		n, err := h.conn.RecvBatch(ms, time.Time{})
		if err != nil {
			return
		}
		now := clock()
		h.mu.Lock()
		open := h.window.has(now)
		for i := range ms[:n] {
			m := &ms[i]
			at := h.index(m.Local)
			for b := m.Buf[:m.N]; at < mostPeers && h.peers[at] != nil && len(b) > 0; {
				n := len(b)
				if m.Segment > 0 {
					n = min(n, m.Segment)
				}
				h.peers[at].take(now, open, m.Remote, b[:n:n])
				b = b[n:]
			}
		}
		h.mu.Unlock()
		h.sendAll(h.replies)
		clear(h.replies)
		h.replies = h.replies[:0]
	}
}

// reply queues a datagram that goes out after the batch. h.mu is held; b is the
// hub's from then on.
func (h *Hub) reply(p *Light, to netip.AddrPort, b []byte) {
	h.replies = append(h.replies, netio.Message{Buf: b, Remote: to, Local: p.addr})
}

// chance is true one of n times. h.mu is held.
func (h *Hub) chance(n uint64) bool { return n == 1 || n > 1 && h.random.Uint64()%n == 0 }

func (h *Hub) candidate(addr netip.Addr) string {
	return fmt.Sprintf("1 1 udp 2130706431 %s %d typ host", addr, h.conn.Port())
}
