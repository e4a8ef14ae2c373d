package nanomsgevh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/sub"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"

	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// subscriber takes all that is published.
func subscriber(t *testing.T, open func(mangos.Socket) error, take func([]byte)) (end func()) {
	t.Helper()
	s, err := sub.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SetOption(mangos.OptionReadQLen, 1<<16))
	must(s.SetOption(mangos.OptionSubscribe, []byte{}))
	must(open(s))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			take(m)
		}
	}()
	end = func() {
		_ = s.Close()
		<-done
	}
	t.Cleanup(end)
	return end
}

func exists(address string) bool {
	_, err := os.Stat(strings.TrimPrefix(address, "ipc://"))
	return err == nil
}

// TestCall: every event of a call of three arrives once and in order, whoever connects to
// whom, and what happens while nobody is there waits.
func TestCall(t *testing.T) {
	for _, mode := range []string{"connect", "bind"} {
		t.Run(mode, func(t *testing.T) {
			waittest.NoLeaks(t)
			address := "ipc://" + filepath.Join(t.TempDir(), "events")
			open := func(s mangos.Socket) error { return s.Dial(address) }
			if mode == "connect" {
				open = func(s mangos.Socket) error { return s.Listen(address) }
			}
			lab := transporttest.New(t)
			s := Defaults()
			s.Mode, s.Address = mode, address
			h := New(s, transporttest.Quiet())
			w := lab.Handle(h, s.Settings)
			if mode == "bind" {
				waittest.Until(t, "the socket is there", func() bool { return exists(address) })
			}
			end := subscriber(t, open, w.Arrived)
			lab.Call().End()
			w.Complete()
			end()
			waittest.Until(t, "the subscriber is gone", func() bool { return h.socket.Load().Peers() == 0 })
			call := lab.Call()
			transporttest.Away(t, w)
			subscriber(t, open, w.Arrived)
			call.End()
			if n := w.Complete(); n != 0 {
				t.Errorf("%d events came twice", n)
			}
		})
	}
}
