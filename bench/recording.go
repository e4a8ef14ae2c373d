package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
	"bifrons/rtp/mjr"
)

// recording measures the cost of receiving and recording a packet. Packets that count as
// delivered are in the files.
func recording(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.on(ctx, s, func(sc *setup) error {
		load := peer.NewLoad(sc.hub, w.media.media)
		defer load.Close()
		before, err := sc.process.Usage()
		if err != nil {
			return err
		}
		if err := w.publishers(sc, load); err != nil {
			return err
		}
		load.Start(ctx)
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		m, err := sc.meter()
		if err != nil {
			return err
		}
		sc.hub.Open()
		from := time.Now()
		if err := sleep(ctx, b.length()); err != nil {
			return err
		}
		sc.hub.Shut()
		to := time.Now()
		if r, err = m.result(); err != nil {
			return err
		}
		sent := sc.hub.Totals().Sent
		load.Close() // who leaves has his files closed
		if err := sleep(ctx, b.drained+time.Second); err != nil {
			return err
		}
		r.SRTP, r.N, r.Wanted = w.profile, w.media.publishers, sent
		r.PerUnit = float64(r.RSS-before.RSS) / 1024 / float64(r.N)
		r.Delivered, err = recordedPackets(sc.process.Dir(), from, to)
		return err
	})
	return r, err
}

// recordedPackets counts the packets in the recordings of a folder that arrived in a
// time.
func recordedPackets(folder string, from, to time.Time) (n int64, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.mjr"))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return 0, err
		}
		n += packetsIn(mjr.NewReader(f), from.UnixMilli(), to.UnixMilli())
		_ = f.Close()
	}
	return n, nil
}

// packetsIn counts the packets that arrived from and before so many milliseconds since
// 1970, as far as a file can be read.
func packetsIn(r *mjr.Reader, from, to int64) (n int64) {
	h, err := r.Header()
	if err != nil {
		return 0
	}
	for {
		f, err := r.Next()
		if err != nil {
			return n
		}
		if at := h.First/1000 + int64(f.ArrivalMS); from <= at && at < to {
			n++
		}
	}
}
