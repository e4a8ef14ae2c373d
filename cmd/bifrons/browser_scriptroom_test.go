package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bifrons/api/config"
	"bifrons/api/plugin/lua"
)

// scriptRoomSettings has the Lua plugin run the room of Debian's package janus.
func scriptRoomSettings(t *testing.T) string {
	t.Helper()
	const folder = "/usr/share/janus/lua"
	if _, err := os.Stat(folder + "/videoroom.lua"); err != nil {
		needs(t, "the scripts of the package janus are not installed: "+err.Error())
	}
	return fmt.Sprintf("general: { path = %q, script = %q }\n", folder, folder+"/videoroom.lua")
}

// scriptRoomServer serves the pages of janus-demos, and feedroom.html, and has that room.
func scriptRoomServer(t *testing.T, change func(*config.Config)) *server {
	t.Helper()
	demos, pages := demosFolderFor(t), t.TempDir()
	settings := writeFiles(t, map[string]string{lua.Package + ".jcfg": scriptRoomSettings(t)})
	browserTest(t)
	files, err := filepath.Glob(demos + "/*")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata/feedroom.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, here) {
		if err := os.Symlink(file, filepath.Join(pages, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	return testServerWith(t, pages, func(c *config.Config) {
		c.Folder = settings
		if change != nil {
			change(c)
		}
	})
}

// createScriptRoom makes the room that the pages join.
func createScriptRoom(c *client) {
	c.t.Helper()
	m := c.attach(lua.Package).message(message{"request": "create", "room": 1234, "description": "Demo Room", "publishers": 6}, nil)
	if m.data()["videoroom"] != "created" {
		c.t.Fatalf("create: %v", m)
	}
}

// meet has two at feedroom.html see and hear each other; one mutes himself, goes and comes
// again, then the other one leaves.
func (c *conference) meet() {
	c.t.Helper()
	anna, bert := c.all[0], c.all[1]
	c.awaitPictures()
	for _, p := range c.all {
		c.awaitSound(p, true)
	}
	anna.click("#mute")
	c.awaitSound(anna, false)
	anna.click("#mute")
	c.awaitSound(anna, true)
	anna.click("#unpublish")
	anna.is(`document.querySelector("#state").textContent === "unpublished"`)
	c.awaitGone(anna)
	anna.click("#publish")
	c.awaitPictures()
	bert.click("#leave")
	bert.is(`document.querySelector("#state").textContent === "left"`)
	c.awaitGone(bert)
	for _, p := range c.all {
		p.quiet()
	}
}

// TestBrowserScriptRoom: two browsers meet in the room of Debian's videoroom.lua, on a page that asks
// as that script expects. The VideoRoom pages of janus-demos ask for streams, which
// it does not know; how far those get is compared with janus elsewhere.
func TestBrowserScriptRoom(t *testing.T) {
	s := scriptRoomServer(t, nil)
	createScriptRoom(dial(t, s))
	openPages(t, s, direct(t, s), "feedroom.html", "", "anna?name=anna", "bert?name=bert").meet()
}
