// Package recordplay is the plugin that records the media of clients, and plays recordings to them.
package recordplay

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/task"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.recordplay"

// Plugin is the Record&Play plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general    // fixed
	folder  string     // fixed; of the recordings, without a link on the way
	tasks   task.Tasks // recordings that are to be finished

	scanning sync.Mutex // held while the folder is read

	// mu guards the recordings and the jobs of handles. Nothing waits under it.
	mu         sync.Mutex
	recordings map[int64]*recording
	used       map[string]int64 // ids by fileKey
}

// general is the category of that name in the file.
type general struct {
	Path     string `cfg:"path"`
	AdminKey string `cfg:"admin_key" guard:"private recordings are shown to nobody, and everybody may have the folder read again"`
	Private  bool   `cfg:"private" guard:"new recordings are listed"`
	Events   bool   `cfg:"events"`
}

// New makes the plugin, with a folder where janus.plugin.recordplay.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{recordings: make(map[int64]*recording), used: make(map[string]int64)}
	p.File = kit.File{Folder: folder, Package: Package, General: p.read}
	p.NewHandle = p.newHandle
	p.Table = newTable()
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS Record&Play plugin", Author: module.Author,
		Description:   "This is a trivial Record&Play plugin for Janus, to record WebRTC sessions and replay them.",
		VersionString: "0.0.5", Version: 5,
	}
}

// read takes the settings from the file.
func (p *Plugin) read(f config.PluginFile) []config.Problem {
	p.general = general{Events: true}
	problems := f.General(&p.general)
	p.Events.On = p.general.Events
	return problems
}

// Start reads the file and the folder. Without a folder there is no plugin.
func (p *Plugin) Start(gw plugin.Gateway) error {
	if err := p.Plugin.Start(gw); err != nil {
		return err
	}
	if p.general.Path == "" {
		return fmt.Errorf("%w: no path for recordings", plugin.ErrNotSetUp)
	}
	if err := p.openFolder(); err != nil {
		gw.Logger().Error("folder for recordings cannot be used", "path", p.general.Path, "error", err)
		return fmt.Errorf("%w: %w", plugin.ErrNotSetUp, err)
	}
	return nil
}

// openFolder makes the folder, if there is none, and reads it.
func (p *Plugin) openFolder() error {
	folder, err := filepath.Abs(p.general.Path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if p.folder, err = filepath.EvalSymlinks(folder); err != nil {
		return err
	}
	return p.scan()
}

// Check reads the file as a start does.
func (p *Plugin) Check() (found string, problems []config.Problem) {
	_, problems = p.File.Check()
	if p.general.Path == "" && !config.HasErrors(problems) {
		return "no path, so the plugin is left out", problems
	}
	return "recordings in " + p.general.Path, problems
}

// Close waits for the recordings that are being finished, unless the disk does not answer.
func (p *Plugin) Close() { p.tasks.WaitFor(finishLimit) }

// Admin answers requests of the Admin API, of which there is one.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	name := kit.Args{Value: request}.Str("request")
	if name != "" && name != "update" {
		return p.Table.ErrorData(kit.Errorf(errUnknownRequest, "Unknown request '%s'", name)), nil
	}
	return p.Plugin.Admin(request)
}
