package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/ice/turn/turntest"
	"bifrons/rtp/waittest"
)

// command runs a sub-command with these files and returns what it writes.
func command(t *testing.T, name string, files map[string]string) (code int, out string) {
	t.Helper()
	var b strings.Builder
	code = run([]string{name, "-F", writeFiles(t, files)}, &b, &b)
	return code, b.String()
}

// writeFiles makes a folder with files.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheck(t *testing.T) {
	good := map[string]string{
		"janus.jcfg":                 `general: { debug_level = 5; api_secret = "xyzzy" } nat: { no_such_thing = 1 }`,
		"janus.transport.http.jcfg":  `general: { http = true }`,
		"janus.plugin.lua.jcfg":      `general: { script = "/there/is/none.lua" }`,
		"janus.plugin.theirs.jcfg":   ``,
		"janus.plugin.echotest.jcfg": ``,
	}
	code, out := command(t, "check", good)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"general.debug_level = 5", "general.api_secret = (hidden)", "http:general.http = true",
		"janus.jcfg:1: nat.no_such_thing", "bifrons has no such module", "can start",
		"janus.plugin.lua.jcfg:1: general.script: open /there/is/none.lua",
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

// What lets in more than it seems to is told by check and at the start.
func TestDoubts(t *testing.T) {
	waittest.NoLeaks(t)
	files := map[string]string{
		"janus.jcfg": `general: { admin_secret = "" }`,
		"janus.transport.http.jcfg": `general: { http = true; ip = "127.0.0.1"; port = 0; acl = "127.,10.93.0.1" }
			admin: { admin_http = true; admin_ip = "127.0.0.1"; admin_port = 0; admin_acl = "10.93.1" }`,
		"janus.transport.websockets.jcfg": `general: { ws_acl = "10.93.0.2" } admin: { admin_ws = true; admin_ws_ip = "127.0.0.1"; admin_ws_port = 0; admin_ws_acl = "all" }`,
	}
	wants := []string{
		"janus.jcfg: general.admin_secret: is not set, whoever reaches admin_http, admin_ws can do everything",
		`general.acl: is a whole address "10.93.0.1", allows this one alone`,
		`admin.admin_acl: is the beginning of more addresses than it looks like "10.93.1", allows 10.93.10 too`,
		`admin.admin_ws_acl: is neither an address nor the beginning of one "all", allows nobody`,
	}
	code, checked := command(t, "check", files)
	var logged strings.Builder
	l, err := log.New(log.Config{Stdout: &logged, Level: 3})
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.LoadDir(writeFiles(t, files), "")
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	s, err := start(cfg, "", l)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, want := range wants {
		if code != 0 || !strings.Contains(checked, want) {
			t.Errorf("%d, %q is not in\n%s", code, want, checked)
		}
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q is not in\n%s", want, &logged)
		}
	}
	if strings.Contains(checked, `"10.93.0.2"`) || strings.Contains(checked, `"127."`) {
		t.Errorf("too many warnings:\n%s", checked)
	}
	files["janus.jcfg"] = `general: { admin_secret = "janusoverlord" }`
	if _, out := command(t, "check", files); !strings.Contains(out, "is that of the sample file") {
		t.Errorf("the secret of the sample file:\n%s", out)
	}
	files["janus.jcfg"] = `general: { admin_secret = "mine" }`
	if _, out := command(t, "check", files); strings.Contains(out, "admin_secret: is") {
		t.Errorf("with a secret:\n%s", out)
	}
	const nothing = "nat.ice_enforce_list: leaves no address of this machine"
	for list, want := range map[string]bool{"nowhere0, 192.0.2.77": true, "127.0.0.1": false, "": false} {
		files["janus.jcfg"] = `nat: { ice_enforce_list = "` + list + `" }`
		if _, out := command(t, "check", files); strings.Contains(out, nothing) != want {
			t.Errorf("enforce list %q:\n%s", list, out)
		}
	}
}

func TestDoctor(t *testing.T) {
	waittest.NoLeaks(t)
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
	waittest.NoLeaks(t)
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
