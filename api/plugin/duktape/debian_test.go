package duktape

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// debian starts the plugin with a script of Debian's package janus.
func debian(t *testing.T, name string) *plugintest.Core {
	t.Helper()
	const folder = "/usr/share/janus/duktape"
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skip("without the scripts of Debian's package janus:", err)
	}
	return start(t, fmt.Sprintf("general: { script = %q, path = %q }", path, folder))
}

// start starts the plugin with a file.
func start(t *testing.T, file string) *plugintest.Core {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return plugintest.New(t, New(folder), plugintest.Config{})
}

func TestDebianEcho(t *testing.T) {
	core := debian(t, "echotest.js")
	c := core.Connect(plugintest.Options{})
	if e := c.Ask(`{"audio":true,"video":true}`, nil); e.Data != `{"echotest":"response","result":"ok"}` {
		t.Errorf("got %v", e)
	}
	p := connectTo(t, c)
	waittest.Until(t, "audio and video come back", func() bool { return p.Heard.Count() > 3 && p.Seen.Count() > 3 })
	p.Heard.Clean(t)
	p.Seen.Clean(t)
	waittest.Closed(t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hello"))
	p.ExpectText("[echotest.js] --> hello")
	p.Must(p.Channel.Send([]byte{1, 2, 3}))
	p.ExpectText("<010203>")
}
