package shard

import (
	"net/netip"

	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// member is a peer with what the shard keeps beside it.
type member struct {
	peer            *peer.Peer
	due             mono.Time // deadline as entered in the heap
	index           int       // place in the heap, -1 = not in it
	ufrag, oldUfrag string
	key             uint32
	addrs           []netip.AddrPort // addresses bound to it, oldest first
	links           []uint32         // ways besides the socket
	gone            bool
}

// timers is a binary heap of members by deadline.
type timers struct{ heap []*member }

// next returns the earliest deadline.
func (t *timers) next() mono.Time {
	if len(t.heap) == 0 {
		return mono.Never
	}
	return t.heap[0].due
}

// set moves m to its new deadline.
func (t *timers) set(m *member, due mono.Time) {
	switch {
	case m.index < 0:
		m.due, m.index = due, len(t.heap)
		t.heap = append(t.heap, m)
		t.up(m.index)
	case due < m.due:
		m.due = due
		t.up(m.index)
	case due > m.due:
		m.due = due
		t.down(m.index)
	}
}

// remove takes m out.
func (t *timers) remove(m *member) {
	i := m.index
	if i < 0 {
		return
	}
	last := len(t.heap) - 1
	t.swap(i, last)
	t.heap[last] = nil
	t.heap = t.heap[:last]
	if i < last {
		t.up(i)
		t.down(i)
	}
	m.index = -1
}

func (t *timers) swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.heap[i].index, t.heap[j].index = i, j
}

func (t *timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.heap[parent].due <= t.heap[i].due {
			return
		}
		t.swap(i, parent)
		i = parent
	}
}

func (t *timers) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			return
		}
		if r := child + 1; r < len(t.heap) && t.heap[r].due < t.heap[child].due {
			child = r
		}
		if t.heap[i].due <= t.heap[child].due {
			return
		}
		t.swap(i, child)
		i = child
	}
}
