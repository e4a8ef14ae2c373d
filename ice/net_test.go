package ice

import (
	"container/heap"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// vnet is a network with virtual time, a seed, delay, loss and reordering.
type vnet struct {
	t      *testing.T
	now    mono.Time
	rng    *rand.Rand
	delay  time.Duration
	jitter time.Duration
	loss   float64
	queue  datagrams
	seq    int
	nodes  []*node
	nats   map[netip.Addr]*nat
	tap    func(from, to netip.AddrPort, b []byte) bool // false drops
}

type datagram struct {
	at       mono.Time
	seq      int
	from, to netip.AddrPort
	b        []byte
}

type datagrams []datagram

func (d datagrams) Len() int      { return len(d) }
func (d datagrams) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d datagrams) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].seq < d[j].seq
}
func (d *datagrams) Push(x any) { *d = append(*d, x.(datagram)) }
func (d *datagrams) Pop() any {
	x := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return x
}

// nat maps endpoint-independently and filters by address and port.
type nat struct {
	public netip.Addr
	port   uint16
	out    map[netip.AddrPort]netip.AddrPort // inside -> outside
	in     map[netip.AddrPort]netip.AddrPort
	open   map[[2]netip.AddrPort]bool // outside, remote
}

// node is an agent with its addresses.
type node struct {
	name     string
	net      *vnet
	agent    *Agent
	addrs    []netip.AddrPort
	nat      *nat
	events   []Event
	verdicts map[Verdict]int
	media    int       // datagrams other than STUN that came by a valid path
	everySec mono.Time // when media is sent next, 0 = never
}

func newNet(t *testing.T) *vnet {
	return &vnet{t: t, now: mono.Time(time.Hour), rng: rand.New(rand.NewSource(1)),
		delay: 20 * time.Millisecond, nats: map[netip.Addr]*nat{}}
}

func (v *vnet) addNAT(public string) *nat {
	n := &nat{public: netip.MustParseAddr(public), port: 10000}
	v.nats[n.public] = n
	n.rebind()
	return n
}

// rebind forgets all bindings.
func (n *nat) rebind() {
	n.out = map[netip.AddrPort]netip.AddrPort{}
	n.in = map[netip.AddrPort]netip.AddrPort{}
	n.open = map[[2]netip.AddrPort]bool{}
}

func (n *nat) outside(from netip.AddrPort) netip.AddrPort {
	o, ok := n.out[from]
	if !ok {
		n.port++
		o = netip.AddrPortFrom(n.public, n.port)
		n.out[from], n.in[o] = o, from
	}
	return o
}

// add makes an agent with host addresses. cfg.Local is filled in.
func (v *vnet) add(name string, cfg Config, addrs ...string) *node {
	n := &node{name: name, net: v, verdicts: map[Verdict]int{}}
	rnd := func(b []byte) { v.rng.Read(b) }
	cfg.Rand = rnd
	cfg.Local = NewCredentials(rnd)
	cfg.Send = func(p Path, b []byte) { n.send(p, b) }
	n.agent = NewAgent(cfg)
	for i, s := range addrs {
		ap := netip.MustParseAddrPort(s)
		n.addrs = append(n.addrs, ap)
		n.agent.AddLocal(Candidate{Foundation: "1", Component: 1, Transport: "udp",
			Priority: priority(Host, uint16(65535-i)), Addr: ap})
	}
	v.nodes = append(v.nodes, n)
	return n
}

func (n *node) send(p Path, b []byte) {
	for _, a := range n.addrs {
		if !p.Local.IsValid() || a.Addr() == p.Local {
			n.net.transmit(n, a, p.Remote, b)
			return
		}
	}
	n.net.t.Errorf("%s: sends from %v, which it has not got", n.name, p.Local)
}

func (v *vnet) transmit(n *node, from, to netip.AddrPort, b []byte) {
	if n != nil && n.nat != nil {
		in := from
		from = n.nat.outside(in)
		n.nat.open[[2]netip.AddrPort{from, to}] = true
	}
	if v.tap != nil && !v.tap(from, to, b) || v.rng.Float64() < v.loss {
		return
	}
	v.inject(from, to, b)
}

// inject brings a datagram onto its way, whoever sent it.
func (v *vnet) inject(from, to netip.AddrPort, b []byte) {
	at := v.now.Add(v.delay)
	if v.jitter > 0 {
		at = at.Add(time.Duration(v.rng.Int63n(int64(v.jitter))))
	}
	v.seq++
	heap.Push(&v.queue, datagram{at, v.seq, from, to, append([]byte(nil), b...)})
}

func (v *vnet) deliver(d datagram) {
	if n := v.nats[d.to.Addr()]; n != nil {
		in, ok := n.in[d.to]
		if !ok || !n.open[[2]netip.AddrPort{d.to, d.from}] {
			return
		}
		d.to = in
	}
	for _, n := range v.nodes {
		for _, a := range n.addrs {
			if a == d.to && (n.nat != nil) == (v.behind(d.to)) {
				n.receive(d)
				return
			}
		}
	}
}

func (v *vnet) behind(a netip.AddrPort) bool {
	for _, n := range v.nats {
		for _, in := range n.in {
			if in == a {
				return true
			}
		}
	}
	return false
}

func (n *node) receive(d datagram) {
	p := Path{Local: d.to.Addr(), Remote: d.from}
	if IsSTUN(d.b) {
		n.verdicts[n.agent.Handle(n.net.now, p, d.b)]++
	} else if n.agent.Valid(p) {
		n.media++
		n.agent.Received(n.net.now, p)
	}
	n.drain()
}

func (n *node) drain() {
	for {
		e, ok := n.agent.PollEvent()
		if !ok {
			return
		}
		n.events = append(n.events, e)
	}
}

// run advances virtual time to the end of d, or until done.
func (v *vnet) run(d time.Duration, done func() bool) bool {
	v.t.Helper()
	end := v.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 1_000_000 {
			v.t.Fatal("no progress")
		}
		if done != nil && done() {
			return true
		}
		next := end
		if len(v.queue) > 0 {
			next = min(next, v.queue[0].at)
		}
		for _, n := range v.nodes {
			next = min(next, n.agent.Deadline())
			if n.everySec != 0 {
				next = min(next, n.everySec)
			}
		}
		v.now = max(v.now, next)
		if v.now >= end {
			v.now = end
			return done == nil || done()
		}
		for len(v.queue) > 0 && v.queue[0].at <= v.now {
			v.deliver(heap.Pop(&v.queue).(datagram))
		}
		for _, n := range v.nodes {
			if n.agent.Deadline() <= v.now {
				n.agent.Advance(v.now)
				if n.agent.Deadline() <= v.now {
					v.t.Fatal("deadline does not move")
				}
				n.drain()
			}
			if n.everySec != 0 && n.everySec <= v.now {
				n.everySec = v.now.Add(time.Second)
				if p, ok := n.agent.Selected(); ok {
					n.agent.Sent(v.now)
					n.send(p, binary.BigEndian.AppendUint32([]byte{0x80, 96}, 7))
				}
			}
		}
	}
}

// signal gives a's description and candidates to b.
func signal(v *vnet, a, b *node) {
	b.agent.SetRemote(v.now, a.agent.gen.local, a.agent.cfg.Lite)
	trickle(v, a, b)
}

func trickle(v *vnet, a, b *node) {
	for _, l := range a.agent.locals {
		c, err := ParseCandidate(l.String())
		if err != nil {
			v.t.Fatal(err)
		}
		b.agent.AddRemote(v.now, c)
	}
}

func up(n *node) bool { return n.agent.State() == Connected || n.agent.State() == Completed }

// bothUp waits for both to be connected, and to agree on the path.
func bothUp(v *vnet, a, b *node) {
	v.t.Helper()
	if !v.run(20*time.Second, func() bool { return up(a) && up(b) && agreed(v, a, b) }) {
		pa, _ := a.agent.Selected()
		pb, _ := b.agent.Selected()
		v.t.Fatalf("not connected: %v %v, %v %v", a.agent.State(), pa, b.agent.State(), pb)
	}
}

// agreed reports whether the packets of a on its path come from where b sends to.
func agreed(v *vnet, a, b *node) bool {
	pa, oka := a.agent.Selected()
	pb, okb := b.agent.Selected()
	return oka && okb && a.public(pa.Local) == pb.Remote && b.public(pb.Local) == pa.Remote
}

func (n *node) public(local netip.Addr) netip.AddrPort {
	for _, a := range n.addrs {
		if a.Addr() == local {
			if n.nat != nil {
				return n.nat.out[a]
			}
			return a
		}
	}
	return netip.AddrPort{}
}

func (n *node) states() []State {
	var s []State
	for _, e := range n.events {
		if e.Kind == StateChanged {
			s = append(s, e.State)
		}
	}
	return s
}
