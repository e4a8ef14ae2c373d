package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestACL(t *testing.T) {
	for _, c := range []struct {
		list, ip string
		ok       bool
	}{
		{"", "1.2.3.4", true},
		{" , ", "1.2.3.4", true},
		{"1.2.3.4", "1.2.3.4", true},
		{"1.2.", "1.2.3.4", true},
		{"1.2.", "1.20.3.4", false},
		{"9., 1.2.", "1.2.3.4", true},
		{"2.3.", "1.2.3.4", false},
		{"1.2.", "::ffff:1.2.3.4", true},
		{"::ffff:1.2.", "1.2.3.4", true},
		{"2001:DB8:", "2001:db8::1", true},
		{"2001:db8:", "2001:db9::1", false},
		{"fe80:", "fe80::1%eth0", true},
		{"1.", "not an address", false},
		{"10.93.0.1", "10.93.0.1", true},
		{"10.93.0.1", "::ffff:10.93.0.1", true},
		{"10.93.0.1", "10.93.0.10", false},
		{"10.93.0.1", "10.93.0.100", false},
		{"::ffff:10.93.0.1", "10.93.0.1", true},
		{"::ffff:10.93.0.1", "10.93.0.10", false},
		{"10.93.0", "10.93.0.10", true}, // as Janus has it
		{"10.93.1", "10.93.10.1", true},
		{"10.93.0.0/30", "10.93.0.3", true},
		{"10.93.0.1/30", "10.93.0.3", true},
		{"10.93.0.0/30", "10.93.0.4", false},
		{"::ffff:10.93.0.0/126", "10.93.0.3", true},
		{"::ffff:10.93.0.0/126", "10.93.0.4", false},
		{"0.0.0.0/0", "10.93.0.4", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "10.93.0.4", true},
		{"2001:db8::1", "2001:db8::1", true},
		{"2001:DB8:0::1", "2001:db8::1", true},
		{"2001:db8::1", "2001:db8::10", false},
		{"2001:db8::1", "2001:db8::1%eth0", true},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"2001:db8::", "2001:db8::10", true},
		{"2001:db8::/32", "2001:db8:1::10", true},
		{"2001:db8::/32", "2001:db9::10", false},
		{"10.0.0.0/33", "10.0.0.0", false},
		{"10.*", "10.0.0.0", false},
		{"localhost", "127.0.0.1", false},
		{"", "not an address", true},
	} {
		if got := NewACL(strings.Split(c.list, ","), false).Allows(c.ip); got != c.ok {
			t.Errorf("%q allows %s: %v", c.list, c.ip, got)
		}
	}
}

func TestDoubts(t *testing.T) {
	for entry, want := range map[string]string{
		"10.93.0.": "", "10.93.0": "", "10.93.26": "", "10.0.0.0/8": "", "2001:db8:": "", "2001:db8::": "", "2001:0db8": "", "": "",
		"10.93.0.1": "whole", "::1": "whole", "10.93.1": "more", "10.93": "", "10.2": "more", "1": "more", "2001:db8": "more", "fe8": "more",
		"10.0.0.0/33": "no network", "10.0.0.*": "neither", "localhost": "neither", "a b": "neither",
	} {
		list := Doubts([]string{entry})
		if len(list) == 0 && want != "" || len(list) == 1 && (want == "" || !strings.Contains(list[0].Text, want) || list[0].Entry != entry) {
			t.Errorf("%q: %v, want %q", entry, list, want)
		}
	}
}

func TestACLForwarded(t *testing.T) {
	for _, c := range []struct {
		lines []string
		ok    bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"10.0.0.1"}, true},
		{[]string{"10.0.0.1, 10.0.0.2"}, true},
		{[]string{"10.0.0.1,11.0.0.2"}, false},
		{[]string{"10.0.0.1", "11.0.0.2"}, false},
		{[]string{"unknown"}, false},
	} {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": c.lines}}
		if got := NewACL([]string{"10."}, true).AllowsRequest(r); got != c.ok {
			t.Errorf("%q: %v", c.lines, got)
		}
		if !NewACL([]string{"10."}, false).AllowsRequest(r) {
			t.Errorf("%q: the header counts although it should not", c.lines)
		}
	}
}

func TestCertificate(t *testing.T) {
	for _, c := range []struct {
		key, password string
		ok            bool
	}{
		{"key.pem", "", true},
		{"both.pem", "", true},
		{"key-aes.pem", "bifrons", true},
		{"key-aes128.pem", "bifrons", true},
		{"key-aes192.pem", "bifrons", true},
		{"key-3des.pem", "bifrons", true},
		{"key-old.pem", "bifrons", true},
		{"key-aes.pem", "wrong", false},
		{"key-aes.pem", "", false},
		{"key-old.pem", "wrong", false},
		{"missing.pem", "", false},
		{"cert.pem", "", false},
	} {
		conf, err := Certificate{PEM: "testdata/cert.pem", Key: "testdata/" + c.key, Password: c.password}.Load(slog.New(slog.DiscardHandler))
		if (err == nil) != c.ok {
			t.Errorf("%s, password %q: %v", c.key, c.password, err)
		}
		if err != nil {
			continue
		}
		if pair, err := conf.GetCertificate(nil); err != nil || len(pair.Certificate) != 1 || conf.MinVersion < tls.VersionTLS12 {
			t.Errorf("%s: %+v, %v", c.key, conf, err)
		}
	}
	if _, err := (Certificate{PEM: "testdata/both.pem"}).Load(nil); err != nil {
		t.Errorf("key and certificate in one file: %v", err)
	}
	if _, err := (Certificate{}).Load(nil); err == nil {
		t.Error("no certificate, no error")
	}
}

// A certificate that is renewed is in use at once; one that is broken is not.
func TestCertificateRenewal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "both.pem")
	write := func(serial int64) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		x := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
		cert, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		der, _ := x509.MarshalPKCS8PrivateKey(key)
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
		if err := os.WriteFile(file, append(b, make([]byte, serial)...), 0o600); err != nil { // of another size each time
			t.Fatal(err)
		}
	}
	write(1)
	conf, err := Certificate{PEM: file}.Load(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(serial int64) {
		t.Helper()
		pair, err := conf.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		x, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil || x.SerialNumber.Int64() != serial {
			t.Errorf("certificate %v (%v), want %d", x.SerialNumber, err, serial)
		}
	}
	expect(1)
	write(2)
	expect(2)
	if err := os.WriteFile(file, []byte("half a certi"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(2)
	write(3)
	expect(3)
}

func TestListenInterface(t *testing.T) {
	devs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devs {
		if d.Flags&net.FlagLoopback == 0 || d.Flags&net.FlagUp == 0 {
			continue
		}
		all, err := Address{Interface: d.Name}.Listen(Door{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
				t.Errorf("%s listens on %v", d.Name, l.Addr())
			}
			l.Close()
		}
		if len(all) == 0 {
			t.Errorf("%s: no listener", d.Name)
		}
	}
	if _, err := (Address{Interface: "no-such-interface"}).Listen(Door{}); err == nil {
		t.Error("unknown interface, no error")
	}
	if l, err := (Address{Interface: "127.0.0.1"}).Listen(Door{}); err != nil {
		t.Error(err)
	} else {
		l[0].Close()
	}
}

// TestListenLimit has more clients than slots: the third waits for its turn.
func TestListenLimit(t *testing.T) {
	ls, err := Address{IP: netip.MustParseAddr("127.0.0.1")}.Listen(Door{Max: 2})
	if err != nil {
		t.Fatal(err)
	}
	l := ls[0]
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*Visitor).Active()
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a connection too many")
	default:
	}
	first.Close()
	first.Close() // gives one slot back, not two
	third := <-accepted
	second.Close()
	third.Close()
	l.Close()
	if _, open := <-accepted; open {
		t.Error("accepted after Close")
	}
}

func TestQuery(t *testing.T) {
	c := (&Common{Events: true}).Control()
	none := func() (string, int64) { return "3", -1 }
	for request, want := range map[string]string{
		`{}`:                                 `{"error_code":412,"error":"Missing mandatory element (request)"}`,
		`[]`:                                 `{"error_code":413,"error":"Invalid request: not a JSON object"}`,
		`{"request":1}`:                      `{"error_code":413,"error":"Invalid element type (request should be a string)"}`,
		`{"request":"x"}`:                    `{"error_code":411,"error":"Unknown request 'x'"}`,
		`{"request":"connections"}`:          `{"result":200,"connections":3}`,
		`{"request":"configure"}`:            `{"result":200}`,
		`{"request":"configure","events":1}`: `{"error_code":413,"error":"Invalid element type (events should be a boolean)"}`,
		`{"request":"configure","json":1}`:   `{"error_code":413,"error":"Invalid element type (json should be a string)"}`,
		`{"request":"configure","json":"pretty"}`: `{"result":200,"notes":["Ignored unsupported indentation format"]}`,
		`{"request":"configure","events":true}`:   `{"result":200,"notes":["Event handlers disabled at the core level"]}`,
	} {
		if got := string(c.Query([]byte(request), none)); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	var events []string
	c = (&Common{Events: true, Notify: func(conn string, e []byte) { events = append(events, conn+string(e)) }}).Control()
	c.Notify("7", map[string]int{"n": 1})
	c.Query([]byte(`{"request":"configure","events":false,"json":"plain"}`), none)
	c.Notify("7", map[string]int{"n": 2})
	if strings.Join(events, " ") != `7{"n":1}` || c.Notifies() {
		t.Errorf("events %q", events)
	}
	if got := string(c.Relayout([]byte(`{"a":1}`))); got != `{"a": 1}` {
		t.Errorf("layout %s", got)
	}
}
