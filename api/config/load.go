package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// DefaultFolder is where configuration files are looked for.
const DefaultFolder = "/etc/janus"

// Config is everything that the server reads from its configuration folder.
type Config struct {
	Folder     string // where the files of plugins and transports are
	Found      bool   // whether there was any file
	MainFile   string // that was read, "" = none
	empty      bool   // nothing is set in it
	Server     Server
	HTTP       HTTP
	WebSockets WebSockets
	PFUnix     PFUnix
	RabbitMQ   RabbitMQ
	MQTT       MQTT
	Nanomsg    Nanomsg
}

// Default is the configuration of a server that has no file at all: plain HTTP
// on port 8088 and WebSockets on port 8188, everything else as if left out.
func Default() *Config {
	c := bare()
	c.HTTP.General.HTTP = true
	c.WebSockets.General.WS = true
	return c
}

// bare is the meaning of an empty file: all listeners are off.
func bare() *Config {
	return &Config{
		Folder:     DefaultFolder,
		Server:     defaultServer(),
		HTTP:       defaultHTTP(),
		WebSockets: defaultWebSockets(),
		PFUnix:     defaultPFUnix(),
		RabbitMQ:   defaultRabbitMQ(),
		MQTT:       defaultMQTT(),
		Nanomsg:    defaultNanomsg(),
	}
}

// Load reads the files that the command line names, or those in the default
// place, and applies the command line to them.
func Load(o *Options) (*Config, []Problem) {
	c, problems := LoadDir(o.ConfigsFolder, o.ConfigFile)
	return c, append(problems, o.Apply(&c.Server)...)
}

// LoadDir reads the server's files.
//
// The main file is explicitFile, else janus.jcfg in dir, else janus.cfg in
// dir. The folder of the other files is dir, else the one in the main file,
// else DefaultFolder; each is tried as .jcfg, then as .cfg. A transport
// without a file has no listeners. Where there is no file at all, and none was
// asked for, the result is Default.
//
// The Config is complete even if there are problems. With an error among them
// the server should not start: a file that cannot be read may have held its
// secrets.
func LoadDir(dir, explicitFile string) (*Config, []Problem) {
	l := &loader{}
	c := bare()
	c.Folder = dir
	if dir == "" {
		c.Folder = DefaultFolder
	}
	main := l.mainFile(c.Folder, explicitFile)
	if main != nil {
		c.MainFile, c.empty = main.Name, len(main.Root.Items) == 0
	}
	l.decode(main, "", &c.Server)
	if dir == "" && c.Server.General.ConfigsFolder != "" {
		c.Folder = c.Server.General.ConfigsFolder
	}
	c.Server.General.ConfigsFolder = c.Folder

	for _, t := range c.transports() {
		l.decode(l.file(c.Folder, "janus.transport."+t.name), t.name+":", t.settings)
	}
	c.Found = l.found
	if !l.found && explicitFile == "" && l.problems == nil {
		folder := c.Folder
		c = Default()
		c.Folder = folder
		c.Server.General.ConfigsFolder = folder
		l.problems = append(l.problems, Problem{File: folder, Warning: true,
			Text: "no configuration files here", Effect: "HTTP on port 8088 and WebSockets on port 8188 are on"})
	}
	return c, l.problems
}

// LoadFile reads the file of a plugin or transport, such as
// "janus.plugin.videoroom", as .jcfg or else as .cfg. The File is nil if there
// is none, which is not a problem, or if it is wrong.
func LoadFile(dir, name string) (*File, []Problem) {
	var l loader
	f := l.file(dir, name)
	return f, l.problems
}

// transportFile is the file of a transport.
type transportFile struct {
	name     string
	settings sectioned
}

// transports are the files of all of them.
func (c *Config) transports() []transportFile {
	return []transportFile{
		{"http", &c.HTTP}, {"websockets", &c.WebSockets}, {"pfunix", &c.PFUnix},
		{"rabbitmq", &c.RabbitMQ}, {"mqtt", &c.MQTT}, {"nanomsg", &c.Nanomsg},
	}
}

// Transports are the names of the transports that have files.
func Transports() (names []string) {
	for _, t := range new(Config).transports() {
		names = append(names, t.name)
	}
	return names
}

type loader struct {
	found    bool
	problems []Problem
}

// read parses one file. The error is fs.ErrNotExist if there is none.
func (l *loader) read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l.found = true
	f, err := Parse(path, data, includes(path))
	if err == nil {
		l.problems = append(l.problems, f.Warnings...)
	}
	return f, err
}

// includes reads the files that a file names, relative to its folder.
func includes(path string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return os.ReadFile(name)
	}
}

// problem turns an error of read into a Problem.
func problem(path string, err error, warning bool) Problem {
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return Problem{File: syntax.File, Line: syntax.Line, Text: syntax.Text, Warning: warning}
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return Problem{File: path, Text: err.Error(), Warning: warning}
}

// mainFile reads the main file. One that is wrong, or one that was asked for
// and is missing, is an error unless janus.cfg is there to take its place.
func (l *loader) mainFile(folder, explicit string) *File {
	path := explicit
	if path == "" {
		path = filepath.Join(folder, "janus.jcfg")
	}
	f, err := l.read(path)
	if err == nil {
		return f
	}
	fallback := filepath.Join(folder, "janus.cfg")
	silent := explicit == "" && errors.Is(err, fs.ErrNotExist)
	f, err2 := l.read(fallback)
	if !silent {
		p := problem(path, err, err2 == nil)
		if p.Warning {
			p.Effect = "reading " + fallback + " in its place"
		}
		l.problems = append(l.problems, p)
	}
	if err2 != nil && !errors.Is(err2, fs.ErrNotExist) {
		l.problems = append(l.problems, problem(fallback, err2, false))
	}
	return f
}

func (l *loader) file(folder, name string) *File {
	for _, ext := range []string{".jcfg", ".cfg"} {
		path := filepath.Join(folder, name+ext)
		f, err := l.read(path)
		if err == nil {
			return f
		}
		if !errors.Is(err, fs.ErrNotExist) {
			l.problems = append(l.problems, problem(path, err, false))
			return nil
		}
	}
	return nil
}

// sectioned is a set of settings that lie in the categories of one file.
type sectioned interface {
	sections() []section
	finish(file string) []Problem
}

// decode sets dst's fields from f. prefix is that of its names in pending.
func (l *loader) decode(f *File, prefix string, dst sectioned) {
	if f == nil {
		return
	}
	l.problems = append(l.problems, decodeFile(f, prefix, dst)...)
}

func decodeFile(f *File, prefix string, dst sectioned) (out []Problem) {
	known := make(map[string]bool)
	for _, s := range dst.sections() {
		known[s.name] = true
		if g := f.Category(s.name); g != nil {
			out = append(out, decodeSection(g, prefix, s)...)
		}
	}
	for it := range f.Root.All() {
		switch {
		case it.Kind != Nested && known[strings.ToLower(it.Name)]:
			out = append(out, Problem{File: it.File, Line: it.Line, Key: it.Name,
				Text: "is not a group of settings", Accepted: fmt.Sprintf("%s: { ... }", it.Name)})
		case it.Kind != Nested:
			out = append(out, Problem{File: it.File, Line: it.Line, Key: it.Name,
				Text: "unknown setting outside a category", Warning: true})
		case !known[strings.ToLower(it.Name)]:
			out = append(out, Problem{File: it.File, Line: it.Line, Key: it.Name,
				Text: "unknown category", Warning: true})
		}
	}
	return append(out, dst.finish(f.Name)...)
}

func decodeSection(g *Group, prefix string, s section) []Problem {
	d := decoder{group: g, pending: pendingIn(prefix, s.name)}
	d.settings(reflect.ValueOf(s.dst).Elem())
	return d.problems
}
