package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/api/plugin/lua"
	"bifrons/rtp/waittest"
)

// wireScript has a page attach the Lua plugin in place of VideoRoom, and keeps what it sends and
// gets by WebSocket.
const wireScript = `
	window.wire = [];
	window.WebSocket = new Proxy(window.WebSocket, { construct(target, args, self) {
		const ws = Reflect.construct(target, args, self), send = ws.send.bind(ws);
		ws.send = text => {
			text = text.replaceAll('"janus.plugin.videoroom"', '"janus.plugin.lua"');
			wire.push({ Sent: true, Text: text });
			send(text);
		};
		ws.addEventListener("message", e => wire.push({ Sent: false, Text: e.data }));
		return ws;
	} });
`

// wired is a message on a page's WebSocket.
type wired struct {
	Sent bool
	Text string
}

// alike leaves out what differs from one call to the next: ids, names made at random, and what
// descriptions say. It also leaves out messages of which there may be more or fewer: those about
// media, and whether a connection that the page ends ends before its handle.
func alike(messages []wired) (lines []string) {
	detached := make(map[any]bool)
	for _, w := range messages {
		m := message{}
		if err := json.Unmarshal([]byte(w.Text), &m); err != nil {
			return []string{"not JSON: " + w.Text}
		}
		kind, _ := m["janus"].(string)
		if kind == "detach" {
			detached[m["handle_id"]] = true
		}
		if kind == "hangup" && detached[m["sender"]] || slices.Contains([]string{"ack", "trickle", "media", "slowlink", "keepalive"}, kind) {
			continue
		}
		body := m.data()
		if b, ok := m["body"].(map[string]any); ok {
			body = b
		}
		jsep, _ := m["jsep"].(map[string]any)
		text, _ := json.Marshal(anonymous(map[string]any(body))) // came as JSON
		lines = append(lines, fmt.Sprintf("sent %v: %s %s %v", w.Sent, kind, text, jsep["type"]))
	}
	slices.Sort(lines)
	return lines
}

// anonymous is a value without ids and names made at random.
func anonymous(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			v[key] = anonymous(x)
		}
	case []any:
		for i, x := range v {
			v[i] = anonymous(x)
		}
	case float64:
		if v > 1e6 {
			return "id"
		}
	case string:
		if len(v) == 12 && !strings.Contains(v, " ") {
			return "name"
		}
	}
	return v
}

// said waits until the pages are quiet, and returns the messages of each, sorted.
func (c *conference) said() (all [][]string) {
	c.t.Helper()
	var last string
	var since time.Time
	waittest.UntilEvery(c.t, 200*time.Millisecond, browserPatience, "silence", func() bool {
		all = nil
		for _, p := range c.all {
			var l []string
			if !p.gone {
				l = alike(eval[[]wired](p.tab, "wire"))
			}
			all = append(all, l)
		}
		if now := fmt.Sprint(all); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 3*time.Second
	})
	return all
}

// publishOnly joins by the page's buttons, one after the other, as far as a subscription that the script
// does not answer.
func (c *conference) publishOnly() {
	c.t.Helper()
	for i, p := range c.all {
		p.join()
		p.is(`wire.some(w => !w.Sent && JSON.parse(w.Text).janus === "webrtcup")`)
		for _, q := range c.all[:min(2*i, i+1)] { // the first one is alone
			q.is(`wire.some(w => w.Sent && JSON.parse(w.Text).body?.ptype === "subscriber")`)
		}
	}
	c.all[0].click("#unpublish")
	c.all[0].is(`$("#publish").is(":visible")`)
}

// TestBrowserScriptRoomAsJanus: with Debian's videoroom.lua, pages get from this server what they get
// from janus, message by message. Screen sharing works at both; so does a page of ours that asks
// for feeds. At the VideoRoom pages everybody can publish, but their request for no streams is never
// answered.
func TestBrowserScriptRoomAsJanus(t *testing.T) {
	if !soak() {
		t.Skip("set BIFRONS_SOAK for this test")
	}
	settings := scriptRoomSettings(t)
	if _, err := os.Stat("/usr/share/lua/5.3/json.lua"); err != nil && os.Getenv("LUA_PATH") == "" {
		needs(t, "the library that Debian's script loads is not installed: "+err.Error())
	}
	if !inNamespace(t, labSetup, "janus") {
		return
	}
	for _, x := range []struct {
		page, script string
		names        []string
		play         func(*conference)
	}{
		{"videoroomtest.html", roomScript, []string{"anna", "bert"}, (*conference).publishOnly},
		{"mvideoroomtest.html", roomScript, []string{"anna", "bert"}, (*conference).publishOnly},
		{"feedroom.html", "", []string{"anna?name=anna", "bert?name=bert"}, (*conference).meet},
		{"screensharingtest.html", roomScript, []string{"one", "two", "presenter"}, (*conference).shareScreen},
	} {
		t.Run(x.page, func(t *testing.T) {
			said := make(map[string][][]string)
			for _, name := range []string{"janus", "bifrons"} {
				t.Run(name, func(t *testing.T) {
					s := scriptRoomServer(t, func(c *config.Config) { c.Server.NAT.EnforceList = []string{labAddress} })
					from := direct(t, s)
					from.more = wireScript
					if name == "janus" {
						createScriptRoom(runJanus(t, lua.Package, settings))
						from.hosts = append(from.hosts, "EXCLUDE "+labAddress)
						from.api = fmt.Sprintf(`"ws://%s:8188"`, labAddress)
					} else {
						createScriptRoom(dial(t, s))
					}
					c := openPages(t, s, from, x.page, x.script, x.names...)
					x.play(c)
					said[name] = c.said()
				})
			}
			for i, name := range x.names {
				janus, ours := said["janus"], said["bifrons"]
				if len(janus) <= i || len(ours) <= i {
					t.Fatal("not played")
				}
				if !slices.Equal(janus[i], ours[i]) {
					t.Errorf("%s: janus\n%s\nbifrons\n%s", name, strings.Join(janus[i], "\n"), strings.Join(ours[i], "\n"))
				}
				t.Logf("%s: %d messages\n%s", name, len(ours[i]), strings.Join(ours[i], "\n"))
			}
		})
	}
}
