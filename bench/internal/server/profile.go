package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Profiled is a bifrons that can write CPU profiles. It is built into dir.
func Profiled(dir string) (s Spec, err error) {
	binary, err := Build(dir, "bench/internal/serve")
	return Bifrons("profiled", Revision(), binary), err
}

// Profile has a Profiled server write a CPU profile of d to a file, and returns
// its top.
func (p *Process) Profile(ctx context.Context, name string, d time.Duration) (top []string, err error) {
	if name, err = filepath.Abs(name); err != nil {
		return nil, err
	}
	fmt.Fprintf(p.Stdin, "profile %s\n", name)
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	fmt.Fprintln(p.Stdin, "stop")
	if err := awaitFile(ctx, name); err != nil {
		return nil, err
	}
	const nodes = "30"
	for _, order := range []string{"-flat", "-cum"} {
		text, err := exec.Command("go", "tool", "pprof", "-top", order, "-nodecount="+nodes, p.binary, name).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("pprof: %w: %s", err, text)
		}
		top = append(top, "", "CPU profile of bifrons, "+order[1:]+":", "")
		top = append(top, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return top, nil
}

// awaitFile waits for a file, which is written whole under another name.
func awaitFile(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no profile was written: %w", ctx.Err())
		}
	}
}

// All builds bifrons into dir and adds binaries that were built before, given as
// NAME=BINARY, janus, and the plain forwarder, where those are wanted. Why there
// is no janus is in note.
func All(dir string, before []string, janus, plain bool, note func(error)) ([]Spec, error) {
	binary, err := Build(dir, "cmd/bifrons")
	if err != nil {
		return nil, err
	}
	list := []Spec{Bifrons("bifrons", Revision(), binary)}
	for _, v := range before {
		name, binary, _ := strings.Cut(v, "=")
		list = append(list, Bifrons(name, binary, binary))
	}
	if janus {
		s, err := Janus()
		if err == nil {
			list = append(list, s)
		} else {
			note(err)
		}
	}
	if plain {
		s, err := Forwarder(dir)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}
