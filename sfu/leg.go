package sfu

import (
	"errors"
	"sync"

	"bifrons/rtp/mono"
	"bifrons/sfu/serial"
	"bifrons/sfu/shard"
)

// leg is the common part of a Source and an RTPSession: ports that feed something on a
// shard, and a handler of its events. Its methods may be called from any
// goroutine.
type leg struct {
	engine  *Engine
	site    *site
	handler SourceHandler
	label   string

	mu     sync.Mutex
	ports  []*port
	closed bool

	events *serial.Queue[func()] // for the handler; fixed

	stay *shard.Stay // touched by the shard only, like its owner
	stop func()      // on the loop: closes that
	// parting says that the ports are needed for it.
	parting bool
}

// maxLegEvents bounds the events that wait for a handler.
const maxLegEvents = 1024

var errLegClosed = errors.New("sfu: source is closed")

// start makes the result of begin live on the shard. It does not wait for it.
func (l *leg) start(begin func(now mono.Time) shard.Leg) error {
	l.events = serial.New(l.engine.pending.Go, l.run)
	l.stay = l.site.shard.NewStay(l.Fail)
	l.site.mu.Lock()
	l.site.legs[l] = struct{}{}
	l.site.mu.Unlock()
	if !l.site.shard.Post(func(now mono.Time) {
		l.stay.Begin(func() shard.Leg { return begin(now) })
	}) {
		l.Close()
		return ErrClosed
	}
	return nil
}

// home implements Origin.
func (l *leg) home() *site { return l.site }

// keep makes a port one of the leg's.
func (l *leg) keep(p *port) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = p.conn.Close()
		return errLegClosed
	}
	l.ports = append(l.ports, p)
	return nil
}

// tell queues an event for the handler's goroutine.
func (l *leg) tell(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.events.Put(f, maxLegEvents)
	}
}

func (l *leg) run(f func()) {
	if l.over() {
		return
	}
	defer l.site.contain("a handler of events", l.Fail)
	f()
}

func (l *leg) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Contain keeps a panic of a goroutine that feeds the source from ending the process:
// it is counted and logged, and the source fails. It has to be deferred.
func (l *leg) Contain(what string) {
	if r := recover(); r != nil {
		l.site.shard.Panicked(what, r)
		l.Fail()
	}
}

// Fail ends the source, which its handler learns by EventClosed: its feeder cannot continue.
func (l *leg) Fail() { l.fail(Event{Kind: EventClosed, Reason: ReasonInternal, Cause: CauseInternal}) }

// fail is Fail with another reason.
func (l *leg) fail(ev Event) {
	if l.over() {
		return
	}
	l.Close()
	l.engine.pending.Add(1)
	go func() {
		defer l.engine.pending.Done()
		defer l.site.contain("a handler of events", func() {})
		l.handler.SourceEvent(ev)
	}()
}

// Close closes the ports and ends the tracks. No events follow it, except one that
// is being delivered already.
func (l *leg) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	ports := l.ports
	l.ports = nil
	l.mu.Unlock()
	l.events.Clear()
	if !l.parting {
		closePorts(ports)
	}
	if posted := l.site.shard.Post(func(mono.Time) {
		l.stay.Do(l.stop)
		l.stay.End()
		if l.parting {
			l.site.shard.FlushLegs()
			closePorts(ports)
		}
	}); !posted {
		closePorts(ports)
	}
	l.site.mu.Lock()
	delete(l.site.legs, l)
	l.site.mu.Unlock()
}

func closePorts(list []*port) {
	for _, p := range list {
		_ = p.conn.Close()
	}
}
