package nosip

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	bjson "bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
)

// FuzzRequests has two clients send requests, with or without descriptions. {0} and {1} stand for the descriptions that the plugin has
// made for them last.
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
		gone := [2]bool{}
		for _, line := range strings.SplitN(text, "\n", 20) {
			if len(line) < 2 {
				continue
			}
			i := int(line[0]) % 2
			x := clients[i]
			if gone[i] {
				continue
			}
			var j *plugin.JSEP
			switch line[1] {
			case 'o', 'u':
				j = offer()
				j.Update = line[1] == 'u'
			case 'a':
				j = x.Answer()
			case 'h':
				x.Hangup()
			case 'd':
				x.Detach()
				gone[i] = true
				continue
			}
			body := strings.NewReplacer("{0}", made[0], "{1}", made[1]).Replace(line[2:])
			if harmful(body) {
				continue
			}
			x.Message("t", body, j)
			core.Settle()
			for _, e := range x.Events() {
				if sdp, is := e.Field("result", "sdp").(string); is {
					quoted, _ := json.Marshal(sdp)
					made[i] = strings.Trim(string(quoted), `"`)
				}
			}
			x.Query()
		}
	})
}

// harmful tells whether a request is no object, has a file made somewhere, or asks for names of hosts.
func harmful(body string) bool {
	d, err := bjson.Parse([]byte(body))
	if err != nil {
		return true
	}
	d.Release()
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
