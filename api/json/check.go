package json

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// SyntaxError says where and why a text is not JSON.
type SyntaxError struct {
	Offset int // bytes from the start
	Line   int // from 1
	Column int // characters from the start of the line
	Text   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("(%d,%d): %s", e.Line, e.Column, e.Text)
}

// Bounds of a text. A parsed value takes hundreds of bytes, however few it has
// in the text.
const (
	MaxDepth  = 256    // how deep arrays and objects may be nested
	MaxValues = 20_480 // the arrays, objects, texts, numbers and so on in it
)

func syntaxError(data []byte, at int, text string) *SyntaxError {
	e := &SyntaxError{Offset: at, Line: 1, Text: text}
	for _, c := range data[:at] {
		switch {
		case c == '\n':
			e.Line++
			e.Column = 0
		case utf8.RuneStart(c):
			e.Column++
		}
	}
	return e
}

// checker walks through a text by RFC 8259, and is stricter than fastjson:
// UTF-8, control characters, escapes and numbers have to be right.
type checker struct {
	s      []byte
	i      int
	values int
	fail   string
}

// check returns the length of the object or array that data begins with, and
// the number of values in it.
func check(data []byte) (n, values int, err *SyntaxError) {
	c := checker{s: data}
	c.space()
	switch {
	case c.i == len(data):
		c.fail = "'[' or '{' expected near end of file"
	case data[c.i] != '{' && data[c.i] != '[':
		c.fail = "'[' or '{' expected near " + c.near()
	default:
		c.value(0)
	}
	if c.fail != "" {
		return 0, 0, syntaxError(data, c.i, c.fail)
	}
	return c.i, c.values, nil
}

func onlySpace(data []byte, from int) *SyntaxError {
	c := checker{s: data, i: from}
	if c.space(); c.i < len(data) {
		return syntaxError(data, c.i, "end of file expected near "+c.near())
	}
	return nil
}

func (c *checker) space() {
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case ' ', '\t', '\r', '\n':
			c.i++
		default:
			return
		}
	}
}

// near quotes the text at the current place, for error texts.
func (c *checker) near() string {
	rest := c.s[c.i:]
	n := 0
	for n < len(rest) && n < 20 && rest[n] > ' ' && rest[n] < 0x7f {
		n++
	}
	switch {
	case len(rest) == 0:
		return "end of file"
	case n == 0:
		return "'" + strconv.QuoteToASCII(string(rest[:1])) + "'"
	}
	return "'" + string(rest[:n]) + "'"
}

func (c *checker) err(text string) bool {
	if c.fail == "" {
		c.fail = text
	}
	return false
}

func (c *checker) expected(what string) bool {
	return c.err(what + " expected near " + c.near())
}

// take consumes b after white space.
func (c *checker) take(b byte) bool {
	c.space()
	if c.i < len(c.s) && c.s[c.i] == b {
		c.i++
		return true
	}
	return false
}

func (c *checker) value(depth int) bool {
	c.space()
	if depth > MaxDepth {
		return c.err("maximum parsing depth reached")
	}
	if c.values++; c.values > MaxValues {
		return c.err("too many values, " + strconv.Itoa(MaxValues) + " are allowed")
	}
	if c.i == len(c.s) {
		return c.err("unexpected token near end of file")
	}
	switch b := c.s[c.i]; {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		return c.str()
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if n := len(word); len(c.s)-c.i >= n && string(c.s[c.i:c.i+n]) == word {
			c.i += n
			return true
		}
	}
	return c.err("invalid token near " + c.near())
}

func (c *checker) object(depth int) bool {
	c.i++
	if c.take('}') {
		return true
	}
	for {
		c.space()
		if c.i == len(c.s) || c.s[c.i] != '"' {
			return c.expected("string or '}'")
		}
		if !c.str() {
			return false
		}
		if !c.take(':') {
			return c.expected("':'")
		}
		if !c.value(depth + 1) {
			return false
		}
		if c.take('}') {
			return true
		}
		if !c.take(',') {
			return c.expected("'}'")
		}
	}
}

func (c *checker) array(depth int) bool {
	c.i++
	if c.take(']') {
		return true
	}
	for {
		if !c.value(depth + 1) {
			return false
		}
		if c.take(']') {
			return true
		}
		if !c.take(',') {
			return c.expected("']'")
		}
	}
}

func (c *checker) str() bool {
	c.i++
	for c.i < len(c.s) {
		switch b := c.s[c.i]; {
		case b == '"':
			c.i++
			return true
		case b == '\\':
			if !c.escape() {
				return false
			}
		case b < ' ':
			return c.err(fmt.Sprintf("control character 0x%x", b))
		case b < utf8.RuneSelf:
			c.i++
		default:
			r, n := utf8.DecodeRune(c.s[c.i:])
			if r == utf8.RuneError && n == 1 {
				return c.err(fmt.Sprintf("unable to decode byte 0x%x", b))
			}
			c.i += n
		}
	}
	return c.err("premature end of input near end of file")
}

func (c *checker) escape() bool {
	c.i++
	if c.i == len(c.s) {
		return c.err("premature end of input near end of file")
	}
	switch c.s[c.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i++
		return true
	case 'u':
	default:
		return c.err("invalid escape near " + c.near())
	}
	u := c.hex4()
	switch {
	case u < 0:
		return c.err("invalid escape near " + c.near())
	case u == 0:
		return c.err("\\u0000 is not allowed")
	case u >= 0xdc00 && u <= 0xdfff:
		return c.err(fmt.Sprintf("invalid Unicode '\\u%04X'", u))
	case u >= 0xd800 && u <= 0xdbff:
		if c.i+1 >= len(c.s) || c.s[c.i] != '\\' || c.s[c.i+1] != 'u' {
			return c.err(fmt.Sprintf("invalid Unicode '\\u%04X'", u))
		}
		c.i++
		if low := c.hex4(); low < 0xdc00 || low > 0xdfff {
			return c.err(fmt.Sprintf("invalid Unicode '\\u%04X'", u))
		}
	}
	return true
}

// hex4 consumes "uXXXX"; -1 if that is not there.
func (c *checker) hex4() int {
	if len(c.s)-c.i < 5 {
		return -1
	}
	n, err := strconv.ParseUint(string(c.s[c.i+1:c.i+5]), 16, 16)
	if err != nil {
		return -1
	}
	c.i += 5
	return int(n)
}

func (c *checker) digits() int {
	from := c.i
	for c.i < len(c.s) && c.s[c.i] >= '0' && c.s[c.i] <= '9' {
		c.i++
	}
	return c.i - from
}

func (c *checker) number() bool {
	from := c.i
	if c.s[c.i] == '-' {
		c.i++
	}
	zero := c.i < len(c.s) && c.s[c.i] == '0'
	if n := c.digits(); n == 0 || zero && n > 1 {
		return c.err("invalid token near '" + string(c.s[from:c.i]) + "'")
	}
	real := false
	if c.i < len(c.s) && c.s[c.i] == '.' {
		real = true
		c.i++
		if c.digits() == 0 {
			return c.err("invalid token near '" + string(c.s[from:c.i]) + "'")
		}
	}
	if c.i < len(c.s) && (c.s[c.i] == 'e' || c.s[c.i] == 'E') {
		real = true
		c.i++
		if c.i < len(c.s) && (c.s[c.i] == '+' || c.s[c.i] == '-') {
			c.i++
		}
		if c.digits() == 0 {
			return c.err("invalid token near '" + string(c.s[from:c.i]) + "'")
		}
	}
	return c.inRange(string(c.s[from:c.i]), real)
}

func (c *checker) inRange(text string, real bool) bool {
	if !real {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			if text[0] == '-' {
				return c.err("too big negative integer")
			}
			return c.err("too big integer")
		}
		return true
	}
	if f, err := strconv.ParseFloat(text, 64); err != nil && math.IsInf(f, 0) {
		return c.err("real number overflow")
	}
	return true
}
