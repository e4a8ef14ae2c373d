package transport

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"bifrons/api/janus"
)

func head(text string) janus.Event { return janus.Event{Head: []byte(text)} }

func drain(q *Queue) string {
	var all []string
	for _, e := range q.Take(q.Len()) {
		all = append(all, string(e.Bytes()))
	}
	return strings.Join(all, " ")
}

// Of news with the same topic that were not read, a client gets the last.
func TestNewsReplaceEachOther(t *testing.T) {
	a := NewAccount(1<<20, nil)
	q := NewQueue(a, func() {})
	news := func(handle uint64, topic, text string) janus.Event {
		return janus.Event{Head: []byte(text), Handle: handle, Topic: topic}
	}
	for _, e := range []janus.Event{
		news(1, "name", "a1"), head("b"), news(2, "name", "c1"), news(1, "name", "a2"), head("b"), news(1, "talking", "d1"), news(1, "name", "a3"),
	} {
		q.Push(e)
	}
	if got := drain(q); got != "b c1 b d1 a3" {
		t.Errorf("got %s", got)
	}
	q.Push(news(1, "name", "a1"))
	first, _ := q.Begin()
	q.Push(news(1, "name", "a2")) // the first is on its way
	q.Push(news(1, "name", "a3"))
	q.Done()
	if got := string(first.Bytes()) + " " + drain(q); got != "a1 a3" {
		t.Errorf("got %s", got)
	}
	q.Close()
	if n := a.Used(); n != 0 || len(a.shared) != 0 || len(a.accounts) != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}

// What many get is counted once, as it is kept once.
func TestSharedDataIsCountedOnce(t *testing.T) {
	a := NewAccount(1<<30, nil)
	data := []byte(strings.Repeat("x", 100_000))
	var queues []*Queue
	for i := range 100 {
		q := NewQueue(a, func() {})
		q.Push(janus.Event{Head: fmt.Appendf(nil, `{"n":%d,"data":`, i), Data: data, Tail: []byte("}")})
		queues = append(queues, q)
	}
	if n := a.Used(); n < 100_000 || n > 150_000 {
		t.Errorf("%d bytes for all", n)
	}
	for i, q := range queues {
		if want := fmt.Sprintf(`{"n":%d,"data":%s}`, i, data); drain(q) != want {
			t.Errorf("queue %d got something else", i)
		}
	}
	if n := a.Used(); n != 0 || len(a.shared) != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}

// When all have too much, those who have most lose some, until it is enough.
func TestAccountRelieves(t *testing.T) {
	var log bytes.Buffer
	a := NewAccount(100_000, slog.New(slog.NewTextHandler(&log, nil)))
	lost := map[string]int{}
	make := func(name string, n int) *Queue {
		var q *Queue
		q = NewQueue(a, func() {
			lost[name]++
			q.Drop((q.Len() + 1) / 2)
		})
		for range n {
			q.Push(head(strings.Repeat("x", 1000)))
			a.Relieve()
		}
		return q
	}
	small := make("small", 10)
	make("large", 1000)
	make("other", 70)
	if n := a.Used(); n > 100_000 {
		t.Errorf("%d bytes", n)
	}
	if small.Len() != 10 || lost["small"] != 0 || lost["large"] == 0 {
		t.Errorf("lost: %v", lost)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || a.Shed() != uint64(lost["large"]+lost["other"]) {
		t.Errorf("%d lines, %d losses: %s", n, a.Shed(), &log)
	}
	useless := NewQueue(a, func() {})
	for range 200 {
		useless.Push(head(strings.Repeat("x", 1000)))
		a.Relieve() // comes to an end
	}
}

func TestAccountConcurrently(t *testing.T) {
	a := NewAccount(200_000, slog.New(slog.DiscardHandler))
	data := []byte(strings.Repeat("x", 10_000))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var mu sync.Mutex
			var q *Queue
			q = NewQueue(a, func() {
				mu.Lock()
				defer mu.Unlock()
				q.Drop(q.Len())
			})
			for i := range 300 {
				mu.Lock()
				q.Push(janus.Event{Head: []byte(strings.Repeat("y", 2000)), Data: data})
				if i%7 == 0 {
					if _, ok := q.Begin(); ok {
						q.Done()
					}
					q.Unshift(q.Take(3))
				}
				mu.Unlock()
				a.Relieve()
			}
			mu.Lock()
			defer mu.Unlock()
			q.Close()
		})
	}
	all.Wait()
	if n := a.Used(); n != 0 || len(a.shared) != 0 || len(a.accounts) != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}
