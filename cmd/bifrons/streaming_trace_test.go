package main

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// exchange is one recorded HTTP request with its response.
type exchange struct {
	Request struct {
		Method, Path string
		Body         message
	}
	Response struct{ Body message }
}

// TestTraceStreaming2017 replays a page of 2017 that listens to a file, with an
// answerer that knows nothing but PCMU. Its attach and watch are not in the
// recording.
func TestTraceStreaming2017(t *testing.T) {
	waittest.NoLeaks(t)
	b, err := os.ReadFile("../../testdata/traces/streaming-http-2017.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct{ Exchanges []exchange }
	if err := json.Unmarshal(b, &recorded); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "music.mulaw")
	if err := os.WriteFile(file, webrtctest.Stamp(make([]byte, 160-webrtctest.StampLen), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(c *config.Config) { c.Folder = t.TempDir() })
	defer nethttp.DefaultTransport.(*nethttp.Transport).CloseIdleConnections()
	r := &replay{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", s.port("http")), ids: map[string]string{}}
	p := pcmuPeer(t)
	for _, x := range recorded.Exchanges {
		kind, _ := x.Response.Body["janus"].(string)
		if x.Request.Method == "OPTIONS" || x.Response.Body == nil {
			continue
		}
		body := x.Request.Body
		switch {
		case body["jsep"] != nil:
			body["jsep"] = message{"type": "answer", "sdp": webrtctest.WithoutLines(p.PC.LocalDescription().SDP, "a=candidate:", "a=end-of-candidates")}
		case body["janus"] == "trickle" && body["candidate"].(map[string]any)["completed"] == nil:
			body["candidate"] = message{"sdpMid": "0", "sdpMLineIndex": 0,
				"candidate": strings.TrimPrefix(lineOf(p.PC.LocalDescription().SDP, "a=candidate:"), "a=")}
		case kind == "hangup":
			waittest.Until(t, "sound comes", func() bool { return p.Heard.Count() > 0 })
			p.Close()
		}
		want := result(x.Response.Body)
		if want["status"] == "stopping" {
			// Today there is nothing to stop after a hangup, and the event
			// answers the request.
			want["status"], x.Response.Body["transaction"] = "idle", "LQsYTBKyAtBv"
		}
		var got message
		if x.Request.Method == "GET" {
			// The connection may be up before the plugin has answered the request.
			got = r.event(x.Request.Path, func(m message) bool { return m["janus"] == kind && result(m)["status"] == want["status"] })
		} else {
			got = r.do(x.Request.Method, x.Request.Path, body)
		}
		if got["janus"] != kind || !slices.Equal(shape(got), shape(x.Response.Body)) {
			t.Fatalf("%s %s %v: got %v, want %v", x.Request.Method, x.Request.Path, body, got, x.Response.Body)
		}
		if have := result(got); have["status"] != want["status"] || got["reason"] != x.Response.Body["reason"] {
			t.Errorf("got %v, want %v", got, x.Response.Body)
		}
		switch {
		case body["janus"] == "create":
			session := fmt.Sprint(got.id())
			r.ids[number(x.Response.Body["data"].(map[string]any)["id"])] = session
			handle := r.do("POST", "/janus/"+session, message{"janus": "attach", "plugin": "janus.plugin.streaming", "transaction": "a"})
			r.ids["8495892224103881"] = fmt.Sprint(handle.id())
			path := fmt.Sprintf("/janus/%s/%d", session, handle.id())
			r.do("POST", path, message{"janus": "message", "transaction": "b", "body": message{
				"request": "create", "type": "ondemand", "id": 1, "filename": file, "audio": true}})
			r.do("POST", path, message{"janus": "message", "transaction": "RWgETkNPzyrP", "body": message{"request": "watch", "id": 1}})
		case got.sdp() != "":
			p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: got.sdp()}))
			answer, err := p.PC.CreateAnswer(nil)
			p.Must(err)
			p.setLocal(answer)
		}
	}
}

// pcmuPeer is a pion peer without any other codec.
func pcmuPeer(t *testing.T) *pionPeer {
	t.Helper()
	return newPionReceiver(t, nil, webrtctest.Options{OnlyPCMU: true})
}
