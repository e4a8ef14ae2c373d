package netns

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

func TestPair(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if err := checkFree(); err != nil {
		t.Skip(err)
	}
	p, err := New()
	if err != nil {
		t.Skip(err) // a container may have root and still not be allowed to
	}
	out, err := p.Command("ip", "-br", "addr").CombinedOutput()
	if err != nil || !strings.Contains(string(out), InsideAddr+"/24") {
		t.Errorf("inside: %v %s", err, out)
	}
	if strings.Contains(string(out), HostAddr+"/24") {
		t.Errorf("the command ran outside: %s", out)
	}
	if _, err := New(); err == nil {
		t.Error("a second pair was made on the same network")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.InterfaceByName(p.host); err == nil {
		t.Errorf("interface %s is left", p.host)
	}
	if out, _ := exec.Command("ip", "netns", "list").Output(); strings.Contains(string(out), p.name) {
		t.Errorf("namespace %s is left", p.name)
	}
}
