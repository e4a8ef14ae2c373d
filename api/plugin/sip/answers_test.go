package sip

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/sfu/webrtctest"
)

// ok sends a request, and checks that it is answered with an event.
func (b *browser) ok(t testing.TB, body, event string) plugintest.Event {
	t.Helper()
	e := b.Ask(body, nil)
	if e.Field("result", "event") != event {
		t.Fatalf("%s gives %s", body, e)
	}
	return e
}

// talk has two browsers talk to each other.
func (x *exchange) talk(names ...string) (alice, bob *browser) {
	x.t.Helper()
	alice, bob = x.browser(names[0]), x.browser(names[1])
	alice.Ask(`{"request":"call","uri":"`+x.uri(names[1])+`","autoaccept_reinvites":false}`, alice.Remote("offer", alice.peer.Offer(nil)))
	e := bob.AwaitText("incomingcall")
	bob.Ask(`{"request":"accept","autoaccept_reinvites":false}`, bob.Remote("answer", bob.peer.Answer(e.SDP)))
	alice.peer.Accept(alice.AwaitText(`"accepted"`).SDP)
	alice.peer.AwaitConnected()
	bob.peer.AwaitConnected()
	x.t.Cleanup(alice.peer.KeepPlaying(pace))
	x.t.Cleanup(bob.peer.KeepPlaying(pace))
	return alice, bob
}

// Early media: who is called describes its side before it answers, and the caller has that answer once.
func TestProgress(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.browser("alice"), x.browser("bob")
	alice.Ask(`{"request":"call","uri":"`+x.uri("bob")+`"}`, alice.Remote("offer", alice.peer.Offer(nil)))
	answer := bob.peer.Answer(bob.AwaitText("incomingcall").SDP)
	e := bob.Ask(`{"request":"progress","headers":{"X-A":"b"}}`, bob.Remote("answer", answer))
	if normal(e.Data) != `{"sip":"event","result":{"event":"progressed"},"call_id":"C"}` {
		t.Errorf("progress gives %s", e)
	}
	e = alice.AwaitText(`"progress"`)
	if e.Transaction != plugintest.Transaction || normal(e.Data) != `{"sip":"event","result":{"event":"progress","username":"sip:bob@here"},"call_id":"C"}` {
		t.Errorf("alice is told %s", e)
	}
	if e := bob.Ask(`{"request":"progress"}`, nil); e.Field("error_code") != 447.0 {
		t.Errorf("another progress gives %s", e)
	}
	alice.peer.Accept(e.SDP)
	alice.peer.AwaitConnected()
	defer bob.peer.KeepPlaying(pace)()
	alice.peer.Heard.AwaitMore(t, "bob's voice before he answers")
	if q := bob.Query(); !strings.Contains(q, `"call_status":"progress"`) {
		t.Errorf("bob is %s", q)
	}
	if e := bob.Ask(`{"request":"send_ringing"}`, nil); normal(e.Data) != `{"sip":"event","call_id":"C"}` {
		t.Errorf("send_ringing gives %s", e)
	}
	if e := bob.Ask(`{"request":"accept"}`, bob.Remote("answer", answer)); e.Field("result", "event") != "accepted" {
		t.Errorf("accept gives %s", e)
	}
	if e := alice.AwaitText(`"accepted"`); e.JSEP != nil || e.Transaction != plugintest.Transaction {
		t.Errorf("alice is told %s", e)
	}
	alice.peer.Heard.AwaitMore(t, "bob's voice")
}

// An update of one side is one of the other, which answers it; it may refuse, and both go on.
func TestUpdate(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.talk("alice", "bob")
	bob.peer.Seen.AwaitMore(t, "alice's picture")
	for _, way := range []struct {
		from, to    *browser
		transaction string // of what the other side is told: that of its call
	}{{alice, bob, ""}, {bob, alice, plugintest.Transaction}} {
		from, to := way.from, way.to
		j := from.Remote("offer", from.peer.Offer(nil))
		j.Update = false
		if e := from.Ask(`{"request":"update"}`, j); e.Field("error_code") != 448.0 {
			t.Errorf("update without that flag gives %s", e)
		}
		j.Update = true
		if e := from.Ask(`{"request":"update"}`, j); normal(e.Data) != `{"sip":"event","result":{"event":"updating"},"call_id":"C"}` {
			t.Errorf("update gives %s", e)
		}
		e := to.AwaitText(`"updatingcall"`)
		if e.JSEP == nil || e.Transaction != way.transaction || e.Field("result", "username") == nil || e.Field("result", "callee") == nil || e.Field("result", "call_id") == nil {
			t.Errorf("the other side is told %s", e)
		}
		if q := to.Query(); !strings.Contains(q, `"call_status":"incall_reinvited"`) {
			t.Errorf("the other side is %s", q)
		}
		j = to.Remote("answer", to.peer.Answer(e.SDP))
		j.Update = true
		if e := to.Ask(`{"request":"update"}`, j); normal(e.Data) != `{"sip":"event","result":{"event":"updated"},"call_id":"C"}` {
			t.Errorf("the answer gives %s", e)
		}
		e = from.Await("the answer", func(e plugintest.Event) bool { return e.JSEP != nil && e.Field("result", "event") == "accepted" })
		from.peer.Accept(e.SDP)
		bob.peer.Seen.AwaitMore(t, "alice's picture")
		alice.peer.Seen.AwaitMore(t, "bob's picture")
	}
	if n := len(bob.Notices()); n == 0 {
		t.Error("event handlers hear nothing")
	}
}

// All four streams of a call are recorded, and sent on.
func TestStreams(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.talk("alice", "bob")
	bob.peer.Seen.AwaitMore(t, "alice's picture")
	base := filepath.Join(t.TempDir(), "rec")
	const all = `"audio":true,"video":true,"peer_audio":true,"peer_video":true`
	alice.ok(t, `{"request":"recording","action":"start",`+all+`,"filename":"`+base+`"}`, "recordingupdated")
	if q := alice.Query(); !strings.Contains(q, `"recording":{"audio":"rec-user-audio.mjr","video":"rec-user-video.mjr","audio-peer":"rec-peer-audio.mjr","video-peer":"rec-peer-video.mjr"}`) {
		t.Errorf("administrators see %s", q)
	}
	alice.ok(t, `{"request":"recording","action":"pause",`+all+`}`, "recordingupdated")
	alice.ok(t, `{"request":"recording","action":"resume",`+all+`}`, "recordingupdated")
	var streams []string
	ends := map[string]*webrtctest.Plain{}
	for _, kind := range []string{"audio", "video", "peer_audio", "peer_video"} {
		ends[kind] = webrtctest.NewPlain(t)
		streams = append(streams, fmt.Sprintf(`{"type":"%s","host":"127.0.0.1","port":%d,"ssrc":%d}`, kind, ends[kind].Port, len(streams)+1))
	}
	e := alice.ok(t, `{"request":"rtp_forward","streams":[`+strings.Join(streams, ",")+`]}`, "rtp_forward")
	list := e.Field("result", "forwarders").([]any)
	for kind, end := range ends {
		end.Heard.AwaitMore(t, kind)
	}
	if e := alice.ok(t, `{"request":"listforwarders"}`, "forwarders"); len(e.Field("result", "rtp_forwarders").([]any)) != 4 || len(list) != 4 {
		t.Errorf("there are %s", e)
	}
	id := list[0].(map[string]any)["stream_id"].(float64)
	if e := alice.ok(t, fmt.Sprintf(`{"request":"stop_rtp_forward","stream_id":%.0f}`, id), "stop_rtp_forward"); e.Field("result", "stream_id") != id {
		t.Errorf("stopping gives %s", e)
	}
	ends["audio"].Heard.Still(t, "no more of the audio")
	ends["peer_audio"].Heard.AwaitMore(t, "bob's voice goes on")
	alice.ok(t, `{"request":"keyframe","user":true,"peer":true}`, "keyframesent")
	files := map[string]string{"user-audio": "opus", "user-video": "vp8", "peer-audio": "opus", "peer-video": "vp8"}
	for name := range files {
		mjrtest.AwaitGrown(t, base+"-"+name+".mjr")
	}
	alice.ok(t, `{"request":"recording","action":"stop","audio":true}`, "recordingupdated")
	bob.ok(t, `{"request":"hangup"}`, "hangingup")
	alice.AwaitText(`"hangup"`)
	if e := alice.ok(t, `{"request":"listforwarders"}`, "forwarders"); len(e.Field("result", "rtp_forwarders").([]any)) != 0 {
		t.Errorf("after the call there are %s", e)
	}
	for kind, end := range ends {
		end.Heard.Still(t, "no more of "+kind)
	}
	for name, codec := range files {
		if h, frames := mjrtest.Read(t, base+"-"+name+".mjr"); h.Codec != codec || len(frames) < 3 {
			t.Errorf("%s has %d frames of %s", name, len(frames), h.Codec)
		}
	}
	x.idle(2)
}

// News are asked for, come, and are asked for no more; what is refused is told, too.
func TestSubscriptions(t *testing.T) {
	x := newExchange(t)
	alice, p := x.guest("alice"), x.phone()
	e := alice.Ask(`{"request":"subscribe","event":"message-summary","to":"sip:vm@`+p.Addr+`","accept":"a/b","subscribe_ttl":100,"call_id":"subs","headers":{"X-A":"b"},"content":"x","content_type":"c/d"}`, nil)
	if e.Data != `{"sip":"event","result":{"event":"subscribing","call_id":"subs"}}` {
		t.Errorf("subscribe gives %s", e)
	}
	m := p.Next("SUBSCRIBE")
	if m.Get("Event") != "message-summary" || m.Get("Expires") != "100" || m.Get("Accept") != "a/b" || m.Get("X-A") != "b" || m.Body != "x" || m.Get("Content-Type") != "c/d" || m.Get("Call-ID") != "subs" {
		t.Errorf("it is %s", m.Raw)
	}
	contact := "Contact: <sip:vm@" + p.Addr + ">"
	p.Reply(m, "200 OK", contact, "Expires: 90")
	if e := alice.AwaitText("subscribe_succeeded"); e.Data != `{"sip":"event","result":{"event":"subscribe_succeeded","code":200,"expires":90,"reason":"OK"},"call_id":"subs"}` {
		t.Errorf("alice is told %s", e)
	}
	notify := func(seq int, state string, more ...string) {
		t.Helper()
		p.Request(fmt.Sprint("z9hG4bKn", seq), "NOTIFY", m.Contact(), m.Get("To")+";tag="+p.Tag, m.Get("From"), "subs", seq,
			append([]string{"Event: message-summary", "Subscription-State: " + state}, more...)...)
		p.Next("SIP/2.0 200")
	}
	notify(1, "active")
	notify(2, "active;expires=90", "Content-Type: application/simple-message-summary", "", "Messages-Waiting: yes")
	want := `{"sip":"event","result":{"event":"notify","notify":"message-summary","substate":"active","content-type":"application/simple-message-summary","content":"Messages-Waiting: yes"},"call_id":"subs"}`
	if e := alice.AwaitText(`"notify"`); e.Data != want {
		t.Errorf("alice is told %s", e)
	}
	if e := alice.Ask(`{"request":"unsubscribe","event":"message-summary","to":"sip:vm@`+p.Addr+`"}`, nil); e.Field("result", "event") != "unsubscribing" {
		t.Errorf("unsubscribe gives %s", e)
	}
	end := p.Next("SUBSCRIBE")
	if end.Get("Expires") != "0" || end.Get("Call-ID") != "subs" {
		t.Errorf("it is %s", end.Raw)
	}
	p.Reply(end, "200 OK", contact, "Expires: 0")
	notify(3, "terminated")

	alice.Ask(`{"request":"subscribe","event":"presence","to":"sip:bob@`+p.Addr+`"}`, nil)
	p.Reply(p.Next("SUBSCRIBE"), "489 Bad Event")
	e = alice.AwaitText("subscribe_failed")
	if normal(e.Data) != `{"sip":"event","result":{"event":"subscribe_failed","code":489,"reason":"Bad Event"},"call_id":"C"}` {
		t.Errorf("alice is told %s", e)
	}
}

// A text to somebody, with its outcome; and one from there.
func TestTexts(t *testing.T) {
	x := newExchange(t)
	alice, p := x.guest("alice"), x.phone()
	for code, status := range map[int]string{200: "200 OK", 404: "404 Not Found"} {
		id := fmt.Sprint("text", code)
		e := alice.Ask(`{"request":"message","content":"hi","content_type":"text/x","uri":"sip:bob@`+p.Addr+`","call_id":"`+id+`","headers":{"X-A":"b"}}`, nil)
		if e.Data != `{"sip":"event","result":{"event":"messagesent","call_id":"`+id+`"}}` {
			t.Errorf("message gives %s", e)
		}
		m := p.Next("MESSAGE sip:bob@")
		if m.Body != "hi" || m.Get("Content-Type") != "text/x" || m.Get("X-A") != "b" {
			t.Errorf("it is %s", m.Raw)
		}
		p.Reply(m, status)
		want := fmt.Sprintf(`{"sip":"event","result":{"event":"messagedelivery","code":%d,"reason":"%s"},"call_id":"%s"}`, code, status[4:], id)
		if e := alice.AwaitText("messagedelivery"); e.Data != want {
			t.Errorf("alice is told %s", e)
		}
	}
	p.Request("z9hG4bKt", "MESSAGE", "sip:alice@"+p.To.String(), `"Bob" <sip:bob@x>;tag=t`, "<sip:alice@x>", "text", 1, "Content-Type: text/plain", "", "hello")
	p.Next("SIP/2.0 200")
	want := `{"sip":"event","result":{"event":"message","sender":"sip:bob@x","displayname":"\"Bob\"","content":"hello","content_type":"text/plain"}}`
	if e := alice.AwaitText(`"message"`); e.Data != want {
		t.Errorf("alice is told %s", e)
	}
}
