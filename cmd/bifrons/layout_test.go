package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
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

// room is the top-level folder and the path inside the module.
func room(path string) (top, inside string, own bool) {
	inside, own = strings.CutPrefix(path, "bifrons/")
	top, _, _ = strings.Cut(inside, "/")
	return top, inside, own
}

// below says which rooms each room may import.
var below = map[string][]string{
	"rtp":   {"rtp"},
	"ice":   {"ice", "rtp"},
	"dtls":  {"dtls", "rtp"},
	"sdp":   {"sdp"},
	"sfu":   {"sfu", "dtls", "ice", "rtp", "sdp"},
	"api":   {"api", "sfu", "sdp", "ice", "dtls", "rtp"},
	"cmd":   {"cmd", "api", "sfu", "sdp", "ice", "dtls", "rtp"},
	"bench": {"bench", "cmd", "api", "sfu", "sdp", "ice", "dtls", "rtp"},
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range list(t) {
		top, _, _ := room(p.ImportPath)
		allowed, known := below[top]
		if !known {
			t.Errorf("%s is in no room of the house", p.ImportPath)
		}
		for _, imp := range p.Imports {
			if to, _, own := room(imp); own && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, imp)
			}
		}
	}
}

func TestRoomsKeepToThemselves(t *testing.T) {
	for _, p := range list(t) {
		top, inside, _ := room(p.ImportPath)
		for _, imp := range p.Imports {
			_, to, own := room(imp)
			switch {
			case strings.HasPrefix(inside, "sfu") && (strings.Contains(imp, "json")):
				t.Errorf("%s imports %s: the engine sees no JSON", p.ImportPath, imp)
			case own && strings.HasPrefix(inside, "api/plugin/") && (strings.HasPrefix(to, "api/plugin/") || strings.HasPrefix(to, "api/transport")):
				t.Errorf("%s imports %s: plugins know no other plugin and no transport", p.ImportPath, imp)
			}
		}
		for _, dep := range p.Deps {
			if top != "bench" && isTestOnly(dep) {
				t.Errorf("%s depends on %s, which is for tests only", p.ImportPath, dep)
			}
		}
	}
}

func isTestOnly(dep string) bool {
	for _, m := range []string{"pion/webrtc", "pion/ice", "pion/interceptor", "chromedp/chromedp", "gopacket/gopacket"} {
		if strings.HasPrefix(dep, "github.com/"+m) {
			return true
		}
	}
	return false
}

// sansIO are the packages without sockets, goroutines, clocks and locks.
func sansIO(inside string) bool {
	switch {
	case inside == "rtp/mono": // is the clock
		return false
	case strings.HasPrefix(inside, "rtp"):
		return true
	}
	return slices.Contains([]string{"ice", "sdp", "sfu/peer", "sfu/route", "sfu/media", "sfu/plain"}, inside)
}

func TestSansIOPackages(t *testing.T) {
	for _, p := range list(t) {
		_, inside, _ := room(p.ImportPath)
		if !sansIO(inside) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains([]string{"net", "os", "sync", "syscall", "golang.org/x/sys/unix"}, imp) {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && n.Sel.Name == "Now" && (x.Name == "time" || x.Name == "mono") {
					t.Errorf("%s reads the clock", fset.Position(n.Pos()))
				}
			}
		})
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, p := range list(t) {
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init function; wiring is explicit in cmd", fset.Position(f.Pos()))
			}
		})
	}
}

// A moment as Unix nanoseconds has lost the monotonic reading: what is told from
// two of them goes wrong when the wall clock is set.
func TestNoUnixNanoseconds(t *testing.T) {
	for _, p := range list(t) {
		if top, _, _ := room(p.ImportPath); top == "bench" {
			continue
		}
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			if n, ok := n.(*ast.SelectorExpr); ok && n.Sel.Name == "UnixNano" {
				t.Errorf("%s: the wall clock measures no durations", fset.Position(n.Pos()))
			}
		})
	}
}

func inspect(t *testing.T, p pkg, visit func(*token.FileSet, ast.Node)) {
	t.Helper()
	fset := token.NewFileSet()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			visit(fset, n)
			return true
		})
	}
}
