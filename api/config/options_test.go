package config

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"bifrons/api/module"
)

func TestParseArgs(t *testing.T) {
	tests := []struct {
		args string
		want Options
	}{
		{"", Options{}},
		{"-h", Options{Help: true}},
		{"--help", Options{Help: true}},
		{"-V", Options{Version: true}},
		{"--vers", Options{Version: true}},
		{"-C a.jcfg", Options{ConfigFile: "a.jcfg"}},
		{"-Ca.jcfg -F /x", Options{ConfigFile: "a.jcfg", ConfigsFolder: "/x"}},
		{"--config=a.jcfg --configs-folder=/x", Options{ConfigFile: "a.jcfg", ConfigsFolder: "/x"}},
		{"--config a.jcfg --configs-folder /x", Options{ConfigFile: "a.jcfg", ConfigsFolder: "/x"}},
		{"-C a -C b", Options{ConfigFile: "b"}},
		{"--demos /d --", Options{Demos: "/d"}},
		{"-VhF/x", Options{Version: true, Help: true, ConfigsFolder: "/x"}},
		{"-C -F", Options{ConfigFile: "-F"}},
		{"--config=", Options{}},
		{"-H /w --log-stdout", Options{WorkingFolder: "/w", LogStdout: true}},
		{"--drain-timeout 60", Options{DrainTimeout: time.Minute}},
	}
	for _, tt := range tests {
		if !strings.Contains(tt.args, "drain") {
			tt.want.DrainTimeout = defaultDrain
		}
		got, err := ParseArgs(strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		got.settings = nil
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", tt.args, *got, tt.want)
		}
	}
}

func TestParseArgsErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-z":                 `unknown option "-z"`,
		"-Dz":                `unknown option "-z"`,
		"--foo":              `unknown option "--foo"`,
		"--foo=1":            `unknown option "--foo"`,
		"--=1":               `unknown option "--"`,
		"--ice":              "option --ice can be --ice-enforce-list, --ice-ignore-list, --ice-lite or --ice-tcp",
		"--daemon=1":         "option --daemon takes no argument",
		"--config":           "option --config needs an argument FILE",
		"-DC":                "option -C needs an argument FILE",
		"x":                  `unexpected argument "x"`,
		"-":                  `unexpected argument "-"`,
		"-D -- x":            `unexpected argument "x"`,
		"--drain-timeout=5m": `option --drain-timeout needs a number of seconds, not "5m"`,
	} {
		if _, err := ParseArgs(strings.Fields(args)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
}

// apply parses and applies arguments to the defaults, silent about what is not
// supported yet.
func apply(t *testing.T, args ...string) (Server, []Problem) {
	t.Helper()
	o, err := ParseArgs(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	s := defaultServer()
	problems := o.Apply(&s)
	return s, problems
}

func TestApply(t *testing.T) {
	tests := []struct {
		short string // "" = none
		long  string
		want  func(*Server)
	}{
		{"-p /run/x", "--pid-file=/run/x", func(s *Server) { s.General.PIDFile = "/run/x" }},
		{"-N", "--disable-stdout", func(s *Server) { s.General.LogToStdout = false }},
		{"-L /log", "--log-file=/log", func(s *Server) { s.General.LogToFile = "/log" }},
		{"-l 1024", "--check-openfiles-limits=1024", func(s *Server) { s.General.CheckOpenFilesLimit = 1024 }},
		{"-i eth0", "--interface=eth0", func(s *Server) { s.General.Interface = "eth0" }},
		{"-P /p", "--plugins-folder=/p", func(s *Server) { s.General.PluginsFolder = "/p" }},
		{"-c a -k b", "--cert-pem=a --cert-key=b", func(s *Server) { s.Certificates.Cert, s.Certificates.Key = "a", "b" }},
		{"-S stun.x", "--stun-server=stun.x", func(s *Server) { s.NAT.STUNServer = "stun.x" }},
		{"-S stun.x:19302", "--stun-server=stun.x:19302", func(s *Server) { s.NAT.STUNServer, s.NAT.STUNPort = "stun.x", 19302 }},
		{"-S [::1]:1", "--stun-server=[::1]:1", func(s *Server) { s.NAT.STUNServer, s.NAT.STUNPort = "::1", 1 }},
		{"-S ::1", "--stun-server=[::1]", func(s *Server) { s.NAT.STUNServer = "::1" }},
		{"-1 192.0.2.1", "--nat-1-1=192.0.2.1", func(s *Server) { s.NAT.Mapping = []netip.Addr{netip.MustParseAddr("192.0.2.1")} }},
		{"-2", "--keep-private-host", func(s *Server) { s.NAT.KeepPrivateHost = true }},
		{"-E eth0,192.", "--ice-enforce-list=eth0,192.", func(s *Server) { s.NAT.EnforceList = []string{"eth0", "192."} }},
		{"-X vmnet", "--ice-ignore-list=vmnet", func(s *Server) { s.NAT.IgnoreList = []string{"vmnet"} }},
		{"-6", "--ipv6-candidates", func(s *Server) { s.Media.IPv6 = true }},
		{"-O", "--ipv6-link-local", func(s *Server) { s.Media.IPv6LinkLocal = true }},
		{"-f", "--full-trickle", func(s *Server) { s.NAT.FullTrickle = true }},
		{"-I", "--ice-lite", func(s *Server) { s.NAT.ICELite = true }},
		{"-Q 500", "--min-nack-queue=500", func(s *Server) { s.Media.MinNackQueue = 500 * time.Millisecond }},
		{"-t 0", "--no-media-timer=0", func(s *Server) { s.Media.NoMediaTimer = 0 }},
		{"-W 4", "--slowlink-threshold=4", func(s *Server) { s.Media.SlowlinkThreshold = 4 }},
		{"-r 20000-40000", "--rtp-port-range=20000-40000", func(s *Server) { s.Media.RTPPortRange = PortRange{20000, 40000} }},
		{"-B 100", "--twcc-period=100", func(s *Server) { s.Media.TWCCPeriod = 100 * time.Millisecond }},
		{"-n x", "--server-name=x", func(s *Server) { s.General.ServerName = "x" }},
		{"-s 0", "--session-timeout=0", func(s *Server) { s.General.SessionTimeout = 0 }},
		{"-m 5", "--reclaim-session-timeout=5", func(s *Server) { s.General.ReclaimSessionTimeout = 5 * time.Second }},
		{"-d 7", "--debug-level=7", func(s *Server) { s.General.DebugLevel = 7 }},
		{"-d5 -d 6", "--debug-level=5 --debug-level=6", func(s *Server) { s.General.DebugLevel = 6 }},
		{"-D", "--debug-timestamps", func(s *Server) { s.General.DebugTimestamps = true }},
		{"-o", "--disable-colors", func(s *Server) { s.General.DebugColors = Off }},
		{"-a x", "--apisecret=x", func(s *Server) { s.General.APISecret = "x" }},
		{"-A", "--token-auth", func(s *Server) { s.General.TokenAuth = true }},
		{"", "--token-auth-secret=x", func(s *Server) { s.General.TokenAuthSecret = "x" }},
		{"-w", "--no-webrtc-encryption", func(s *Server) { s.General.NoWebRTCEncryption = true }},
		{"-DoNd6", "--debug-timestamps --disable-colors --disable-stdout --debug-level=6", func(s *Server) {
			s.General.DebugTimestamps, s.General.DebugColors, s.General.LogToStdout, s.General.DebugLevel = true, Off, false, 6
		}},
	}
	for _, tt := range tests {
		want := defaultServer()
		tt.want(&want)
		for _, args := range []string{tt.short, tt.long} {
			if args == "" {
				continue
			}
			got, problems := apply(t, strings.Fields(args)...)
			if len(problems) > 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s\n got %+v\nwant %+v", args, texts(problems), got, want)
			}
		}
	}
}

func TestApplyProblems(t *testing.T) {
	const pending = ": is known to Janus but not supported yet, ignored"
	for args, want := range map[string]string{
		"-s -5":            `command line: --session-timeout: wrong value "-5", accepted: a whole number of seconds, 0 or more, ignored`,
		"-d 9":             `command line: --debug-level: wrong value "9", accepted: a whole number from 0 to 7, 7 is taken`,
		"-r x":             `command line: --rtp-port-range: wrong value "x", accepted: a range of ports such as 20000-40000`,
		"-l all":           `command line: --check-openfiles-limits: wrong value "all", accepted: a whole number, 0 or more`,
		"-S stun.x:http":   `command line: --stun-server: wrong value "http", accepted: a whole number from 1 to 65535`,
		"-1 example.org":   `command line: --nat-1-1: wrong value "example.org", accepted: IP addresses separated by commas, ignored`,
		"-c x":             `certificates: only one of cert_pem and cert_key is set, accepted: both or none`,
		"-b":               "command line: --daemon" + pending,
		"-R SIGHUP":        "",
		"-M":               "command line: --debug-locks" + pending,
		"-e":               "",
		"-K x":             "",
		"-H /":             "command line: --cwd-path" + pending,
		"--log-stdout":     "command line: --log-stdout" + pending,
		"-C x -F y --help": "",
	} {
		if _, problems := apply(t, strings.Fields(args)...); texts(problems) != want {
			t.Errorf("%s:\n got %s\nwant %s", args, texts(problems), want)
		}
	}
}

// The command line completes and overrides what the files say.
func TestLoad(t *testing.T) {
	dir := writeFiles(t, map[string]string{"janus.jcfg": `general: { debug_level = 2; server_name = "file" } certificates: { cert_pem = "a" }`})
	o, err := ParseArgs([]string{"-F", dir, "-k", "b", "-d6"})
	if err != nil {
		t.Fatal(err)
	}
	c, problems := Load(o)
	if len(problems) > 0 {
		t.Error(texts(problems))
	}
	if g := c.Server.General; g.DebugLevel != 6 || g.ServerName != "file" || c.Server.Certificates.Key != "b" || c.Folder != dir {
		t.Errorf("%+v", c.Server)
	}
}

func TestUsage(t *testing.T) {
	var b strings.Builder
	if !Help(&b, "") {
		t.Error("no help")
	}
	for _, want := range []string{
		"\n  -F, --configs-folder=DIR", "\n      --demos=DIR", "\n  -1, --nat-1-1=IPS", "\n  -6, --ipv6-candidates ",
		"offer TCP candidates\n", "(not supported yet)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "\n"); n != len(optionTable)+len(commands)+3 {
		t.Errorf("%d lines", n)
	}
}

func TestOptionTable(t *testing.T) {
	// Those of Janus 1.4.1, help, demos and drain-timeout.
	if len(optionTable) != 43+3 {
		t.Errorf("%d options", len(optionTable))
	}
	shorts, longs := map[byte]bool{}, map[string]bool{}
	s := defaultServer()
	for _, opt := range optionTable {
		if opt.short != 0 && shorts[opt.short] || longs[opt.long] {
			t.Errorf("-%c, --%s is there twice", opt.short, opt.long)
		}
		shorts[opt.short], longs[opt.long] = true, true
		if opt.key == "" {
			continue
		}
		category, key, _ := strings.Cut(opt.key, ".")
		found := false
		for _, sec := range s.sections() {
			typ := reflect.TypeOf(sec.dst).Elem()
			for i := range typ.NumField() {
				found = found || sec.name == category && name(typ.Field(i).Tag.Get("cfg")) == key
			}
		}
		if !found {
			t.Errorf("--%s sets %s, which is not there", opt.long, opt.key)
		}
		if (opt.arg == "") != (opt.value != "") {
			t.Errorf("--%s has both an argument and a value, or none", opt.long)
		}
	}
}

func TestBanner(t *testing.T) {
	var b strings.Builder
	Banner(&b)
	want := "bifrons " + module.Version + ", a WebRTC server that speaks the Janus API\nJanus version: 1401 (1.4.1)\nJanus commit: "
	if !strings.HasPrefix(b.String(), want) || !strings.Contains(b.String(), "\nCompiled on:  ") {
		t.Errorf("got %q", b.String())
	}
}

// TestTopics: each sub-command is explained, and the other topics have all options.
func TestTopics(t *testing.T) {
	for _, c := range commands[1:] {
		var b strings.Builder
		if !Help(&b, c.name) || !strings.Contains(b.String(), "Usage: bifrons "+c.name) || !IsCommand(c.name) {
			t.Errorf("%s: %s", c.name, &b)
		}
	}
	if Help(io.Discard, "no") || IsCommand("no") || IsCommand("") || IsCommand("man") {
		t.Error("there are more than that")
	}
	for topic, long := range map[string]string{"man": `\fB\-\-%s\fR`, "completion": " --%s"} {
		var b strings.Builder
		if !Help(&b, topic) {
			t.Errorf("no help about %s", topic)
		}
		for _, opt := range optionTable {
			name := opt.long
			if topic == "man" {
				name = strings.ReplaceAll(name, "-", `\-`)
			}
			if !strings.Contains(b.String(), fmt.Sprintf(long, name)) {
				t.Errorf("%s lacks --%s", topic, opt.long)
			}
		}
	}
}

// TestManual is taken by groff without a warning.
func TestManual(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("skipped: formatting the manual page (no groff here)")
	}
	var page, text, complaints bytes.Buffer
	Help(&page, "man")
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tascii", "-ww", "-P-cbou")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &page, &text, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("%v: %s", err, &complaints)
	}
	if !strings.Contains(text.String(), "-F, --configs-folder=DIR") {
		t.Errorf("%s", &text)
	}
}
