package json

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"bifrons/api/budget"
)

// A megabyte of anything takes 10 MB at most until it is parsed or refused, all
// that is thrown away on the way included.
func TestMemoryOfOneMegabyte(t *testing.T) {
	fill := func(from, unit, to string) []byte {
		n := (1<<20 - len(from) - len(to)) / len(unit)
		return []byte(from + strings.Repeat(unit, n) + to)
	}
	fits := map[string]bool{"escapes": true, "surrogates": true, "digits": true, "a text": true, "white space": true}
	for name, text := range map[string][]byte{
		"zeros":            fill("[", "0,", "0]"),
		"empty arrays":     fill("[", "[],", "[]]"),
		"nested arrays":    fill("[", strings.Repeat("[", 200)+strings.Repeat("]", 200)+",", "[]]"),
		"too deep":         fill("", "[", ""),
		"tiny keys":        fill("{", `"":0,`, `"":0}`),
		"objects":          fill("[", `{"a":{}},`, `{}]`),
		"empty strings":    fill("[", `"",`, `""]`),
		"escapes":          fill(`["`, `\n`, `"]`),
		"escaped keys":     fill(`{`, `"\n":"\n",`, `"":0}`),
		"surrogates":       fill(`["`, `\ud83d\ude00`, `"]`),
		"booleans":         fill("[", "true,", "true]"),
		"digits":           fill("[0.", "1", "]"),
		"large integer":    fill("[", "1", "]"),
		"white space":      fill("[", " ", "]"),
		"lines":            fill("[", "\n", "x"),
		"a text":           fill(`{"sdp":"`, "a=x", `"}`),
		"as many as fit":   append([]byte("["+strings.Repeat("0,", MaxValues-2)+"0]"), bytes.Repeat([]byte(" "), 1<<20-2*MaxValues)...),
		"strings that fit": fill("[", `"`+strings.Repeat("x", 110)+`",`, `0]`),
		"objects that fit": fill("[", `{"`+strings.Repeat("x", 220)+`":0},`, `0]`),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC() // empties the pool
		runtime.ReadMemStats(&before)
		d, err := Parse(text)
		if err == nil {
			_ = d.Root().Get("a") // turns keys and texts into what they mean
			for _, v := range Array(d.Root()) {
				_ = v.Get("a")
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 10<<20 {
			t.Errorf("%s: %d MB", name, n>>20)
		}
		d.Release()
		if want := fits[name] || strings.Contains(name, "fit"); want != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a large text has made a Doc grow to does not stay in the pool.
func TestPoolKeepsNothingLarge(t *testing.T) {
	for range 100 {
		d, err := Parse([]byte("[" + strings.Repeat("[0],", MaxValues/2-8) + "0]"))
		if err != nil {
			t.Fatal(err)
		}
		d.Release()
	}
	for range 50 {
		if d := docs.Get().(*Doc); d.weight > maxPooled {
			t.Errorf("a Doc of %d bytes", d.weight)
		}
	}
}

func TestTooManyValues(t *testing.T) {
	d, err := Parse([]byte("[" + strings.Repeat("0,", MaxValues-2) + "0]"))
	if err != nil {
		t.Fatal(err)
	}
	d.Release()
	_, err = Parse([]byte("[\n" + strings.Repeat("0,", MaxValues-1) + "0]"))
	if err == nil || err.Line != 2 || err.Text != "too many values, 20480 are allowed" {
		t.Errorf("got %v", err)
	}
}

// What clients send at most is far from the limit.
func TestLargestRequestsOfClients(t *testing.T) {
	streams := strings.Repeat(`{"feed":1234567890123456,"mid":"123","crossrefid":"12345","send":true},`, 999) + `{"feed":1}`
	candidates := strings.Repeat(`{"candidate":"candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host","sdpMid":"0","sdpMLineIndex":0},`, 100) + `{"completed":true}`
	for _, text := range []string{
		`{"janus":"message","transaction":"x","body":{"request":"subscribe","streams":[` + streams + `]}}`,
		`{"janus":"trickle","transaction":"x","candidates":[` + candidates + `]}`,
		`{"janus":"ping","transaction":"x","filler":[` + strings.Repeat(`"y",`, 20_000) + `"y"]}`, // Janus takes that
		`{"janus":"message","transaction":"x","jsep":{"type":"offer","sdp":"` + strings.Repeat(`a=x\r\n`, 10_000) + `"}}`,
	} {
		d, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%.60s: %v", text, err)
		}
		d.Release()
	}
}

func TestParseWithin(t *testing.T) {
	b := budget.New(1 << 20)
	small := []byte(`{"a":[1,2,3]}`)
	var held []*Doc
	for {
		d, err := ParseWithin(t.Context(), small, b, 0)
		if err != nil {
			if !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
			break
		}
		held = append(held, d)
	}
	if n := len(held); n < 100 || n > 1<<20/len(small) {
		t.Errorf("%d at a time", n)
	}
	if _, err := ParseWithin(t.Context(), []byte(`{"a":`), b, 0); err == nil || errors.Is(err, ErrBusy) {
		t.Errorf("bad text: %v", err)
	}
	for _, d := range held {
		d.Release()
		d.Release() // gives back once
	}
	if n := b.Used(); n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}
