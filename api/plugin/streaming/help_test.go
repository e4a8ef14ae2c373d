package streaming

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
	"bifrons/sfu"
)

// rig is a plugin with a client.
type rig struct {
	t      testing.TB
	folder string
	core   *plugintest.Core
	plugin *Plugin
	h      *handle
	host   *plugintest.Client
	breaks atomic.Pointer[string] // events for event handlers that bring about a panic contain it
}

// newRig starts the plugin with a configuration file; "" is none.
func newRig(t testing.TB, file string) *rig {
	t.Helper()
	th := &rig{t: t, folder: t.TempDir()}
	if file != "" {
		th.write("janus.plugin.streaming.jcfg", file)
	}
	th.start()
	return th
}

// breakIf panics if there is a text and the data has it.
func breakIf(text *atomic.Pointer[string], data string) {
	if t := text.Load(); t != nil && strings.Contains(data, *t) {
		panic("test")
	}
}

func (th *rig) write(name, text string) {
	th.t.Helper()
	if err := os.WriteFile(filepath.Join(th.folder, name), []byte(text), 0o600); err != nil {
		th.t.Fatal(err)
	}
}

// start starts the plugin, instead of the one that is running.
func (th *rig) start() {
	th.t.Helper()
	th.plugin = New(th.folder)
	if th.core == nil {
		th.core = plugintest.New(th.t, th.plugin, plugintest.Config{
			Engine: sfu.Config{Shards: 2}, Notified: func(data string) { breakIf(&th.breaks, data) },
		})
	} else {
		th.core.Replace(th.plugin)
	}
	th.host, th.h = th.attach(nil)
}

// attach makes another client, with a Host of its own if host is not nil.
func (th *rig) attach(host func(x *plugintest.Client) plugin.Host) (*plugintest.Client, *handle) {
	th.t.Helper()
	c := th.core.Attach(plugintest.Options{Deaf: true, Slow: true, Host: host})
	return c, c.Handle.(*handle)
}

// ask sends a request and returns its answer, or the event that it ends in.
// What is in the folder is named FOLDER, and ages are 0.
func (th *rig) ask(body string) string {
	th.t.Helper()
	return th.askWith(body, nil)
}

func (th *rig) askWith(body string, j *plugin.JSEP) string {
	th.t.Helper()
	body = strings.ReplaceAll(body, "FOLDER", th.folder)
	th.take()
	res := th.host.Message("", body, j)
	text := string(res.Data)
	if res.Run != nil {
		text = th.take()
	}
	text = ages.ReplaceAllString(text, `"age_ms":0`)
	return strings.ReplaceAll(text, th.folder, "FOLDER")
}

// take takes the plugin's events: their data, and the types of descriptions.
func (th *rig) take() string {
	th.t.Helper()
	th.host.Settle()
	var lines []string
	for _, e := range th.host.Events() {
		if e.JSEP != nil {
			e.Data += " " + e.JSEP.SDP.Type.String()
		}
		if e.Kind == "" {
			lines = append(lines, e.Data)
		}
	}
	return strings.Join(lines, "\n")
}

// want expects an answer to a request.
func (th *rig) want(body, want string) {
	th.t.Helper()
	if got := th.ask(body); got != want {
		th.t.Errorf("%s\n got %s\nwant %s", body, got, want)
	}
}

// fails expects an error.
func (th *rig) fails(body string, code int) {
	th.t.Helper()
	want := fmt.Sprintf(`{"streaming":"event","error_code":%d,`, code)
	if got := th.ask(body); !strings.HasPrefix(got, want) {
		th.t.Errorf("%s\n got %s\nwant %s", body, got, want)
	}
}

// outline is the gist of a description.
func outline(d *sdp.Description) string {
	parts := []string{d.Type.String(), d.Name, fmt.Sprint(d.Origin.Version)}
	for i := range d.Sections {
		s := &d.Sections[i]
		p := fmt.Sprintf("%s:%s %s", s.MID, s.Kind, s.Direction)
		for k := range s.Codecs {
			c := &s.Codecs[k]
			p += fmt.Sprintf(" %s/%d", c.RTPMap(), c.PT)
			if c.Fmtp != "" {
				p += "{" + c.Fmtp + "}"
			}
		}
		var ids []string
		for _, x := range s.Extensions {
			ids = append(ids, fmt.Sprint(x.ID))
		}
		slices.Sort(ids)
		if len(ids) > 0 {
			p += " ext " + strings.Join(ids, ",")
		}
		if s.Stream != "" {
			p += " msid " + s.Stream + " " + s.Track
		}
		if s.Rejected() {
			p += " rejected"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, "; ")
}

// answer is a client's answer to the last offer.
func (th *rig) answer() *plugin.JSEP {
	list := th.host.JSEPs()
	return &plugin.JSEP{SDP: sdp.Answer(list[len(list)-1].SDP, sdp.AnswerOptions{})}
}

// mountpoint is a mountpoint of the plugin, nil if there is none.
func (th *rig) mountpoint(id string) *mountpoint {
	m, _ := th.plugin.mountpoints.Get(id)
	return m
}

// lastJSEP is the gist of the last description that was pushed.
func (th *rig) lastJSEP() string {
	list := th.host.JSEPs()
	if len(list) == 0 {
		return ""
	}
	return outline(list[len(list)-1].SDP)
}

// file makes a file of audio in the folder: n pieces of 20 ms, and some bytes.
func (th *rig) file(name string, n, extra int) {
	th.t.Helper()
	b := make([]byte, 160*n+extra)
	for i := range b {
		b[i] = byte(i / 160)
	}
	th.write(name, string(b))
}
