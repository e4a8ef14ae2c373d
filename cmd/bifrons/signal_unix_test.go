//go:build unix

package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"bifrons/api/log"
	"bifrons/rtp/waittest"
)

// TestRotateLog moves the log file away, as logrotate does, and sends the
// signal.
func TestRotateLog(t *testing.T) {
	first := make(chan os.Signal, 1)
	signal.Notify(first, syscall.SIGUSR1) // starts a goroutine of the library that stays
	signal.Stop(first)
	waittest.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "log")
	l, err := log.New(log.Config{File: path, Level: log.Info})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	stop := rotateLog(l, "SIGUSR1")
	defer stop()
	l.Logger().Info("before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "a new log file", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	waittest.Until(t, "a line in it", func() bool {
		l.Logger().Info("after")
		b, _ := os.ReadFile(path)
		return string(b) != ""
	})
	if b, _ := os.ReadFile(path + ".1"); len(b) < len("before\n") {
		t.Errorf("the old file has %q", b)
	}
	rotateLog(l, "")() // nothing to stop
}
