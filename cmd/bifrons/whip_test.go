package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/sfu/webrtctest"
)

// TestWHIP publishes by WHIP into a room where a client of the Janus API is, watches by WHEP, and
// manages endpoints by the Admin API.
func TestWHIP(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bifrons.whip.jcfg"), []byte(`whip-studio: { room = 1, label = "Studio", token = "t" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(cfg *config.Config) {
		cfg.Folder = dir
		cfg.HTTP.Admin.HTTP, cfg.HTTP.Admin.Port = true, 0
	})
	h := dial(t, s).attach(roomPackage)
	h.message(message{"request": "create", "room": 1}, nil)
	h.message(message{"request": "join", "ptype": "publisher", "room": 1}, nil)
	h.awaitData("videoroom", "joined")

	defer http.DefaultClient.CloseIdleConnections()
	send := func(method, path, text string) (int, http.Header, string) {
		t.Helper()
		return sendWHIP(t, http.DefaultClient, method, strings.TrimSuffix(s.url("http"), "/")+path, text)
	}

	p := webrtctest.NewPeer(t, webrtctest.Options{})
	status, header, answer := send("POST", "/whip/endpoint/studio", strings.ReplaceAll(p.Offer(nil), "a=sendrecv", "a=sendonly"))
	if status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	p.Accept(answer)
	p.AwaitConnected()
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 10 * time.Millisecond})
	defer stop()
	told := h.await("a publisher", func(m message) bool {
		list, _ := m.data()["publishers"].([]any)
		return len(list) > 0
	}).data()["publishers"].([]any)[0].(map[string]any)
	if told["display"] != "Studio" {
		t.Errorf("%v", told)
	}

	ask := message{"janus": "query_transport", "transaction": "t", "transport": "bifrons.transport.whip",
		"request": message{"request": "create", "kind": "whep", "id": "studio", "room": 1}}
	if m := post(t, s.url("admin_http")+"admin", nil, ask); m["janus"] != "success" {
		t.Fatalf("%v", m)
	}
	v := whipPlayer(t)
	status, _, answer = send("POST", "/whep/endpoint/studio", v.Offer(nil))
	if status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	v.Accept(answer)
	v.AwaitConnected()
	v.Seen.AwaitMore(t, "the player sees")
	v.Heard.AwaitMore(t, "the player hears")

	if status, _, text := send("DELETE", header.Get("Location"), ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	h.await("its end", func(m message) bool { return m.data()["unpublished"] != nil || m.data()["leaving"] != nil })
}

// whipPlayer is a peer that offers to receive audio and video.
func whipPlayer(t *testing.T) *webrtctest.Peer {
	t.Helper()
	v := webrtctest.NewReceiver(t, webrtctest.Options{})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := v.PC.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		v.Must(err)
	}
	return v
}

// sendWHIP makes a request with the token t; fields are further header fields.
func sendWHIP(t *testing.T, c *http.Client, method, url, text string, fields ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer t")
	r.Header.Set("Content-Type", "application/sdp")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// TestWHIPBehindProxy publishes and watches through nginx, by HTTPS; from HTTP it leads there.
func TestWHIPBehindProxy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bifrons.whip.jcfg"), []byte(`
		whip-studio: { room = 1, token = "t" }
		whep-studio: { room = 1, token = "t" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(cfg *config.Config) { cfg.Folder = dir })
	dial(t, s).attach(roomPackage).message(message{"request": "create", "room": 1}, nil)
	secure, plain := startNginx(t, s)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	base := fmt.Sprintf("https://127.0.0.1:%d", secure)
	must := func(want int, method, at, text string, fields ...string) (http.Header, string) {
		t.Helper()
		at = strings.TrimPrefix(at, base)
		status, header, body := sendWHIP(t, c, method, base+at, text, fields...)
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, at, status, body, want)
		}
		return header, body
	}
	const fragment = "Content-Type: application/trickle-ice-sdpfrag"
	status, header, _ := sendWHIP(t, c, "POST", fmt.Sprintf("http://127.0.0.1:%d/whip/endpoint/studio", plain), "v=0")
	if status != 307 || header.Get("Location") != "https://127.0.0.1/whip/endpoint/studio" {
		t.Errorf("%d %v", status, header)
	}

	p := webrtctest.NewPeer(t, webrtctest.Options{})
	made, answer := must(201, "POST", "/whip/endpoint/studio", strings.ReplaceAll(p.Offer(nil), "a=sendrecv", "a=sendonly"))
	p.Accept(answer)
	p.AwaitConnected()
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 10 * time.Millisecond})
	defer stop()
	at := made.Get("Location")
	if !strings.HasPrefix(at, "/whip/resource/") || made.Get("ETag") == "" {
		t.Errorf("%v", made)
	}
	v := whipPlayer(t)
	watched, answer := must(201, "POST", "/whep/endpoint/studio", v.Offer(nil))
	v.Accept(answer)
	v.AwaitConnected()
	v.Seen.AwaitMore(t, "the player sees")
	v.Heard.AwaitMore(t, "the player hears")

	pre, _ := must(204, "OPTIONS", at, "", "Origin: https://x.example", "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: if-match")
	if pre.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(pre.Get("Access-Control-Allow-Methods"), "PATCH") {
		t.Errorf("%v", pre)
	}
	must(204, "PATCH", at, "a=end-of-candidates\r\n", fragment, "If-Match: "+made.Get("ETag"))
	must(412, "PATCH", at, "a=end-of-candidates\r\n", fragment, `If-Match: "x"`)
	again, _ := must(200, "PATCH", at, "a=ice-ufrag:abcdefgh\r\na=ice-pwd:0123456789012345678901\r\n", fragment, "If-Match: *")
	if again.Get("ETag") == made.Get("ETag") {
		t.Error("the tag stays")
	}

	told, _ := must(201, "POST", watched.Get("Location")+"/events", `["active"]`, "Content-Type: application/json")
	resp, err := c.Get(base + told.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); line != "event: active\n" {
		t.Errorf("%q %v", line, err)
	}
	must(200, "DELETE", watched.Get("Location"), "")
	must(200, "DELETE", at, "")
	must(404, "DELETE", at, "")
}
