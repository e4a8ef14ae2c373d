package plugintest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"bifrons/sfu"
)

// Trap is a log for an engine with one shard, and holds that shard up once it is sprung, for
// tests that nobody waits for a shard.
type Trap struct {
	slog.Handler
	held, open chan struct{}
	once       *sync.Once
}

// NewTrap makes a Trap.
func NewTrap() Trap {
	return Trap{slog.DiscardHandler, make(chan struct{}), make(chan struct{}), new(sync.Once)}
}

// Enabled, WithAttrs and Handle make it a log.
func (x Trap) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs ignores them.
func (x Trap) WithAttrs([]slog.Attr) slog.Handler { return x }

// Handle waits where the shard logs a panic.
func (x Trap) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "panic in the engine") {
		x.once.Do(func() {
			close(x.held)
			<-x.open
		})
	}
	return nil
}

// Spring makes the shard do nothing more until the end of the test.
func (x Trap) Spring(t testing.TB, e *sfu.Engine) {
	t.Helper()
	src, err := e.NewSource(sfu.SourceConfig{}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	src.Write(0, 0, []byte{0x80, 96, 11: 0}) // of a stream that the source does not have
	<-x.held
	t.Cleanup(func() { close(x.open) }) // before the engine is closed
}

type nobody struct{}

func (nobody) SourceEvent(sfu.Event)        {}
func (nobody) SourceData(int, bool, []byte) {}
