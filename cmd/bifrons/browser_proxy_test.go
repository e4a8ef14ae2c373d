package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/rtp/waittest"
)

// freePort finds a TCP port for somebody else to listen on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// selfSigned writes a certificate for a name, and its key.
func selfSigned(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, typ string, b []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

// startNginx runs nginx with the configuration in deploy, of which only ports,
// names and files are changed. It returns the ports for HTTPS and HTTP.
func startNginx(t *testing.T, s *server) (secure, plain int) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		needs(t, "nginx is not installed")
	}
	conf, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key := selfSigned(t, dir, "demos.localhost")
	text := strings.NewReplacer(
		"listen 80;", "listen 127.0.0.1:PLAIN;", "listen [::]:80;", "",
		"listen 443 ssl;", "listen 127.0.0.1:SECURE ssl;", "listen [::]:443 ssl;", "",
		"media.example.com;", "demos.localhost;",
		"/etc/letsencrypt/live/media.example.com/fullchain.pem", cert,
		"/etc/letsencrypt/live/media.example.com/privkey.pem", key,
		"127.0.0.1:8088", fmt.Sprintf("127.0.0.1:%d", s.port("http")),
		"127.0.0.1:8188", fmt.Sprintf("127.0.0.1:%d", s.port("ws")),
		"127.0.0.1:7088", fmt.Sprintf("127.0.0.1:%d", max(1, s.port("admin_http"))),
	).Replace(string(conf))
	text = "daemon off; pid nginx.pid; error_log stderr; events {}\nhttp { access_log off;\n" +
		"client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n" + text + "}\n"
	for range 3 { // somebody else may take a port
		secure, plain = freePort(t), freePort(t)
		ports := strings.NewReplacer("PLAIN", fmt.Sprint(plain), "SECURE", fmt.Sprint(secure))
		if runNginx(t, path, dir, ports.Replace(text), secure) {
			return secure, plain
		}
	}
	t.Fatal("nginx finds its ports taken")
	return 0, 0
}

// runNginx runs nginx until the end of the test, and waits until it listens on a port. It
// returns false if a port is taken.
func runNginx(t *testing.T, path, dir, conf string, port int) bool {
	t.Helper()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var complaints strings.Builder
	cmd.Stderr = &complaints
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("nginx: %s", complaints.String())
		}
	})
	taken := false
	waittest.Until(t, "nginx listens", func() bool {
		select {
		case <-ended:
			if taken = strings.Contains(complaints.String(), "Address already in use"); !taken {
				t.Fatalf("nginx ended: %v", err)
			}
			return true
		default:
		}
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return !taken
}

// front is where pages and API are for a browser.
type front struct {
	hosts  []string // rules for its resolver
	origin string
	api    string // of the API, in JavaScript
	more   string // that runs before the page's scripts
}

// script says what an administrator would write into settings.js.
func (f front) script() string {
	return `for (const name of ["token", "apisecret"]) window[name] = null;
		Object.defineProperty(window, "iceServers", { get: () => [], set() {} });
		Object.defineProperty(window, "server", { get: () => ` + f.api + `, set() {} });` + f.more
}

// direct is the server itself, with the API by WebSocket.
func direct(_ *testing.T, s *server) front {
	return front{
		hosts: []string{
			fmt.Sprintf("MAP demos.localhost:80 127.0.0.1:%d", s.port("http")),
			fmt.Sprintf("MAP demos.localhost:8188 127.0.0.1:%d", s.port("ws")),
		},
		origin: "http://demos.localhost", api: `"ws://" + location.hostname + ":8188"`,
	}
}

// directPoll is the server itself, with the API by HTTP.
func directPoll(_ *testing.T, s *server) front {
	return front{
		hosts: []string{
			fmt.Sprintf("MAP demos.localhost:80 127.0.0.1:%d", s.port("http")),
			fmt.Sprintf("MAP demos.localhost:8088 127.0.0.1:%d", s.port("http")),
		},
		origin: "http://demos.localhost", api: `"http://" + location.hostname + ":8088/janus"`,
	}
}

// proxied is the server behind nginx by HTTPS, with the API below the same
// address, at api.
func proxied(api string) func(*testing.T, *server) front {
	return func(t *testing.T, s *server) front {
		secure, _ := startNginx(t, s)
		return front{
			hosts:  []string{fmt.Sprintf("MAP demos.localhost:443 127.0.0.1:%d", secure)},
			origin: "https://demos.localhost", api: api,
		}
	}
}

// TestBrowserBehindProxy opens the demo pages through nginx, with long poll and
// with WebSocket; all of them with both takes BIFRONS_SOAK.
func TestBrowserBehindProxy(t *testing.T) {
	soak := os.Getenv("BIFRONS_SOAK") != ""
	for name, api := range map[string]string{"http": `"/janus"`, "websockets": `"wss://" + location.host + "/ws"`} {
		at := proxied(api)
		t.Run("echotest/"+name, func(t *testing.T) { testProxiedEcho(t, at) })
		if name == "http" || soak {
			t.Run("videoroom/"+name, func(t *testing.T) {
				c := openConferenceAt(t, at, "videoroomtest.html", "anna", "bert")
				for _, p := range c.all {
					p.join()
				}
				c.awaitPictures()
			})
		}
		if name == "websockets" || soak {
			t.Run("videocall/"+name, func(t *testing.T) {
				c := openConferenceAt(t, at, "videocalltest.html", "anna", "bert")
				anna, bert := c.all[0], c.all[1]
				anna.register()
				bert.register()
				anna.call(bert)
				bert.click(".bootbox .btn-success")
				anna.talks(320)
				bert.talks(320)
				anna.click("#call") // hangs up
				bert.idle()
			})
			t.Run("streaming/"+name, func(t *testing.T) {
				b := openBroadcast(t, at)
				b.begin()
				b.watch(2)
				b.plays("video/VP8", 240)
				b.sounds("audio/opus")
				b.stop()
				b.quiet()
			})
		}
	}
}

func testProxiedEcho(t *testing.T, at func(*testing.T, *server) front) {
	folder := demosFolderFor(t)
	browserTest(t)
	s := testServerWith(t, folder, nil)
	s.explain(t)
	from := at(t, s)
	d := &demo{server: s, tab: openTab(t, from.hosts, from.script())}
	d.do(chromedp.Navigate(from.origin + "/demos/echotest.html"))
	d.start()
	d.checkPlaying(640, 480)
	d.checkData()
	d.stop()
	d.quiet()
}
