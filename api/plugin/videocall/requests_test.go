package videocall

import (
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
)

// service is a server with users who have no peer connections.
type service struct {
	*plugintest.Core
	t testing.TB
}

func newService(t testing.TB) *service {
	t.Helper()
	return &service{plugintest.New(t, New(t.TempDir()), plugintest.Config{}), t}
}

// user registers.
func (o *service) user(name string) *plugintest.Client {
	o.t.Helper()
	x := o.Attach(plugintest.Options{})
	expect(o.t, x, `{"request":"register","username":"`+name+`"}`, nil, reply(`"event":"registered","username":"`+name+`"`))
	x.Notices()
	return x
}

// reply is the answer with a result.
func reply(fields string) string {
	return `t {"videocall":"event","result":{` + fields + `}}`
}

// told is an event with a result.
func told(fields string) string { return strings.TrimPrefix(reply(fields), "t ") }

func expect(t testing.TB, x *plugintest.Client, body string, j *plugin.JSEP, want string) {
	t.Helper()
	if got := x.Send(body, j); got != want {
		t.Errorf("%s:\n got %s\nwant %s", body, got, want)
	}
}

// hears checks what a client is told.
func hears(t testing.TB, x *plugintest.Client, want ...string) {
	t.Helper()
	x.Settle()
	var got []string
	for _, e := range x.Events() {
		got = append(got, e.String())
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("hears:\n got %s\nwant %s", g, w)
	}
}

// dial calls another user with a microphone, a camera and data channels.
func dial(t testing.TB, from *plugintest.Client, name string) {
	t.Helper()
	expect(t, from, `{"request":"call","username":"`+name+`"}`, offer(), reply(`"event":"calling"`))
}

func offer() *plugin.JSEP {
	return plugintest.MakeOffer(
		sdp.OfferSection{Kind: sdp.Audio, MID: "a", Direction: sdp.SendRecv, Codec: sdp.Opus},
		sdp.OfferSection{Kind: sdp.Video, MID: "v", Direction: sdp.SendRecv, Codec: sdp.VP8},
		sdp.OfferSection{Kind: sdp.Application, MID: "d", Direction: sdp.SendRecv})
}

// The gist of that offer, and of the answer that accepts all of it.
const (
	offered  = "(a:audio sendrecv opus/111, v:video sendrecv vp8/96, d:data sendrecv)"
	accepted = `"event":"accepted"`
)

// talk brings two users into a call, which nobody has heard more of.
func (o *service) talk(a, b string) (caller, callee *plugintest.Client) {
	o.t.Helper()
	caller, callee = o.user(a), o.user(b)
	dial(o.t, caller, b)
	hears(o.t, callee, told(`"event":"incomingcall","username":"`+a+`"`)+" offer"+offered)
	expect(o.t, callee, `{"request":"accept"}`, answer(callee), reply(accepted))
	hears(o.t, caller, told(`"event":"accepted","username":"`+b+`"`)+" answer"+offered)
	caller.Notices()
	callee.Notices()
	return caller, callee
}

// answer is how a client answers the offer that it has.
func answer(x *plugintest.Client) *plugin.JSEP {
	j := x.Answer()
	j.SDP.Type = sdp.TypeAnswer
	return j
}

func TestRequests(t *testing.T) {
	fail := func(code, text string) string {
		return `t {"videocall":"event","error_code":` + code + `,"error":"` + text + `"}`
	}
	for _, tt := range []struct{ body, want string }{
		{`{"request":"list"}`, reply(`"list":["alice","bob"]`)},
		{`{"request":"LIST"}`, reply(`"list":["alice","bob"]`)},
		{`{}`, fail("475", "Missing mandatory element (request)")},
		{`{"request":7}`, fail("474", "Invalid element type (request should be a string)")},
		{`{"request":"nosuch"}`, fail("472", "Unknown request (nosuch)")},
		{`{"request":"register"}`, fail("475", "Missing mandatory element (username)")},
		{`{"request":"register","username":5}`, fail("474", "Invalid element type (username should be a string)")},
		{`{"request":"register","username":"me"}`, fail("477", "Already registered (alice)")},
		{`{"request":"register","username":"` + strings.Repeat("x", 257) + `"}`, fail("474", "Invalid element (username has more than 256 bytes)")},
		{`{"request":"call"}`, fail("475", "Missing mandatory element (username)")},
		{`{"request":"call","username":null}`, fail("474", "Invalid element type (username should be a string)")},
		{`{"request":"call","username":"carol"}`, fail("478", "Username 'carol' doesn't exist")},
		{`{"request":"call","username":"alice"}`, fail("479", "You can't call yourself... use the EchoTest for that")},
		{`{"request":"call","username":"bob"}`, fail("482", "Missing SDP")},
		{`{"request":"accept"}`, fail("481", "No incoming call to accept")},
		{`{"request":"hangup"}`, reply(`"event":"hangup","username":"alice","reason":"Explicit hangup"`)},
		{`{"request":"hangup","reason":7}`, reply(`"event":"hangup","username":"alice","reason":"Explicit hangup"`)},
		{`{"request":"set"}`, reply(`"event":"set"`)},
		{`{"request":"set","audio":false,"bitrate":64000,"filename":"x","record":false,"restart":true}`, reply(`"event":"set"`)},
		{`{"request":"set","audio":"x"}`, fail("474", "Invalid element type (audio should be a boolean)")},
		{`{"request":"set","bitrate":-1}`, fail("474", "Invalid element type (bitrate should be a positive integer)")},
		{`{"request":"set","substream":3}`, fail("474", "Invalid value (substream should be 0, 1 or 2)")},
		{`{"request":"set","temporal":9}`, fail("474", "Invalid value (temporal should be 0, 1 or 2)")},
		{`{"request":"set","record":true,"filename":"/dev/null/x"}`, reply(`"event":"set"`)}, // there is nothing to record
		{`{"request":"set","record":1}`, fail("474", "Invalid element type (record should be a boolean)")},
	} {
		o := newService(t)
		alice := o.user("alice")
		o.user("bob")
		expect(t, alice, tt.body, nil, tt.want)
	}
}

func TestNames(t *testing.T) {
	o := newService(t)
	alice := o.user("alice")
	other := o.Attach(plugintest.Options{})
	expect(t, other, `{"request":"register","username":"alice"}`, nil,
		`t {"videocall":"event","error_code":476,"error":"Username 'alice' already taken"}`)
	expect(t, other, `{"request":"call","username":"alice"}`, offer(),
		"t {\"videocall\":\"event\",\"error_code\":473,\"error\":\"Register a username first\"}\n[hangup] Close PC")
	alice.Detach()
	expect(t, other, `{"request":"list"}`, nil, reply(`"list":[]`))
	expect(t, other, `{"request":"register","username":"alice"}`, nil, reply(`"event":"registered","username":"alice"`))
	expect(t, other, `{"request":"list"}`, nil, reply(`"list":["alice"]`))
}

func TestFailedSetChangesNothing(t *testing.T) {
	o := newService(t)
	a, _ := o.talk("alice", "bob")
	before := a.Query()
	a.Send(`{"request":"set","audio":false,"substream":3}`, nil)
	a.Send(`{"request":"set","audio":false,"record":1}`, nil)
	if after := a.Query(); after != before || len(a.Notices()) != 0 {
		t.Errorf("before %s, after %s", before, after)
	}
}

func TestEventHandlers(t *testing.T) {
	o := newService(t)
	check := func(x *plugintest.Client, want string) {
		t.Helper()
		if got := strings.Join(x.Notices(), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	a := o.Attach(plugintest.Options{})
	a.Send(`{"request":"register","username":"alice"}`, nil)
	check(a, `{"event":"registered","username":"alice"}`)
	b, c := o.user("bob"), o.user("carol")
	dial(t, a, "bob")
	check(a, `{"event":"calling"}`)
	expect(t, c, `{"request":"call","username":"bob"}`, offer(),
		reply(`"event":"hangup","username":"carol","reason":"User busy"`)+"\n[hangup] Close PC")
	check(c, `{"event":"hangup","reason":"User busy"}`)
	b.Send(`{"request":"accept"}`, answer(b))
	check(b, `{"event":"accepted"}`)
	a.Send(`{"request":"set","video":false,"bitrate":5}`, nil)
	check(a, `{"event":"configured","audio_active":true,"video_active":false,"bitrate":5}`)
	b.Send(`{"request":"hangup"}`, nil)
	check(b, `{"event":"hangup","reason":"Explicit hangup"}`)
	check(a, `{"event":"hangup","reason":"Remote hangup"}`)
}
