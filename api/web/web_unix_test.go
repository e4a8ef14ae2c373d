//go:build unix

package web

import (
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// TestDemosWithPipe: a pipe among the pages is not there for clients, who would wait
// for it.
func TestDemosWithPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.html"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() { done <- get(Demos(dir), "/demos/pipe.html", nil) }()
	select {
	case w := <-done:
		if w.Code != 404 {
			t.Errorf("got %d", w.Code)
		}
	case <-time.After(waittest.Patience):
		t.Fatal("it hangs")
	}
}
