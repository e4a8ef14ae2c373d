package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/config"
)

func TestReadUDP(t *testing.T) {
	name := filepath.Join(t.TempDir(), "snmp")
	text := "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: 11 12 13 14\nUdpLite: InDatagrams\nUdpLite: 99\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var u Usage
	if err := readUDP(name, &u); err != nil {
		t.Fatal(err)
	}
	if u.UDPIn != 11 || u.UDPErrors != 13 || u.UDPOut != 14 {
		t.Errorf("%+v", u)
	}
}

func TestBifronsConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := configureBifrons(dir); err != nil {
		t.Fatal(err)
	}
	c, problems := config.LoadDir(dir, "")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if !c.WebSockets.General.WS || !c.HTTP.General.HTTP || c.Server.General.DebugLevel != 2 || len(c.Server.NAT.EnforceList) != 1 {
		t.Errorf("%+v %+v", c.WebSockets.General, c.Server)
	}
}

// TestJanusConfiguration checks that every edit finds its line, by our own
// reader of such files.
func TestJanusConfiguration(t *testing.T) {
	if _, err := Janus(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := configureJanus(dir); err != nil {
		t.Fatal(err)
	}
	c, problems := config.LoadDir(dir, "")
	for _, p := range problems {
		if !p.Warning {
			t.Error(p)
		}
	}
	if !c.WebSockets.General.WS || c.Server.General.DebugLevel != 2 || len(c.Server.NAT.EnforceList) != 1 {
		t.Errorf("%+v %+v", c.WebSockets.General, c.Server)
	}
	for _, e := range janusEdits(dir) {
		b, err := os.ReadFile(filepath.Join(dir, e.file))
		want := e.with[strings.LastIndex(e.with, "\t")+1:]
		if err != nil || !strings.Contains(string(b), strings.TrimPrefix(want, "${1}")) {
			t.Errorf("%s: %v: no line %q", e.file, err, want)
		}
	}
}
