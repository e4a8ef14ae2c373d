package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/server"
)

const topNodes = "25"

// profileServer runs a bifrons that writes a CPU profile while it echoes, and
// keeps the profile's top.
func (b *bench) profileServer(ctx context.Context) error {
	binary, err := server.Build(b.tmp, "bench/echo/serve")
	if err != nil {
		return err
	}
	out, err := filepath.Abs(b.profile)
	if err != nil {
		return err
	}
	c := caseNamed(b.cases[0])
	err = b.loaded(ctx, server.Bifrons("profiled", server.Revision(), binary), c.dial, b.peers, peer.Options{Profiles: c.profiles}, func(p *server.Process, l *peer.Load) error {
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		fmt.Fprintf(p.Stdin, "profile %s\n", out)
		if err := sleep(ctx, time.Duration(b.profileSeconds*float64(time.Second))); err != nil {
			return err
		}
		fmt.Fprintln(p.Stdin, "stop")
		return b.awaitProfile(ctx, out)
	})
	if err != nil {
		return err
	}
	return b.showProfile(binary, out, c.name)
}

// awaitProfile waits for the file, which is written whole under another name.
func (b *bench) awaitProfile(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("no profile was written: %w", err)
		}
	}
}

func (b *bench) showProfile(binary, name, c string) error {
	for _, order := range []string{"-flat", "-cum"} {
		text, err := exec.Command("go", "tool", "pprof", "-top", order, "-nodecount="+topNodes, binary, name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pprof: %w: %s", err, text)
		}
		b.report.Profiles = append(b.report.Profiles, "", "CPU profile of bifrons, "+c+", "+order[1:]+":", "")
		b.report.Profiles = append(b.report.Profiles, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return nil
}
