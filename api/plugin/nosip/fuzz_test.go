package nosip

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// FuzzRequests has two clients send requests, with or without descriptions. {0} and {1} stand for the descriptions
// that the plugin has made for them last.
func FuzzRequests(f *testing.F) {
	const process = `{"request":"process","type":"%s","sdp":"%s"}`
	f.Add("0o {\"request\":\"generate\"}\n1n " + fmt.Sprintf(process, "offer", "{0}") + "\n1a {\"request\":\"generate\"}\n0n " + fmt.Sprintf(process, "answer", "{1}") +
		"\n0n {\"request\":\"recording\",\"action\":\"start\",\"video\":true}\n0h")
	f.Add("0o {\"request\":\"generate\",\"srtp\":\"sdes_mandatory\"}\n1n " + fmt.Sprintf(process, "offer", "{0}") + "\n1n " + fmt.Sprintf(process, "answer", "{0}") +
		"\n1a {\"request\":\"generate\",\"srtp\":\"sdes_mandatory\"}\n0u {\"request\":\"generate\"}\n0n {\"request\":\"hangup\"}")
	f.Add("0n {\"request\":\"rtp_forward\",\"streams\":[{\"type\":\"peer_audio\",\"host\":\"127.0.0.1\",\"port\":5002,\"ssrc\":1}]}\n0n {\"request\":\"listforwarders\"}\n" +
		"0n {\"request\":\"stop_rtp_forward\",\"stream_id\":1}\n0n {\"request\":\"keyframe\",\"user\":true,\"peer\":true}\n0n " + fmt.Sprintf(process, "offer", plainAudio))
	f.Add("0n " + fmt.Sprintf(process, "offer", secure) + "\n0o {\"request\":\"generate\"}\n0a {\"request\":\"generate\"}\n0d")
	f.Fuzz(func(t *testing.T, text string) {
		t.Chdir(t.TempDir()) // for recordings without a name
		_, core := start(t, "")
		clients := []*plugintest.Client{core.Attach(plugintest.Options{}), core.Attach(plugintest.Options{})}
		made := [2]string{}
		monkey := plugintest.Monkey{Core: core, Clients: clients,
			Offer: offer,
			Body: func(_ int, body string) (string, bool) {
				body = strings.NewReplacer("{0}", made[0], "{1}", made[1]).Replace(body)
				return body, !harmful(body)
			},
			After: func(i int) {
				for _, e := range clients[i].Events() {
					if sdp, is := e.Field("result", "sdp").(string); is {
						quoted, _ := json.Marshal(sdp)
						made[i] = strings.Trim(string(quoted), `"`)
					}
				}
			}}
		monkey.Do(text)
	})
}

// harmful reports whether a request has a file made somewhere, or asks for names of hosts.
func harmful(body string) bool {
	var fields map[string]any
	if json.Unmarshal([]byte(body), &fields) != nil || fields["filename"] != nil {
		return true
	}
	if text, is := fields["sdp"].(string); is {
		for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
			if strings.HasPrefix(line, "c=") && !strings.Contains(line, " IP4 127.0.0.1") && !strings.Contains(line, " IP4 0.0.0.0") {
				return true
			}
		}
	}
	return strings.Contains(strings.ToLower(body), "host") && !strings.Contains(body, `"127.0.0.1"`)
}
