package admin

import (
	"sync/atomic"
	"time"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// maxNackQueue is the most that min_nack_queue may be.
const maxNackQueue = time.Second

// maxSeconds bounds numbers of seconds: about 68 years.
const maxSeconds = 1<<31 - 1

// debugFlag is a setting that is only kept: there are no such locks and
// reference counts here.
type debugFlag struct{ atomic.Bool }

func (a *Admin) info(q *query) { q.reply(a.core.ServerInfo(q.Transaction)) }

func (a *Admin) ping(q *query) { q.reply(q.Reply("pong", nil)) }

func (a *Admin) getStatus(q *query) {
	cfg, t := a.core.Settings(), a.core.Tuning()
	q.ok(func(w *json.Writer) {
		w.Object("status")
		w.Bool("token_auth", a.core.Auth().TokensEnabled())
		w.Int("session_timeout", seconds(a.core.SessionTimeout()))
		w.Int("reclaim_session_timeout", seconds(cfg.ReclaimTimeout))
		w.Int("candidates_timeout", seconds(cfg.CandidatesTimeout))
		w.Int("log_level", int64(a.cfg.Log.Level()))
		w.Bool("log_timestamps", a.cfg.Log.Timestamps())
		w.Bool("log_colors", a.cfg.Log.Colors())
		w.Int("log_rotate_sig", int64(a.cfg.RotateSignal))
		w.Bool("locking_debug", a.locks.Load())
		w.Bool("refcount_debug", a.references.Load())
		w.Int("min_nack_queue", t.MinNackQueue.Milliseconds())
		w.Bool("nack-optimizations", t.NackOptimizations)
		w.Int("no_media_timer", seconds(t.NoMediaTimer))
		w.Int("slowlink_threshold", int64(t.SlowlinkThreshold))
		w.End()
	})
}

// count takes a number of at least 0 out of a request, at most limit.
func (q *query) count(name string, limit int64) (int64, bool) {
	if !q.check(schema.Field{Name: name, Type: schema.Uint, Required: true}) {
		return 0, false
	}
	return min(q.Root.Num(name), limit), true
}

// flag takes true or false out of a request.
func (q *query) flag(name string) (on, ok bool) {
	if !q.check(schema.Field{Name: name, Type: schema.Bool, Required: true}) {
		return false, false
	}
	return q.Root.Is(name), true
}

func (q *query) okInt(name string, v int64) { q.ok(func(w *json.Writer) { w.Int(name, v) }) }

func (q *query) okBool(name string, v bool) { q.ok(func(w *json.Writer) { w.Bool(name, v) }) }

func (a *Admin) setSessionTimeout(q *query) {
	if n, ok := q.count("timeout", maxSeconds); ok {
		a.core.SetSessionTimeout(time.Duration(n) * time.Second)
		q.okInt("timeout", n)
	}
}

func (a *Admin) setTimeoutOfSession(q *query) {
	if !q.check(schema.Field{Name: "timeout", Type: schema.Int, Required: true}) {
		return
	}
	n := min(q.Root.Num("timeout"), maxSeconds)
	if n < -1 {
		q.fail(janus.ErrInvalidType, "Invalid element type (timeout should be a non-negative integer or -1)")
		return
	}
	q.session.SetTimeout(time.Duration(n) * time.Second)
	q.okInt("timeout", n)
}

func (a *Admin) setLogLevel(q *query) {
	n, ok := q.count("level", maxSeconds)
	if !ok {
		return
	}
	if n > 7 {
		q.fail(janus.ErrInvalidType, "Invalid element type (level should be between 0 and 7)")
		return
	}
	a.cfg.Log.SetLevel(int(n))
	q.okInt("level", n)
}

func (a *Admin) setLogTimestamps(q *query) {
	if on, ok := q.flag("timestamps"); ok {
		a.cfg.Log.SetTimestamps(on)
		q.okBool("log_timestamps", on)
	}
}

func (a *Admin) setLogColors(q *query) {
	if on, ok := q.flag("colors"); ok {
		a.cfg.Log.SetColors(on)
		q.okBool("log_colors", on)
	}
}

func (a *Admin) setLockingDebug(q *query) {
	if on, ok := q.flag("debug"); ok {
		a.locks.Store(on)
		q.okBool("locking_debug", on)
	}
}

func (a *Admin) setRefcountDebug(q *query) {
	if on, ok := q.flag("debug"); ok {
		a.references.Store(on)
		q.okBool("refcount_debug", on)
	}
}

func (a *Admin) setMinNackQueue(q *query) {
	if n, ok := q.count("min_nack_queue", maxNackQueue.Milliseconds()); ok {
		a.core.Tune(func(t *sfu.Tuning) { t.MinNackQueue = time.Duration(n) * time.Millisecond })
		q.okInt("min_nack_queue", n)
	}
}

func (a *Admin) setNackOptimizations(q *query) {
	if on, ok := q.flag("nack_optimizations"); ok {
		a.core.Tune(func(t *sfu.Tuning) { t.NackOptimizations = on })
		q.okBool("nack-optimizations", on)
	}
}

func (a *Admin) setNoMediaTimer(q *query) {
	if n, ok := q.count("no_media_timer", maxSeconds); ok {
		a.core.Tune(func(t *sfu.Tuning) { t.NoMediaTimer = time.Duration(n) * time.Second })
		q.okInt("no_media_timer", n)
	}
}

func (a *Admin) setSlowlinkThreshold(q *query) {
	if n, ok := q.count("slowlink_threshold", maxSeconds); ok {
		a.core.Tune(func(t *sfu.Tuning) { t.SlowlinkThreshold = int(n) })
		q.okInt("slowlink_threshold", n)
	}
}

func (a *Admin) acceptNewSessions(q *query) {
	if on, ok := q.flag("accept"); ok {
		a.core.SetAccepting(on)
		q.okBool("accept", on)
	}
}
