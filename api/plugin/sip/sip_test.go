package sip

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// exchange is a plugin with telephones that call each other by their names at the plugin's own port.
type exchange struct {
	*plugintest.Core
	t      testing.TB
	plugin *Plugin
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	waittest.NoLeaks(t)
	folder := t.TempDir()
	text := "general: {\n local_ip = \"127.0.0.1\"\n keepalive_interval = 0\n}\n"
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New(folder)
	return &exchange{plugintest.New(t, p, plugintest.Config{Engine: sfu.Config{Shards: 2}}), t, p}
}

// uri is how somebody is called.
func (x *exchange) uri(name string) string {
	x.plugin.opening.Lock()
	defer x.plugin.opening.Unlock()
	return fmt.Sprintf("sip:%s@%s", name, x.plugin.endpoint.Addrs()[0])
}

// idle waits until nothing of SIP is left but so many accounts.
func (x *exchange) idle(accounts int) {
	x.t.Helper()
	waittest.Until(x.t, "calls are forgotten", func() bool {
		s := x.plugin.endpoint.Stats()
		return s.Calls == 0 && s.Dialogs == 0 && s.Accounts == accounts
	})
}

// guest makes a described client with an account that is not registered anywhere.
func (x *exchange) guest(name string) *plugintest.Client {
	c := x.Attach(plugintest.Options{})
	x.enrol(c, name)
	return c
}

func (x *exchange) enrol(c *plugintest.Client, name string) {
	x.t.Helper()
	e := c.Ask(`{"request":"register","type":"guest","username":"sip:`+name+`@127.0.0.1","display_name":"`+name+` B."}`, nil)
	if e.Field("result", "event") != "registered" || e.Field("result", "username") != name {
		x.t.Fatalf("%s is not registered: %s", name, e)
	}
}

// volatile is what differs each time.
var volatile = []struct{ re, with string }{
	{`"unique_id":"[0-9a-f-]{36}"`, `"unique_id":"U"`},
	{`"call_id":"[^"]+"`, `"call_id":"C"`},
	{`"master_id":\d+`, `"master_id":1`},
	{`127\.0\.0\.1:\d+`, `here`},
}

func normal(text string) string {
	for _, x := range volatile {
		text = regexp.MustCompile(x.re).ReplaceAllString(text, x.with)
	}
	return text
}

func offer() *plugin.JSEP {
	return plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Audio, Codec: sdp.Opus, Direction: sdp.SendRecv})
}

// event waits for an event of the plugin, and returns its normalised data.
func event(c *plugintest.Client, name string) string {
	return normal(c.Await(name, func(e plugintest.Event) bool { return e.Field("result", "event") == name }).Data)
}

func TestErrors(t *testing.T) {
	x := newExchange(t)
	c := x.Attach(plugintest.Options{})
	guest := x.guest("gustav")
	data := &plugin.JSEP{SDP: &sdp.Description{Type: sdp.TypeOffer, Sections: []sdp.Section{{Kind: sdp.Application, Port: 9}}}}
	hidden := offer()
	hidden.E2EE = true
	const register = `{"request":"register","username":"sip:a@127.0.0.1"`
	for _, test := range []struct {
		client *plugintest.Client
		body   string
		jsep   *plugin.JSEP
		code   int
	}{
		{c, `{}`, nil, 443},
		{c, `{"request":1}`, nil, 444},
		{c, `{"request":"dance"}`, nil, 442},
		{c, `{"request":"register"}`, nil, 443},
		{c, `{"request":"register","username":"alice"}`, nil, 446},
		{c, `{"request":"register","username":"sips:a@127.0.0.1","secret":"x"}`, nil, 446},
		{c, `{"request":"register","username":null}`, nil, 444},
		{c, register + `}`, nil, 443},
		{c, register + `,"secret":"x","ha1_secret":"y"}`, nil, 444},
		{c, register + `,"secret":"x","proxy":"x"}`, nil, 446},
		{c, register + `,"secret":"x","outbound_proxy":"x"}`, nil, 446},
		{c, register + `,"secret":"x","force_udp":true,"force_tcp":true}`, nil, 444},
		{c, register + `,"type":"guest","send_register":true}`, nil, 444},
		{c, register + `,"type":"helper"}`, nil, 443},
		{c, register + `,"type":"helper","master_id":17}`, nil, 453},
		{c, register + `,"secret":"x","headers":{"X":"` + strings.Repeat("x", 2048) + `"}}`, nil, 444},
		{c, `{"request":"unregister"}`, nil, 447},
		{c, `{"request":"call","uri":"sip:b@127.0.0.1"}`, offer(), 447},
		{c, `{"request":"subscribe","event":"presence"}`, nil, 447},
		{c, `{"request":"unsubscribe","event":"presence"}`, nil, 447},
		{c, `{"request":"message","content":"x","uri":"sip:b@127.0.0.1"}`, nil, 447},
		{guest, `{"request":"unregister"}`, nil, 447},
		{guest, `{"request":"call"}`, offer(), 443},
		{guest, `{"request":"call","uri":"b"}`, offer(), 446},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1"}`, nil, 448},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1"}`, data, 448},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1"}`, hidden, 444},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1","srtp":"yes"}`, offer(), 444},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1","srtp":"sdes_optional","srtp_profile":"x"}`, offer(), 444},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1","secret":"x","ha1_secret":"y"}`, offer(), 444},
		{guest, `{"request":"call","uri":"sip:b@127.0.0.1","refer_id":1}`, offer(), 447},
		{guest, `{"request":"message","content":"x","uri":"b"}`, nil, 446},
		{guest, `{"request":"subscribe","event":"x","to":"b"}`, nil, 446},
		{guest, `{"request":"accept"}`, nil, 447},
		{guest, `{"request":"progress"}`, nil, 447},
		{guest, `{"request":"decline","refer_id":3}`, nil, 447},
		{guest, `{"request":"update"}`, nil, 447},
		{guest, `{"request":"transfer","uri":"sip:b@127.0.0.1"}`, nil, 447},
		{guest, `{"request":"info","type":"a","content":"b"}`, nil, 447},
		{guest, `{"request":"message","content":"x"}`, nil, 447},
		{guest, `{"request":"dtmf_info","digit":"1"}`, nil, 447},
		{guest, `{"request":"send_ringing"}`, nil, 447},
		{guest, `{"request":"keyframe"}`, nil, 447},
		{guest, `{"request":"recording","action":"start"}`, nil, 447},
		{guest, `{"request":"rtp_forward","streams":[{}]}`, nil, 447},
		{guest, `{"request":"stop_rtp_forward","stream_id":1}`, nil, 455},
	} {
		e := test.client.Ask(test.body, test.jsep)
		if e.Field("error_code") != float64(test.code) || e.Field("error") == "" || e.Field("call_id") != nil {
			t.Errorf("%s gives %s, not %d", test.body, e, test.code)
		}
	}
	for _, name := range []string{"decline", "hangup", "hold", "unhold"} { // say nothing without a call
		if got := guest.Send(`{"request":"`+name+`"}`, nil); got != "" {
			t.Errorf("%s gives %s", name, got)
		}
	}
	x.idle(1)
}

// A call from somebody who hangs up, with all that is told of it on both sides.
func TestCall(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.guest("alice"), x.guest("bob")
	want := `{"sip":"event","result":{"event":"calling","call_id":"C"},"call_id":"C"}`
	if e := alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer()); normal(e.Data) != want {
		t.Errorf("calling gives %s", e)
	}
	want = `{"sip":"event","result":{"event":"incomingcall","username":"sip:alice@127.0.0.1","call_id":"C","displayname":"\"alice B.\"","callee":"sip:bob@here"},"call_id":"C"}`
	if got := event(bob, "incomingcall"); got != want {
		t.Errorf("bob is told %s", got)
	}
	if got := event(alice, "ringing"); got != `{"sip":"event","result":{"event":"ringing"},"call_id":"C"}` {
		t.Errorf("alice is told %s", got)
	}
	event(alice, "proceeding")
	if q := bob.Query(); !strings.Contains(q, `"call_status":"invited","callee":"sip:alice@127.0.0.1"`) {
		t.Errorf("bob is %s", q)
	}

	// Whoever else calls hears that they are busy.
	carol := x.guest("carol")
	carol.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "missed_call")
	if got := event(carol, "hangup"); got != `{"sip":"event","result":{"event":"hangup","code":486,"reason":"Busy Here"},"call_id":"C"}` {
		t.Errorf("carol is told %s", got)
	}
	waittest.Until(t, "carol's connection is closed", func() bool { return carol.Closed() == 1 })

	if e := bob.Ask(`{"request":"accept"}`, nil); e.Field("error_code") != 448.0 || e.Field("call_id") == nil {
		t.Errorf("accept without an answer gives %s", e)
	}
	if e := bob.Ask(`{"request":"accept"}`, bob.Answer()); e.Field("result", "event") != "accepted" {
		t.Errorf("accept gives %s", e)
	}
	e := alice.Await("accepted", func(e plugintest.Event) bool { return e.Field("result", "event") == "accepted" })
	if e.Transaction != plugintest.Transaction || e.JSEP == nil || normal(e.Data) != `{"sip":"event","result":{"event":"accepted","username":"sip:bob@here"},"call_id":"C"}` {
		t.Errorf("alice is told %s", e)
	}
	if e := alice.Ask(`{"request":"call","uri":"sip:c@127.0.0.1"}`, offer()); e.Field("error_code") != 447.0 {
		t.Errorf("a second call gives %s", e)
	}

	for _, test := range []struct{ body, event, told string }{
		{`{"request":"dtmf_info","digit":"5","duration":300}`, "dtmfsent",
			`{"event":"info","sender":"sip:alice@127.0.0.1","displayname":"\"alice B.\"","type":"application/dtmf-relay","content":"Signal=5\r\nDuration=300"}`},
		{`{"request":"info","type":"text/x","content":"y"}`, "infosent",
			`{"event":"info","sender":"sip:alice@127.0.0.1","displayname":"\"alice B.\"","type":"text/x","content":"y"}`},
		{`{"request":"message","content":"hi"}`, "messagesent",
			`{"event":"message","sender":"sip:alice@127.0.0.1","displayname":"\"alice B.\"","content":"hi","content_type":"text/plain"}`},
	} {
		if e := alice.Ask(test.body, nil); e.Field("result", "event") != test.event {
			t.Errorf("%s gives %s", test.body, e)
		}
		name := strings.Split(test.told, `"`)[3]
		if got, want := event(bob, name), `{"sip":"event","result":`+test.told+`,"call_id":"C"}`; got != want {
			t.Errorf("bob is told %s, not %s", got, want)
		}
	}
	if got := event(alice, "messagedelivery"); got != `{"sip":"event","result":{"event":"messagedelivery","code":200,"reason":"OK"},"call_id":"C"}` {
		t.Errorf("alice is told %s", got)
	}
	if e := alice.Ask(`{"request":"dtmf_info","digit":"12"}`, nil); e.Field("error_code") != 444.0 {
		t.Errorf("two digits give %s", e)
	}

	if e := bob.Ask(`{"request":"hangup"}`, nil); e.Field("result", "event") != "hangingup" {
		t.Errorf("hangup gives %s", e)
	}
	if got := event(bob, "hangup"); got != `{"sip":"event","result":{"event":"hangup","code":200,"reason":"to BYE"},"call_id":"C"}` {
		t.Errorf("bob is told %s", got)
	}
	if got := event(alice, "hangup"); got != `{"sip":"event","result":{"event":"hangup","code":200,"reason":"Session Terminated"},"call_id":"C"}` {
		t.Errorf("alice is told %s", got)
	}
	x.idle(3)
}

// Calls that do not come to be: who is called refuses, who calls gives up, and who is called is gone.
func TestNoCall(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.guest("alice"), x.guest("bob")
	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "incomingcall")
	if e := bob.Ask(`{"request":"decline","code":480}`, nil); normal(e.Data) != `{"sip":"event","result":{"event":"declining","code":480,"call_id":"C"},"call_id":"C"}` {
		t.Errorf("decline gives %s", e)
	}
	event(bob, "hangup")
	if got := event(alice, "hangup"); !strings.Contains(got, `"code":480`) {
		t.Errorf("alice is told %s", got)
	}

	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "incomingcall")
	event(alice, "proceeding")
	if e := alice.Ask(`{"request":"hangup"}`, nil); e.Field("result", "event") != "hangingup" {
		t.Errorf("hangup gives %s", e)
	}
	for _, c := range []*plugintest.Client{alice, bob} {
		if got := event(c, "hangup"); !strings.Contains(got, `"code":487`) {
			t.Errorf("the end is told by %s", got)
		}
	}

	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "incomingcall")
	bob.Detach()
	if got := event(alice, "hangup"); !strings.Contains(got, `"code":480`) {
		t.Errorf("alice is told %s", got)
	}
	x.idle(1)
}

// A helper takes the call that its master has no hand free for, and goes with it.
func TestHelper(t *testing.T) {
	x := newExchange(t)
	alice, bob, carol := x.guest("alice"), x.guest("bob"), x.guest("carol")
	id := bob.Ask(`{"request":"register","type":"guest","username":"sip:bob@127.0.0.1"}`, nil).Field("result", "master_id")
	helper := x.Attach(plugintest.Options{})
	e := helper.Ask(fmt.Sprintf(`{"request":"register","type":"helper","username":"x","master_id":%.0f}`, id), nil)
	if normal(e.Data) != `{"sip":"event","result":{"event":"registered","username":"bob","register_sent":false,"helper":true,"master_id":1,"unique_id":"U"}}` {
		t.Errorf("a helper is told %s", e)
	}
	if e := helper.Ask(`{"request":"register","type":"guest","username":"sip:x@127.0.0.1"}`, nil); e.Field("error_code") != 453.0 {
		t.Errorf("a helper that registers is told %s", e)
	}
	if q := bob.Query(); !strings.Contains(q, `"helpers":1`) {
		t.Errorf("the master is %s", q)
	}
	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "incomingcall")
	carol.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(helper, "incomingcall")
	bob.Detach()
	helper.Await("detached", func(e plugintest.Event) bool { return e.Kind == "detached" })
	event(carol, "hangup")
	event(alice, "hangup")
	x.idle(2)
}

// Bob has alice call carol in his place.
func TestTransfer(t *testing.T) {
	x := newExchange(t)
	alice, bob, carol := x.guest("alice"), x.guest("bob"), x.guest("carol")
	talk(x, alice, bob, "bob")
	if e := bob.Ask(`{"request":"transfer","uri":"`+x.uri("carol")+`","replace":"no-such-call"}`, nil); e.Field("error_code") != 454.0 {
		t.Errorf("an unknown call to replace gives %s", e)
	}
	if e := bob.Ask(`{"request":"transfer","uri":"`+x.uri("carol")+`"}`, nil); e.Field("result", "event") != "transferring" {
		t.Errorf("transfer gives %s", e)
	}
	e := alice.Await("transfer", func(e plugintest.Event) bool { return e.Field("result", "event") == "transfer" })
	if e.Field("result", "refer_to") != x.uri("carol") || e.Field("result", "referred_by") == nil {
		t.Errorf("alice is told %s", e)
	}
	refer := e.Field("result", "refer_id")
	alice.Ask(`{"request":"hangup"}`, nil)
	event(alice, "hangup")
	alice.Ask(fmt.Sprintf(`{"request":"call","uri":"%s","refer_id":%.0f}`, x.uri("carol"), refer), offer())
	if got := event(carol, "incomingcall"); !strings.Contains(got, `"referred_by":"`) {
		t.Errorf("carol is told %s", got)
	}
	carol.Ask(`{"request":"accept"}`, carol.Answer())
	event(alice, "accepted")
	alice.Ask(`{"request":"hangup"}`, nil)
	event(carol, "hangup")
	event(alice, "hangup")
	x.idle(3)
}

// A handle whose call goes on follows a transfer by a helper, as the demo page does, or refuses it there; others cannot.
func TestTransferByHelper(t *testing.T) {
	x := newExchange(t)
	alice, bob, carol := x.guest("alice"), x.guest("bob"), x.guest("carol")
	id := alice.Ask(`{"request":"register","type":"guest","username":"sip:alice@127.0.0.1"}`, nil).Field("result", "master_id")
	helper := x.Attach(plugintest.Options{})
	helper.Ask(fmt.Sprintf(`{"request":"register","type":"helper","username":"x","master_id":%.0f}`, id), nil)
	talk(x, alice, bob, "bob")
	refer := func() any {
		bob.Ask(`{"request":"transfer","uri":"`+x.uri("carol")+`"}`, nil)
		e := alice.Await("transfer", func(e plugintest.Event) bool { return e.Field("result", "event") == "transfer" })
		return e.Field("result", "refer_id")
	}
	n := refer()
	if e := carol.Ask(fmt.Sprintf(`{"request":"decline","refer_id":%.0f}`, n), nil); e.Field("error_code") != 447.0 {
		t.Errorf("somebody else's transfer is declined: %s", e)
	}
	if e := helper.Ask(fmt.Sprintf(`{"request":"call","uri":"%s","refer_id":%.0f}`, x.uri("carol"), n), offer()); e.Field("result", "event") != "calling" {
		t.Errorf("call by a helper gives %s", e)
	}
	if got := event(carol, "incomingcall"); !strings.Contains(got, `"referred_by":"`) {
		t.Errorf("carol is told %s", got)
	}
	carol.Ask(`{"request":"accept"}`, carol.Answer())
	event(helper, "accepted")
	notified := func(code string) {
		bob.Await(code+" by NOTIFY", func(e plugintest.Event) bool {
			content, _ := e.Field("result", "content").(string)
			return strings.HasPrefix(content, "SIP/2.0 "+code)
		})
	}
	notified("200")
	n = refer()
	for _, code := range []any{nil, 447.0} {
		if e := helper.Ask(fmt.Sprintf(`{"request":"decline","refer_id":%.0f}`, n), nil); e.Field("error_code") != code {
			t.Errorf("decline by a helper gives %s", e)
		}
	}
	notified("603")
	alice.Detach()
	event(carol, "hangup")
	event(bob, "hangup")
	x.idle(2)
}

// talk has one call another, who accepts.
func talk(x *exchange, from, to *plugintest.Client, name string) {
	x.t.Helper()
	from.Ask(`{"request":"call","uri":"`+x.uri(name)+`"}`, offer())
	event(to, "incomingcall")
	to.Ask(`{"request":"accept"}`, to.Answer())
	event(from, "accepted")
}

// A hold that is asked for while an offer is under way follows when that is settled, the latest of several; an update is refused.
// The other side, whose client is asked, takes its time.
func TestHoldInTurn(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.guest("alice"), x.guest("bob")
	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, offer())
	event(bob, "incomingcall")
	bob.Ask(`{"request":"accept","autoaccept_reinvites":false}`, bob.Answer())
	event(alice, "accepted")
	ask := func(body, want string) {
		t.Helper()
		if e := alice.Ask(body, nil); e.Field("result", "event") != want {
			t.Errorf("%s gives %s", body, e)
		}
	}
	answers := func(direction string) {
		t.Helper()
		e := bob.Await("updatingcall", func(e plugintest.Event) bool { return e.Field("result", "event") == "updatingcall" })
		if got := e.JSEP.SDP.Sections[0].Direction.String(); got != direction {
			t.Errorf("bob is offered %s, not %s", got, direction)
		}
		j := bob.Answer()
		j.Update = true
		if e := bob.Ask(`{"request":"update"}`, j); e.Field("result", "event") != "updated" {
			t.Errorf("update gives %s", e)
		}
	}
	ask(`{"request":"hold"}`, "holding")
	ask(`{"request":"unhold"}`, "resuming")
	ask(`{"request":"hold","direction":"inactive"}`, "holding")
	j := offer()
	j.Update = true
	if e := alice.Ask(`{"request":"update"}`, j); e.Field("error_code") != 447.0 {
		t.Errorf("an update during another offer gives %s", e)
	}
	answers("sendonly")
	answers("inactive")
	ask(`{"request":"unhold"}`, "resuming")
	answers("sendrecv")
	alice.Ask(`{"request":"hangup"}`, nil)
	event(bob, "hangup")
	event(alice, "hangup")
	x.idle(2)
}

// Media goes both ways by plain RTP, and by SRTP; it is held, and flows again.
func TestMedia(t *testing.T) {
	for _, srtp := range []string{"", `,"srtp":"sdes_mandatory"`} {
		t.Run("srtp"+srtp, func(t *testing.T) {
			x := newExchange(t)
			alice, bob := x.Connect(plugintest.Options{}), x.Connect(plugintest.Options{})
			x.enrol(alice, "alice")
			x.enrol(bob, "bob")
			a, b := webrtctest.NewPeer(t, webrtctest.Options{}), webrtctest.NewPeer(t, webrtctest.Options{})
			alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"`+srtp+`}`, alice.Remote("offer", a.Offer(nil)))
			e := bob.AwaitText("incomingcall")
			bob.Ask(`{"request":"accept"}`, bob.Remote("answer", b.Answer(e.SDP)))
			a.Accept(alice.AwaitText(`"accepted"`).SDP)
			a.AwaitConnected()
			b.AwaitConnected()
			pace := webrtctest.Pace{Packets: 2, Every: waittest.Patience / 2000}
			defer a.KeepPlaying(pace)()
			defer b.KeepPlaying(pace)()
			a.Heard.AwaitMore(t, "bob's voice")
			a.Seen.AwaitMore(t, "bob's picture")
			b.Heard.AwaitMore(t, "alice's voice")
			b.Seen.AwaitMore(t, "alice's picture")

			if e := alice.Ask(`{"request":"hold","direction":"recvonly"}`, nil); e.Field("result", "event") != "holding" {
				t.Errorf("hold gives %s", e)
			}
			waittest.Until(t, "the hold is in force", func() bool {
				n := b.Heard.Count()
				a.Heard.AwaitMore(t, "bob's voice during the hold")
				return b.Heard.Count() == n
			})
			if e := alice.Ask(`{"request":"unhold"}`, nil); e.Field("result", "event") != "resuming" {
				t.Errorf("unhold gives %s", e)
			}
			b.Heard.AwaitMore(t, "alice's voice again")

			alice.Hangup()
			alice.AwaitText("hangingup")
			bob.AwaitText(`"hangup"`)
			x.idle(2)
		})
	}
}

// FuzzRequests has two telephones send requests in any order.
func FuzzRequests(f *testing.F) {
	f.Add("0o {\"request\":\"call\",\"uri\":\"{uri}\"}\n1a {\"request\":\"accept\"}\n0n {\"request\":\"hold\"}\n0n {\"request\":\"unhold\"}\n1n {\"request\":\"hangup\"}")
	f.Add("1o {\"request\":\"call\",\"uri\":\"{uri}\",\"srtp\":\"sdes_optional\"}\n0n {\"request\":\"decline\",\"code\":700}\n0n {\"request\":\"reset\"}")
	f.Add("0n {\"request\":\"message\",\"content\":\"x\",\"uri\":\"{uri}\",\"headers\":{\"X-A\":\"b\\r\\nVia: c\"}}\n0n {\"request\":\"subscribe\",\"event\":\"presence\",\"to\":\"{uri}\"}")
	f.Add("0n {\"request\":\"register\",\"username\":\"sip:x@127.0.0.1\",\"secret\":\"y\",\"send_register\":false,\"incoming_header_prefixes\":[\"X\",1]}")
	f.Add("0o {\"request\":\"call\",\"uri\":\"{uri}\"}\n1a {\"request\":\"progress\"}\n0n {\"request\":\"transfer\",\"uri\":\"{uri}\"}\n1a {\"request\":\"accept\"}\n0h\n1d")
	f.Fuzz(func(t *testing.T, text string) {
		x := newExchange(t)
		monkey := plugintest.Monkey{Core: x.Core, Clients: []*plugintest.Client{x.guest("alice"), x.guest("bob")}, Offer: offer,
			Body: func(i int, body string) (string, bool) {
				body = strings.ReplaceAll(body, "{uri}", x.uri([]string{"bob", "alice"}[i]))
				// No files, and no hosts elsewhere.
				return body, !strings.Contains(body, "filename") && !strings.Contains(body, "recording") &&
					strings.Count(body, "sip:") == strings.Count(body, "127.0.0.1")
			}}
		monkey.Do(text)
	})
}
