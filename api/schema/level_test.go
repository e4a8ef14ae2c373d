package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bifrons/api/config"
)

var testLevels = Levels{
	Used: []Level{
		{Fields: []Field{{Name: "srtpsuite"}, {Name: "media"}, {Name: "name"}}},
		{In: "media", Fields: []Field{{Name: "port"}, {Name: "name"}}},
	},
	Unused: []Field{{Name: "audioport"}},
}

func TestMisplaced(t *testing.T) {
	many := `{"media":[` + strings.Repeat(`{"srtpsuite":1},`, 20) + `{}]}`
	for text, want := range map[string]string{
		`{}`: "",
		`{"srtpsuite":32,"media":[{"port":1,"name":"x"}],"name":"y","other":1}`:            "",
		`{"media":[{"port":1},{"srtpsuite":32,"stranger":1,"port":2},{"audioport":null}]}`: "media[1].srtpsuite",
		`{"port":5,"audioport":6,"media":[7,{"audioport":8,"media":[]}]}`:                  "port, audioport, media[1].audioport, media[1].media",
		`{"media":{"srtpsuite":1},"SRTPSUITE":5,"Port":5}`:                                 "",
		many: strings.TrimSuffix(strings.Repeat("media[%d].srtpsuite, ", maxMisplaced), ", "),
	} {
		if text == many {
			want = fmt.Sprintf(want, 0, 1, 2, 3, 4, 5, 6, 7)
		}
		if got := strings.Join(testLevels.Misplaced(parse(t, text)), ", "); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// In a file, what is misplaced and what nobody knows is named with its line, and a
// setting that protects with what is open without it.
func TestCheckFile(t *testing.T) {
	f, err := config.Parse("x.jcfg", []byte(`m: {
		Port = 5, srtpsuite = 32, naem = "x"
		media = ( { SRTPsuite = 32, port = 1 }, { name = "x", prt = 1, stranger = 1 }, 7 )
	}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := config.NewReader(f.Category("m"))
	testLevels.CheckFile(r, map[string]string{"name": "nobody knows it"})
	var got []string
	for _, p := range r.Problems() {
		if !p.Warning {
			t.Errorf("an error: %v", p)
		}
		got = append(got, p.Error())
	}
	want := []string{
		"x.jcfg:2: m.Port: means nothing here, ignored",
		"x.jcfg:2: m.naem: unknown setting, did you mean name?, ignored: nobody knows it",
		"x.jcfg:3: m.media: wrong value, accepted: a list of groups: ( { ... }, { ... } ), entries that are not groups are left out",
		"x.jcfg:3: m.media[0].SRTPsuite: means nothing here, ignored",
		"x.jcfg:3: m.media[1].prt: unknown setting, did you mean port?, ignored",
		"x.jcfg:3: m.media[1].stranger: unknown setting, ignored",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
