package textroom

import (
	"fmt"
	"strings"
	"testing"
)

// TestPermanent: what is saved is there after a start, and nothing else in the file
// changes.
func TestPermanent(t *testing.T) {
	const mine = "# mine\ngeneral: { admin_key = \"k\" }\n"
	hs := newService(t, mine)
	g := hs.client()
	hs.check("create", g.ask("{'request':'create','room':7,'description':'a \\'\\\\b\\'','secret':'s','pin':'p','history':5,"+
		"'post':'example.org/x','is_private':true,'allowed':['x','y'],'permanent':true,'admin_key':'k'}"),
		"{'textroom':'created','room':7,'permanent':true}")
	hs.check("another", g.say(say("create", "'room':8,'permanent':true,'admin_key':'k'")),
		"{'textroom':'success','room':8,'permanent':true,'transaction':'t'}")
	if !strings.HasPrefix(hs.file(), mine) {
		t.Errorf("the rest has changed:\n%s", hs.file())
	}
	hs.restart()
	r, _ := hs.plugin.rooms.Get("7")
	if r == nil {
		t.Fatalf("not read back:\n%s", hs.file())
	}
	if r.description != `a "\b"` || r.Secret != "s" || r.PIN != "p" || !r.Hidden || r.settings.history != 5 || r.post != "http://example.org/x" || !r.Tokens.Admit("y") || r.Tokens.Admit("z") {
		t.Errorf("got %+v", r.settings)
	}
	g = hs.client()
	hs.check("edit", g.ask("{'request':'edit','room':7,'secret':'s','new_description':'b','new_is_private':false,'permanent':true}"),
		"{'textroom':'edited','room':7,'permanent':true}")
	hs.check("allowed", g.ask("{'request':'allowed','room':7,'secret':'s','action':'remove','allowed':['y']}"),
		"{'textroom':'success','room':7,'allowed':['x']}")
	hs.check("destroy", g.ask("{'request':'destroy','room':8,'permanent':true}"), "{'textroom':'destroyed','room':8,'permanent':true}")
	hs.check("destroy for now", g.ask("{'request':'destroy','room':7,'secret':'s'}"), "{'textroom':'destroyed','room':7,'permanent':false}")
	hs.restart()
	if r, _ = hs.plugin.rooms.Get("7"); r == nil || r.description != "b" || r.Hidden || r.Tokens.Admit("y") || hs.plugin.rooms.Len() != 1 {
		t.Errorf("after the changes:\n%s", hs.file())
	}
	if found, problems := New(hs.folder).Check(); found != "1 room" || len(problems) > 0 {
		t.Errorf("%s, %v", found, problems)
	}
}

// TestNoFile: without a file nothing is permanent.
func TestNoFile(t *testing.T) {
	hs := newService(t, "")
	g := hs.client()
	for verb, what := range map[string]string{"create": "create permanent room", "edit": "edit room permanently", "destroy": "destroy room permanently"} {
		hs.check(verb, g.ask("{'request':'"+verb+"','room':1,'permanent':true}"),
			"{'textroom':'error','error_code':499,'error':'No configuration file, can't "+what+"'}")
	}
	if hs.plugin.rooms.Len() != 0 {
		t.Error("a room was made")
	}
}

// TestFile: what is wrong in the file is named, and what cannot be is left out.
func TestFile(t *testing.T) {
	hs := newService(t, `general: { json = "pretty", event = true }
		room-1: { descripton = "one", post = "ftp://x", history = "many" }
		room-0: { }
		other: { }
		ROOM-002: { history = 100000 }
		room-2: { }
		room-3: { pin = ["x"] }
		room-4: { pim = "x" }`)
	found, problems := New(hs.folder).Check()
	if found != "3 rooms" {
		t.Error(found)
	}
	var all []string
	for _, p := range problems {
		all = append(all, p.Error())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"json", "event", "descripton", "post", "history", "room-0", "other", "room-2", "room-3", "pim"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing about %s in\n%s", want, text)
		}
	}
	if strings.Count(text, "left out") != 4 {
		t.Errorf("left out:\n%s", text)
	}
	hs.check("the list", hs.client().ask("{'request':'list'}"), "{'textroom':'success','list':["+
		"{'room':1,'pin_required':false,'num_participants':0,'description':'room-1','history':0},"+
		"{'room':2,'pin_required':false,'num_participants':0,'description':'ROOM-002','history':65535},"+
		"{'room':4,'pin_required':false,'num_participants':0,'description':'room-4','history':0}]}")
}

// TestReload: rooms that are new in the file are there, others stay as they are.
func TestReload(t *testing.T) {
	hs := newService(t, "room-1: { description = \"one\" }\n")
	writeFile(t, hs, "room-1: { description = \"eins\" }\nroom-2: { description = \"zwei\" }\n")
	if added, err := hs.plugin.Reload(); err != nil || fmt.Sprint(added) != "[room-2]" {
		t.Errorf("%v, %v", added, err)
	}
	hs.check("the list", hs.client().ask("{'request':'list'}"), "{'textroom':'success','list':["+
		"{'room':1,'pin_required':false,'num_participants':0,'description':'one','history':0},"+
		"{'room':2,'pin_required':false,'num_participants':0,'description':'zwei','history':0}]}")
}

// TestStringIDs: ids may be strings, and texts be laid out.
func TestStringIDs(t *testing.T) {
	hs := newService(t, "general: { string_ids = true, json = \"Plain\", events = false }\nroom-a: { history = 1 }")
	g := hs.client()
	hs.check("a number", g.say(say("exists", "'room':1")),
		"{'textroom': 'error', 'error_code': 414, 'error': 'Invalid element type (room should be a string)', 'transaction': 't'}")
	hs.check("join", g.say(say("join", "'room':'a','username':'g','display':'{G, :}'")),
		"{'textroom': 'join', 'room': 'a', 'username': 'g', 'display': '{G, :}'}",
		"{'textroom': 'success', 'participants': [], 'transaction': 't'}")
	hs.check("by the API", g.ask("{'request':'exists','room':'a'}"), "{'textroom':'success','room':'a','exists':true}")
	g.say(say("message", "'room':'a','text':'x'"))
	g.say(say("leave", "'room':'a'"))
	if got := g.say(say("join", "'room':'a','username':'g'")); !strings.Contains(got, "'text': 'x', 'display': '{G, :}'}\n") {
		t.Errorf("history: %s", got)
	}
	if id, _ := g.Ask(`{"request":"create"}`, nil).Field("room").(string); len(id) != 36 {
		t.Errorf("random id %q", id)
	}
	if n := hs.core.Notices(); len(n) > 0 {
		t.Errorf("event handlers are told: %v", n)
	}
}

// TestPostHosts: rooms of clients post to the hosts that the operator lists, rooms of the file anywhere.
func TestPostHosts(t *testing.T) {
	hs := newService(t, `general: { post_hosts = [ "Back.example", "other.example:8080", "[2001:db8::1]" ] }
		room-1: { post = "http://elsewhere.example/" }`)
	g := hs.client()
	const refused = "{'textroom':'error','error_code':414,'error':'Invalid element (%spost names a host that is not among post_hosts)'}"
	for to, allowed := range map[string]bool{
		"back.example/x": true, "https://back.EXAMPLE:444/": true, "http://other.example:8080/": true, "http://[2001:db8::1]:80/": true,
		"other.example": false, "http://other.example:80/": false, "http://back.example@elsewhere.example/": false,
		"http://127.0.0.1/": false, "http://back.example.elsewhere.example/": false, "http://[2001:db8::2]/": false,
	} {
		got := g.ask("{'request':'create','room':2,'post':'" + to + "'}")
		if allowed != strings.Contains(got, "'created'") || !allowed && got != fmt.Sprintf(refused, "") {
			t.Errorf("%s: %s", to, got)
		}
		g.ask("{'request':'destroy','room':2}")
	}
	hs.check("an edit", g.ask("{'request':'edit','room':1,'new_post':'http://127.0.0.1/'}"), fmt.Sprintf(refused, "new_"))
	if r, _ := hs.plugin.rooms.Get("1"); r == nil || r.post != "http://elsewhere.example/" {
		t.Errorf("the room of the file is %+v", r)
	}
}
