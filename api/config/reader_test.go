package config

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"admin_key", "is_private", "pin", "secret", "description", "audiocodec", "videocodec", "fir_freq"}
	for name, want := range map[string]string{
		"adminkey": "admin_key", "Admin-Key": "admin_key", "admin_kye": "admin_key", "is_privat": "is_private", "private": "is_private",
		"pim": "pin", "pn": "pin", "secert": "secret", "secrets": "secret", "audio_codec": "audiocodec", "vidoecodec": "videocodec",
		"firfreq": "fir_freq", "port": "", "x": "", "": "", "recording": "", "ä": "", "\xff\xfe": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// A misspelt setting that protects is told with what is open without it, unless it
// is there as well.
func TestGuards(t *testing.T) {
	for text, want := range map[string]string{
		`general: { adminsecret = "x" }`:                       "janus.jcfg:1: general.adminsecret: unknown setting, did you mean admin_secret?, ignored: whoever reaches the Admin API can do everything",
		`general: { admin_secrets = "x", admin_secret = "x" }`: "janus.jcfg:1: general.admin_secrets: unknown setting, did you mean admin_secret?, ignored",
		`general: { sever_name = "x" }`:                        "janus.jcfg:1: general.sever_name: unknown setting, did you mean server_name?, ignored",
	} {
		f, err := Parse("janus.jcfg", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		s := defaultServer()
		problems := decodeFile(f, "", &s)
		if len(problems) != 1 || problems[0].Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, problems, want)
		}
	}
}

// FuzzReader: a reader never panics, reports nothing twice, and says of each setting
// that is there either that it makes sense or what is wrong.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		"a: { x = 1, y = \"on\", z = ( { x = 2 }, 3 ), X = -1 }", "a: { x = { }, y = [ 1, 2 ], z = { x = 1 } }", "a = 5", "a: { x = 0xffffffffffL }", "a: { }",
	} {
		f.Add(text, "x")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		file, err := Parse("a.jcfg", []byte(text), nil)
		if err != nil {
			t.Skip()
		}
		for g := range file.Entries() {
			r := NewReader(g)
			it := g.Get(name)
			r.Text(name)
			r.Flag(name)
			if _, ok := r.Number(name); it != nil && (it.Kind != Scalar || it.Text != "") && !ok && len(r.Problems()) == 0 {
				t.Errorf("%q is no number, and nothing is told", name)
			}
			if _, ok := r.Number(name); ok && r.Wrong(name) {
				t.Errorf("%q is a number and wrong", name)
			}
			r.Texts(name)
			groups, _ := r.Groups(name)
			for _, sub := range groups {
				sub.Number(name)
				sub.Strays([]string{name}, []string{"x"}, nil)
			}
			r.Strays(nil, []string{name}, map[string]string{name: "open"})
			seen := make(map[Problem]bool)
			for _, p := range r.Problems() {
				if seen[p] || !p.Warning || p.File != "a.jcfg" || p.Line == 0 {
					t.Errorf("told twice, as an error, or without its place: %v", p)
				}
				seen[p] = true
			}
		}
		PluginFile{file}.General(&struct {
			X int `cfg:"x" guard:"open"`
		}{})
	})
}

// What does not count, because it is there again, is told in every kind of file.
func TestRepeated(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a.jcfg", "general: { admin_key = \"k\" }\nGENERAL: { events = true }", "a.jcfg:1: general: is there again in line 2, and only that counts, ignored: settings in this one protect nothing"},
		{"a.jcfg", "r: { pin = \"p\"\n\nPIN = \"\" }", "a.jcfg:1: r.pin: is there again in line 3, and only that counts, ignored"},
		{"a.jcfg", "r: { l = ( { }, { x = 1\n x = 2 } ) }", "a.jcfg:1: r.l[1].x: is there again in line 2, and only that counts, ignored"},
		{"a.cfg", "[a]\nx = 1\n[a]\ny = 2", "a.cfg:1: a: is there again in line 3, and only that counts, ignored: settings in this one protect nothing"},
		{"a.jcfg", "abc: { x = 1 }\nABC: { x = 1 }", ""},
	} {
		f, err := Parse(tt.name, []byte(tt.text), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range f.Warnings {
			got += p.Error()
		}
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
}
