package script

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// language is one whose scripts are tests.
type language struct {
	mu    sync.Mutex
	code  map[string]func(args []Value) ([]Value, error)
	calls []string // of functions with their arguments
	last  *interp  // that was made last
	fails error    // of the next script that is run
	bulk  []byte   // that the script holds
}

// interp is an Interpreter of it.
type interp struct {
	l    *language
	set  Setup
	stop chan struct{}
	why  error
	mu   sync.Mutex
}

const testPackage = "janus.plugin.test"

// newLanguage makes one with a script that has the functions that it must have.
func newLanguage() *language {
	l := &language{code: make(map[string]func([]Value) ([]Value, error))}
	for _, c := range callbacks {
		if c.required {
			l.code[c.name] = func([]Value) ([]Value, error) { return nil, nil }
		}
	}
	return l
}

func (l *language) language() Language {
	return Language{
		Info:    module.Info{Package: testPackage, Name: "Test", Version: 1},
		New:     func(s Setup) Interpreter { return l.make(s) },
		Compile: func(path string) error { return l.fails },
		Failure: "Test error",
		Outcome: func(out []Value, err error) Outcome {
			if err != nil {
				return Outcome{Failure: err.Error()}
			}
			return Outcome{Data: text(out)}
		},
	}
}

func (l *language) make(s Setup) *interp {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = &interp{l: l, set: s, stop: make(chan struct{})}
	return l.last
}

func (x *interp) Run() error {
	err := x.l.fails
	return err
}

func (x *interp) Has(name string) bool {
	x.l.mu.Lock()
	defer x.l.mu.Unlock()
	return x.l.code[name] != nil
}

func (x *interp) Call(name string, args []Value) ([]Value, error) {
	x.l.mu.Lock()
	f := x.l.code[name]
	words := []string{name}
	for _, a := range args {
		if b, ok := a.(Bytes); ok {
			a = b.Data
		}
		words = append(words, fmt.Sprint(a))
	}
	x.l.calls = append(x.l.calls, strings.Join(words, " "))
	x.l.mu.Unlock()
	if f == nil {
		return nil, errors.New("there is no such function")
	}
	return f(args)
}

func (x *interp) Interrupt(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.why == nil {
		x.why = why
		close(x.stop)
	}
}

func (x *interp) Resume() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.why != nil {
		x.why, x.stop = nil, make(chan struct{})
	}
}

// hang is a script that loops until it is interrupted.
func (x *interp) hang() error {
	x.mu.Lock()
	stop := x.stop
	x.mu.Unlock()
	<-stop
	x.mu.Lock()
	defer x.mu.Unlock()
	return fmt.Errorf("script:7: %w", x.why)
}

func (x *interp) Memory() []any { return []any{&x.l.bulk} }
func (x *interp) Close()        {}

// on gives the script a function.
func (l *language) on(name string, f func(args []Value) ([]Value, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.code[name] = f
}

// returns gives it one that returns values.
func (l *language) returns(name string, v ...Value) {
	l.on(name, func([]Value) ([]Value, error) { return v, nil })
}

// called takes the calls so far, without ids.
func (b *bench) called() []string {
	b.t.Helper()
	b.settle()
	b.l.mu.Lock()
	defer b.l.mu.Unlock()
	list := b.l.calls
	b.l.calls = nil
	return list
}

// bench is the plugin with a script.
type bench struct {
	t    *testing.T
	l    *language
	p    *Plugin
	core *plugintest.Core
}

// start starts the plugin; more are further lines of the category general.
func start(t *testing.T, l *language, more string) *bench {
	t.Helper()
	return startWith(t, l, more, plugintest.Config{})
}

func startWith(t *testing.T, l *language, more string, cfg plugintest.Config) *bench {
	t.Helper()
	folder := t.TempDir()
	text := "general: {\n script = \"/the/script\"\n" + more + "\n}\n"
	if err := os.WriteFile(filepath.Join(folder, testPackage+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, l: l, p: New(folder, l.language())}
	b.core = plugintest.New(t, b.p, cfg)
	return b
}

// settle waits until neither clients nor the script have anything left to do.
func (b *bench) settle() {
	b.t.Helper()
	b.core.Settle()
	if !b.p.ask(plugintest.Patience, func(*run) {}) {
		b.t.Fatal("the script hangs")
	}
	b.core.Settle()
}

// do has the script call a function.
func (b *bench) do(name string, args ...Value) (v Value, err error) {
	b.t.Helper()
	b.p.ask(plugintest.Patience, func(r *run) {
		i := slices.IndexFunc(b.p.functions, func(f Function) bool { return f.Name == name })
		if i < 0 {
			b.t.Errorf("there is no function %s", name)
			return
		}
		v, err = r.invoke(&b.p.functions[i], args)
	})
	b.settle()
	return v, err
}

// ok is do for what works.
func (b *bench) ok(name string, args ...Value) Value {
	b.t.Helper()
	v, err := b.do(name, args...)
	if err != nil {
		b.t.Errorf("%s%v: %v", name, args, err)
	}
	return v
}

// attach makes a session, and tells its id.
func (b *bench) attach() (*plugintest.Client, float64) {
	b.t.Helper()
	return b.attachWith(plugintest.Options{})
}

func (b *bench) attachWith(o plugintest.Options) (*plugintest.Client, float64) {
	b.t.Helper()
	c := b.core.Attach(o)
	return c, float64(c.Handle.(*handle).id)
}

const offerText = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sctp-port:5000\r\n"

func offer(t *testing.T) *plugin.JSEP {
	t.Helper()
	d, err := sdp.Parse(offerText)
	if err != nil {
		t.Fatal(err)
	}
	d = d.Anonymise()
	d.Type = sdp.TypeOffer
	return &plugin.JSEP{SDP: d}
}

func TestStartCallsInit(t *testing.T) {
	l := newLanguage()
	b := start(t, l, `config = "x=1"`)
	if got := b.called(); !slices.Equal(got, []string{"init x=1"}) {
		t.Errorf("called %v", got)
	}
	b = start(t, newLanguage(), "")
	if got := b.called(); !slices.Equal(got, []string{"init <nil>"}) {
		t.Errorf("without the setting: %v", got)
	}
}

// The script says what the plugin is called.
func TestIdentity(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	if i := b.p.Info(); i != l.language().Info {
		t.Errorf("without functions: %+v", i)
	}
	l = newLanguage()
	l.returns("getVersion", float64(12))
	l.returns("getVersionString", "0.0.12")
	l.returns("getPackage", "janus.plugin.other")
	l.returns("getName", float64(7)) // nonsense
	b = start(t, l, "")
	want := module.Info{Package: "janus.plugin.other", Name: "Test", Version: 12, VersionString: "0.0.12"}
	if i := b.p.Info(); i != want {
		t.Errorf("got %+v", i)
	}
}

// A script that is missing, throws or lacks a function is no reason not to start.
func TestNotLoaded(t *testing.T) {
	for name, spoil := range map[string]func(l *language){
		"throws":         func(l *language) { l.fails = errors.New("script:3: unexpected symbol") },
		"lacks":          func(l *language) { delete(l.code, "setupMedia") },
		"init throws":    func(l *language) { l.on("init", func([]Value) ([]Value, error) { return nil, errors.New("no") }) },
		"init panics":    func(l *language) { l.on("init", func([]Value) ([]Value, error) { panic("no") }) },
		"init hangs":     func(l *language) { l.on("init", func([]Value) ([]Value, error) { return nil, l.last.hang() }) },
		"no destroy":     func(l *language) { delete(l.code, "destroy") },
		"nothing at all": func(l *language) { clear(l.code) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLanguage()
			spoil(l)
			folder := t.TempDir()
			text := "general: { script = \"/the/script\", time_limit = 100 }"
			if err := os.WriteFile(filepath.Join(folder, testPackage+".jcfg"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			core := start(t, newLanguage(), "").core
			if err := New(folder, l.language()).Start(core); !errors.Is(err, plugin.ErrNotSetUp) {
				t.Errorf("got %v", err)
			}
			core.AwaitLog("script not loaded")
			if strings.Contains(core.Log(), "stack=") {
				t.Errorf("a panic of ours: %s", core.Log())
			}
		})
	}
	core := start(t, newLanguage(), "").core
	if err := New(t.TempDir(), newLanguage().language()).Start(core); !errors.Is(err, plugin.ErrNotSetUp) {
		t.Errorf("without a file: %v", err)
	}
}
