package schema

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/api/json"
)

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
		if err := Check([]Field{tt.field}, json.Args{Value: parse(t, tt.text)}, 1, 2); err != nil {
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
		{Field{Name: "username", Type: NonEmptyString, Required: false}, text, 1024},
		{Field{Name: "text", Type: String, Required: true}, text, 65534},
	} {
		if err := Check([]Field{tt.field}, json.Args{Value: parse(t, `{"`+tt.field.Name+`":`+tt.make(tt.max)+`}`)}, 1, 2); err != nil {
			t.Errorf("%v of %d bytes: %v", tt.field, tt.max, err)
		}
		err := Check([]Field{tt.field}, json.Args{Value: parse(t, `{"`+tt.field.Name+`":`+tt.make(tt.max+2)+`}`)}, 1, 2)
		want := fmt.Sprintf("Invalid element (%s has more than %d bytes)", tt.field.Name, tt.max)
		if err == nil || err.Code != 2 || err.Text != want {
			t.Errorf("%v of %d bytes: %v", tt.field, tt.max+2, err)
		}
	}
	for _, f := range []Field{{Name: "x", Type: Object}, {Name: "x", Type: Array}, {Name: "x", Type: Any}} {
		text := `{"x":` + map[Type]string{Object: object(1 << 19), Array: `[` + text(1<<19) + `]`, Any: text(1 << 19)}[f.Type] + `}`
		if err := Check([]Field{f}, json.Args{Value: parse(t, text)}, 1, 2); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
}
