package json

import (
	"reflect"
	"testing"
)

// What a field has to be is read; everything else is as if it were not there.
func TestArgs(t *testing.T) {
	doc, bad := Parse([]byte(`{"text":"Ab","number":-7,"half":1.5,"yes":true,"no":false,"null":null,"object":{"x":"y"},
		"texts":["a","b"],"mixed":["a",1,"c"],"items":[{"x":1},5]}`))
	if bad != nil {
		t.Fatal(bad)
	}
	defer doc.Release()
	a := Args{doc.Root()}
	type read struct {
		has, text, number, flag, is bool
		str                         string
		num                         int64
	}
	for name, want := range map[string]read{
		"text":    {has: true, text: true, str: "Ab"},
		"number":  {has: true, number: true, num: -7},
		"half":    {has: true},
		"yes":     {has: true, flag: true, is: true},
		"no":      {has: true, flag: true},
		"null":    {},
		"object":  {has: true},
		"nowhere": {},
	} {
		got := read{has: a.Has(name), is: a.Is(name), str: a.Str(name), num: a.Num(name)}
		_, got.text = a.Text(name)
		_, got.number = a.Number(name)
		_, got.flag = a.Flag(name)
		if got != want {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
	if a.Lower("text") != "ab" || !a.FlagOr("text", true) || a.FlagOr("no", true) {
		t.Error("a word in lower case, or a flag that is absent")
	}
	if o := a.Under("object"); !o.IsObject() || o.Str("x") != "y" || a.Under("text").IsObject() || a.Under("nowhere").Has("x") {
		t.Error("an object in the object")
	}
	if got := string(a.Raw("object")); got != `{"x":"y"}` || a.Raw("null") != nil {
		t.Errorf("raw %s", got)
	}
	if items := a.Items("items"); len(items) != 2 || items[0].Num("x") != 1 || items[1].IsObject() || len(a.Items("text")) != 0 {
		t.Errorf("%d items", len(items))
	}
	for name, want := range map[string][]string{"texts": {"a", "b"}, "mixed": {"a", "c"}, "text": nil, "nowhere": nil} {
		if got, ok := a.Texts(name); !reflect.DeepEqual(got, want) || ok == (name == "mixed") {
			t.Errorf("texts of %s: %q, %v", name, got, ok)
		}
	}
}
