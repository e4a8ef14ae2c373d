package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/janus"
	"bifrons/api/plugin/videoroom"
	"bifrons/api/whip"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// TestOwnServer runs all checks on our own server, of which nothing may be left to be
// desired.
func TestOwnServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "janus.plugin.videoroom.jcfg"), []byte(`room-1: { publishers = 20 } room-2: { }`), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	engine, err := sfu.New(sfu.Config{Shards: 1, Enforce: []string{"127.0.0.1"}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	core := janus.New(janus.Config{Engine: engine, Logger: log})
	t.Cleanup(core.Close)
	if err := core.AddPlugin(videoroom.New(dir)); err != nil {
		t.Fatal(err)
	}
	server, err := whip.New(whip.Config{RequestRate: 1000, Log: log, ICEServers: []whip.ICEServer{{URL: "stun:stun.example.net"}}, Endpoints: []whip.Endpoint{
		{ID: "x", Room: "1", Token: "secret"}, {ID: "x", Kind: whip.Watch, Room: "1", Token: "secret"}, {ID: "idle", Kind: whip.Watch, Room: "2"},
	}}, core)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		web.CloseClientConnections()
		web.Close()
	})
	var out bytes.Buffer
	err = run([]string{"-whip", web.URL + "/whip/endpoint/x", "-whep", web.URL + "/whep/endpoint/x", "-idle", web.URL + "/whep/endpoint/idle", "-token", "secret"}, &out)
	if err != nil || strings.Contains(out.String(), "\nshould") || strings.Contains(out.String(), "\nskip") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "\nok"); n < 80 {
		t.Errorf("%d checks passed", n)
	}
}

// TestBrokenServer sees to it that the checks can fail: by a server that takes everything
// and means nothing.
func TestBrokenServer(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.WriteHeader(http.StatusCreated)
		}
		fmt.Fprint(w, "v=0")
	}))
	defer web.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out bytes.Buffer
	if err := run([]string{"-whip", web.URL + "/a", "-whep", web.URL + "/b", "-token", "t"}, &out); err == nil {
		t.Error("nothing is found")
	}
	for _, words := range []string{"POST of garbage is refused", "without a token POST is unauthorized", "it says where the resource is", "the answer can be read"} {
		if !strings.Contains(out.String(), "FAIL") || !strings.Contains(out.String(), words) {
			t.Errorf("%q is not found in\n%s", words, out.String())
		}
	}
	if err := run(nil, io.Discard); err == nil {
		t.Error("no URL is needed")
	}
}
