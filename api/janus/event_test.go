package janus

import (
	"testing"
	"unsafe"
)

// keeper is a connection that keeps its events as they are.
type keeper struct{ events []Event }

func (*keeper) Transport() string        { return "x" }
func (*keeper) ID() string               { return "1" }
func (*keeper) SessionBound(uint64)      {}
func (*keeper) SessionOver(uint64, Over) {}
func (k *keeper) Deliver(_ uint64, e Event) {
	k.events = append(k.events, e)
}

// What a plugin pushes to many is in memory once.
func TestEventsShareTheirData(t *testing.T) {
	k := &keeper{}
	s := &Session{core: New(Config{Logger: quiet()}), id: 5, conn: k}
	defer s.core.Close()
	s.outbox.deliver = s.deliver
	data := []byte(`{"x":1}`)
	for id := range uint64(3) {
		h := &Handle{core: s.core, session: s, id: id + 1, pkg: "p"}
		if err := h.Push("tx", data, nil); err != nil {
			t.Fatal(err)
		}
		h.Tell("topic", data)
	}
	want := `{"janus":"event","session_id":5,"transaction":"tx","sender":1,"plugindata":{"plugin":"p","data":{"x":1}}}`
	if got := string(k.events[0].Bytes()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for i, e := range k.events {
		if unsafe.SliceData(e.Data) != unsafe.SliceData(data) {
			t.Errorf("event %d has a copy", i)
		}
		for j, earlier := range k.events[:i] {
			if want := i%2 == 1 && j%2 == 1 && i/2 == j/2; e.Replaces(&earlier) != want {
				t.Errorf("event %d replaces %d: %v", i, j, !want)
			}
		}
	}
	k.events = nil
	h := &Handle{core: s.core, session: s, id: 1}
	h.Tell("a", data)
	h.Tell("b", data)
	h.Tell("a", data)
	if e := k.events; !e[2].Replaces(&e[0]) || e[2].Replaces(&e[1]) || (&Event{Handle: 1}).Replaces(&Event{Handle: 1}) {
		t.Error("topics are mixed up")
	}
}
