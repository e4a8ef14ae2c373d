//go:build unix

package capture

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// TestPipe: a pipe that nobody reads is refused, not waited for.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.pcap")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Open(Config{Path: path})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("opened")
		}
	case <-time.After(waittest.Patience):
		t.Fatal("it hangs")
	}
}
