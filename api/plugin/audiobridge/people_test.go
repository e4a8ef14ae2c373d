package audiobridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/schema"
)

func event(text string) string { return `{'audiobridge':'event','room':1,` + text + `}` }

// TestJoin: the checks of a join come in their order, and what comes of it is told.
func TestJoin(t *testing.T) {
	b := newBridgeIn(t, t.TempDir(), `room-1: { sampling_rate = 16000, secret = "s", pin = "p", allowed = [ "t" ], signed_tokens = true, groups = [ "g" ], spatial_audio = true }
room-2: { sampling_rate = 16000 }`, plugintest.Config{Signed: func(token, realm, descriptor string) bool {
		return token == "t" || token == "u" && realm == Package && descriptor == "room=1"
	}})
	c := b.client()
	for _, x := range []struct{ fields, want string }{
		{"", failure("483", "Missing mandatory element (room)")},
		{",'room':1,'muted':null", failure("484", "Invalid element type (muted should be a boolean)")},
		{",'room':1,'rtp':{}", failure("489", "Plain RTP participants are not allowed in this room")},
		{",'room':1,'token':'x'", failure("489", "Unauthorized (wrong token)")},
		{",'room':1,'token':'u'", failure("483", "Missing mandatory element (pin)")},
		{",'room':1,'token':'u','pin':'x'", failure("489", "Unauthorized (wrong pin)")},
		{",'room':1,'token':'u','pin':'p'", failure("489", "Unauthorized (not in the allowed list)")},
		{",'room':1,'token':'t','pin':'p','secret':'x'", failure("489", "Unauthorized (wrong secret)")},
		{",'room':1,'token':'t','pin':'p'", failure("483", "Missing mandatory element (group)")},
		{",'room':1,'token':'t','pin':'p','group':'x','quality':0", failure("494", "No such group (x)")},
		{",'room':1,'token':'t','pin':'p','group':'g','quality':0,'expected_loss':21", failure("484", "Invalid element (quality should be a positive integer between 1 and 10)")},
		{",'room':1,'token':'t','pin':'p','group':'g','expected_loss':21,'codec':'mp3'", failure("484", "Invalid element (expected_loss should be a positive integer between 0 and 20)")},
		{",'room':1,'token':'t','pin':'p','group':'g','codec':'mp3'", failure("484", "Invalid element (codec must opus, pcmu or pcma)")},
		{",'room':1,'token':'t','pin':'p','group':'g','id':7,'display':'A','spatial_position':300,'secret':'s'", "{'audiobridge':'joined','room':1,'id':7,'participants':[]}"},
		{",'room':2", failure("491", "Already in a room (use changeroom to join another one)")},
	} {
		c.expect("{'request':'join'"+x.fields+"}", x.want)
	}
	d := b.client()
	const enter = "{'request':'join','room':1,'token':'t','pin':'p','group':'g'"
	d.expect(enter+",'id':7}", failure("490", "User ID 7 already exists"))
	d.expect(enter+",'id':8,'suspended':true}", "{'audiobridge':'joined','room':1,'id':8,'participants':[{'id':7,'display':'A','setup':false,'muted':false,'spatial_position':100}]}")
	c.isTold("a newcomer", "{'audiobridge':'joined','room':1,'participants':[{'id':8,'setup':false,'muted':false,'spatial_position':50,'suspended':true}]}")
	if got := d.ask("{'request':'leave'}"); got != "{'audiobridge':'left','room':1,'id':8}" {
		t.Error(got)
	}
	d.expect("{'request':'leave'}", failure("487", "Can't leave (not in a room)"))
	c.isTold("a leaver", event("'leaving':8"))
	d.expect("{'request':'configure'}", failure("487", "Can't configure (not in a room)"))
	d.expect("{'request':'changeroom'}", failure("487", "Can't change room (not in a room in the first place)"))
	want := []string{`{"event":"joined","room":1,"id":8,"setup":false,"muted":false,"spatial_position":50,"suspended":true}`, `{"event":"left","room":1,"id":8}`}
	if got := d.Notices(); !slices.Equal(got, want) {
		t.Errorf("event handlers hear %v", got)
	}
}

// TestConfigure: others hear of what changes, and a request that is wrong changes nothing.
func TestConfigure(t *testing.T) {
	b := newBridge(t, "room-1: { sampling_rate = 16000 }")
	c, d := b.join("1", "1", ""), b.join("1", "2", "")
	c.Events()
	const ok = "{'audiobridge':'event','result':'ok'}"
	c.expect("{'request':'configure','volume':50,'quality':5,'spatial_position':9}", ok)
	d.isTold("nothing")
	c.expect("{'request':'configure','muted':true,'display':'C','quality':11}", failure("484", "Invalid element (quality should be a positive integer between 1 and 10)"))
	d.isTold("nothing")
	c.expect("{'request':'configure','muted':false}", ok)
	d.isTold("the same", event("'participants':[{'id':1,'setup':false,'muted':false}]"))
	c.expect("{'request':'configure','muted':true,'display':'C','bitrate':499}", ok)
	d.isTold("a change", event("'participants':[{'id':1,'display':'C','setup':false,'muted':true}]"))
	c.expect("{'request':'configure','denoise':true}", ok)
	d.isTold("denoise", event("'participants':[{'id':1,'display':'C','setup':false,'muted':true}]"))
	c.isTold("not about itself")
	if got := c.Notices(); !slices.Contains(got, `{"event":"configured","room":1,"id":1,"display":"C","muted":true,"quality":5}`) {
		t.Errorf("event handlers hear %v", got)
	}
}

// TestModeration: who knows the secret mutes, kicks and suspends.
func TestModeration(t *testing.T) {
	b := newBridge(t, `room-1: { sampling_rate = 16000, secret = "s" }`)
	c, d, adm := b.join("1", "1", ""), b.join("1", "2", ""), b.client()
	c.Events()
	const secret = ",'room':1,'secret':'s'"
	adm.expect("{'request':'mute','room':1,'id':1}", failure("483", "Missing mandatory element (secret)"))
	adm.expect("{'request':'mute','id':3"+secret+"}", failure("492", "No such user 3 in room 1"))
	adm.expect("{'request':'mute','id':1"+secret+"}", "{'audiobridge':'success','room':1}")
	adm.expect("{'request':'mute','id':1"+secret+"}", "{'audiobridge':'success'}")
	muted := event("'participants':[{'id':1,'setup':false,'muted':true}]")
	c.isTold("muted", muted)
	d.isTold("muted", muted)
	adm.expect("{'request':'unmute','id':1"+secret+"}", "{'audiobridge':'success','room':1}")
	c.isTold("unmuted", event("'participants':[{'id':1,'setup':false,'muted':false}]"))
	adm.expect("{'request':'mute_room'"+secret+"}", "{'audiobridge':'success','room':1}")
	adm.expect("{'request':'mute_room'"+secret+"}", "{'audiobridge':'success'}")
	c.isTold("all muted", event("'muted':true"))
	adm.expect("{'request':'unmute_room'"+secret+"}", "{'audiobridge':'success','room':1}")
	c.Events()
	d.Events()

	d.expect("{'request':'suspend','room':1,'id':1}", failure("483", "Missing mandatory element (secret)"))
	c.expect("{'request':'suspend','room':1,'id':1,'pause_events':true}", "{'audiobridge':'success'}")
	c.expect("{'request':'suspend','room':1,'id':1}", "{'audiobridge':'success'}")
	c.isTold("suspended", event("'suspended':1"))
	d.isTold("suspended", event("'suspended':1"))
	e := b.join("1", "3", "")
	c.isTold("nothing, its events are paused")
	adm.expect("{'request':'resume','id':1"+secret+"}", "{'audiobridge':'success'}")
	c.isTold("resumed", event("'resumed':1,'participants':[{'id':2,'setup':false,'muted':false},{'id':3,'setup':false,'muted':false}]"))
	e.isTold("resumed", event("'resumed':1"))
	adm.expect("{'request':'suspend','id':1"+secret+"}", "{'audiobridge':'success'}")
	adm.expect("{'request':'resume','id':1"+secret+"}", "{'audiobridge':'success'}")
	c.isTold("both", event("'suspended':1"), event("'resumed':1"))
	if got := b.Admin(`{"request":"suspend","room":1,"id":1}`); !strings.Contains(got, "483") {
		t.Errorf("of the Admin API: %s", got)
	}

	e.Events()
	e.offers("{'request':'configure'}", audioOffer(t, ""))
	e.Establish()
	d.Events()
	adm.expect("{'request':'kick','id':3"+secret+"}", "{'audiobridge':'success'}")
	d.isTold("kicked", event("'kicked':3"), event("'leaving':3"))
	if got := e.hears(); !strings.Contains(got, event("'kicked':3")+"\n[hangup]") || strings.Contains(got, "leaving") {
		t.Errorf("who is kicked hears %s", got)
	}
	c.Events()
	adm.expect("{'request':'kick_all'"+secret+"}", "{'audiobridge':'success'}")
	c.isTold("kicked", event("'kicked_all':1"))
	adm.expect("{'request':'destroy'"+secret+"}", "{'audiobridge':'destroyed','room':1,'permanent':false}")
	c.isTold("the end", "{'audiobridge':'destroyed','room':1}")
	c.expect("{'request':'leave'}", failure("487", "Can't leave (not in a room)"))
}

// TestChangeRoom: a connection goes on in another room, with the settings of a newcomer.
func TestChangeRoom(t *testing.T) {
	b := newBridge(t, `room-1: { sampling_rate = 16000 }
room-2: { sampling_rate = 48000, pin = "p" }`)
	c, d := b.join("1", "1", ",'display':'C','muted':true"), b.join("1", "2", "")
	e := b.join("2", "2", ",'pin':'p'")
	c.offers("{'request':'configure'}", audioOffer(t, ""))
	c.Establish()
	c.Events()
	d.Events()
	c.expect("{'request':'changeroom','room':1}", failure("491", "Already in this room"))
	c.expect("{'request':'changeroom','room':2}", failure("483", "Missing mandatory element (pin)"))
	c.expect("{'request':'changeroom','room':2,'pin':'p','id':2}", failure("490", "User ID 2 already exists"))
	c.expect("{'request':'changeroom','room':2,'pin':'p','id':1}", "{'audiobridge':'roomchanged','room':2,'id':1,'participants':[{'id':2,'setup':false,'muted':false}]}")
	d.isTold("who has left", event("'leaving':1"))
	e.isTold("who has come", "{'audiobridge':'joined','room':2,'participants':[{'id':1,'setup':true,'muted':false}]}")
	c.expect("{'request':'listparticipants','room':2}", "{'audiobridge':'participants','room':2,'participants':[{'id':2,'setup':false,'muted':false},{'id':1,'setup':true,'muted':false,'talking':false}]}")
	c.Hangup()
	e.isTold("who is lost", strings.Replace(event("'leaving':1"), "'room':1", "'room':2", 1))
	if got := c.Query(); got != `{"state":"idle","started":0,"hangingup":0,"destroyed":0}` {
		t.Errorf("the state: %s", got)
	}
}

// TestJoinedFirst: whatever happens meanwhile is told after the answer to a join.
func TestJoinedFirst(t *testing.T) {
	b := newBridge(t, "room-1: { sampling_rate = 16000 }\nroom-2: { sampling_rate = 16000 }")
	d, e := b.join("1", "1", ""), b.join("2", "1", "")
	c := b.client()
	h := c.Handle.(*handle)
	for _, x := range []struct {
		room, request, kind string
		run                 func(*kit.Request, *json.Writer) (kit.Response, *schema.Error)
		other               *client
	}{{"1", "join", "joined", h.join, d}, {"2", "changeroom", "roomchanged", h.changeRoom, e}} {
		w := json.NewWriter(nil)
		w.Object("")
		body := plugintest.Parse(t, quoted("{'request':'"+x.request+"','room':"+x.room+",'id':5}"))
		resp, err := x.run(&kit.Request{Body: kit.Args{Value: body}}, w)
		w.End()
		if err != nil || !strings.HasPrefix(string(w.Bytes()), `{"audiobridge":"`+x.kind+`","room":`+x.room+`,"id":5,"participants":[{"id":1,`) {
			t.Fatalf("%s: %s, %v", x.request, w.Bytes(), err)
		}
		b.Admin(`{"request":"mute_room","room":` + x.room + `}`)
		b.Admin(`{"request":"mute","room":` + x.room + `,"id":5}`)
		x.other.ask("{'request':'configure','display':'d'}")
		c.isTold("before the answer to " + x.request)
		resp.After()
		room := strings.NewReplacer("R", x.room)
		c.isTold("after the answer to "+x.request, room.Replace("{'audiobridge':'event','room':R,'muted':true}"),
			room.Replace("{'audiobridge':'event','room':R,'participants':[{'id':5,'setup':false,'muted':true}]}"),
			room.Replace("{'audiobridge':'event','room':R,'participants':[{'id':1,'display':'d','setup':false,'muted':false}]}"))
		x.other.ask("{'request':'configure','display':'e'}")
		c.isTold("from then on", room.Replace("{'audiobridge':'event','room':R,'participants':[{'id':1,'display':'e','setup':false,'muted':false}]}"))
	}
	// What waits is bounded, and nothing of it is lost.
	p := &participant{room: h.current().room, h: h}
	for i := range maxEarly + 2 {
		p.tell("", fmt.Appendf(nil, `{"n":%d}`, i))
	}
	if got := strings.Split(c.hears(), "\n"); len(got) != maxEarly+2 || got[0] != "{'n':0}" || got[maxEarly+1] != fmt.Sprintf("{'n':%d}", maxEarly+1) {
		t.Errorf("%d events: %v", len(got), got)
	}
}

// TestQueryBeforeUp: what was agreed on is told before the connection is up.
func TestQueryBeforeUp(t *testing.T) {
	b := newBridge(t, "room-1: { sampling_rate = 16000 }")
	c := b.join("1", "1", "")
	c.offers("{'request':'configure'}", audioOffer(t, "useinbandfec=1"))
	if got := c.Query(); !strings.Contains(got, `"active":false,"buffer-in":0,"queue-in":0,"audio-level-dBov":127.0,"talking":false,"fec":true,"expected-loss":0,`) {
		t.Errorf("the state: %s", got)
	}
	if got := c.ask("{'request':'listparticipants','room':1}"); !strings.Contains(got, "{'id':1,'setup':false,'muted':false,'talking':false}") {
		t.Error(got)
	}
}
