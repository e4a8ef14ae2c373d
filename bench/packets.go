package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// samples is how many packets a second are looked into. The others are counted by
// their headers.
const samples = 4000

// dialers is how many peers connect at the same time.
const dialers = 8

// publisherSettles is from the first media of the publishers to the first
// subscriber.
const publisherSettles = 1500 * time.Millisecond

// sending runs f with a server and the publishers of a workload.
func (b *bench) sending(ctx context.Context, s server.Spec, w *workload, f func(*setup, *peer.Load) error) error {
	return b.on(ctx, s, func(sc *setup) error {
		load := peer.NewLoad(sc.hub, w.media.media)
		defer load.Close()
		if err := w.publishers(sc, load); err != nil {
			return err
		}
		load.Start(ctx)
		if err := sleep(ctx, publisherSettles); err != nil {
			return err
		}
		return f(sc, load)
	})
}

// filled runs f with a server and all peers of a workload; f gets the memory
// when only the publishers were there.
func (b *bench) filled(ctx context.Context, s server.Spec, w *workload, f func(*setup, *peer.Load, int64) error) error {
	return b.sending(ctx, s, w, func(sc *setup, load *peer.Load) error {
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		if err := w.receive(sc, load); err != nil {
			return err
		}
		return f(sc, load, before.RSS)
	})
}

func (w *workload) options(id uint32) peer.Options {
	return peer.Options{ID: id, Media: w.media.media, Profiles: []string{w.profile}}
}

// recordingLength is the length of the played recording, long enough for all to connect and be measured.
const recordingLength = 2 * time.Minute

// publishers connects who sends.
func (w *workload) publishers(sc *setup, load *peer.Load) error {
	if w.plays {
		if err := peer.WriteRecording(filepath.Join(sc.process.Dir(), "recordings"), w.media.media, recordingLength); err != nil {
			return err
		}
		return sc.janus.Recorded(sc.patient)
	}
	if w.stream {
		for n := range w.rooms {
			if err := sc.janus.Mount(sc.patient, n); err != nil {
				return err
			}
			src, err := peer.NewSource(sc.hub, netip.MustParseAddr(netns.InsideAddr), n, w.options(1))
			if err != nil {
				return err
			}
			load.Add(src, true, false)
		}
		return nil
	}
	if w.echo {
		for i := range w.subscribers {
			n, err := sc.janus.EchoBy(sc.patient, "janus.plugin."+cmp.Or(w.script, "echotest"))
			if err == nil {
				err = w.dial(sc, load, n, uint32(i)+1, true, true)
			}
			if err != nil {
				return fmt.Errorf("peer %d: %w", i+1, err)
			}
		}
		return nil
	}
	if w.calls {
		return w.call(sc, load)
	}
	if w.recorded {
		sc.janus.Record = true
	}
	for room := range w.rooms {
		for i := range w.media.publishers {
			id := uint32(room*100 + i + 1)
			n, err := sc.signals.Publish(sc.patient, room+1, id)
			if err != nil {
				return err
			}
			p, err := peer.NewLight(sc.patient, sc.hub, n, w.options(id))
			if err != nil {
				return fmt.Errorf("publisher %d: %w", id, err)
			}
			load.Add(p, true, false)
		}
	}
	return nil
}

// call connects who call each other, several calls at a time.
func (w *workload) call(sc *setup, load *peer.Load) error {
	var jobs []func() error
	for i := range w.rooms {
		jobs = append(jobs, func() error {
			one, other := uint32(i*100+1), uint32(i*100+2)
			caller, callee, err := w.negotiate(sc, one, other)
			if err != nil {
				return fmt.Errorf("call %d: %w", i+1, err)
			}
			both := *sc
			var cancel context.CancelFunc
			both.patient, cancel = context.WithCancel(sc.patient)
			defer cancel()
			side := func(n *peer.Negotiation, id uint32) func() error {
				return func() error {
					err := w.dial(&both, load, n, id, true, true)
					if err != nil {
						cancel() // nor does the other one get through
						err = fmt.Errorf("call %d: %w", i+1, err)
					}
					return err
				}
			}
			return parallel(2, []func() error{side(caller, one), side(callee, other)})
		})
	}
	return parallel(dialers/2, jobs)
}

// negotiate prepares a call.
func (w *workload) negotiate(sc *setup, one, other uint32) (caller, callee *peer.Negotiation, err error) {
	if w.telephone {
		return sc.janus.Telephone(sc.patient, w.secure)
	}
	return sc.janus.Call(sc.patient, one, other)
}

// dial connects a peer of the kind that the workload wants.
func (w *workload) dial(sc *setup, load *peer.Load, n *peer.Negotiation, id uint32, sends, receives bool) error {
	var p peer.Peer
	var err error
	if w.full {
		p, err = peer.NewFull(sc.patient, sc.hub, n, w.options(id), netns.HostAddr)
	} else {
		p, err = peer.NewLight(sc.patient, sc.hub, n, w.options(id))
	}
	if err == nil {
		load.Add(p, sends, receives)
	}
	return err
}

// receive connects who only receives, several at a time.
func (w *workload) receive(sc *setup, load *peer.Load) error {
	if w.bothWays() {
		return nil
	}
	each := w.subscribers
	if w.mesh {
		each = w.media.publishers
	}
	var jobs []func() error
	for room := range w.rooms {
		for i := range each {
			var from []uint32
			for k := range w.media.publishers {
				if !w.mesh || k != i {
					from = append(from, uint32(room*100+k+1))
				}
			}
			jobs = append(jobs, func() error {
				n, err := w.subscription(sc, room+1, from)
				if err == nil {
					err = w.dial(sc, load, n, uint32(1<<16+room<<12+i), false, true)
				}
				if err != nil {
					return fmt.Errorf("subscriber %d of room %d: %w", i+1, room+1, err)
				}
				return nil
			})
		}
	}
	return parallel(dialers, jobs)
}

func (w *workload) subscription(sc *setup, room int, from []uint32) (*peer.Negotiation, error) {
	switch {
	case w.stream:
		return sc.janus.Watch(sc.patient, room-1)
	case w.plays:
		return sc.janus.Play(sc.patient)
	}
	return sc.signals.Subscribe(sc.patient, room, from)
}

// parallel runs jobs, n at a time, and returns the first error.
func parallel(n int, jobs []func() error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	for range n {
		wg.Go(func() {
			for {
				mu.Lock()
				i, failed := next, first != nil
				next++
				mu.Unlock()
				if failed || i >= len(jobs) {
					return
				}
				if err := jobs[i](); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// packets measures the cost of delivering.
func packets(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.filled(ctx, s, w, func(sc *setup, load *peer.Load, empty int64) error {
		if r, err = b.window(ctx, sc, load, w); err == nil && !w.bothWays() {
			r.PerUnit = float64(r.RSS-empty) / 1024 / float64(r.N)
		}
		return err
	})
	return r, err
}

// window measures deliveries and their cost for a while.
func (b *bench) window(ctx context.Context, sc *setup, load *peer.Load, w *workload) (r report.Result, err error) {
	sc.hub.Sample(samples, w.perSecond())
	sc.hub.Lose(w.loss)
	stop := func() {}
	if w.switching {
		stop = switchLayers(ctx, load)
	}
	defer stop()
	if err := sleep(ctx, b.warmUp); err != nil {
		return r, err
	}
	m, err := sc.meter()
	if err != nil {
		return r, err
	}
	failed := sc.hub.Dropped()
	sc.hub.Open()
	if err := sleep(ctx, b.length()); err != nil {
		return r, err
	}
	sc.hub.Shut()
	if r, err = m.result(); err != nil {
		return r, err
	}
	if err := sleep(ctx, b.drained); err != nil {
		return r, err
	}
	if err := load.AllGot(); err != nil {
		return r, err
	}
	t := sc.hub.Totals()
	r.SRTP, r.N = w.profile, w.receivers()
	r.Wanted, r.Delivered, r.Strange = t.Sent*int64(w.copies()), t.Received, t.Strange
	if w.switching || w.plays {
		r.Wanted = r.Delivered // nobody knows which encoding is due when, nor which part of a recording
	}
	r.LoadErrors = int64(sc.hub.Dropped() - failed)
	r.Dropped, r.Recovered, r.Layers = t.Lost, t.Recovered, t.Switches
	if !w.plays {
		r.AddTimes(t.Trips)
	}
	return r, nil
}

// copies is to how many receivers a packet goes.
func (m *media) copies() int {
	switch {
	case m.echo:
		return 1
	case m.mesh:
		return m.publishers - 1
	}
	return m.subscribers
}

// switchLayers has all receivers change their encoding once a second, evenly
// spread, until stop.
func switchLayers(ctx context.Context, load *peer.Load) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		var list []*peer.Negotiation
		for _, p := range load.Peers() {
			if l, ok := p.(*peer.Light); ok && l.Negotiation().Layer != nil {
				list = append(list, l.Negotiation())
			}
		}
		for i := 0; ctx.Err() == nil; i++ {
			_ = list[i%len(list)].Layer(ctx, (i/len(list)+i)%3)
			if sleep(ctx, time.Second/time.Duration(len(list))) != nil {
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// profiled has a bifrons that can do so write a CPU profile.
func (b *bench) profiled(ctx context.Context, stdout io.Writer) error {
	done, err := b.prepare()
	if err != nil {
		return err
	}
	defer func() { _ = done() }()
	s, err := server.Profiled(b.tmp)
	if err != nil {
		return err
	}
	for i := range workloads {
		w := &workloads[i]
		if !b.wanted(w) {
			continue
		}
		with := b.filled
		if w.mixed {
			with = b.room
		}
		return with(ctx, s, w, func(sc *setup, load *peer.Load, _ int64) error {
			sc.hub.Sample(samples, w.perSecond())
			sc.hub.Lose(w.loss)
			if err := sleep(ctx, b.warmUp); err != nil {
				return err
			}
			top, err := sc.process.Profile(ctx, b.profile, b.length())
			for _, line := range top {
				fmt.Fprintln(stdout, line)
			}
			return err
		})
	}
	return nil
}
