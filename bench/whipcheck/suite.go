package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// verdict is the outcome of a check.
type verdict uint8

const (
	passed  verdict = iota
	failed          // a MUST, or clients break
	unkind          // a SHOULD
	skipped         // the server has no such thing
)

// result is one check with its verdict.
type result struct {
	verdict
	ref, name, detail string
}

func (r result) String() string {
	text := fmt.Sprintf("%-6s %-12s %s", [...]string{"ok", "FAIL", "should", "skip"}[r.verdict], r.ref, r.name)
	if r.detail != "" && r.verdict != passed {
		text += ": " + r.detail
	}
	return text
}

// suite runs checks on one server.
type suite struct {
	whip, whep, idle, token string
	good                    bool // no bad offers

	publisher, player client
	results           []result
}

// client is a peer with the resource that it has.
type client struct {
	*peer
	offer  string
	made   reply // 201
	answer string
}

// at is where the resource is.
func (c *client) at() string { return c.made.location() }

// run runs all of them.
func (x *suite) run() []result {
	parts := []func(){x.endpoints, x.refused, x.publishing, x.watching, x.extensions, x.restarts, x.ends, x.odd}
	for i, part := range parts {
		if i != 1 || !x.good {
			part()
		}
	}
	for _, c := range []client{x.publisher, x.player} {
		if c.peer != nil {
			c.close()
		}
	}
	return x.results
}

func (x *suite) note(v verdict, ref, name, detail string) {
	if len(detail) > 200 {
		detail = detail[:200] + "..."
	}
	x.results = append(x.results, result{v, ref, name, strings.ReplaceAll(detail, "\r\n", " | ")})
}

// must notes a check that has to hold, and returns whether it does.
func (x *suite) must(ref, name string, ok bool, seen any) bool {
	v := passed
	if !ok {
		v = failed
	}
	x.note(v, ref, name, fmt.Sprint(seen))
	return ok
}

// should notes a check that ought to hold.
func (x *suite) should(ref, name string, ok bool, seen any) bool {
	v := passed
	if !ok {
		v = unkind
	}
	x.note(v, ref, name, fmt.Sprint(seen))
	return ok
}

func (x *suite) skip(ref, name, why string) { x.note(skipped, ref, name, why) }

// reply is a response with its body.
type reply struct {
	status int
	http.Header
	text string
	url  *url.URL
	err  error
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%d %s", r.status, r.text)
}

// is reports whether the status is one of these; 4 stands for any 4xx.
func (r reply) is(list ...int) bool {
	for _, s := range list {
		if r.status == s || s < 10 && r.status/100 == s {
			return true
		}
	}
	return false
}

// limit is how long a server gets to answer.
const limit = 20 * time.Second

// Header fields of requests, "Name: value".
const (
	asSDP      = "Content-Type: application/sdp"
	asFragment = "Content-Type: application/trickle-ice-sdpfrag"
	asJSON     = "Content-Type: application/json"
	noToken    = "Authorization: "
)

// do makes a request, with the token unless fields say otherwise.
func (x *suite) do(method, at, text string, fields ...string) reply {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewBufferString(text))
	if err != nil {
		return reply{err: err}
	}
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if req.Header.Del(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return reply{resp.StatusCode, resp.Header, string(body), resp.Request.URL, err}
}

// location is where the resource of a 201 is, from an absolute or a relative URL.
func (r reply) location() string {
	l := r.Get("Location")
	if l == "" || r.url == nil {
		return ""
	}
	u, err := r.url.Parse(l)
	if err != nil {
		return ""
	}
	return u.String()
}

// links are the targets of Link fields with a relation, with the whole field.
func (r reply) links(rel string) (targets, fields []string) {
	for _, line := range r.Values("Link") {
		if !strings.Contains(line, `rel="`+rel+`"`) && !strings.Contains(line, "rel="+rel) {
			continue
		}
		target, _, _ := strings.Cut(strings.TrimPrefix(line, "<"), ">")
		if u, err := r.url.Parse(target); err == nil {
			target = u.String()
		}
		targets, fields = append(targets, target), append(fields, line)
	}
	return targets, fields
}

// has reports whether a list in header fields has a word.
func (r reply) has(name, word string) bool {
	for _, line := range r.Values(name) {
		for w := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(w), word) || strings.TrimSpace(w) == "*" {
				return true
			}
		}
	}
	return false
}
