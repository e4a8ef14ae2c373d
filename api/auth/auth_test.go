package auth

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"reflect"
	"sync"
	"testing"
	"time"
)

func sign(secret, text string) string {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(text))
	return text + ":" + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func TestSignedVector(t *testing.T) {
	// The MAC comes from: printf '2000000000,janus,janus.plugin.echotest' | openssl dgst -sha1 -hmac secret -binary | base64
	a := New(Config{Tokens: true, TokenSecret: "secret", Now: func() time.Time { return time.Unix(1999999999, 0) }})
	if tok := "2000000000,janus,janus.plugin.echotest:LNtgie1EksKsirl4JRX0eFfArbA="; !a.Allowed("", tok) {
		t.Errorf("%s refused, expected like %s", tok, sign("secret", "2000000000,janus,janus.plugin.echotest"))
	}
}

func TestAllowed(t *testing.T) {
	now := func() time.Time { return time.Unix(1000, 0) }
	good := sign("s3", "1000,janus,janus.plugin.a,janus.plugin.b")
	type check struct {
		secret, token string
		want          bool
	}
	tests := []struct {
		name   string
		cfg    Config
		checks []check
	}{
		{"none", Config{}, []check{{"", "", true}, {"x", "y", true}}},
		{"secret", Config{Secret: "s1"}, []check{{"s1", "", true}, {"", "", false}, {"s12", "", false}, {"", "tok", false}}},
		{"stored", Config{Tokens: true}, []check{{"", "tok", true}, {"", "", false}, {"", "other", false}, {"tok", "", false}}},
		{"both", Config{Secret: "s1", Tokens: true}, []check{{"s1", "", true}, {"", "tok", true}, {"no", "tok", true}, {"s1", "no", true}, {"no", "no", false}}},
		{"signed", Config{Tokens: true, TokenSecret: "s3", Now: now}, []check{
			{"", good, true},
			{"", sign("s3", "1000,janus"), true},
			{"", sign("s3", "999,janus,janus.plugin.a"), false},
			{"", sign("s4", "1000,janus,janus.plugin.a"), false},
			{"", sign("s3", "1000,other,janus.plugin.a"), false},
			{"", sign("s3", "soon,janus,janus.plugin.a"), false},
			{"", sign("s3", "1000"), false},
			{"", good + ":", false},
			{"", good + "=", false},
			{"", "1000,janus,janus.plugin.a", false},
			{"", "1000,janus,janus.plugin.a:", false},
			{"", ":", false},
			{"", "tok", false},
			{"", "", false},
		}},
	}
	for _, tt := range tests {
		a := New(tt.cfg)
		a.Add("tok", nil)
		for _, c := range tt.checks {
			if got := a.Allowed(c.secret, c.token); got != c.want {
				t.Errorf("%s: Allowed(%q, %q) = %v", tt.name, c.secret, c.token, got)
			}
		}
	}
	a := New(Config{Tokens: true, TokenSecret: "s3", Now: now})
	for p, want := range map[string]bool{"janus.plugin.a": true, "janus.plugin.b": true, "janus.plugin.c": false, "janus": false, "1000": false} {
		if got := a.AllowedPlugin(good, p); got != want {
			t.Errorf("AllowedPlugin(%s) = %v", p, got)
		}
	}
	room := sign("s3", "2000,janus.plugin.videoroom,room=1234")
	if !a.SignedFor(room, "janus.plugin.videoroom", "room=1234") || a.SignedFor(room, "janus.plugin.videoroom", "room=1") || a.SignedFor(room, Realm, "room=1234") {
		t.Error("descriptor of another realm")
	}
}

func TestStoredTokens(t *testing.T) {
	a := New(Config{Tokens: true})
	if got := a.Add("b", []string{"p2", "p1"}); !reflect.DeepEqual(got, []string{"p1", "p2"}) {
		t.Errorf("Add: %v", got)
	}
	a.Add("a", nil)
	if got, ok := a.Allow("a", []string{"p3"}); !ok || !reflect.DeepEqual(got, []string{"p3"}) {
		t.Errorf("Allow: %v, %v", got, ok)
	}
	if got, ok := a.Disallow("b", []string{"p1", "p9"}); !ok || !reflect.DeepEqual(got, []string{"p2"}) {
		t.Errorf("Disallow: %v, %v", got, ok)
	}
	if _, ok := a.Allow("c", nil); ok {
		t.Error("Allow knows a token that was never added")
	}
	want := []Token{{"a", []string{"p3"}}, {"b", []string{"p2"}}}
	if got := a.List(); !reflect.DeepEqual(got, want) {
		t.Errorf("List: %v", got)
	}
	if !a.AllowedPlugin("b", "p2") || a.AllowedPlugin("b", "p1") || a.AllowedPlugin("nobody", "p2") {
		t.Error("plugin lists are not kept")
	}
	if !a.Remove("a") || a.Remove("a") || a.Exists("a") || !a.Exists("b") {
		t.Error("Remove")
	}
}

func TestConcurrentUse(t *testing.T) {
	a := New(Config{Tokens: true})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				a.Add("t", []string{"p"})
				a.Allowed("", "t")
				a.AllowedPlugin("t", "p")
				a.Disallow("t", []string{"p"})
				a.List()
				a.Remove("t")
			}
		})
	}
	wg.Wait()
	if a.Exists("t") {
		t.Error("token is left")
	}
}

// FuzzSigned: no text is a valid token of an unknown secret.
func FuzzSigned(f *testing.F) {
	f.Add("1000,janus,a:b")
	f.Add(sign("known", "9000,janus,x"))
	a := New(Config{Tokens: true, TokenSecret: "unknown", Now: func() time.Time { return time.Unix(0, 0) }})
	f.Fuzz(func(t *testing.T, token string) {
		if a.Allowed("", token) || a.AllowedPlugin(token, "x") && token != "" {
			t.Errorf("%q accepted", token)
		}
	})
}
