package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoadDir(t *testing.T) {
	c, problems := LoadDir("testdata/full", "")
	want := strings.TrimSpace(`
testdata/full/janus.jcfg:4: debug_timestamps: quotes are missing around "yes-or-no", taken as text
testdata/full/janus.jcfg:4: general.debug_timestamps: wrong value "yes-or-no", accepted: yes, true, 1, no, false or 0
testdata/full/janus.jcfg:6: general.session_timeout: wrong value "-3", accepted: a whole number of seconds, 0 or more, ignored
testdata/full/janus.jcfg:9: general.daemonize: is known to Janus but not supported yet, ignored
testdata/full/janus.jcfg:10: general.colour: unknown setting, ignored
media.inc:3: media.min_nack_queue: wrong value "5000", accepted: a whole number of milliseconds from 0 to 1000, 1000 is taken
media.inc:6: media.twcc_period: wrong value "0", accepted: a whole number of milliseconds, 1 or more
testdata/full/janus.jcfg:14: nat.nat_1_1_mapping: wrong value "example.org", accepted: IP addresses separated by commas, ignored
testdata/full/janus.jcfg:22: colours: unknown category, ignored
testdata/full/janus.transport.http.cfg:8: general.mhd_debug: is known to Janus but not supported yet, ignored
testdata/full/janus.transport.rabbitmq.jcfg: general.to_janus: is not set, and has no default
testdata/full/janus.transport.rabbitmq.jcfg: general.from_janus: is not set, and has no default
`)
	if got := texts(problems); got != want {
		t.Errorf("problems:\n%s\nwant:\n%s", got, want)
	}
	server := defaultServer()
	server.General.ConfigsFolder = "testdata/full"
	server.General.DebugLevel = 5
	server.General.APISecret = "open sesame"
	server.General.ServerName = `sample "one"`
	server.General.ProtectedFolders = []string{"/etc", "/usr"}
	server.General.Daemonize = true
	server.Media.IPv6 = true
	server.Media.MinNackQueue = time.Second
	server.Media.RTPPortRange = PortRange{20000, 40000}
	server.Media.DSCP = 46
	server.NAT.Mapping = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	server.NAT.EnforceList = []string{"eth0", "192.168."}
	server.NAT.TURNServer = "turn.example.org"
	server.NAT.Nomination = "regular"
	server.NAT.ConsentFreshness = true
	server.NAT.KeepaliveConncheck = true
	server.Plugins.Disable = []string{"libjanus_voicemail.so", "libjanus_nosip.so"}
	if !reflect.DeepEqual(c.Server, server) {
		t.Errorf("Server:\n got %+v\nwant %+v", c.Server, server)
	}
	http := defaultHTTP()
	http.General.JSON = "plain"
	http.General.BasePath = "/gateway"
	http.General.HTTP = true
	http.General.Port = 9088
	http.General.ACL = []string{"127.", "192.168.0."}
	http.General.Debug = true
	http.General.AdminACLForwarded = true
	http.Admin.HTTP = true
	http.Admin.IP = netip.MustParseAddr("127.0.0.1")
	http.Admin.ACLForwarded = true
	http.CORS.AllowOrigin = "http://example.org"
	if !reflect.DeepEqual(c.HTTP, http) {
		t.Errorf("HTTP:\n got %+v\nwant %+v", c.HTTP, http)
	}
	if l := c.HTTP.Listeners(); len(l) != 2 || l[0].Name != "http" || l[0].Port != 9088 || l[0].Admin ||
		l[1].Name != "admin_http" || l[1].Port != 7088 || !l[1].Admin || l[1].IP != http.Admin.IP {
		t.Errorf("listeners: %+v", l)
	}
	pfunix := defaultPFUnix()
	pfunix.General.Enabled = true
	pfunix.General.Path = "/tmp/api"
	pfunix.General.Type = "SOCK_DGRAM"
	pfunix.Admin.Path = "/tmp/admin"
	if !reflect.DeepEqual(c.PFUnix, pfunix) {
		t.Errorf("PFUnix:\n got %+v\nwant %+v", c.PFUnix, pfunix)
	}
	if !reflect.DeepEqual(c.WebSockets, defaultWebSockets()) || c.WebSockets.Listeners() != nil {
		t.Errorf("WebSockets without a file: %+v", c.WebSockets)
	}
}

func TestNoFiles(t *testing.T) {
	c, problems := LoadDir("testdata/empty", "")
	if HasErrors(problems) || len(problems) != 1 {
		t.Errorf("problems: %s", texts(problems))
	}
	if c.Found || c.Folder != "testdata/empty" || c.Server.General.DebugLevel != 4 {
		t.Errorf("%+v", c)
	}
	h, w := c.HTTP.Listeners(), c.WebSockets.Listeners()
	if len(h) != 1 || h[0].Port != 8088 || h[0].TLS || len(w) != 1 || w[0].Port != 8188 || w[0].TLS {
		t.Errorf("listeners: %+v, %+v", h, w)
	}
	if d := Default(); !reflect.DeepEqual(d.HTTP, c.HTTP) || !reflect.DeepEqual(d.WebSockets, c.WebSockets) {
		t.Error("LoadDir without files is not Default")
	}
}

// writeFiles makes a folder with these files.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMainFile(t *testing.T) {
	const jcfg, ini = `general: { server_name = "jcfg" }`, "[general]\nserver_name = ini\n"
	tests := []struct {
		name     string
		files    map[string]string
		explicit string // in the same folder
		server   string
		problems string
		fatal    bool
	}{
		{"jcfg first", map[string]string{"janus.jcfg": jcfg, "janus.cfg": ini}, "", "jcfg", "", false},
		{"ini if that is all", map[string]string{"janus.cfg": ini}, "", "ini", "", false},
		{"explicit", map[string]string{"janus.jcfg": jcfg, "my.conf": ini}, "my.conf", "ini", "", false},
		{"explicit jcfg by its name", map[string]string{"my.jcfg.bak": jcfg}, "my.jcfg.bak", "jcfg", "", false},
		{"explicit missing", map[string]string{"janus.jcfg": jcfg}, "my.jcfg", "MyJanusInstance", "DIR/my.jcfg: no such file or directory", true},
		{"explicit missing, janus.cfg there", map[string]string{"janus.cfg": ini}, "my.jcfg", "ini", "DIR/my.jcfg: no such file or directory, reading DIR/janus.cfg in its place", false},
		{"broken", map[string]string{"janus.jcfg": "general: {"}, "", "MyJanusInstance", "DIR/janus.jcfg:1: { without }", true},
		{"broken, janus.cfg there", map[string]string{"janus.jcfg": "general: {", "janus.cfg": ini}, "", "ini", "DIR/janus.jcfg:1: { without }, reading DIR/janus.cfg in its place", false},
		{"both broken", map[string]string{"janus.jcfg": "general: {", "janus.cfg": "x"}, "", "MyJanusInstance", "DIR/janus.jcfg:1: { without }\nDIR/janus.cfg:1: want name = value or [category]", true},
		{"transport broken", map[string]string{"janus.jcfg": jcfg, "janus.transport.http.jcfg": "x"}, "", "jcfg", `DIR/janus.transport.http.jcfg:1: want = or : after "x", got the end of the file`, true},
		{"transport jcfg first", map[string]string{"janus.jcfg": jcfg, "janus.transport.http.jcfg": "", "janus.transport.http.cfg": "x"}, "", "jcfg", "", false},
		{"transport broken", map[string]string{"janus.jcfg": jcfg, "janus.transport.mqtt.jcfg": "x"}, "", "jcfg", `DIR/janus.transport.mqtt.jcfg:1: want = or : after "x", got the end of the file`, true},
		{"not a group", map[string]string{"janus.jcfg": jcfg + "\nnat = 1\nfoo = 2"}, "", "jcfg",
			"DIR/janus.jcfg:2: nat: is not a group of settings, accepted: nat: { ... }\nDIR/janus.jcfg:3: foo: unknown setting outside a category, ignored", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeFiles(t, tt.files)
			explicit := tt.explicit
			if explicit != "" {
				explicit = filepath.Join(dir, explicit)
			}
			c, problems := LoadDir(dir, explicit)
			if got := strings.ReplaceAll(texts(problems), dir, "DIR"); got != tt.problems {
				t.Errorf("problems:\n%s\nwant:\n%s", got, tt.problems)
			}
			if HasErrors(problems) != tt.fatal {
				t.Errorf("HasErrors = %v", !tt.fatal)
			}
			if got := c.Server.General.ServerName; got != tt.server {
				t.Errorf("server_name = %q, want %q", got, tt.server)
			}
			if len(c.HTTP.Listeners()) != 0 {
				t.Error("a listener is on without a file that says so")
			}
		})
	}
}

// The main file may say where the others are, unless the command line does.
func TestConfigsFolder(t *testing.T) {
	const on = "general: { ws = true }"
	other := writeFiles(t, map[string]string{"janus.transport.websockets.jcfg": on})
	main := writeFiles(t, map[string]string{"my.jcfg": `general: { configs_folder = "` + other + `" }`})
	c, problems := LoadDir("", filepath.Join(main, "my.jcfg"))
	if len(problems) > 0 || c.Folder != other || len(c.WebSockets.Listeners()) != 1 {
		t.Errorf("%s, %+v", texts(problems), c)
	}
	c, problems = LoadDir(main, filepath.Join(main, "my.jcfg"))
	if len(problems) > 0 || c.Folder != main || len(c.WebSockets.Listeners()) != 0 {
		t.Errorf("%s, %+v", texts(problems), c)
	}
}

func TestCertificatesAreNeeded(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"janus.transport.http.jcfg":       "general: { https = true }\nadmin: { admin_https = true }\ncertificates: { cert_pem = \"x\" }",
		"janus.transport.websockets.jcfg": "general: { wss = true }\nadmin: { admin_wss = true; admin_ws_acl_forwarded = yes }\ncertificates: { cert_pem = \"x\" }",
	})
	c, problems := LoadDir(dir, "")
	want := "DIR/janus.transport.http.jcfg: general.https: needs cert_pem and cert_key in section certificates\n" +
		"DIR/janus.transport.http.jcfg: admin.admin_https: needs cert_pem and cert_key in section certificates\n" +
		`DIR/janus.transport.websockets.jcfg:2: admin_ws_acl_forwarded: quotes are missing around "yes", taken as text`
	if got := strings.ReplaceAll(texts(problems), dir, "DIR"); got != want {
		t.Errorf("problems:\n%s\nwant:\n%s", got, want)
	}
	if c.WebSockets.Certificates.Key != "x" {
		t.Error("the key of wss does not come from the certificate's file")
	}
	l := c.WebSockets.Listeners()
	if len(l) != 2 || l[0].Port != 8989 || !l[0].TLS || l[1].Port != 7989 || !l[1].TLS || !l[1].Admin || !c.WebSockets.Admin.ACLForwarded {
		t.Errorf("listeners: %+v", l)
	}
}

func TestLoadFile(t *testing.T) {
	dir := writeFiles(t, map[string]string{"janus.plugin.x.cfg": "[room-1]\na = b\n", "janus.plugin.y.jcfg": "}"})
	if f, p := LoadFile(dir, "janus.plugin.x"); len(p) > 0 || f.Category("room-1").String("a") != "b" {
		t.Errorf("%v, %s", f, texts(p))
	}
	if f, p := LoadFile(dir, "janus.plugin.none"); f != nil || p != nil {
		t.Errorf("missing file: %v, %s", f, texts(p))
	}
	if f, p := LoadFile(dir, "janus.plugin.y"); f != nil || !HasErrors(p) {
		t.Errorf("wrong file: %v, %s", f, texts(p))
	}
}

// The files of Debian's package janus are taken as they are.
func TestDebianFiles(t *testing.T) {
	const dir = "/etc/janus"
	files, _ := filepath.Glob(dir + "/*.jcfg")
	if len(files) == 0 {
		t.Skip("the files of Debian's package janus are not in " + dir)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(path, data, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		// What is written over again reads the same, and so do neighbours.
		text, err := Marshal(f.Root)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		again, err := Parse(path, text, nil)
		if err != nil || dump(again.Root) != dump(f.Root) {
			t.Errorf("%s: %v: does not survive writing", path, err)
		}
	}
	c, problems := LoadDir(dir, "")
	for _, p := range problems {
		if !p.Warning {
			t.Error(p)
		}
		t.Log(p)
	}
	if c.Server.General.AdminSecret != "janusoverlord" || !reflect.DeepEqual(c.Server.NAT.IgnoreList, []string{"vmnet"}) ||
		len(c.Server.General.ProtectedFolders) < 10 {
		t.Errorf("%+v", c.Server)
	}
	if h, w := c.HTTP.Listeners(), c.WebSockets.Listeners(); len(h) != 1 || h[0].Port != 8088 || len(w) != 1 || w[0].Port != 8188 {
		t.Errorf("listeners: %+v, %+v", h, w)
	}
	f, _ := LoadFile(dir, "janus.plugin.streaming")
	if media := f.Category("multistream-test").List("media"); len(media) != 3 || media[2].Group.String("port") != "5106" {
		t.Errorf("streaming: %+v", media)
	}
}
