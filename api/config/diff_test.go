package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTake(t *testing.T) {
	load := func(main, http string) *Config {
		c, problems := LoadDir(writeFiles(t, map[string]string{"janus.jcfg": main, "janus.transport.http.jcfg": http}), "")
		if HasErrors(problems) {
			t.Fatal(problems)
		}
		c.Folder, c.Server.General.ConfigsFolder = "", ""
		return c
	}
	a := load(`general: { debug_level = 4 } nat: { ice_enforce_list = "eth0" }`, `general: { http = true }`)
	b := load(`general: { debug_level = 5 } nat: { ice_enforce_list = "eth0" }`, `general: { http = true; port = 80 }`)
	taken, left := a.Take(b, func(name string) bool { return !strings.HasPrefix(name, "http:") })
	if !slices.Equal(taken, []string{"general.debug_level"}) || !slices.Equal(left, []string{"http:general.port"}) {
		t.Errorf("taken %v, left %v", taken, left)
	}
	if a.Server.General.DebugLevel != 5 || a.HTTP.General.Port == 80 {
		t.Errorf("level %d, port %d", a.Server.General.DebugLevel, a.HTTP.General.Port)
	}
	if taken, left = b.Take(b, func(string) bool { return true }); taken != nil || left != nil {
		t.Errorf("a configuration differs from itself in %v, %v", taken, left)
	}
}

// What protects less than before, or looks like a file that is being written, is
// no better one.
func TestWeaker(t *testing.T) {
	const full = `general: { admin_secret = "a"; api_secret = "b"; token_auth = true; token_auth_secret = "c" }`
	files := func(names ...string) *Config {
		all := make(map[string]string)
		for i := 0; i < len(names); i += 2 {
			all[names[i]] = names[i+1]
		}
		c, _ := LoadDir(writeFiles(t, all), "")
		if c.MainFile != "" {
			c.MainFile = filepath.Base(c.MainFile)
		}
		return c
	}
	for _, tt := range []struct {
		running, next *Config
		want          string
	}{
		{files("janus.jcfg", full), files("janus.jcfg", full), ""},
		{files("janus.jcfg", full), files("janus.jcfg", `general: { admin_secret = "x"; api_secret = "y"; token_auth = yes; token_auth_secret = "z" }`), ""},
		{files("janus.jcfg", full), files("janus.jcfg", ""), "janus.jcfg: is empty"},
		{files("janus.jcfg", full), files("janus.jcfg", "# soon\n"), "janus.jcfg: is empty"},
		{files("janus.jcfg", full), files("janus.jcfg", `general: { admin_secret = ""; api_secret = "b"; token_auth = true; token_auth_secret = "c" }`), "general.admin_secret: is gone"},
		{files("janus.jcfg", full), files("janus.jcfg", `general: { admin_secret = "a"; token_auth = true; token_auth_secret = "c" }`), "general.api_secret: is gone"},
		{files("janus.jcfg", full), files("janus.jcfg", `general: { admin_secret = "a"; api_secret = "b"; token_auth = true }`), "general.token_auth_secret: is gone"},
		{files("janus.jcfg", full), files("janus.jcfg", `general: { admin_secret = "a"; api_secret = "b"; token_auth_secret = "c" }`), "general.token_auth: is off"},
		{files("janus.jcfg", full), files("janus.transport.http.jcfg", ""), "janus.jcfg: is gone"},
		{files("janus.jcfg", full), files("janus.jcfg", "{", "janus.cfg", full), "janus.jcfg: is gone or wrong, janus.cfg"},
		{files("janus.jcfg", ""), files("janus.jcfg", ""), ""},
		{files(), files("janus.jcfg", ""), ""},
		{files(), files(), ""},
	} {
		got := texts(tt.running.Weaker(tt.next))
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
