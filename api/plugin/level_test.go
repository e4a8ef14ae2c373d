package plugin

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
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

// Answers tell of misplaced settings, events do not: there the log does, and
// not for every request.
func TestWarning(t *testing.T) { synctest.Test(t, testWarning) }

func testWarning(t *testing.T) {
	var log bytes.Buffer
	run := func(warning string) func(int, *Request, *json.Writer) Response {
		return func(_ int, _ *Request, w *json.Writer) Response {
			w.Str("x", "ok")
			return Response{Warning: warning}
		}
	}
	levels := func(int, *json.Value) Levels { return testLevels }
	table := Table[int]{Key: "x", Log: slog.New(slog.NewTextHandler(&log, nil)), Rows: []Row[int]{
		{Name: "now", Levels: levels, Run: run("")},
		{Name: "old", Levels: levels, Run: run("deprecated_api")},
		{Name: "later", Levels: levels, Async: true, Run: run("")},
		{Name: "bad", Levels: levels, Run: func(int, *Request, *json.Writer) Response { return Fail(7, "no") }},
	}}
	for _, tt := range []struct{ body, want, logged string }{
		{`{"request":"now","media":[{"port":1}]}`, `{"x":"ok"}`, ""},
		{`{"request":"now","media":[{"srtpsuite":1}]}`, `{"x":"ok","warning":"of no effect here: media[0].srtpsuite"}`, ""},
		{`{"request":"old","media":[{"srtpsuite":1}]}`, `{"x":"ok","warning":"deprecated_api"}`, "media[0].srtpsuite"},
		{`{"request":"later","port":1}`, `t {"x":"ok"}`, ""}, // the second line within a second
		{`{"request":"later","port":1,"audioport":1,"wait":1}`, `t {"x":"ok"}`, `settings="port, audioport"`},
		{`{"request":"bad","port":1}`, `{"x":"event","error_code":7,"error":"no"}`, ""},
	} {
		log.Reset()
		if strings.Contains(tt.body, "wait") {
			time.Sleep(time.Second)
		}
		host := &desk{Host: Nobody{}}
		r := table.Message(host, 0, &Request{Transaction: "t", Body: parse(t, tt.body)})
		got := string(r.Data)
		if r.Run != nil {
			r.Run()
			got = strings.Join(host.pushed, "|")
		}
		if text := log.String(); got != tt.want || !strings.Contains(text, tt.logged) || (text == "") != (tt.logged == "") {
			t.Errorf("%s: got %s\nlog %s", tt.body, got, text)
		}
	}
}
