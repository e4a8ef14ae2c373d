// Package jsonlog writes the log's lines to a file as JSON objects.
package jsonlog

import (
	"fmt"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/log"
	"bifrons/api/module"
	"bifrons/api/schema"
)

// Package is the name of this logger in the Janus API.
const Package = "janus.logger.jsonlog"

// Settings are those of janus.logger.jsonlog.jcfg.
type Settings struct {
	Enabled  bool   `cfg:"enabled"`
	Filename string `cfg:"filename"` // is appended to
	JSON     string `cfg:"json" enum:"indented|plain|compact"`
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Settings{JSON: "compact"}
	f, problems := config.LoadFile(folder, Package)
	if g := f.Category("general"); g != nil {
		problems = append(problems, config.Decode(g, &s)...)
	}
	if s.Enabled && s.Filename == "" {
		problems = append(problems, config.Problem{File: f.Name, Section: "general", Key: "filename", Text: "is missing"})
	}
	return s, problems
}

// Logger writes log lines. Its methods may be called from any goroutine.
type Logger struct {
	layout json.Layout
	file   log.File
}

// Open opens the file.
func Open(s Settings) (*Logger, error) {
	layout, _ := json.ParseLayout(s.JSON)
	l := &Logger{layout: layout, file: log.File{Path: s.Filename}}
	return l, l.Reopen()
}

// Reopen opens the file again, after somebody has moved it away. If that fails
// the old one goes on.
func (l *Logger) Reopen() error {
	if err := l.file.Reopen(); err != nil {
		return fmt.Errorf("cannot write the JSON log: %w", err)
	}
	return nil
}

// Line writes a line of the log, with its end.
func (l *Logger) Line(at time.Time, line []byte) {
	w := json.NewWriter(make([]byte, 0, len(line)+64))
	w.Object("")
	w.Int("timestamp", at.UnixMicro())
	w.Str("line", string(line))
	w.End()
	_ = l.file.Write(append(json.Relayout(nil, w.Bytes(), l.layout), '\n')) // nobody could be informed of an error
}

// Close closes the file; later lines are not in it.
func (l *Logger) Close() { l.file.Close() }

// Info describes the logger in server_info.
func (l *Logger) Info() module.Info {
	return module.Info{
		Package:       Package,
		Name:          "JANUS JSON logger plugin",
		Author:        module.Author,
		Description:   "This logger writes log lines to a file as JSON objects.",
		VersionString: "0.0.1",
		Version:       1,
	}
}

var queryFields = []schema.Field{{Name: "request", Type: schema.String, Required: true}}

// Query answers query_logger.
func (l *Logger) Query(request []byte) []byte {
	err := &schema.Error{Code: 413, Text: "Invalid request: not a JSON object"}
	if doc, bad := json.Parse(request); bad == nil {
		defer doc.Release()
		if root := (json.Args{Value: doc.Root()}); root.IsObject() {
			err = schema.Check(queryFields, root, 412, 413)
			if verb := root.Str("request"); err == nil && verb != "info" {
				err = &schema.Error{Code: 411, Text: "Unknown request '" + verb + "'"}
			}
		}
	}
	return schema.Outcome(err)
}
