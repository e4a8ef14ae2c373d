package websockets

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/budget"
	"bifrons/api/janus"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

// status reads until the connection ends and says how.
func status(t *testing.T, c *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			if ctx.Err() != nil {
				t.Error("still open")
			}
			return websocket.CloseStatus(err)
		}
	}
}

// A connection without a session is closed after a while, one that has or had
// one is not.
func TestConnectionWithoutSession(t *testing.T) {
	r := start(t, Config{SessionTimeout: 3 * time.Second})
	silent := r.connect(nil)
	talking, conn := r.established(nil)
	kept, keptConn := r.established(nil)
	keptConn.SessionBound(1)
	if s := status(t, silent); s != websocket.StatusPolicyViolation {
		t.Errorf("silent: %v", s)
	}
	if s := status(t, talking); s != websocket.StatusPolicyViolation {
		t.Errorf("without a session: %v", s)
	}
	for gone := range r.core.gone {
		if gone == keptConn {
			t.Error("one with a session is gone")
		}
		if gone == conn {
			break
		}
	}
	r.send(kept, `{"a":1}`)
	r.expect(kept, `{"a":1}`)
}

// The Admin API makes no sessions.
func TestAdminNeedsNoSession(t *testing.T) {
	r := start(t, Config{SessionTimeout: 3 * time.Second, Admin: API{WS: local}})
	admin, _ := r.established(&websocket.DialOptions{Subprotocols: []string{AdminProtocol}})
	silent := r.connect(&websocket.DialOptions{Subprotocols: []string{AdminProtocol}})
	if s := status(t, silent); s != websocket.StatusPolicyViolation {
		t.Errorf("silent: %v", s)
	}
	r.send(admin, `{"a":1}`)
	r.expect(admin, `{"a":1}`)
}

// A message has to come to its end.
func TestHalfMessage(t *testing.T) {
	r := start(t, Config{BodyTimeout: 500 * time.Millisecond})
	c, conn := r.established(nil)
	conn.SessionBound(1)
	w, err := c.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat("x", 10_000))); err != nil {
		t.Fatal(err)
	}
	status(t, c)
	<-r.core.gone
}

// Messages that are being received have a bound for all together.
func TestMessagesAreBounded(t *testing.T) {
	b := budget.New(64 << 10)
	r := start(t, Config{Bodies: b})
	half, conn := r.established(nil)
	conn.SessionBound(1)
	w, err := half.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat(" ", 50_000))); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the body counts", func() bool { return b.Used() != 0 })
	small, conn := r.established(nil)
	conn.SessionBound(2)
	large, conn := r.established(nil)
	conn.SessionBound(3)
	r.send(large, `{}`+strings.Repeat(" ", 60_000))
	if s := status(t, large); s != websocket.StatusTryAgainLater {
		t.Errorf("a large message: %v", s)
	}
	r.send(small, `{"a":1}`)
	r.expect(small, `{"a":1}`)
	half.CloseNow()
	waittest.Until(t, "the body counts no more", func() bool { return b.Used() == 0 })
}

// Connections without sessions make room for others.
func TestConnectionsWithoutSessionsMakeRoom(t *testing.T) {
	gate := transport.NewGate(transport.GateConfig{Max: 10})
	r := start(t, Config{Gate: gate})
	kept, conn := r.established(nil)
	conn.SessionBound(1)
	for range 30 {
		r.connect(nil)
	}
	r.send(kept, `{"a":1}`)
	r.expect(kept, `{"a":1}`)
	if n := gate.Refused(transport.Waiting); n < 20 {
		t.Errorf("%d were ended", n)
	}
}

// A client that does not read stays connected while others bring about news as
// fast as they can, and gets the last of it.
func TestNewsDoNotCloseSlowClient(t *testing.T) {
	queues := transport.NewAccount(transport.QueueBytes, nil)
	r := start(t, Config{Common: transport.Common{Queues: queues}})
	c, conn := r.established(nil)
	conn.SessionBound(1)
	data := `"` + strings.Repeat("x", 16<<10) + `"`
	const many = 3000
	for i := range many {
		conn.Deliver(1, janus.Event{Head: fmt.Appendf(nil, `{"n":%d,"data":`, i), Data: []byte(data), Tail: []byte("}"), Topic: "name", Handle: 7})
		if n := queues.Used(); n > 100<<10 {
			t.Fatalf("%d bytes wait", n)
		}
	}
	conn.Deliver(1, janus.Event{Head: []byte(`{"last":1}`)})
	last, got := "", 0
	for ; ; got++ {
		_, msg, err := c.Read(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if string(msg) == `{"last":1}` {
			break
		}
		last = string(msg)
	}
	if want := fmt.Sprintf(`{"n":%d,"data":%s}`, many-1, data); last != want {
		t.Errorf("the last of %d events is %.40s", got, last)
	}
}
