package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bifrons/api/config"
	ourjson "bifrons/api/json"
	"bifrons/api/plugin/streaming"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestManagementEvents: what a client asks for is about its session and handle,
// what the Admin API asks for is about none.
func TestManagementEvents(t *testing.T) {
	waittest.NoLeaks(t)
	s, b := eventServer(t, func(c *config.Config) { c.Server.Events.StatsPeriod = 0 })
	c := dial(t, s)
	rooms, streams := c.attach(roomPackage), c.attach(streaming.Package)
	file := filepath.Join(t.TempDir(), "x.mulaw")
	if err := os.WriteFile(file, make([]byte, 800), 0o600); err != nil {
		t.Fatal(err)
	}
	requests := map[string][]string{
		roomPackage: {
			`{"request":"create","room":%d}`, `{"request":"edit","room":%d,"new_description":"x"}`, `{"request":"destroy","room":%d}`,
		},
		streaming.Package: {
			`{"request":"create","type":"ondemand","id":%d,"audio":true,"filename":"` + file + `"}`,
			`{"request":"edit","id":%d,"new_description":"x"}`, `{"request":"kick_all","id":%d}`, `{"request":"destroy","id":%d}`,
		},
	}
	for pkg, h := range map[string]*handle{roomPackage: rooms, streaming.Package: streams} {
		for _, text := range requests[pkg] {
			var body message
			if err := json.Unmarshal(fmt.Appendf(nil, text, 7), &body); err != nil {
				t.Fatal(err)
			}
			h.message(body, nil)
			d, err := ourjson.Parse(fmt.Appendf(nil, text, 8))
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := s.core.Plugin(pkg).Admin(d.Root()); err != nil || strings.Contains(string(answer), "error") {
				t.Errorf("%s: %s %v", text, answer, err)
			}
			d.Release()
		}
	}
	for pkg, want := range map[string]string{
		roomPackage: "created edited destroyed", streaming.Package: "created edited kicked_all destroyed",
	} {
		h := map[string]*handle{roomPackage: rooms, streaming.Package: streams}[pkg]
		b.await(64, 0, pkg+`","data":{"event":"destroyed"`)
		waittest.Until(t, "the events of "+pkg, func() bool { return len(names(b, pkg)) == 2*len(strings.Fields(want)) })
		var asked, none []string
		for _, n := range b.find(64, 0) {
			name := eventName.FindStringSubmatch(string(n.Event))
			switch {
			case !strings.Contains(string(n.Event), pkg):
			case strings.HasSuffix(name[2], "7") && n.Session == c.Session() && n.Handle == h.ID():
				asked = append(asked, name[1])
			case strings.HasSuffix(name[2], "8") && n.Session == 0 && n.Handle == 0:
				none = append(none, name[1])
			default:
				t.Errorf("%s: session %d, handle %d", n.Event, n.Session, n.Handle)
			}
		}
		if strings.Join(asked, " ") != want || strings.Join(none, " ") != want {
			t.Errorf("%s: by a client %v, by the Admin API %v", pkg, asked, none)
		}
	}
}

var eventName = regexp.MustCompile(`"event":"(\w+)",("(?:room|id)":\d)`)

// names are the plugin events of a package.
func names(b *backend, pkg string) (list []string) {
	for _, n := range b.find(64, 0) {
		if strings.Contains(string(n.Event), pkg) {
			list = append(list, string(n.Event))
		}
	}
	return list
}

// TestEventsOfDetach: what a plugin has to say about a handle comes before its
// end, and a detach is no hangup.
func TestEventsOfDetach(t *testing.T) {
	waittest.NoLeaks(t)
	s, b := eventServer(t, func(c *config.Config) { c.Server.Events.StatsPeriod = 0 })
	v := &roomServer{t: t, s: s, c: dial(t, s)}
	v.c.attach(roomPackage).message(message{"request": "create", "room": 1}, nil)
	p := v.enter(1, 5, webrtctest.Options{})
	w := v.view(1, webrtctest.Options{}, 5)
	for _, h := range []*handle{w.h, p.h} {
		h.send(message{"janus": "detach"})
		b.await(2, 0, "detached")
		waittest.Until(t, "the end of the handle", func() bool { return slices.Contains(outlines(b, h.ID()), "detached") })
	}
	for h, want := range map[*handle]string{
		w.h: "webrtcup unsubscribed unsubscribed detached",
		p.h: "webrtcup published unpublished leaving detached",
	} {
		list := outlines(b, h.ID())
		list = slices.DeleteFunc(list, func(s string) bool { return !strings.Contains(" "+want+" hangup ", " "+s+" ") })
		if got := strings.Join(list, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

var outlineName = regexp.MustCompile(`^\{(?:"plugin":"[^"]*","data":\{)?"(?:name|connection|event)":"(\w+)"`)

// outlines are the names of the events about a handle, as they came.
func outlines(b *backend, handle uint64) (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		if m := outlineName.FindStringSubmatch(string(n.Event)); n.Handle == handle && m != nil {
			list = append(list, m[1])
		}
	}
	return list
}
