package turnrest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"bifrons/ice/turn"
)

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequest(t *testing.T) {
	const reply = `{"username":"1433895918:506d58","password":"pass","ttl":86400,"uris":["turn:192.0.2.1:1234?transport=tcp"]}`
	for _, tc := range []struct{ method, key, path, user, want string }{
		{"GET", "", "/turn", "alice", "GET /turn?service=turn&username=alice "},
		{"get", "k y", "/turn", "a&b", "GET /turn?service=turn&api=k+y&key=k+y&username=a%26b "},
		{"POST", "key", "/", "alice", "POST /?service=turn&api=key&key=key&username=alice service=turn&api=key&key=key&username=alice"},
		{"", "", "/x?y=1", "42", "POST /x?y=1&service=turn&username=42 service=turn&username=42"},
	} {
		got := make(chan string, 1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got <- r.Method + " " + r.RequestURI + " " + string(body)
			if r.UserAgent() != "Janus/1.0" {
				t.Errorf("user agent %q", r.UserAgent())
			}
			fmt.Fprint(w, reply)
		}))
		list, err := client(t, Config{URL: s.URL + tc.path, Key: tc.key, Method: tc.method, Timeout: time.Minute}).
			Servers(t.Context(), tc.user)
		s.Close()
		want := []turn.Server{{Transport: turn.TCP, Host: "192.0.2.1", Port: 1234, Username: "1433895918:506d58", Password: "pass"}}
		if err != nil || !reflect.DeepEqual(list, want) {
			t.Errorf("servers %v, %v", list, err)
		}
		if g := <-got; g != tc.want {
			t.Errorf("asked %q, want %q", g, tc.want)
		}
	}
}

func TestURIs(t *testing.T) {
	for uri, want := range map[string]string{
		"turn:turn.example.org":                    "udp://turn.example.org:3478",
		"turn:192.0.2.1:80":                        "udp://192.0.2.1:80",
		"TURN:turn.example.org:80?transport=UDP":   "udp://turn.example.org:80",
		"turn:turn.example.org?transport=tcp":      "tcp://turn.example.org:3478",
		"turn:turn.example.org:443?transport=tls":  "tls://turn.example.org:443",
		"turns:turn.example.org:5349":              "tls://turn.example.org:5349",
		"turns:turn.example.org?transport=tcp":     "tls://turn.example.org:3478",
		"turns:turn.example.org?transport=udp":     "",
		"turn:[2001:db8::1]:3479?transport=udp":    "udp://[2001:db8::1]:3479",
		"turn:[2001:db8::1]":                       "udp://[2001:db8::1]:3478",
		"stun:stun.example.org":                    "",
		"turn:":                                    "",
		"turn:example.org:0":                       "",
		"turn:example.org:99999":                   "",
		"turn:example.org?transport=carrierpigeon": "",
		"turn://example.org":                       "",
		"example.org":                              "",
	} {
		s, ok := parseURI(uri)
		if !ok {
			s = turn.Server{}
		}
		if ok != (want != "") || ok && s.String() != want {
			t.Errorf("%s: %v, %v, want %q", uri, s, ok, want)
		}
	}
}

func TestFailures(t *testing.T) {
	const secret = "topsecret"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		text   string
	}{
		"status":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403"},
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "not JSON"},
		"array":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }, "without username"},
		"no user":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"password":"x","uris":[]}`) }, "without username"},
		"wrong type": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"username":1,"password":"x","uris":[]}`) }, "without username"},
		"no uris": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"username":"u","password":"x","uris":"turn:x"}`)
		}, "without username"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", maxReply+1)) }, "more than"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tc.answer)
			defer s.Close()
			list, err := client(t, Config{URL: s.URL, Key: secret, Timeout: time.Minute}).Servers(t.Context(), "u")
			if err == nil || !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	if _, err := client(t, Config{URL: s.URL, Key: secret}).Servers(t.Context(), "u"); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("nobody answers: %v", err)
	}
}

// TestSlowServer: the question ends with its timeout, or with the one who asks.
func TestSlowServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	if _, err := client(t, Config{URL: s.URL, Timeout: 50 * time.Millisecond}).Servers(t.Context(), "u"); err == nil {
		t.Error("no error")
	}
	if _, err := client(t, Config{URL: s.URL, Timeout: time.Hour}).Servers(ctx, "u"); err == nil {
		t.Error("no error")
	}
}

func TestWrongURLs(t *testing.T) {
	for _, u := range []string{"", "turn.example.org", "ftp://example.org", "http://", "http://[::1", "file:///etc/passwd"} {
		if _, err := New(Config{URL: u}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"username":"u","password":"p","ttl":1,"uris":["turn:a:1?transport=udp","turns:b"]}`))
	f.Add([]byte(`{"username":"u","password":"p","uris":[1,null,{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parse(b)
		if err != nil && list != nil {
			t.Fatal("servers and an error")
		}
		for _, s := range list {
			if s.Host == "" || s.Port == 0 || s.Transport != turn.UDP && s.Transport != turn.TCP && s.Transport != turn.TLS {
				t.Fatalf("server %v", s)
			}
		}
	})
}
