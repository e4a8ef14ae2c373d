package json

import (
	"bytes"
	stdjson "encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseErrors(t *testing.T) {
	tests := []struct {
		in        string
		line, col int
		text      string
	}{
		{"", 1, 0, "'[' or '{' expected near end of file"},
		{"hello", 1, 0, "'[' or '{' expected near 'hello'"},
		{`"ping"`, 1, 0, `'[' or '{' expected near '"ping"'`},
		{`{"janus": "create", `, 1, 20, "string or '}' expected near end of file"},
		{"{\n\"a\": 1\n\"b\": 2}", 3, 0, "'}' expected near '\"b\":'"},
		{`{"é" 1}`, 1, 5, "':' expected near '1}'"},
		{`[1,]`, 1, 3, "invalid token near ']'"},
		{`[1}`, 1, 2, "']' expected near '}'"},
		{`[01]`, 1, 3, "invalid token near '01'"},
		{`[1.]`, 1, 3, "invalid token near '1.'"},
		{`[-]`, 1, 2, "invalid token near '-'"},
		{`[1e+]`, 1, 4, "invalid token near '1e+'"},
		{`[NaN]`, 1, 1, "invalid token near 'NaN]'"},
		{`[9223372036854775808]`, 1, 20, "too big integer"},
		{`[-9223372036854775809]`, 1, 21, "too big negative integer"},
		{`[1e999]`, 1, 6, "real number overflow"},
		{`["a`, 1, 3, "premature end of input near end of file"},
		{"[\"a\nb\"]", 1, 3, "control character 0xa"},
		{"[\"\xff\"]", 1, 2, "unable to decode byte 0xff"},
		{`["\x"]`, 1, 3, `invalid escape near 'x"]'`},
		{`["\u0000"]`, 1, 8, `\u0000 is not allowed`},
		{`["\ud800"]`, 1, 8, `invalid Unicode '\uD800'`},
		{`["\ud800\u0041"]`, 1, 14, `invalid Unicode '\uD800'`},
		{`["\udc00"]`, 1, 8, `invalid Unicode '\uDC00'`},
		{`{} x`, 1, 3, "end of file expected near 'x'"},
		{strings.Repeat("[", 300) + strings.Repeat("]", 300), 1, 257, "maximum parsing depth reached"},
	}
	for _, tt := range tests {
		d, err := Parse([]byte(tt.in))
		if err == nil {
			d.Release()
			t.Errorf("%q: parsed", tt.in)
			continue
		}
		if err.Line != tt.line || err.Column != tt.col || err.Text != tt.text {
			t.Errorf("%q: got (%d,%d) %q, want (%d,%d) %q", tt.in, err.Line, err.Column, err.Text, tt.line, tt.col, tt.text)
		}
	}
}

func TestParseValues(t *testing.T) {
	d, err := Parse([]byte(" \r\n\t{\"s\":\"\\u0041\\ud83d\\ude00é\",\"i\":-12,\"r\":1.0,\"e\":1e2,\"b\":true,\"n\":null,\"a\":[1,\"x\"],\"o\":{}} \n"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	r := d.Root()
	if s, ok := String(r.Get("s")); !ok || s != "A😀é" {
		t.Errorf("s = %q, %v", s, ok)
	}
	if i, ok := Int(r.Get("i")); !ok || i != -12 {
		t.Errorf("i = %d, %v", i, ok)
	}
	for _, k := range []string{"r", "e", "s", "b", "none"} {
		if _, ok := Int(r.Get(k)); ok {
			t.Errorf("%s is an integer", k)
		}
	}
	if !True(r.Get("b")) || !IsBool(r.Get("b")) || IsBool(r.Get("n")) || !IsNull(r.Get("n")) || !IsNull(r.Get("none")) {
		t.Error("booleans and nulls are mixed up")
	}
	if len(Array(r.Get("a"))) != 2 || Array(r.Get("o")) != nil || !IsObject(r.Get("o")) || !IsArray(r.Get("a")) {
		t.Error("arrays and objects are mixed up")
	}
}

func TestSplit(t *testing.T) {
	parts, err := Split([]byte(`{"a":1} {"b":2}[3]` + "\n"))
	if err != nil || len(parts) != 3 || string(parts[1]) != ` {"b":2}` || string(parts[2]) != `[3]` {
		t.Errorf("got %q, %v", parts, err)
	}
	if _, err := Split([]byte("{\"a\":1}\n{]")); err == nil || err.Line != 2 || err.Column != 1 {
		t.Errorf("got %v", err)
	}
	if _, err := Split([]byte("  ")); err == nil {
		t.Error("nothing was accepted")
	}
}

func TestWriter(t *testing.T) {
	w := NewWriter(nil)
	w.Object("")
	w.Str("s", "a\"b\\c\n\r\t\b\f\x01é\xff\u2028\U0010ffff\x7f")
	w.Int("i", -5)
	w.Uint("u", 1<<53)
	w.Bool("b", true)
	w.Float("f", 2)
	w.Object("empty")
	w.End()
	w.Array("a")
	w.Int("", 1)
	w.Str("", "{")
	w.Object("")
	w.Str("k", "v")
	w.End()
	w.Array("")
	w.EndArray()
	w.EndArray()
	w.Raw("raw", []byte(`{"x":[1,2]}`))
	w.Fields([]byte(`{}`))
	w.Fields([]byte(`{"y":1,"z":2}`))
	w.OptStr("no", "")
	w.End()
	want := `{"s":"a\"b\\c\n\r\t\b\f\u0001é` + "\ufffd\u2028\U0010ffff\x7f" +
		`","i":-5,"u":9007199254740992,"b":true,"f":2.0,"empty":{},"a":[1,"{",{"k":"v"},[]],"raw":{"x":[1,2]},"y":1,"z":2}`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !stdjson.Valid(w.Bytes()) {
		t.Error("not JSON")
	}
}

func TestRelayout(t *testing.T) {
	src := []byte(`{"a":1,"b":[],"c":{"d":"x:,{\"","e":[1,{}]}}`)
	for l, want := range map[Layout]string{
		Compact: string(src),
		Plain:   `{"a": 1, "b": [], "c": {"d": "x:,{\"", "e": [1, {}]}}`,
		Indented: "{\n   \"a\": 1,\n   \"b\": [],\n   \"c\": {\n      \"d\": \"x:,{\\\"\",\n      \"e\": [\n" +
			"         1,\n         {}\n      ]\n   }\n}",
	} {
		if got := string(Relayout(nil, src, l)); got != want {
			t.Errorf("layout %d:\n%s\nwant\n%s", l, got, want)
		}
	}
}

func TestWriterAllocatesNothing(t *testing.T) {
	w := NewWriter(make([]byte, 0, 512))
	if n := testing.AllocsPerRun(100, func() {
		w.Reset()
		w.Object("")
		w.Str("janus", "event")
		w.Uint("session_id", 1234567890123456)
		w.Bool("x", false)
		w.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse: what is accepted is what encoding/json accepts, and survives a
// round trip through Value, Relayout and Split.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u00e9\ud83d\ude00",null,true]}`, `[]`, `{"":""}`, `[1e3]`, "[\"\x7f\u200b\"]",
		`{"janus":"create","transaction":"a"}`, `[[[[`, `{"a":1}{"b":2}`, `["\u0000"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		Split(data)
		d, err := Parse(data)
		if err != nil {
			if err.Line < 1 || err.Column < 0 || err.Offset > len(data) || err.Text == "" {
				t.Fatalf("odd error %+v", err)
			}
			return
		}
		defer d.Release()
		if !stdjson.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("accepted %q", data)
		}
		w := NewWriter(nil)
		w.Value("", d.Root())
		for _, l := range []Layout{Compact, Plain, Indented} {
			out := Relayout(nil, w.Bytes(), l)
			if !stdjson.Valid(out) {
				t.Fatalf("layout %d of %q is %q", l, data, out)
			}
			var c bytes.Buffer
			if err := stdjson.Compact(&c, out); err != nil || c.String() != string(w.Bytes()) {
				t.Fatalf("layout %d changes %q to %q", l, w.Bytes(), c.String())
			}
		}
	})
}
