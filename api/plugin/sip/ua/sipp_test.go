package ua

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// sipp is a scenario that the program sipp plays, made of steps:
//
//	send INVITE|ACK|BYE|CANCEL   a request; "+sdp" has a description
//	send 200                     a response to what was received last; "+sdp"
//	recv INVITE, recv 200        what has to come; "?" = it may
type sipp struct {
	t    testing.TB
	dir  string
	port uint16
	cmd  *exec.Cmd
	done chan error
}

const sippSDP = "\nv=0\no=user1 53655765 2353687637 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"

// sippXML writes a scenario. caller says whether it calls.
func sippXML(caller bool, steps []string) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"test\">\n")
	seq := 1
	established := false
	for i, step := range steps {
		verb, what, _ := strings.Cut(step, " ")
		what, sdp := strings.CutSuffix(what, "+sdp")
		body := "Content-Length: 0\n"
		if sdp {
			body = "Content-Type: application/sdp\nContent-Length: [len]\n" + sippSDP
		}
		isCode := what[0] >= '1' && what[0] <= '6'
		switch {
		case verb == "pause":
			fmt.Fprintf(&b, "<pause milliseconds=\"%s\"/>\n", what)
		case verb == "recv":
			what, maybe := strings.CutSuffix(what, "?")
			opt := ""
			if maybe {
				opt = ` optional="true"`
			}
			if isCode {
				fmt.Fprintf(&b, "<recv response=\"%s\"%s rrs=\"true\" timeout=\"20000\"/>\n", what, opt)
				established = established || what == "200"
			} else {
				fmt.Fprintf(&b, "<recv request=\"%s\"%s rrs=\"true\" timeout=\"20000\"/>\n", what, opt)
			}
		case isCode:
			tag := ";tag=[pid]SIPpTag[call_number]"
			if i > 0 && established {
				tag = ""
			}
			reason := Reason(atoi(what))
			more := "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n"
			number := "[last_CSeq:]"
			if what == "487" { // to the INVITE, after a CANCEL
				number = "CSeq: 1 INVITE"
			}
			if what == "302" {
				more = "Contact: <sip:other@127.0.0.9>\n"
			}
			fmt.Fprintf(&b, "<send%s><![CDATA[\nSIP/2.0 %s %s\n[last_Via:]\n[last_From:]\n[last_To:]%s\n[last_Call-ID:]\n%s\n%s%s\n]]></send>\n",
				map[bool]string{true: ` retrans="500"`}[what == "200" && sdp], what, reason, tag, number, more, body)
			if what == "200" && sdp {
				established = true
			}
		case caller:
			to := "<sip:[service]@[remote_ip]:[remote_port]>"
			peer := to
			if established {
				peer = to + "[peer_tag_param]"
			}
			target := "sip:[service]@[remote_ip]:[remote_port]"
			if established {
				target = "[next_url]"
			}
			if what == "INVITE" || what == "BYE" {
				if established {
					seq++
				}
			}
			branch := "[branch]"
			if what == "CANCEL" {
				branch = "[branch-2]" // that of the INVITE
			}
			if what == "ACK!" { // of a refusal
				what, branch, peer = "ACK", "[branch-2]", to+"[peer_tag_param]"
			}
			fmt.Fprintf(&b, "<send%s><![CDATA[\n%s %s SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=%s\nFrom: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]\n"+
				"To: %s\nCall-ID: [call_id]\nCSeq: %d %s\nContact: sip:sipp@[local_ip]:[local_port]\nMax-Forwards: 70\n%s\n]]></send>\n",
				map[bool]string{true: ` retrans="500"`}[what != "ACK"], what, target, branch, peer, seq, what, body)
		default: // who was called, in the dialog
			seq++
			fmt.Fprintf(&b, "<send%s><![CDATA[\n%s [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nFrom: <sip:bob@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]\n"+
				"To: [$1]\nCall-ID: [call_id]\nCSeq: %d %s\nContact: sip:bob@[local_ip]:[local_port]\nMax-Forwards: 70\n%s\n]]></send>\n",
				map[bool]string{true: ` retrans="500"`}[what != "ACK"], what, seqOf(what, &seq), what, body)
		}
		if i == 0 && !caller {
			// The To of our own requests is the From of the INVITE.
			s := b.String()
			s = strings.TrimSuffix(strings.TrimSpace(s), "/>")
			b.Reset()
			b.WriteString(s + "><action><ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" check_it=\"true\" assign_to=\"1\"/></action></recv>\n")
		}
	}
	if !caller {
		b.WriteString("<Reference variables=\"1\"/>\n")
	}
	b.WriteString("</scenario>\n")
	return b.String()
}

// seqOf is the number of a request: an ACK has that of its INVITE.
func seqOf(method string, seq *int) int {
	if method == "ACK" {
		*seq--
	}
	return *seq
}

// start runs sipp with a scenario until it is over.
func startSipp(t testing.TB, steps []string, more ...string) *sipp {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("no sipp (Debian's sip-tester): no independent user agent")
	}
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &sipp{t: t, dir: t.TempDir(), port: addrPort(u.LocalAddr()).Port(), done: make(chan error, 1)}
	u.Close()
	file := filepath.Join(s.dir, "scenario.xml")
	if err := os.WriteFile(file, []byte(sippXML(len(more) > 0, steps)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-sf", file, "-i", "127.0.0.1", "-p", itoa(int(s.port)), "-m", "1", "-nostdin", "-timeout", "60s", "-trace_err",
		"-trace_msg", "-message_file", filepath.Join(s.dir, "messages"), "-error_file", filepath.Join(s.dir, "errors")}, more...)
	s.cmd = exec.Command(path, args...)
	s.cmd.Dir = s.dir
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(s.dir, "messages"))
			x, _ := os.ReadFile(filepath.Join(s.dir, "errors"))
			t.Logf("%s\n%s", b, x)
		}
	})
	return s
}

// ends checks that sipp has seen all that it wanted.
func (s *sipp) ends() {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- nil
		if err != nil {
			s.t.Errorf("sipp: %v", err)
		}
	case <-time.After(waittest.Patience):
		s.t.Error("sipp does not end")
	}
}

func TestSippAnswers(t *testing.T) {
	for _, x := range []struct {
		name  string
		steps []string
		run   func(t *testing.T, c *Call, h *ear)
		kinds []string
		code  int
	}{
		{"answer", []string{"recv INVITE", "send 100", "send 180", "send 200+sdp", "recv ACK", "recv BYE", "send 200"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "answered", 1)
			_ = c.Hangup(nil)
		}, []string{"provisional", "answered", "ended"}, 200},
		{"early media", []string{"recv INVITE", "send 183+sdp", "pause 100", "send 200+sdp", "recv ACK", "recv BYE", "send 200"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "answered", 1)
			if x := what[Answer](t, h, "provisional"); x.Code != 183 || x.SDP == "" {
				t.Errorf("%+v", x)
			}
			_ = c.Hangup(nil)
		}, []string{"provisional", "answered", "ended"}, 200},
		{"busy", []string{"recv INVITE", "send 486", "recv ACK"}, nil, []string{"ended"}, 486},
		{"moved", []string{"recv INVITE", "send 302", "recv ACK"}, nil, []string{"ended"}, 302},
		{"they hang up", []string{"recv INVITE", "send 200+sdp", "recv ACK", "send BYE", "recv 200"}, nil, []string{"answered", "ended"}, 200},
		{"they re-INVITE", []string{"recv INVITE", "send 200+sdp", "recv ACK", "send INVITE+sdp", "recv 100?", "recv 200", "send ACK", "recv BYE", "send 200"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "reinvited", 1)
			_ = c.AnswerReinvite("v=0\r\n", nil)
			waittest.Until(t, "ACK", func() bool {
				c.a.e.mu.Lock()
				defer c.a.e.mu.Unlock()
				return c.theirs == nil && c.ok == nil
			})
			_ = c.Hangup(nil)
		}, []string{"answered", "reinvited", "ended"}, 200},
		{"we re-INVITE", []string{"recv INVITE", "send 200+sdp", "recv ACK", "recv INVITE", "send 200+sdp", "recv ACK", "recv BYE", "send 200"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "answered", 1)
			_ = c.Reinvite("v=0\r\n", nil)
			h.until(t, "answered", 2)
			_ = c.Hangup(nil)
		}, []string{"answered", "answered", "ended"}, 200},
		{"glare", []string{"recv INVITE", "send 200+sdp", "recv ACK", "recv INVITE", "send 491", "recv ACK", "recv INVITE", "send 200+sdp", "recv ACK", "recv BYE", "send 200"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "answered", 1)
			_ = c.Reinvite("v=0\r\n", nil)
			h.until(t, "answered", 2)
			_ = c.Hangup(nil)
		}, []string{"answered", "answered", "ended"}, 200},
		{"cancel", []string{"recv INVITE", "send 180", "recv CANCEL", "send 200", "send 487", "recv ACK"}, func(t *testing.T, c *Call, h *ear) {
			h.until(t, "provisional", 1)
			_ = c.Hangup(nil)
		}, []string{"provisional", "ended"}, 487},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := startSipp(t, x.steps)
			e := realWith(t, Config{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
			h := &ear{}
			a, err := e.Account(AccountConfig{Identity: "sip:alice@127.0.0.1"}, h)
			if err != nil {
				t.Fatal(err)
			}
			c := s.call(a)
			if x.run != nil {
				x.run(t, c, h)
			}
			h.until(t, "ended", 1)
			s.ends()
			if k := h.kinds(); !slices.Equal(k, x.kinds) || what[End](t, h, "ended").Code != x.code {
				t.Errorf("%q %+v", k, what[End](t, h, "ended"))
			}
			if s := e.Stats(); s.Calls != 0 || s.Dialogs != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// call calls sipp, when it has begun to listen.
func (s *sipp) call(a *Account) *Call {
	s.t.Helper()
	waittest.Until(s.t, "sipp listens", func() bool {
		select {
		case err := <-s.done:
			s.done <- err
			s.t.Fatalf("sipp: %v", err)
		default:
		}
		sockets, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			s.t.Skip("it cannot be told when sipp listens:", err)
		}
		return strings.Contains(string(sockets), fmt.Sprintf(" 0100007F:%04X ", s.port))
	})
	c, err := a.Call(CallConfig{URI: "sip:bob@127.0.0.1:" + itoa(int(s.port)), SDP: strings.ReplaceAll(sdpText, "192.0.2.2", "127.0.0.1")})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestSippCalls(t *testing.T) {
	for _, x := range []struct {
		name  string
		tcp   bool
		steps []string
		run   func(t *testing.T, h *ear)
		kinds []string
		code  int
	}{
		{"call", false, []string{"send INVITE+sdp", "recv 100?", "recv 180?", "recv 200", "send ACK", "pause 100", "send BYE", "recv 200"}, nil, []string{"incoming", "ended"}, 200},
		{"call by TCP", true, []string{"send INVITE+sdp", "recv 100?", "recv 180?", "recv 200", "send ACK", "pause 100", "send BYE", "recv 200"}, nil, []string{"incoming", "ended"}, 200},
		{"ACK late", false, []string{"send INVITE+sdp", "recv 100?", "recv 180?", "recv 200", "pause 1200", "send ACK", "send BYE", "recv 200"}, nil, []string{"incoming", "ended"}, 200},
		{"re-INVITE", false, []string{"send INVITE+sdp", "recv 100?", "recv 180?", "recv 200", "send ACK", "send INVITE+sdp", "recv 100?", "recv 200", "send ACK", "send BYE", "recv 200"}, nil,
			[]string{"incoming", "reinvited", "ended"}, 200},
		{"no offer", false, []string{"send INVITE", "recv 100?", "recv 180?", "recv 200", "send ACK+sdp", "send BYE", "recv 200"}, nil, []string{"incoming", "answered", "ended"}, 200},
		{"we hang up", false, []string{"send INVITE+sdp", "recv 100?", "recv 180?", "recv 200", "send ACK", "recv BYE", "send 200"}, func(t *testing.T, h *ear) {
			c := h.last(t, "incoming").call
			waittest.Until(t, "accepted", func() bool { return c.State() == Established })
			_ = c.Hangup(nil)
		}, []string{"incoming", "ended"}, 200},
	} {
		t.Run(x.name, func(t *testing.T) {
			cfg := Config{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
			e := realWith(t, cfg)
			h := &ear{hook: func(h heard) {
				switch h.kind {
				case "incoming":
					_ = h.call.Ring()
					_ = h.call.Accept("v=0\r\n", nil)
				case "reinvited":
					_ = h.call.AnswerReinvite("v=0\r\n", nil)
				}
			}}
			if _, err := e.Account(AccountConfig{Identity: "sip:alice@127.0.0.1"}, h); err != nil {
				t.Fatal(err)
			}
			args := []string{"-s", "alice", e.at(UDP)}
			if x.tcp {
				args = append([]string{"-t", "t1"}, args...)
			}
			s := startSipp(t, x.steps, args...)
			if x.run != nil {
				h.until(t, "incoming", 1)
				x.run(t, h)
			}
			h.until(t, "ended", 1)
			s.ends()
			if k := h.kinds(); !slices.Equal(k, x.kinds) || what[End](t, h, "ended").Code != x.code {
				t.Errorf("%q %+v", k, what[End](t, h, "ended"))
			}
			if s := e.Stats(); s.Calls != 0 || s.Dialogs != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
