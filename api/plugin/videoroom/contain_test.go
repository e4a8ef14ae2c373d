package videoroom

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"bifrons/api/plugin"
	"bifrons/api/task"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// faulty is a Host of which one method panics.
type faulty struct {
	*fakeHost
	broken string
}

func (f *faulty) panics(method string) {
	if f.broken == method {
		panic("a fault in " + method)
	}
}

func (f *faulty) Tell(topic string, data []byte) { f.panics("Tell"); f.fakeHost.Tell(topic, data) }
func (f *faulty) Notify(data []byte)             { f.panics("Notify"); f.fakeHost.Notify(data) }
func (f *faulty) Peer() *sfu.Peer                { f.panics("Peer"); return f.fakeHost.Peer() }

func (th *bareRoom) faulty() (*subscribing, *faulty) {
	s := th.subscribe()
	f := &faulty{fakeHost: s.fakeHost}
	s.h.Host = f
	return s, f
}

// A panic in a timer costs the news that it was to tell, and nothing else.
func TestPanicOfATimer(t *testing.T) { synctest.Test(t, testPanicOfATimer) }

func testPanicOfATimer(t *testing.T) {
	th := newBareRoom(t)
	a, other := th.subscribe(), th.subscribe()
	b, host := th.faulty()
	a.do(`join "ptype":"publisher","room":1234,"id":1,"display":"Ann"`)
	b.do(`join "ptype":"publisher","room":1234,"id":2`)
	other.do(`join "ptype":"publisher","room":1234,"id":3`)
	for i := range changeBurst {
		a.do(fmt.Sprintf(`configure "display":"name %d"`, i))
	}
	other.take()
	before := task.Panics()
	host.broken = "Tell"
	a.do(`configure "display":"lost"`)
	waittest.Pass(changePeriod)
	if task.Panics() != before+1 {
		t.Fatal("nothing has panicked")
	}
	host.broken = ""
	other.take()
	a.do(`configure "display":"last"`)
	waittest.Pass(changePeriod)
	if got := other.take(); strings.Count(got, `"display":"last"`) != 1 {
		t.Errorf("the room is told %s", got)
	}
	a.h.Detach()
}

// Whatever panics with a room locked leaves it unlocked.
func TestPanicUnderALock(t *testing.T) {
	th := newBareRoom(t)
	feed := th.publish("1", "", "opus", "data")
	s, host := th.faulty()
	s.do(`join "ptype":"subscriber","room":1234,"streams":[{"feed":1}]`)
	s.do("answer:start")
	s.h.Up()
	s.h.DataReady()
	for _, tt := range []struct {
		broken string
		call   func()
	}{
		{"Peer", func() { feed.deliver(false, []byte("hello")) }},
		{"Notify", func() {
			sub := s.sub()
			th.room.mu.Lock()
			sub.pending = true
			th.room.mu.Unlock()
			sub.flush()
		}},
	} {
		host.broken = tt.broken
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s has not panicked", tt.broken)
				}
			}()
			tt.call()
		}()
		if !th.room.mu.TryLock() {
			t.Fatalf("%s has left the room locked", tt.broken)
		}
		th.room.mu.Unlock()
	}
	host.broken = ""
}

var _ plugin.Host = (*faulty)(nil)
