package sctp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// side is an association with all it has reported.
type side struct {
	*Association
	got    chan string // label/protocol/t or b/payload
	ready  chan struct{}
	closed chan struct{} // a second OnClosed would panic
}

func start(conn net.Conn, client bool) *side {
	return startWith(Config{Conn: conn, Client: client})
}

// startWith is start with a configuration, but for its callbacks.
func startWith(cfg Config) *side {
	s := &side{got: make(chan string, 1000), ready: make(chan struct{}, 1000), closed: make(chan struct{})}
	var calling sync.Mutex
	alone := func(f func()) {
		if !calling.TryLock() {
			panic("two callbacks at a time")
		}
		defer calling.Unlock()
		f()
	}
	cfg.OnReady = func() { alone(func() { s.ready <- struct{}{} }) }
	cfg.OnMessage = func(label, protocol string, binary bool, payload []byte) {
		alone(func() { s.got <- show(label, protocol, binary, payload) })
	}
	cfg.OnClosed = func() { alone(func() { close(s.closed) }) }
	s.Association = Start(cfg)
	return s
}

func show(label, protocol string, binary bool, payload []byte) string {
	kind := "t"
	if binary {
		kind = "b"
	}
	return label + "/" + protocol + "/" + kind + "/" + string(payload)
}

func startPair(lose func() bool) (*side, *side, *wire, *wire) {
	a, b := newWires(lose)
	return start(a, true), start(b, false), a, b
}

// stop closes everything and checks that it ends once.
func stop(t *testing.T, sides []*side, wires ...*wire) {
	t.Helper()
	for _, s := range sides {
		s.Close()
		<-s.Done()
		select {
		case <-s.closed:
		default:
			t.Error("done without OnClosed")
		}
		if err := s.Send("", "", false, []byte("late")); err != ErrClosed {
			t.Error("Send after the end:", err)
		}
		if n := s.Stats().Channels; n != 0 {
			t.Error(n, "channels after the end")
		}
	}
	for _, w := range wires {
		_ = w.Close()
	}
}

func TestExchange(t *testing.T) {
	for _, percent := range []int{0, 20} {
		for seed := range uint64(3) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 9))
				client, server, a, b := startPair(func() bool { return rnd.IntN(100) < percent })
				// From before there is an association.
				for i := range 200 {
					payload := fmt.Appendf(nil, "%d%s", i, strings.Repeat(".", i*7))
					if err := client.Send("chat", "v1", i%2 == 0, payload); err != nil {
						t.Fatal(err)
					}
					if err := server.Send("", "", false, payload); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 200 {
					payload := fmt.Appendf(nil, "%d%s", i, strings.Repeat(".", i*7))
					if got := <-server.got; got != show("chat", "v1", i%2 == 0, payload) {
						t.Fatalf("message %d is %.40q", i, got)
					}
					if got := <-client.got; got != show(DefaultLabel, "", false, payload) {
						t.Fatalf("message %d is %.40q", i, got)
					}
				}
				if s := client.Stats(); s != (Stats{2, 200, 200, 0, 0}) {
					t.Errorf("%+v", s)
				}
				stop(t, []*side{client, server}, a, b)
			})
		}
	}
}

// The largest message passes, a larger one is refused, an empty one passes.
func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		largest := bytes.Repeat([]byte("x"), 65536) // RFC 8841, 6.1
		for i, c := range []struct {
			label, protocol string
			payload         []byte
			want            error
		}{
			{"", "", nil, nil},
			{"", "", append(largest, 'x'), ErrTooLong},
			{strings.Repeat("l", 65000), strings.Repeat("p", 530), []byte("x"), ErrTooLong},
			{"", "", largest, nil},
			{"", "", []byte("end"), nil},
		} {
			if err := client.Send(c.label, c.protocol, true, c.payload); err != c.want {
				t.Error(i, err)
			}
		}
		if got := <-server.got; got != show(DefaultLabel, "", true, nil) {
			t.Errorf("%d bytes: %.30q", len(got), got)
		}
		if got := <-server.got; got != show(DefaultLabel, "", true, largest) {
			t.Errorf("%d bytes: %.30q", len(got), got)
		}
		if got := <-server.got; got != show(DefaultLabel, "", true, []byte("end")) {
			t.Error(got)
		}
		if n := client.Stats().Refused; n != 2 {
			t.Error(n, "refused")
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// notes is a log that keeps its messages.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, string(b))
	return len(b), nil
}

func (n *notes) count(text string) (found int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		if strings.Contains(l, text) {
			found++
		}
	}
	return found
}

// What the peer takes is respected, and what does not fit is told in the log, but
// not more often than every ten seconds.
func TestLimitOfThePeer(t *testing.T) {
	for _, c := range []struct{ limit, most int }{
		{-1, 65536}, {1000, 1000}, {262144, 262144}, {0, maxSend}, {1 << 40, maxSend}, {70000, 70000},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log notes
			a, b := newWires(nil)
			s := Start(Config{Conn: a, Client: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if c.limit >= 0 {
				s.SetLimit(uint64(c.limit))
			}
			r := newRaw(t, b, true)
			x := r.open(1, open{label: "x"})
			if err := s.Send("x", "", true, make([]byte, c.most)); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 1<<19)
			if n, _, err := x.ReadSCTP(buf); n != c.most || err != nil {
				t.Error(n, err)
			}
			for range 20 {
				if err := s.Send("x", "", true, make([]byte, c.most+1)); err != ErrTooLong {
					t.Errorf("limit %d: %v", c.limit, err)
				}
			}
			if n := log.count("too long"); n != 1 {
				t.Errorf("limit %d: told %d times", c.limit, n)
			}
			waittest.Pass(10 * time.Second)
			_ = s.Send("x", "", true, make([]byte, c.most+1))
			if n := log.count("too long"); n != 2 {
				t.Errorf("limit %d: told %d times", c.limit, n)
			}
			r.close()
			s.Close()
			<-s.Done()
			a.Close()
			b.Close()
		})
	}
}

func ids(s *side) (ids []uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		ids = append(ids, c.id)
	}
	return ids
}

// A channel is used in both directions, and streams are chosen by parity.
func TestReuseAndParity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		send := func(from, to *side, label string) {
			t.Helper()
			if err := from.Send(label, "", false, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if got := <-to.got; got != label+"//t/x" {
				t.Fatal(got)
			}
		}
		send(client, server, "a")
		send(server, client, "a")
		send(server, client, "b")
		send(client, server, "b")
		send(client, server, "c")
		send(server, client, "d")
		for _, s := range []*side{client, server} {
			if got := fmt.Sprint(ids(s)); got != "[2 1 4 3]" {
				t.Error("streams", got)
			}
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// What is sent at once goes on the channel the peer is about to open.
func TestWaitsForThePeersChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		server := start(a, false)
		peer := newRaw(t, b, true)
		<-server.ready
		for _, label := range []string{"", "other", ""} {
			if err := server.Send(label, "", false, []byte("to "+label)); err != nil {
				t.Fatal(err)
			}
		}
		waittest.Pass(300 * time.Millisecond)
		s := peer.open(0, open{label: DefaultLabel})
		s.want(ppidText, "to ") // before the ACK of nothing else
		if n := server.Stats(); n.Channels != 1 || n.Sent != 1 {
			t.Errorf("%+v", n)
		}
		// The second waits for a label nobody opens, the third behind it.
		other := peer.accept()
		other.want(ppidDCEP, string(open{label: "other"}.marshal()))
		other.want(ppidText, "to other")
		s.want(ppidText, "to ")
		peer.close()
		stop(t, []*side{server}, a, b)
	})
}

func TestChannelLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		<-client.ready
		waittest.Pass(2 * openDelay)
		for i := range maxChannels - 10 {
			if err := client.Send(fmt.Sprint(i), "", false, []byte("x")); err != nil {
				t.Fatal(i, err)
			}
			<-server.got
		}
		for i := range 10 { // the other parity has room left
			if err := server.Send(fmt.Sprint("s", i), "", false, []byte("x")); err != nil {
				t.Fatal(i, err)
			}
			<-client.got
		}
		if err := client.Send("one more", "", false, []byte("x")); err != ErrNoChannels {
			t.Error(err)
		}
		if err := client.Send("0", "", false, []byte("x")); err != nil {
			t.Error("a channel that is open:", err)
		}
		if n := client.Stats().Channels; n != maxChannels {
			t.Error(n)
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// Beyond the bound Send fails, at once, and nothing is lost below it.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		payload := make([]byte, 60000)
		accepted := 0
		for i := 0; ; i++ {
			binary.BigEndian.PutUint32(payload, uint32(i))
			err := client.Send("", "", true, payload)
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			accepted++
		}
		if n := accepted * len(payload); n > maxHeld || n < maxHeld*7/10 {
			t.Errorf("%d bytes accepted", n)
		}
		for i := range accepted {
			if got := <-server.got; got[len(got)-len(payload):][:4] != string([]byte{0, 0, byte(i >> 8), byte(i)}) {
				t.Fatal("out of order at", i)
			}
		}
		if err := client.Send("", "", true, payload); err != nil {
			t.Error("afterwards:", err)
		}
		<-server.got
		stop(t, []*side{client, server}, a, b)
	})
}

// OnReady comes with the association and each time all has arrived.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		for range 5 {
			<-client.ready
			synctest.Wait()
			if len(client.ready) != 0 {
				t.Fatal("ready twice")
			}
			if err := client.Send("", "", false, []byte("x")); err != nil {
				t.Fatal(err)
			}
			<-server.got
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// On the wire there are 300 streams each way, and the checksum is right: else
// nothing would be answered.
func TestStreamsNegotiated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		var seen atomic.Int32
		for _, w := range []*wire{a, b} {
			w.watch = func(p []byte) {
				if !isInit(p) {
					return
				}
				seen.Add(1)
				if out, in := binary.BigEndian.Uint16(p[24:]), binary.BigEndian.Uint16(p[26:]); out != 300 || in != 300 {
					t.Errorf("chunk %d: %d out, %d in", p[12], out, in)
				}
			}
		}
		client, server := start(a, true), start(b, false)
		<-client.ready
		<-server.ready
		if n := seen.Load(); n < 3 {
			t.Error("only", n, "INIT and INIT ACK")
		}
		if n := client.conn.peerStreams.Load(); n != 300 {
			t.Error("the peer has", n)
		}
		stop(t, []*side{client, server}, a, b)
	})
}

// Once what comes is thrown away, closing again changes nothing.
func TestDrainOutlivesClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		c := &conn{Conn: a}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.drain()
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := b.Write([]byte("whatever")); err != nil {
			t.Fatal(err)
		}
		waittest.Pass(time.Second)
		if n := a.unread(); n != 0 {
			t.Error(n, "records unread")
		}
		a.Close()
		<-done
	})
}

// Closing the association leaves the connection, and what still comes is read.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		<-client.ready
		<-server.ready
		client.Close()
		<-client.closed
		<-server.closed // by ABORT
		for range 100 {
			if _, err := b.Write([]byte("whatever")); err != nil {
				t.Fatal(err)
			}
		}
		waittest.Pass(time.Second)
		if n := a.unread(); n != 0 {
			t.Error(n, "records unread")
		}
		stop(t, []*side{client, server}, a, b)
	})
	synctest.Test(t, func(t *testing.T) { // before there is anybody
		a, b := newWires(nil)
		s := start(a, true)
		if err := s.Send("", "", false, []byte("never")); err != nil {
			t.Error(err)
		}
		waittest.Pass(3 * time.Second)
		stop(t, []*side{s}, a, b)
	})
	synctest.Test(t, func(t *testing.T) { // at once
		a, b := newWires(nil)
		stop(t, []*side{start(a, true), start(b, false)}, a, b)
	})
}

func TestConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := startPair(nil)
		<-client.ready
		_ = a.Close()
		<-client.closed
		_ = b.Close()
		<-server.closed
		stop(t, []*side{client, server})
	})
}

// A peer that never answers: the attempt ends some day, and leaves nothing.
func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		s := start(a, true)
		<-s.closed
		stop(t, []*side{s}, a, b)
	})
}

func TestCallbacksMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		echo := make(chan *Association, 1)
		one := Start(Config{Conn: a, Client: true,
			OnReady: func() {},
			OnMessage: func(label, protocol string, binary bool, payload []byte) {
				s := <-echo
				echo <- s
				if err := s.Send(label, protocol, binary, payload); err != nil {
					t.Error(err)
				}
				if string(payload) == "end" {
					s.Close()
				}
			}})
		echo <- one
		other := start(b, false)
		for _, text := range []string{"one", "two", "end"} {
			if err := other.Send("x", "", false, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		<-one.Done()
		<-other.closed
		stop(t, []*side{other}, a, b)
	})
}
