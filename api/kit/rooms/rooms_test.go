package rooms

import (
	"strings"
	"sync"
	"testing"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

type room struct {
	mu sync.Mutex
	Access
}

func newRoom(secret string, gone bool) *room {
	r := &room{Access: Access{Secret: secret, Gone: gone}}
	r.Locker = &r.mu
	return r
}

var codes = kit.Codes{Missing: 1, Invalid: 2, Unauthorized: 3}

func registry(names bool) *Registry[*room] {
	return &Registry[*room]{IDs: &schema.IDs{Strings: names}, Field: "room", Codes: codes,
		NoSuch: NoSuchRoom(4)}
}

func args(t testing.TB, text string) kit.Args {
	t.Helper()
	d, err := json.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Release)
	return kit.Args{Value: d.Root()}
}

func TestReserve(t *testing.T) {
	r := registry(false)
	a := new(room)
	id, ok := r.Reserve(args(t, `{"room":7}`), "room")
	if id != "7" || !ok {
		t.Fatalf("%s %v", id, ok)
	}
	if _, ok := r.Reserve(args(t, `{"room":7}`), "room"); ok {
		t.Error("an id was given away twice")
	}
	if _, ok := r.Get("7"); ok {
		t.Error("a thing that is being made was found")
	}
	r.Release("7")
	if id, ok = r.Reserve(args(t, `{"room":7}`), "room"); !ok {
		t.Error("a released id is in use")
	}
	r.Commit(id, a)
	r.Release(id) // does nothing
	if got, ok := r.Get("7"); !ok || got != a {
		t.Errorf("%v %v", got, ok)
	}
	if _, ok := r.Reserve(args(t, `{"room":7}`), "room"); ok {
		t.Error("the id of a room was given away")
	}
	for _, body := range []string{`{}`, `{"room":0}`, `{"room":null}`} {
		if id, ok := r.Reserve(args(t, body), "room"); !ok || id == "0" || id == "" {
			t.Errorf("%s: %q %v", body, id, ok)
		}
	}
	if r.Remove("7", new(room)) || !r.Remove("7", a) || r.Remove("7", a) {
		t.Error("removed another one, or not this one")
	}
}

func TestSorted(t *testing.T) {
	r := registry(false)
	want := []*room{new(room), new(room), new(room)}
	for i, id := range []string{"9", "10", "200"} {
		r.Commit(id, want[i])
	}
	for i, x := range r.Clear() {
		if x != want[i] {
			t.Errorf("room %d is another one", i)
		}
	}
	if r.Len() != 0 {
		t.Error("rooms are left")
	}
}

// What is made while all is forgotten is either among what is forgotten or there still.
func TestClearWhileMade(t *testing.T) {
	r := registry(false)
	const many = 20000
	made := make(chan struct{})
	go func() {
		defer close(made)
		for range many {
			id, _ := r.ReserveID("", false)
			r.Commit(id, new(room))
		}
	}()
	cleared := 0
	for busy := true; busy; {
		select {
		case <-made:
			busy = false
		default:
		}
		cleared += len(r.Clear())
	}
	if cleared != many || r.Len() != 0 {
		t.Errorf("%d of %d, %d are left", cleared, many, r.Len())
	}
}

func TestManage(t *testing.T) {
	r := registry(false)
	open, closed, gone := newRoom("", false), newRoom("s", false), newRoom("", true)
	r.Commit("1", open)
	r.Commit("2", closed)
	r.Commit("3", gone)
	for body, want := range map[string]string{
		`{"room":1}`:              "ran",
		`{"room":2}`:              "Missing mandatory element (secret)",
		`{"room":2,"secret":"x"}`: "Unauthorized (wrong secret)",
		`{"room":2,"secret":1}`:   "Invalid element type (secret should be a string)",
		`{"room":2,"secret":"s"}`: "ran",
		`{"room":3}`:              "No such room (3)",
		`{"room":4}`:              "No such room (4)",
		`{"room":"1"}`:            "Invalid element type (room should be a positive integer)",
		`{}`:                      "Missing mandatory element (room)",
	} {
		got := ""
		err := r.Manage(args(t, body), func(x *room) *schema.Error {
			if x.mu.TryLock() {
				t.Error("the room is not locked")
			}
			got = "ran"
			return nil
		})
		if err != nil {
			got = err.Text
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if !open.mu.TryLock() || !closed.mu.TryLock() || !gone.mu.TryLock() {
		t.Error("a room is still locked")
	}
}

func TestCategories(t *testing.T) {
	for _, tt := range []struct {
		names    bool
		category string
		id       string
	}{
		{false, "room-1234", "1234"}, {false, "ROOM-007", "7"}, {false, "room-x", ""}, {false, "room-0", ""},
		{true, "room-x", "x"}, {true, "x", "x"}, {true, "room-", "room-"}, {true, "general", ""}, {false, "General", ""},
	} {
		f, err := config.Parse("x.jcfg", []byte(tt.category+": { }"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := registry(tt.names).CategoryKey(f.Category(tt.category)); got != tt.id {
			t.Errorf("%s: %q, want %q", tt.category, got, tt.id)
		}
	}
}

func TestTokens(t *testing.T) {
	var tokens Tokens
	if !tokens.Admit("") {
		t.Error("not open at first")
	}
	for _, step := range []struct{ body, answer, admitted string }{
		{`{"action":"ENABLE"}`, `{"allowed":[]}`, ""},
		{`{"action":"add","allowed":["a","b","a"]}`, `{"allowed":["a","b"]}`, "a b"},
		{`{"action":"remove","allowed":["a","c"]}`, `{"allowed":["b"]}`, "b"},
		{`{"action":"add","allowed":["c",1]}`, "Invalid element in the allowed array (not a string)", "b"},
		{`{"action":"frob"}`, "Unsupported action 'frob' (allowed)", "b"},
		{`{"action":"add","allowed":["` + strings.Repeat("x", maxTokens) + `"]}`, "Too many tokens (more than 1048576 bytes)", "b"},
		{`{"action":"add","allowed":[""` + strings.Repeat(`,""`, maxTokens/tokenCost) + `]}`, "Too many tokens (more than 1048576 bytes)", "b"},
		{`{"action":"disable"}`, `{}`, "a b c d"},
	} {
		got := ""
		x, err := ReadTokenChange(args(t, step.body), codes)
		if err == nil {
			var after Tokens
			if after, err = x.Apply(&tokens); err == nil {
				tokens = after
			}
		}
		if err != nil {
			got = err.Text
		} else {
			got = string(json.Object(func(w *json.Writer) { x.Write(w, &tokens) }))
		}
		if got != step.answer {
			t.Errorf("%.60s: %s, want %s", step.body, got, step.answer)
		}
		var in []string
		for _, token := range []string{"a", "b", "c", "d"} {
			if tokens.Admit(token) {
				in = append(in, token)
			}
		}
		if got := strings.Join(in, " "); got != step.admitted {
			t.Errorf("%.60s: admits %s, want %s", step.body, got, step.admitted)
		}
	}
}
