package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"

	pion "github.com/pion/ice/v4"
)

// socketAgent runs an agent on a real socket, in one goroutine.
type socketAgent struct {
	conn     *net.UDPConn
	agent    *Agent
	commands chan func(now mono.Time)
	selected chan Path
	media    chan string
	done     chan struct{}
}

func startSocketAgent(t *testing.T, cfg Config) *socketAgent {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &socketAgent{conn: conn, commands: make(chan func(mono.Time), 16),
		selected: make(chan Path, 64), media: make(chan string, 64), done: make(chan struct{})}
	cfg.Local = Credentials{"socketua", "socketpasswordsocketpassword"}
	cfg.Send = func(p Path, b []byte) { conn.WriteToUDPAddrPort(b, p.Remote) }
	s.agent = NewAgent(cfg)
	s.agent.AddLocal(Candidate{Foundation: "1", Component: 1, Transport: "udp",
		Priority: priority(Host, 65535), Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()})
	go s.loop()
	t.Cleanup(func() {
		conn.Close()
		<-s.done
	})
	return s
}

func (s *socketAgent) loop() {
	defer close(s.done)
	local := s.conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	buf := make([]byte, 2048)
	for {
		wait := min(s.agent.Deadline().Sub(mono.Now()), 20*time.Millisecond)
		s.conn.SetReadDeadline(time.Now().Add(wait))
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		now := mono.Now()
		switch {
		case err == nil:
			p := Path{Local: local, Remote: from}
			if IsSTUN(buf[:n]) {
				s.agent.Handle(now, p, buf[:n])
			} else if s.agent.Valid(p) {
				s.agent.Received(now, p)
				s.media <- string(buf[:n])
			}
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
		for more := true; more; {
			select {
			case f := <-s.commands:
				f(now)
			default:
				more = false
			}
		}
		if s.agent.Deadline() <= now {
			s.agent.Advance(now)
		}
		for {
			e, ok := s.agent.PollEvent()
			if !ok {
				break
			}
			if e.Kind == SelectedPath {
				s.selected <- e.Path
			}
		}
	}
}

// call runs f on the agent's goroutine.
func (s *socketAgent) call(f func(now mono.Time)) {
	done := make(chan struct{})
	s.commands <- func(now mono.Time) {
		f(now)
		close(done)
	}
	<-done
}

// TestPion connects with pion/ice over loopback, and sends both ways.
func TestPion(t *testing.T) {
	for bits := range 16 {
		weLite, theyLite, control, regular := bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0
		if weLite && (theyLite || control) || theyLite && !control {
			continue // the other way round is the same, or impossible
		}
		name := fmt.Sprintf("lite=%v,theirs=%v,controlling=%v,regular=%v", weLite, theyLite, control, regular)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testPion(t, Config{Lite: weLite, Controlling: control, RegularNomination: regular}, theyLite)
		})
	}
}

func testPion(t *testing.T, cfg Config, theyLite bool) {
	s := startSocketAgent(t, cfg)
	they, err := pion.NewAgentWithOptions(
		pion.WithNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4}),
		pion.WithIncludeLoopback(),
		pion.WithIPFilter(func(ip net.IP) bool { return ip.IsLoopback() }),
		pion.WithMulticastDNSMode(pion.MulticastDNSModeDisabled),
		pion.WithCandidateTypes([]pion.CandidateType{pion.CandidateTypeHost}),
		pion.WithICELite(theyLite),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer they.Close()
	if err := they.OnCandidate(func(c pion.Candidate) {
		s.call(func(now mono.Time) {
			if c == nil {
				s.agent.EndOfRemote(now)
				return
			}
			mine, err := ParseCandidate("candidate:" + c.Marshal())
			if err != nil {
				t.Errorf("%s: %v", c.Marshal(), err)
			}
			s.agent.AddRemote(now, mine)
		})
	}); err != nil {
		t.Fatal(err)
	}
	ufrag, pwd, err := they.GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	var local Candidate
	s.call(func(now mono.Time) {
		local = *s.agent.locals[0]
		s.agent.SetRemote(now, Credentials{ufrag, pwd}, theyLite)
	})
	if err := they.GatherCandidates(); err != nil {
		t.Fatal(err)
	}
	c, err := pion.UnmarshalCandidate(local.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := they.AddRemoteCandidate(c); err != nil {
		t.Fatal(err)
	}
	if cfg.Lite {
		if err := they.SetRemoteICELite(true); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience)
	defer cancel()
	connect := they.Dial
	if cfg.Controlling {
		connect = they.Accept
	}
	conn, err := connect(ctx, s.agent.cfg.Local.Ufrag, s.agent.cfg.Local.Pwd)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exchange(t, ctx, s, conn)
}

// exchange sends one packet each way.
func exchange(t *testing.T, ctx context.Context, s *socketAgent, conn *pion.Conn) {
	var p Path
	select {
	case p = <-s.selected:
	case <-ctx.Done():
		t.Fatal("we have no path")
	}
	var received netip.AddrPort
	s.call(func(now mono.Time) {
		if q, ok := s.agent.Selected(); ok {
			p, received = q, q.Remote
		}
		s.conn.WriteToUDPAddrPort([]byte("\x80from us"), p.Remote)
	})
	if !received.IsValid() {
		t.Error("the path was lost")
	}
	conn.SetReadDeadline(time.Now().Add(waittest.Patience))
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "\x80from us" {
		t.Errorf("they got %q, %v", buf[:n], err)
	}
	if _, err := conn.Write([]byte("\x80from them")); err != nil {
		t.Error(err)
	}
	select {
	case b := <-s.media:
		if b != "\x80from them" {
			t.Errorf("we got %q", b)
		}
	case <-ctx.Done():
		t.Error("we got nothing")
	}
}
