package sctp

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// startCut is startPair with a wire that can be cut, and a budget.
func startCut(budget *Budget) (client, server *side, wires []*wire, cut *atomic.Bool) {
	cut = new(atomic.Bool)
	a, b := newWires(cut.Load)
	client = startWith(Config{Conn: a, Client: true, Budget: budget})
	server = startWith(Config{Conn: b})
	<-client.ready
	<-server.ready
	return client, server, []*wire{a, b}, cut
}

// fill sends messages until no more are taken, and counts them.
func fill(t *testing.T, s *side, size int) (n int) {
	t.Helper()
	payload := make([]byte, size)
	for {
		err := s.Send("", "", true, payload)
		if errors.Is(err, ErrFull) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 1<<22 {
			t.Fatal("no end")
		}
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestStalledPeer bounds what is kept for a peer that stops acknowledging, however
// small or large the messages are, and gives it up after half a minute.
func TestStalledPeer(t *testing.T) {
	for _, size := range []int{1, 100, 60000} {
		synctest.Test(t, func(t *testing.T) {
			const sides = 4
			budget := NewBudget(1 << 30)
			var list []*side
			var wires []*wire
			before := heap()
			for range sides {
				client, server, w, cut := startCut(budget)
				list, wires = append(list, client, server), append(wires, w...)
				waittest.Pass(2 * openDelay)
				cut.Store(true)
			}
			n := 0
			for i := 0; i < len(list); i += 2 {
				n += fill(t, list[i], size)
				if b := list[i].sctp.BufferedAmount(); b > handWindow+size {
					t.Errorf("%d bytes given to SCTP", b)
				}
			}
			if n*size > sides*maxHeld || size > 50 && n*size < sides*maxHeld/8 {
				t.Errorf("%d messages of %d bytes taken", n, size)
			}
			got := (heap() - before) / sides
			t.Logf("%d messages of %d bytes: %d KB for an association", n/sides, size, got>>10)
			if got > 2<<20 {
				t.Error("too much memory")
			}
			begun := time.Now()
			for i := 0; i < len(list); i += 2 {
				<-list[i].closed
			}
			if d := time.Since(begun); d < 25*time.Second || d > 40*time.Second {
				t.Errorf("given up after %v", d)
			}
			if h := budget.held.Load(); h != 0 {
				t.Errorf("%d bytes of the budget left over", h)
			}
			stop(t, list, wires...)
			if got := (heap() - before) / sides; got > 200<<10 {
				t.Errorf("messages of %d bytes: %d KB are left of an association", size, got>>10)
			}
			runtime.KeepAlive(list)
		})
	}
}

// TestSlowPeer is patient with a peer that gets everything, but slowly.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Each way loses by itself: in step with what goes the other way it could
		// lose every attempt of one message.
		everyThird := func() func() bool {
			n := 0
			return func() bool { n++; return n%3 == 0 }
		}
		a, b := newWires(nil)
		a.lose, b.lose = everyThird(), everyThird()
		client, server := start(a, true), start(b, false)
		<-client.ready
		begun, sent := time.Now(), 0
		for time.Since(begun) < 3*time.Minute {
			sent += fill(t, client, 10000)
			for range 10 {
				<-server.got
				sent--
			}
		}
		for range sent {
			<-server.got
		}
		select {
		case <-client.closed:
			t.Error("given up")
		default:
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// TestIdleIsNotStalled keeps an association that has nothing to send.
func TestIdleIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, w, _ := startCut(nil)
		for range 3 {
			if err := client.Send("x", "", false, []byte("y")); err != nil {
				t.Fatal(err)
			}
			<-server.got
			waittest.Pass(10 * time.Minute)
		}
		stop(t, []*side{client, server}, w...)
	})
}

// TestBudget bounds the sum of all associations, and leaves a share to those who
// hold little.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 2 << 20
		budget := NewBudget(most)
		var list []*side
		var wires []*wire
		total := 0
		for range 8 {
			client, server, w, cut := startCut(budget)
			list, wires = append(list, client, server), append(wires, w...)
			waittest.Pass(2 * openDelay)
			cut.Store(true)
			total += fill(t, client, 1000) * 1000
		}
		if total > most+8*minHeld {
			t.Errorf("%d bytes taken", total)
		}
		client, server, w, _ := startCut(budget)
		for i := range 20 { // the budget is used up by others
			text := fmt.Sprint(i, strings.Repeat(".", 1000))
			if err := client.Send("", "", false, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if got := <-server.got; got != show(DefaultLabel, "", false, []byte(text)) {
				t.Fatalf("%.40q", got)
			}
		}
		waittest.Pass(time.Minute)
		if h := budget.held.Load(); h != 0 {
			t.Errorf("%d bytes left over", h)
		}
		stop(t, append(list, client, server), append(wires, w...)...)
	})
}

// TestPiecesOfManyStreams bounds what a peer leaves behind in pieces.
func TestPiecesOfManyStreams(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		piece := strings.Repeat("p", 60000)
		for i := range uint16(100) {
			x := r.open(i, open{label: fmt.Sprint(i)})
			x.say(ppidStringPartial, piece)
			if i%2 == 1 {
				_ = x.Close() // what it had is given back
			}
		}
		x := r.open(200, open{label: "x"})
		x.say(ppidText, "whole")
		if got := <-s.got; got != "x//t/whole" {
			t.Fatalf("%.40q", got)
		}
		s.calling.Lock()
		sum := s.partial
		s.calling.Unlock()
		s.mu.Lock()
		for _, c := range s.streams {
			sum -= len(c.partial)
		}
		s.mu.Unlock()
		if s.partial > maxPartial || sum != 0 {
			t.Errorf("%d bytes in pieces, %d of them nowhere", s.partial, sum)
		}
	})
}
