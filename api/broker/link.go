package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// State is the state of a Link.
type State uint8

// States.
const (
	Connected State = iota
	Lost            // the connection broke
	Failed          // none could be made
	Retrying        // another one is made
)

// Pauses before a connection is made again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// backoff is the pause before the nth try, counted from 0.
func backoff(n int) time.Duration {
	d := firstPause
	for ; n > 0 && d < lastPause; n-- {
		d += d / 2
	}
	return min(d, lastPause)
}

// steady is how long a connection has to last for the pauses to be short again.
const steady = 10 * time.Second

// windowBytes may be under way to a broker, besides one message.
const windowBytes = 4 << 20

// DefaultWindow is how many messages may be under way.
const DefaultWindow = 256

// Link sends messages over one Wire after the other. Messages that a broker has not confirmed when
// the connection breaks are sent again over the next, before all that follows.
type Link struct {
	Name, Address string // for the log: of the module, of the broker
	Log           *slog.Logger

	// Dial makes a connection. Its errors must not contain passwords.
	Dial func(ctx context.Context) (Wire, error)

	// Next waits for the next message to send; nil if ctx is over, or if there will
	// never be one again. It is not called again then.
	Next func(ctx context.Context) *Message

	// Window is how many messages may be under way; default DefaultWindow.
	Window int

	// State, unless nil, gets changes of state; the error is for Lost and Failed.
	State func(s State, err error)

	pause func(ctx context.Context, d time.Duration) // nil = waits

	up     atomic.Bool
	prefix string // of ids

	mu     sync.Mutex
	list   []*underway // not confirmed, in order
	last   uint64
	bytes  int
	change chan struct{} // closed when it gets shorter, nil if nobody waits
}

// underway is a message that the broker has not confirmed.
type underway struct {
	n    uint64
	m    *Message
	done bool
}

// Up reports whether there is a connection.
func (l *Link) Up() bool { return l.up.Load() }

// Pending is how much is under way: the sum of the messages' counts.
func (l *Link) Pending() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range l.list {
		if !u.done {
			n += max(u.m.Count, 1)
		}
	}
	return n
}

// Run keeps the Link until ctx is over, or Next has no more messages and the broker has
// all.
func (l *Link) Run(ctx context.Context) {
	l.prepare()
	told := ""
	for failures := 0; ctx.Err() == nil; failures++ {
		if failures > 0 {
			l.tell(Retrying, nil)
		}
		start, connected, err := time.Now(), false, error(nil)
		connected, err = l.once(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if connected {
			l.Log.Warn("the connection to the broker is lost", "module", l.Name, "broker", l.Address, "error", err)
			l.tell(Lost, err)
			told = ""
			if time.Since(start) >= steady {
				failures = 0
			}
		} else {
			if text := err.Error(); text != told { // once, as long as it is the same
				told = text
				l.Log.Warn("no connection to the broker, trying again", "module", l.Name, "broker", l.Address, "error", err)
			}
			l.tell(Failed, err)
		}
		l.pause(ctx, backoff(failures))
	}
}

func (l *Link) prepare() {
	if l.Window <= 0 {
		l.Window = DefaultWindow
	}
	if l.pause == nil {
		l.pause = Pause
	}
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	l.prefix = hex.EncodeToString(b) + "-"
}

// Pause waits, but not longer than ctx lives.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (l *Link) tell(s State, err error) {
	if l.State != nil {
		l.State(s, err)
	}
}

// once makes a connection and uses it until it breaks. There is no error if all is sent.
func (l *Link) once(ctx context.Context) (connected bool, err error) {
	limited, cancel := context.WithTimeout(ctx, DialTimeout)
	w, err := l.Dial(limited)
	cancel()
	if err != nil {
		return false, err
	}
	l.Log.Info("connected to the broker", "module", l.Name, "broker", l.Address)
	l.up.Store(true)
	l.tell(Connected, nil)
	err = l.serve(ctx, w)
	l.up.Store(false)
	w.Close(err == nil)
	return true, err
}

// errEnd ends a serve that has nothing left to do.
var errEnd = errors.New("no more messages")

func (l *Link) serve(ctx context.Context, w Wire) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-w.Done():
			cancel(w.Err())
		case <-ctx.Done():
		}
	})
	defer watcher.Wait()
	defer cancel(errEnd)
	for _, u := range l.unconfirmed() {
		if err := w.Send(u.m, u.n, true); err != nil {
			return err
		}
	}
	for {
		if !l.wait(ctx, func() bool { return len(l.list) == 0 || len(l.list) < l.Window && l.bytes < windowBytes }) {
			return context.Cause(ctx)
		}
		m := l.Next(ctx)
		if m == nil {
			if ctx.Err() == nil && l.wait(ctx, func() bool { return len(l.list) == 0 }) {
				return nil
			}
			return context.Cause(ctx)
		}
		if err := w.Send(m, l.add(m), false); err != nil {
			return err
		}
	}
}

func (l *Link) unconfirmed() []*underway {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*underway
	for _, u := range l.list {
		if !u.done {
			list = append(list, u)
		}
	}
	return list
}

// wait waits until something about the list is so, with the lock held; false if ctx is
// over before.
func (l *Link) wait(ctx context.Context, is func() bool) bool {
	for {
		l.mu.Lock()
		if is() {
			l.mu.Unlock()
			return ctx.Err() == nil
		}
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return false
		}
	}
}

// add puts a message on the list and gives it its number.
func (l *Link) add(m *Message) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	m.ID = l.prefix + strconv.FormatUint(l.last, 10)
	l.list = append(l.list, &underway{n: l.last, m: m})
	l.bytes += len(m.Body)
	return l.last
}

// Confirmed reports that the broker has the message of that number, or will never have it.
func (l *Link) Confirmed(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 || n < l.list[0].n {
		return
	}
	if i := n - l.list[0].n; i < uint64(len(l.list)) { // numbers have no gaps
		l.list[i].done = true
	}
	for len(l.list) > 0 && l.list[0].done {
		l.bytes -= len(l.list[0].m.Body)
		l.list[0] = nil
		l.list = l.list[1:]
	}
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}
