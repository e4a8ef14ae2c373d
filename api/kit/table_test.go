package kit

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/schema"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

var testLevels = schema.Levels{
	Used: []schema.Level{
		{Fields: []schema.Field{{Name: "srtpsuite"}, {Name: "media"}, {Name: "name"}}},
		{In: "media", Fields: []schema.Field{{Name: "port"}, {Name: "name"}}},
	},
	Unused: []schema.Field{{Name: "audioport"}},
}

// Answers tell of misplaced settings, events do not: there the log does, and
// not for every request.
func TestWarning(t *testing.T) { synctest.Test(t, testWarning) }

func testWarning(t *testing.T) {
	var log bytes.Buffer
	run := func(warning string) func(int, *Request, *json.Writer) (Response, *schema.Error) {
		return func(_ int, _ *Request, w *json.Writer) (Response, *schema.Error) {
			w.Str("x", "ok")
			return Response{Warning: warning}, nil
		}
	}
	levels := func(int, Args) schema.Levels { return testLevels }
	table := Table[int]{Key: "x", Log: slog.New(slog.NewTextHandler(&log, nil)), Rows: []Row[int]{
		{Name: "now", Levels: levels, Run: run("")},
		{Name: "old", Levels: levels, Run: run("deprecated_api")},
		{Name: "later", Levels: levels, Async: true, Run: run("")},
		{Name: "bad", Levels: levels, Run: func(int, *Request, *json.Writer) (Response, *schema.Error) {
			return Response{}, &schema.Error{Code: 7, Text: "no"}
		}},
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
			waittest.Pass(time.Second)
		}
		host := &keeper{Host: plugin.Nobody{}}
		r := table.Message(host, 0, &plugin.Request{Transaction: "t", Body: plugintest.Parse(t, tt.body)})
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

// keeper is a Host that keeps what is pushed, and runs what is to be run at once.
type keeper struct {
	plugin.Host
	pushed []string
	fail   error
}

func (d *keeper) Push(tx string, data []byte, j *plugin.JSEP) error {
	if j != nil && d.fail != nil {
		return d.fail
	}
	d.pushed = append(d.pushed, tx+" "+string(data))
	return nil
}
func (d *keeper) Run(f func())    { f() }
func (d *keeper) Peer() *sfu.Peer { return nil }

func TestTable(t *testing.T) {
	var after []string
	table := Table[int]{
		Key: "x", Hint: "wait", Codes: Codes{Missing: 1, Invalid: 2, Unknown: 3, BadSDP: 4},
		Rows: []Row[int]{
			{Name: "now", Fields: []schema.Field{{Name: "n", Type: schema.Int, Required: true}}, Run: func(h int, r *Request, w *json.Writer) (Response, *schema.Error) {
				n, _ := json.Int(r.Body.Get("n"))
				w.Str("x", "now")
				w.Int("sum", int64(h)+n)
				return Response{After: func() { after = append(after, "now") }}, nil
			}},
			{Name: "later", Async: true, Run: func(h int, r *Request, w *json.Writer) (Response, *schema.Error) {
				w.Str("x", "later")
				return Response{After: func() { after = append(after, "later") }}, nil
			}},
			{Name: "silent", Async: true, Run: func(int, *Request, *json.Writer) (Response, *schema.Error) { return Response{Silent: true}, nil }},
			{Name: "jsep", Async: true, Run: func(int, *Request, *json.Writer) (Response, *schema.Error) {
				return Response{JSEP: &plugin.JSEP{}}, nil
			}},
			{Name: "bad", Async: true, Run: func(_ int, _ *Request, w *json.Writer) (Response, *schema.Error) {
				w.Str("x", "half")
				return Response{After: func() { after = append(after, "bad") }}, &schema.Error{Code: 7, Text: "bad \"luck\""}
			}},
		},
	}
	for _, tt := range []struct {
		body, want string // want: answer or hint, then what is pushed
		late       bool
	}{
		{`{"request":"NOW","n":2}`, `{"x":"now","sum":42}`, false},
		{`{"request":"now"}`, `{"x":"event","error_code":1,"error":"Missing mandatory element (n)"}`, false},
		{`{"request":"now","n":"1"}`, `{"x":"event","error_code":2,"error":"Invalid element type (n should be an integer)"}`, false},
		{`{}`, `{"x":"event","error_code":1,"error":"Missing mandatory element (request)"}`, false},
		{`{"request":"no"}`, `{"x":"event","error_code":3,"error":"Unknown request 'no'"}`, false},
		{`{"request":"no"}`, `wait|t {"x":"event","error_code":3,"error":"Unknown request 'no'"}`, true},
		{`{"request":"later"}`, `wait|t {"x":"later"}`, false},
		{`{"request":"silent"}`, `wait`, false},
		{`{"request":"bad"}`, `wait|t {"x":"event","error_code":7,"error":"bad \"luck\""}`, false},
		{`{"request":"jsep"}`, `wait|t {"x":"event","error_code":4,"error":"no SDP"}`, false},
	} {
		host := &keeper{fail: errors.New("no SDP")}
		table.LateErrors = tt.late
		r := table.Message(host, 40, &plugin.Request{Transaction: "t", Body: plugintest.Parse(t, tt.body)})
		got := string(r.Data)
		if r.Run != nil {
			got = r.Hint
			r.Run()
		}
		if all := strings.Join(append([]string{got}, host.pushed...), "|"); all != tt.want {
			t.Errorf("%s: got %s, want %s", tt.body, all, tt.want)
		}
	}
	// Other answers are those of requests that were found, and failed.
	table.LateErrors, table.Failed = false, "error"
	for body, want := range map[string]string{
		`{"request":"no"}`:   `{"x":"event","error_code":3,"error":"Unknown request 'no'"}`,
		`{"request":"now"}`:  `{"x":"error","error_code":1,"error":"Missing mandatory element (n)"}`,
		`{"request":"bad"}`:  `t {"x":"error","error_code":7,"error":"bad \"luck\""}`,
		`{"request":"jsep"}`: `t {"x":"error","error_code":4,"error":"no SDP"}`,
	} {
		host := &keeper{fail: errors.New("no SDP")}
		r := table.Message(host, 40, &plugin.Request{Transaction: "t", Body: plugintest.Parse(t, body)})
		if r.Run != nil {
			r.Run()
		}
		if got := string(r.Data) + strings.Join(host.pushed, "|"); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	table.Failed, after = "", after[:3]
	if s := strings.Join(after, " "); s != "now later bad" {
		t.Errorf("afterwards: %s", s)
	}
	for body, want := range map[string]string{
		`{"request":"now","n":1}`: `{"x":"now","sum":2}`,
		`{"request":"later"}`:     `{"x":"event","error_code":3,"error":"Unknown request 'later'"}`,
		`{"request":1}`:           `{"x":"event","error_code":2,"error":"Invalid element type (request should be a string)"}`,
	} {
		if got := string(table.Admin(plugin.Nobody{}, 1, plugintest.Parse(t, body))); got != want {
			t.Errorf("admin %s: got %s", body, got)
		}
	}
}
