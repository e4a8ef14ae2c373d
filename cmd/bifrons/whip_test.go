package main

import (
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

	base := strings.TrimSuffix(s.url("http"), "/")
	send := func(method, path, text string) (int, http.Header, string) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Content-Type", "application/sdp")
		resp, err := http.DefaultClient.Do(r)
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
	defer http.DefaultClient.CloseIdleConnections()

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
	v := webrtctest.NewReceiver(t, webrtctest.Options{})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := v.PC.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		v.Must(err)
	}
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
