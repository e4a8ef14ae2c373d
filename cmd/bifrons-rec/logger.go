package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The levels of Janus.
const (
	levelFatal = iota + 1
	levelError
	levelWarn
	levelInfo
	levelVerbose
	levelHuge
	levelDebug
)

// logger writes lines, and on a terminal a bar that says how far things are.
type logger struct {
	w          io.Writer
	level      int
	colors     bool
	timestamps bool
	terminal   bool

	bar  bool // one is shown
	next time.Time
}

// logger makes the log of tools without options for it.
func (p *program) logger() *logger {
	return &logger{w: p.stdout, level: levelInfo, colors: p.terminal, terminal: p.terminal}
}

func (l *logger) print(level int, color, prefix, format string, args ...any) {
	if level > l.level {
		return
	}
	l.clear()
	if l.timestamps {
		fmt.Fprint(l.w, time.Now().Format("[Mon Jan _2 15:04:05 2006] "))
	}
	if prefix != "" && l.colors {
		prefix = color + prefix + "\x1b[0m"
	}
	if prefix != "" {
		prefix += " "
	}
	fmt.Fprintf(l.w, prefix+"%s\n", fmt.Sprintf(format, args...))
}

func (l *logger) info(format string, args ...any) { l.print(levelInfo, "", "", format, args...) }

func (l *logger) verbose(format string, args ...any) { l.print(levelVerbose, "", "", format, args...) }

func (l *logger) warn(format string, args ...any) {
	l.print(levelWarn, "\x1b[33m", "[WARN]", format, args...)
}

func (l *logger) err(format string, args ...any) {
	l.print(levelError, "\x1b[31m", "[ERR]", format, args...)
}

// barPause is how often the bar is drawn.
const barPause = 100 * time.Millisecond

// progress draws the bar when done of total is finished, if it is time for that.
func (l *logger) progress(done, total int64) {
	if !l.terminal || total <= 0 || l.level < levelInfo {
		return
	}
	now := time.Now()
	if now.Before(l.next) {
		return
	}
	l.next = now.Add(barPause)
	const width = 40
	part := float64(min(done, total)) / float64(total)
	filled := int(part * width)
	fmt.Fprintf(l.w, "\r[%s%s] %3.0f %%", strings.Repeat("#", filled), strings.Repeat(".", width-filled), part*100)
	l.bar = true
}

// clear takes the bar away.
func (l *logger) clear() {
	if l.bar {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.bar = false
	}
}
