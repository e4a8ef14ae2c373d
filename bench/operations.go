package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// connectPatience is for one connection.
const connectPatience = 10 * time.Second

// connection subscribes, waits for the first media, and leaves. It returns how
// long that took until the media came.
func (w *workload) connection(ctx context.Context, sc *setup) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	start := time.Now()
	n, err := sc.signals.Subscribe(ctx, 1, []uint32{1})
	if err != nil {
		return 0, err
	}
	p, err := peer.NewLight(ctx, sc.hub, n, w.options(1<<16))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	select {
	case <-p.Arrived():
	case <-ctx.Done():
		return 0, fmt.Errorf("no media came: %w", ctx.Err())
	}
	took := time.Since(start)
	return took, n.Leave(ctx)
}

// connections makes connections from several goroutines, each at most one in
// every period.
func (b *bench) connections(ctx context.Context, s server.Spec, w *workload, callers int, period time.Duration) (r report.Result, err error) {
	err = b.sending(ctx, s, w, func(sc *setup, _ *peer.Load) error {
		for range 3 { // warm up
			if _, err := w.connection(ctx, sc); err != nil {
				return err
			}
		}
		return b.repeat(ctx, sc, &r, callers, period, func(int) (time.Duration, error) { return w.connection(ctx, sc) })
	})
	return r, err
}

// repeat runs an operation again and again from several goroutines, and fills r.
// The operation returns how long it took as its caller sees it.
func (b *bench) repeat(ctx context.Context, sc *setup, r *report.Result, callers int, period time.Duration, do func(caller int) (time.Duration, error)) error {
	m, err := sc.meter()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var times []time.Duration
	var failed int64
	var last error
	var wg sync.WaitGroup
	end := time.Now().Add(b.length())
	for i := range callers {
		wg.Go(func() {
			for next := time.Now(); next.Before(end) && ctx.Err() == nil; {
				if sleep(ctx, time.Until(next)) != nil {
					return
				}
				took, err := do(i)
				mu.Lock()
				if err == nil {
					times = append(times, took)
				} else {
					failed, last = failed+1, err
				}
				mu.Unlock()
				next = next.Add(period)
				if now := time.Now(); next.Before(now) {
					next = now
				}
			}
		})
	}
	wg.Wait()
	*r, err = m.result()
	if len(times) == 0 && last != nil {
		return last
	}
	r.Operations, r.Failed, r.N = int64(len(times)), failed, callers
	r.AddTimes(times)
	return err
}

func churn(ctx context.Context, b *bench, s server.Spec, w *workload) (report.Result, error) {
	r, err := b.connections(ctx, s, w, w.subscribers, 0)
	r.SRTP = w.profile
	return r, err
}

func click(ctx context.Context, b *bench, s server.Spec, w *workload) (report.Result, error) {
	r, err := b.connections(ctx, s, w, 1, 100*time.Millisecond)
	r.SRTP = w.profile
	return r, err
}

// apiConnections are the clients of the requests, each of which has one request
// under way.
const apiConnections = 16

// client is one of them, with a handle.
type client struct {
	ask   func(context.Context) error
	close func()
}

func requestsWS(ctx context.Context, b *bench, s server.Spec, _ *workload) (report.Result, error) {
	return b.requests(ctx, s, func(sc *setup) (client, error) {
		a, err := peer.DialAPI(sc.patient, sc.process.URL)
		if err != nil {
			return client{}, err
		}
		h, err := a.Room(sc.patient)
		if err != nil {
			a.Close()
		}
		return client{func(ctx context.Context) error { return a.Ask(ctx, h) }, a.Close}, err
	})
}

func requestsHTTP(ctx context.Context, b *bench, s server.Spec, _ *workload) (report.Result, error) {
	return b.requests(ctx, s, func(sc *setup) (client, error) {
		a, err := peer.NewHTTP(sc.patient, sc.process.HTTP)
		if err != nil {
			return client{}, err
		}
		return client{a.Ask, a.Close}, nil
	})
}

func (b *bench) requests(ctx context.Context, s server.Spec, dial func(*setup) (client, error)) (r report.Result, err error) {
	err = b.on(ctx, s, func(sc *setup) error {
		var clients []client
		for range apiConnections {
			c, err := dial(sc)
			if err != nil {
				return err
			}
			defer c.close()
			clients = append(clients, c)
		}
		return b.repeat(ctx, sc, &r, len(clients), 0, func(i int) (time.Duration, error) {
			start := time.Now()
			err := clients[i].ask(ctx)
			return time.Since(start), err
		})
	})
	return r, err
}

// idleSessions is how many sessions do nothing.
const idleSessions = 10_000

func idle(ctx context.Context, b *bench, s server.Spec, _ *workload) (r report.Result, err error) {
	err = b.on(ctx, s, func(sc *setup) error {
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		m, err := sc.meter()
		if err != nil {
			return err
		}
		var clients []*peer.API
		for range apiConnections {
			a, err := peer.DialAPI(sc.patient, sc.process.URL)
			if err != nil {
				return err
			}
			defer a.Close()
			clients = append(clients, a)
		}
		var jobs []func() error
		for i := range idleSessions {
			jobs = append(jobs, func() error { return clients[i%len(clients)].Idle(sc.patient) })
		}
		if err := parallel(apiConnections, jobs); err != nil {
			return err
		}
		made, err := m.result()
		if err != nil {
			return err
		}
		if err := sleep(ctx, 3*b.warmUp); err != nil { // garbage is given back
			return err
		}
		if r, err = m.result(); err != nil {
			return err
		}
		r.Operations, r.CPU, r.Seconds, r.N = idleSessions, made.CPU, made.Seconds, idleSessions
		r.PerUnit = float64(r.RSS-before.RSS) / 1024 / idleSessions
		runtime.KeepAlive(clients)
		return nil
	})
	return r, err
}
