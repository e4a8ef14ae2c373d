package whip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fragment is the ICE part of an SDP fragment (RFC 8840, 9).
type fragment struct {
	ufrag, pwd string
	candidates []candidate
	end        bool // no more candidates will come
}

// errFragment means that a body is no fragment.
var errFragment = errors.New("the body is no SDP fragment: each line is a letter, = and a value")

// parseFragment reads a fragment. Unknown lines are left out.
func parseFragment(text string) (f fragment, err error) {
	section, mid := -1, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' {
			return f, errFragment
		}
		if line[0] == 'm' {
			section, mid = section+1, ""
			continue
		}
		name, value, _ := strings.Cut(line[2:], ":")
		switch {
		case line[0] != 'a':
		case name == "mid":
			mid = value
		case name == "ice-ufrag":
			f.ufrag = first(f.ufrag, value)
		case name == "ice-pwd":
			f.pwd = first(f.pwd, value)
		case name == "end-of-candidates":
			f.end = true
		case name == "candidate":
			if len(f.candidates) >= maxCandidates {
				return f, fmt.Errorf("there are more than %d candidates", maxCandidates)
			}
			f.candidates = append(f.candidates, located(section, mid, line[2:]))
		}
	}
	if (f.ufrag == "") != (f.pwd == "") {
		return f, errors.New("ice-ufrag and ice-pwd come together")
	}
	return f, nil
}

func first(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// located is a candidate of a media section: the one with a mid, or else by its number.
func located(section int, mid, text string) candidate {
	c := candidate{MID: mid, Text: text}
	if mid == "" {
		section = max(section, 0)
		c.Index = &section
	}
	return c
}

// inSDP is the ICE part of a whole description.
func inSDP(text string) fragment {
	f, _ := parseFragment(text)
	return f
}

// restarted is an offer with other credentials and candidates: what its sender would offer
// to restart ICE (RFC 9725, 4.3.3).
func (f *fragment) restarted(offer string) string {
	var b strings.Builder
	for line := range strings.Lines(offer) {
		line = strings.TrimRight(line, "\r\n")
		name, _, _ := strings.Cut(line, ":")
		switch {
		case name == "a=ice-ufrag":
			line = "a=ice-ufrag:" + f.ufrag
		case name == "a=ice-pwd":
			line = "a=ice-pwd:" + f.pwd
		case name == "a=candidate" || name == "a=end-of-candidates":
			continue
		case strings.HasPrefix(line, "o="):
			line = nextVersion(line)
		}
		b.WriteString(line + "\r\n")
	}
	var lines strings.Builder
	for _, c := range f.candidates {
		lines.WriteString("a=" + c.Text + "\r\n")
	}
	if f.end {
		lines.WriteString("a=end-of-candidates\r\n")
	}
	return insert(b.String(), lines.String())
}

// nextVersion counts up the version in an o= line (RFC 8866, 5.2).
func nextVersion(line string) string {
	words := strings.Fields(line)
	if len(words) < 3 {
		return line
	}
	if n, err := strconv.ParseUint(words[2], 10, 63); err == nil {
		words[2] = strconv.FormatUint(n+1, 10)
	}
	return strings.Join(words, " ")
}

// insert puts lines at the end of the first media section that is in use, which carries
// the transport.
func insert(text, lines string) string {
	at := carrier(text)
	if at < 0 {
		return text
	}
	end := len(text)
	if next := strings.Index(text[at+1:], "\nm="); next >= 0 {
		end = at + 1 + next + 1
	}
	return text[:end] + lines + text[end:]
}

// carrier is where the first media section begins that is in use, -1 if there is none.
func carrier(text string) int {
	for at := 0; ; {
		i := strings.Index(text[at:], "\nm=")
		if i < 0 {
			return -1
		}
		at += i + 1
		line, _, _ := strings.Cut(text[at:], "\n")
		if words := strings.Fields(line); len(words) > 1 && words[1] != "0" {
			return at
		}
	}
}

// restartAnswer is the fragment of an answer to a restart: the lines of the session on
// ICE, and the media section that carries the transport.
func restartAnswer(answer string) string {
	var b strings.Builder
	keep := func(text string, names ...string) {
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			name, _, _ := strings.Cut(line, ":")
			for _, n := range names {
				if name == n {
					b.WriteString(line + "\r\n")
				}
			}
		}
	}
	ice := []string{"a=mid", "a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=end-of-candidates"}
	at := carrier(answer)
	if at < 0 {
		return ""
	}
	session, _, _ := strings.Cut(answer, "\nm=")
	keep(session+"\n", append(ice, "a=ice-lite", "a=ice-options", "a=group")...)
	media, rest, _ := strings.Cut(answer[at:], "\n")
	section, _, _ := strings.Cut(rest, "\nm=")
	b.WriteString(strings.TrimRight(media, "\r") + "\r\n")
	keep(section+"\n", ice...)
	return b.String()
}
