package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Bool     bool          `cfg:"bool"`
	Text     string        `cfg:"text"`
	Enum     string        `cfg:"enum" enum:"udp|TCP"`
	Path     string        `cfg:"path" form:"path"`
	Int      int           `cfg:"int,old_int"`
	Level    int           `cfg:"level" range:"0..7" lenient:"low=clamp,high=clamp,text=ignore"`
	Min      int           `cfg:"min" range:"1.." lenient:"low=ignore"`
	Max      int           `cfg:"max" range:"..9"`
	Port     uint16        `cfg:"port" range:"1..65535"`
	Wait     time.Duration `cfg:"seconds" unit:"s" range:"0.."`
	Short    time.Duration `cfg:"millis" unit:"ms"`
	List     []string      `cfg:"list"`
	IP       netip.Addr    `cfg:"ip"`
	IPs      []netip.Addr  `cfg:"ips"`
	Ports    PortRange     `cfg:"ports"`
	Untagged int
}

func defaultSample() sample {
	return sample{Bool: true, Text: "t", Enum: "udp", Path: "/p", Int: 5, Level: 4, Min: 3, Wait: time.Minute}
}

func group(t *testing.T, src string) *Group {
	t.Helper()
	f, err := Parse("x.jcfg", []byte("\ns: {\n"+src+"\n}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Category("s")
}

func texts(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

func TestDecode(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		src  string
		want func(*sample)
	}{
		{"", func(*sample) {}},
		{"bool = false", func(s *sample) { s.Bool = false }},
		{`bool = "NO"`, func(s *sample) { s.Bool = false }},
		{"bool = 0", func(s *sample) { s.Bool = false }},
		{`bool = "Yes"`, func(*sample) {}},
		{"bool = 1", func(*sample) {}},
		{"BOOL = 0", func(s *sample) { s.Bool = false }},
		{"bool = 1; bool = 0", func(s *sample) { s.Bool = false }},
		{`text = " x "`, func(s *sample) { s.Text = " x " }},
		{`text = ""`, func(s *sample) { s.Text = "" }},
		{"text = 0x10", func(s *sample) { s.Text = "16" }},
		{`enum = "tcp"`, func(s *sample) { s.Enum = "TCP" }},
		{`enum = ""; path = ""; int = ""; bool = ""; seconds = ""; ip = ""; ports = ""`, func(*sample) {}},
		{`path = "/x/y//"`, func(s *sample) { s.Path = "/x/y" }},
		{`path = "/"`, func(s *sample) { s.Path = "" }},
		{"int = -12", func(s *sample) { s.Int = -12 }},
		{`int = " 7 "`, func(s *sample) { s.Int = 7 }},
		{"old_int = 7", func(s *sample) { s.Int = 7 }},
		{"old_int = 7; int = 8", func(s *sample) { s.Int = 8 }},
		{"level = 0", func(s *sample) { s.Level = 0 }},
		{"port = 65535", func(s *sample) { s.Port = 65535 }},
		{"seconds = 90", func(s *sample) { s.Wait = 90 * time.Second }},
		{"seconds = 2147483647", func(s *sample) { s.Wait = 2147483647 * time.Second }},
		{"millis = 90", func(s *sample) { s.Short = 90 * time.Millisecond }},
		{`list = "a, b,,c "`, func(s *sample) { s.List = []string{"a", "b", "c"} }},
		{`list = [ "a", "b,c" ]`, func(s *sample) { s.List = []string{"a", "b,c"} }},
		{`list = ( "a" )`, func(s *sample) { s.List = []string{"a"} }},
		{`ip = "::ffff:192.0.2.1"`, func(s *sample) { s.IP = addr("192.0.2.1") }},
		{`ips = "192.0.2.1, 2001:db8::1"`, func(s *sample) { s.IPs = []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")} }},
		{`ips = [ "192.0.2.1" ]`, func(s *sample) { s.IPs = []netip.Addr{addr("192.0.2.1")} }},
		{`ports = "20000-40000"`, func(s *sample) { s.Ports = PortRange{20000, 40000} }},
		{`ports = "40000 - 20000"`, func(s *sample) { s.Ports = PortRange{20000, 40000} }},
		{`ports = "20000-0"`, func(s *sample) { s.Ports = PortRange{20000, 65535} }},
		{`ports = "0-0"`, func(*sample) {}},
	}
	for _, tt := range tests {
		got, want := defaultSample(), defaultSample()
		tt.want(&want)
		if problems := Decode(group(t, tt.src), &got); len(problems) > 0 {
			t.Errorf("%s: %s", tt.src, texts(problems))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.src, got, want)
		}
	}
	got := defaultSample()
	if p := Decode(nil, &got); p != nil || !reflect.DeepEqual(got, defaultSample()) {
		t.Errorf("no group at all: %v, %+v", p, got)
	}
}

func TestDecodeProblems(t *testing.T) {
	tests := []struct {
		src     string
		text    string
		warning bool
		want    func(*sample) // nil = default
	}{
		{"bool = maybe", `s.bool: wrong value "maybe", accepted: yes, true, 1, no, false or 0`, false, nil},
		{"bool = 2", `s.bool: wrong value "2", accepted: yes, true, 1, no, false or 0`, false, nil},
		{"bool = [ 1 ]", `s.bool: has several values, accepted: a single value`, false, nil},
		{"text = { a = 1 }", `s.text: has several values, accepted: a single value`, false, nil},
		{`enum = "sctp"`, `s.enum: wrong value "sctp", accepted: udp or TCP`, false, nil},
		{`path = "x/y"`, `s.path: wrong value "x/y", accepted: a path that begins with /`, false, nil},
		{`int = "12x"`, `s.int: wrong value "12x", accepted: a whole number`, false, nil},
		{"int = 1.5", `s.int: wrong value "1.500000", accepted: a whole number`, false, nil},
		{"int = 3000000000", `s.int: wrong value "3000000000", accepted: a whole number`, false, nil},
		{"old_int = x", `s.old_int: wrong value "x", accepted: a whole number`, false, nil},
		{"level = 9", `s.level: wrong value "9", accepted: a whole number from 0 to 7, 7 is taken`, true, func(s *sample) { s.Level = 7 }},
		{"level = \"99999999999999999999\"", `s.level: wrong value "99999999999999999999", accepted: a whole number from 0 to 7, 7 is taken`, true, func(s *sample) { s.Level = 7 }},
		{"level = -1", `s.level: wrong value "-1", accepted: a whole number from 0 to 7, 0 is taken`, true, func(s *sample) { s.Level = 0 }},
		{`level = "high"`, `s.level: wrong value "high", accepted: a whole number from 0 to 7, ignored`, true, nil},
		{"min = 0", `s.min: wrong value "0", accepted: a whole number, 1 or more, ignored`, true, nil},
		{`min = "x"`, `s.min: wrong value "x", accepted: a whole number, 1 or more`, false, nil},
		{"max = 10", `s.max: wrong value "10", accepted: a whole number, 9 or less`, false, nil},
		{"port = 0", `s.port: wrong value "0", accepted: a whole number from 1 to 65535`, false, nil},
		{"port = 65536", `s.port: wrong value "65536", accepted: a whole number from 1 to 65535`, false, nil},
		{"seconds = -1", `s.seconds: wrong value "-1", accepted: a whole number of seconds, 0 or more`, false, nil},
		{`millis = "1s"`, `s.millis: wrong value "1s", accepted: a whole number of milliseconds`, false, nil},
		{"list = { a = 1 }", `s.list: is a group, accepted: texts separated by commas, or [ ] with several texts`, false, nil},
		{"list = ( { a = 1 } )", `s.list: is a group, accepted: texts separated by commas, or [ ] with several texts`, false, nil},
		{`ip = "example.org"`, `s.ip: wrong value "example.org", accepted: an IP address`, false, nil},
		{`ips = "192.0.2.1,x"`, `s.ips: wrong value "x", accepted: IP addresses separated by commas, ignored`, true, func(s *sample) { s.IPs = []netip.Addr{netip.MustParseAddr("192.0.2.1")} }},
		{"ips = { a = 1 }", `s.ips: is a group, accepted: IP addresses separated by commas`, false, nil},
		{`ports = "20000"`, `s.ports: wrong value "20000", accepted: a range of ports such as 20000-40000`, false, nil},
		{`ports = "1-70000"`, `s.ports: wrong value "1-70000", accepted: a range of ports such as 20000-40000`, false, nil},
		{`ports = "-"`, `s.ports: wrong value "-", accepted: a range of ports such as 20000-40000`, false, nil},
		{"foo = 1", `s.foo: unknown setting, ignored`, true, nil},
		{"foo = {}; FOO = 1", `s.FOO: unknown setting, ignored`, true, nil},
	}
	for _, tt := range tests {
		got, want := defaultSample(), defaultSample()
		if tt.want != nil {
			tt.want(&want)
		}
		problems := Decode(group(t, tt.src), &got)
		if text := "x.jcfg:3: " + tt.text; texts(problems) != text {
			t.Errorf("%s:\n got %s\nwant %s", tt.src, texts(problems), text)
			continue
		}
		if problems[0].Warning != tt.warning || HasErrors(problems) == tt.warning {
			t.Errorf("%s: Warning = %v", tt.src, problems[0].Warning)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.src, got, want)
		}
	}
}

// Every name in the list of pending settings is one that the structs have.
func TestPendingNamesExist(t *testing.T) {
	c := Default()
	known := make(map[string]bool)
	for prefix, dst := range map[string]sectioned{"": &c.Server, "http:": &c.HTTP, "websockets:": &c.WebSockets} {
		for _, s := range dst.sections() {
			typ := reflect.TypeOf(s.dst).Elem()
			for i := range typ.NumField() {
				if tag, ok := typ.Field(i).Tag.Lookup("cfg"); ok {
					known[prefix+s.name+"."+name(tag)] = true
				}
			}
		}
	}
	for i := range optionTable {
		known["--"+optionTable[i].long] = true
	}
	for _, name := range pending {
		if !known[name] {
			t.Errorf("%s is in the list but nowhere else", name)
		}
	}
}

func TestDisabled(t *testing.T) {
	m := Modules{Disable: []string{"libjanus_voicemail.so", " libjanus_SIP.so", "janus.plugin.nosip", "textroom"}}
	for name, want := range map[string]bool{"voicemail": true, "sip": true, "nosip": true, "textroom": true, "mail": false, "echotest": false} {
		if m.Disabled(name) != want {
			t.Errorf("Disabled(%s) = %v", name, !want)
		}
	}
}

func TestDecodeEmbedded(t *testing.T) {
	type Common struct {
		Enabled bool   `cfg:"enabled"`
		Name    string `cfg:"name"`
	}
	var got struct {
		Common
		Port uint16 `cfg:"port" range:"1..65535"`
	}
	f, err := Parse("x.jcfg", []byte(`general: { enabled = true; name = "n"; port = 7 }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if problems := Decode(f.Category("general"), &got); problems != nil || !got.Enabled || got.Name != "n" || got.Port != 7 {
		t.Errorf("%v %+v", problems, got)
	}
}

// TestDecodeNeeds: what needs another setting is left out without it, and told.
func TestDecodeNeeds(t *testing.T) {
	type guarded struct {
		Key  string `cfg:"key"`
		Lock bool   `cfg:"lock" needs:"key" guard:"all is open"`
	}
	for src, want := range map[string]string{
		`key = "k"; lock = true`: "", `lock = false`: "", ``: "",
		`Lock = true`:           "x.jcfg:3: s.Lock: needs key",
		`key = ""; lock = true`: "x.jcfg:3: s.lock: needs key",
	} {
		g := guarded{}
		problems := Decode(group(t, src), &g)
		if got := texts(problems); got != want || want != "" && problems[0].Open != "all is open" {
			t.Errorf("%s: %q, want %q: %+v", src, got, want, problems)
		}
		if locked := strings.HasPrefix(src, "key = \"k\""); g.Lock != locked {
			t.Errorf("%s: locked is %v", src, g.Lock)
		}
	}
}
