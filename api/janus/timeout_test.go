package janus

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"bifrons/rtp/waittest"
)

// stepped is t as the clocks would read if the wall clock alone had been set
// forward by d.
func stepped(t time.Time, d time.Duration) time.Time {
	const hasMonotonic, secondsAt = 1 << 63, 30 // in time.Time.wall
	raw := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	if raw.wall&hasMonotonic == 0 {
		panic("no monotonic reading")
	}
	raw.wall += uint64(d/time.Second) << secondsAt
	return t
}

// TestWallClockStep: setting the wall clock ends no session, and keeps none.
func TestWallClockStep(t *testing.T) {
	var ahead, passed atomic.Int64
	start := time.Now()
	now := func() time.Time { return stepped(start.Add(time.Duration(passed.Load())), time.Duration(ahead.Load())) }
	if after := stepped(start, time.Hour); after.Sub(start) != 0 || after.Unix()-start.Unix() != 3600 {
		t.Fatal("not a step of the wall clock")
	}
	c := newCore(t, Config{Now: now, SessionTimeout: time.Minute, ReclaimTimeout: 10 * time.Second})
	cl, gone := newClient(t, c), newClient(t, c)
	s, lost := cl.create(), gone.create()
	c.Gone(gone)
	for _, step := range []time.Duration{48 * time.Hour, -240 * time.Hour} {
		ahead.Store(int64(step))
		c.sweep(now())
		if c.Session(s) == nil || c.Session(lost) == nil {
			t.Fatalf("a step of %v ended a session", step)
		}
		if idle := now().Sub(c.Session(s).LastActivity()); idle != 0 {
			t.Errorf("after a step of %v the session counts as idle for %v", step, idle)
		}
	}
	passed.Store(int64(time.Minute))
	c.sweep(now())
	if c.Session(s) != nil || c.Session(lost) != nil {
		t.Error("sessions have no end any more")
	}
}

// TestPause stops the process, as far as the core can tell, for longer than the
// timeout: requests that wait meanwhile get their chance.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var paused atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(paused.Load())) }
		c := newCore(t, Config{Now: now, SessionTimeout: time.Minute, ReclaimTimeout: time.Minute})
		cl, gone := newClient(t, c), newClient(t, c)
		alive, silent, lost := cl.create(), cl.create(), gone.create()
		c.Gone(gone)
		waittest.Pass(5 * time.Second)
		paused.Add(int64(10 * time.Minute))
		waittest.Pass(watchdogPeriod)
		if r := cl.do("keepalive", object{"session_id": alive}); r["janus"] != "ack" {
			t.Fatalf("a request that waited: %v", r)
		}
		if r := cl.do("claim", object{"session_id": lost}); r["janus"] != "success" {
			t.Errorf("a claim that waited: %v", r)
		}
		cl.none()
		waittest.Pass(30 * time.Second)
		if c.Session(silent) != nil || c.Session(alive) == nil || c.Session(lost) == nil {
			t.Error("the wrong sessions are left after the pause")
		}
		if e := cl.event(); e["janus"] != "timeout" || e["session_id"] != float64(silent) {
			t.Errorf("got %v", e)
		}
	})
}

// onRecord calls f for each record of the log.
type onRecord struct {
	slog.Handler
	f func(text string)
}

func (h onRecord) Handle(_ context.Context, r slog.Record) error { h.f(r.Message); return nil }
func (h onRecord) Enabled(context.Context, slog.Level) bool      { return true }
func (h onRecord) WithAttrs([]slog.Attr) slog.Handler            { return h }

// TestRequestDuringSweep: a session whose client shows up while others are ended
// is not ended with them.
func TestRequestDuringSweep(t *testing.T) {
	clk := newClock()
	c := newCore(t, Config{Now: clk.Now, SessionTimeout: time.Minute})
	cl := newClient(t, c)
	sessions := []uint64{cl.create(), cl.create(), cl.create()}
	polled := 0
	c.log = slog.New(onRecord{quiet().Handler(), func(string) {
		if polled > 0 {
			return
		}
		for _, s := range sessions {
			if c.Poll(s, "", "") == 0 {
				polled++
			}
		}
	}})
	c.sweep(clk.add(time.Minute))
	if n := len(c.Sessions()); polled != 2 || n != 2 {
		t.Errorf("%d sessions were polled, %d are left", polled, n)
	}
}

// TestReclaimFromLoss: the time to claim a session begins when its connection is
// lost, however long it had been silent.
func TestReclaimFromLoss(t *testing.T) {
	clk := newClock()
	c := newCore(t, Config{Now: clk.Now, SessionTimeout: time.Hour, ReclaimTimeout: 10 * time.Second})
	a, b := newClient(t, c), newClient(t, c)
	s := a.create()
	clk.add(30 * time.Second)
	c.Gone(a)
	for range 2 { // lost a second time, it has the whole time again
		c.sweep(clk.add(10*time.Second - 1))
		if r := b.do("claim", object{"session_id": s}); r["janus"] != "success" {
			t.Fatalf("claim: %v", r)
		}
		clk.add(30 * time.Second)
		c.Gone(b)
	}
	clk.add(5 * time.Second)
	b.do("keepalive", object{"session_id": s}) // is no claim
	c.sweep(clk.add(5 * time.Second))
	if c.Session(s) != nil {
		t.Error("nobody claimed the session, but it is still there")
	}
}
