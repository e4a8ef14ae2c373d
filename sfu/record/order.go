package record

import (
	"bifrons/rtp/mono"
)

const (
	// orderWait is how long packets wait for one that is missing before them.
	orderWait = mono.Time(250e6)
	// orderMost is how many wait at most.
	orderMost = 512
)

// order puts the packets of a track in the order of their numbers.
type order struct {
	next    uint64 // number of the packet that comes next, 0 before the first
	waiting []held // in order
	free    [][]byte
}

// held is a packet that waits for those before it.
type held struct {
	p  Packet
	at mono.Time
}

// take takes a packet and calls f with the packets that are in order now, itself or copies.
func (o *order) take(p *Packet, f func(*Packet)) {
	if o.next == 0 {
		o.next = p.Seq
	}
	switch {
	case p.Seq < o.next:
		return // its place is gone
	case p.Seq == o.next:
		o.next++
		f(p)
		o.release(f)
		return
	}
	at := len(o.waiting)
	for at > 0 && o.waiting[at-1].p.Seq > p.Seq {
		at--
	}
	if at > 0 && o.waiting[at-1].p.Seq == p.Seq {
		return
	}
	h := held{p: *p, at: p.Arrival}
	var mem []byte
	if n := len(o.free); n > 0 {
		mem, o.free = o.free[n-1], o.free[:n-1]
	}
	h.p.RTP = append(mem[:0], p.RTP...)
	o.waiting = append(o.waiting, held{})
	copy(o.waiting[at+1:], o.waiting[at:])
	o.waiting[at] = h
	if len(o.waiting) > orderMost {
		o.skip(f)
	}
}

// release gives the packets that follow without a gap.
func (o *order) release(f func(*Packet)) {
	n := 0
	for n < len(o.waiting) && o.waiting[n].p.Seq == o.next {
		f(&o.waiting[n].p)
		o.free = append(o.free, o.waiting[n].p.RTP)
		o.next++
		n++
	}
	o.waiting = append(o.waiting[:0], o.waiting[n:]...)
}

// skip gives up the packets that are missing before the first that waits.
func (o *order) skip(f func(*Packet)) {
	o.next = o.waiting[0].p.Seq
	o.release(f)
}

// expire gives up packets that were waited for long enough.
func (o *order) expire(now mono.Time, f func(*Packet)) {
	for len(o.waiting) > 0 && now-o.oldest() >= orderWait {
		o.skip(f)
	}
}

// oldest is when the first waiting packet arrived.
func (o *order) oldest() mono.Time {
	at := o.waiting[0].at
	for i := range o.waiting {
		at = min(at, o.waiting[i].at)
	}
	return at
}

// flush gives all that wait.
func (o *order) flush(f func(*Packet)) {
	for len(o.waiting) > 0 {
		o.skip(f)
	}
}
