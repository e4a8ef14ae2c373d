package main

import (
	"context"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/server"
)

// profileServer runs a bifrons that writes a CPU profile while it echoes, and
// keeps the profile's top.
func (b *bench) profileServer(ctx context.Context) error {
	s, err := server.Profiled(b.tmp)
	if err != nil {
		return err
	}
	c := caseNamed(b.cases[0])
	return b.loaded(ctx, s, c.dial, b.peers, peer.Options{Profiles: c.profiles}, func(p *server.Process, _ *peer.Load) error {
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		top, err := p.Profile(ctx, b.profile, time.Duration(b.profileSeconds*float64(time.Second)))
		b.report.Profiles = top
		return err
	})
}
