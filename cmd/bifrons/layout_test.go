package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within reports whether a path inside the module is a folder or below it.
func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func withinAny(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(path, f) })
}

// below says which folders each top-level folder may import.
var below = map[string][]string{
	"rtp":   {"rtp"},
	"ice":   {"ice", "rtp"},
	"dtls":  {"dtls", "rtp"},
	"sdp":   {"sdp"},
	"sfu":   {"sfu", "dtls", "ice", "rtp", "sdp"},
	"api":   {"api", "sfu", "sdp", "rtp"},
	"cmd":   {"cmd", "api", "sfu", "sdp", "ice", "dtls", "rtp"},
	"bench": {"bench", "cmd", "api", "sfu", "sdp", "ice", "dtls", "rtp"},
}

// importBreach tells what is wrong with an import, "" if nothing is. from is a path
// inside the module, imp as it stands in the file.
func importBreach(from, imp string) string {
	to, own := strings.CutPrefix(imp, "bifrons/")
	top, _, _ := strings.Cut(from, "/")
	allowed, known := below[top]
	switch {
	case !known:
		return "in no folder of the project"
	case isTestHelp(to) && !isTestHelp(from) && !within(from, "bench"):
		return "only tests import it"
	case within(to, "api/plugin/example") && from != to:
		return "an example, which nobody needs"
	case isTestHelp(from) && own && withinAny(to, allowed...):
		return "" // stands in for whatever is beside it
	case within(imp, "github.com/thesyncim/gopus") && from != "rtp/opus":
		return "the codec is seen through rtp/opus alone"
	case within(imp, "github.com/emiago/sipgo") && from != "api/plugin/sip/ua":
		return "SIP is seen through api/plugin/sip/ua alone"
	case within(imp, "github.com/yuin/gopher-lua") && from != "api/plugin/lua", within(imp, "github.com/dop251/goja") && from != "api/plugin/duktape":
		return "interpreters are seen through their plugins alone"
	case protocolHome(imp) != "" && from != protocolHome(imp) && !isTestHelp(from):
		return "a broker's protocol is seen through " + protocolHome(imp) + " alone"
	case within(from, "sfu") && strings.Contains(imp, "json"):
		return "the engine sees no JSON"
	case within(from, "api/signalling") && strings.Contains(imp, "json"):
		return "signalling sees no JSON"
	case sansIO(from) && slices.Contains([]string{"net", "os", "sync", "syscall", "golang.org/x/sys/unix"}, imp):
		return "no input and output, no locks here"
	case !own:
		return ""
	case !withinAny(to, allowed...):
		return "not below it"
	}
	return apiBreach(from, to)
}

// protocolHome is the only package that may import a library for brokers; "" for others.
func protocolHome(imp string) string {
	for library, home := range map[string]string{
		"github.com/rabbitmq/amqp091-go": "api/broker/amqp", "github.com/mochi-mqtt/server/v2": "api/broker/mqtt",
		"go.nanomsg.org/mangos/v3": "api/broker/nanomsg",
	} {
		if within(imp, library) {
			return home
		}
	}
	return ""
}

// apiBreach is importBreach for what is particular to api.
func apiBreach(from, to string) string {
	if !within(from, "api") {
		return ""
	}
	plugin, isPlugin := "", false
	if rest, ok := strings.CutPrefix(from, "api/plugin/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		plugin, isPlugin = "api/plugin/"+name, true
	}
	switch {
	case isPlugin && withinAny(to, plugin, "api/kit"):
		return ""
	case isPlugin && within(to, "api") && !slices.Contains([]string{
		"api/plugin", "api/schema", "api/module", "api/task", "api/config", "api/json"}, to):
		return "a plugin knows its contract, the kit, and what is its own"
	case within(from, "api/signalling") && !slices.Contains([]string{"sdp", "sfu", "sfu/media"}, to):
		return "signalling knows no protocol, only descriptions and the engine"
	case within(from, "api/broker") && !within(to, "api/broker") && to != "sfu":
		return "brokers know neither Janus nor JSON"
	case within(from, "api/kit") && withinAny(to, "api/janus", "api/transport", "api/admin", "api/event"):
		return "the kit is below the core"
	case within(from, "api/kit") && strings.HasPrefix(to, "api/plugin/"):
		return "the kit knows no plugin"
	case within(from, "api/transport") && strings.HasPrefix(to, "api/transport/") && !within(to, from):
		return "a transport knows no other one"
	case within(to, "sfu") && !slices.Contains([]string{"sfu", "sfu/media", "sfu/serial"}, to):
		return "the engine is seen through sfu alone"
	case within(to, "rtp") && !isPlugin && !within(from, "api/kit"):
		return "packets are no business of the core"
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, "bifrons/")
		for _, imp := range p.Imports {
			if breach := importBreach(from, imp); breach != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, breach)
			}
		}
		for _, dep := range p.Deps {
			if !within(from, "bench") && !isTestHelp(from) && isTestOnly(dep) {
				t.Errorf("%s depends on %s, which is for tests only", p.ImportPath, dep)
			}
		}
	}
}

// TestImportRules breaks each of the rules, and keeps some narrowly.
func TestImportRules(t *testing.T) {
	for _, x := range []struct {
		from, imp string
		allowed   bool
	}{
		{"tools/x", "fmt", false},
		{"rtp/nack", "bifrons/sfu", false},
		{"rtp/opus", "github.com/thesyncim/gopus", true},
		{"sfu", "github.com/thesyncim/gopus", false},
		{"sfu/mix", "github.com/thesyncim/gopus/types", false},
		{"sfu/mix", "bifrons/rtp/opus", true},
		{"api/plugin/sip/ua", "github.com/emiago/sipgo/sip", true},
		{"api/plugin/sip", "github.com/emiago/sipgo/sip", false},
		{"api/plugin/sip", "bifrons/api/plugin/sip/ua", true},
		{"api/plugin/nosip", "bifrons/api/plugin/sip/ua", false},
		{"api/plugin/lua", "github.com/yuin/gopher-lua/parse", true},
		{"api/kit/script", "github.com/yuin/gopher-lua", false},
		{"api/plugin/duktape", "github.com/dop251/goja", true},
		{"api/plugin/lua", "github.com/dop251/goja", false},
		{"api/broker/mqtt", "github.com/mochi-mqtt/server/v2/packets", true},
		{"api/transport/mqtt", "github.com/mochi-mqtt/server/v2/packets", false},
		{"api/event/rabbitmqevh", "github.com/rabbitmq/amqp091-go", false},
		{"api/client", "go.nanomsg.org/mangos/v3", true},
		{"api/transport/mqtt", "bifrons/api/broker/mqtt", true},
		{"api/broker/mqtt", "bifrons/api/broker", true},
		{"api/broker", "bifrons/api/janus", false},
		{"api/broker/amqp", "bifrons/api/json", false},
		{"api/plugin/videoroom", "bifrons/api/broker", false},
		{"ice", "bifrons/dtls", false},
		{"sdp", "bifrons/rtp", false},
		{"sfu/peer", "bifrons/api/json", false},
		{"sfu", "encoding/json", false},
		{"api/janus", "bifrons/cmd/bifrons", false},
		{"api/janus", "bifrons/ice", false},
		{"api/janus", "bifrons/dtls", false},
		{"api/admin", "bifrons/sfu/peer", false},
		{"api/janus", "bifrons/rtp", false},
		{"api/admin", "bifrons/sfu/media", true},
		{"api/task", "bifrons/sfu/serial", true},
		{"api/task", "bifrons/sfu/shard", false},
		{"api/plugin/videoroom", "bifrons/api/janus", false},
		{"api/plugin/videoroom", "bifrons/api/plugin/streaming", false},
		{"api/plugin/videoroom", "bifrons/api/transport", false},
		{"api/plugin/videoroom", "bifrons/api/event", false},
		{"api/plugin/videoroom", "bifrons/sfu/shard", false},
		{"api/plugin/videoroom", "bifrons/api/kit", true},
		{"api/plugin/videoroom", "bifrons/api/kit/forward", true},
		{"api/kit/forward", "bifrons/api/plugin/videoroom", false},
		{"api/plugin/videoroom", "bifrons/api/kit/rooms", true},
		{"api/kit/rooms", "bifrons/api/plugin/videoroom", false},
		{"api/plugin/videoroom", "bifrons/api/kit/mline", true},
		{"api/plugin/videoroom", "bifrons/api/plugin/videoroom/inner", true},
		{"api/plugin/streaming", "bifrons/rtp/ogg", true},
		{"api/kit", "bifrons/api/plugin/videoroom", false},
		{"api/kit", "bifrons/api/janus", false},
		{"api/kit", "bifrons/api/plugin", true},
		{"api/kit/recording", "bifrons/rtp/mjr", true},
		{"api/kit/recording", "bifrons/sfu/record", false},
		{"api/signalling", "bifrons/api/janus", false},
		{"api/signalling", "bifrons/api/plugin", false},
		{"api/signalling", "bifrons/api/task", false},
		{"api/signalling", "encoding/json", false},
		{"api/signalling", "bifrons/sfu", true},
		{"api/signalling", "bifrons/sdp", true},
		{"api/transport/rest", "bifrons/api/transport/websockets", false},
		{"api/transport/rest", "bifrons/api/transport", true},
		{"api/plugin/videoroom", "bifrons/api/plugin/plugintest", false},
		{"cmd/bifrons", "bifrons/api/plugin/plugintest", false},
		{"cmd/bifrons", "bifrons/api/plugin/example", false},
		{"cmd/bifrons", "bifrons/api/client", false},
		{"api/janus", "bifrons/api/client", false},
		{"bench/internal/peer", "bifrons/api/client", true},
		{"api/client", "bifrons/api/janus", true},
		{"bench/internal/replay", "bifrons/sfu/simnet", true},
		{"api/plugin/plugintest", "bifrons/api/signalling", true},
		{"api/plugin/plugintest", "bifrons/cmd/bifrons", false},
		{"api/kit/forward", "bifrons/api/transport", false},
		{"api/plugin/example", "bifrons/api/kit", true},
		{"api/kit", "bifrons/api/plugin/example", false},
		{"sfu", "bifrons/sfu/simnet", false},
		{"sfu/route", "sync", false},
		{"rtp/codec", "os", false},
		{"ice", "net", false},
		{"ice/netio", "net", true},
		{"cmd/bifrons", "bifrons/dtls", true},
	} {
		if breach := importBreach(x.from, x.imp); (breach == "") != x.allowed {
			t.Errorf("%s imports %s: %q", x.from, x.imp, breach)
		}
	}
	if !isTestOnly("github.com/pion/webrtc/v4") || isTestOnly("github.com/pion/dtls/v3") {
		t.Error("the modules for tests only are others")
	}
}

// testHelp are the packages that only tests, and what is measured, import.
var testHelp = []string{
	"api/broker/brokertest", "api/client", "api/plugin/plugintest", "api/plugin/sip/siptest", "api/transport/transporttest", "ice/turn/turntest", "rtp/frame/frametest", "rtp/mjr/mjrtest", "rtp/opus/opustest", "rtp/waittest", "sfu/simnet", "sfu/webrtctest",
}

func isTestHelp(path string) bool { return withinAny(path, testHelp...) }

func isTestOnly(dep string) bool {
	for _, m := range []string{
		"pion/webrtc", "pion/ice", "pion/interceptor", "chromedp/chromedp", "gopacket/gopacket", "eclipse/paho", "mochi-mqtt/server/v2/listeners",
	} {
		if strings.HasPrefix(dep, "github.com/"+m) {
			return true
		}
	}
	return false
}

// sansIO are the packages without sockets, goroutines, clocks and locks.
func sansIO(path string) bool {
	switch {
	case path == "rtp/mono", isTestHelp(path): // is the clock; waits
		return false
	case within(path, "rtp"):
		return true
	}
	return slices.Contains([]string{"ice", "sdp", "sfu/peer", "sfu/allot", "sfu/route", "sfu/media", "sfu/plain"}, path)
}

// codeBreaches tells what the code of a file does that its package must not do.
func codeBreaches(path string, fset *token.FileSet, f *ast.File) (list []string) {
	add := func(n ast.Node, text string) { list = append(list, fmt.Sprint(fset.Position(n.Pos()), ": ", text)) }
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if sansIO(path) {
				add(n, "starts a goroutine")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			switch {
			case ok && n.Sel.Name == "Now" && (x.Name == "time" || x.Name == "mono") && sansIO(path):
				add(n, "reads the clock")
			case n.Sel.Name == "UnixNano" && !within(path, "bench"):
				// What is told from two moments that have lost the monotonic reading goes
				// wrong when the wall clock is set.
				add(n, "the wall clock measures no durations")
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				add(n, "init function; wiring is explicit in cmd")
			}
		}
		return true
	})
	return list
}

// maxLines is the length of a file of product code.
const maxLines = 500

func tooLong(text []byte) bool { return bytes.Count(text, []byte("\n")) > maxLines }

func TestFiles(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, "bifrons/")
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if tooLong(text) {
				t.Errorf("%s has more than %d lines", file, maxLines)
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, breach := range codeBreaches(path, fset, f) {
				t.Error(breach)
			}
		}
	}
}

// TestCodeRules breaks each of the rules.
func TestCodeRules(t *testing.T) {
	if line := []byte("x\n"); tooLong(bytes.Repeat(line, maxLines)) || !tooLong(bytes.Repeat(line, maxLines+1)) {
		t.Error("files may have another length")
	}
	for _, x := range []struct {
		path, code string
		breaches   int
	}{
		{"ice", "func f() { go f() }", 1},
		{"ice/netio", "func f() { go f() }", 0},
		{"rtp/nack", "var now = time.Now()", 1},
		{"sfu/route", "var now = mono.Now()", 1},
		{"api/janus", "var now = time.Now()", 0},
		{"api/janus", "var now = time.Now().UnixNano()", 1},
		{"bench", "var now = time.Now().UnixNano()", 0},
		{"cmd/bifrons", "func init() {}", 1},
		{"cmd/bifrons", "func (x) init() {}", 0},
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x\n"+x.code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := codeBreaches(x.path, fset, f); len(got) != x.breaches {
			t.Errorf("%s in %s: %q", x.code, x.path, got)
		}
	}
}
