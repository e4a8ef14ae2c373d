package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	api "bifrons/api/client"
	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

const adminSecret = "janusoverlord"

// withAdmin turns the Admin API on, on free ports.
func withAdmin(c *config.Config) {
	c.Server.General.AdminSecret = adminSecret
	c.HTTP.Admin.HTTP, c.HTTP.Admin.Port = true, 0
	c.WebSockets.Admin.WS, c.WebSockets.Admin.Port = true, 0
}

// ask asks the Admin API over HTTP, about a handle unless that is nil.
func (s *server) ask(t testing.TB, h *handle, m message) message {
	t.Helper()
	m["admin_secret"] = adminSecret
	return post(t, s.url("admin_http")+"admin", h, m)
}

// at follows keys into nested objects.
func (m message) at(keys ...string) message {
	for _, k := range keys {
		m, _ = m[k].(map[string]any)
	}
	return m
}

func TestAdminIsOffByDefault(t *testing.T) {
	s := testServer(t, nil)
	if s.listening(true) || !s.listening(false) {
		t.Errorf("listeners %v", s.listeners())
	}
}

// TestAdminShowsMedia looks at a connection in full flow.
func TestAdminShowsMedia(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, withAdmin)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{RIDs: []string{"h", "m", "l"}})
	p.AddChannel()
	folder := t.TempDir()
	if r := s.ask(t, p.h, message{"janus": "start_pcap", "folder": folder, "filename": "a.pcap"}); r["janus"] != "success" {
		t.Fatalf("%v", r)
	}
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.talk(echoPrefix)
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 10 * time.Millisecond})
	p.await30()

	var info message
	defer func() {
		if t.Failed() {
			text, _ := json.MarshalIndent(info, "", " ")
			t.Logf("%s", text)
		}
	}()
	waittest.Until(t, "all figures are there", func() bool {
		info = s.ask(t, p.h, message{"janus": "handle_info"}).at("info")
		audio, video := info.at("webrtc", "media", "0", "stats"), info.at("webrtc", "media", "1")
		in := video.at("stats", "in")
		for _, m := range []message{audio.at("in"), audio.at("out"), in, in.at("video-simulcast-1"), in.at("video-simulcast-2")} {
			if last, _ := m["bytes_lastsec"].(float64); last <= 0 {
				return false
			}
		}
		return video.at("rtcp", "sim2") != nil
	})
	stop()
	checkInfo(t, info, s)
	if r := s.ask(t, p.h, message{"janus": "stop_pcap"}); r["janus"] != "success" {
		t.Errorf("%v", r)
	}
	checkPCAP(t, filepath.Join(folder, "a.pcap"))
	p.closeAndExpect("DTLS alert")
	s.awaitEmpty(t)
}

func checkInfo(t *testing.T, info message, s *server) {
	t.Helper()
	is := func(m message, key string, want any) {
		t.Helper()
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	positive := func(m message, keys ...string) {
		t.Helper()
		for _, k := range keys {
			if n, ok := m[k].(float64); !ok || n <= 0 {
				t.Errorf("%s is %v", k, m[k])
			}
		}
	}
	for _, f := range []string{"got-offer", "got-answer", "negotiated", "ready", "data-channels", "rfc4588-rtx"} {
		is(info.at("flags"), f, true)
	}
	is(info, "ice-role", "controlled")
	is(info, "dump-to-pcap", true)
	positive(info, "created", "current_time", "agent-created", "agent-started")

	ice := info.at("webrtc", "ice")
	if st := ice["state"]; st != "ready" && st != "connected" {
		t.Errorf("ICE is %v", st)
	}
	is(ice, "component_id", 1.0)
	positive(ice, "gathered", "connected", "ready")
	pair, _ := ice["selected-pair"].(string)
	mine := 0
	for _, st := range s.engine.Stats() {
		if strings.HasPrefix(pair, fmt.Sprintf("127.0.0.1:%d [host,udp] <-> 127.0.0.1:", st.Port)) {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("selected pair %q", pair)
	}

	dtls := info.at("webrtc", "dtls")
	is(dtls, "dtls-state", "connected")
	is(dtls, "dtls-role", "active")
	is(dtls, "valid", true)
	is(dtls, "sctp-association", true)
	positive(dtls, "handshake-started", "connected")
	if name, _ := dtls["srtp-profile"].(string); !strings.HasPrefix(name, "SRTP_AE") {
		t.Errorf("profile %q", name)
	}
	positive(dtls.at("stats", "in"), "packets", "bytes")

	media := info.at("webrtc", "media")
	audio, video, data := media.at("0"), media.at("1"), media.at("2")
	is(audio.at("codecs"), "codec", "opus")
	is(audio.at("rtcp", "main"), "base", 48000.0)
	positive(audio.at("stats", "in"), "packets", "bytes", "bytes_lastsec")
	positive(audio.at("stats", "out"), "packets", "bytes", "bytes_lastsec")
	is(video.at("codecs"), "codec", "vp8")
	is(video.at("codecs"), "pt", 96.0)
	is(video, "nack-queue-ms", 200.0)
	positive(video.at("codecs"), "rtx-pt")
	if text, _ := json.Marshal(video.at("rid-simulcast")["rid"]); string(text) != `["h","m","l"]` {
		t.Errorf("rids %s", text)
	}
	is(video.at("rid-simulcast"), "rid-order", "hml")
	positive(video.at("rid-simulcast"), "rid-ext-id")
	positive(video.at("ssrc"), "ssrc", "ssrc-rtx", "ssrc-peer", "ssrc-peer-sim-1", "ssrc-peer-sim-2")
	in := video.at("stats", "in")
	positive(in, "packets", "bytes", "bytes_lastsec")
	positive(in.at("video-simulcast-1"), "packets", "bytes", "bytes_lastsec")
	positive(in.at("video-simulcast-2"), "packets", "bytes", "bytes_lastsec")
	for _, stream := range []string{"main", "sim1", "sim2"} {
		is(video.at("rtcp", stream), "in-link-quality", 100.0)
		is(video.at("rtcp", stream), "lost", 0.0)
	}
	is(video.at("rtcp", "main"), "out-link-quality", 100.0)
	is(data, "type", "data")
	positive(data.at("stats", "in"), "packets", "bytes")
	positive(data.at("stats", "out"), "packets", "bytes")
}

// checkPCAP looks for both directions in a capture.
func checkPCAP(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.Count(b, []byte{10, 1, 1, 1, 10, 2, 2, 2, 1000 >> 8, 1000 & 255, 2000 >> 8, 2000 & 255})
	out := bytes.Count(b, []byte{10, 2, 2, 2, 10, 1, 1, 1, 2000 >> 8, 2000 & 255, 1000 >> 8, 1000 & 255})
	if in < 30 || out < 30 {
		t.Errorf("%d packets in and %d out were captured", in, out)
	}
}

// TestAdminChangesConnections changes settings of a connection that is up.
func TestAdminChangesConnections(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, withAdmin)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	p.call(echoRequest(), nil)
	p.awaitUp()
	s.ask(t, nil, message{"janus": "set_no_media_timer", "no_media_timer": 2})
	p.playAll(short)
	p.h.await("end of the media after two seconds", func(m message) bool {
		return m["janus"] == "media" && m["receiving"] == false && m["seconds"] == 2.0
	})
	s.ask(t, p.h, message{"janus": "hangup_webrtc"})
	p.expectEnd("Admin API")
}

// dialAdmin opens a WebSocket by a subprotocol.
func dialAdmin(t *testing.T, url, protocol string, client *http.Client) (api.Conn, error) {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	return api.WebSocket(ctx, url, &websocket.DialOptions{Subprotocols: []string{protocol}, HTTPClient: client})
}

// TestAdminEndpoints reaches the Admin API in every way of HTTP and WebSockets.
func TestAdminEndpoints(t *testing.T) {
	waittest.NoLeaks(t)
	socket := filepath.Join(t.TempDir(), "admin.ws")
	const certs = "../../api/transport/testdata/"
	s := testServer(t, func(c *config.Config) {
		withAdmin(c)
		c.HTTP.Admin.HTTPS, c.HTTP.Admin.SecurePort, c.HTTP.Admin.BasePath = true, 0, "/monitor"
		c.WebSockets.Admin.WSS, c.WebSockets.Admin.SecurePort = true, 0
		c.WebSockets.Admin.Unix = socket
		c.HTTP.Certificates = config.TLS{Cert: certs + "cert.pem", Key: certs + "key.pem"}
		c.WebSockets.Certificates = c.HTTP.Certificates
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	unix := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer unix.CloseIdleConnections()

	for _, scheme := range []string{"http", "https"} {
		resp, err := client.Get(fmt.Sprintf("%s://127.0.0.1:%d/monitor/ping", scheme, s.port("admin_"+scheme)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(body), `"pong"`) {
			t.Errorf("%s: %s", scheme, body)
		}
	}
	for _, to := range []struct {
		url    string
		client *http.Client
	}{
		{"ws://unix/", &http.Client{Transport: unix}},
		{fmt.Sprintf("wss://127.0.0.1:%d/", s.port("admin_wss")), client},
	} {
		if ws, err := dialAdmin(t, to.url, api.Protocol, to.client); err == nil {
			_ = ws.Close(false)
			t.Errorf("%s speaks the Janus API", to.url)
		}
		ws, err := dialAdmin(t, to.url, api.AdminProtocol, to.client)
		if err != nil {
			t.Fatal(err)
		}
		reply := newClient(t, ws, nil).request(message{"janus": "list_sessions", "admin_secret": adminSecret})
		if list, ok := reply["sessions"].([]any); reply["janus"] != "success" || !ok || len(list) > 0 {
			t.Errorf("%s: %v", to.url, reply)
		}
	}
}

func TestAdminACL(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) {
		withAdmin(c)
		c.HTTP.Admin.ACL, c.WebSockets.Admin.ACL = []string{"10."}, []string{"10."}
	})
	if resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/admin/ping", s.port("admin_http"))); err == nil {
		resp.Body.Close()
		t.Errorf("an address that is not on the list got %s", resp.Status)
	}
	url := fmt.Sprintf("ws://127.0.0.1:%d/", s.port("admin_ws"))
	if ws, err := dialAdmin(t, url, api.AdminProtocol, nil); err == nil {
		_ = ws.Close(false)
		t.Error("an address that is not on the list got a WebSocket")
	}
	dial(t, s) // the Janus API has its own list
}

// TestStoredTokens stores a token by the Admin API, without which there is no
// use in starting.
func TestStoredTokens(t *testing.T) {
	waittest.NoLeaks(t)
	stored := func(c *config.Config) { c.Server.General.TokenAuth = true }
	s := testServer(t, func(c *config.Config) { withAdmin(c); stored(c) })
	if r := s.ask(t, nil, message{"janus": "add_token", "token": "abc"}); r["janus"] != "success" {
		t.Errorf("%v", r)
	}
	for token, want := range map[string]string{"abc": "success", "abd": "error"} {
		if r := post(t, s.url("http")+"janus", nil, message{"janus": "create", "token": token}); r["janus"] != want {
			t.Errorf("token %s: %v", token, r)
		}
	}

	cfg := config.Default()
	cfg.HTTP.General.Port, cfg.WebSockets.General.Port = 0, 0
	stored(cfg)
	out, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := start(cfg, "", out); err == nil {
		s.Close()
		t.Error("started with stored tokens and no way to store any")
	} else if !strings.Contains(err.Error(), "Admin API") {
		t.Error(err)
	}
	cfg.Server.General.TokenAuthSecret = "signed ones"
	signed, err := start(cfg, "", out)
	if err != nil {
		t.Fatal(err)
	}
	signed.Close()
}

// TestJanodeAdmin: janode makes every call of the Admin API that it knows.
func TestJanodeAdmin(t *testing.T) {
	waittest.NoLeaks(t)
	folder, err := filepath.Abs(janodeFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	s := testServer(t, withAdmin)
	captures := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "testdata/janode-admin.mjs", folder,
		fmt.Sprintf("ws://127.0.0.1:%d/", s.port("admin_ws")),
		fmt.Sprintf("ws://127.0.0.1:%d/", s.port("ws")), adminSecret, captures)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var got struct {
		Session, Handle   uint64
		Info              int
		Sessions, Handles []uint64
		Plugin, PCAP      string
		Error             string
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n") // after those of janode's logger
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got.Info != 1401 || got.Plugin != echoPackage || got.PCAP != filepath.Join(captures, "janode.pcap") ||
		!slices.Equal(got.Sessions, []uint64{got.Session}) || !slices.Equal(got.Handles, []uint64{got.Handle}) ||
		!strings.Contains(got.Error, "Capture not started") {
		t.Errorf("%+v", got)
	}
}
