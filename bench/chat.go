package main

import (
	"context"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// messagesPerSecond is how many messages are said in a text room.
const messagesPerSecond = 20

const (
	// chatPatience is how long messages may be under way.
	chatPatience = 10 * time.Second

	// joinPatience is for all to join. Each join is sent to all before: half a million
	// messages for a room of 1000.
	joinPatience = 5 * time.Minute
)

// chatter measures the cost of a message in a text room: each talker in turn says
// something that all hear, but for those who never read.
func chatter(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.on(ctx, s, func(sc *setup) error {
		chat, err := sc.janus.NewChat(sc.patient, netns.HostAddr)
		if err != nil {
			return err
		}
		defer chat.Close()
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		patient, cancel := context.WithTimeout(ctx, joinPatience)
		defer cancel()
		talkers := make([]*peer.Talker, w.talkers+w.deaf)
		var jobs []func() error
		for i := range talkers {
			jobs = append(jobs, func() (err error) {
				talkers[i], err = chat.Join(patient, i+1, i >= w.talkers)
				return err
			})
		}
		if err := parallel(dialers, jobs); err != nil {
			return err
		}
		talking, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			talk(talking, talkers[:w.talkers])
		}()
		defer func() { stop(); <-done }()
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		m, err := sc.meter()
		if err != nil {
			return err
		}
		chat.Open()
		if err := sleep(ctx, b.length()); err != nil {
			return err
		}
		chat.Shut()
		if r, err = m.result(); err != nil {
			return err
		}
		t := chat.Totals()
		for late := time.Now().Add(chatPatience); t.Received < t.Sent*int64(w.talkers) && time.Now().Before(late); t = chat.Totals() {
			if err := sleep(ctx, b.drained); err != nil {
				return err
			}
		}
		r.N = w.talkers
		r.Wanted, r.Delivered, r.Strange = t.Sent*int64(w.talkers), t.Received, t.Strange
		r.AddTimes(t.Trips)
		r.PerUnit = float64(r.RSS-before.RSS) / 1024 / float64(len(talkers))
		return nil
	})
	return r, err
}

// talk has one after another say something.
func talk(ctx context.Context, talkers []*peer.Talker) {
	t := time.NewTicker(time.Second / messagesPerSecond)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-t.C:
			talkers[i%len(talkers)].Say()
		case <-ctx.Done():
			return
		}
	}
}
