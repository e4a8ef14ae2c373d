package schema

import (
	"fmt"
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
	f, err := config.Parse("x.jcfg", []byte(`m: { Port = 5, srtpsuite = 32, media = ( { SRTPsuite = 32, port = 1 }, { name = "x" } ) }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(testLevels.MisplacedInFile(f.Category("m")), ", "); got != "port, media[0].srtpsuite" {
		t.Errorf("in a file: got %q", got)
	}
}
