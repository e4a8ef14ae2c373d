package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
)

// Setting is one setting that is not at its default.
type Setting struct {
	Name  string // "general.debug_level", or "http:general.port" for that of another file
	Value string // hidden where it is a secret
}

// Settings lists what the files and the command line have set to other values
// than those of an empty file.
func (c *Config) Settings() []Setting {
	plain := bare()
	plain.Server.General.ConfigsFolder = c.Server.General.ConfigsFolder
	var list []Setting
	walk(plain, c, func(name string, _, v reflect.Value) {
		text := strings.Trim(fmt.Sprint(v.Interface()), "[]")
		if isSecret(name) && text != "" {
			text = "(hidden)"
		}
		list = append(list, Setting{name, text})
	})
	return list
}

func isSecret(name string) bool {
	for _, word := range []string{"secret", "pwd", "password", "api_key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// Files are the configuration files in a folder, by name.
func Files(folder string) []string {
	var names []string
	for _, pattern := range []string{"janus.jcfg", "janus.cfg", "janus.*.jcfg", "janus.*.cfg", "bifrons.*.jcfg", "bifrons.*.cfg"} {
		list, _ := filepath.Glob(filepath.Join(folder, pattern))
		names = append(names, list...)
	}
	return names
}
