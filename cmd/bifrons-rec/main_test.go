package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
)

// result is what a run of a tool gave.
type result struct {
	code           int
	stdout, stderr string
}

// run runs the program; env are NAME=VALUE.
func run(env []string, argv ...string) result {
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr, getenv: func(name string) string {
		for _, e := range env {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}}
	code := p.run(argv)
	return result{code, stdout.String(), stderr.String()}
}

// want checks the exit code and that the output contains texts.
func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, not %d", r.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("no %q", text)
		}
	}
	if t.Failed() {
		t.Fatalf("%s%s", r.stdout, r.stderr)
	}
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// need skips a test if a program is missing.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("skipped: comparing with %s, which is not installed", name)
		}
	}
}

// command runs another program, which has to succeed.
func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

// packet is a packet of RTP in a test's recording.
type packet struct {
	ms      uint32
	head    rtp.FixedHeader
	payload string
}

func (p *packet) raw() []byte { return append(p.head.Append(nil), p.payload...) }

// tone is a recording of some packets of Opus, which hold nothing of sense.
func tone(n int) (list []packet) {
	for i := range n {
		list = append(list, packet{uint32(20 * i), rtp.FixedHeader{PayloadType: 111, Marker: i == 0,
			SequenceNumber: uint16(65530 + i), Timestamp: uint32(960 * i), SSRC: 0x1234567}, "\xf8" + strings.Repeat("x", i)})
	}
	return list
}

// recording lays a file out.
func recording(h mjr.Header, list []packet) []byte {
	if h.Type == 0 {
		h.Type = mjr.TypeOf(h.Codec)
	}
	if h.Created == 0 {
		h.Created, h.First = 1714550000000000, 1714550000120000
	}
	b := mjr.AppendHeader(mjr.AppendMagic(nil), &h)
	for _, p := range list {
		b = mjr.AppendFrame(b, p.ms, p.raw())
	}
	return b
}

// packets are the frames of a file.
func packets(t *testing.T, path string) (list []string, times []uint32) {
	t.Helper()
	r := mjr.NewReader(bytes.NewReader(read(t, path)))
	for {
		f, err := r.Next()
		if err != nil {
			return list, times
		}
		list, times = append(list, string(f.Data)), append(times, f.ArrivalMS)
	}
}

func TestCalls(t *testing.T) {
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "opus"}, tone(3)))
	for _, x := range []struct {
		argv  []string
		code  int
		texts []string
	}{
		{[]string{"bifrons-rec"}, 1, []string{"mjr2pcap", "pcap2mjr", "cfgconv", "janus-cfgconv"}},
		{[]string{"bifrons-rec", "help"}, 0, []string{"mjr2pcap"}},
		{[]string{"bifrons-rec", "--help"}, 0, []string{"mjr2pcap"}},
		{[]string{"bifrons-rec", "--version"}, 0, []string{"1.4.1"}},
		{[]string{"bifrons-rec", "nothing"}, 1, []string{`no command "nothing"`}},
		{[]string{"/usr/bin/mjr2pcap"}, 1, []string{"Usage: mjr2pcap source.mjr"}},
		{[]string{"bifrons-rec", "mjr2pcap", "x"}, 1, []string{"Usage: bifrons-rec mjr2pcap source.mjr"}},
		{[]string{"mjr2pcap", source, filepath.Join(dir, "a.pcap")}, 0, []string{"Saved 3 packets"}},
		{[]string{"bifrons-rec", "mjr2pcap", source, filepath.Join(dir, "b.pcap")}, 0, []string{"Saved 3 packets"}},
		{[]string{"pcap2mjr"}, 1, []string{"Usage: pcap2mjr", "--ssrc=SSRC"}},
		{[]string{"pcap2mjr", "--help"}, 0, []string{"Usage: pcap2mjr"}},
		{[]string{"pcap2mjr", "-x"}, 1, []string{"unknown option -x"}},
		{[]string{"janus-cfgconv"}, 1, []string{"Usage: janus-cfgconv"}},
		{[]string{"bifrons-rec", "cfgconv", "a", "b", "c"}, 1, []string{"Usage: bifrons-rec cfgconv"}},
	} {
		t.Run(strings.Join(x.argv[:min(2, len(x.argv))], " "), func(t *testing.T) {
			run(nil, x.argv...).want(t, x.code, x.texts...)
		})
	}
}

func TestOptions(t *testing.T) {
	var a, b bool
	var n int
	var s string
	table := []option{{'a', "alpha", "", "", "", flag(&a)}, {'b', "beta", "", "", "", flag(&b)},
		{'n', "number", "N", "ENV_N", "", number(&n, -1, 9)}, {'s', "string", "S", "", "", text(&s)}}
	for _, x := range []struct {
		args string
		env  string
		want string // a b n s, rest; or the error
	}{
		{"", "", "false false 0 ; "},
		{"-ab x", "", "true true 0 ; x"},
		{"x -n5 y -s t", "", "false false 5 t; x y"},
		{"-abn 5", "", "true true 5 ; "},
		{"--alpha --number=-1 --string x=y", "", "true false -1 x=y; "},
		{"-a -- -b", "", "true false 0 ; -b"},
		{"-s=x -", "", "false false 0 =x; -"},
		{"-a", "7", "true false 7 ; "},
		{"-n 3", "7", "false false 3 ; "},
		{"-n 3", "x", `environment variable ENV_N: "x" is no number from -1 to 9`},
		{"-n 10", "", `option -n: "10" is no number from -1 to 9`},
		{"--number=x", "", `option --number: "x" is no number from -1 to 9`},
		{"-n", "", "option -n needs an argument"},
		{"--string", "", "option --string needs an argument"},
		{"--alpha=1", "", "option --alpha takes no argument"},
		{"--gamma", "", "unknown option --gamma"},
		{"-ax", "", "unknown option -x"},
	} {
		a, b, n, s = false, false, 0, ""
		rest, err := parseOptions(table, strings.Fields(x.args), func(string) string { return x.env })
		got := fmt.Sprintf("%v %v %d %s; %s", a, b, n, s, strings.Join(rest, " "))
		if err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%q: got %q, not %q", x.args, got, x.want)
		}
	}
}
