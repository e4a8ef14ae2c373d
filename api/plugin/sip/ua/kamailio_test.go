package ua

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

const kamailioConfig = `#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
disable_tcp=no
listen=udp:ADDR
listen=tcp:ADDR
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("rr", "enable_full_lr", 1)
modparam("registrar", "min_expires", 60)
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
	if (has_totag()) {
		if (loose_route()) { t_relay(); exit; }
		if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
		sl_send_reply("404", "Not here");
		exit;
	}
	if (is_method("INVITE")) {
		if (!pv_proxy_authenticate("test", "s3cret", "0")) { proxy_challenge("test", "1"); exit; }
		consume_credentials();
		record_route();
	}
	if (is_method("REGISTER")) {
		if (!pv_www_authenticate("test", "s3cret", "0")) { www_challenge("test", "1"); exit; }
		save("location");
		exit;
	}
	if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
	t_relay();
}
`

// kamailio runs the proxy and registrar at an address until the function that is returned is called.
func kamailio(t *testing.T, dir, addr string) (stop func()) {
	t.Helper()
	path, err := exec.LookPath("kamailio")
	if err != nil {
		t.Skip("no kamailio: no independent registrar and proxy")
	}
	file := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(kamailioConfig, "ADDR", addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", dir, "-w", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr, cmd.Stdout = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(syscall.SIGTERM) // it ends its children
			late := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			_ = cmd.Wait()
			late.Stop()
			out.Close()
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("%s", b)
		}
	})
	return stop
}

// Two accounts register at kamailio and call each other through it, by UDP and TCP. Then it ends and comes back, without its locations.
func TestKamailio(t *testing.T) {
	for _, tr := range []Transport{UDP, TCP} {
		t.Run(string(tr), func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			l.Close()
			dir := t.TempDir()
			stop := kamailio(t, dir, addr)
			e := realWith(t, Config{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Traces: func() bool { return true }})
			join := func(user, secret string) (*Account, *ear, AccountConfig) {
				h := &ear{}
				t.Cleanup(func() {
					if t.Failed() {
						h.mu.Lock()
						defer h.mu.Unlock()
						t.Logf("%s: %+v", user, h.list)
					}
				})
				cfg := AccountConfig{Identity: "sip:" + user + "@test", Proxy: "sip:" + addr, Transport: tr, Register: true, Credentials: Credentials{Secret: secret}}
				a, err := e.Account(cfg, h)
				if err != nil {
					t.Fatal(err)
				}
				return a, h, cfg
			}
			// registers tries until the registrar is up.
			registers := func(a *Account, h *ear, cfg AccountConfig) {
				t.Helper()
				waittest.Until(t, "registered", func() bool {
					if a.State() == RegFailed {
						_ = a.Register(cfg)
					}
					return a.State() == RegRegistered && h.count("registered") > 0
				})
			}
			alice, here, cfg := join("alice", "s3cret")
			registers(alice, here, cfg)
			bob, there, bobs := join("bob", "s3cret")
			registers(bob, there, bobs)
			_, nobody, _ := join("mallory", "wrong")
			nobody.until(t, "registration failed", 1)
			if f := what[Failure](t, nobody, "registration failed"); f.Code != 401 {
				t.Errorf("%+v", f)
			}
			there.hook = func(h heard) {
				switch h.kind {
				case "incoming":
					_ = h.call.Ring()
					_ = h.call.Accept("v=0\r\n", nil)
				case "reinvited":
					_ = h.call.AnswerReinvite("v=0\r\n", nil)
				}
			}
			call := func() {
				t.Helper()
				n := here.count("answered")
				c, err := alice.Call(CallConfig{URI: "sip:bob@test", SDP: "v=0\r\n"})
				if err != nil {
					t.Fatal(err)
				}
				here.until(t, "answered", n+1)
				if r := c.d.routes; len(r) == 0 {
					t.Error("no Record-Route")
				}
				if err := c.Reinvite("v=1\r\n", nil); err != nil {
					t.Error(err)
				}
				here.until(t, "answered", n+2)
				infos := there.count("info")
				if err := c.Info("a/b", "x", nil); err != nil {
					t.Error(err)
				}
				there.until(t, "info", infos+1)
				other := there.last(t, "incoming").call
				waittest.Until(t, "ACK", func() bool {
					e.mu.Lock()
					defer e.mu.Unlock()
					return other.ok == nil && other.theirs == nil
				})
				ended, others := here.count("ended"), there.count("ended")
				if err := other.Hangup(nil); err != nil {
					t.Error(err)
				}
				here.until(t, "ended", ended+1)
				there.until(t, "ended", others+1)
			}
			call()
			if _, err := alice.Message(MessageConfig{URI: "sip:bob@test", Body: "hi"}); err != nil {
				t.Error(err)
			}
			there.until(t, "message", 1)
			here.until(t, "message result", 1)
			if r := what[Result](t, here, "message result"); r.Code != 200 {
				t.Errorf("%+v", r)
			}
			if _, err := alice.Call(CallConfig{URI: "sip:nobody@test", SDP: "v=0\r\n"}); err != nil {
				t.Error(err)
			}
			waittest.Until(t, "refused", func() bool { return here.count("ended") == 2 })
			if x := what[End](t, here, "ended"); x.Code != 404 {
				t.Errorf("%+v", x)
			}
			stop()
			_ = kamailio(t, dir, addr)
			for _, x := range []struct {
				a   *Account
				h   *ear
				cfg AccountConfig
			}{{alice, here, cfg}, {bob, there, bobs}} {
				_ = x.a.Register(x.cfg) // at once, not when it runs out
				registers(x.a, x.h, x.cfg)
			}
			call()
			if err := alice.Unregister(); err != nil {
				t.Error(err)
			}
			here.until(t, "unregistered", 1)
		})
	}
}
