package config

import (
	"fmt"
	"strconv"
	"strings"
)

// tokenKind is a kind of word of the jcfg language.
type tokenKind uint8

const (
	tokenEnd  tokenKind = iota
	tokenMark           // one of = : ; , { } [ ] ( )
	tokenString
	tokenWord // anything else: names, numbers, booleans
	tokenInclude
)

type token struct {
	kind       tokenKind
	text       string // of a string, without quotes and escapes
	line       int
	start, end int
}

// String is the token as error messages name it.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the file"
	case tokenString:
		return "a string"
	case tokenInclude:
		return "@include"
	}
	return strconv.Quote(t.text)
}

// lexer cuts a jcfg file into tokens.
type lexer struct {
	file string
	src  string
	pos  int
	line int

	longString, longStringEnd int // lines of the last string of several lines
}

func (l *lexer) fail(line int, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if line == l.longStringEnd && l.longString > 0 {
		text += fmt.Sprintf(" (a string from line %d ends here, is a quote missing?)", l.longString)
	}
	return &SyntaxError{File: l.file, Line: line, Text: text}
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	if err := l.skipBlank(); err != nil {
		return token{}, err
	}
	t := token{line: l.line, start: l.pos}
	if l.pos == len(l.src) {
		t.end = l.pos
		return t, nil
	}
	var err error
	switch ch := l.src[l.pos]; {
	case strings.IndexByte("=:;,{}[]()", ch) >= 0:
		t.kind, t.text = tokenMark, l.src[l.pos:l.pos+1]
		l.pos++
	case ch == '"':
		t.kind = tokenString
		t.text, err = l.string()
	case ch == '@':
		if !strings.HasPrefix(l.src[l.pos:], "@include") {
			return t, l.fail(l.line, `unexpected "@", only @include "file" begins with it`)
		}
		t.kind = tokenInclude
		l.pos += len("@include")
	default:
		t.kind, t.text = tokenWord, l.word()
		if t.text == "" {
			return t, l.fail(l.line, "unexpected character %q", ch)
		}
	}
	t.end = l.pos
	return t, err
}

// skipBlank skips white space and comments.
func (l *lexer) skipBlank() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case rest[0] == '\n':
			l.line++
			l.pos++
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\f' || rest[0] == '\v':
			l.pos++
		case rest[0] == '#' || strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return l.fail(l.line, "unterminated comment")
			}
			l.line += strings.Count(rest[:n+4], "\n")
			l.pos += n + 4
		default:
			return nil
		}
	}
	return nil
}

// word takes what stands between blanks and marks. "//" does not end it behind
// a colon, for the sake of URLs, and a colon only where it is an assignment.
func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		ch := rest[0]
		if ch <= ' ' || ch == 0x7f || strings.IndexByte("=;,{}[]()\"#", ch) >= 0 {
			break
		}
		if ch == ':' && isName(l.src[start:l.pos]) && !strings.HasPrefix(rest, "://") {
			break
		}
		if strings.HasPrefix(rest, "/*") ||
			strings.HasPrefix(rest, "//") && (l.pos == start || l.src[l.pos-1] != ':') {
			break
		}
		l.pos++
	}
	return l.src[start:l.pos]
}

// string takes a string with its quotes.
func (l *lexer) string() (string, error) {
	first := l.line
	var b strings.Builder
	for l.pos++; l.pos < len(l.src); l.pos++ {
		ch := l.src[l.pos]
		switch ch {
		case '"':
			l.pos++
			if l.line > first {
				l.longString, l.longStringEnd = first, l.line
			}
			return b.String(), nil
		case '\\':
			l.escape(&b)
			continue
		case '\n':
			l.line++
		}
		b.WriteByte(ch)
	}
	return "", l.fail(first, "unterminated string")
}

// escape takes an escape sequence and stays on its last byte. Anything else
// stands for itself.
func (l *lexer) escape(b *strings.Builder) {
	rest := l.src[l.pos+1:]
	if rest == "" {
		return
	}
	if i := strings.IndexByte(`ntrfabv"\`, rest[0]); i >= 0 {
		b.WriteByte("\n\t\r\f\a\b\v\"\\"[i])
		l.pos++
		return
	}
	if rest[0] == 'x' && len(rest) >= 3 {
		if v, err := strconv.ParseUint(rest[1:3], 16, 8); err == nil {
			b.WriteByte(byte(v))
			l.pos += 3
			return
		}
	}
	b.WriteByte('\\')
}

// isName reports whether s can be the name of a setting.
func isName(s string) bool {
	for i := range len(s) {
		ch := s[i]
		letter := ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch == '*'
		other := ch >= '0' && ch <= '9' || ch == '-' || ch == '_'
		if !letter && !(other && i > 0) {
			return false
		}
	}
	return s != ""
}
