package textroom

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"bifrons/api/plugin"
)

// TestLostAtOnce: that thousands of members are lost at once while something is being
// delivered takes no more than what is to be told.
func TestLostAtOnce(t *testing.T) {
	hs := newService(t, "room-1: { }")
	g := hs.client()
	release := hs.jam(g)
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
	release()
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

// jam has g join room 1, and keeps what is sent from then on until release is called.
func (hs *service) jam(g *client) (release func()) {
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
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Data(dataLabel, "", false, []byte(quoted(say("join", "'room':1,'username':'g'"))))
	}()
	<-started
	return func() {
		close(hold)
		<-done
	}
}

// TestAPIDoesNotWait: a request of the API is answered while a room is busy, and refused
// when too much waits.
func TestAPIDoesNotWait(t *testing.T) {
	hs := newService(t, "room-1: { history = 1000 }")
	g := hs.client()
	release := hs.jam(g)
	for range maxAPIWaiting {
		hs.check("an announcement", g.announce(), "{'textroom':'success'}")
	}
	hs.check("one too many", g.announce(), "{'textroom':'error','error_code':499,'error':'Room 1 is too busy'}")
	release()
	if n := strings.Count(g.heard(), "'announcement'"); n != maxAPIWaiting {
		t.Errorf("hears %d", n)
	}
	hs.check("again", g.announce(), "{'textroom':'success'}")
	hs.check("is heard", g.heard(), "{'textroom':'announcement','room':1,'date':'D','text':'x'}")
}

// announce says x to room 1 by the API.
func (g *client) announce() string {
	res := g.Message("t", `{"request":"announcement","room":1,"text":"x"}`, nil)
	return strings.ReplaceAll(string(res.Data), `"`, "'")
}
