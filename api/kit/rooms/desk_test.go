package rooms

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// testRoom is a room with a name and members.
type testRoom struct {
	Access
	name string
}

func (h *testRoom) Settings() kit.Settings {
	return kit.Settings{
		{Name: "name", To: &h.name, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "secret", To: &h.Secret, Edit: true, Save: kit.IfSet},
		{Name: "is_private", To: &h.Hidden, Edit: true, Save: kit.IfSet},
	}
}

// newDesk makes a desk with a file in which there is a testRoom 1.
func newDesk(t *testing.T, dir string) *Desk[*testRoom] {
	t.Helper()
	key := "key"
	d := &Desk[*testRoom]{Registry: Registry[*testRoom]{IDs: new(schema.IDs), Field: "room", Codes: codes,
		NoSuch: NoSuchRoom(4)}}
	d.Key, d.Taken, d.Failed, d.AdminKey, d.Events = "testRooms", 5, 6, &key, new(kit.Events)
	d.Check = func(body kit.Args, prefix string) *schema.Error {
		if body.Str(prefix+"name") == "bad" {
			return kit.Errorf(7, "Bad name")
		}
		return nil
	}
	d.Entry = func(*config.Reader) {}
	d.Make = func(_ string, src kit.Values, description string) *testRoom {
		h := &testRoom{Access: Access{Locker: new(sync.Mutex)}, name: description}
		h.Settings().Read(src)
		return h
	}
	d.Changed = func(h *testRoom, _ kit.Args) { h.name += "!" }
	d.End = func(h *testRoom, _ *Request) { h.Gone = true }
	d.Describe = func(h *testRoom, w *json.Writer) { w.Bool("open", h.Secret == "") }
	d.File = &kit.File{Folder: dir, Package: "testRooms", Entry: "room",
		General: func(f config.PluginFile) []config.Problem { return f.General(&struct{}{}) },
		Load:    d.Load, Has: d.HasCategory, Key: d.CategoryKey}
	if err := d.File.Start(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return d
}

// ask asks a desk and returns what it answers.
func ask(t *testing.T, d *Desk[*testRoom], request, body string) string {
	t.Helper()
	w := json.NewWriter(nil)
	w.Object("")
	x := &Request{Host: plugin.Nobody{}, Body: args(t, body), W: w}
	do := map[string]func(*Request) *schema.Error{"create": d.Create, "edit": d.Edit, "destroy": d.Destroy, "exists": d.Exists,
		"allowed": d.Allowed, "list": func(x *Request) *schema.Error { return d.List(x, x.Body.Has("admin_key")) }}[request]
	if err := do(x); err != nil {
		return strconv.Itoa(err.Code) + " " + err.Text
	}
	w.End()
	return string(w.Bytes())
}

func TestDesk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "testRooms.jcfg")
	if err := os.WriteFile(path, []byte("room-1: { name = \"First\", secret = \"s\" }\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, dir)
	for _, tt := range []struct{ request, body, want string }{
		{"create", `{"room":2}`, `1 Missing mandatory element (admin_key)`},
		{"create", `{"room":2,"admin_key":"key","name":"bad"}`, `7 Bad name`},
		{"create", `{"room":2,"admin_key":"key","allowed":["` + strings.Repeat("x", maxTokens) + `"]}`, `2 Too many tokens (more than 1048576 bytes)`},
		{"create", `{"room":2,"admin_key":"key","allowed":[1]}`, `2 Invalid element in the allowed array (not a string)`},
		{"create", `{"room":1,"admin_key":"key"}`, `5 Room 1 already exists`},
		{"create", `{"room":2,"admin_key":"key","allowed":["a"],"is_private":true,"permanent":true}`, `{"testRooms":"created","room":2,"permanent":true}`},
		{"create", `{"room":3,"admin_key":"key"}`, `{"testRooms":"created","room":3,"permanent":false}`},
		{"exists", `{"room":3}`, `{"testRooms":"success","room":3,"exists":true}`},
		{"edit", `{"room":1,"secret":"x"}`, `3 Unauthorized (wrong secret)`},
		{"edit", `{"room":1,"secret":"s","new_name":"bad"}`, `7 Bad name`},
		{"edit", `{"room":1,"secret":"s","new_name":"Second","permanent":true}`, `{"testRooms":"edited","room":1,"permanent":true}`},
		{"list", `{}`, `{"testRooms":"success","list":[{"room":1,"pin_required":false,"open":false,"name":"Second!"},{"room":3,"pin_required":false,"open":true,"name":"Room 3"}]}`},
		{"list", `{"admin_key":"x"}`, `3 Unauthorized (wrong admin_key)`},
		{"list", `{"admin_key":"key"}`, `{"testRooms":"success","list":[{"room":1,"pin_required":false,"open":false,"name":"Second!"},` +
			`{"room":2,"pin_required":false,"open":true,"name":"Room 2"},{"room":3,"pin_required":false,"open":true,"name":"Room 3"}]}`},
		{"allowed", `{"room":2,"action":"add","allowed":["b"]}`, `{"testRooms":"success","room":2,"allowed":["a","b"]}`},
		{"destroy", `{"room":3}`, `{"testRooms":"destroyed","room":3,"permanent":false}`},
		{"destroy", `{"room":3}`, `4 No such room (3)`},
		{"destroy", `{"room":1,"secret":"s","permanent":true}`, `{"testRooms":"destroyed","room":1,"permanent":true}`},
	} {
		if got := ask(t, d, tt.request, tt.body); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.request, tt.body, got, tt.want)
		}
	}
	again := newDesk(t, dir)
	h, ok := again.Get("2")
	if again.Len() != 1 || !ok || h.name != "Room 2" || !h.Hidden || !h.Tokens.Admit("b") || h.Tokens.Admit("c") {
		t.Errorf("the file has %d rooms, 2 is %+v", again.Len(), h)
	}
	again.Close()
	if again.Len() != 0 || !h.Gone {
		t.Errorf("after closing: %d rooms, 2 is gone: %v", again.Len(), h.Gone)
	}
}

// What is in the file of a room that was destroyed is not changed by one that has its id
// later.
func TestDeskEntryOfAnother(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "testRooms.jcfg")
	const file = "room-1: { name = \"First\", secret = \"s\", allowed = [ \"a\" ] }\n"
	if err := os.WriteFile(path, []byte(file), 0o640); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, dir)
	for _, step := range [][2]string{
		{"destroy", `{"room":1,"secret":"s"}`}, {"create", `{"room":1,"admin_key":"key"}`}, {"allowed", `{"room":1,"action":"disable"}`},
	} {
		if got := ask(t, d, step[0], step[1]); !strings.HasPrefix(got, "{") {
			t.Fatalf("%s: %s", step[0], got)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != file {
		t.Errorf("the file: %s, %v", b, err)
	}
	if got := ask(t, d, "edit", `{"room":1,"permanent":true}`); got != `{"testRooms":"edited","room":1,"permanent":true}` {
		t.Error(got)
	}
	ask(t, d, "allowed", `{"room":1,"action":"add","allowed":["b"]}`)
	ask(t, d, "allowed", `{"room":1,"action":"enable"}`)
	if h, ok := newDesk(t, dir).Get("1"); !ok || h.Secret != "" || !h.Tokens.Admit("b") || h.Tokens.Admit("a") {
		t.Errorf("saved: %+v", h)
	}
}

// The tokens of all rooms are bounded, and a room that is gone has none.
func TestDeskTokens(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "testRooms.jcfg"), []byte("room-1: { allowed = [ \"a\", \"a\" ] }\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, dir)
	const full = "2 Too many tokens in all rooms (more than 67108864 bytes)"
	rooms := 0
	many := `["` + strings.Repeat("x", maxTokens-4*tokenCost) + `","y","y"]`
	create := func() string { return ask(t, d, "create", `{"admin_key":"key","allowed":`+many+`}`) }
	for got := ""; got != full; rooms++ {
		if got = create(); rooms > 100 {
			t.Fatalf("no bound: %.100s", got)
		}
	}
	if got := ask(t, d, "allowed", `{"room":1,"action":"add","allowed":["`+strings.Repeat("z", 1<<20-1<<10)+`"]}`); got != full {
		t.Errorf("adding: %.100s", got)
	}
	for _, body := range []string{`{"room":1,"action":"add","allowed":["b","a"]}`, `{"room":1,"action":"remove","allowed":["a"]}`} {
		if got := ask(t, d, "allowed", body); got[0] != '{' {
			t.Error(got)
		}
	}
	held := int64(0)
	for _, h := range d.Sorted() {
		held += int64(size(h.Tokens.list))
	}
	if got := d.tokens.held.Load(); got != held || held < 60<<20 {
		t.Errorf("%d bytes, counted %d", held, got)
	}
	d.Close()
	if n := d.tokens.held.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// A file of the older form is one that is there, but nothing is saved in it.
func TestDeskOldFile(t *testing.T) {
	dir := t.TempDir()
	const text = "[room-1]\nname = First\nsecret = s\n"
	path := filepath.Join(dir, "testRooms.cfg")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, dir)
	for request, body := range map[string]string{
		"create": `{"room":2,"admin_key":"key","permanent":true}`, "edit": `{"room":1,"secret":"s","new_name":"x","permanent":true}`,
	} {
		if got := ask(t, d, request, body); !strings.HasSuffix(got, `,"permanent":false}`) {
			t.Errorf("%s: %s", request, got)
		}
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != text {
		t.Errorf("the file is %q, %v", now, err)
	}
}

// Clients cannot make rooms without end, nor permanent ones without a file.
func TestDeskBounds(t *testing.T) {
	d := newDesk(t, t.TempDir())
	if got := ask(t, d, "create", `{"admin_key":"key","permanent":true}`); got != "6 No configuration file, can't create permanent room" {
		t.Errorf("got %s", got)
	}
	for i := range MaxRooms {
		d.Commit(strconv.Itoa(i+1), new(testRoom))
	}
	if got := ask(t, d, "create", `{"admin_key":"key"}`); got != "6 Too many rooms (10000 at most)" {
		t.Errorf("got %s", got)
	}
}

// session is the host of a client.
type session struct {
	plugin.Nobody
	id uint64
}

func (s session) SessionID() uint64 { return s.id }

// One session cannot make all rooms there may be where everybody may make some. What is
// destroyed does not count.
func TestDeskSession(t *testing.T) {
	d := newDesk(t, t.TempDir())
	create := func(h plugin.Host, body string) string {
		w := json.NewWriter(nil)
		w.Object("")
		if err := d.Create(&Request{Host: h, Body: args(t, body), W: w}); err != nil {
			return err.Text
		}
		return ""
	}
	one, other := session{id: 1}, session{id: 2}
	for range MaxOfSession + 1 { // by those who know the key
		if got := create(one, `{"admin_key":"key"}`); got != "" {
			t.Fatal(got)
		}
	}
	*d.AdminKey = ""
	for i := range MaxOfSession {
		if got := create(one, `{"room":`+strconv.Itoa(i+1)+`}`); got != "" {
			t.Fatal(got)
		}
	}
	const full = "Too many rooms of one session (1000 at most without an admin_key)"
	if got := create(one, `{}`); got != full {
		t.Errorf("one more: %q", got)
	}
	if got := create(other, `{}`); got != "" {
		t.Errorf("another session: %q", got)
	}
	if got := create(plugin.Nobody{}, `{}`); got != "" {
		t.Errorf("the Admin API: %q", got)
	}
	ask(t, d, "destroy", `{"room":7}`)
	if got := create(one, `{}`); got != "" {
		t.Errorf("after a destroy: %q", got)
	}
	if got := create(one, `{}`); got != full {
		t.Errorf("once more: %q", got)
	}
	d.Close()
	if got := create(one, `{}`); got != "" {
		t.Errorf("after all are gone: %q", got)
	}
}
