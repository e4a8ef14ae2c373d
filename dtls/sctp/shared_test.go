package sctp

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"bifrons/rtp/waittest"
)

// TestSharedPayload: what many are sent is kept once while it waits.
func TestSharedPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sides, size = 8, 60000
		payload := make([]byte, size)
		before := heap()
		var list []*side
		var wires []*wire
		for range sides {
			client, server, w, cut := startCut(NewBudget(1 << 30))
			list, wires = append(list, client, server), append(wires, w...)
			waittest.Pass(2 * openDelay)
			cut.Store(true)
			for n := 0; ; n++ {
				err := client.SendShared("", "", true, payload)
				if errors.Is(err, ErrFull) {
					if n < maxHeld/size/2 {
						t.Errorf("%d messages taken", n)
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		got := (heap() - before) / sides
		t.Logf("%d KB for an association", got>>10)
		if got > 2*handWindow {
			t.Error("the payload is kept more than once")
		}
		stop(t, list, wires...)
	})
}

// TestSharedMessage: it arrives as any other, in order, whether it has waited or not.
func TestSharedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		want := []string{"before", "", "there", "is"}
		for i, text := range want {
			if err := client.SendShared("x", "p", i%2 == 1, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		<-client.ready
		waittest.Pass(2 * openDelay)
		if err := client.SendShared("x", "p", true, []byte("later")); err != nil {
			t.Fatal(err)
		}
		for i, text := range append(want, "later") {
			if got := <-server.got; got != show("x", "p", i%2 == 1 || text == "later", []byte(text)) {
				t.Errorf("%q instead of %q", got, text)
			}
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// TestLostIsTold: the log and the counters tell of messages that a peer does not take.
func TestLostIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a, b := newWires(nil)
		client := startWith(Config{Conn: a, Client: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
		server := start(b, false) // never comes up before it is looked at
		fill(t, client, 10000)
		for range 4 {
			if err := client.Send("x", "", true, make([]byte, 10000)); !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
		}
		if n := client.Stats().Refused; n != 5 {
			t.Errorf("%d lost", n)
		}
		if text := log.String(); strings.Count(text, "messages are lost") != 1 || !strings.Contains(text, "limit=1048576") {
			t.Errorf("log: %s", text)
		}
		stop(t, []*side{client, server}, a, b)
	})
}
