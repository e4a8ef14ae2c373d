// Package pktbuf is packet memory: fixed-size, reference-counted slots carved
// from large arenas.
//
// A Pool belongs to one goroutine, its owner: only the owner calls Get, Grow
// and Outstanding. Buffers may be lent to other goroutines, and whichever of
// them releases a buffer last sends it home over a lock-free return stack that
// the owner drains when it runs dry.
package pktbuf

import (
	"sync/atomic"
	"unsafe"
)

const (
	// Size is the usable number of bytes in a buffer. It holds any Ethernet-sized
	// datagram plus the additions of SRTP and RTX.
	Size = 1600

	// Align is the alignment of a buffer's first byte: one cache line.
	Align = 64

	// arenaSlots is how many buffers are carved from one arena (800 KiB).
	arenaSlots = 512
)

// Buf is one packet's memory. B always has length and capacity Size, but for
// those of a Block; the packet is B[:N]. Whoever holds a reference may read; only
// a sole holder may write.
type Buf struct {
	B []byte
	N int

	pool  *Pool
	block *Block // in place of pool
	next  *Buf   // link of the return stack; belongs to the last releaser
	refs  atomic.Int32
}

// Bytes returns the packet, B[:N].
func (b *Buf) Bytes() []byte { return b.B[:b.N] }

// Retain takes one more reference and returns b. The caller must hold one
// already.
func (b *Buf) Retain() *Buf {
	if b.refs.Add(1) < 2 {
		panic("pktbuf: Retain of a released buffer")
	}
	return b
}

// Release gives one reference back. The last Release, on any goroutine,
// returns the buffer to its pool; it must not be touched afterwards.
func (b *Buf) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0 && b.block != nil:
		b.block.Release()
	case n == 0:
		b.pool.giveBack(b)
	case n < 0:
		panic("pktbuf: Release of a released buffer")
	}
}

// Block is memory of many packets, which lives as long as any of them does. Hold and Lend
// belong to its owner, Release to any goroutine.
type Block struct {
	// Free is called when the last reference was given back, by whoever did so.
	Free func()
	refs atomic.Int32
}

// Hold takes the owner's reference, to a block that has none.
func (k *Block) Hold() { k.refs.Store(1) }

// Lend makes b, which nobody has a reference to, a packet of n bytes in the block, with
// one reference. The rest of mem is there to be written to. The owner holds the
// block.
func (k *Block) Lend(b *Buf, mem []byte, n int) {
	k.refs.Add(1)
	b.B, b.N, b.block = mem, n, k
	b.refs.Store(1)
}

// Release gives a reference back, the owner's or that of a packet that was released.
func (k *Block) Release() {
	switch n := k.refs.Add(-1); {
	case n == 0:
		k.Free()
	case n < 0:
		panic("pktbuf: Release of a released block")
	}
}

// Shared reports whether somebody else holds a reference too.
func (b *Buf) Shared() bool { return b.refs.Load() > 1 }

// Pool hands out buffers, up to a limit.
type Pool struct {
	free    []*Buf
	carved  int
	limit   int
	returns atomic.Pointer[Buf]
}

// NewPool returns an empty pool that will hand out at most limit buffers at
// the same time. Memory is taken in arenas as it is needed and kept.
func NewPool(limit int) *Pool { return &Pool{limit: max(limit, 0)} }

// Get takes a buffer with one reference and N set to 0; its bytes are whatever
// they were. It returns nil when the limit is reached. Owner only.
func (p *Pool) Get() *Buf {
	if len(p.free) == 0 {
		p.drain()
		if len(p.free) == 0 && !p.carve() {
			return nil
		}
	}
	last := len(p.free) - 1
	b := p.free[last]
	p.free = p.free[:last]
	b.N = 0
	b.refs.Store(1)
	return b
}

// Grow makes sure, within the limit, that n buffers exist in total, so that no
// memory is allocated later for as many. Owner only.
func (p *Pool) Grow(n int) {
	for p.carved < n && p.carve() {
	}
}

// Outstanding returns how many buffers are handed out and not yet back. Owner
// only.
func (p *Pool) Outstanding() int {
	p.drain()
	return p.carved - len(p.free)
}

// Limit returns the most buffers that can be handed out at the same time.
func (p *Pool) Limit() int { return p.limit }

// giveBack pushes a buffer without references. Pushing races only with other
// pushes and with drain, which takes the whole stack at once, so no node is
// ever popped and pushed again under a waiting compare-and-swap.
func (p *Pool) giveBack(b *Buf) {
	for {
		head := p.returns.Load()
		b.next = head
		if p.returns.CompareAndSwap(head, b) {
			return
		}
	}
}

func (p *Pool) drain() {
	for b := p.returns.Swap(nil); b != nil; {
		next := b.next
		b.next = nil
		p.free = append(p.free, b)
		b = next
	}
}

// carve adds one arena, or the part of it that the limit allows.
func (p *Pool) carve() bool {
	n := min(arenaSlots, p.limit-p.carved)
	if n <= 0 {
		return false
	}
	arena := make([]byte, n*Size+Align)
	if off := int(uintptr(unsafe.Pointer(&arena[0])) % Align); off != 0 {
		arena = arena[Align-off:]
	}
	bufs := make([]Buf, n)
	if cap(p.free) < p.carved+n {
		// Room for every buffer, so that draining never allocates.
		p.free = append(make([]*Buf, 0, p.carved+max(n, p.carved)), p.free...)
	}
	// Backwards, so that Get hands out rising addresses.
	for i := n - 1; i >= 0; i-- {
		bufs[i].B = arena[i*Size : (i+1)*Size : (i+1)*Size]
		bufs[i].pool = p
		p.free = append(p.free, &bufs[i])
	}
	p.carved += n
	return true
}
