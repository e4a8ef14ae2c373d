package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/ice/turn"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// The addresses of the namespace, which look as public ones do.
const (
	serverIP = "203.0.113.10"
	turnIP   = "203.0.113.20"
	twoHosts = "ip link set lo up; ip link add d0 type veth peer name d1;" +
		"ip link set d0 addrgenmode none; ip link set d1 addrgenmode none; ip link set d0 up; ip link set d1 up;" + // see labSetup
		"ip addr add " + serverIP + "/24 dev d0; ip addr add " + turnIP + "/24 dev d0; ip route add default dev d0"
)

const coturnSecret = "north"

func coturnPort(by string) uint16 {
	if by == "tls" {
		return 5349
	}
	return 3478
}

// startCoturn starts coTURN with the file of deploy/, with long-term or with
// time-limited credentials.
func startCoturn(t *testing.T, timeLimited bool) {
	t.Helper()
	b, err := os.ReadFile("../../deploy/turnserver.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if timeLimited {
		for old, now := range map[string]string{
			"\nlt-cred-mech\n":                   "\n",
			"\nuser=bifrons:":                    "\n#user=bifrons:",
			"\n#use-auth-secret\n":               "\nuse-auth-secret\n",
			"\n#static-auth-secret=change-this-": "\nstatic-auth-secret=" + coturnSecret + "\n#",
		} {
			if !strings.Contains(text, old) {
				t.Fatalf("deploy/turnserver.conf lacks %q", old)
			}
			text = strings.Replace(text, old, now, 1)
		}
	}
	dir := t.TempDir()
	cert, key := turnCertificate(t, dir)
	text = strings.Replace(text, "\nsyslog\n", fmt.Sprintf("\nlog-file=stdout\npidfile=%[1]s/pid\nuserdb=%[1]s/db\ncert=%s\npkey=%s\n", dir, cert, key), 1)
	file := filepath.Join(dir, "turnserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "turnserver", "-c", file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("coTURN:\n%s", out.String())
		}
	})
	for _, by := range []string{"tcp", "tls", "udp"} {
		waittest.Until(t, "coTURN answers by "+by, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := turn.Allocate(ctx, turn.Config{Server: turn.Server{
				Transport: turn.Transport(by), Host: turnIP, Port: coturnPort(by), Username: "nobody",
			}})
			return errors.Is(err, turn.ErrRefused)
		})
	}
}

// turnCertificate writes a certificate, which this process trusts from now on.
func turnCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "coturn"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(turnIP)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSL_CERT_FILE", cert)
	return cert, key
}

// limited makes time-limited credentials, as a TURN REST API does.
func limited(name string) (user, password string) {
	user = fmt.Sprintf("%d:%s", time.Now().Add(time.Hour).Unix(), name)
	h := hmac.New(sha1.New, []byte(coturnSecret))
	h.Write([]byte(user))
	return user, base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func useCoturn(c *config.Config, by string) {
	n := &c.Server.NAT
	n.EnforceList = []string{serverIP}
	n.TURNServer, n.TURNType, n.TURNUser, n.TURNPassword = turnIP, by, "bifrons", "change-this-password"
	n.TURNPort = coturnPort(by)
	n.AllowForceRelay = true
}

// turnScript makes a page's connections relay: its own side by a TURN server,
// the server's side by a word in the description.
func turnScript(url, user, password string, server bool) string {
	ice, _ := json.Marshal(map[string]any{
		"iceTransportPolicy": "relay",
		"iceServers":         []any{map[string]string{"urls": url, "username": user, "credential": password}},
	})
	script := ""
	if url != "" {
		script += `{ const Native = window.RTCPeerConnection; window.RTCPeerConnection = new Proxy(Native, {
			construct(target, args, self) { return Reflect.construct(target, [{ ...args[0], ...` + string(ice) + ` }], target); } }); }`
	}
	if server {
		script += `{ const send = WebSocket.prototype.send; WebSocket.prototype.send = function(text) {
			const m = JSON.parse(text); if (m.jsep) m.jsep.force_relay = true; return send.call(this, JSON.stringify(m)); }; }`
	}
	return script
}

// TestCoturn forces a browser, the server, or both to relay through coTURN.
func TestCoturn(t *testing.T) {
	if !inNamespace(t, twoHosts, "turnserver") {
		return
	}
	startCoturn(t, false)
	for _, by := range []string{"udp", "tcp", "tls"} {
		t.Run("server by "+by, func(t *testing.T) {
			waittest.NoLeaks(t)
			s := testServer(t, func(c *config.Config) { useCoturn(c, by) })
			s.explain(t)
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{ForceRelay: true, IP: serverIP})
			list := strings.Join(candidates(p.call(echoRequest(), nil).sdp()), "\n")
			if !strings.Contains(list, turnIP) || strings.Contains(list, serverIP) {
				t.Errorf("candidates:\n%s", list)
			}
			p.awaitUp()
			p.playAll(short)
			p.closeAndExpect("DTLS alert")
		})
	}
	refusedAtStart(t, "wrong user name or password", func(c *config.Config) {
		useCoturn(c, "udp")
		c.Server.NAT.TURNPassword = "x"
	})
	const password = "change-this-password"
	for _, tt := range []struct {
		name, url string
		server    bool
	}{
		{"browser by UDP", "turn:" + turnIP + ":3478", false},
		{"browser by TCP", "turn:" + turnIP + ":3478?transport=tcp", false},
		{"server", "", true},
		{"both", "turn:" + turnIP + ":3478", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkRelayed(t, turnScript(tt.url, "bifrons", password, tt.server), tt.url != "", tt.server,
				func(c *config.Config) { useCoturn(c, "udp") })
		})
	}
}

// checkRelayed sees to it that the page's echo runs, and by relays.
func checkRelayed(t *testing.T, script string, browser, server bool, change func(*config.Config)) {
	t.Helper()
	p := openPageWith(t, "?transport=ws", script, change)
	p.awaitEcho("page", func(s echoState) bool { return s.State == "idle" })
	p.click("#start")
	p.awaitEcho("echo", func(s echoState) bool {
		return s.State == "running" && s.FramesDecoded > 20 && s.AudioPackets > 50 && s.DataEchoed > 0
	})
	s := p.awaitStats("statistics", func(s stats) bool { return s.Pair.State != "" })
	if browser != (s.Pair.Local == "relay") || server != (s.Pair.Remote == "relay") {
		t.Errorf("the path is %+v", s.Pair)
	}
	p.click("#start")
	p.awaitEcho("end", func(s echoState) bool { return s.State == "stopped" })
	p.quiet()
}

// TestCoturnTimeLimited has credentials from a TURN REST API.
func TestCoturnTimeLimited(t *testing.T) {
	if !inNamespace(t, twoHosts, "turnserver") {
		return
	}
	startCoturn(t, true)
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password := limited(r.URL.Query().Get("username"))
		_ = json.NewEncoder(w).Encode(map[string]any{
			"username": user, "password": password, "ttl": 3600, "uris": []string{"turn:" + turnIP + ":3478?transport=udp"},
		})
	}))
	t.Cleanup(rest.Close)
	user, password := limited("browser")
	checkRelayed(t, turnScript("turn:"+turnIP+":3478", user, password, true), true, true, func(c *config.Config) {
		n := &c.Server.NAT
		n.EnforceList, n.TURNRESTAPI, n.AllowForceRelay = []string{serverIP}, rest.URL, true
	})
}

// TestBrowserOverTCP blocks UDP.
func TestBrowserOverTCP(t *testing.T) {
	const block = `nft add table inet block; nft 'add chain inet block out { type filter hook output priority 0; policy accept; }';` +
		`nft add rule inet block out meta l4proto udp counter drop`
	if !inNamespace(t, twoHosts+";"+block, "nft") {
		return
	}
	for _, lite := range []bool{false, true} {
		t.Run(fmt.Sprintf("lite=%v", lite), func(t *testing.T) {
			p := openPageWith(t, "?transport=ws", "", func(c *config.Config) {
				n := &c.Server.NAT
				n.EnforceList, n.ICETCP, n.ICELite = []string{serverIP}, true, lite
			})
			p.awaitEcho("page", func(s echoState) bool { return s.State == "idle" })
			p.click("#start")
			p.awaitEcho("echo", func(s echoState) bool {
				return s.State == "running" && s.FramesDecoded > 20 && s.AudioPackets > 50 && s.DataEchoed > 0
			})
			if s := p.awaitStats("statistics", func(s stats) bool { return s.Pair.State != "" }); s.Pair.Protocol != "tcp" {
				t.Errorf("the path is %+v", s.Pair)
			}
			for _, st := range p.server.engine.Stats() {
				if st.Net.DatagramsIn != 0 {
					t.Error("UDP came through")
				}
			}
			p.click("#start")
			p.awaitEcho("end", func(s echoState) bool { return s.State == "stopped" })
			p.quiet()
		})
	}
}
