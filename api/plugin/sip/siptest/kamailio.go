package siptest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// Password is that of everybody at Kamailio, Realm the realm and host of their identities.
const (
	Password = "s3cret"
	Realm    = "test"
)

const kamailioConfig = `#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
disable_tcp=no
listen=udp:ADDR
listen=tcp:ADDR
TLS
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
modparam("registrar", "gruu_enabled", 0)
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
		if (!pv_proxy_authenticate("REALM", "PASSWORD", "0")) { proxy_challenge("REALM", "1"); exit; }
		consume_credentials();
		record_route();
	}
	if (is_method("REGISTER")) {
		if (!pv_www_authenticate("REALM", "PASSWORD", "0")) { www_challenge("REALM", "1"); exit; }
		save("location");
		exit;
	}
	if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
	t_relay();
}
`

const kamailioTLS = `enable_tls=yes
listen=tls:ADDR
loadmodule "tls.so"
modparam("tls", "certificate", "DIR/agent.pem")
modparam("tls", "private_key", "DIR/agent.pem")
modparam("tls", "ca_list", "DIR/cafile.pem")
modparam("tls", "tls_method", "TLSv1.2+")`

// FreePort is an address of 127.0.0.1 with a port that is free for TCP, and for UDP.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := net.ListenPacket("udp4", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free for TCP and UDP")
	return ""
}

// Kamailio runs a registrar and proxy that records routes, at an address for UDP and TCP, until the function that is
// returned is called or the test ends. It skips the test if the program is missing.
func Kamailio(t testing.TB, addr string) (stop func()) {
	t.Helper()
	return kamailio(t, addr, "")
}

// SecureKamailio is Kamailio with another address, for TLS if it has the module for that.
func SecureKamailio(t testing.TB, addr, secure string, c *Certificates) (stop func()) {
	t.Helper()
	if !hasTLS() {
		return Kamailio(t, addr)
	}
	return kamailio(t, addr, strings.NewReplacer("ADDR", secure, "DIR", c.Dir).Replace(kamailioTLS))
}

func hasTLS() bool {
	list, _ := filepath.Glob("/usr/lib/*/kamailio/modules/tls.so")
	return len(list) > 0
}

// NeedTLS skips the test if Kamailio has no TLS.
func NeedTLS(t testing.TB) {
	t.Helper()
	if !hasTLS() {
		missing(t, "the TLS module of kamailio", "no independent registrar and proxy by TLS")
	}
}

func kamailio(t testing.TB, addr, secure string) (stop func()) {
	t.Helper()
	path := Find(t, "kamailio", "no independent registrar and proxy")
	dir := t.TempDir()
	file := filepath.Join(dir, "kamailio.cfg")
	text := strings.NewReplacer("ADDR", addr, "REALM", Realm, "PASSWORD", Password, "TLS\n", secure+"\n").Replace(kamailioConfig)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := Start(t, dir, path, "-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", dir, "-w", dir)
	waittest.Until(t, "kamailio listens", func() bool {
		c, err := net.DialTimeout("tcp4", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil || p.Ended()
	})
	return p.Stop
}

// Find finds a program; without is called, to skip or fail the test, where it is missing.
func Find(t testing.TB, name, without string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	missing(t, name, without)
	return ""
}

// missing skips the test, as a program is not there.
func missing(t testing.TB, name, without string) {
	t.Helper()
	if os.Getenv("BIFRONS_E2E") == "required" {
		t.Fatalf("%s is not installed: %s", name, without)
	}
	t.Skipf("%s is not installed: %s", name, without)
}
