// Package log writes the server's log in lines like those of Janus. Its
// settings can be changed while it runs.
package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Levels of Janus. A log of one level has the lines of that level and of all
// lower ones.
const (
	None = iota
	Fatal
	Error
	Warning
	Info
	Verbose
	Huge
	Debug
)

// Slog is a level in the terms of log/slog.
func Slog(level int) slog.Level { return slog.Level(Info-level) * (slog.LevelWarn - slog.LevelInfo) }

// levelOf is a level of log/slog in the terms of Janus.
func levelOf(l slog.Level) int {
	for level := Fatal; level < Debug; level++ {
		if l >= Slog(level) {
			return level
		}
	}
	return Debug
}

// Config sets up a Log.
type Config struct {
	Stdout io.Writer // nil = none
	File   string    // is appended to; "" = none
	Level  int

	Prefix     string // before every line
	Timestamps bool
	Colors     bool // of the levels' names
}

// Sink takes the lines of a log as well, in order.
type Sink interface {
	// Line takes one line, with its end, lent for the call. It must not log.
	Line(at time.Time, line []byte)
	// Reopen opens files again.
	Reopen() error
}

// Log is where log lines go. All methods may be called from any goroutine.
type Log struct {
	level              atomic.Int32
	timestamps, colors atomic.Bool
	prefix             string

	mu     sync.Mutex
	stdout io.Writer
	file   File
	sinks  []Sink
	buf    bytes.Buffer
}

// New makes a Log. It fails if the file cannot be opened.
func New(cfg Config) (*Log, error) {
	l := &Log{prefix: cfg.Prefix, stdout: cfg.Stdout, file: File{Path: cfg.File}}
	l.SetLevel(cfg.Level)
	l.SetTimestamps(cfg.Timestamps)
	l.SetColors(cfg.Colors)
	if err := l.Reopen(); err != nil {
		return nil, err
	}
	return l, nil
}

// AddSink sends all further lines to s as well.
func (l *Log) AddSink(s Sink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sinks = append(l.sinks, s)
}

// Reopen opens the file again, and those of sinks, after somebody has moved them
// away. If that fails the old one goes on.
func (l *Log) Reopen() error {
	l.mu.Lock()
	sinks := slices.Clone(l.sinks)
	l.mu.Unlock()
	var err error
	if l.file.Path != "" {
		if err = l.file.Reopen(); err != nil {
			err = fmt.Errorf("cannot write the log file: %w", err)
		}
	}
	for _, s := range sinks {
		err = errors.Join(err, s.Reopen())
	}
	return err
}

// Close closes the file; later lines are not in it.
func (l *Log) Close() { l.file.Close() }

// Level is the level of Janus, 0 to 7.
func (l *Log) Level() int { return int(l.level.Load()) }

// SetLevel changes it.
func (l *Log) SetLevel(level int) { l.level.Store(int32(min(max(level, None), Debug))) }

// Timestamps reports whether lines have the time.
func (l *Log) Timestamps() bool { return l.timestamps.Load() }

// SetTimestamps changes it.
func (l *Log) SetTimestamps(on bool) { l.timestamps.Store(on) }

// Colors reports whether the levels' names are coloured.
func (l *Log) Colors() bool { return l.colors.Load() }

// SetColors changes it.
func (l *Log) SetColors(on bool) { l.colors.Store(on) }

// Logger returns the logger to use.
func (l *Log) Logger() *slog.Logger {
	attrs := slog.NewTextHandler(&l.buf, &slog.HandlerOptions{
		Level:       Slog(Debug),
		ReplaceAttr: onlyAttrs,
	})
	return slog.New(&handler{log: l, attrs: attrs})
}

// onlyAttrs leaves out the fields that the handler writes itself. An attribute cannot have
// the name "msg".
func onlyAttrs(groups []string, a slog.Attr) slog.Attr {
	_, level := a.Value.Any().(slog.Level)
	if len(groups) == 0 && (a.Key == slog.MessageKey || a.Key == slog.LevelKey && level) {
		return slog.Attr{}
	}
	return a
}

// handler puts a line together. The attributes are left to a handler that
// writes into the Log's buffer, under its lock.
type handler struct {
	log   *Log
	attrs slog.Handler
}

// Enabled reports whether lines of a level are written.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return levelOf(level) <= h.log.Level()
}

// Handle writes a line.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	l := h.log
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.buf
	b.Reset()
	b.WriteString(l.prefix)
	if l.Timestamps() {
		b.WriteString(r.Time.Format("[Mon Jan _2 15:04:05 2006] "))
	}
	b.WriteString(l.tag(levelOf(r.Level)))
	b.WriteString(oneLine.Replace(r.Message))
	b.WriteByte(' ')
	at := r.Time
	r.Time = time.Time{} // which leaves it out of the attributes
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := append(bytes.TrimRight(b.Bytes(), " \n"), '\n')
	var err error
	if l.stdout != nil {
		_, err = l.stdout.Write(line)
	}
	if ferr := l.file.Write(line); err == nil {
		err = ferr
	}
	for _, s := range l.sinks {
		s.Line(at, line)
	}
	return err
}

// WithAttrs adds attributes to all lines.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.log, h.attrs.WithAttrs(attrs)}
}

// WithGroup puts all further attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.log, h.attrs.WithGroup(name)}
}

// oneLine keeps a message, which a client may have a part in, from looking like
// several lines or steering the terminal.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\x1b", `\x1b`)

// tag is the name of a level that is worth one, in its colour.
func (l *Log) tag(level int) string {
	var color, name string
	switch level {
	case Fatal:
		color, name = "\x1b[35m", "FATAL"
	case Error:
		color, name = "\x1b[31m", "ERR"
	case Warning:
		color, name = "\x1b[33m", "WARN"
	default:
		return ""
	}
	if l.Colors() {
		name = color + name + "\x1b[0m"
	}
	return "[" + name + "] "
}
