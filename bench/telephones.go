package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// registrations is how many telephones are registered.
const registrations = 500

// together is how many register at the same time.
const together = 50

// callers is how many calls are made at the same time, where they are made one after another.
const callers = 8

// exchange runs f with a server and a SIP exchange.
func (b *bench) exchange(ctx context.Context, s server.Spec, f func(*setup, *peer.Exchange) error) error {
	return b.on(ctx, s, func(sc *setup) error {
		x, err := peer.NewExchange(netns.HostAddr)
		if err != nil {
			return err
		}
		defer x.Close()
		return f(sc, x)
	})
}

// register registers telephones at the exchange, several at a time, and says how long each took.
func register(sc *setup, x *peer.Exchange) (list []*peer.Telephone, times []time.Duration, err error) {
	var mu sync.Mutex
	var jobs []func() error
	for i := range registrations {
		jobs = append(jobs, func() error {
			start := time.Now()
			p, err := sc.janus.Register(sc.patient, x, uint32(i)+1)
			if err != nil {
				return fmt.Errorf("registration %d: %w", i+1, err)
			}
			mu.Lock()
			defer mu.Unlock()
			list, times = append(list, p), append(times, time.Since(start))
			return nil
		})
	}
	err = parallel(together, jobs)
	return list, times, err
}

// registering measures the cost of registrations.
func registering(ctx context.Context, b *bench, s server.Spec, _ *workload) (r report.Result, err error) {
	err = b.exchange(ctx, s, func(sc *setup, x *peer.Exchange) error {
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		m, err := sc.meter()
		if err != nil {
			return err
		}
		_, times, err := register(sc, x)
		if err != nil {
			return err
		}
		if r, err = m.result(); err != nil {
			return err
		}
		r.N, r.Operations = registrations, registrations
		r.PerUnit = float64(r.RSS-before.RSS) / 1024 / registrations
		r.AddTimes(times)
		return nil
	})
	return r, err
}

// dialling measures the cost of setting up calls: each until its first audio has come back, and it is hung up.
func dialling(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.exchange(ctx, s, func(sc *setup, x *peer.Exchange) error {
		list, _, err := register(sc, x)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		note := ""
		turns := [callers]int{}
		err = b.repeat(ctx, sc, &r, callers, 0, func(i int) (time.Duration, error) {
			id := (turns[i]*callers + i) % len(list) // each telephone rests for a while
			turns[i]++
			took, err := w.connect(ctx, sc, list[id].Call(), uint32(id)+1)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				note = err.Error()
			}
			return took, err
		})
		r.Note = note
		return err
	})
	r.SRTP = w.profile
	return r, err
}

// connect makes a call, and waits for its first audio.
func (w *workload) connect(ctx context.Context, sc *setup, n *peer.Negotiation, id uint32) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	start := time.Now()
	p, err := peer.NewLight(ctx, sc.hub, n, w.options(id))
	if err != nil {
		return 0, errors.Join(err, n.Leave(sc.patient))
	}
	defer p.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		p.SendAudio()
		select {
		case <-p.Arrived():
			took := time.Since(start)
			return took, n.Leave(ctx)
		case <-tick.C:
		case <-ctx.Done():
			return 0, errors.Join(fmt.Errorf("no media came: %w", ctx.Err()), n.Leave(sc.patient))
		}
	}
}

// talking measures the cost of running calls.
func talking(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.exchange(ctx, s, func(sc *setup, x *peer.Exchange) error {
		list, _, err := register(sc, x)
		if err != nil {
			return err
		}
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		load := peer.NewLoad(sc.hub, w.media.media)
		defer load.Close()
		var jobs []func() error
		for i := range w.subscribers {
			jobs = append(jobs, func() error {
				if err := w.dial(sc, load, list[i].Call(), uint32(i)+1, true, true); err != nil {
					return fmt.Errorf("call %d: %w", i+1, err)
				}
				return nil
			})
		}
		if err := parallel(callers, jobs); err != nil {
			return err
		}
		load.Start(ctx)
		if r, err = b.window(ctx, sc, load, w); err != nil {
			return err
		}
		r.PerUnit = float64(r.RSS-before.RSS) / 1024 / float64(w.subscribers)
		return nil
	})
	return r, err
}
