package transport

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"bifrons/api/janus"
	"bifrons/rtp/waittest"
)

// echo is a core that answers each request with itself.
type echo struct{ requests []string }

func (e *echo) Handle(_ janus.Conn, r janus.Request, reply func(msg []byte)) {
	e.requests = append(e.requests, string(r.Body))
	reply([]byte(string(r.Body)))
}

func newRelay(core Core, queues *Account) *Relay {
	log := slog.New(slog.DiscardHandler)
	if queues == nil {
		queues = NewAccount(QueueBytes, log)
	}
	return NewRelay(RelayConfig{Package: "test", ID: "1", Queues: queues, Log: log}, core)
}

// texts takes what waits.
func texts(r *Relay) (list []string) {
	for {
		e, ok, _ := r.take()
		if !ok {
			return list
		}
		list = append(list, string(e.Bytes()))
	}
}

func number(n int) janus.Event { return janus.Event{Head: fmt.Append(nil, n)} }

// TestRelayLimit: what is too much is lost, the oldest first.
func TestRelayLimit(t *testing.T) {
	r := newRelay(&echo{}, nil)
	defer r.Close()
	r.Limit(3)
	for n := range 5 {
		r.Deliver(1, number(n))
	}
	if got := fmt.Sprint(texts(r)); got != "[2 3 4]" {
		t.Error(got)
	}
	r.Limit(0)
	for n := range relayMessages + 10 {
		r.Deliver(1, number(n))
	}
	if list := texts(r); len(list) != relayMessages || list[0] != "10" {
		t.Errorf("%d, from %s on", len(list), list[0])
	}
	for range 3 {
		r.Deliver(1, janus.Event{Head: make([]byte, relayBytes/2)})
	}
	if list := texts(r); len(list) != 2 {
		t.Errorf("%d large events", len(list))
	}
}

// TestRelayShed: when all clients together have too much, half is lost here.
func TestRelayShed(t *testing.T) {
	queues := NewAccount(100_000, slog.New(slog.DiscardHandler))
	r := newRelay(&echo{}, queues)
	for range 20 {
		r.Deliver(1, janus.Event{Head: make([]byte, 10_000)})
	}
	if n := len(texts(r)); n < 3 || n > 9 || queues.Shed() == 0 {
		t.Errorf("%d events are left", n)
	}
	r.Close()
	if n := queues.Used(); n != 0 {
		t.Errorf("%d bytes are counted", n)
	}
}

// TestRelayRoom: requests wait while too many answers do.
func TestRelayRoom(t *testing.T) {
	r := newRelay(&echo{}, nil)
	defer r.Close()
	for n := range relayPauseMessages {
		if !r.Ready(t.Context()) {
			t.Fatalf("no room for request %d", n)
		}
		r.Handle(false, fmt.Append(nil, n), false, func() any { return n })
	}
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if r.Ready(short) {
		t.Error("room for one more")
	}
	ready := make(chan bool, 1)
	go func() { ready <- r.Ready(t.Context()) }()
	e, ok := r.Next(t.Context())
	if !ok || string(e.Bytes()) != "0" || e.To != 0 {
		t.Errorf("%+v", e)
	}
	if !waittest.Next(t, "room", ready) {
		t.Error("no room")
	}
	go func() { ready <- r.Ready(t.Context()) }()
	waittest.Next(t, "room", ready)
	r.Finish()
	if r.Ready(t.Context()) {
		t.Error("requests are taken at the end")
	}
	r.Deliver(1, number(1))
	if n := len(texts(r)); n != relayPauseMessages-1 {
		t.Errorf("%d messages are left at the end", n)
	}
	if _, ok := r.Next(t.Context()); ok {
		t.Error("there is more")
	}
}

// TestRelayAgain: a request that comes again is handled once, as far as it is remembered,
// and one that only seems so is handled.
func TestRelayAgain(t *testing.T) {
	core := &echo{}
	r := newRelay(core, nil)
	defer r.Close()
	handle := func(text string, again bool) {
		r.Handle(false, []byte(text), again, func() any { return nil })
	}
	handle("a", false)
	handle("a", true)
	handle("b", true) // was never here
	handle("b", true)
	handle("a", false) // another one with the same words
	if got := fmt.Sprint(core.requests); got != "[a b a]" {
		t.Error(got)
	}
	for n := range recentRequests {
		handle(fmt.Sprint(n), false)
	}
	handle("a", true)
	if n := len(core.requests); n != 3+recentRequests+1 || len(r.recent) != recentRequests || len(r.order) != recentRequests {
		t.Errorf("%d requests, %d %d remembered", n, len(r.recent), len(r.order))
	}
}

// TestRelayNews: news replace older ones that wait.
func TestRelayNews(t *testing.T) {
	r := newRelay(&echo{}, nil)
	defer r.Close()
	for n := range 3 {
		e := number(n)
		e.Topic, e.Handle = "talking", 5
		r.Deliver(1, e)
		r.Deliver(1, number(10+n))
	}
	if got := fmt.Sprint(texts(r)); got != "[10 11 2 12]" {
		t.Error(got)
	}
}
