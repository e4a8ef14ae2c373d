//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	api "bifrons/api/client"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// fortress is the server in a process of its own, which may use 1 GB.
type fortress struct {
	t        testing.TB
	pid      int
	log      string // file
	http, ws string // host:port
}

const processLimit = 1 << 30 // bytes

// startFortress builds the server and starts it on an address.
func startFortress(t testing.TB, addr string) *fortress {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "bifrons")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := siegeAt(addr)
	p.t, p.log = t, filepath.Join(dir, "log")
	for name, text := range map[string]string{
		"janus":                      `general: { session_timeout = 30 } nat: { ice_enforce_list = "127.0.0.1" }`,
		"janus.transport.http":       `general: { http = true; port = 18088; ip = "` + addr + `" }`,
		"janus.transport.websockets": `general: { ws = true; ws_port = 18188; ws_ip = "` + addr + `" }`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -d %d; ulimit -n 2048; exec "$0" "$@"`, processLimit>>10), binary, "-F", dir, "-L", p.log)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server: %v\n%.5000s", err, output.String())
			}
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Error("the server does not end")
		}
	})
	waittest.Until(t, "the server is there", func() bool {
		res, err := nethttp.Get("http://" + p.http + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	return p
}

// siegeAt is where the server of TestSiege is.
func siegeAt(addr string) *fortress { return &fortress{http: addr + ":18088", ws: addr + ":18188"} }

// memory is a value of /proc/PID/status, in bytes: VmRSS now, VmHWM at most.
func (p *fortress) memory(name string) int {
	p.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n << 10
		}
	}
	return 0
}

// siege is clients of a server that do what they can to it, until it is over.
type siege struct {
	*fortress
	ctx  context.Context
	wg   sync.WaitGroup
	done [8]atomic.Int64
}

// from is a dialer for connections from an address, which are closed in the
// end.
func (s *siege) from(addr string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: patience}
}

// repeat runs n attackers that do something again and again.
func (s *siege) repeat(n int, pause time.Duration, f func()) {
	for range n {
		s.wg.Go(func() {
			for s.ctx.Err() == nil {
				f()
				select {
				case <-time.After(pause):
				case <-s.ctx.Done():
				}
			}
		})
	}
}

// hold makes a connection, writes something and keeps it until the other side
// closes it, or for as long as the siege lasts.
func (s *siege) hold(addr, text string) {
	c, err := s.from(addr).DialContext(s.ctx, "tcp", s.http)
	if err != nil {
		return
	}
	defer context.AfterFunc(s.ctx, func() { c.Close() })()
	defer c.Close()
	if _, err := io.WriteString(c, text); err == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// client is an HTTP client at an address.
func (s *siege) client(addr string) *nethttp.Client {
	return &nethttp.Client{Timeout: 10 * time.Second, Transport: &nethttp.Transport{DialContext: s.from(addr).DialContext, DisableKeepAlives: true}}
}

func (s *siege) post(c *nethttp.Client, path, body string) []byte {
	r, _ := nethttp.NewRequestWithContext(s.ctx, "POST", "http://"+s.http+path, strings.NewReader(body))
	res, err := c.Do(r)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return b
}

// texts posts a megabyte of something that takes much memory once it is parsed.
func (s *siege) texts(addr string, n int) {
	const size = 1 << 20
	for i, unit := range []string{"0,", "[],", `{"":0},`, `"\n",`, "   "} {
		text := `{"janus":"create","transaction":"x","a":[` + strings.Repeat(unit, (size-100)/len(unit)) + `0]}`
		c := s.client(addr)
		s.repeat((n+i)/5, 10*time.Millisecond, func() {
			s.post(c, "/janus", text)
			s.done[0].Add(1)
		})
	}
	body := "POST /janus HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(" ", 999_999)
	s.repeat(4*n, 100*time.Millisecond, func() { s.hold(addr, body) })
}

// strangers open connections and say little.
func (s *siege) strangers(addr string, n int) {
	s.repeat(n, 50*time.Millisecond, func() {
		s.hold(addr, "GET /janus/info HTTP/1.1\r\nHost:")
		s.done[1].Add(1)
	})
	s.repeat(n/5, 50*time.Millisecond, func() {
		if c, err := s.dial(addr); err == nil {
			stop := context.AfterFunc(s.ctx, func() { _ = c.Close(false) })
			_, _ = c.Receive()
			stop()
			_ = c.Close(false)
		}
	})
}

func (s *siege) dial(addr string) (api.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	return api.WebSocket(ctx, "ws://"+s.ws+"/", &websocket.DialOptions{
		HTTPClient: &nethttp.Client{Transport: &nethttp.Transport{DialContext: s.from(addr).DialContext}},
	})
}

// join has a client enter a room. Nobody reads its events.
func (s *siege) join(c *api.Client, room int, name string) (*api.Handle, error) {
	if err := c.Create(s.ctx); err != nil {
		return nil, err
	}
	h, err := c.Attach(s.ctx, roomPackage)
	if err != nil {
		return nil, err
	}
	h.Ignore()
	_, err = h.Message(s.ctx, message{
		"request": "join", "ptype": "publisher", "room": room, "display": name, "metadata": message{"x": strings.Repeat("m", 15_000)},
	}, nil)
	return h, err
}

// crowd fills a room: those who change their names as fast as they can, those
// who do not read what they get over a WebSocket, and those who do not poll.
func (s *siege) crowd(addr string, room, n int) {
	name := strings.Repeat("n", 4000)
	// again sends one request after the other, by n clients; the deaf ones read nothing.
	again := func(deaf bool, done *atomic.Int64, request func(i int) message) {
		s.repeat(n, 200*time.Millisecond, func() {
			conn, err := s.dial(addr)
			if err != nil {
				return
			}
			var joined atomic.Bool
			c := api.New(conn, func(*api.Message) {
				if deaf && joined.Load() {
					<-s.ctx.Done()
				}
			})
			defer c.Abort()
			h, err := s.join(c, room, name)
			joined.Store(true)
			for i := 0; err == nil && s.ctx.Err() == nil; i++ {
				if _, err = h.Send(s.ctx, message{"janus": "message", "body": request(i)}); err == nil {
					done.Add(1)
					time.Sleep(20 * time.Millisecond)
				}
			}
			if deaf {
				<-s.ctx.Done()
			}
		})
	}
	again(false, &s.done[2], func(i int) message {
		name := name
		if i%50 == 0 { // as long as they were in the days when that was allowed
			name = strings.Repeat(name, 200)
		}
		return message{"request": "configure", "display": fmt.Sprint(name, " ", i)}
	})
	again(true, &s.done[3], func(int) message { return message{"request": "listparticipants", "room": room} })
	s.repeat(5, 50*time.Millisecond, func() {
		c := api.New(api.HTTP("http://"+s.http+"/janus", api.HTTPOptions{Client: s.client(addr)}), nil)
		defer c.Close()
		if _, err := s.join(c, room, name); err != nil {
			return
		}
		s.done[4].Add(1)
		s.hold(addr, fmt.Sprintf("GET /janus/%d?maxev=1000 HTTP/1.1\r\nHost: x\r\n", c.Session()))
	})
}

// attackers is set for the process that attacks, which gets processor time last:
// it stands for other machines.
const attackers = "BIFRONS_ATTACKERS"

// besiege starts the attackers, until the context ends.
func (p *fortress) besiege(ctx context.Context) context.Context {
	p.t.Helper()
	ctx, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "chrt", "-o", "0", "nice", "-n", "39", os.Args[0], "-test.run=^TestSiege$", "-test.v")
	cmd.Env = append(os.Environ(), attackers+"="+strconv.Itoa(p.pid))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer end()
		if err := cmd.Wait(); err != nil {
			p.t.Errorf("the attackers: %v", err)
		}
		p.t.Logf("%s", output.String())
	}()
	return ctx
}

// attack is what the attackers do, all at once.
func attack(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), time.Duration(sized(3, 30))*time.Second)
	defer end()
	s := &siege{fortress: siegeAt("10.77.0.1"), ctx: ctx}
	s.texts("10.77.0.2", sized(5, 12))
	s.crowd("10.77.0.3", 1, sized(3, 20))
	s.strangers("10.77.0.4", sized(100, 1500))
	s.wg.Wait()
	t.Logf("texts %d, half-open %d, renames %d, lists %d, sessions that do not poll %d",
		s.done[0].Load(), s.done[1].Load(), s.done[2].Load(), s.done[3].Load(), s.done[4].Load())
}

// TestSiege: a server with 1 GB under all that clients can do to its memory and
// its connections at once. A call beside that goes on, and the memory comes back.
func TestSiege(t *testing.T) {
	if os.Getenv(attackers) != "" {
		attack(t)
		return
	}
	if !inNamespace(t, "ip link set lo up; for i in 1 2 3 4 5; do ip addr add 10.77.0.$i/24 dev lo; done", "go", "chrt") {
		return
	}
	p := startFortress(t, "10.77.0.1")
	v := &roomServer{t: t, c: dialURL(t, "ws://"+p.ws+"/", nil)}
	admin := v.c.attach(roomPackage)
	admin.message(message{"request": "create", "room": 1, "publishers": 1000}, nil)
	admin.message(message{"request": "create", "room": 2, "publishers": 1000}, nil)
	call := newPionPeer(t, v.c.attach(echoPackage), webrtctest.Options{})
	call.call(echoRequest(), nil)
	call.awaitUp()
	media := webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond}
	stop := call.KeepPlaying(media)
	waittest.Until(t, "the call", func() bool { return call.Seen.Count() > 50 && call.Heard.Count() > 50 })
	hogs := v.dataHogs(2, sized(1, 5))
	before := p.memory("VmRSS")

	from := [2]uint64{call.Audio.Sent.Load() + 1, call.Video.Sent.Load() + 1}
	ctx := p.besiege(t.Context())
	hogs(ctx)
	s := &siege{fortress: p, ctx: ctx}
	honest := s.client("10.77.0.5")
	honest.Timeout = patience
	asked, slowest := 0, time.Duration(0)
	for ctx.Err() == nil {
		begin := time.Now()
		b := s.post(honest, "/janus", `{"janus":"ping","transaction":"x"}`)
		if ctx.Err() == nil && !bytes.Contains(b, []byte("pong")) {
			t.Errorf("an honest client got %q", b)
		}
		asked, slowest = asked+1, max(slowest, time.Since(begin))
		v.c.request(message{"janus": "keepalive"})
		time.Sleep(50 * time.Millisecond)
	}
	to := [2]uint64{call.Audio.Sent.Load(), call.Video.Sent.Load()}
	sent := int(to[0] - from[0] + to[1] - from[1])
	missing := func() int { return call.Heard.Missing(from[0], to[0]) + call.Seen.Missing(from[1], to[1]) }
	waittest.Until(t, "nearly all of the call came back", func() bool { return missing()*100 <= sent })
	gap := max(call.Heard.Pause(from[0], to[0]), call.Seen.Pause(from[1], to[1]))
	peak := p.memory("VmHWM")
	t.Logf("%d MB before, %d MB at most; of %d packets %d are missing, the longest gap was %v; of %d honest requests the slowest took %v",
		before>>20, peak>>20, sent, missing(), gap, asked, slowest)
	log, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte("too many connections ask for nothing"); soak() && !bytes.Contains(log, want) {
		t.Errorf("the log does not say that %s", want)
	}
	if peak > processLimit {
		t.Errorf("it took %d MB", peak>>20)
	}
	if soak() {
		if gap > 100*time.Millisecond {
			t.Errorf("the call had a gap of %v", gap)
		}
		for range 6 {
			v.c.request(message{"janus": "keepalive"})
			time.Sleep(10 * time.Second)
		}
		if now := p.memory("VmRSS"); now > 100<<20 {
			t.Errorf("a minute later it still has %d MB", now>>20)
		} else {
			t.Logf("a minute later it has %d MB", now>>20)
		}
	}
	stop()
	call.Close()
}

// dataHogs makes viewers of somebody who sends data; what is returned has them
// vanish, and him send more than they will ever acknowledge.
func (v *roomServer) dataHogs(room, n int) func(ctx context.Context) {
	v.t.Helper()
	h := v.c.attach(roomPackage)
	h.message(message{"request": "join", "ptype": "publisher", "room": room, "id": 1}, nil)
	h.awaitData("videoroom", "joined")
	p := &speaker{newPionPeer(v.t, h, webrtctest.Options{}), 1}
	p.AddChannel()
	p.publish(nil)
	p.awaitUp()
	waittest.Closed(p.t, "the data channel", p.Open)
	var hogs []*viewer
	for range n {
		hogs = append(hogs, v.view(room, webrtctest.Options{}, 1))
	}
	return func(ctx context.Context) {
		for _, w := range hogs {
			w.Wire.Sever()
		}
		go func() {
			text := strings.Repeat("x", 16<<10)
			for ctx.Err() == nil && p.Channel.SendText(text) == nil {
				time.Sleep(5 * time.Millisecond)
			}
		}()
	}
}
