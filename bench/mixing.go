package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
	"bifrons/bench/internal/sound"
)

const (
	speakers    = 3    // of a room, the others are silent
	mixRate     = 48e3 // of rooms, Hz
	mixPackets  = 50   // that each gets in a second
	browserRate = 32_000
	loudRate    = 64_000 // of streams that are listened to closely
)

// voices are the speech of speakers in rooms, and silence as browsers send it.
var voices = sync.OnceValues(func() (list [speakers + 1][]sound.Packet, err error) {
	for i := range list {
		pcm := make([]float32, sound.Rate)
		if i < speakers {
			pcm = sound.Speech(10, uint64(i))
		}
		if list[i], err = sound.Encode(pcm, browserRate, 0); err != nil {
			return list, err
		}
	}
	return list, nil
})

// participant connects somebody to a room.
func (w *workload) participant(sc *setup, load *peer.Load, room int, n *peer.Negotiation, o peer.Options) error {
	o.Media, o.Profiles, o.RED = peer.AudioOnly(), []string{w.profile}, !w.plain
	p, err := peer.NewLight(sc.patient, sc.hub, n, o)
	if err != nil {
		return fmt.Errorf("participant %d of room %d: %w", o.ID, room, err)
	}
	load.Add(p, true, true)
	return nil
}

// joins connects participants from and before so many to the first room, of which the
// first are those who speak.
func (w *workload) joins(sc *setup, load *peer.Load, from, to int) error {
	says, err := voices()
	if err != nil {
		return err
	}
	var jobs []func() error
	for i := from; i < to; i++ {
		jobs = append(jobs, func() error {
			n, err := sc.janus.Mix(sc.patient, 1, uint32(i+1), peer.Mixed{Rate: mixRate})
			if err != nil {
				return err
			}
			return w.participant(sc, load, 1, n, peer.Options{ID: uint32(i + 1), Says: says[min(i, speakers)]})
		})
	}
	if from == 0 { // who is first makes the room
		if err := jobs[0](); err != nil {
			return err
		}
		jobs = jobs[1:]
	}
	return parallel(dialers, jobs)
}

// room runs f with a room whose audio is mixed; f gets the memory when only the speakers
// were there.
func (b *bench) room(ctx context.Context, s server.Spec, w *workload, f func(*setup, *peer.Load, int64) error) error {
	return b.on(ctx, s, func(sc *setup) error {
		load := peer.NewLoad(sc.hub, peer.AudioOnly())
		defer load.Close()
		if err := w.joins(sc, load, 0, speakers); err != nil {
			return err
		}
		load.Start(ctx)
		if err := sleep(ctx, publisherSettles); err != nil {
			return err
		}
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		if err := w.joins(sc, load, speakers, w.subscribers); err != nil {
			return err
		}
		return f(sc, load, before.RSS)
	})
}

// watch measures the cost of a room for a time.
func (b *bench) watch(ctx context.Context, sc *setup, n int) (r report.Result, err error) {
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
	t := sc.hub.Totals()
	r.N, r.Delivered, r.Late = n, t.Received, t.Late
	r.Wanted = int64(r.Seconds * mixPackets * float64(n))
	r.LoadErrors = int64(sc.hub.Dropped() - failed)
	return r, nil
}

// mixed measures the cost of mixing a room.
func mixed(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.room(ctx, s, w, func(sc *setup, load *peer.Load, before int64) error {
		if r, err = b.watch(ctx, sc, w.subscribers); err != nil {
			return err
		}
		r.SRTP = w.profile
		r.PerUnit = float64(r.RSS-before) / 1024 / float64(w.subscribers-speakers)
		return load.AllGot()
	})
	return r, err
}

const (
	enough   = 49.5 // packets that a listener gets in a second, of mixPackets
	tooLate  = 0.01 // of the packets
	mostEars = 3200
)

// largest doubles a room until its listeners do not get everything in time, and
// measures the largest one where they do.
func largest(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.room(ctx, s, w, func(sc *setup, load *peer.Load, before int64) error {
		for n := w.subscribers; ; n *= 2 {
			x, err := b.watch(ctx, sc, n)
			if err != nil {
				return err
			}
			got := float64(x.Delivered) / x.Seconds / float64(n)
			fmt.Fprintf(b.progress, "%-15s %-8s %d participants get %.2f packets a second, %.2f%% late, CPU %.0f%%, idle %.0f%%\n",
				w.name, s.Name, n, got, 100*float64(x.Late)/float64(x.Delivered), 100*x.CPU/x.Seconds, 100*x.Idle)
			if got < enough || float64(x.Late) > tooLate*float64(x.Delivered) {
				return nil
			}
			x.SRTP = w.profile
			x.PerUnit = float64(x.RSS-before) / 1024 / float64(n-speakers)
			if r = x; 2*n > mostEars {
				return nil
			}
			if err := w.joins(sc, load, n, 2*n); err != nil {
				return err
			}
		}
	})
	if err == nil && r.N == 0 {
		err = fmt.Errorf("not even %d participants are served in time", w.subscribers)
	}
	return r, err
}

// pair are who speaks and who listens in a room of two.
type pair struct{ said, heard sound.Tape }

// listened has one speak to another in each of some rooms, and decodes the received audio.
func (b *bench) listened(ctx context.Context, s server.Spec, w *workload, says []sound.Packet) (r report.Result, said, heard []sound.Heard, err error) {
	silence, err := voices()
	if err != nil {
		return r, nil, nil, err
	}
	pairs := make([]pair, w.rooms)
	err = b.on(ctx, s, func(sc *setup) error {
		load := peer.NewLoad(sc.hub, peer.AudioOnly())
		defer load.Close()
		for i := range pairs {
			p, id := &pairs[i], uint32(2*i+1)
			for k, o := range []peer.Options{
				{ID: id, Says: says, Said: &p.said, Late: w.late, Lost: w.lostPercent},
				{ID: id + 1, Says: silence[speakers], Hears: &p.heard},
			} {
				n, err := sc.janus.Mix(sc.patient, i+1, o.ID, peer.Mixed{Rate: mixRate, Bitrate: w.bitrate * k})
				if err == nil {
					err = w.participant(sc, load, i+1, n, o)
				}
				if err != nil {
					return err
				}
			}
		}
		load.Start(ctx)
		r, err = b.watch(ctx, sc, 2*w.rooms)
		return err
	})
	if err != nil {
		return r, nil, nil, err
	}
	r.SRTP = w.profile
	for i := range pairs {
		one, err := pairs[i].said.Play()
		if err != nil {
			return r, nil, nil, err
		}
		other, err := pairs[i].heard.Play()
		if err != nil {
			return r, nil, nil, err
		}
		said, heard = append(said, one), append(heard, other)
	}
	return r, said, heard, nil
}

// delayed measures how much later somebody is heard than without a server.
func delayed(ctx context.Context, b *bench, s server.Spec, w *workload) (report.Result, error) {
	pcm, at := sound.Bursts(10)
	says, err := sound.Encode(pcm, loudRate, 0)
	if err != nil {
		return report.Result{}, err
	}
	r, said, heard, err := b.listened(ctx, s, w, says)
	if err != nil {
		return r, err
	}
	var times []time.Duration
	lost := 0
	for i := range said {
		list, missing := sound.Delays(said[i], heard[i], at, len(says)*sound.Frame)
		times, lost = append(times, list...), lost+missing
	}
	slices.Sort(times)
	if len(times) == 0 {
		return r, fmt.Errorf("none of %d bursts was heard", lost)
	}
	r.AddTimes(times)
	r.Note = fmt.Sprintf("%d bursts, %d not found", len(times)+lost, lost)
	return r, nil
}

// likeness measures how like the original a listener's audio is.
func likeness(ctx context.Context, b *bench, s server.Spec, w *workload) (report.Result, error) {
	pcm := sound.Speech(10, 42)
	if w.music {
		pcm = sound.Music(10, 42)
	}
	rate, expected := loudRate, 0
	if w.lostPercent > 0 {
		// Where more is sent, or less lost is expected, Opus has little redundancy or none.
		rate, expected = browserRate, max(10, w.lostPercent)
	}
	says, err := sound.Encode(pcm, rate, expected)
	if err != nil {
		return report.Result{}, err
	}
	best, err := sound.Best(says, w.bitrate)
	if err != nil {
		return report.Result{}, err
	}
	r, said, heard, err := b.listened(ctx, s, w, says)
	if err != nil {
		return r, err
	}
	var q, direct, possible sound.Quality
	for i := range heard {
		q.Add(sound.Compare(pcm, heard[i].PCM))
		direct.Add(sound.Compare(pcm, said[i].PCM))
		possible.Add(sound.Compare(best, heard[i].PCM))
	}
	r.Note = fmt.Sprintf("against the best that can be: SNR %.1f dB, spectral distance %.2f dB; against the original %.1f and %.2f, as sent %.1f and %.2f",
		possible.SNR, possible.Distance, q.SNR, q.Distance, direct.SNR, direct.Distance)
	if w.lostPercent > 0 {
		r.Note += fmt.Sprintf("; %.0f%% of the packets have FEC", 100*sound.FEC(says))
	}
	return r, nil
}
