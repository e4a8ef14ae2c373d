package textroom

import (
	"strings"
	"testing"

	"bifrons/api/json"
)

// FuzzRequest gives a client's request to a data channel and to the API: nothing breaks,
// and all that is sent is JSON that fits into a message.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		say("join", "'room':1,'username':'f','display':'F','history':true,'token':'x','pin':'p'"), say("leave", "'room':1"),
		say("message", "'room':1,'text':'x'"), say("message", "'room':1,'text':'x','to':'g'"),
		say("message", "'room':1,'text':'x','tos':['g','g','',1],'ack':false"),
		say("announcement", "'room':1,'text':'\\u0000\\ud800'"), say("kick", "'room':1,'username':'g'"),
		say("create", "'room':2,'description':'d','secret':'s','pin':'p','post':'x','history':9,'allowed':['a'],'is_private':true,'permanent':true"),
		say("edit", "'room':1,'new_description':'x','new_post':'http://[::1'"), say("allowed", "'room':1,'action':'add','allowed':['a']"),
		say("destroy", "'room':1"), say("list", "'admin_key':null"), say("exists", "'room':18446744073709551615"),
		"{'request':'list','textroom':'message','room':1,'text':'x'}", "[]", "{}", "{'textroom':null}",
	} {
		f.Add(quoted(seed), quoted(say("message", "'room':1,'text':'y'")))
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, text := range []string{first, second} {
			if strings.Contains(text, "post") {
				return // nothing goes out of here
			}
		}
		hs := newService(t, "general: { json = \"indented\" }\nroom-1: { history = 10 }")
		g := hs.client()
		g.say(say("join", "'room':1,'username':'g'"))
		x := hs.client()
		for _, text := range []string{first, second} {
			x.Data(dataLabel, "", false, []byte(text))
			if doc, err := json.Parse([]byte(text)); err == nil && json.IsObject(doc.Root()) {
				x.Message("t", text, nil)
				hs.core.Admin(text)
				doc.Release()
			}
		}
		hs.plugin.tasks.Wait()
		hs.core.Settle()
		hs.mu.Lock()
		defer hs.mu.Unlock()
		for _, list := range hs.got {
			for _, text := range list {
				doc, err := json.Parse([]byte(text))
				if err != nil || len(text) > maxMessage {
					t.Fatalf("%v: %q", err, text)
				}
				doc.Release()
			}
		}
	})
}
