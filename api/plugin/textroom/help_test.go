package textroom

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
)

const dataLabel = kit.DataLabel

// house is the plugin with what it sends on data channels.
type house struct {
	t      *testing.T
	plugin *Plugin
	core   *plugintest.Core
	folder string

	mu  sync.Mutex
	got map[plugin.Host][]string
}

// newHouse starts the plugin with a file, "" = none.
func newHouse(t *testing.T, file string) *house {
	t.Helper()
	hs := &house{t: t, folder: t.TempDir(), got: make(map[plugin.Host][]string)}
	if file != "" {
		writeFile(t, hs, file)
	}
	hs.plugin = hs.newPlugin()
	hs.core = plugintest.New(t, hs.plugin, plugintest.Config{})
	return hs
}

func writeFile(t *testing.T, hs *house, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(hs.folder, Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (hs *house) newPlugin() *Plugin {
	p := New(hs.folder)
	p.send = func(h plugin.Host, text []byte) {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.got[h] = append(hs.got[h], string(text))
	}
	return p
}

// restart starts the plugin anew.
func (hs *house) restart() {
	hs.t.Helper()
	hs.plugin = hs.newPlugin()
	hs.core.Replace(hs.plugin)
}

// file is what is in the plugin's file.
func (hs *house) file() string {
	hs.t.Helper()
	b, err := os.ReadFile(filepath.Join(hs.folder, Package+".jcfg"))
	if err != nil {
		hs.t.Fatal(err)
	}
	return string(b)
}

// guest is a client.
type guest struct {
	*plugintest.Client
	house *house
	h     *handle
}

func (hs *house) guest() *guest {
	hs.t.Helper()
	c := hs.core.Attach(plugintest.Options{})
	return &guest{c, hs, c.Handle.(*handle)}
}

// say sends a request by the data channel, with " for every ', and returns what has come
// there since that was last looked at.
func (g *guest) say(text string) string {
	g.house.t.Helper()
	g.Data(dataLabel, "", false, []byte(quoted(text)))
	return g.heard()
}

func quoted(text string) string { return strings.ReplaceAll(text, "'", `"`) }

var dates = regexp.MustCompile(`"date":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"`)

// heard is what has come on the data channel since the last look, a text a line, with '
// for every " and without its "textroom" and the dates.
func (g *guest) heard() string {
	g.house.plugin.tasks.Wait()
	g.house.mu.Lock()
	defer g.house.mu.Unlock()
	list := g.house.got[g.h.Host]
	g.house.got[g.h.Host] = nil
	text := dates.ReplaceAllString(strings.Join(list, "\n"), `"date":"D"`)
	return strings.ReplaceAll(text, `"`, "'")
}

// ask sends a request by the API, and returns the answer, with ' for every ".
func (g *guest) ask(text string) string {
	g.house.t.Helper()
	return strings.ReplaceAll(g.Ask(quoted(text), nil).Data, `"`, "'")
}

// check compares.
func (hs *house) check(what, got string, want ...string) {
	hs.t.Helper()
	if text := strings.Join(want, "\n"); got != text {
		hs.t.Errorf("%s:\ngot  %s\nwant %s", what, got, text)
	}
}
