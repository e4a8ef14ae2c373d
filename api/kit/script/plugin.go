package script

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/log"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/task"
)

// Plugin is an application that is a script in some language. Everything of the interpreter
// runs on one executor, one thing at a time; neither that nor anything that waits for it is a
// shard of the engine.
type Plugin struct {
	kit.Plugin[*handle]
	lang      Language
	functions []Function
	info      atomic.Pointer[module.Info]
	stats     stats
	reader    reader
	exec      *task.Serial
	tasks     task.Tasks
	closed    atomic.Bool

	settings atomic.Pointer[settings]
	at       *config.Item // the setting that names the script, nil = there is none

	mu       sync.Mutex
	sessions map[int64]*handle
	run      *run // written with the lock by the executor, which reads it without
}

// New makes a plugin with a folder where its file is.
func New(folder string, lang Language) *Plugin {
	p := &Plugin{lang: lang, functions: lang.table(), sessions: make(map[int64]*handle)}
	p.reader.p = p
	p.info.Store(&lang.Info)
	set := defaults()
	p.settings.Store(&set)
	p.File = kit.File{Folder: folder, Package: lang.Info.Package, General: p.general}
	return p
}

// pkg is the package of the file, which a script may have clients call otherwise.
func (p *Plugin) pkg() string { return p.lang.Info.Package }

// Info describes the plugin, in the words of the script if that has any.
func (p *Plugin) Info() module.Info { return *p.info.Load() }

// general takes the settings.
func (p *Plugin) general(f config.PluginFile) []config.Problem {
	set := defaults()
	problems := f.General(&set)
	p.Events.On = set.Events
	p.settings.Store(&set)
	p.at = nil
	if f.File != nil {
		p.at = f.Category("general").Get("script")
	}
	return problems
}

func (p *Plugin) limit() time.Duration { return p.settings.Load().Time }

// folders are those of the setting path, which semicolons separate.
func folders(path string) (list []string) {
	for f := range strings.SplitSeq(path, ";") {
		if f = strings.TrimSpace(strings.TrimSuffix(f, `\`)); f != "" {
			list = append(list, f)
		}
	}
	return list
}

// Start loads the script. Without one that can be loaded there is no such plugin.
func (p *Plugin) Start(gw plugin.Gateway) error {
	if err := p.Plugin.Start(gw); err != nil {
		return err
	}
	p.newExecutor()
	set := *p.settings.Load()
	if set.Script == "" {
		return fmt.Errorf("%w: there is no script in %s.jcfg", plugin.ErrNotSetUp, p.pkg())
	}
	var r *run
	err := p.wait(func() (err error) {
		if r, err = p.load(set); err == nil {
			p.adopt(r)
			p.describe(r)
		}
		return err
	})
	if err != nil {
		gw.Logger().Error("script not loaded", "plugin", p.pkg(), "script", set.Script, "error", err)
		p.closed.Store(true)
		return fmt.Errorf("%w: its script does not load: %w", plugin.ErrNotSetUp, err)
	}
	gw.Logger().Info("script loaded", "plugin", p.Info().Package, "script", set.Script)
	return nil
}

// wait runs f on the executor and waits for it.
func (p *Plugin) wait(f func() error) (err error) {
	done := make(chan struct{})
	err = errors.New("script: it has panicked")
	p.exec.Must(func() {
		defer close(done)
		err = f()
	})
	<-done
	return err
}

// describe has the plugin called as the script wants it. It belongs to the executor.
func (p *Plugin) describe(r *run) {
	info := p.lang.Info
	for c, to := range map[callback]*string{
		cbGetVersionString: &info.VersionString, cbGetDescription: &info.Description, cbGetName: &info.Name,
		cbGetAuthor: &info.Author, cbGetPackage: &info.Package,
	} {
		if out, _ := r.call(c); text(out) != "" {
			*to = text(out)
		}
	}
	if out, _ := r.call(cbGetVersion); len(out) > 0 {
		if n, ok := toNumber(out[0], false); ok {
			info.Version = int(n.(float64))
		}
	}
	p.info.Store(&info)
}

// adopt has a script take the place of the one before, whose sessions end. It belongs to the
// executor.
func (p *Plugin) adopt(r *run) {
	p.mu.Lock()
	old := p.run
	p.run = r
	var gone []*handle
	for id, h := range p.sessions {
		if h.run != r {
			gone = append(gone, h)
			delete(p.sessions, id)
		}
	}
	p.mu.Unlock()
	for _, h := range gone {
		h.Host.End()
	}
	if old == nil {
		return
	}
	for _, h := range gone {
		_, _ = old.call(cbDestroySession, float64(h.id))
	}
	_, _ = old.call(cbDestroy)
	old.close()
}

// Reload loads the script that the file names now. If that does not load, the one before goes
// on; otherwise the sessions of that are detached.
func (p *Plugin) Reload() (added []string, err error) {
	before := *p.settings.Load()
	file, problems := config.LoadFile(p.File.Folder, p.File.Package)
	if file == nil || config.HasErrors(problems) {
		return nil, fmt.Errorf("configuration file of %s is missing or wrong: %v", p.pkg(), problems)
	}
	set := defaults()
	config.Report(p.Gateway.Logger(), config.PluginFile{File: file}.General(&set))
	if set.Script == "" {
		return nil, fmt.Errorf("there is no script in the configuration file of %s, that of before goes on", p.pkg())
	}
	if err := p.reload(set, "was loaded again"); err != nil {
		return nil, fmt.Errorf("the script of before goes on: %w", err)
	}
	if set.Script != before.Script {
		p.Gateway.Logger().Info("another script runs", "plugin", p.Info().Package, "script", set.Script)
	}
	return []string{filepath.Base(set.Script)}, nil
}

// reload loads a script in place of the one that runs.
func (p *Plugin) reload(set settings, why string) error {
	return p.wait(func() error { return p.replace(set, why) })
}

func (p *Plugin) replace(set settings, why string) error {
	if p.closed.Load() {
		return errors.New("the plugin has ended")
	}
	r, err := p.load(set)
	if err != nil {
		return err
	}
	if out, _ := r.call(cbGetPackage); text(out) != "" && text(out) != p.Info().Package {
		p.Gateway.Logger().Warn("a script's package takes effect at the next start", "plugin", p.Info().Package, "package", text(out))
	}
	p.settings.Store(&set)
	p.adopt(r)
	p.Gateway.Logger().Info("script "+why, "plugin", p.Info().Package, "script", set.Script)
	p.Events.Notify(p.Nobody(), func(w *json.Writer) {
		w.Str("event", "script-loaded")
		w.Str("script", filepath.Base(set.Script))
	})
	return nil
}

// restart ends a script that holds too much memory and loads it again. It belongs to the
// executor.
func (p *Plugin) restart(r *run) {
	if p.run != r {
		return
	}
	err := fmt.Errorf("it holds more than %d MB and is loaded again", r.set.Memory)
	p.stats.restarted.Add(1)
	p.failed("memory", err)
	if err := p.replace(r.set, "was loaded again, as it held too much memory"); err != nil {
		p.failed("memory", fmt.Errorf("it does not load any more: %w", err))
		r.large, r.measured = false, liveHeap() // until it has grown further
	}
}

// Attach makes a session of the script.
func (p *Plugin) Attach(host plugin.Host) (plugin.Handle, error) {
	h := &handle{Handle: kit.Handle{Host: host}, plugin: p}
	h.layers = mline.NewLayers()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return nil, errors.New("the plugin has ended")
	}
	for h.id == 0 || p.sessions[h.id] != nil {
		h.id = int64(rand.Uint32())
	}
	h.run = p.run
	p.sessions[h.id] = h
	h.created()
	return h, nil
}

// Admin answers two requests of ours, and gives all others to the script.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	a := json.Args{Value: request}
	switch a.Str("request") {
	case "reload_script":
		if _, err := p.Reload(); err != nil {
			return failure(err), nil
		}
		return json.Object(func(w *json.Writer) { w.Int("result", 200) }), nil
	case "script_status":
		return p.status(), nil
	}
	message := plainText(request)
	var out []Value
	var err error
	has := true
	asked := p.ask(patience, func(r *run) {
		if has = r.has[cbHandleAdminMessage]; has {
			out, err = r.call(cbHandleAdminMessage, message)
		}
	})
	switch {
	case !asked:
		return failure(ErrBusy), nil
	case !has:
		return []byte("{}"), nil
	case err != nil:
		return failure(err), nil
	}
	data, err := object(text(out))
	if err != nil {
		return failure(fmt.Errorf("the answer of the script: %w", err)), nil
	}
	return data, nil
}

func failure(err error) []byte {
	return json.Object(func(w *json.Writer) { w.Str("error", err.Error()) })
}

// ScriptCounts is how the scripts of the plugin have been doing.
func (p *Plugin) ScriptCounts() plugin.ScriptCounts {
	s := &p.stats
	return plugin.ScriptCounts{Calls: s.calls.Load(), Failed: s.failed.Load(), Stopped: s.stopped.Load(), Restarted: s.restarted.Load()}
}

// status is how the script is doing.
func (p *Plugin) status() []byte {
	p.mu.Lock()
	sessions := len(p.sessions)
	p.mu.Unlock()
	n, s := p.ScriptCounts(), &p.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Object(func(w *json.Writer) {
		w.Str("script", p.settings.Load().Script)
		w.Int("sessions", int64(sessions))
		w.Uint("calls", n.Calls)
		w.Uint("failed", n.Failed)
		w.Uint("stopped", n.Stopped)
		w.Uint("restarted", n.Restarted)
		w.OptStr("last_error", s.last)
	})
}

// Check reads the file, and the script as far as that shows without running it.
func (p *Plugin) Check() (found string, problems []config.Problem) {
	_, problems = p.File.Check()
	set := p.settings.Load()
	if set.Script == "" {
		return "no script", problems
	}
	if err := p.lang.Compile(set.Script); err != nil {
		problems = append(problems, config.Problem{File: p.at.File, Line: p.at.Line, Section: "general", Key: "script",
			Text: err.Error(), Effect: "the plugin is left out", Warning: true})
	}
	return set.Script, problems
}

// Close ends the script. All sessions are gone already.
func (p *Plugin) Close() {
	p.mu.Lock()
	p.closed.Store(true)
	p.mu.Unlock()
	if p.exec == nil {
		return
	}
	p.exec.Must(func() {
		if r := p.run; r != nil {
			_, _ = r.call(cbDestroy)
			r.close()
		}
	})
	for range 100 { // its taps end by themselves, as peer connections have ended
		if p.reader.open.Load() == 0 {
			break
		}
		time.Sleep(lookIn)
	}
	p.tasks.WaitFor(patience)
}

// write takes a line of the script's for the log.
func (p *Plugin) write(level int, text string) {
	p.Gateway.Logger().Log(context.Background(), log.Slog(min(max(level, log.Fatal), log.Debug)), strings.TrimRight(text, "\n"))
}
