// Package kit has the parts that plugins are made of: tables of their requests and
// settings, their file, and the common part of their handles.
package kit

import (
	"cmp"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Row is one request of a plugin: one name, one schema, one function.
type Row[H any] struct {
	Name   string // compared without case
	Async  bool
	Fields []schema.Field

	// Levels says which fields mean something where, of a request with fields
	// at several places; nil = there is only the top.
	Levels func(h H, body Args) schema.Levels

	// Run does it. The outermost object is open in w; Run adds its fields.
	// With an error they are thrown away, and it is sent instead.
	Run Run[H]
}

// Run is the function of a Row.
type Run[H any] = func(h H, r *Request, w *json.Writer) (Response, *schema.Error)

// Response is the result of a Row's function, besides the fields it wrote.
type Response struct {
	JSEP    *plugin.JSEP // goes with the event, asynchronous requests only
	Silent  bool         // no event at all, asynchronous requests only
	Warning string       // goes with the answer
	After   func()       // called when the answer is on its way, also that of an error
}

// Table has the requests that a plugin understands.
type Table[H any] struct {
	// Key names the plugin in its answers: errors have "event" under it, and those
	// of a request that was found Failed, if that is not "".
	Key    string
	Failed string
	Hint   string // of acks

	Codes

	// Common, if not nil, writes the fields that events and answers to known requests share.
	Common func(h H, w *json.Writer)

	// LateErrors makes a missing or unknown request an ack with an event, not
	// an immediate answer.
	LateErrors bool

	// UnknownText is the text of the error about an unknown request, with %s for
	// its name; "" = the usual one.
	UnknownText string

	// Log gets warnings about settings at a place where they mean nothing, unless the
	// answer can say so; nil = none.
	Log *slog.Logger

	Rows []Row[H]

	mu     sync.Mutex
	warned time.Time // when Log got the last warning
}

// Add adds a synchronous request.
func (t *Table[H]) Add(name string, run Run[H], fields ...schema.Field) {
	t.Rows = append(t.Rows, Row[H]{Name: name, Fields: fields, Run: run})
}

// AddAsync adds an asynchronous request.
func (t *Table[H]) AddAsync(name string, run Run[H], fields ...schema.Field) {
	t.Rows = append(t.Rows, Row[H]{Name: name, Fields: fields, Async: true, Run: run})
}

// AddCommon adds a synchronous request that is the same for all handles.
func (t *Table[H]) AddCommon(name string, run func(r *Request, w *json.Writer) *schema.Error, fields ...schema.Field) {
	t.Add(name, func(_ H, r *Request, w *json.Writer) (Response, *schema.Error) { return Response{}, run(r, w) }, fields...)
}

// SetLevels sets the Levels of a row.
func (t *Table[H]) SetLevels(name string, levels func(h H, body Args) schema.Levels) {
	for i := range t.Rows {
		if t.Rows[i].Name == name {
			t.Rows[i].Levels = levels
			return
		}
	}
	panic("kit: no request " + name)
}

// Message finds the row of a message by its "request" field and runs it.
func (t *Table[H]) Message(host plugin.Host, h H, r *plugin.Request) plugin.Result {
	row, err := t.find(Args{Value: r.Body})
	switch {
	case err != nil && t.LateErrors:
		return plugin.Ack(t.Hint, func() { host.Push(r.Transaction, t.ErrorData(err), nil) })
	case err != nil:
		return plugin.Answer(t.ErrorData(err))
	case row.Async:
		return t.Async(host, h, r, row)
	}
	data, resp := t.run(row, host, h, r)
	if resp.After != nil {
		host.Run(resp.After)
	}
	return plugin.Answer(data)
}

// Async is the Result that runs an asynchronous row.
func (t *Table[H]) Async(host plugin.Host, h H, r *plugin.Request, row *Row[H]) plugin.Result {
	return plugin.Ack(t.Hint, func() {
		data, resp := t.run(row, host, h, r)
		if !resp.Silent {
			if err := host.Push(r.Transaction, data, resp.JSEP); err != nil {
				host.Push(r.Transaction, t.failure(h, &schema.Error{Code: t.BadSDP, Text: err.Error()}), nil)
			}
		}
		if resp.After != nil {
			resp.After()
		}
	})
}

// Admin runs a synchronous row for the Admin API.
func (t *Table[H]) Admin(host plugin.Host, h H, request *json.Value) []byte {
	row, err := t.find(Args{Value: request})
	if err == nil && row.Async {
		err = t.unknown(Args{Value: request}.Str("request"))
	}
	if err != nil {
		return t.ErrorData(err)
	}
	data, resp := t.run(row, host, h, &plugin.Request{Body: request})
	if resp.After != nil {
		resp.After()
	}
	return data
}

func (t *Table[H]) find(body Args) (*Row[H], *schema.Error) {
	if err := schema.Check(requestField, body, t.Missing, t.Invalid); err != nil {
		return nil, err
	}
	return t.Row(body.Str("request"))
}

// Row finds a row by its name.
func (t *Table[H]) Row(name string) (*Row[H], *schema.Error) {
	for i := range t.Rows {
		if strings.EqualFold(t.Rows[i].Name, name) {
			return &t.Rows[i], nil
		}
	}
	return nil, t.unknown(name)
}

var requestField = []schema.Field{{Name: "request", Type: schema.String, Required: true}}

func (t *Table[H]) unknown(name string) *schema.Error {
	text := t.UnknownText
	if text == "" {
		text = "Unknown request '%s'"
	}
	return &schema.Error{Code: t.Unknown, Text: strings.Replace(text, "%s", name, 1)}
}

func (t *Table[H]) run(row *Row[H], host plugin.Host, h H, r *plugin.Request) ([]byte, Response) {
	body := Args{Value: r.Body}
	if err := schema.Check(row.Fields, body, t.Missing, t.Invalid); err != nil {
		return t.failure(h, err), Response{}
	}
	w := json.NewWriter(make([]byte, 0, 256))
	w.Object("")
	var misplaced []string // as the handle is now
	if row.Levels != nil {
		misplaced = row.Levels(h, body).Misplaced(r.Body)
	}
	resp, err := row.Run(h, &Request{r.Transaction, host, body, r.JSEP}, w)
	if err != nil {
		return t.failure(h, err), Response{After: resp.After}
	}
	switch {
	case len(misplaced) == 0:
	case !row.Async && resp.Warning == "":
		resp.Warning = misplacedText(misplaced)
	default:
		t.warn(host, row.Name, misplaced)
	}
	w.OptStr("warning", resp.Warning)
	if t.Common != nil {
		t.Common(h, w)
	}
	w.End()
	return w.Bytes(), resp
}

// warn logs fields that a client has put where they mean nothing, once a second
// at most. Events do not say so: clients know them by the fields they have.
func (t *Table[H]) warn(host plugin.Host, request string, misplaced []string) {
	t.mu.Lock()
	now := time.Now()
	quiet := t.Log == nil || now.Sub(t.warned) < time.Second
	if !quiet {
		t.warned = now
	}
	t.mu.Unlock()
	if quiet {
		return
	}
	t.Log.Warn("request with settings where they mean nothing", "plugin", t.Key, "request", request,
		"settings", strings.Join(misplaced, ", "), "session", host.SessionID(), "handle", host.HandleID())
}

// ErrorData is an error as plugins report it.
func (t *Table[H]) ErrorData(e *schema.Error) []byte {
	return t.errorData("event", e, func(*json.Writer) {})
}

// failure is the error of a request that was found.
func (t *Table[H]) failure(h H, e *schema.Error) []byte {
	return t.errorData(cmp.Or(t.Failed, "event"), e, func(w *json.Writer) {
		if t.Common != nil {
			t.Common(h, w)
		}
	})
}

func (t *Table[H]) errorData(kind string, e *schema.Error, more func(w *json.Writer)) []byte {
	return json.Object(func(w *json.Writer) {
		w.Str(t.Key, kind)
		w.Int("error_code", int64(e.Code))
		w.Str("error", e.Text)
		more(w)
	})
}

// misplacedText is the text for clients and the log.
func misplacedText(names []string) string { return "of no effect here: " + strings.Join(names, ", ") }
