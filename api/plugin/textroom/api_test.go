package textroom

import (
	"strings"
	"testing"

	"bifrons/sdp"

	"bifrons/api/plugin/plugintest"
)

// TestAPI: the forms that answers have there.
func TestAPI(t *testing.T) {
	hs := newService(t, `room-1: { description = "one", secret = "s" }`)
	g := hs.client()
	for _, tt := range []struct{ request, want string }{
		{"{}", "{'textroom':'event','error_code':413,'error':'Missing mandatory element (request)'}"},
		{"{'request':5}", "{'textroom':'event','error_code':414,'error':'Invalid element type (request should be a string)'}"},
		{"{'request':'nosuch'}", "{'textroom':'event','error_code':415,'error':'Unknown request 'nosuch''}"},
		{"{'request':'join','room':1,'username':'u'}", "{'textroom':'event','error_code':415,'error':'Unknown request 'join''}"},
		{"{'request':'exists'}", "{'textroom':'error','error_code':413,'error':'Missing mandatory element (room)'}"},
		{"{'request':'EXISTS','room':1}", "{'textroom':'success','room':1,'exists':true}"},
		{"{'request':'list','textroom':'exists','room':1}", "{'textroom':'success','room':1,'exists':true}"},
		{"{'request':'list','textroom':5}", "{'textroom':'error','error_code':414,'error':'Invalid element type (textroom should be a string)'}"},
		{"{'request':'list','textroom':'dance'}", "{'textroom':'error','error_code':415,'error':'Unsupported request dance'}"},
		{"{'request':'list','textroom':'message','room':1,'text':'x'}", "{'textroom':'error','error_code':422,'error':'Not in room 1'}"},
		{"{'request':'create','room':2,'description':'two'}", "{'textroom':'created','room':2,'permanent':false}"},
		{"{'request':'edit','room':2,'new_description':'zwei','new_pin':'p'}", "{'textroom':'edited','room':2,'permanent':false}"},
		{"{'request':'listparticipants','room':2}", "{'textroom':'success','room':2,'participants':[]}"},
		{"{'request':'list'}", "{'textroom':'success','list':[" +
			"{'room':1,'pin_required':false,'num_participants':0,'description':'one','history':0}," +
			"{'room':2,'pin_required':true,'num_participants':0,'description':'zwei','history':0}]}"},
		{"{'request':'announcement','room':2,'text':'x'}", "{'textroom':'success'}"},
		{"{'request':'destroy','room':2}", "{'textroom':'destroyed','room':2,'permanent':false}"},
		{"{'request':'destroy','room':2}", "{'textroom':'error','error_code':417,'error':'No such room (2)'}"},
	} {
		hs.check(tt.request, g.ask(tt.request), tt.want)
	}
	hs.check("who destroys is told on its channel", g.heard(), "{'textroom':'destroyed','room':2}")
	auto := g.Ask(`{"request":"create"}`, nil)
	id, _ := auto.Field("room").(float64)
	if id < 1 || id >= 1<<53 {
		t.Errorf("random id: %s", auto.Data)
	}
	hs.check("state", g.Query(), `{"destroyed":0}`)
}

// TestAdmin: the Admin API has the same requests, with a transaction of their own.
func TestAdmin(t *testing.T) {
	hs := newService(t, `room-1: { description = "one" }`)
	g := hs.client()
	g.say(say("join", "'room':1,'username':'u'"))
	for _, tt := range []struct{ request, want string }{
		{"{'request':'exists','room':1}", "{'textroom':'error','error_code':413,'error':'Missing mandatory element (transaction)'}"},
		{"{'request':'setup','transaction':'x'}", "{'textroom':'event','error_code':415,'error':'Unknown request 'setup''}"},
		{"{'request':'list','textroom':'join','room':1,'username':'a','transaction':'x'}", "{'textroom':'error','error_code':499,'error':'No PeerConnection'}"},
		{"{'request':'exists','room':1,'transaction':'x'}", "{'textroom':'success','room':1,'exists':true}"},
		{"{'request':'announcement','room':1,'text':'hear','transaction':'x'}", "{'textroom':'success'}"},
		{"{'request':'kick','room':1,'username':'u','transaction':'x'}", "{'textroom':'success'}"},
		{"{'request':'create','room':2,'transaction':'x'}", "{'textroom':'created','room':2,'permanent':false}"},
		{"{'request':'destroy','room':2,'transaction':'x'}", "{'textroom':'destroyed','room':2,'permanent':false}"},
	} {
		hs.check(tt.request, strings.ReplaceAll(hs.core.Admin(quoted(tt.request)), `"`, "'"), tt.want)
	}
	hs.check("is told", g.heard(), "{'textroom':'announcement','room':1,'date':'D','text':'hear'}", "{'textroom':'kicked','room':1,'username':'u'}")
	hs.check("event handlers", strings.Join(hs.core.Notices(), "\n"),
		`{"event":"join","room":1,"username":"u"}`, `{"textroom":"kicked","room":1,"username":"u"}`,
		`{"event":"created","room":2}`, `{"event":"destroyed","room":2}`)
}

// TestSetup: the server offers, and may offer again.
func TestSetup(t *testing.T) {
	hs := newService(t, "")
	g := hs.client()
	const offer, ok = " offer(:data sendrecv)", `t {"textroom":"event","result":"ok"}`
	hs.check("restart first", g.Send(`{"request":"restart"}`, nil), `t {"textroom":"error","error_code":416,"error":"PeerConnection not setup"}`)
	hs.check("setup", g.Send(`{"request":"setup"}`, nil), ok+offer)
	first := g.Offer().SDP
	hs.check("an offer as answer", g.Send(`{"request":"ack"}`, plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Application})),
		`t {"textroom":"error","error_code":414,"error":"Invalid JSEP type (should be an answer)"}`)
	hs.check("ack", g.Send(`{"request":"ack"}`, g.Answer()), ok)
	hs.check("again", g.Send(`{"request":"setup"}`, nil), `t {"textroom":"error","error_code":416,"error":"PeerConnection already setup"}`)
	hs.check("restart", g.Send(`{"request":"restart"}`, nil), ok+offer+" restart")
	if second := g.Offer().SDP; second.Origin.Version != first.Origin.Version+1 || first.Name != "Janus TextRoom plugin" {
		t.Errorf("offers %v, %v", first.Origin, second.Origin)
	}
	g.Hangup()
	g.Settle()
	g.Events()
	hs.check("never again", g.Send(`{"request":"setup"}`, nil), `t {"textroom":"error","error_code":416,"error":"PeerConnection already setup"}`)
	hs.check("nor that", g.Send(`{"request":"restart"}`, nil), `t {"textroom":"error","error_code":416,"error":"PeerConnection not setup"}`)
}

// TestHangup: who is gone has left all rooms, and is never in one again.
func TestHangup(t *testing.T) {
	hs := newService(t, "room-1: { }\nroom-2: { }")
	a, b := hs.client(), hs.client()
	for _, g := range []*client{a, b} {
		g.Send(`{"request":"setup"}`, nil)
		g.Send(`{"request":"ack"}`, g.Answer())
	}
	a.say(say("join", "'room':1,'username':'a'"))
	a.say(say("join", "'room':2,'username':'a'"))
	b.say(say("join", "'room':1,'username':'b'"))
	hs.core.Notices()
	a.Hangup()
	a.Settle()
	hs.check("others hear of it", b.heard(), "{'textroom':'leave','room':1,'username':'a'}")
	if got := strings.Join(hs.core.Notices(), "\n"); strings.Count(got, `{"event":"leave","room":`) != 2 {
		t.Errorf("event handlers: %s", got)
	}
	a.heard()
	hs.check("a late message", a.say(say("join", "'room':1,'username':'a'")), failure("499", "No PeerConnection"))
	hs.check("is left", b.ask("{'request':'list'}"), "{'textroom':'success','list':["+
		"{'room':1,'pin_required':false,'num_participants':1,'description':'room-1','history':0},"+
		"{'room':2,'pin_required':false,'num_participants':0,'description':'room-2','history':0}]}")
	b.Detach()
	hs.check("all have left", hs.client().ask("{'request':'listparticipants','room':1}"), "{'textroom':'success','room':1,'participants':[]}")
}
