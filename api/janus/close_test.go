package janus

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/plugin"
)

// stuck is a plugin whose requests and whose Close do not return before release
// is closed.
type stuck struct{ release chan struct{} }

func (s *stuck) Info() module.Info                         { return module.Info{Package: "janus.plugin.stuck"} }
func (s *stuck) Start(plugin.Gateway) error                { return nil }
func (s *stuck) Close()                                    { <-s.release }
func (s *stuck) Admin(*json.Value) ([]byte, error)         { return nil, nil }
func (s *stuck) Attach(plugin.Host) (plugin.Handle, error) { return stuckHandle{s: s}, nil }

type stuckHandle struct {
	plugin.Handle
	s *stuck
}

func (h stuckHandle) Message(*plugin.Request) plugin.Result {
	return plugin.Ack("", func() { <-h.s.release })
}
func (h stuckHandle) Detach() {}

// What hangs is named and waited for only so long: the others get their goodbye,
// and the other plugins are closed.
func TestCloseWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		c := New(Config{Logger: slog.New(slog.NewTextHandler(&lines, nil)), ReclaimTimeout: time.Hour})
		hung, other := &stuck{make(chan struct{})}, &stuck{make(chan struct{})}
		close(other.release)
		for _, p := range []plugin.Plugin{hung, other} {
			if err := c.AddPlugin(p); err != nil {
				t.Fatal(err)
			}
		}
		asleep, awake := newClient(t, c), newClient(t, c)
		session := asleep.create()
		handle := asleep.attach(session, "janus.plugin.stuck")
		go c.Handle(asleep, Request{Body: encode(object{"janus": "message", "transaction": "tx", "session_id": session, "handle_id": handle,
			"body": object{}})}, func([]byte) {})
		awake.attach(awake.create(), "janus.plugin.stuck")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		c.Farewell(ctx, "over")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the farewell took %v", took)
		}
		awake.eventOf("detached")
		c.Close()
		if took := time.Since(begun) - time.Second; took != 2*closeLimit {
			t.Errorf("closing took %v", took)
		}
		if got := lines.String(); !strings.Contains(got, "handles are still at work") || strings.Count(got, "plugin=janus.plugin.stuck") != 1 {
			t.Errorf("logged\n%s", got)
		}
		close(hung.release)
	})
}
