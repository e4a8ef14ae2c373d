package streaming

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ourjson "bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// stage is a Host that keeps what is pushed. Its peer connection has no other
// side.
type stage struct {
	t      testing.TB
	engine *sfu.Engine

	mu      sync.Mutex
	peer    *sfu.Peer
	pushed  []string
	jseps   []*plugin.JSEP
	notices []string
	closed  int
}

func (d *stage) Push(tx string, data []byte, j *plugin.JSEP) error {
	if !json.Valid(data) {
		d.t.Errorf("pushed %s", data)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.TrimSpace(tx + " " + string(data))
	if j != nil {
		d.jseps = append(d.jseps, j)
		if d.peer == nil {
			var err error
			if d.peer, err = d.engine.NewPeer(sfu.PeerConfig{}, deaf{}); err != nil {
				return err
			}
		}
		text += " " + j.SDP.Type.String()
	}
	d.pushed = append(d.pushed, text)
	return nil
}

func (d *stage) Notify(data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notices = append(d.notices, string(data))
}

func (d *stage) ClosePeer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
}

func (d *stage) Peer() *sfu.Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peer
}

// hangup ends the peer connection of a handle.
func (d *stage) hangup(h *handle) {
	d.mu.Lock()
	if d.peer != nil {
		d.peer.Close("Close PC")
	}
	d.peer = nil
	d.mu.Unlock()
	h.Hangup("Close PC")
}

func (d *stage) Run(f func())      { f() }
func (d *stage) Up() bool          { return true }
func (d *stage) HandleID() uint64  { return 1 }
func (d *stage) SessionID() uint64 { return 1 }
func (d *stage) OpaqueID() string  { return "" }
func (d *stage) Token() string     { return "" }
func (d *stage) End()              {}

func (d *stage) Tell(_ string, data []byte) { d.Push("", data, nil) }

func (d *stage) Reserve() plugin.Place { return plugin.Nobody{}.Reserve() }

// deaf hears nothing.
type deaf struct{}

func (deaf) PeerEvent(sfu.Event)                   {}
func (deaf) PeerData(string, string, bool, []byte) {}

func (d *stage) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.Join(d.pushed, "\n")
	d.pushed = nil
	return text
}

// taken takes what was pushed up to an event; false if that was not.
func (d *stage) taken(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, text := range d.pushed {
		if strings.Contains(text, event) {
			d.pushed = d.pushed[i+1:]
			return true
		}
	}
	return false
}

// backstage is the Gateway.
type backstage struct {
	engine *sfu.Engine

	log    logbook
	breaks atomic.Pointer[string] // events that bring about a panic contain it
}

// logbook is a log that can be read while others write.
type logbook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (b *backstage) Engine() *sfu.Engine                   { return b.engine }
func (b *backstage) Notifying() bool                       { return true }
func (b *backstage) SignedTokens() bool                    { return false }
func (b *backstage) SignedFor(string, string, string) bool { return false }
func (b *backstage) Logger() *slog.Logger                  { return slog.New(slog.NewTextHandler(&b.log, nil)) }

func (b *backstage) Notify(_ string, data []byte) { breakIf(&b.breaks, data) }

// breakIf panics if there is a text and the data has it.
func breakIf(text *atomic.Pointer[string], data []byte) {
	if t := text.Load(); t != nil && strings.Contains(string(data), *t) {
		panic("test")
	}
}

// theatre is a plugin without clients.
type theatre struct {
	t      testing.TB
	folder string
	gw     *backstage
	plugin *Plugin
	h      *handle
	host   *stage
}

// newTheatre starts the plugin with a configuration file; "" is none.
func newTheatre(t testing.TB, file string) *theatre {
	t.Helper()
	engine, err := sfu.New(sfu.Config{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	th := &theatre{t: t, folder: t.TempDir(), gw: &backstage{engine: engine}}
	if file != "" {
		th.write("janus.plugin.streaming.jcfg", file)
	}
	th.start()
	t.Cleanup(func() { th.plugin.Close() })
	return th
}

func (th *theatre) write(name, text string) {
	th.t.Helper()
	if err := os.WriteFile(filepath.Join(th.folder, name), []byte(text), 0o600); err != nil {
		th.t.Fatal(err)
	}
}

// start starts the plugin, instead of the one that is running.
func (th *theatre) start() {
	th.t.Helper()
	if th.plugin != nil {
		th.plugin.Close()
	}
	th.plugin = New(Config{Folder: th.folder})
	if err := th.plugin.Start(th.gw); err != nil {
		th.t.Fatal(err)
	}
	th.host = &stage{t: th.t, engine: th.gw.engine}
	th.h = newHandle(th.plugin, th.host)
}

func parsed(t testing.TB, text string) *ourjson.Value {
	t.Helper()
	d, err := ourjson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return d.Root()
}

// ask sends a request and returns its answer, or the event that it ends in.
// What is in the folder is named FOLDER, and ages are 0.
func (th *theatre) ask(body string) string {
	th.t.Helper()
	return th.askWith(body, nil)
}

func (th *theatre) askWith(body string, j *plugin.JSEP) string {
	th.t.Helper()
	body = strings.ReplaceAll(body, "FOLDER", th.folder)
	res := th.h.Message(&plugin.Request{Body: parsed(th.t, body), JSEP: j})
	text := string(res.Data)
	if res.Run != nil {
		res.Run()
		text = th.host.take()
	}
	text = ages.ReplaceAllString(text, `"age_ms":0`)
	return strings.ReplaceAll(text, th.folder, "FOLDER")
}

// want expects an answer to a request.
func (th *theatre) want(body, want string) {
	th.t.Helper()
	if got := th.ask(body); got != want {
		th.t.Errorf("%s\n got %s\nwant %s", body, got, want)
	}
}

// fails expects an error.
func (th *theatre) fails(body string, code int) {
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
func (th *theatre) answer() *plugin.JSEP {
	th.host.mu.Lock()
	defer th.host.mu.Unlock()
	d := sdp.Answer(th.host.jseps[len(th.host.jseps)-1].SDP, sdp.AnswerOptions{})
	return &plugin.JSEP{SDP: d}
}

// mountpoint is a mountpoint of the plugin, nil if there is none.
func (th *theatre) mountpoint(id string) *mountpoint {
	m, _ := th.plugin.mountpoints.Get(id)
	return m
}

// lastJSEP is the gist of the last description that was pushed.
func (th *theatre) lastJSEP() string {
	th.t.Helper()
	th.host.mu.Lock()
	defer th.host.mu.Unlock()
	if len(th.host.jseps) == 0 {
		return ""
	}
	return outline(th.host.jseps[len(th.host.jseps)-1].SDP)
}

// file makes a file of audio in the folder: n pieces of 20 ms, and some bytes.
func (th *theatre) file(name string, n, extra int) {
	th.t.Helper()
	b := make([]byte, 160*n+extra)
	for i := range b {
		b[i] = byte(i / 160)
	}
	th.write(name, string(b))
}
