package transporttest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"bifrons/rtp/waittest"
)

// Lines are those of a log.
type Lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// NewLines makes an empty log.
func NewLines() *Lines { return new(Lines) }

// Logger writes to it.
func (l *Lines) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write adds to it.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *Lines) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), words)
}

// Await waits for some words.
func (l *Lines) Await(t testing.TB, words string) {
	t.Helper()
	waittest.Until(t, "the log has "+words, func() bool { return l.has(words) })
}

// Lacks fails the test if some words are in it.
func (l *Lines) Lacks(t testing.TB, words string) {
	t.Helper()
	if l.has(words) {
		t.Errorf("the log has %s", words)
	}
}
