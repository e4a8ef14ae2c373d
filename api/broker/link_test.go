package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// script is a broker of the test's.
type script struct {
	link  *Link
	dials []time.Time
	fail  func(dial int) error // of the nth dial, counted from 1
	wires chan *fake
}

type fake struct {
	sent chan string
	done chan struct{}
	once sync.Once
	end  chan bool // gets whether it was closed politely
}

func (f *fake) Send(m *Message, n uint64, again bool) error {
	select {
	case <-f.done:
		return errors.New("broken")
	default:
	}
	f.sent <- fmt.Sprintf("%s %d %v", m.Body, n, again)
	return nil
}
func (f *fake) Done() <-chan struct{} { return f.done }
func (f *fake) Err() error            { return errors.New("broken") }
func (f *fake) Close(polite bool)     { f.end <- polite }
func (f *fake) cut()                  { f.once.Do(func() { close(f.done) }) }

// run starts a Link whose messages come from a channel, which may be closed.
func run(t *testing.T, messages chan string, window int, fail func(int) error) (*script, func()) {
	s := &script{fail: fail, wires: make(chan *fake, 10)}
	s.link = &Link{Name: "test", Log: slog.New(slog.DiscardHandler), Window: window}
	s.link.Dial = func(context.Context) (Wire, error) {
		s.dials = append(s.dials, time.Now())
		if s.fail != nil {
			if err := s.fail(len(s.dials)); err != nil {
				return nil, err
			}
		}
		f := &fake{sent: make(chan string, 1000), done: make(chan struct{}), end: make(chan bool, 1)}
		s.wires <- f
		return f, nil
	}
	s.link.Next = func(ctx context.Context) *Message {
		select {
		case text, ok := <-messages:
			if ok {
				return &Message{Body: []byte(text), Count: 1}
			}
		case <-ctx.Done():
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.link.Run(ctx)
	}()
	return s, func() {
		cancel()
		waittest.Closed(t, "the link ends", done)
	}
}

func expect(t *testing.T, f *fake, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := waittest.Next(t, w, f.sent); got != w {
			t.Fatalf("%q, want %q", got, w)
		}
	}
}

// TestResume: what is not confirmed is sent again, in order and before all else, and what is
// confirmed is not.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := make(chan string, 10)
		s, end := run(t, messages, 4, nil)
		defer end()
		for _, m := range []string{"a", "b", "c", "d", "e"} {
			messages <- m
		}
		one := waittest.Next(t, "a connection", s.wires)
		expect(t, one, "a 1 false", "b 2 false", "c 3 false", "d 4 false")
		synctest.Wait()
		if len(one.sent) != 0 {
			t.Error("more is under way than may be")
		}
		s.link.Confirmed(1)
		s.link.Confirmed(3) // out of order
		expect(t, one, "e 5 false")
		if n := s.link.Pending(); n != 3 || !s.link.Up() {
			t.Errorf("%d messages are under way", n)
		}
		one.cut()
		two := waittest.Next(t, "another connection", s.wires)
		if polite := <-one.end; polite {
			t.Error("the broken connection is closed politely")
		}
		messages <- "f"
		expect(t, two, "b 2 true", "d 4 true", "e 5 true")
		s.link.Confirmed(2)
		expect(t, two, "f 6 false")
		for _, n := range []uint64{4, 5, 5, 99, 0} {
			s.link.Confirmed(n)
		}
		close(messages)
		synctest.Wait()
		select {
		case <-two.end:
			t.Error("closed with a message under way")
		default:
		}
		s.link.Confirmed(6)
		if polite := <-two.end; !polite {
			t.Error("a connection that has sent all is cut")
		}
	})
}

// TestBackoff: tries come at growing intervals, and at short ones again after a connection
// that lasted.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failing = 14
		s, end := run(t, make(chan string), 0, func(dial int) error {
			if dial <= failing {
				return errors.New("nobody there")
			}
			return nil
		})
		defer end()
		f := waittest.Next(t, "a connection", s.wires)
		var gaps []time.Duration
		for i := 1; i < len(s.dials); i++ {
			gaps = append(gaps, s.dials[i].Sub(s.dials[i-1]))
		}
		if !slices.IsSorted(gaps) || gaps[0] != firstPause || gaps[1] != 150*time.Millisecond || gaps[failing-1] != lastPause {
			t.Errorf("pauses: %v", gaps)
		}
		waittest.Pass(steady)
		lost := time.Now()
		f.cut()
		waittest.Next(t, "another connection", s.wires)
		if d := s.dials[len(s.dials)-1].Sub(lost); d != firstPause {
			t.Errorf("after a connection that lasted: %v", d)
		}
	})
}

// TestEndAway: a Link whose broker is away ends when it has to.
func TestEndAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := make(chan string, 10)
		s, end := run(t, messages, 0, nil)
		messages <- "a"
		one := waittest.Next(t, "a connection", s.wires)
		expect(t, one, "a 1 false")
		s.fail = func(int) error { return errors.New("nobody there") }
		one.cut()
		waittest.Pass(time.Minute)
		end()
		if n := s.link.Pending(); n != 1 {
			t.Errorf("%d messages were not confirmed", n)
		}
	})
}
