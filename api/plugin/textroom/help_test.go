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

// service is the plugin with what it sends on data channels.
type service struct {
	t      *testing.T
	plugin *Plugin
	core   *plugintest.Core
	folder string

	mu  sync.Mutex
	got map[plugin.Host][]string
}

// newService starts the plugin with a file, "" = none.
func newService(t *testing.T, file string) *service {
	t.Helper()
	hs := &service{t: t, folder: t.TempDir(), got: make(map[plugin.Host][]string)}
	if file != "" {
		writeFile(t, hs, file)
	}
	hs.plugin = hs.newPlugin()
	hs.core = plugintest.New(t, hs.plugin, plugintest.Config{})
	return hs
}

func writeFile(t *testing.T, hs *service, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(hs.folder, Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (hs *service) newPlugin() *Plugin {
	p := New(hs.folder)
	p.send = func(h plugin.Host, text []byte) {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.got[h] = append(hs.got[h], string(text))
	}
	return p
}

// restart starts the plugin anew.
func (hs *service) restart() {
	hs.t.Helper()
	hs.plugin = hs.newPlugin()
	hs.core.Replace(hs.plugin)
}

// file is what is in the plugin's file.
func (hs *service) file() string {
	hs.t.Helper()
	b, err := os.ReadFile(filepath.Join(hs.folder, Package+".jcfg"))
	if err != nil {
		hs.t.Fatal(err)
	}
	return string(b)
}

// client is a client.
type client struct {
	*plugintest.Client
	service *service
	h       *handle
}

func (hs *service) client() *client {
	hs.t.Helper()
	c := hs.core.Attach(plugintest.Options{})
	return &client{c, hs, c.Handle.(*handle)}
}

// say sends a request by the data channel, with " for every ', and returns what has come
// there since that was last looked at.
func (g *client) say(text string) string {
	g.service.t.Helper()
	g.Data(dataLabel, "", false, []byte(quoted(text)))
	return g.heard()
}

func quoted(text string) string { return strings.ReplaceAll(text, "'", `"`) }

var dates = regexp.MustCompile(`"date":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"`)

// heard is what has come on the data channel since the last look, a text a line, with '
// for every " and without its "textroom" and the dates.
func (g *client) heard() string {
	g.service.plugin.tasks.Wait()
	g.service.mu.Lock()
	defer g.service.mu.Unlock()
	list := g.service.got[g.h.Host]
	g.service.got[g.h.Host] = nil
	text := dates.ReplaceAllString(strings.Join(list, "\n"), `"date":"D"`)
	return strings.ReplaceAll(text, `"`, "'")
}

// ask sends a request by the API, and returns the answer, with ' for every ".
func (g *client) ask(text string) string {
	g.service.t.Helper()
	return strings.ReplaceAll(g.Ask(quoted(text), nil).Data, `"`, "'")
}

// check compares.
func (hs *service) check(what, got string, want ...string) {
	hs.t.Helper()
	if text := strings.Join(want, "\n"); got != text {
		hs.t.Errorf("%s:\ngot  %s\nwant %s", what, got, text)
	}
}
