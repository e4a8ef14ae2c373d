package shard

import (
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

// Inbox hands the datagrams of another socket to the loop, with the loop's own
// packet memory: one goroutine waits with Open, receives into Slots and calls
// Deliver.
type Inbox struct {
	shard  *Shard
	stay   *Stay // of the leg whose datagrams they are, nil if they are nobody's in particular
	handle func(now mono.Time, m *netio.Message, b *pktbuf.Buf) (kept bool)
	slots  []netio.Message
	bufs   []*pktbuf.Buf
	n      int
	run    command // take, made once
	done   chan struct{}
}

// NewInbox makes an Inbox for n datagrams at a time. handle runs on the loop and
// reports whether it kept the buffer; it has no buffer of refused datagrams. A panic in it costs the
// leg, or if stay is nil the datagram. It does not wait for the shard, and returns nil when that has
// ended.
func (s *Shard) NewInbox(n int, stay *Stay, handle func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool) *Inbox {
	in := &Inbox{
		shard: s, stay: stay, handle: handle,
		slots: make([]netio.Message, n), bufs: make([]*pktbuf.Buf, n),
		done: make(chan struct{}, 1),
	}
	in.run = in.take
	if !s.Post(func(mono.Time) {
		in.refill()
		in.done <- struct{}{}
	}) {
		return nil
	}
	return in
}

// Open waits until there is memory to receive to.
func (in *Inbox) Open() { <-in.done }

// Slots is where to receive to, from Open until Deliver.
func (in *Inbox) Slots() []netio.Message { return in.slots }

// Deliver hands over the first n slots and returns when they may be used again;
// false when the shard has ended.
func (in *Inbox) Deliver(n int) bool {
	in.n = n
	if !in.shard.Post(in.run) {
		return false
	}
	<-in.done
	return true
}

// Close gives the memory back, after the last Deliver and before the shard ends.
func (in *Inbox) Close() {
	in.shard.Call(func(mono.Time) {
		for i, b := range in.bufs {
			if b != nil {
				b.Release()
				in.bufs[i] = nil
			}
		}
	})
}

// take is Deliver on the loop.
func (in *Inbox) take(now mono.Time) {
	s := in.shard
	for i := range in.n {
		m, b := &in.slots[i], in.bufs[i]
		switch {
		case m.Refused:
			in.datagram(now, i)
		case m.N == 0 || b == nil:
			s.drop(media.DropEmpty)
		case m.Truncated:
			s.drop(media.DropOversize)
		default:
			b.N = m.N
			in.datagram(now, i)
		}
	}
	in.refill()
	in.done <- struct{}{}
}

func (in *Inbox) datagram(now mono.Time, i int) {
	defer in.guard()
	if in.stay != nil && in.stay.over {
		in.shard.drop(media.DropPeerClosed)
		return
	}
	if m := &in.slots[i]; m.Refused {
		in.handle(now, m, nil)
		return
	}
	b := in.bufs[i]
	in.bufs[i] = nil // after a panic nobody knows whose it is
	if !in.handle(now, &in.slots[i], b) {
		in.bufs[i] = b
	}
}

// guard turns a panic into the end of the leg.
func (in *Inbox) guard() {
	switch r := recover(); {
	case r == nil:
	case in.stay == nil:
		in.shard.Panicked("a datagram", r)
	default:
		in.stay.fail(r)
	}
}

// refill puts buffers where the loop kept one, as far as there are any.
func (in *Inbox) refill() {
	for i, b := range in.bufs {
		if b != nil {
			continue
		}
		if b = in.shard.pool.Get(); b == nil {
			in.shard.drop(media.DropNoBuffer)
			in.slots[i].Buf = in.slots[i].Buf[:0]
			continue
		}
		in.bufs[i], in.slots[i].Buf = b, b.B
	}
}

// Packet copies b into packet memory, which the caller has to release; nil if
// there is none. It belongs to the loop.
func (s *Shard) Packet(b []byte) *pktbuf.Buf {
	buf := s.buffer()
	if buf != nil {
		buf.N = copy(buf.B, b)
	}
	return buf
}

func (s *Shard) buffer() *pktbuf.Buf {
	b := s.pool.Get()
	if b == nil {
		s.drop(media.DropNoBuffer)
	}
	return b
}
