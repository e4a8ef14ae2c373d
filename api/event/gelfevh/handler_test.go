package gelfevh

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

type rig struct {
	*testing.T
	*event.Outlet
	handler *Handler
	paused  chan struct{} // each pause tells that it begins
	resume  chan struct{} // and waits for one to end
}

func start(t *testing.T, address string, change func(s *Settings)) *rig {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := Defaults()
	s.Enabled, s.Events, s.Backend = true, []string{"all"}, host
	fmt.Sscan(port, &s.Port)
	if change != nil {
		change(&s)
	}
	log := slog.New(slog.DiscardHandler)
	r := &rig{T: t, handler: New(s, log), paused: make(chan struct{}, 10_000), resume: make(chan struct{})}
	r.handler.pause = func(ctx context.Context, d time.Duration) {
		r.paused <- struct{}{}
		select {
		case <-r.resume:
		case <-ctx.Done():
		}
	}
	r.Outlet = event.NewOutlet(r.handler, s.Settings, "me", log)
	r.Start()
	t.Cleanup(func() { r.Close(0) })
	return r
}

func (r *rig) send(body string) {
	r.Notify(&janus.Notification{Type: janus.NotifyWebRTC, Subtype: 6, Time: time.UnixMicro(1777000000123456), Session: 1, Handle: 2, Event: []byte(body)})
}

// text is the message for an event with this body.
func text(body string) string {
	return `{"timestamp":1777000000.123456,"host":"me","version":"1.1","level":16,"short_message":"WebRTC","full_message":` +
		`{"emitter":"me","type":16,"subtype":6,"timestamp":1777000000123456,"session_id":1,"handle_id":2,"event":` + body + `}}`
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func packet(t *testing.T, c *net.UDPConn) []byte {
	t.Helper()
	b := make([]byte, 65536)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestUDP(t *testing.T) {
	c := listenUDP(t)
	r := start(t, c.LocalAddr().String(), nil)
	r.send(`{"a":1}`)
	r.send(`{"b":2}`)
	for _, body := range []string{`{"a":1}`, `{"b":2}`} {
		if got := string(packet(t, c)); got != text(body) {
			t.Errorf("got  %s\nwant %s", got, text(body))
		}
	}
}

func TestChunks(t *testing.T) {
	c := listenUDP(t)
	r := start(t, c.LocalAddr().String(), func(s *Settings) { s.MaxLength = 100 })
	r.send(`{"x":"` + strings.Repeat("z", 200*100) + `"}`) // too long
	var ids []uint64
	for _, n := range []int{1, 1000, 12000} {
		body := `{"x":"` + strings.Repeat("y", n) + `"}`
		r.send(body)
		want := text(body)
		count := (len(want) + 99) / 100
		var got []byte
		for i := range count {
			b := packet(t, c)
			if len(b) < 12 || b[0] != 0x1e || b[1] != 0x0f || int(b[10]) != i || int(b[11]) != count || len(b) > 112 {
				t.Fatalf("chunk %d of %d: % x", i, count, b[:min(len(b), 12)])
			}
			if id := binary.BigEndian.Uint64(b[2:]); i == 0 {
				ids = append(ids, id)
			} else if id != ids[len(ids)-1] {
				t.Errorf("the id changes within a message")
			}
			got = append(got, b[12:]...)
		}
		if string(got) != want {
			t.Errorf("got %s", got)
		}
	}
	if ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("ids %v", ids)
	}
	if st := r.Stats(); st.Lost != 1 {
		t.Errorf("%+v", st)
	}
}

func TestGzip(t *testing.T) {
	c := listenUDP(t)
	r := start(t, c.LocalAddr().String(), func(s *Settings) { s.Compress = true })
	body := `{"x":"` + strings.Repeat("z", 5000) + `"}`
	r.send(body)
	z, err := gzip.NewReader(bytes.NewReader(packet(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != text(body) {
		t.Errorf("%v %s", err, got)
	}
}

// TestTCP: the server is not there at first, goes and comes back.
func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r := start(t, address, func(s *Settings) { s.Protocol, s.Compress = "tcp", true })
	r.send(`{"n":0}`)
	<-r.paused
	r.resume <- struct{}{}
	<-r.paused // no try is on its way
	waittest.Until(t, "the address to be free", func() bool { l, err = net.Listen("tcp", address); return err == nil })
	defer l.Close()
	r.resume <- struct{}{}
	read := func(c net.Conn, body string) {
		t.Helper()
		want := text(body) + "\x00"
		b := make([]byte, len(want))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
			t.Errorf("%v %q", err, b)
		}
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	read(c, `{"n":0}`)
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	// What is written before the reset arrives is lost without an error.
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	for done := false; !done; {
		r.send(`{"n":1}`)
		select {
		case c = <-accepted:
			done = true
		case r.resume <- struct{}{}:
		case <-time.After(10 * time.Millisecond):
		}
	}
	defer c.Close()
	read(c, `{"n":1}`)
}

// TestHangingTCP: a server that reads nothing does not keep the handler from
// ending.
func TestHangingTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := start(t, l.Addr().String(), func(s *Settings) { s.Protocol = "tcp" })
	big := `"` + strings.Repeat("z", 1<<20) + `"`
	for range 60 {
		r.send(big)
	}
	r.Close(0)
	if st := r.Stats(); st.Lost == 0 {
		t.Errorf("%+v", st)
	}
}

func TestTweak(t *testing.T) {
	old, fresh := listenUDP(t), listenUDP(t)
	r := start(t, old.LocalAddr().String(), nil)
	_, port, _ := net.SplitHostPort(fresh.LocalAddr().String())
	for request, want := range map[string]string{
		`{"request":"tweak","backend":"127.0.0.1"}`:             "port should be from 1 to 65535",
		`{"request":"tweak","backend":"127.0.0.1","port":0}`:    "port should be from 1 to 65535",
		`{"request":"tweak","backend":"","port":1}`:             "backend should be a non-empty string",
		`{"request":"tweak","protocol":"sctp"}`:                 "protocol should be udp or tcp",
		`{"request":"tweak","max_message_len":0}`:               "max_message_len should be from 1 to 65495",
		`{"request":"tweak","compression":10,"compress":false}`: "compression should be from 0 to 9",
	} {
		if got := string(r.Query([]byte(request))); got != `{"error_code":413,"error":"Invalid element type (`+want+`)"}` {
			t.Errorf("%s: %s", request, got)
		}
	}
	r.send(`{"old":1}`)
	packet(t, old)
	if got := string(r.Query([]byte(`{"request":"tweak","backend":"127.0.0.1","port":"` + port + `","max_message_len":9000,"compress":false,"compression":9}`))); got != `{"result":200}` {
		t.Error(got)
	}
	r.send(`{"fresh":1}`)
	if got := string(packet(t, fresh)); got != text(`{"fresh":1}`) {
		t.Error(got)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if s, problems := Load(dir); s.Enabled || problems != nil {
		t.Errorf("no file: %+v %v", s, problems)
	}
	write := func(text string) (Settings, int) {
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, problems := Load(dir)
		return s, len(problems)
	}
	s, n := write(`general: { enabled = true; events = "all"; backend = "your.gelf.server"; port = "12201"; protocol = "tcp"; max_message_len = 1024; compress = true; compression = 9 }`)
	if n != 0 || s.Port != 12201 || s.Protocol != "tcp" || s.MaxLength != 1024 || !s.Compress || s.Compression != 9 {
		t.Errorf("%d problems: %+v", n, s)
	}
	if _, n := write(`general: { enabled = true; backend = "x" }`); n != 1 {
		t.Errorf("%d problems, want 1", n)
	}
}
