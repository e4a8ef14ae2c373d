package config

import (
	"reflect"
	"strings"
)

// Diff names the settings in which two configurations differ, such as
// "general.debug_level", those of other files behind the file's short name:
// "http:general.port". They come in the order of the files.
func Diff(a, b *Config) []string {
	var names []string
	walk(a, b, func(name string, _, _ reflect.Value) { names = append(names, name) })
	return names
}

// walk calls f for every setting in which two configurations differ.
func walk(a, b *Config, f func(name string, x, y reflect.Value)) {
	for _, file := range []struct {
		prefix string
		a, b   sectioned
	}{
		{"", &a.Server, &b.Server}, {"http:", &a.HTTP, &b.HTTP}, {"websockets:", &a.WebSockets, &b.WebSockets},
		{"pfunix:", &a.PFUnix, &b.PFUnix}, {"echotest:", &a.EchoTest, &b.EchoTest},
	} {
		old, now := file.a.sections(), file.b.sections()
		for i := range old {
			x, y := reflect.ValueOf(old[i].dst).Elem(), reflect.ValueOf(now[i].dst).Elem()
			for k := range x.NumField() {
				if !reflect.DeepEqual(x.Field(k).Interface(), y.Field(k).Interface()) {
					key, _, _ := strings.Cut(x.Type().Field(k).Tag.Get("cfg"), ",")
					f(file.prefix+joinKey(old[i].name, key), x.Field(k), y.Field(k))
				}
			}
		}
	}
}
