package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/api/plugin/textroom"
	"bifrons/rtp/waittest"
)

// chatter is a page that is in the text room under a name, in a Chromium of its own.
type chatter struct {
	*tab
	name string
}

// openChat opens the demo page of janus-demos once for each name.
func openChat(t *testing.T, at func(*testing.T, *server) front, names ...string) (*server, []*chatter) {
	t.Helper()
	folder := demosFolderFor(t)
	browserTest(t)
	settings := t.TempDir()
	file := "room-1234: { description = \"Demo Room\", secret = \"adminpwd\", history = 10 }\n"
	if err := os.WriteFile(filepath.Join(settings, textroom.Package+".jcfg"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServerWith(t, folder, func(cfg *config.Config) { cfg.Folder = settings })
	from := at(t, s)
	var all []*chatter
	for _, name := range names {
		c := &chatter{openTab(t, from.hosts, from.script()), name}
		all = append(all, c)
		c.do(chromedp.Navigate(from.origin + "/demos/textroomtest.html"))
	}
	return s, all
}

// join enters the room by the page's buttons.
func (c *chatter) join() {
	c.t.Helper()
	c.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	c.click("#start")
	c.is(`$("#username").is(":visible") && !!$._data($("#register")[0], "events")?.click`)
	c.do(chromedp.SendKeys("#username", c.name))
	c.click("#register")
	c.is(`$("#room").is(":visible") && $("#participant").text() === "` + c.name + `"`)
}

// say types something into the page.
func (c *chatter) say(text string) {
	c.t.Helper()
	c.do(chromedp.SendKeys("#datasend", text+"\r"))
	c.is(`$("#datasend").val() === ""`)
}

// reads waits for a line in the page's chat, without the time before it.
func (c *chatter) reads(line string) {
	c.t.Helper()
	await(c.tab, c.name+" reads "+line, `$("#chatroom p").get().map(p => p.innerText.replace(/^\[\S+\] /, ""))`, func(list []string) bool {
		for _, got := range list {
			if strings.TrimSpace(got) == line {
				return true
			}
		}
		return false
	})
}

// sees waits until the page lists these others.
func (c *chatter) sees(names string) {
	c.t.Helper()
	await(c.tab, c.name+" sees "+names, `$("#list li").get().map(x => x.innerText).join(" ")`, func(got string) bool { return got == names })
}

// TestBrowserDemoTextRoom drives the text room page of Debian's package janus-demos in
// two and three browsers, over WebSockets, and by long poll behind nginx; without that it takes BIFRONS_SOAK.
func TestBrowserDemoTextRoom(t *testing.T) {
	t.Run("websockets", func(t *testing.T) { testChat(t, direct, "anna", "bert", "cleo") })
	if soak() {
		t.Run("http", func(t *testing.T) { testChat(t, directPoll, "anna", "bert") })
	}
	t.Run("nginx", func(t *testing.T) { testChat(t, proxied(`"/janus"`), "anna", "bert") })
}

func testChat(t *testing.T, at func(*testing.T, *server) front, names ...string) {
	s, all := openChat(t, at, names...)
	for i, c := range all {
		c.join()
		for _, before := range all[:i] {
			before.reads(c.name + " joined")
		}
		c.sees(strings.Join(names[:i], " "))
	}
	anna, bert := all[0], all[1]
	for i, c := range all {
		text := fmt.Sprintf("grüße %d <b>世界</b>", i)
		c.say(text)
		for _, other := range all {
			other.reads(c.name + ": " + text)
		}
	}

	// By a click on a name.
	anna.click("#list li")
	anna.is(`$(".bootbox-input").is(":visible")`)
	anna.do(chromedp.SendKeys(".bootbox-input", "psst\r"))
	anna.reads("[whisper to bert] psst")
	bert.reads("[whisper from anna] psst")

	h := dial(t, s).attach(textroom.Package)
	if m := h.message(message{"request": "announcement", "room": 1234, "secret": "adminpwd", "text": "lunch"}, nil); m.data()["textroom"] != "success" {
		t.Errorf("announcement: %v", m)
	}
	for _, c := range all {
		c.reads("lunch")
	}
	if n := len(all); n > 2 {
		all[n-1].click("#start") // stop
		anna.reads(names[n-1] + " left")
		anna.sees("bert")
		if text := eval[string](anna.tab, `$("#chatroom").text()`); strings.Count(text, "psst") != 1 {
			t.Errorf("a whisper came back: %s", text)
		}
	}
	anna.quiet()
	bert.quiet()
	bert.shot("textroom")
	id := eval[string](bert.tab, "myid")
	if m := h.message(message{"request": "kick", "room": 1234, "secret": "adminpwd", "username": id}, nil); m.data()["textroom"] != "success" {
		t.Errorf("kick: %v", m)
	}
	anna.reads("bert was kicked from the room")
	bert.is(`$(".bootbox-body").text() === "You have been kicked from the room"`)
	anna.click("#start")
	waittest.Until(t, "the room is empty", func() bool {
		list, _ := h.message(message{"request": "listparticipants", "room": 1234}, nil).data()["participants"].([]any)
		return len(list) == 0
	})
}
