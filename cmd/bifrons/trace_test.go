package main

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

// trace is recorded API traffic, in order.
type trace struct {
	Messages []struct {
		Dir    string  `json:"dir"` // "request" or "response-or-event"
		Method string  `json:"method"`
		URL    string  `json:"url"`
		Body   message `json:"body"`
	} `json:"messages"`
}

func readTrace(t *testing.T, name string) trace {
	t.Helper()
	b, err := os.ReadFile("../../testdata/traces/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var tr trace
	if err := json.Unmarshal(b, &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// replay plays recorded requests over HTTP. Ids that the server gave then are
// replaced by those that it gives now.
type replay struct {
	t     *testing.T
	base  string
	ids   map[string]string
	poll  string    // path of the long poll
	early []message // events that have come, and were not looked for yet
}

func (r *replay) rename(s string) string {
	for was, is := range r.ids {
		s = strings.ReplaceAll(s, was, is)
	}
	return s
}

func (r *replay) do(method, path string, body message) message {
	r.t.Helper()
	var in io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		in = strings.NewReader(r.rename(string(b)))
	}
	req, _ := nethttp.NewRequest(method, r.base+r.rename(path), in)
	c := nethttp.Client{Timeout: patience}
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		r.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	return m
}

// event polls until there is an event as it is looked for.
func (r *replay) event(path string, is func(m message) bool) message {
	r.t.Helper()
	for {
		if i := slices.IndexFunc(r.early, is); i >= 0 {
			m := r.early[i]
			r.early = slices.Delete(r.early, i, i+1)
			return m
		}
		m := r.do("GET", path, nil)
		if m["janus"] == "keepalive" {
			r.t.Fatalf("%s: nothing comes but %v", path, r.early)
		}
		r.early = append(r.early, m)
	}
}

// shape is the names in an object, with those of its nested objects.
func shape(m message) []string {
	var names []string
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok && k != "jsep" {
			for _, n := range shape(inner) {
				names = append(names, k+"."+n)
			}
			continue
		}
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

func number(v any) string { return fmt.Sprintf("%.0f", v) }

// TestTraceEchoTest2021 replays Chrome 89 on the EchoTest page. What needs the
// browser of that day to answer (webrtcup, media) is left out.
func TestTraceEchoTest2021(t *testing.T) {
	waittest.NoLeaks(t)
	// A lite agent sends nothing to the addresses in the recording.
	s := testServer(t, func(c *config.Config) { c.Server.NAT.ICELite = true })
	defer nethttp.DefaultTransport.(*nethttp.Transport).CloseIdleConnections()
	r := &replay{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", s.port("http")), ids: map[string]string{}}
	var replies []message // not yet compared
	var answer, recorded string
	for _, m := range readTrace(t, "echotest-http-2021.json").Messages {
		kind, _ := m.Body["janus"].(string)
		switch {
		case m.Dir == "request" && m.Method == "GET":
			r.poll = m.URL + "?maxev=1&rid=1"
		case m.Dir == "request":
			replies = append(replies, r.do(m.Method, m.URL, m.Body))
		case kind == "webrtcup" || kind == "media":
		case kind == "ack" && len(replies) == 0: // of a long poll: not sent to the client
		default:
			got := message(nil)
			if kind == "event" {
				got = r.do("GET", r.poll, nil)
			} else {
				got, replies = replies[0], replies[1:]
			}
			want := shape(m.Body)
			if have := shape(got); !slices.Equal(have, want) || got["janus"] != kind {
				t.Errorf("%s has %v, want %v", got["janus"], have, want)
			}
			if got["transaction"] != m.Body["transaction"] {
				t.Errorf("transaction %v, want %v", got["transaction"], m.Body["transaction"])
			}
			if d, ok := m.Body["data"].(map[string]any); ok {
				r.ids[number(d["id"])] = fmt.Sprint(got.id())
			}
			if j := got.sdp(); j != "" {
				answer, recorded = j, m.Body.sdp()
			}
		}
	}
	compareAnswers(t, answer, recorded)
}

// compareAnswers expects in an answer every m-line, codec and feedback that the
// recorded one has.
func compareAnswers(t *testing.T, answer, recorded string) {
	t.Helper()
	got, err := sdp.Parse(answer)
	if err != nil {
		t.Fatalf("our answer: %v\n%s", err, answer)
	}
	want, err := sdp.Parse(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Sections) != len(want.Sections) {
		t.Fatalf("%d m-lines, want %d", len(got.Sections), len(want.Sections))
	}
	for i := range want.Sections {
		g, w := &got.Sections[i], &want.Sections[i]
		if g.MID != w.MID || g.Kind != w.Kind || g.Direction != w.Direction || g.Proto != w.Proto || g.Data != w.Data {
			t.Errorf("m-line %d: %+v, want %+v", i, g, w)
		}
		for _, c := range w.Codecs {
			j := slices.IndexFunc(g.Codecs, func(x sdp.Codec) bool { return x.PT == c.PT && x.Name == c.Name && x.RTX == c.RTX })
			if j < 0 {
				t.Errorf("m-line %d lacks %+v", i, c)
				continue
			}
			for _, fb := range c.Feedback {
				if !slices.Contains(g.Codecs[j].Feedback, fb) {
					t.Errorf("m-line %d: %s lacks rtcp-fb %s", i, c.Name, fb)
				}
			}
		}
		for _, x := range w.Extensions {
			if !slices.ContainsFunc(g.Extensions, func(y sdp.Extension) bool { return y.URI == x.URI && y.ID == x.ID }) {
				t.Errorf("m-line %d lacks extension %s", i, x.URI)
			}
		}
	}
}
