package config

import (
	"reflect"
	"strings"
)

// Take gives c the settings of next that differ and that take accepts by their
// names, such as "general.debug_level", those of other files behind the file's
// short name: "http:general.port". It returns the names of those, and of the others
// that differ, in the order of the files.
func (c *Config) Take(next *Config, take func(name string) bool) (taken, left []string) {
	walk(c, next, func(name string, x, y reflect.Value) {
		if take(name) {
			x.Set(y)
			taken = append(taken, name)
		} else {
			left = append(left, name)
		}
	})
	return taken, left
}

// Weaker says why next, read again from the files, must not take the place of c
// in a running server: secrets are gone, or the main file is, or it is empty. So
// it is with a file that is just being written.
func (c *Config) Weaker(next *Config) []Problem {
	warn := func(section, key, text string) Problem {
		return Problem{File: c.MainFile, Section: section, Key: key, Text: text, Warning: true,
			Effect: "the settings before stay"}
	}
	switch {
	case c.MainFile == "":
	case next.MainFile == "":
		return []Problem{warn("", "", "is gone")}
	case next.MainFile != c.MainFile:
		return []Problem{warn("", "", "is gone or wrong, "+next.MainFile+" does not take its place")}
	case next.empty && !c.empty:
		return []Problem{warn("", "", "is empty")}
	}
	var list []Problem
	g, now := &c.Server.General, &next.Server.General
	for _, secret := range []struct{ key, before, after string }{
		{"admin_secret", g.AdminSecret, now.AdminSecret},
		{"api_secret", g.APISecret, now.APISecret},
		{"token_auth_secret", g.TokenAuthSecret, now.TokenAuthSecret},
	} {
		if secret.before != "" && secret.after == "" {
			list = append(list, warn("general", secret.key, "is gone"))
		}
	}
	if g.TokenAuth && !now.TokenAuth {
		list = append(list, warn("general", "token_auth", "is off"))
	}
	return list
}

// walk calls f for every setting in which two configurations differ.
func walk(a, b *Config, f func(name string, x, y reflect.Value)) {
	type file struct {
		prefix string
		a, b   sectioned
	}
	files := []file{{"", &a.Server, &b.Server}}
	now := b.transports()
	for i, t := range a.transports() {
		files = append(files, file{t.name + ":", t.settings, now[i].settings})
	}
	for _, file := range files {
		old, now := file.a.sections(), file.b.sections()
		for i := range old {
			x, y := reflect.ValueOf(old[i].dst).Elem(), reflect.ValueOf(now[i].dst).Elem()
			for _, field := range reflect.VisibleFields(x.Type()) {
				if field.Anonymous {
					continue // its fields come behind it
				}
				x, y := x.FieldByIndex(field.Index), y.FieldByIndex(field.Index)
				if !reflect.DeepEqual(x.Interface(), y.Interface()) {
					key, _, _ := strings.Cut(field.Tag.Get("cfg"), ",")
					f(file.prefix+joinKey(old[i].name, key), x, y)
				}
			}
		}
	}
}
