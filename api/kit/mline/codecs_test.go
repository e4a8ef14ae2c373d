package mline

import "testing"

func TestCodecList(t *testing.T) {
	for text, want := range map[string]string{
		"": "a", "a": "a", "b,A,b": "b,a", "f,e,d,c,b,a": "f,e,d,c,b", "f,e,d,c,b,x": "f,e,d,c,b", "b,x": "b!", "x": "a!", "b, a": "b!", ",": "a!",
	} {
		var names []string
		l := CodecList{Names: &names, Known: []string{"a", "b", "c", "d", "e", "f"}}
		accepted, effect := l.Set(text)
		got := l.String()
		if accepted != "" {
			got += "!"
		}
		if got != want || (accepted == "") != (effect == "") {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
