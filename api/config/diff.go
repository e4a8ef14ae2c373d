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
	for _, f := range []struct {
		prefix string
		a, b   sectioned
	}{
		{"", &a.Server, &b.Server}, {"http:", &a.HTTP, &b.HTTP}, {"websockets:", &a.WebSockets, &b.WebSockets},
		{"pfunix:", &a.PFUnix, &b.PFUnix}, {"echotest:", &a.EchoTest, &b.EchoTest},
	} {
		old, new := f.a.sections(), f.b.sections()
		for i := range old {
			x, y := reflect.ValueOf(old[i].dst).Elem(), reflect.ValueOf(new[i].dst).Elem()
			for k := range x.NumField() {
				if !reflect.DeepEqual(x.Field(k).Interface(), y.Field(k).Interface()) {
					key, _, _ := strings.Cut(x.Type().Field(k).Tag.Get("cfg"), ",")
					names = append(names, f.prefix+joinKey(old[i].name, key))
				}
			}
		}
	}
	return names
}
