package plugin

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"bifrons/api/json"
	"bifrons/sfu"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSerial(t *testing.T) {
	var tasks Tasks
	s := NewSerial(3, &tasks, quiet())
	block := make(chan struct{})
	started := make(chan struct{})
	var got []int
	s.Do(func() { close(started); <-block })
	<-started
	for i := range 5 {
		if ok := s.Do(func() { got = append(got, i) }); ok != (i < 3) {
			t.Errorf("Do %d: %v", i, ok)
		}
	}
	s.Must(func() { panic("on purpose") })
	s.Must(func() { got = append(got, 9) })
	close(block)
	tasks.Wait()
	if len(got) != 4 || got[0] != 0 || got[1] != 1 || got[2] != 2 || got[3] != 9 {
		t.Errorf("ran %v", got)
	}
}

// Many goroutines give functions to one Serial: they run one at a time, those
// of each goroutine in order, and none is lost.
func TestSerialConcurrently(t *testing.T) {
	var tasks Tasks
	s := NewSerial(1<<20, &tasks, quiet())
	var last [8]int
	running := 0
	var wg sync.WaitGroup
	for g := range last {
		wg.Go(func() {
			for i := range 500 {
				s.Do(func() {
					if running++; running != 1 || last[g] != i {
						t.Errorf("%d running, %d comes after %d", running, i, last[g])
					}
					last[g] = i + 1
					running--
				})
			}
		})
	}
	wg.Wait()
	tasks.Wait()
	for g, n := range last {
		if n != 500 {
			t.Errorf("goroutine %d: %d functions ran", g, n)
		}
	}
}

func parse(t *testing.T, text string) *json.Value {
	t.Helper()
	d, err := json.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Release)
	return d.Root()
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		field Field
		text  string
		want  string
	}{
		{Field{Name: "f", Type: Bool, Required: true}, `{}`, "1 Missing mandatory element (f)"},
		{Field{Name: "f", Type: Bool, Required: true}, `{"f":null}`, "1 Missing mandatory element (f)"},
		{Field{Name: "f", Type: Bool}, `{"f":null}`, ""},
		{Field{Name: "f", Type: Bool, NotNull: true}, `{"f":null}`, "2 Invalid element type (f should be a boolean)"},
		{Field{Name: "f", Type: Bool, NotNull: true}, `{}`, ""},
		{Field{Name: "f", Type: Bool, Required: true}, `{"f":true}`, ""},
		{Field{Name: "f", Type: Bool, Required: true}, `{"f":1}`, "2 Invalid element type (f should be a boolean)"},
		{Field{Name: "f", Type: String, Required: true}, `{"f":""}`, ""},
		{Field{Name: "f", Type: String, Required: true}, `{"f":1}`, "2 Invalid element type (f should be a string)"},
		{Field{Name: "f", Type: NonEmptyString, Required: true}, `{"f":""}`, "2 Invalid element type (f should be a non-empty string)"},
		{Field{Name: "f", Type: Int, Required: true}, `{"f":-1}`, ""},
		{Field{Name: "f", Type: Int, Required: true}, `{"f":1.0}`, "2 Invalid element type (f should be an integer)"},
		{Field{Name: "f", Type: Uint, Required: true}, `{"f":0}`, ""},
		{Field{Name: "f", Type: Uint, Required: true}, `{"f":-1}`, "2 Invalid element type (f should be a positive integer)"},
		{Field{Name: "f", Type: Uint, Required: true}, `{"f":"1"}`, "2 Invalid element type (f should be a positive integer)"},
		{Field{Name: "f", Type: Array, Required: true}, `{"f":[]}`, ""},
		{Field{Name: "f", Type: Array, Required: true}, `{"f":{}}`, "2 Invalid element type (f should be an array)"},
		{Field{Name: "f", Type: NonEmptyArray, Required: true}, `{"f":[]}`, "2 Invalid element type (f should be a non-empty array)"},
		{Field{Name: "f", Type: Object, Required: true}, `{"f":{}}`, ""},
		{Field{Name: "f", Type: Object, Required: true}, `{"f":[]}`, "2 Invalid element type (f should be an object)"},
		{Field{Name: "f", Type: Any, Required: true}, `{"f":[]}`, ""},
		{Field{Name: long, Type: Any, Required: true}, `{}`, "1 Missing mandatory element (" + long[:99-27]},
	} {
		got := ""
		if err := Check([]Field{tt.field}, parse(t, tt.text), 1, 2); err != nil {
			got = string(rune('0'+err.Code)) + " " + err.Text
		}
		if got != tt.want {
			t.Errorf("%v of %s: got %q, want %q", tt.field, tt.text, got, tt.want)
		}
	}
}

// What clients say is bounded, by the name of the field where that matters.
func TestCheckLength(t *testing.T) {
	text := func(n int) string { return `"` + strings.Repeat("é", n/2) + `"` }
	object := func(n int) string { return `{ "a" : ` + text(n-8) + ` }` } // {"a":""}
	for _, tt := range []struct {
		field Field
		make  func(int) string
		max   int
	}{
		{Field{Name: "display", Type: String, Required: false}, text, 4096},
		{Field{Name: "x", Type: NonEmptyString, Required: false}, text, 4096},
		{Field{Name: "opaque_id", Type: String, Required: false}, text, 1024},
		{Field{Name: "transaction", Type: String, Required: true}, text, 1024},
		{Field{Name: "metadata", Type: String, Required: false}, text, 16384},
		{Field{Name: "metadata", Type: Object, Required: false}, object, 16384},
	} {
		if err := Check([]Field{tt.field}, parse(t, `{"`+tt.field.Name+`":`+tt.make(tt.max)+`}`), 1, 2); err != nil {
			t.Errorf("%v of %d bytes: %v", tt.field, tt.max, err)
		}
		err := Check([]Field{tt.field}, parse(t, `{"`+tt.field.Name+`":`+tt.make(tt.max+2)+`}`), 1, 2)
		want := fmt.Sprintf("Invalid element (%s has more than %d bytes)", tt.field.Name, tt.max)
		if err == nil || err.Code != 2 || err.Text != want {
			t.Errorf("%v of %d bytes: %v", tt.field, tt.max+2, err)
		}
	}
	for _, f := range []Field{{Name: "x", Type: Object}, {Name: "x", Type: Array}, {Name: "x", Type: Any}} {
		text := `{"x":` + map[Type]string{Object: object(1 << 19), Array: `[` + text(1<<19) + `]`, Any: text(1 << 19)}[f.Type] + `}`
		if err := Check([]Field{f}, parse(t, text), 1, 2); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
}

// desk is a Host that keeps what is pushed, and runs what is to be run at once.
type desk struct {
	Host
	pushed []string
	fail   error
}

func (d *desk) Push(tx string, data []byte, j *JSEP) error {
	if j != nil && d.fail != nil {
		return d.fail
	}
	d.pushed = append(d.pushed, tx+" "+string(data))
	return nil
}
func (d *desk) Run(f func())    { f() }
func (d *desk) Peer() *sfu.Peer { return nil }

func TestTable(t *testing.T) {
	var after []string
	table := Table[int]{
		Key: "x", Hint: "wait", Missing: 1, Invalid: 2, Unknown: 3, BadSDP: 4,
		Rows: []Row[int]{
			{Name: "now", Fields: []Field{{Name: "n", Type: Int, Required: true}}, Run: func(h int, r *Request, w *json.Writer) Response {
				n, _ := json.Int(r.Body.Get("n"))
				w.Str("x", "now")
				w.Int("sum", int64(h)+n)
				return Response{After: func() { after = append(after, "now") }}
			}},
			{Name: "later", Async: true, Run: func(h int, r *Request, w *json.Writer) Response {
				w.Str("x", "later")
				return Response{After: func() { after = append(after, "later") }}
			}},
			{Name: "silent", Async: true, Run: func(int, *Request, *json.Writer) Response { return Response{Silent: true} }},
			{Name: "jsep", Async: true, Run: func(int, *Request, *json.Writer) Response { return Response{JSEP: &JSEP{}} }},
			{Name: "bad", Async: true, Run: func(_ int, _ *Request, w *json.Writer) Response {
				w.Str("x", "half")
				return Fail(7, "bad \"luck\"")
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
		host := &desk{fail: errors.New("no SDP")}
		table.LateErrors = tt.late
		r := table.Message(host, 40, &Request{Transaction: "t", Body: parse(t, tt.body)})
		got := string(r.Data)
		if r.Run != nil {
			got = r.Hint
			r.Run()
		}
		if all := strings.Join(append([]string{got}, host.pushed...), "|"); all != tt.want {
			t.Errorf("%s: got %s, want %s", tt.body, all, tt.want)
		}
	}
	if s := strings.Join(after, " "); s != "now later" {
		t.Errorf("afterwards: %s", s)
	}
	for body, want := range map[string]string{
		`{"request":"now","n":1}`: `{"x":"now","sum":2}`,
		`{"request":"later"}`:     `{"x":"event","error_code":3,"error":"Unknown request 'later'"}`,
		`{"request":1}`:           `{"x":"event","error_code":2,"error":"Invalid element type (request should be a string)"}`,
	} {
		if got := string(table.Admin(1, parse(t, body))); got != want {
			t.Errorf("admin %s: got %s", body, got)
		}
	}
}
