package textroom

import (
	"strings"
	"testing"
)

const success = "{'textroom':'success','transaction':'t'}"

func say(name, fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return "{'textroom':'" + name + "','transaction':'t'" + fields + "}"
}

func failure(code, text string) string {
	return "{'textroom':'error','error_code':" + code + ",'error':'" + text + "','transaction':'t'}"
}

// TestConversation: what is said on data channels arrives at the right ones, and on each
// in the order of the specification.
func TestConversation(t *testing.T) {
	hs := newService(t, "room-1: { description = \"one\", history = 3 }")
	anna, bob, eve := hs.client(), hs.client(), hs.client()
	hs.check("the first joins", anna.say(say("join", "'room':1,'username':'anna','display':'Anna'")),
		"{'textroom':'join','room':1,'username':'anna','display':'Anna'}",
		"{'textroom':'success','participants':[],'transaction':'t'}")
	hs.check("says something", anna.say(say("message", "'room':1,'text':'hi'")),
		"{'textroom':'message','room':1,'from':'anna','date':'D','text':'hi'}", success)
	hs.check("the second joins", bob.say(say("JOIN", "'room':1,'username':'bob'")),
		"{'textroom':'message','room':1,'from':'anna','date':'D','text':'hi','display':'Anna'}",
		"{'textroom':'join','room':1,'username':'bob'}",
		"{'textroom':'success','participants':[{'username':'anna','display':'Anna'}],'transaction':'t'}")
	hs.check("the third joins", eve.say(say("join", "'room':1,'username':'eve','history':false")),
		"{'textroom':'join','room':1,'username':'eve'}",
		"{'textroom':'success','participants':[{'username':'anna','display':'Anna'},{'username':'bob'}],'transaction':'t'}")
	hs.check("the first hears", anna.heard(),
		"{'textroom':'join','room':1,'username':'bob'}", "{'textroom':'join','room':1,'username':'eve'}")
	bob.heard()

	hs.check("whispers", anna.say(say("message", "'room':1,'text':'psst','tos':['bob','nobody','bob']")),
		"{'textroom':'success','sent':{'bob':true,'nobody':false},'transaction':'t'}")
	hs.check("to itself", anna.say(say("message", "'room':1,'text':'I','to':'anna'")),
		"{'textroom':'message','room':1,'from':'anna','date':'D','text':'I','whisper':true}",
		"{'textroom':'success','sent':{'anna':true},'transaction':'t'}")
	hs.check("to nobody", anna.say(say("message", "'room':1,'text':'I','tos':[]")),
		"{'textroom':'success','sent':{},'transaction':'t'}")
	hs.check("one is told", bob.heard(), "{'textroom':'message','room':1,'from':'anna','date':'D','text':'psst','whisper':true}")
	hs.check("another is not", eve.heard(), "")

	hs.check("no answer is wanted", bob.say(say("message", "'room':1,'text':'x','ack':false")),
		"{'textroom':'message','room':1,'from':'bob','date':'D','text':'x'}")
	hs.check("but errors come", bob.say(say("message", "'room':2,'text':'x','ack':false")), failure("417", "No such room (2)"))
	hs.check("an announcement", bob.say(say("announcement", "'room':1,'text':'now'")),
		"{'textroom':'announcement','room':1,'date':'D','text':'now'}", success)
	hs.check("all hear", eve.heard(), "{'textroom':'message','room':1,'from':'bob','date':'D','text':'x'}",
		"{'textroom':'announcement','room':1,'date':'D','text':'now'}")
	hs.check("leaves", eve.say(say("leave", "'room':1")), "{'textroom':'leave','room':1,'username':'eve'}", success)
	hs.check("kicks", bob.say(say("kick", "'room':1,'username':'anna'")), "{'textroom':'leave','room':1,'username':'eve'}",
		"{'textroom':'kicked','room':1,'username':'anna'}", success)
	hs.check("is kicked", anna.heard(), "{'textroom':'message','room':1,'from':'bob','date':'D','text':'x'}",
		"{'textroom':'announcement','room':1,'date':'D','text':'now'}", "{'textroom':'leave','room':1,'username':'eve'}",
		"{'textroom':'kicked','room':1,'username':'anna'}")
	hs.check("is not in it", anna.say(say("message", "'room':1,'text':'x'")), failure("422", "Not in room 1"))
	hs.check("comes back to history", anna.say(say("join", "'room':1,'username':'a'")),
		"{'textroom':'message','room':1,'from':'anna','date':'D','text':'hi','display':'Anna'}",
		"{'textroom':'message','room':1,'from':'bob','date':'D','text':'x'}",
		"{'textroom':'announcement','room':1,'date':'D','text':'now'}",
		"{'textroom':'join','room':1,'username':'a'}",
		"{'textroom':'success','participants':[{'username':'bob'}],'transaction':'t'}")
	bob.heard()
	hs.check("destroys", bob.say(say("destroy", "'room':1")), "{'textroom':'destroyed','room':1}",
		"{'textroom':'destroyed','room':1}", "{'textroom':'success','room':1,'permanent':false,'transaction':'t'}")
	hs.check("is told", anna.heard(), "{'textroom':'destroyed','room':1}")
	hs.check("is gone", anna.say(say("leave", "'room':1")), failure("417", "No such room (1)"))
}

// TestRequestsByChannel: management works there, too, and what is wrong is told.
func TestRequestsByChannel(t *testing.T) {
	hs := newService(t, `general: { admin_key = "key" }
		room-1: { description = "one", pin = "p", secret = "s" }
		room-2: { is_private = true, allowed = "x,y" }`)
	g := hs.client()
	long := strings.Repeat("x", maxMessage)
	for _, tt := range []struct{ request, want string }{
		{"no JSON", ""}, {"'x'", ""}, {"", ""}, {"{'textroom':'list'", ""},
		{"{}", "{'textroom':'error','error_code':413,'error':'Missing mandatory element (textroom)'}"},
		{"[1]", "{'textroom':'error','error_code':413,'error':'Missing mandatory element (textroom)'}"},
		{"{'textroom':1}", "{'textroom':'error','error_code':414,'error':'Invalid element type (textroom should be a string)'}"},
		{"{'textroom':null}", "{'textroom':'error','error_code':414,'error':'Invalid element type (textroom should be a string)'}"},
		{"{'textroom':'list'}", "{'textroom':'error','error_code':413,'error':'Missing mandatory element (transaction)'}"},
		{"{'textroom':'list','transaction':1}", "{'textroom':'error','error_code':414,'error':'Invalid element type (transaction should be a string)'}"},
		{say("dance", ""), failure("415", "Unsupported request dance")},
		{say("setup", ""), failure("415", "Unsupported request setup")},
		{say("list", ""), "{'textroom':'success','list':[{'room':1,'pin_required':true,'num_participants':0,'description':'one','history':0}],'transaction':'t'}"},
		{say("list", "'admin_key':''"), "{'textroom':'success','list':[{'room':1,'pin_required':true,'num_participants':0,'description':'one','history':0}],'transaction':'t'}"},
		{say("list", "'admin_key':5"), "{'textroom':'success','list':[{'room':1,'pin_required':true,'num_participants':0,'description':'one','history':0}],'transaction':'t'}"},
		{say("list", "'admin_key':'no'"), failure("419", "Unauthorized (wrong admin_key)")},
		{say("list", "'admin_key':'key'"), "{'textroom':'success','list':[{'room':1,'pin_required':true,'num_participants':0,'description':'one','history':0}," +
			"{'room':2,'pin_required':false,'num_participants':0,'description':'room-2','history':0}],'transaction':'t'}"},
		{say("exists", "'room':2"), "{'textroom':'success','room':2,'exists':true,'transaction':'t'}"},
		{say("exists", "'room':3"), "{'textroom':'success','room':3,'exists':false,'transaction':'t'}"},
		{say("exists", "'room':'2'"), failure("414", "Invalid element type (room should be a positive integer)")},
		{say("exists", "'room':null"), failure("414", "Invalid element type (room should be a positive integer)")},
		{say("create", "'room':3"), failure("413", "Missing mandatory element (admin_key)")},
		{say("create", "'room':3,'admin_key':'x'"), failure("419", "Unauthorized (wrong admin_key)")},
		{say("create", "'room':1,'admin_key':'key'"), failure("418", "Room 1 already exists")},
		{say("create", "'room':3,'admin_key':'key','permanent':1"), failure("414", "Invalid element type (permanent should be a boolean)")},
		{say("create", "'room':3,'admin_key':'key','post':'file:///etc/passwd'"), failure("414", "Invalid element (post should be an http or https URL)")},
		{say("create", "'room':3,'admin_key':'key','allowed':[1]"), failure("414", "Invalid element in the allowed array (not a string)")},
		{say("create", "'room':3,'admin_key':'key','history':70000,'allowed':[]"), "{'textroom':'success','room':3,'permanent':false,'transaction':'t'}"},
		{say("join", "'room':3,'username':'u'"), failure("419", "Unauthorized (not in the allowed list)")},
		{say("edit", "'room':1,'new_description':'eins'"), failure("413", "Missing mandatory element (secret)")},
		{say("edit", "'room':1,'new_description':'eins','secret':1"), failure("414", "Invalid element type (secret should be a string)")},
		{say("edit", "'room':1,'new_description':'eins','secret':'t'"), failure("419", "Unauthorized (wrong secret)")},
		{say("edit", "'room':1,'new_post':'ftp://x','secret':'s'"), failure("414", "Invalid element (new_post should be an http or https URL)")},
		{say("edit", "'room':1,'new_description':'eins','secret':'s','new_pin':''"), "{'textroom':'success','room':1,'permanent':false,'transaction':'t'}"},
		{say("join", "'room':4,'username':'u'"), failure("417", "No such room (4)")},
		{say("join", "'room':1"), failure("413", "Missing mandatory element (username)")},
		{say("join", "'room':1,'username':''"), failure("414", "Invalid element type (username should be a non-empty string)")},
		{say("join", "'room':1,'username':'u'"), failure("413", "Missing mandatory element (pin)")},
		{say("join", "'room':1,'username':'u','pin':7"), failure("414", "Invalid element type (pin should be a string)")},
		{say("join", "'room':1,'username':'u','pin':'q'"), failure("419", "Unauthorized (wrong pin)")},
		{say("join", "'room':2,'username':'u','token':'z'"), failure("419", "Unauthorized (not in the allowed list)")},
		{say("join", "'room':2,'username':'u','token':'y'"), "{'textroom':'join','room':2,'username':'u'}\n" +
			"{'textroom':'success','participants':[],'transaction':'t'}"},
		{say("join", "'room':2,'username':'v'"), failure("421", "Already in room 2")},
		{say("message", "'room':2"), failure("413", "Missing mandatory element (text)")},
		{say("message", "'room':2,'text':'x','to':'u','tos':[]"), failure("414", "Invalid element (to and tos exclude each other)")},
		{say("message", "'room':2,'text':'x','tos':[1]"), failure("414", "Invalid element in the tos array (not a string)")},
		{say("message", "'room':2,'text':'"+long+"x'"), failure("414", "Invalid element (text has more than 65534 bytes)")},
		{say("message", "'room':2,'text':'"+long[100:]+"\n'"), ""},
		{say("message", "'room':2,'text':'"+long[10:]+"'"), failure("414", "Invalid element (text makes a message of more than 65535 bytes)")},
		{say("allowed", "'room':2,'action':'x'"), failure("414", "Unsupported action 'x' (allowed)")},
		{say("allowed", "'room':2,'action':'add','allowed':['z']"), "{'textroom':'success','room':2,'allowed':['x','y','z'],'transaction':'t'}"},
		{say("allowed", "'room':2,'action':'disable'"), "{'textroom':'success','room':2,'transaction':'t'}"},
		{say("listparticipants", "'room':2"), "{'textroom':'success','room':2,'participants':[{'username':'u'}],'transaction':'t'}"},
		{say("kick", "'room':2,'username':'v'"), failure("423", "No such user v in room 2")},
		{say("kick", "'room':2,'id':'v'"), failure("413", "Missing mandatory element (username)")},
	} {
		hs.check(tt.request[:min(len(tt.request), 100)], g.say(tt.request), tt.want)
	}
	g.Data(dataLabel, "", true, []byte(quoted(say("list", ""))))
	hs.check("binary", g.heard(), "")
	other := hs.client()
	hs.check("a username that is taken", other.say(say("join", "'room':2,'username':'u','token':'y'")), failure("420", "Username already taken"))
	hs.check("another case", other.say(say("join", "'room':2,'username':'U'")), "{'textroom':'join','room':2,'username':'U'}",
		"{'textroom':'success','participants':[{'username':'u'}],'transaction':'t'}")
}
