package janus

import (
	"slices"
	"sync"
	"time"

	"bifrons/api/plugin"
)

const (
	// placeHold is how long a place is kept for events that do not come.
	placeHold = 2 * time.Second

	// maxHeld is how many events of a session wait for places at most.
	maxHeld = 512
)

// outbox puts the events of one session in order before they go to its
// connection. Each handle makes its events on a goroutine of its own. Where an
// event of one handle has to come before one of another, the first handle has a
// place here, and later events of other handles wait behind it.
type outbox struct {
	mu      sync.Mutex
	list    []held // empty, or a place comes first
	deliver func(event Event)
}

// held is an event that waits, or a place.
type held struct {
	event Event
	place *place
}

// place is where the events of a handle go for as long as it is kept.
type place struct {
	box   *outbox
	owner *Handle
	timer *time.Timer
}

// put takes an event of a handle.
func (b *outbox) put(owner *Handle, event Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.IndexFunc(b.list, func(e held) bool { return e.place != nil && e.place.owner == owner })
	if at < 0 {
		at = len(b.list)
	}
	if at == 0 {
		b.deliver(event)
		return
	}
	b.list = slices.Insert(b.list, at, held{event: event})
	if len(b.list) > maxHeld {
		b.drain(func(*place) bool { return true })
	}
}

// reserve keeps a place for a handle.
func (b *outbox) reserve(owner *Handle) *place {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &place{box: b, owner: owner}
	b.list = append(b.list, held{place: p})
	p.timer = time.AfterFunc(placeHold, p.Release)
	return p
}

// Release gives a place up; calling it again does nothing.
func (p *place) Release() {
	p.box.mu.Lock()
	defer p.box.mu.Unlock()
	p.box.drain(func(other *place) bool { return other == p })
}

// drain removes the places that are given up, and delivers events that no longer wait
// for any. mu is held.
func (b *outbox) drain(given func(p *place) bool) {
	b.list = slices.DeleteFunc(b.list, func(e held) bool {
		if e.place == nil || !given(e.place) {
			return false
		}
		e.place.timer.Stop()
		return true
	})
	n := 0
	for n < len(b.list) && b.list[n].place == nil {
		b.deliver(b.list[n].event)
		n++
	}
	b.list = slices.Delete(b.list, 0, n)
	if len(b.list) == 0 {
		b.list = nil
	}
}

// Reserve keeps a place for the events that the handle is about to push.
func (h *Handle) Reserve() plugin.Place { return h.session.outbox.reserve(h) }
