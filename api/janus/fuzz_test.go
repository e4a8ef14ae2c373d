package janus

import (
	"sync"
	"testing"
	"time"

	"bifrons/api/plugin/echotest"
)

// sinkhole is a connection that loses its events.
type sinkhole struct{}

func (*sinkhole) Transport() string        { return "janus.transport.test" }
func (*sinkhole) ID() string               { return "1" }
func (*sinkhole) Deliver(uint64, Event)    {}
func (*sinkhole) SessionBound(uint64)      {}
func (*sinkhole) SessionOver(uint64, Over) {}

// FuzzHandle: whatever comes in, there is exactly one answer, a JSON object,
// and nothing is left when the connection is gone. Session 1 and its handle 2
// exist.
func FuzzHandle(f *testing.F) {
	offer := jsepOffer(f)
	for _, s := range []string{
		`{"janus":"info","transaction":"t"}`,
		`{"janus":"create","transaction":"t","id":3}`,
		`{"janus":"attach","transaction":"t","session_id":1,"plugin":"janus.plugin.echotest","opaque_id":"x"}`,
		`{"janus":"message","transaction":"t","session_id":1,"handle_id":2,"body":{"audio":true,"bitrate":5}}`,
		`{"janus":"message","transaction":"t","session_id":1,"handle_id":2,"body":{},"jsep":` + offer + `}`,
		`{"janus":"trickle","transaction":"t","session_id":1,"handle_id":2,"candidate":{"sdpMid":"0","candidate":"candidate:1 1 udp 1 10.0.0.1 9 typ host"}}`,
		`{"janus":"trickle","transaction":"t","session_id":1,"handle_id":2,"candidates":[{"completed":true},1,null]}`,
		`{"janus":"trickle","transaction":"t","session_id":1,"handle_id":2,"candidate":{"sdpMid":"0","candidate":"","usernameFragment":"x"}}`,
		`{"janus":"trickle","transaction":"t","session_id":1,"handle_id":2,"candidates":[{"completed":false},{"completed":null,"sdpMLineIndex":1}]}`,
		`{"janus":"message","transaction":"t","session_id":1,"handle_id":2,"body":{},"jsep":` + firstRejected() + `}`,
		`{"janus":"message","transaction":"t","session_id":1,"handle_id":2,"body":{},"jsep":` +
			string(encode(object{"type": "offer", "sdp": description("", mline("video", "0", ""))})) + `}`,
		`{"janus":"hangup","transaction":"t","session_id":1,"handle_id":2}`,
		`{"janus":"detach","transaction":"t","session_id":1,"handle_id":2}`,
		`{"janus":"destroy","transaction":"t","session_id":1}`,
		`{"janus":"claim","transaction":"t","session_id":1}`,
		`[1]`, `{"janus":{},"transaction":[]}`, `{`,
	} {
		f.Add([]byte(s), false, uint64(0), uint64(0))
		f.Add([]byte(s), true, uint64(1), uint64(2))
	}
	e := newEngine(f)
	f.Fuzz(func(t *testing.T, body []byte, path bool, session, handle uint64) {
		c := New(Config{Engine: e, Logger: quiet(), SessionTimeout: time.Minute})
		if err := c.AddPlugin(echotest.New("")); err != nil {
			t.Fatal(err)
		}
		conn := &sinkhole{}
		c.Handle(conn, Request{Body: []byte(`{"janus":"create","transaction":"t","id":1}`)}, func([]byte) {})
		c.Handle(conn, Request{Body: []byte(`{"janus":"attach","transaction":"t","session_id":1,"plugin":"janus.plugin.echotest"}`)}, func([]byte) {})
		s := c.Session(1)
		s.mu.Lock()
		for id, h := range s.handles {
			delete(s.handles, id)
			h.id = 2
			s.handles[2] = h
		}
		s.mu.Unlock()

		var mu sync.Mutex
		var answers [][]byte
		c.Handle(conn, Request{Body: body, Path: path, Session: session, Handle: handle}, func(msg []byte) {
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, msg)
		})
		c.Gone(conn)
		if n := len(c.Sessions()); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		c.Close()
		if len(answers) != 1 {
			t.Fatalf("%d answers", len(answers))
		}
		if o := decode(t, answers[0]); o["janus"] == nil {
			t.Errorf("answer %s", answers[0])
		}
		if len(c.bound) != 0 || len(c.sessions) != 0 {
			t.Errorf("left over: %v, %v", c.bound, c.sessions)
		}
	})
}

// jsepOffer is an offer as a jsep object in JSON.
func jsepOffer(t testing.TB) string {
	return string(encode(object{"type": "offer", "sdp": loadOffer(t, "chrome_audio")}))
}

// firstRejected is an offer whose first section is out of use.
func firstRejected() string {
	return string(encode(object{"type": "offer", "sdp": description("1 0 x", mline("audio", "0", ""), mline("video", "9", "1", transportOf("abcd")))}))
}
