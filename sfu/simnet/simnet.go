// Package simnet is a network for tests: virtual time, seeded loss, delay,
// reordering and duplication. The same seed gives the same run.
package simnet

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
)

// Conditions are the conditions on the way to a node.
type Conditions struct {
	Loss      float64       // probability that a datagram vanishes
	Duplicate float64       // probability that it comes twice
	Delay     time.Duration // one way
	Jitter    time.Duration // added, uniformly distributed: reorders
	Rate      float64       // bit/s that get through, with IPv4 and UDP; 0 = all
	Queue     time.Duration // longest wait for that; datagrams that would wait longer are lost
	Bucket    int           // bytes that pass at once after a rest, as with a token bucket
}

// Node is something on the network that runs by steps, such as a shard.
type Node interface {
	// Next is when Inject is due without a datagram, mono.Never if it is not.
	Next() mono.Time
	// Inject hands over datagrams, or none when Next has come.
	Inject(now mono.Time, in []netio.Message)
}

// Network carries datagrams between its nodes. It is used by one goroutine.
type Network struct {
	Now   mono.Time
	rng   *rand.Rand
	nodes map[netip.AddrPort]*Port
	order []*Port
	queue deliveries
	count uint64
	// Sniff, if set, sees every datagram that is sent.
	Sniff func(from, to netip.AddrPort, b []byte)
}

// New makes a network.
func New(seed uint64) *Network {
	return &Network{
		Now:   mono.Time(time.Hour),
		rng:   rand.New(rand.NewPCG(seed, 0x6269_6672)),
		nodes: make(map[netip.AddrPort]*Port),
	}
}

// Port is a node's socket. It implements shard.Socket, except that nothing is
// ever received by it: the network injects.
type Port struct {
	Addr       netip.AddrPort
	Conditions Conditions // of the way in
	Down       bool       // nothing comes in or goes out

	net  *Network
	node Node
	free mono.Time // when the waiting datagrams have gone through
}

// Open makes a socket at an address.
func (n *Network) Open(addr netip.AddrPort, c Conditions) *Port {
	p := &Port{Addr: addr, Conditions: c, net: n}
	n.nodes[addr] = p
	n.order = append(n.order, p)
	return p
}

// Attach sets who gets the socket's datagrams.
func (p *Port) Attach(node Node) { p.node = node }

// Move gives the socket another address, as a NAT rebinding does.
func (p *Port) Move(addr netip.AddrPort) {
	delete(p.net.nodes, p.Addr)
	p.Addr = addr
	p.net.nodes[addr] = p
}

// RecvBatch implements shard.Socket; it receives nothing.
func (p *Port) RecvBatch([]netio.Message, time.Time) (int, error) { return 0, nil }

// Moderate implements shard.Socket.
func (p *Port) Moderate(time.Duration) {}

// Wake implements shard.Socket.
func (p *Port) Wake() {}

// Close implements shard.Socket.
func (p *Port) Close() error { return nil }

// SendBatch implements shard.Socket. Segmented messages are cut here.
func (p *Port) SendBatch(ms []netio.Message) (int, error) {
	for i := range ms {
		b := ms[i].Buf
		for size := ms[i].Segment; size > 0 && len(b) > size; b = b[size:] {
			p.net.send(p, ms[i].Remote, b[:size])
		}
		p.net.send(p, ms[i].Remote, b)
	}
	return len(ms), nil
}

func (n *Network) send(from *Port, to netip.AddrPort, b []byte) {
	if n.Sniff != nil {
		n.Sniff(from.Addr, to, b)
	}
	dst := n.nodes[to]
	if dst == nil || from.Down || dst.Down {
		return
	}
	times := 1
	if n.rng.Float64() < dst.Conditions.Duplicate {
		times = 2
	}
	for range times {
		if n.rng.Float64() < dst.Conditions.Loss {
			continue
		}
		at, ok := dst.pass(len(b))
		if !ok {
			continue
		}
		at = at.Add(dst.Conditions.Delay)
		if j := dst.Conditions.Jitter; j > 0 {
			at = at.Add(time.Duration(n.rng.Int64N(int64(j))))
		}
		n.count++
		heap.Push(&n.queue, delivery{at: at, order: n.count, to: dst, from: from.Addr, data: append([]byte(nil), b...)})
	}
}

// pass returns when a datagram of so many bytes has gone through the bottleneck; ok is
// false if there is no room for it.
func (p *Port) pass(bytes int) (at mono.Time, ok bool) {
	now := p.net.Now
	if p.Conditions.Rate == 0 {
		return now, true
	}
	took := func(bytes int) time.Duration { return time.Duration(float64(bytes) * 8e9 / p.Conditions.Rate) }
	from := max(p.free, now.Add(-took(p.Conditions.Bucket)))
	if from.Sub(now) > p.Conditions.Queue {
		return 0, false
	}
	p.free = from.Add(took(bytes + 28))
	return max(p.free, now), true
}

// Waiting is how long a datagram would wait now.
func (p *Port) Waiting() time.Duration { return max(0, p.free.Sub(p.net.Now)) }

// Run advances time until the given moment, event by event.
func (n *Network) Run(until mono.Time) {
	for {
		at, due := mono.Never, (*Port)(nil)
		if len(n.queue) > 0 {
			at = n.queue[0].at
		}
		for _, p := range n.order {
			if p.node == nil {
				continue
			}
			if t := max(p.node.Next(), n.Now+1); t < at {
				at, due = t, p
			}
		}
		if at > until {
			n.Now = until
			return
		}
		n.Now = max(n.Now, at)
		if due != nil {
			due.node.Inject(n.Now, nil)
			continue
		}
		d := heap.Pop(&n.queue).(delivery)
		if d.to.node != nil && !d.to.Down {
			d.to.node.Inject(n.Now, []netio.Message{{
				Buf: d.data, N: len(d.data), Remote: d.from, Local: d.to.Addr.Addr(),
			}})
		}
	}
}

// RunFor advances time by d.
func (n *Network) RunFor(d time.Duration) { n.Run(n.Now.Add(d)) }

type delivery struct {
	at    mono.Time
	order uint64
	to    *Port
	from  netip.AddrPort
	data  []byte
}

// deliveries is a heap by time; equal times keep the order of sending.
type deliveries []delivery

func (d deliveries) Len() int { return len(d) }
func (d deliveries) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].order < d[j].order
}
func (d deliveries) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *deliveries) Push(x any)   { *d = append(*d, x.(delivery)) }
func (d *deliveries) Pop() any {
	old := *d
	x := old[len(old)-1]
	*d = old[:len(old)-1]
	return x
}
