package janus

import (
	stdjson "encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"bifrons/api/plugin/echotest"
	"bifrons/sdp"
)

// recorded is a conversation with a reference server. "$x" stands for an id
// or transaction that is the same wherever it turns up, "<str>" for any
// string, "offer:x" for an offer, a list of m-lines for an SDP.
type recorded struct {
	Name  string
	Steps []struct {
		Label  string
		Path   string // "/janus/$session/$handle" of HTTP, or ""
		Body   object
		Text   string
		Reply  object
		Events []struct {
			Event    object
			Optional bool
		}
	}
}

func TestRecorded(t *testing.T) {
	b, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	if err := stdjson.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) {
			c := newCore(t, Config{Engine: e})
			p := &player{client: newClient(t, c), vars: map[string]float64{}}
			p.prepare(&r)
			for i := range r.Steps {
				p.step(&r, i)
			}
		})
	}
}

// player replays a conversation.
type player struct {
	*client
	vars map[string]float64
	n    int // steps so far
}

func (p *player) step(r *recorded, i int) {
	p.t.Helper()
	s := &r.Steps[i]
	p.n++
	tx := "tx" + strconv.Itoa(p.n)
	q := Request{Body: []byte(s.Text)}
	if s.Path != "" {
		q.Path = true
		ids := strings.Split(s.Path, "/")
		if len(ids) > 2 {
			q.Session = p.id(ids[2])
		}
		if len(ids) > 3 {
			q.Handle = p.id(ids[3])
		}
	}
	if s.Body != nil {
		body := p.fill(s.Body, tx).(object)
		if strings.HasSuffix(s.Label, "session_id as a string") {
			body["session_id"] = fmt.Sprint(body["session_id"])
		}
		q.Body = encode(body)
	}
	p.same(s.Label, s.Reply, p.raw(q), tx)
	for _, want := range s.Events {
		if want.Optional {
			continue
		}
		p.same(s.Label, want.Event, p.event(), tx)
	}
}

// prepare makes the sessions and handles that a recording uses but does not
// show the making of. Handle $hN belongs to session $sN, or else to $s1.
func (p *player) prepare(r *recorded) {
	p.t.Helper()
	text := string(encode(r.Steps))
	made := map[string]bool{}
	for i := range r.Steps {
		if data, ok := r.Steps[i].Reply["data"].(object); ok {
			made[data["id"].(string)] = true
		}
	}
	for _, kind := range []string{"$s", "$h"} {
		for n := 1; n < 9; n++ {
			name, session := kind+strconv.Itoa(n), "$s"+strconv.Itoa(n)
			switch _, known := p.vars[session]; {
			case made[name] || !strings.Contains(text, name):
			case kind == "$s":
				p.vars[name] = float64(p.create())
			case known:
				p.vars[name] = float64(p.attach(uint64(p.vars[session]), echotest.Package))
			default:
				p.vars[name] = float64(p.attach(uint64(p.vars["$s1"]), echotest.Package))
			}
		}
	}
}

// id is the number behind a variable.
func (p *player) id(name string) uint64 {
	p.t.Helper()
	if !strings.HasPrefix(name, "$") {
		n, _ := strconv.ParseUint(name, 10, 64)
		return n
	}
	n, ok := p.vars[name]
	if !ok {
		p.t.Fatalf("unknown %s", name)
	}
	return uint64(n)
}

// fill replaces what stands for something else in a request.
func (p *player) fill(v any, tx string) any {
	switch v := v.(type) {
	case object:
		o := object{}
		for k, e := range v {
			o[k] = p.fill(e, tx)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = p.fill(v[i], tx)
		}
		return list
	case string:
		if v == "$txn" {
			return tx
		}
		if name, ok := strings.CutPrefix(v, "offer:"); ok {
			return loadOffer(p.t, name)
		}
		if v == "$own" {
			p.vars[v] = 4711
		}
		if strings.HasPrefix(v, "$") {
			return p.id(v)
		}
	}
	return v
}

// same compares a message with what was recorded.
func (p *player) same(path string, want, got any, tx string) {
	p.t.Helper()
	switch want := want.(type) {
	case object:
		g, ok := got.(object)
		if !ok {
			p.t.Errorf("%s: got %v, want an object", path, got)
			return
		}
		for k, w := range want {
			e, ok := g[k]
			if !ok {
				p.t.Errorf("%s: no %s in %v", path, k, g)
			} else if k == "sdp" {
				p.sameSDP(path, w.([]any), e.(string))
			} else {
				p.same(path+"."+k, w, e, tx)
			}
		}
		for k := range g {
			if _, ok := want[k]; !ok {
				p.t.Errorf("%s: %s is too much in %v", path, k, g)
			}
		}
	case string:
		switch {
		case want == "$txn":
			want = tx
		case want == "<str>":
			if s, ok := got.(string); !ok || s == "" {
				p.t.Errorf("%s: got %v, want a string", path, got)
			}
			return
		case strings.HasPrefix(want, "$"):
			n, _ := got.(float64)
			if _, known := p.vars[want]; !known {
				p.vars[want] = n
			}
			if n == 0 || n != p.vars[want] {
				p.t.Errorf("%s: got %v, want %s = %v", path, got, want, p.vars[want])
			}
			return
		}
		for name, n := range p.vars {
			want = strings.ReplaceAll(want, name, strconv.FormatFloat(n, 'f', -1, 64))
		}
		if got != want {
			p.t.Errorf("%s: got %v, want %v", path, got, want)
		}
	default:
		if fmt.Sprint(got) != fmt.Sprint(want) {
			p.t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func (p *player) sameSDP(path string, want []any, text string) {
	p.t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		p.t.Errorf("%s: %v in\n%s", path, err, text)
		return
	}
	if len(d.Sections) != len(want) {
		p.t.Errorf("%s: %d m-lines, want %d", path, len(d.Sections), len(want))
		return
	}
	for i, w := range want {
		w := w.(object)
		s := &d.Sections[i]
		got := fmt.Sprint(s.Kind, " ", s.MID, " ", s.Setup, " ", !s.Rejected(), " ", s.Formats)
		expected := fmt.Sprint(w["kind"], " ", w["mid"], " ", w["setup"], " ", w["port"] == "nonzero", " ", w["fmts"])
		if dir, ok := w["dir"]; ok {
			got += " " + s.Direction.String()
			expected += " " + dir.(string)
		}
		if got != expected {
			p.t.Errorf("%s: m-line %d is %s, want %s", path, i, got, expected)
		}
		if len(s.Candidates) == 0 || !s.EndOfCandidates || s.Ufrag == "" || s.Pwd == "" {
			p.t.Errorf("%s: m-line %d lacks candidates or credentials", path, i)
		}
	}
}
