package textroom

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/plugin"
)

// TestHistoryBounds: a room remembers no more than a data channel can hold, and all
// rooms together no more than the server can.
func TestHistoryBounds(t *testing.T) {
	stored := &sum{most: 3000}
	h := history{most: 3, stored: stored}
	for _, text := range []string{"a", "b", "c", "d"} {
		h.add([]byte(text))
	}
	if got := fmt.Sprintf("%s", h.texts); got != "[b c d]" {
		t.Errorf("got %s", got)
	}
	h.most = 1000
	h.add(make([]byte, 1500)) // there is no room for more than it and two others
	if len(h.texts) != 3 || stored.held.Load() != int64(h.bytes) {
		t.Errorf("%d texts, %d bytes of %d", len(h.texts), h.bytes, stored.held.Load())
	}
	h.add(make([]byte, 2900)) // nor for this one at all
	if len(h.texts) != 0 || stored.held.Load() != 0 {
		t.Errorf("%d texts, %d bytes", len(h.texts), stored.held.Load())
	}
	stored.most = maxStored
	for range 2 * maxRemembered / (textCost + 100) {
		h.add(make([]byte, 100))
	}
	if h.bytes > maxRemembered || h.bytes < maxRemembered/2 || len(h.texts) > 1000 {
		t.Errorf("%d texts, %d bytes", len(h.texts), h.bytes)
	}
	h.clear()
	if stored.held.Load() != 0 {
		t.Error("bytes are left")
	}
}

// TestHistoryWhenOthersTakeAll: a room remembers something, and the log tells that it is
// less than it should be.
func TestHistoryWhenOthersTakeAll(t *testing.T) {
	hs := newService(t, "room-1: { history = 100 }")
	hs.plugin.stored.take(maxStored)
	defer hs.plugin.stored.give(maxStored)
	g := hs.client()
	for i := range 100 {
		g.say(say("announcement", fmt.Sprintf("'room':1,'text':'text %d'", i)))
	}
	got := g.say(say("join", "'room':1,'username':'g'"))
	if n := strings.Count(got, "'announcement'"); n < 5 || n > 20 || !strings.Contains(got, "text 99") {
		t.Errorf("remembers %d: %s", n, got)
	}
	if n := strings.Count(hs.core.Log(), "hold too much history"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestHistoryOfDestroyedRoom: it takes no room any more.
func TestHistoryOfDestroyedRoom(t *testing.T) {
	hs := newService(t, "room-1: { history = 10 }")
	g := hs.client()
	g.say(say("announcement", "'room':1,'text':'"+strings.Repeat("x", sureStored)+"'"))
	if hs.plugin.stored.held.Load() == 0 {
		t.Error("nothing is remembered")
	}
	g.say(say("destroy", "'room':1"))
	if n := hs.plugin.stored.held.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestLongLists: who joins gets as many names as fit into a message, in any layout; the
// API gets all.
func TestLongLists(t *testing.T) {
	for _, layout := range []string{"compact", "plain", "indented"} {
		hs := newService(t, "general: { json = \""+layout+"\" }\nroom-1: { }")
		const many = 1500
		name := strings.Repeat("n", 30)
		r, _ := hs.plugin.rooms.Get("1")
		h := hs.client().h
		for i := range many {
			r.everybody = append(r.everybody, &member{h: h, username: fmt.Sprint(i, name), display: "D"})
		}
		g := hs.client()
		g.Data(dataLabel, "", false, []byte(quoted(say("join", "'room':1,'username':'g'"))))
		g.heard()
		g.Data(dataLabel, "", false, []byte(quoted(say("listparticipants", "'room':1"))))
		var answer struct {
			Participants []struct{ Username string }
			Out          int `json:"left_out"`
		}
		text := quoted(g.heard())
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		if n := len(answer.Participants); len(text) > maxMessage || n < 400 || n+answer.Out != many+1 || answer.Participants[1].Username != "1"+name {
			t.Errorf("%s: %d names, %d left out, %d bytes", layout, n, answer.Out, len(text))
		}
		text = g.Ask(`{"request":"listparticipants","room":1}`, nil).Data
		if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Participants) != many+1 {
			t.Errorf("by the API: %v, %d", err, len(answer.Participants))
		}
		r.everybody = r.everybody[many:]
	}
}

// TestLongTokens: a change of which the answer does not fit is none.
func TestLongTokens(t *testing.T) {
	hs := newService(t, "room-1: { allowed = [ \"a\" ] }")
	g := hs.client()
	var tokens []string
	for i := range 20 {
		tokens = append(tokens, fmt.Sprintf("'%d%s'", i, strings.Repeat("x", 3900)))
	}
	add := func(list []string) string {
		return g.say(say("allowed", "'room':1,'action':'add','allowed':["+strings.Join(list, ",")+"]"))
	}
	before := hs.file()
	add(tokens[:10])
	if got := add(tokens[10:]); !strings.HasPrefix(got, "{'textroom':'error','error_code':499,'error':'The answer is too long for a data channel (") {
		t.Errorf("got %.200s", got)
	}
	r, _ := hs.plugin.rooms.Get("1")
	if r.Tokens.Admit(strings.Trim(tokens[10], "'")) || !r.Tokens.Admit(strings.Trim(tokens[9], "'")) || !r.Tokens.Admit("a") {
		t.Error("the tokens have changed")
	}
	if file := hs.file(); strings.Contains(file, "10xxx") || file == before {
		t.Errorf("the file is %.200s", file)
	}
	hs.check("what fits", g.say(say("allowed", "'room':1,'action':'remove','allowed':["+strings.Join(tokens[:10], ",")+"]")),
		"{'textroom':'success','room':1,'allowed':['a'],'transaction':'t'}")
}

// TestLongAnswers: what does not fit is an error.
func TestLongAnswers(t *testing.T) {
	hs := newService(t, "")
	g := hs.client()
	for range 40 {
		g.ask("{'request':'create','description':'" + strings.Repeat("x", 4000) + "'}")
	}
	if got := g.say(say("list", "")); !strings.HasPrefix(got, "{'textroom':'error','error_code':499,'error':'The answer is too long for a data channel (") ||
		!strings.HasSuffix(got, "'transaction':'t'}") {
		t.Errorf("got %s", got)
	}
}

// TestLongWhisper: what cannot be answered is not done.
func TestLongWhisper(t *testing.T) {
	hs := newService(t, "room-1: { }")
	g, other := hs.client(), hs.client()
	g.say(say("join", "'room':1,'username':'g'"))
	other.say(say("join", "'room':1,'username':'o'"))
	g.heard()
	names := "'o'"
	for i := range 8000 {
		names += fmt.Sprintf(",'%d'", i)
	}
	whisper := "'room':1,'text':'x','tos':[" + names + "]"
	if got := g.say(say("message", whisper)); !strings.Contains(got, "'error_code':499,'error':'The answer is too long") || strings.Contains(got, "\n") {
		t.Errorf("got %.200s", got)
	}
	hs.check("nobody hears it", other.heard(), "")
	hs.check("without an answer it fits", g.say(say("message", "'ack':false,"+whisper)), "")
	hs.check("one hears it", other.heard(), "{'textroom':'message','room':1,'from':'g','date':'D','text':'x','whisper':true}")
	hs.check("by the API it fits", g.ask("{'request':'list','textroom':'message'," + whisper + "}")[:31], "{'textroom':'success','sent':{'")
}

// TestBounds: of what a client can have.
func TestBounds(t *testing.T) {
	hs := newService(t, "room-1: { }")
	g := hs.client()
	for i := range maxMemberships + 1 {
		g.ask(fmt.Sprintf("{'request':'create','room':%d}", i+2))
		g.say(say("join", fmt.Sprintf("'room':%d,'username':'g'", i+2)))
	}
	if n := len(g.h.rooms); n != maxMemberships {
		t.Errorf("in %d rooms", n)
	}
	hs.check("one more", g.say(say("join", "'room':1,'username':'g'")), failure("499", "In too many rooms (256 at most)"))
	g.say(say("leave", "'room':2"))
	if got := g.say(say("join", "'room':1,'username':'g'")); !strings.Contains(got, "'join'") {
		t.Errorf("got %s", got)
	}
	hs.check("a long name", g.say(say("join", "'room':1,'username':'"+strings.Repeat("x", 1025)+"'")),
		failure("414", "Invalid element (username has more than 1024 bytes)"))

	for range rooms.MaxRooms - hs.plugin.rooms.Len() {
		id, _ := hs.plugin.rooms.ReserveID("", false)
		hs.plugin.rooms.Commit(id, hs.plugin.newRoom(id, kit.FromRequest(kit.Args{}), ""))
	}
	hs.check("one room more", g.ask("{'request':'create','room':7}"),
		"{'textroom':'error','error_code':499,'error':'Too many rooms (10000 at most)'}")

	r, _ := hs.plugin.rooms.Get("1")
	r.Lock()
	for i := range maxMembers - len(r.members) {
		r.add(&member{h: hs.plugin.newHandle(plugin.Nobody{}), username: fmt.Sprint(i)})
	}
	r.Unlock()
	hs.check("one member more", hs.client().say(say("join", "'room':1,'username':'x'")), failure("499", "Too many participants (10000 at most)"))
}
