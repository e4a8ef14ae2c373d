// Command serve is the bifrons of package inside, without much else, that writes CPU
// profiles. It takes the server's -F, and commands on its standard
// input: "profile FILE" starts a profile, "stop" ends and writes it. It ends
// with its input.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"

	"bifrons/api/config"
	"bifrons/bench/internal/inside"
)

func main() {
	dir := flag.String("F", "", "configuration `folder`")
	flag.Parse()
	if err := run(*dir, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(dir string, commands io.Reader) error {
	cfg, problems := config.LoadDir(dir, "")
	for _, p := range problems {
		if !p.Warning {
			return p
		}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	srv, err := inside.Start(cfg, log)
	if err != nil {
		return err
	}
	defer srv.Close()
	return obey(commands)
}

func obey(commands io.Reader) error {
	var p profile
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		verb, name, _ := strings.Cut(lines.Text(), " ")
		var err error
		switch verb {
		case "profile":
			err = p.start(name)
		case "stop":
			err = p.stop()
		default:
			err = fmt.Errorf("unknown command %q", verb)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// profile is a CPU profile that is being taken.
type profile struct {
	name string
	file *os.File
}

func (p *profile) start(name string) (err error) {
	if p.file != nil {
		return errors.New("a profile is being taken")
	}
	p.name = name
	_ = os.Remove(name)
	if p.file, err = os.Create(name + ".part"); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.file)
}

func (p *profile) stop() error {
	if p.file == nil {
		return errors.New("no profile is being taken")
	}
	pprof.StopCPUProfile()
	err := errors.Join(p.file.Close(), os.Rename(p.file.Name(), p.name))
	p.file = nil
	return err
}
