package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of the parser, far from anything sensible.
const (
	maxDepth    = 64 // of nesting
	maxIncludes = 64 // in one file, all levels together
)

// Parse reads a configuration file: jcfg, the dialect of libconfig, if ".jcfg"
// is in its name, else INI. include reads the file that an @include names;
// with nil there must be none. An error is a *SyntaxError.
func Parse(name string, data []byte, include func(string) ([]byte, error)) (*File, error) {
	f, err := parse(name, data, include)
	if err == nil {
		f.Warnings = append(f.Warnings, f.Root.repeated("", true)...)
	}
	return f, err
}

func parse(name string, data []byte, include func(string) ([]byte, error)) (*File, error) {
	if !strings.Contains(name, ".jcfg") {
		return parseINI(name, data)
	}
	p := &parser{
		lex:     &lexer{file: name, src: strings.TrimPrefix(string(data), bom), line: 1},
		include: include,
		file:    &File{Name: name, Root: &Group{}},
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.settings(p.file.Root, 0); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected("the name of a setting")
	}
	return p.file, nil
}

// parser is a recursive-descent parser that looks one token ahead.
type parser struct {
	lex      *lexer
	tok      token
	file     *File
	include  func(string) ([]byte, error)
	includes int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) fail(format string, args ...any) error {
	return p.lex.fail(p.tok.line, format, args...)
}

func (p *parser) unexpected(want string) error {
	return p.fail("want %s, got %v", want, p.tok)
}

func (p *parser) isMark(marks string) bool {
	return p.tok.kind == tokenMark && strings.Contains(marks, p.tok.text)
}

// settings reads name = value pairs up to something else.
func (p *parser) settings(g *Group, depth int) error {
	for {
		switch p.tok.kind {
		case tokenInclude:
			if err := p.includeFile(g, depth); err != nil {
				return err
			}
		case tokenWord:
			if err := p.setting(g, depth); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (p *parser) setting(g *Group, depth int) error {
	if !isName(p.tok.text) {
		return p.unexpected("the name of a setting")
	}
	it := &Item{Name: p.tok.text, File: p.lex.file, Line: p.tok.line, start: p.tok.start}
	if err := p.advance(); err != nil {
		return err
	}
	if !p.isMark("=:") {
		return p.unexpected(fmt.Sprintf("= or : after %q", it.Name))
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.value(it, depth); err != nil {
		return err
	}
	if p.isMark(";,") {
		it.end = p.tok.end
		if err := p.advance(); err != nil {
			return err
		}
	}
	g.Items = append(g.Items, it)
	return nil
}

// value reads a value into it, and sets where it ends.
func (p *parser) value(it *Item, depth int) error {
	if depth >= maxDepth {
		return p.fail("nested more than %d deep", maxDepth)
	}
	switch {
	case p.isMark("{"):
		return p.group(it, depth)
	case p.isMark("["):
		return p.elements(it, Array, "]", depth)
	case p.isMark("("):
		return p.elements(it, List, ")", depth)
	case p.tok.kind == tokenString:
		return p.strings(it)
	case p.tok.kind == tokenWord:
		return p.word(it)
	}
	return p.unexpected("a value")
}

func (p *parser) group(it *Item, depth int) error {
	line := p.tok.line
	if err := p.advance(); err != nil {
		return err
	}
	it.Kind = Nested
	it.Group = &Group{Name: it.Name}
	if err := p.settings(it.Group, depth+1); err != nil {
		return err
	}
	if p.tok.kind == tokenEnd {
		return p.lex.fail(line, "{ without }")
	}
	if !p.isMark("}") {
		return p.unexpected("the name of a setting or }")
	}
	it.end = p.tok.end
	return p.advance()
}

// elements reads the values between [ ] or ( ).
func (p *parser) elements(it *Item, kind Kind, closing string, depth int) error {
	line := p.tok.line
	opening := p.tok.text
	it.Kind = kind
	if err := p.advance(); err != nil {
		return err
	}
	for !p.isMark(closing) {
		if p.tok.kind == tokenEnd {
			return p.lex.fail(line, "%s without %s", opening, closing)
		}
		if kind == Array && p.isMark("{[(") {
			return p.fail("[ ] holds single values only, use ( ) here")
		}
		element := &Item{File: p.lex.file, Line: p.tok.line}
		if err := p.value(element, depth+1); err != nil {
			return err
		}
		it.Items = append(it.Items, element)
		switch {
		case p.isMark(","):
			if err := p.advance(); err != nil {
				return err
			}
		case p.tok.kind == tokenEnd:
			return p.lex.fail(line, "%s without %s", opening, closing)
		case !p.isMark(closing):
			return p.unexpected(", or " + closing)
		}
	}
	it.end = p.tok.end
	return p.advance()
}

// strings reads strings that lie next to each other.
func (p *parser) strings(it *Item) error {
	for p.tok.kind == tokenString {
		it.Text += p.tok.text
		it.end = p.tok.end
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

// word reads a number, a boolean, or text that lacks its quotes. Janus takes
// no such text, but files that people have do contain it.
func (p *parser) word(it *Item) error {
	text, ok, err := scalar(p.tok.text)
	if err != nil {
		return p.fail("%v", err)
	}
	if !ok {
		p.file.Warnings = append(p.file.Warnings, Problem{File: p.lex.file, Line: p.tok.line,
			Key: it.Name, Text: "quotes are missing around", Value: text, Warning: true, Effect: "taken as text"})
	}
	it.Text, it.end = text, p.tok.end
	return p.advance()
}

// scalar brings a number or boolean in the form in which it is kept. ok is
// false for anything else.
func scalar(word string) (text string, ok bool, err error) {
	switch strings.ToLower(word) {
	case "true":
		return "true", true, nil
	case "false":
		return "false", true, nil
	}
	digits := strings.TrimRight(word, "L")
	if hex, isHex := strings.CutPrefix(strings.ToLower(digits), "0x"); isHex && isDigits(hex, "0123456789abcdef") {
		v, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			return "", false, fmt.Errorf("%s does not fit in 64 bits", word)
		}
		return strconv.FormatInt(int64(v), 10), true, nil
	}
	if isDigits(strings.TrimLeft(digits, "+-"), "0123456789") && len(word)-len(digits) <= 2 {
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return "", false, fmt.Errorf("%s is not a number of 64 bits", word)
		}
		return strconv.FormatInt(v, 10), true, nil
	}
	if isDigits(word, "0123456789.eE+-") && strings.ContainsAny(word, "0123456789") {
		if v, err := strconv.ParseFloat(word, 64); err == nil {
			return strconv.FormatFloat(v, 'f', 6, 64), true, nil
		}
	}
	return word, false, nil
}

// isDigits reports whether s consists of such characters.
func isDigits(s, digits string) bool {
	return s != "" && strings.Trim(s, digits) == ""
}

// includeFile reads the settings of another file into g.
func (p *parser) includeFile(g *Group, depth int) error {
	line := p.tok.line
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tokenString {
		return p.unexpected(`"file" after @include`)
	}
	name := p.tok.text
	p.includes++
	switch {
	case p.include == nil:
		return p.lex.fail(line, "@include is not possible here")
	case p.includes > maxIncludes:
		return p.lex.fail(line, "more than %d @include", maxIncludes)
	case depth >= maxDepth:
		return p.lex.fail(line, "nested more than %d deep", maxDepth)
	}
	data, err := p.include(name)
	if err != nil {
		return p.lex.fail(line, "@include %q: %v", name, err)
	}
	outer := p.lex
	p.lex = &lexer{file: name, src: strings.TrimPrefix(string(data), bom), line: 1}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.settings(g, depth+1); err != nil {
		return err
	}
	if p.tok.kind != tokenEnd {
		return p.unexpected("the name of a setting")
	}
	p.lex = outer
	return p.advance()
}
