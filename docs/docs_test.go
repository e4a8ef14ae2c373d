// Package docs_test does what README.md and the pages here say: their commands run,
// their configuration is read without a complaint, their links lead somewhere.
package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

const root = ".."

// pages are all that people read, README.md first.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"README.md", "DESIGN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md"}
	more, err := filepath.Glob("*.md")
	if err != nil || len(more) < 10 {
		t.Fatalf("pages %v: %v", more, err)
	}
	for _, name := range more {
		list = append(list, "docs/"+name)
	}
	return list
}

func read(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block is a fenced block of a page.
type block struct {
	page     string
	line     int
	language string
	excuse   string // of the comment above it, "" = it is run
	text     string
}

func (b *block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var (
	fence  = regexp.MustCompile("^ *```(.*)$")
	excuse = regexp.MustCompile(`^ *<!-- not run: (.{10,}) -->$`)
)

func blocks(page, text string) (list []block, err error) {
	var open *block
	above := ""
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m == nil && open == nil:
			above = line
		case m == nil:
			open.text += line + "\n"
		case open == nil:
			open = &block{page: page, line: i + 1, language: m[1]}
			if e := excuse.FindStringSubmatch(above); e != nil {
				open.excuse = e[1]
			}
		case m[1] != "":
			return nil, fmt.Errorf("%s:%d: a block in a block", page, i+1)
		default:
			list = append(list, *open)
			open, above = nil, ""
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block has no end", open)
	}
	return list, nil
}

// TestBlocks knows what to do with every block: what is none of these is marked.
func TestBlocks(t *testing.T) {
	for _, page := range pages(t) {
		list, err := blocks(page, read(t, page))
		if err != nil {
			t.Error(err)
		}
		for _, b := range list {
			switch {
			case b.language == "json":
				if !json.Valid([]byte(b.text)) {
					t.Errorf("%s: no JSON", &b)
				}
			case b.language == "sh":
				for _, m := range regexp.MustCompile(`(?s)--data '(.*?)'`).FindAllStringSubmatch(b.text, -1) {
					if !json.Valid([]byte(m[1])) {
						t.Errorf("%s: no JSON: %s", &b, m[1])
					}
				}
			case b.language == "go" && page == "docs/plugins.md": // has a test in api/plugin/example
			case b.language == "jcfg", b.language == "text", b.excuse != "":
			case page != "DESIGN.md":
				t.Errorf("%s: nothing checks a block of %q", &b, b.language)
			}
		}
	}
}

// TestReadme is short.
func TestReadme(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n > 90 {
		t.Errorf("README.md has %d lines, 90 is the most", n)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks lead to files, and to headings that are in them.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.HasPrefix(m[1], "http") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			found := anchor == ""
			if !found {
				for _, h := range heading.FindAllStringSubmatch(read(t, target), -1) {
					slug := strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
					found = found || slug == anchor
				}
			}
			if !found {
				t.Errorf("%s: %s has no heading #%s", page, target, anchor)
			}
		}
	}
}

// TestProgram runs the server, which it builds once, with the race detector if the tests
// have it: then most of it is compiled already.
func TestProgram(t *testing.T) {
	bin := os.Getenv(inside)
	if bin == "" {
		bin = program(t)
		t.Run("Configuration", testConfiguration)
	}
	t.Run("Commands", func(t *testing.T) {
		if inNamespace(t, bin) {
			testCommands(t, bin)
		}
	})
}

// program builds the server, into a folder that is first in PATH.
func program(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", fmt.Sprintf("-race=%v", waittest.Race), "-o", bin, "./cmd/bifrons")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// "go doc" also wants modules that building does not: there is no network later.
	doc := exec.CommandContext(t.Context(), "go", "doc", "bifrons/sfu")
	doc.Dir = root
	if out, err := doc.CombinedOutput(); err != nil {
		t.Logf("go doc: %v: %s", err, out) // the command fails again where it is documented
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return bin
}

var fileName = regexp.MustCompile(`^# ((?:janus|bifrons)\.[a-z0-9.]*jcfg|janus\.jcfg)\n`)

// testConfiguration has "bifrons check" read each block without a complaint, beside a file
// that turns HTTP on. Paths of an operator's machine are replaced by some of this one.
func testConfiguration(t *testing.T) {
	scripts, err := filepath.Abs("scripts")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range pages(t) {
		list, _ := blocks(page, read(t, page))
		for _, b := range list {
			if b.language != "jcfg" {
				continue
			}
			m := fileName.FindStringSubmatch(b.text)
			if m == nil {
				t.Errorf("%s: the first line does not name the file", &b)
				continue
			}
			n++
			dir := t.TempDir()
			text := strings.NewReplacer("/srv/intercom.lua", scripts+"/intercom.lua", "/srv/lua", scripts, "/srv/media", dir,
				`"anything"`, `"x"`).Replace(b.text)
			put := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("janus.transport.http.jcfg", `general: { http = true }`)
			put(m[1], text)
			out, err := exec.CommandContext(t.Context(), "bifrons", "check", "-F", dir).CombinedOutput()
			for _, bad := range []string{"\nWrong: ", "\nNot protected ", "\nIgnored, "} {
				if err != nil || bytes.Contains(out, []byte(bad)) {
					t.Errorf("%s: %v\n%s", &b, err, out)
					break
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d blocks of configuration were found", n)
	}
}

// testCommands runs the commands of all pages.
func testCommands(t *testing.T, bin string) {
	makePath, err := exec.LookPath("make")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "make"), []byte(strings.ReplaceAll(makeScript, "REAL", makePath)), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		list, _ := blocks(page, read(t, page))
		c := commands{t: t}
		for _, b := range list {
			if b.language == "sh" && b.excuse == "" {
				c.run(&b)
			}
		}
		if page == "README.md" {
			c.tries(read(t, page))
		}
		c.stop()
	}
}

// makeScript does what the Makefile does for run, but for building.
const makeScript = `#!/bin/sh
[ "$1" = run ] || { echo "make $1 is not known to the test"; exit 1; }
exec $(REAL -n "$@" | sed -n 's|^exec bin/||p')
`

// inside has the folder of the program in a test that was run once more.
const inside = "BIFRONS_NAMESPACE"

// inNamespace runs the test once more where nobody listens, and reports true there.
func inNamespace(t *testing.T, bin string) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	unshare := []string{"--net", "--kill-child"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", append(unshare, "ip", "link")...).CombinedOutput(); err != nil {
		t.Skipf("skipped: the commands of the documentation (no network namespaces here: %v %s)", err, bytes.TrimSpace(out))
	}
	cmd := exec.CommandContext(t.Context(), "unshare", append(unshare, "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
		os.Args[0], "-test.run=^TestProgram$/^Commands$", "-test.v", "-test.timeout=5m")...)
	cmd.Env = append(os.Environ(), inside+"="+bin)
	if out, err := cmd.CombinedOutput(); err != nil || testing.Verbose() {
		t.Logf("%s", out)
		if err != nil {
			t.Errorf("in the namespace: %v", err)
		}
	}
	return false
}

// commands runs those of a page; a server goes on until the next one, or until stop.
type commands struct {
	t      *testing.T
	server *exec.Cmd
	ended  chan error
}

// run runs the commands of a block one after the other.
func (c *commands) run(b *block) {
	for line := range strings.SplitSeq(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case strings.HasPrefix(line, "make run"):
			c.start(b, line)
		case strings.HasPrefix(line, "ffmpeg"):
			c.feed(b, line)
		default:
			cmd := exec.CommandContext(c.t.Context(), "sh", "-c", line)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if strings.HasPrefix(line, "bifrons doctor") && errors.As(err, &exit) && exit.ExitCode() == 1 && bytes.Contains(out, []byte("\nok ")) {
				err = nil // it has found out something about this machine
			}
			if err != nil || len(out) == 0 {
				c.t.Errorf("%s: %s: %v\n%s", b, line, err, out)
			}
		}
	}
}

// start starts a server and awaits that it is up.
func (c *commands) start(b *block, line string) {
	c.stop()
	pages := regexp.MustCompile(`--demos (\S+)'`).FindStringSubmatch(line)
	if pages != nil {
		if _, err := os.Stat(pages[1]); err != nil {
			c.t.Logf("skipped: %s (no demo pages here)", line)
			return
		}
	}
	cmd := exec.CommandContext(c.t.Context(), "sh", "-c", "exec "+line)
	cmd.Dir = root
	waittest.OwnGroup(cmd) // an interrupt of the tests is none of the server
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	up, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		var all strings.Builder
		told := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&all, lines.Text())
			if !told && strings.HasPrefix(lines.Text(), "  Media  ") {
				told = true
				up <- ""
			}
		}
		if !told {
			up <- all.String()
		}
		ended <- cmd.Wait()
	}()
	c.server, c.ended = cmd, ended
	if text := waittest.Next(c.t, "the server of "+b.String(), up); text != "" {
		c.t.Errorf("%s: %s does not start:\n%s", b, line, text)
	}
}

// stop stops the server, if there is one.
func (c *commands) stop() {
	if c.server == nil {
		return
	}
	_ = c.server.Process.Signal(os.Interrupt)
	if err := waittest.Next(c.t, "the server's end", c.ended); err != nil {
		c.t.Errorf("the server ends: %v", err)
	}
	c.server = nil
}

// feed runs a command until both media of the mountpoint have packets of it.
func (c *commands) feed(b *block, line string) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		c.t.Log("skipped: feeding the mountpoint (ffmpeg is not installed)")
		return
	}
	cmd := exec.CommandContext(c.t.Context(), "sh", "-c", "exec "+line)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	const api = "http://localhost:8088/janus"
	id := func(text string) string {
		var reply struct{ Data struct{ ID json.Number } }
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			c.t.Fatal(err)
		}
		return "/" + reply.Data.ID.String()
	}
	session := api + id(c.do(http.MethodPost, api, `{"janus":"create","transaction":"1"}`))
	handle := session + id(c.do(http.MethodPost, session, `{"janus":"attach","plugin":"janus.plugin.streaming","transaction":"2"}`))
	var last, fresh [2]int
	waittest.UntilEvery(c.t, 50*time.Millisecond, waittest.Patience, b.String()+": packets of "+line, func() bool {
		text := c.do(http.MethodPost, handle, `{"janus":"message","transaction":"3","body":{"request":"info","id":1}}`)
		ages := regexp.MustCompile(`"age_ms":(\d+)`).FindAllStringSubmatch(text, -1)
		if len(ages) != 2 {
			c.t.Fatalf("the mountpoint is: %s", text)
		}
		for i := range ages {
			age, _ := strconv.Atoi(ages[i][1])
			if age < last[i] {
				fresh[i]++
			}
			last[i] = age
		}
		return fresh[0] > 0 && fresh[1] > 0
	})
	c.do(http.MethodPost, session, `{"janus":"destroy","transaction":"4"}`)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// do is a request of HTTP, and what is answered.
func (c *commands) do(method, address, body string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), waittest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.t.Errorf("%s %s: %s, %v", method, address, resp.Status, err)
	}
	return string(text)
}

// tries opens the pages that README.md leads to, and what they connect to.
func (c *commands) tries(readme string) {
	local := func(text string) bool { return strings.HasPrefix(text, "http://localhost:8088/") }
	n := 0
	for _, m := range link.FindAllStringSubmatch(readme, -1) {
		u, err := url.Parse(m[1])
		if err != nil || !local(m[1]) {
			continue
		}
		c.do(http.MethodGet, m[1], "")
		for _, values := range u.Query() {
			for _, v := range values {
				if local(v) {
					n++
					c.do(http.MethodOptions, v, "")
				}
			}
		}
	}
	if n != 3 {
		c.t.Errorf("README.md leads to %d addresses for WHIP and WHEP", n)
	}
}
