package sctp

import (
	"bytes"
	"strings"
	"testing"

	pion "github.com/pion/sctp"
)

func TestParseOpen(t *testing.T) {
	long := strings.Repeat("l", 126) + "é" // the é is cut in two by 127 bytes
	for _, c := range []struct {
		name string
		b    []byte
		want open
		ok   bool
	}{
		{"nothing", nil, open{}, false},
		{"ack", []byte{2}, open{}, false},
		{"data", []byte("hello, this is no open"), open{}, false},
		{"exact length", []byte("\x03\x00\x01\x02\x00\x00\x00\x00\x00\x02\x00\x03labpro"[:17]),
			open{0, 0x102, 0, "la", "bpr"}, true},
		{"no label", []byte("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), open{}, true},
		{"partial reliability", []byte("\x03\x81\x00\x00\x00\x00\x01\x02\x00\x01\x00\x00x"), open{0x81, 0, 0x102, "x", ""}, true},
		{"label beyond the end", []byte("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00abc"), open{}, true},
		{"protocol beyond the end", []byte("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x01abc"), open{label: "abc"}, true},
		{"only the type", []byte{3}, open{}, true},
		{"cut in the header", []byte("\x03\x01\x00\x00\x00\x00\x00\x05\x00"), open{kind: 1, reliability: 5}, true},
		{"more than announced", []byte("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01abc"), open{label: "a", protocol: "b"}, true},
		{"long", open{label: long, protocol: strings.Repeat("p", 64)}.marshal(),
			open{label: long[:126], protocol: strings.Repeat("p", 63)}, true},
	} {
		got, ok := parseOpen(c.b)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v", c.name, got, ok)
		}
	}
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		kind      byte
		unordered bool
		want      byte
		value     uint32
	}{
		{0x00, false, pion.ReliabilityTypeReliable, 0},
		{0x80, true, pion.ReliabilityTypeReliable, 0},
		{0x01, false, pion.ReliabilityTypeRexmit, 70000},
		{0x81, true, pion.ReliabilityTypeRexmit, 70000},
		{0x02, false, pion.ReliabilityTypeTimed, 70000},
		{0x82, true, pion.ReliabilityTypeTimed, 70000},
		{0x03, false, pion.ReliabilityTypeReliable, 0},
		{0xff, false, pion.ReliabilityTypeReliable, 0},
	} {
		unordered, kind, value := open{kind: c.kind, reliability: 70000}.policy()
		if unordered != c.unordered || kind != c.want || value != c.value {
			t.Errorf("type %#x: %v %v %v", c.kind, unordered, kind, value)
		}
	}
}

func FuzzParseOpen(f *testing.F) {
	f.Add(open{kind: 0x82, priority: 9, reliability: 1 << 20, label: "chat", protocol: "json"}.marshal())
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, ok := parseOpen(b)
		if !ok {
			if len(b) > 0 && b[0] == messageOpen {
				t.Fatal("an OPEN was refused")
			}
			return
		}
		if len(o.label) > maxLabel || len(o.protocol) > maxProtocol {
			t.Fatalf("%d and %d bytes kept", len(o.label), len(o.protocol))
		}
		again, ok := parseOpen(o.marshal())
		if !ok || again != o {
			t.Fatalf("%+v became %+v", o, again)
		}
		if !bytes.HasPrefix(o.marshal(), []byte{messageOpen, o.kind}) {
			t.Fatal("not an OPEN")
		}
		_, _, _ = o.policy() // does not panic
	})
}
