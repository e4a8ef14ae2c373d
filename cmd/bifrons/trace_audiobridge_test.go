package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
)

// TestTraceAudioBridge2021 replays Chrome 89 in the AudioBridge, by WebSocket: what the
// recording's server answered has the same names, and the same kinds. What needs the browser
// of that day to answer, what is about other sessions, and handle_info, which has other names by
// now, is left out.
func TestTraceAudioBridge2021(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) {
		c.Server.NAT.ICELite = true // so that nothing is sent to the addresses in the recording
		c.Folder = t.TempDir()
		file := filepath.Join(c.Folder, "janus.plugin.audiobridge.jcfg")
		if err := os.WriteFile(file, []byte("room-1234: { sampling_rate = 16000 }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	h := dial(t, s).attach("janus.plugin.audiobridge")
	var reply message // to the last request
	var answer, recorded string
	compare := func(got, want message) {
		t.Helper()
		if have, want := named(got), named(want); !slices.Equal(have, want) || got["janus"] == nil {
			t.Errorf("%s has %v, want %v", got["janus"], have, want)
		}
		for _, name := range []string{"audiobridge", "room", "permanent", "result", "error_code", "error"} {
			if have, want := fmt.Sprint(got.data()[name]), fmt.Sprint(want.data()[name]); have != want {
				t.Errorf("%s is %s, want %s", name, have, want)
			}
		}
	}
	for _, m := range readTrace(t, "audiobridge-ws-2021.json").Messages {
		switch kind := m.Body["janus"]; {
		case kind == "message":
			jsep, _ := m.Body["jsep"].(map[string]any)
			reply = h.message(m.Body.at("body"), jsep)
		case kind == "ack" && reply != nil: // of the trickle there was none recorded
			compare(reply, m.Body)
			reply = nil
		case kind == "event":
			got := h.awaitKind("event")
			compare(got, m.Body)
			if j := got.sdp(); j != "" {
				answer, recorded = j, m.Body.sdp()
			}
		case kind == "success" && m.Body.data() != nil:
			if m.Body.data()["error_code"] != nil { // its request was not recorded
				reply = h.message(message{"request": "create", "room": 100}, nil)
			}
			compare(reply, m.Body)
			reply = nil
		}
	}
	compareAnswers(t, answer, recorded)
	if !strings.Contains(answer, "a=fmtp:111 maxplaybackrate=16000; stereo=0; sprop-stereo=0; useinbandfec=1\r\n") || !strings.Contains(answer, "s=AudioBridge 1234\r\n") {
		t.Errorf("the answer:\n%s", answer)
	}
}

// named is the shape of a message without what depends on the transport.
func named(m message) []string {
	return slices.DeleteFunc(shape(m), func(n string) bool { return n == "transaction" || n == "jsep" })
}
