package event

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/schema"
)

// Error codes of answers to query_eventhandler.
const (
	codeUnknownRequest = 411
	codeMissing        = 412
	codeInvalid        = 413
	codeUnknown        = 499
)

var (
	queryFields = []schema.Field{{Name: "request", Type: schema.String, Required: true}}
	tweakFields = []schema.Field{
		{Name: "events", Type: schema.String},
		{Name: "grouping", Type: schema.Bool},
		{Name: "json", Type: schema.String},
	}
)

// Check looks at fields of a tweak request.
func Check(fields []schema.Field, request json.Args) *schema.Error {
	return schema.Check(fields, request, codeMissing, codeInvalid)
}

// Invalid is the error of a setting with a value that cannot be.
func Invalid(name, should string) *schema.Error {
	return &schema.Error{Code: codeInvalid, Text: "Invalid element type (" + name + " should be " + should + ")"}
}

// Query answers query_eventhandler: a request to tweak settings.
func (o *Outlet) Query(request []byte) []byte { return schema.Outcome(o.query(request)) }

func (o *Outlet) query(request []byte) *schema.Error {
	doc, bad := json.Parse(request)
	if bad != nil || !json.IsObject(doc.Root()) {
		doc.Release()
		return &schema.Error{Code: codeInvalid, Text: "Invalid request: not a JSON object"}
	}
	defer doc.Release()
	root := json.Args{Value: doc.Root()}
	if err := Check(queryFields, root); err != nil {
		return err
	}
	switch verb := root.Str("request"); {
	case verb != "tweak":
		return &schema.Error{Code: codeUnknownRequest, Text: "Unknown request '" + verb + "'"}
	case !o.enabled:
		return &schema.Error{Code: codeUnknown, Text: "Event handler is disabled"}
	}
	return o.tweak(root)
}

func (o *Outlet) tweak(root json.Args) *schema.Error {
	if err := Check(tweakFields, root); err != nil {
		return err
	}
	layout, ok := json.Layout(o.layout.Load()), true
	if text, given := root.Text("json"); given {
		if layout, ok = json.ParseLayout(text); !ok {
			return Invalid("json", "indented, plain or compact")
		}
	}
	apply, err := o.handler.Tweak(root)
	if err != nil {
		return err
	}
	apply()
	o.layout.Store(uint32(layout))
	if text, given := root.Text("events"); given {
		mask, _ := ParseMask(strings.Split(text, ","))
		o.mask.Store(int64(mask))
	}
	if on, given := root.Flag("grouping"); given {
		o.grouping.Store(on)
	}
	return nil
}
