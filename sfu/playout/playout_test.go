package playout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

const ms = time.Millisecond

// listener has a scheduler, and notes what is played in it.
type listener struct {
	Scheduler
	start   time.Time
	running sync.WaitGroup

	mu      sync.Mutex
	at      map[int][]time.Duration // by track
	packets map[int][]string
	flushes int
	pending int // packets
	refuse  int // packets
	failed  []any
	ended   []error
}

func newListener() *listener {
	h := &listener{start: time.Now(), at: make(map[int][]time.Duration), packets: make(map[int][]string)}
	h.Go = func(f func()) {
		if h.looking {
			panic("a goroutine begins that would have to wait for the look at the timers")
		}
		h.running.Go(f)
	}
	h.Flush = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.flushes++
		h.pending = 0
	}
	return h
}

func (h *listener) Write(track int, packet *pktbuf.Buf) bool {
	if !h.note(track, packet.Bytes()) {
		return false
	}
	if len(packet.B) != packet.N+Spare {
		panic("no spare memory")
	}
	packet.Release()
	return true
}

func (h *listener) note(track int, packet []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if string(packet) == "panic" {
		panic("destination")
	}
	if h.refuse > 0 {
		h.refuse--
		return false
	}
	h.at[track] = append(h.at[track], time.Since(h.start))
	h.packets[track] = append(h.packets[track], string(packet))
	h.pending++
	return true
}

func (h *listener) Message(track int, binary bool, payload []byte) {
	h.note(track, fmt.Append(nil, binary, string(payload)))
}

func (h *listener) Contain(string) {
	if r := recover(); r != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.failed = append(h.failed, r)
	}
}

func (h *listener) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending > 0 {
		h.failed = append(h.failed, "ended before it was flushed")
	}
	h.ended = append(h.ended, err)
}

// over waits until nothing is played, and no goroutine is left.
func (h *listener) over(t *testing.T) {
	t.Helper()
	h.running.Wait()
	h.Scheduler.mu.Lock()
	defer h.Scheduler.mu.Unlock()
	if len(h.players) != 0 || h.parts.Len() != 0 || h.Scheduler.running || len(h.devices) != 0 {
		t.Errorf("left: %d players, %d parts, timers %v, %d devices", len(h.players), h.parts.Len(), h.Scheduler.running, len(h.devices))
	}
}

// list is a Reader.
type list struct {
	packets []string
	at      []time.Duration
	err     error // in place of io.EOF
	wait    map[int]time.Duration
	n       int
	closed  int
	reading sync.Mutex
}

func (l *list) Next(dst []byte) ([]byte, time.Duration, error) {
	if !l.reading.TryLock() {
		panic("two goroutines read at once")
	}
	defer l.reading.Unlock()
	if l.closed > 0 {
		panic("read when it was closed")
	}
	time.Sleep(l.wait[l.n])
	if l.n == len(l.packets) {
		if l.err != nil {
			return nil, 0, l.err
		}
		return nil, 0, io.EOF
	}
	if l.packets[l.n] == "torn" {
		panic("reader")
	}
	l.n++
	return append(dst, l.packets[l.n-1]...), l.at[l.n-1], nil
}

func (l *list) Close() error {
	l.closed++
	return nil
}

// steps are packets at equal distances.
func steps(n int, step time.Duration) *list {
	l := new(list)
	for i := range n {
		l.packets = append(l.packets, fmt.Sprint(i))
		l.at = append(l.at, time.Duration(i)*step)
	}
	return l
}

// inTime reports whether a packet is played when it should be, or at the next look, as it was read
// right behind the one before.
func inTime(at, want time.Duration) bool { return at >= want && at <= want+granularity }

func (h *listener) check(t *testing.T, track int, want ...time.Duration) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.EqualFunc(h.at[track], want, inTime) {
		t.Errorf("track %d is played at %v, not %v", track, h.at[track], want)
	}
}

// Media are played at their times, however long they are; silence is nothing, and the end is
// that of the last reader that is not one of messages.
func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		audio, video := steps(3000, 20*ms), &list{packets: []string{"a", "b", "", "c"}, at: []time.Duration{0, 0, 40 * ms, 100 * ms}}
		text := &list{packets: []string{"x", "y"}, at: []time.Duration{15 * ms, time.Hour}}
		h.Play(h, []Part{{Reader: audio}, {Reader: video, Track: 1}, {Reader: text, Track: 2, Messages: true, Binary: true}}, false, h.end)
		h.over(t)
		h.check(t, 1, 0, 0, 100*ms)
		h.check(t, 2, 15*ms)
		if n := len(h.at[0]); n != 3000 || h.at[0][n-1] != 2999*20*ms || h.packets[0][n-1] != "2999" || h.packets[2][0] != "truex" {
			t.Errorf("%d packets, the last at %v", n, h.at[0][n-1])
		}
		for i, at := range h.at[0] {
			if !inTime(at, time.Duration(i)*20*ms) {
				t.Fatalf("packet %d is played at %v", i, at)
			}
		}
		if !slices.Equal(h.ended, []error{nil}) || len(h.failed) != 0 || audio.closed != 1 || video.closed != 1 || text.closed != 1 {
			t.Errorf("ended: %v, closed: %d %d %d", h.ended, audio.closed, video.closed, text.closed)
		}
	})
}

// A player that is held goes on where it was, and one that is stopped ends without a word.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		reader := steps(1000, 20*ms)
		p := h.Play(h, []Part{{Reader: reader}}, true, h.end)
		waittest.Pass(time.Second)
		p.Hold(false)
		waittest.Pass(50 * ms)
		p.Hold(true)
		p.Hold(true)
		waittest.Pass(time.Minute)
		p.Hold(false)
		waittest.Pass(25 * ms)
		p.Stop()
		p.Stop()
		p.Hold(true)
		p.Hold(false)
		h.over(t)
		h.check(t, 0, 1000*ms, 1020*ms, 1040*ms, 61060*ms)
		if reader.closed != 1 || len(h.ended) != 0 {
			t.Errorf("closed: %d, ended: %v", reader.closed, h.ended)
		}
	})
}

// An error of a reader comes when what was before it is played. A panic fails the destination.
func TestFailures(t *testing.T) {
	torn := errors.New("torn")
	for name, x := range map[string]struct {
		reader *list
		err    error
		failed bool
		played int
	}{
		"error":             {&list{packets: []string{"a", "b"}, at: []time.Duration{0, 90 * ms}, err: torn}, torn, false, 2},
		"at once":           {&list{err: torn}, torn, false, 0},
		"no reader":         {nil, nil, false, 0},
		"empty":             {&list{}, nil, false, 0},
		"panic":             {&list{packets: []string{"a", "torn"}, at: make([]time.Duration, 2)}, errPanic, true, 1},
		"destination panic": {&list{packets: []string{"a", "panic", "b"}, at: make([]time.Duration, 3)}, nil, true, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newListener()
			other := steps(10, 20*ms)
			h.Play(h, []Part{{Reader: other, Track: 1}}, false, nil)
			var parts []Part
			if x.reader != nil {
				parts = []Part{{Reader: x.reader}}
			}
			h.Play(h, parts, false, h.end)
			h.over(t)
			if len(h.at[0]) != x.played || (len(h.failed) == 1) != x.failed || x.reader != nil && x.reader.closed != 1 || len(h.at[1]) != 10 {
				t.Errorf("%s: played %v, failed %v, other %v", name, h.at, h.failed, h.at[1])
			}
			if name != "destination panic" && !slices.Equal(h.ended, []error{x.err}) {
				t.Errorf("%s: ended %v", name, h.ended)
			}
		})
	}
}

// What a stalled device has, or a destination that is behind, comes later, and what is on other
// devices in time. Beyond a second the player's readers wait for each other.
func TestStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		slow := steps(60, 20*ms) // 26 of which fit into a slab
		slow.wait = map[int]time.Duration{52: 4 * time.Second}
		with := steps(60, 20*ms)
		h.Play(h, []Part{{Reader: slow, Device: 1}, {Reader: with, Track: 1}}, false, h.end)
		stuck := []*list{steps(1, ms), steps(1, ms), steps(1, ms)}
		for i, l := range stuck {
			l.wait = map[int]time.Duration{0: time.Minute}
			h.Play(h, []Part{{Reader: l, Track: 10 + i, Device: 2}}, false, nil)
		}
		h.over(t)
		if at := h.at[0]; at[51] != 1020*ms || at[52] < 4*time.Second || at[59] != at[52]+140*ms {
			t.Errorf("what stalled is played at %v", at)
		}
		if at := h.at[1]; at[59] != 1180*ms {
			t.Errorf("the other reader is played at %v", at)
		}
		h.check(t, 10, time.Minute)
		h.check(t, 12, 2*time.Minute)

		h = newListener()
		h.refuse = 3
		h.Play(h, []Part{{Reader: steps(3, 4*granularity)}}, false, h.end)
		h.over(t)
		h.check(t, 0, 3*granularity, 4*granularity, 8*granularity)
	})
}

// Many players share the looks at the timers.
func TestManyPlayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		for i := range 100 {
			h.Play(h, []Part{{Reader: steps(50, 20*ms), Track: i}}, false, h.end)
			waittest.Pass(170 * time.Microsecond)
		}
		h.over(t)
		for i := range 100 {
			began := time.Duration(i) * 170 * time.Microsecond
			for j, at := range h.at[i] {
				if late := at - began - time.Duration(j)*20*ms; late < 0 || late > granularity {
					t.Fatalf("player %d, packet %d is late by %v", i, j, late)
				}
			}
		}
		if most := int(time.Since(h.start)/granularity) + 2; len(h.ended) != 100 || h.flushes > most {
			t.Errorf("%d ended, %d flushes of %d", len(h.ended), h.flushes, most)
		}
	})
}

// A reader whose packets are all due at once cannot flood the destination.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		flood := new(list)
		for range 20000 {
			flood.packets = append(flood.packets, string(make([]byte, 1000)))
			flood.at = append(flood.at, 0)
		}
		h.Play(h, []Part{{Reader: flood}}, false, h.end)
		waittest.Pass(ms)
		h.mu.Lock()
		at := len(h.at[0])
		h.mu.Unlock()
		if at > burst/1000 {
			t.Errorf("%d at once", at)
		}
		h.over(t)
		if d, least := time.Since(h.start), time.Duration(20000*1000-burst)*time.Second/rate; len(h.at[0]) != 20000 || d < least {
			t.Errorf("%d in %v", len(h.at[0]), d)
		}
	})
}

// TestClose ends everything, at whatever point it is.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newListener()
		var readers []*list
		for i := range 20 {
			l := steps(1000, 20*ms)
			l.wait = map[int]time.Duration{i: time.Second}
			readers = append(readers, l)
			h.Play(h, []Part{{Reader: l, Track: i}}, i%3 == 0, h.end)
		}
		waittest.Pass(1500 * ms)
		h.Close()
		l := steps(1, ms)
		h.Play(h, []Part{{Reader: l}}, false, h.end).Stop()
		h.over(t)
		for i, l := range append(readers, l) {
			if l.closed != 1 {
				t.Errorf("reader %d was closed %d times", i, l.closed)
			}
		}
		if len(h.ended) != 0 {
			t.Errorf("ended: %v", h.ended)
		}
	})
}

// endless is a Reader without an end, which allocates nothing.
type endless struct{ n int }

func (e *endless) Next(dst []byte) ([]byte, time.Duration, error) {
	e.n++
	return append(binary.BigEndian.AppendUint64(dst, uint64(e.n)), make([]byte, 1000)...), time.Duration(e.n) * ms, nil
}

func (*endless) Close() error { return nil }

type nowhere struct{}

func (nowhere) Write(_ int, b *pktbuf.Buf) bool { b.Release(); return true }
func (nowhere) Message(int, bool, []byte)       {}
func (nowhere) Contain(string)                  {}

// TestAllocations: nothing is allocated for a packet.
func TestAllocations(t *testing.T) {
	sched := &Scheduler{Flush: func() {}, Go: func(func()) {}}
	p := sched.Play(nowhere{}, []Part{{Reader: new(endless)}}, true, nil)
	r := p.parts[0]
	p.held, p.begun = false, true
	now := mono.Time(0)
	sched.parts.Set(&r.turn, now)
	step := func() {
		r.queued = true // as if a reader had it
		r.back = r.slab()
		if err := r.back.fill(r.Reader); err != nil {
			t.Fatal(err)
		}
		r.lent.Add(int64(len(r.back.bytes)))
		r.ready = true
		sched.parts.Set(&r.turn, now)
		for sched.parts.Len() > 0 {
			now = now.Add(time.Second)
			sched.play(r, now)
		}
	}
	step()
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations for a slab", n)
	}
}
