// Command bifrons is a WebRTC media server that speaks the Janus API.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bifrons/api/config"
	"bifrons/api/log"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 && config.IsCommand(args[0]) {
		command, args = args[0], args[1:]
	}
	if command == "help" {
		return help(args, stdout)
	}
	opt, err := config.ParseArgs(args)
	if err != nil {
		fmt.Fprintf(stdout, "bifrons: %v\nTry --help.\n", err)
		return 1
	}
	switch {
	case opt.Help:
		config.Help(stdout, command)
		return 0
	case opt.Version:
		config.Banner(stdout)
		return 0
	case command == "check":
		return check(opt, stdout)
	case command == "doctor":
		return doctor(opt, stdout)
	}
	cfg, problems := config.Load(opt)
	log, err := openLog(&cfg.Server.General, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "bifrons: %v\n", err)
		return 1
	}
	defer log.Close()
	defer rotateLog(log, cfg.Server.General.LogRotateSignal)()
	if !config.Report(log.Logger(), problems) {
		fmt.Fprintln(stderr, "bifrons: not started, the configuration has errors (see above)")
		return 1
	}
	remove, err := writePID(cfg.Server.General.PIDFile)
	if err != nil {
		fmt.Fprintf(stderr, "bifrons: %v\n", err)
		return 1
	}
	defer remove()

	incoming, signals := make(chan os.Signal, 3), make(chan os.Signal, 8)
	signal.Notify(incoming, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var e ender
	e.exit = e.exitNow(log.Logger(), remove)
	go e.relay(incoming, signals)
	defer func() {
		signal.Stop(incoming)
		close(incoming)
	}()
	s, err := start(cfg, opt.Demos, log)
	if err != nil {
		fmt.Fprintf(stderr, "bifrons: %v\n", err)
		return 1
	}
	e.server.Store(s)
	if cfg.Server.General.LogToStdout {
		s.greet(stdout)
	}
	tellSystemd("READY=1")
	sig := s.serve(signals, func() (*config.Config, []config.Problem) { return config.Load(opt) })
	log.Logger().Info("stopping", "signal", sig.String())
	tellSystemd("STOPPING=1")
	if number, ok := sig.(syscall.Signal); ok {
		s.signal = int(number)
	}
	if sig == syscall.SIGTERM {
		e.draining.Store(true)
		s.drain(opt.DrainTimeout, signals)
		e.draining.Store(false)
	}
	s.end("farewell", s.goodbye)
	s.Close()
	return 0
}

// certificateCheck is how often the certificate for DTLS is looked at.
const certificateCheck = time.Minute

// serve waits for the signal to stop. SIGHUP has the configuration read again.
func (s *server) serve(signals <-chan os.Signal, load func() (*config.Config, []config.Problem)) os.Signal {
	check := time.NewTicker(certificateCheck)
	defer check.Stop()
	heap, look := newMemory(), time.NewTicker(memoryCheck)
	defer look.Stop()
	var again <-chan time.Time // a reload
	var tries int
	var told map[string]bool
	reload := func() {
		tellSystemd("RELOADING=1")
		defer tellSystemd("READY=1")
		again = nil
		switch tries++; {
		case s.reload(load, told):
		case tries < reloadTries:
			again = time.After(reloadPause)
			if tries == 1 {
				s.log.Warn("the configuration was not read again (see above), trying again for a while")
			}
		default:
			s.log.Error("the configuration was not read again (see above); taking a secret away needs a restart")
		}
	}
	for {
		select {
		case <-check.C:
			s.renewCertificate()
		case <-look.C:
			heap.look()
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				return sig
			}
			tries, told = 0, make(map[string]bool)
			reload()
		case <-again:
			reload()
		}
	}
}

// help is the sub-command that explains the others.
func help(args []string, w io.Writer) int {
	topic := strings.Join(args, " ")
	if topic == "-h" || topic == "--help" {
		topic = "help"
	}
	if !config.Help(w, topic) {
		fmt.Fprintf(w, "bifrons: there is no help about %q\nTry --help.\n", topic)
		return 1
	}
	return 0
}

// colors reports whether the log's levels have colours: if that is asked for, and otherwise
// if nobody but a terminal gets them.
func colors(g *config.General) bool {
	return g.DebugColors.Or(g.LogToStdout && g.LogToFile == "" && isTerminal(os.Stdout))
}

// isTerminal reports whether a file is a terminal, as far as its kind says, that has colours.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != "null" && os.Getenv("TERM") != "dumb"
}

// openLog makes the log that the settings want.
func openLog(g *config.General, stdout io.Writer) (*log.Log, error) {
	if !g.LogToStdout {
		stdout = nil
	}
	return log.New(log.Config{
		Stdout: stdout, File: g.LogToFile, Level: g.DebugLevel,
		Prefix: g.LogPrefix, Timestamps: g.DebugTimestamps, Colors: colors(g),
	})
}

// rotateLog opens the log file again whenever the signal of that name comes,
// until stop is called.
func rotateLog(l *log.Log, name string) (stop func()) {
	sig := rotateSignal(name)
	if sig == nil {
		return func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, sig)
	go func() {
		for range signals {
			if err := l.Reopen(); err != nil {
				l.Logger().Error(err.Error())
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// writePID writes the process id to a file that is locked while the server
// runs, and returns what removes it.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	path = filepath.Clean(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot write the PID file: %w", err)
	}
	if err := lockFile(f); err != nil {
		old, _ := io.ReadAll(f)
		_ = f.Close()
		return nil, fmt.Errorf("PID file %s is in use by process %s", path, strings.TrimSpace(string(old)))
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot write the PID file: %w", err)
	}
	return func() {
		_ = os.Remove(path)
		_ = f.Close()
	}, nil
}
