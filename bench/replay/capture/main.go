// Command capture makes the captures in testdata/replay: Chromium calls the EchoTest
// of a bifrons, which writes the received packets without encryption; ffmpeg sends plain
// RTP and SRTP. Run it in this module, with Chromium and ffmpeg installed, and
// afterwards go test ./bench/internal/replay -update. What it makes differs from
// run to run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bifrons/bench/internal/replay"
)

// length is how long a capture is.
const length = 3300 * time.Millisecond

// begin is the time of day that captures begin at.
func begin() time.Time { return time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	folder := flag.String("o", "testdata/replay", "where to write")
	only := flag.String("only", "", "names of captures, separated by commas; all if empty")
	flag.Parse()
	if err := run(ctx, *folder, strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string, only []string) error {
	wanted := func(name string) bool { return len(only) == 0 || slices.Contains(only, name) }
	for _, c := range streams() {
		if wanted(c.name) {
			if err := c.record(ctx, folder); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	var list []call
	for _, c := range calls() {
		if wanted(c.name) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	lab, err := newLab(ctx)
	if err != nil {
		return err
	}
	defer lab.close()
	var failed error
	for _, c := range list {
		if err := lab.record(ctx, &c, folder); err != nil {
			err = fmt.Errorf("%s: %w", c.name, err)
			fmt.Println(err)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// save writes a capture with its description.
func save(folder, name, ext string, d replay.Description, list []replay.Datagram) error {
	d.Capture = name + ext
	file, err := os.Create(filepath.Join(folder, d.Capture))
	if err != nil {
		return err
	}
	if err := replay.Write(file, ext == ".pcapng", begin(), list); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	bytes := 0
	for i := range list {
		bytes += len(list[i].Data)
	}
	fmt.Printf("%s: %d packets, %d bytes\n", d.Capture, len(list), bytes)
	return os.WriteFile(filepath.Join(folder, name+".json"), d.Text(), 0o644)
}
