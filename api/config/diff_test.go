package config

import (
	"slices"
	"testing"
)

func TestDiff(t *testing.T) {
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
	want := []string{"general.debug_level", "http:general.port"}
	if got := Diff(a, b); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Diff(a, a); got != nil {
		t.Errorf("a configuration differs from itself in %v", got)
	}
}
