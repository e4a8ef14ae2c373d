package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/client"
	"bifrons/api/transport"
	"bifrons/api/transport/nanomsg"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// TestEcho: a client of HTTP has an echo test over a pair of nanomsg, and the same answers as
// without anything in between.
func TestEcho(t *testing.T) {
	waittest.NoLeaks(t)
	lab := transporttest.New(t)
	at := func(name string) nanomsg.Address {
		return nanomsg.Address{Enabled: true, Address: "ipc://" + filepath.Join(t.TempDir(), name)}
	}
	cfg := nanomsg.Config{API: at("api"), Admin: at("admin"), Common: transport.Common{Log: transporttest.Quiet()}}
	s, err := nanomsg.New(cfg, lab.Core)
	lab.Carry(s, err)
	open := func(w way) string {
		w.over = "nanomsg"
		conn, err := w.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := newBridge("/api", conn)
		server := httptest.NewServer(b)
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
			b.Close()
		})
		return server.URL + "/api"
	}
	base := open(way{at: cfg.API.Address})
	dial := func() *client.Client { return lab.Dial(client.HTTP(base, client.HTTPOptions{Poll: 10}), nil) }
	for text, code := range map[string]string{`{"janus":`: "454", `[1]`: "456"} {
		resp, err := http.Post(base, "application/json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		reply, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || !strings.Contains(string(reply), `"code":`+code) {
			t.Errorf("%s: %s %v", text, reply, err)
		}
	}
	lab.Echo(dial())
	lab.Compare(dial())
	lab.Admin(lab.Dial(client.HTTP(open(way{at: cfg.Admin.Address, admin: true}), client.HTTPOptions{}), nil))
}
