package rest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/janus"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

func texts(events []janus.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Bytes()))
	}
	return strings.Join(all, " ")
}

// expect waits on the hub and compares.
func expect(t *testing.T, h *hub, max int, want string) {
	t.Helper()
	got, ok := h.wait(context.Background(), 1, max, time.Second)
	if !ok || texts(got) != want {
		t.Errorf("got %q (%v), want %q", texts(got), ok, want)
	}
}

func TestHubQueuesInOrder(t *testing.T) {
	h := newHub(transport.NewAccount(transport.QueueBytes, nil))
	h.bind(1)
	h.bind(2)
	for _, e := range []string{"a", "b", "c", "d"} {
		h.deliver(1, janus.Event{Head: []byte(e)})
	}
	h.deliver(2, janus.Event{Head: []byte("x")})
	h.deliver(3, janus.Event{Head: []byte("y")})
	expect(t, h, 1, "a")
	expect(t, h, 2, "b c")
	expect(t, h, 9, "d")
	if _, ok := h.wait(context.Background(), 3, 1, time.Second); ok {
		t.Error("found a session that is not bound")
	}
}

func TestHubHoldsAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(transport.NewAccount(transport.QueueBytes, nil))
		h.bind(1)
		start := time.Now()
		got, ok := h.wait(t.Context(), 1, 1, 30*time.Second)
		if !ok || len(got) != 0 || time.Since(start) != 30*time.Second {
			t.Errorf("got %q after %v", texts(got), time.Since(start))
		}
		h.deliver(1, janus.Event{Head: []byte("late")})
		expect(t, h, 1, "late")
	})
}

// TestHubReleasesAll has several polls of one session: the first gets the
// event, the others go home empty.
func TestHubReleasesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(transport.NewAccount(transport.QueueBytes, nil))
		h.bind(1)
		results := make([]chan string, 3)
		for i := range results {
			results[i] = make(chan string, 1)
			go func() {
				got, _ := h.wait(t.Context(), 1, 5, time.Hour)
				results[i] <- texts(got)
			}()
			synctest.Wait()
		}
		h.deliver(1, janus.Event{Head: []byte("a")})
		h.deliver(1, janus.Event{Head: []byte("b")})
		for i, want := range []string{"a", "", ""} {
			if got := <-results[i]; got != want {
				t.Errorf("poll %d got %q, want %q", i, got, want)
			}
		}
		expect(t, h, 5, "b")
	})
}

// TestHubAbandonedPoll has clients that go away while they poll.
func TestHubAbandonedPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(transport.NewAccount(transport.QueueBytes, nil))
		h.bind(1)
		ctx, cancel := context.WithCancel(t.Context())
		go h.wait(ctx, 1, 5, time.Hour)
		synctest.Wait()
		cancel()
		synctest.Wait()
		h.deliver(1, janus.Event{Head: []byte("a")})
		expect(t, h, 1, "a")

		// Both at once: whatever the poll sees first, the event is not lost.
		for range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan string)
			go func() {
				got, _ := h.wait(ctx, 1, 5, time.Hour)
				done <- texts(got)
			}()
			synctest.Wait()
			go cancel()
			go h.deliver(1, janus.Event{Head: []byte("b")})
			if got := <-done; got == "" {
				expect(t, h, 1, "b")
			}
		}
	})
}

// TestHubSessionOver has a session end while it is polled. A client that
// destroyed it must not be sent into a poll that fails before it has its reply.
func TestHubSessionOver(t *testing.T) {
	const timeout = 30 * time.Second
	for why, after := range map[janus.Over]time.Duration{
		janus.OverDestroyed: timeout, janus.OverClaimed: 0, janus.OverTimeout: 0,
	} {
		t.Run(fmt.Sprint(why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(transport.NewAccount(transport.QueueBytes, nil))
				h.bind(1)
				start := time.Now()
				done := make(chan string)
				for range 2 {
					go func() {
						got, _ := h.wait(t.Context(), 1, 5, timeout)
						done <- texts(got)
					}()
				}
				synctest.Wait()
				h.end(1, why)
				synctest.Wait()
				if _, ok := h.wait(t.Context(), 1, 1, time.Second); ok {
					t.Error("a session that is over can be polled")
				}
				if h.lastWord(1) != nil {
					t.Error("there is a last word")
				}
				h.deliver(1, janus.Event{Head: []byte("late")})
				for range 2 {
					if got := <-done; got != "" || time.Since(start) != after {
						t.Errorf("pending poll got %q after %v", got, time.Since(start))
					}
				}
				if len(h.sessions) != 0 {
					t.Error("the queue is still there")
				}
			})
		})
	}
}

// TestHubDestroyedWhilePolled has what else ends a poll of a session that is
// destroyed: the client goes away, the id is used again, the server ends.
func TestHubDestroyedWhilePolled(t *testing.T) {
	for name, end := range map[string]func(h *hub, leave func()){
		"client gone": func(_ *hub, leave func()) { leave() },
		"bound again": func(h *hub, _ func()) { h.bind(1) },
		"closed":      func(h *hub, _ func()) { h.close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(transport.NewAccount(transport.QueueBytes, nil))
				h.bind(1)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				done := make(chan bool)
				go func() {
					h.wait(ctx, 1, 5, time.Hour)
					close(done)
				}()
				synctest.Wait()
				h.end(1, janus.OverDestroyed)
				end(h, leave)
				<-done
				if q := h.sessions[1]; q != nil && (q.over || len(q.waiters) > 0) {
					t.Error("the old queue is still there")
				}
			})
		})
	}
}

// TestHubLastWord has a session time out between two polls.
func TestHubLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(transport.NewAccount(transport.QueueBytes, nil))
		for range 2 {
			h.bind(1)
			h.deliver(1, janus.Event{Head: []byte("old")})
			h.deliver(1, janus.Event{Head: []byte("timeout")})
			h.end(1, janus.OverTimeout)
			if _, ok := h.wait(t.Context(), 1, 1, time.Second); ok {
				t.Error("a session that is over can be polled")
			}
			if got := texts(h.lastWord(1)); got != "timeout" {
				t.Errorf("last word %q", got)
			}
			if h.lastWord(1) != nil {
				t.Error("the last word came twice")
			}
		}
		h.bind(1)
		h.deliver(1, janus.Event{Head: []byte("timeout")})
		h.end(1, janus.OverTimeout)
		waittest.Pass(overGrace + time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.sessions) != 0 {
			t.Error("nobody fetched the last word, and it is still there")
		}
	})
}

func TestHubClaimRestartsEmpty(t *testing.T) {
	h := newHub(transport.NewAccount(transport.QueueBytes, nil))
	h.bind(1)
	h.deliver(1, janus.Event{Head: []byte("old")})
	h.bind(1)
	h.deliver(1, janus.Event{Head: []byte("new")})
	expect(t, h, 5, "new")
}

func TestHubIsBounded(t *testing.T) {
	h := newHub(transport.NewAccount(transport.QueueBytes, nil))
	h.bind(1)
	for i := range maxEvents + 5 {
		h.deliver(1, janus.Event{Head: fmt.Append(nil, i)})
	}
	expect(t, h, 1, "5")
	if n := h.sessions[1].Len(); n != maxEvents-1 {
		t.Errorf("%d events queued", n)
	}
	h.bind(1)
	big := make([]byte, maxBytes/4+1)
	for range 10 {
		h.deliver(1, janus.Event{Head: big})
	}
	if q := h.sessions[1]; q.Bytes() > maxBytes || q.Len() != 3 {
		t.Errorf("%d bytes in %d events queued", q.Bytes(), q.Len())
	}
}

func TestHubClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(transport.NewAccount(transport.QueueBytes, nil))
		h.bind(1)
		done := make(chan bool)
		go func() {
			_, ok := h.wait(t.Context(), 1, 1, time.Hour)
			done <- ok
		}()
		synctest.Wait()
		h.close()
		if !<-done {
			t.Error("pending poll was refused")
		}
		expect(t, h, 1, "")
	})
}

// A poll that asks for many events gets no more than a response should have; the
// next one gets the rest, in order.
func TestLargeEvents(t *testing.T) {
	h := newHub(transport.NewAccount(transport.QueueBytes, nil))
	h.bind(1)
	const many = 7
	for i := range many {
		h.deliver(1, janus.Event{Head: []byte(fmt.Sprint(i, strings.Repeat("x", maxResponse*2/5)))})
	}
	h.deliver(1, janus.Event{Head: []byte(fmt.Sprint(many, strings.Repeat("x", 2*maxResponse)))})
	next := 0
	for polls := 0; next <= many; polls++ {
		got, ok := h.wait(context.Background(), 1, 100, time.Second)
		if !ok || len(got) == 0 || len(got) > 2 || polls > 5 {
			t.Fatalf("poll %d got %d events", polls, len(got))
		}
		for i := range got {
			if !strings.HasPrefix(string(got[i].Head), fmt.Sprint(next)) {
				t.Errorf("event %d is %.10s", next, got[i].Head)
			}
			next++
		}
	}
}
