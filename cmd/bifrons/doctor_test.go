package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bifrons/ice/turn/turntest"
)

// command runs a sub-command with these files and returns what it writes.
func command(t *testing.T, name string, files map[string]string) (code int, out string) {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	code = run([]string{name, "-F", dir}, &b, &b)
	return code, b.String()
}

func TestCheck(t *testing.T) {
	good := map[string]string{
		"janus.jcfg":                 `general: { debug_level = 5; api_secret = "xyzzy" } nat: { no_such_thing = 1 }`,
		"janus.transport.http.jcfg":  `general: { http = true }`,
		"janus.plugin.sip.jcfg":      ``,
		"janus.plugin.echotest.jcfg": ``,
	}
	code, out := command(t, "check", good)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"general.debug_level = 5", "general.api_secret = (hidden)", "http:general.http = true",
		"janus.jcfg:1: nat.no_such_thing", "bifrons has no such module", "can start",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "xyzzy") {
		t.Error("a secret is shown")
	}
	good["janus.jcfg"] = `general: { check_openfiles_limit = "many" }`
	if code, out = command(t, "check", good); code != 1 || !strings.Contains(out, "janus.jcfg:1: general.check_openfiles_limit") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestDoctor(t *testing.T) {
	leakCheck(t)
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	code, out := command(t, "doctor", map[string]string{
		"janus.jcfg":                `nat: { ice_enforce_list = "127.0.0.1" }`,
		"janus.transport.http.jcfg": `general: { http = true; port = ` + port + `; https = true } certificates: { cert_pem = "/no/such/file"; cert_key = "/no/such/file" }`,
	})
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"HTTP cannot listen on port " + port, "the certificate for HTTPS cannot be used", "media can use UDP port",
		"127.0.0.1 (host)", "only browsers on this machine", "2 problems",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	code, out = command(t, "doctor", map[string]string{
		"janus.jcfg":                `nat: { ice_enforce_list = "no such interface" }`,
		"janus.transport.http.jcfg": `general: { http = false }`,
	})
	for _, want := range []string{"no transport is on", "there are no addresses to offer"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, %q is not in\n%s", code, want, out)
		}
	}
}

// TestDoctorTURN: whether a TURN server relays is found out.
func TestDoctorTURN(t *testing.T) {
	leakCheck(t)
	relays := turntest.Start(t, turntest.Options{})
	for password, want := range map[string]string{
		turntest.Password: fmt.Sprintf("the TURN server 127.0.0.1:%d relays", relays.UDP),
		"wrong":           fmt.Sprintf("the TURN server 127.0.0.1:%d does not relay", relays.UDP),
	} {
		_, out := command(t, "doctor", map[string]string{
			"janus.jcfg": fmt.Sprintf(`nat: { ice_enforce_list = "127.0.0.1"; ice_tcp = true; turn_server = "127.0.0.1"
				turn_port = %d; turn_user = %q; turn_pwd = %q }`, relays.UDP, turntest.User, password),
			"janus.transport.http.jcfg": `general: { http = true; port = 0 }`,
		})
		if !strings.Contains(out, want) || !strings.Contains(out, "media can use TCP port") {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestShortages(t *testing.T) {
	if fewFiles(leastFiles) != nil || smallBuffer(0) != nil || smallBuffer(4<<20) != nil {
		t.Error("enough counts as too little")
	}
	if x := fewFiles(1024); x == nil || !strings.Contains(x.remedy, "LimitNOFILE") {
		t.Errorf("%+v", x)
	}
	if x := smallBuffer(208 << 10); x == nil || !strings.Contains(x.what, "208 KiB") || !strings.Contains(x.remedy, "rmem_max=4194304") {
		t.Errorf("%+v", x)
	}
}
