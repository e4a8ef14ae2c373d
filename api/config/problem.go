package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Problem is something wrong with a setting. It is an error, unless it is a
// Warning: then the setting was ignored or mended.
type Problem struct {
	File     string
	Line     int    // 0 = none
	Section  string // "" = outside of a category
	Key      string
	Value    string // as written, "" if it does not matter
	Accepted string // right values, in words
	Text     string // the fault, in place of "wrong value"
	Warning  bool
	Effect   string // of a warning, the action in place of "ignored"
	Open     string // of a warning that must not be overlooked: what is not protected
}

// Error says in one line where the problem is, and its remedy.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	if name := joinKey(p.Section, p.Key); name != "" {
		b.WriteString(": " + name)
	}
	text := p.Text
	if text == "" {
		text = "wrong value"
	}
	b.WriteString(": " + text)
	if p.Value != "" {
		fmt.Fprintf(&b, " %q", p.Value)
	}
	if p.Accepted != "" {
		b.WriteString(", accepted: " + p.Accepted)
	}
	switch {
	case p.Effect != "":
		b.WriteString(", " + p.Effect)
	case p.Warning:
		b.WriteString(", ignored")
	}
	if p.Warning && p.Open != "" {
		b.WriteString(": " + p.Open)
	}
	return strings.TrimPrefix(b.String(), ": ")
}

func joinKey(section, key string) string {
	switch {
	case section == "":
		return key
	case key == "":
		return section
	}
	return section + "." + key
}

// HasErrors reports whether any of the problems is more than a warning.
func HasErrors(problems []Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// Report logs problems, and reports whether there are no errors among them. What is
// not protected is logged as if it were one.
func Report(log *slog.Logger, problems []Problem) bool {
	for _, p := range problems {
		if p.Warning && p.Open == "" {
			log.Warn(p.Error())
		} else {
			log.Error(p.Error())
		}
	}
	return !HasErrors(problems)
}

// SyntaxError is a file that cannot be parsed.
type SyntaxError struct {
	File string
	Line int
	Text string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}
