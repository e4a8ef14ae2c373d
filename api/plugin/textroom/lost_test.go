package textroom

import (
	"fmt"
	"runtime"
	"testing"

	"bifrons/api/plugin"
)

// TestLostAtOnce: that thousands of members are lost at once while something is being
// delivered takes no more than what is to be told.
func TestLostAtOnce(t *testing.T) {
	hs := newHouse(t, "room-1: { }")
	started, hold := make(chan struct{}, 1), make(chan struct{})
	send := hs.plugin.send
	hs.plugin.send = func(h plugin.Host, text []byte) {
		select {
		case started <- struct{}{}:
		default:
		}
		<-hold
		send(h, text)
	}
	g := hs.guest()
	go g.Data(dataLabel, "", false, []byte(quoted(say("join", "'room':1,'username':'g'"))))
	<-started
	r, _ := hs.plugin.rooms.Get("1")
	var list []*handle
	for i := range 3000 {
		h := hs.plugin.newHandle(plugin.Nobody{})
		m := &member{h: h, username: fmt.Sprint(i)}
		r.Lock()
		if err := h.enter(r); err != nil {
			t.Fatal(err)
		}
		r.add(m)
		r.Unlock()
		list = append(list, h)
	}
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	for _, h := range list {
		h.Hangup("")
	}
	if after := heap(); after > before+(10<<20) {
		t.Errorf("%d bytes are held", after-before)
	}
	close(hold)
	hs.plugin.tasks.Wait()
	if n := len(r.everybody); n != 1 {
		t.Errorf("%d are left", n)
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if n := len(hs.got[g.h.Host]); n != 2+len(list) {
		t.Errorf("the last one has heard %d", n)
	}
}
