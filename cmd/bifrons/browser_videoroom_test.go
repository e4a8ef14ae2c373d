package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
)

// roomFile has the room that the demo pages join.
const roomFile = `room-1234: {
	description = "Demo Room"
	secret = "adminpwd"
	publishers = 6
	bitrate = 256000
	fir_freq = 10
	audiocodec = "opus"
	videocodec = "vp8"
}
`

// roomScript keeps the camera small and slow, as several pages share two cores,
// but for simulcast, of which a small picture has one encoding only. It looks at
// the pictures of others from the page's side: those in its slots, under the
// names that it shows.
const roomScript = `
(() => {
	const media = MediaDevices.prototype, capture = media.getUserMedia;
	media.getUserMedia = function(wanted) {
		const size = location.search.includes("simulcast") ? { width: 1280, height: 720 } : { width: 320, height: 240 };
		return capture.call(this, wanted?.video ? { ...wanted, video: { ...size, frameRate: 10 } } : wanted);
	};
	const firsts = [];
	e2e.pcs.push = function(pc) {
		const begun = performance.now();
		const look = async () => {
			for (const s of (await pc.getStats()).values()) {
				if (s.type === "inbound-rtp" && s.kind === "video" && s.framesDecoded > 0) {
					firsts.push(Math.round(performance.now() - begun));
					return;
				}
			}
			if (pc.connectionState !== "closed") setTimeout(look, 20);
		};
		look();
		return Array.prototype.push.call(this, pc);
	};
	window.room = {
		firsts,
		// sent is the width of each encoding that goes out, by RID.
		async sent() {
			const out = {};
			for (const pc of e2e.pcs) {
				if (pc.connectionState === "closed") continue;
				(await pc.getStats()).forEach(s => {
					if (s.type === "outbound-rtp" && s.rid && s.framesEncoded > 5 && s.framesPerSecond > 0) out[s.rid] = s.frameWidth;
				});
			}
			return out;
		},
		async others() {
			const receivers = e2e.pcs.flatMap(pc => pc.connectionState === "closed" ? [] : pc.getReceivers()), out = {};
			for (let slot = 1; slot < 6; slot++) {
				const name = $("#remote" + slot).text();
				if (!name) continue;
				const o = out[name] = { Pictures: 0, Width: 0, Frames: 0, Energy: 0 };
				for (const e of $("#videoremote" + slot).find("video, audio").get()) {
					if (e.videoWidth) { o.Pictures++; o.Width = e.videoWidth; }
					for (const track of e.srcObject?.getTracks() ?? []) {
						const all = await receivers.find(r => r.track === track)?.getStats() ?? new Map();
						all.forEach(s => {
							if (s.type !== "inbound-rtp") return;
							o.Frames += s.framesDecoded ?? 0;
							o.Energy += s.totalAudioEnergy ?? 0;
						});
					}
				}
			}
			return out;
		},
	};
})();
`

// others is what a page shows of the other participants, by name.
type others map[string]struct {
	Pictures, Width, Frames int
	Energy                  float64 // of the sound so far
}

// participant is a page that is in a room under a name.
type participant struct {
	*tab
	name string
	gone bool
}

// conference is some pages in the room of one server.
type conference struct {
	t      *testing.T
	server *server
	all    []*participant
}

// openConference opens a demo page of janus-demos once for each name, in
// windows of one Chromium. A name may have a query for its page behind it.
func openConference(t *testing.T, file string, names ...string) *conference {
	t.Helper()
	return openConferenceAt(t, direct, file, names...)
}

// openConferenceAt is openConference with pages that come from somewhere else.
func openConferenceAt(t *testing.T, at func(*testing.T, *server) front, file string, names ...string) *conference {
	t.Helper()
	return openConferenceWith(t, at, file, roomScript, names...)
}

// openConferenceWith has another script run before those of the pages.
func openConferenceWith(t *testing.T, at func(*testing.T, *server) front, file, script string, names ...string) *conference {
	t.Helper()
	rooms := roomFile
	if strings.Contains(strings.Join(names, ""), "simulcast") {
		rooms = strings.Replace(rooms, "256000", "0", 1) // room for several encodings
	}
	return openConferenceIn(t, rooms, at, file, script, names...)
}

// openConferenceIn has other rooms.
func openConferenceIn(t *testing.T, rooms string, at func(*testing.T, *server) front, file, script string, names ...string) *conference {
	t.Helper()
	folder := demosFolderFor(t)
	browserTest(t)
	settings := t.TempDir()
	for file, text := range map[string]string{
		"janus.plugin.videoroom": rooms, "janus.plugin.sip": "general: { local_ip = \"127.0.0.1\" }\n",
		"bifrons.whip": "whip-me: { room = 1234, feed = 7, label = \"studio\", token = \"t\" } whep-me: { room = 1234, feed = 7, token = \"t\" }\n",
	} {
		if err := os.WriteFile(filepath.Join(settings, file+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := testServerWith(t, folder, func(cfg *config.Config) { cfg.Folder = settings })
	return openPages(t, s, at(t, s), file, script, names...)
}

// openPages opens a page of a server in a window for each name.
func openPages(t *testing.T, s *server, from front, file, script string, names ...string) *conference {
	t.Helper()
	c := &conference{t: t, server: s}
	script += from.script()
	first := openTab(t, from.hosts, script)
	for i, name := range names {
		name, query, _ := strings.Cut(name, "?")
		p := &participant{tab: first, name: name}
		if i > 0 {
			p.tab = first.another(script)
		}
		c.all = append(c.all, p)
		p.do(chromedp.Navigate(from.origin + "/demos/" + file + "?" + query))
	}
	return c
}

// another opens a further window in a tab's browser.
func (b *tab) another(script string) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	return newTab(b.t, ctx, script, cancel)
}

// begin presses the page's first button.
func (p *participant) begin() {
	p.t.Helper()
	p.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	p.click("#start")
}

// join enters the room by the page's buttons, which also publishes.
func (p *participant) join() {
	p.t.Helper()
	p.begin()
	p.is(`$("#username").is(":visible") && !!$._data($("#register")[0], "events")?.click`)
	p.do(chromedp.SendKeys("#username", p.name))
	p.click("#register")
}

// awaitOthers waits for what a page shows of the others.
func (p *participant) awaitOthers(what string, ok func(others) bool) others {
	p.t.Helper()
	return await(p.tab, p.name+": "+what, "room.others()", ok)
}

// awaitPictures waits until every page shows everybody else in motion, and
// nobody besides.
func (c *conference) awaitPictures() {
	c.t.Helper()
	const more = 5 // frames
	for _, p := range c.all {
		if p.gone {
			continue
		}
		first := map[string]int{}
		p.awaitOthers("moving pictures of all others", func(o others) bool {
			moving, wanted := 0, 0
			for _, q := range c.all {
				if q == p || q.gone {
					continue
				}
				wanted++
				v := o[q.name]
				if from, seen := first[q.name]; !seen || v.Frames < from {
					first[q.name] = v.Frames
				} else if v.Pictures == 1 && v.Width == 320 && v.Frames >= from+more {
					moving++
				}
			}
			return moving == wanted && len(o) == wanted
		})
	}
}

// awaitGone waits until no other page shows somebody.
func (c *conference) awaitGone(who *participant) {
	c.t.Helper()
	for _, p := range c.all {
		if p != who && !p.gone {
			p.awaitOthers("end of "+who.name, func(o others) bool { _, there := o[who.name]; return !there })
		}
	}
}

// awaitSound waits until everybody else hears somebody, or hears nothing for
// two seconds; the sound of the test device is a beep each half second. All pages are
// looked at in turn, so that the seconds are the same ones.
func (c *conference) awaitSound(who *participant, wanted bool) {
	c.t.Helper()
	const audible = 1e-4
	type heard struct {
		energy float64
		since  time.Time
		ok     bool
	}
	last := map[*participant]*heard{}
	for _, p := range c.all {
		if p != who && !p.gone {
			last[p] = &heard{energy: -1}
		}
	}
	look := func(h *heard, o others) {
		switch v, there := o[who.name]; {
		case !there:
			h.ok = false
		case h.energy < 0 || v.Energy < h.energy:
			*h = heard{v.Energy, time.Now(), false}
		case v.Energy > h.energy+audible:
			*h = heard{v.Energy, time.Now(), wanted}
		default:
			h.ok = h.ok && wanted || !wanted && time.Since(h.since) > 2*time.Second
		}
	}
	all := func() bool {
		for _, h := range last {
			if !h.ok {
				return false
			}
		}
		return true
	}
	waittest.UntilEvery(c.t, 100*time.Millisecond, browserPatience, fmt.Sprintf("sound of %s %v", who.name, wanted), func() bool {
		for p, h := range last {
			if !wanted || !h.ok {
				look(h, eval[others](p.tab, "room.others()"))
			}
		}
		return all()
	})
}

// awaitSessions waits until the server has so many sessions.
func (c *conference) awaitSessions(n int) {
	c.t.Helper()
	waittest.Until(c.t, fmt.Sprintf("%d sessions, want %d", len(c.server.core.Sessions()), n), func() bool { return len(c.server.core.Sessions()) == n })
}

// kick throws somebody out of the room.
func (c *conference) kick(who *participant) {
	c.t.Helper()
	h := dial(c.t, c.server).attach("janus.plugin.videoroom")
	list, _ := h.message(message{"request": "listparticipants", "room": 1234}, nil).data()["participants"].([]any)
	for _, x := range list {
		if p := message(x.(map[string]any)); p["display"] == who.name {
			m := h.message(message{"request": "kick", "room": 1234, "secret": "adminpwd", "id": p["id"]}, nil)
			if m.data()["videoroom"] != "success" {
				c.t.Fatalf("kick: %v", m)
			}
			return
		}
	}
	c.t.Fatalf("%s is not in the room: %v", who.name, list)
}

// leave closes a page's window.
func (p *participant) leave() {
	p.t.Helper()
	p.quiet()
	p.gone = true
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Fatal(err)
	}
}

// stop presses the page's button that ends everything.
func (p *participant) stop() {
	p.t.Helper()
	p.gone = true
	p.click("#start")
}

// printFirsts tells how long subscribers took for the first picture.
func (c *conference) printFirsts() {
	c.t.Helper()
	for _, p := range c.all {
		c.t.Logf("%s: subscriber's connection made to its first decoded frame: %v ms", p.name, eval[[]int](p.tab, "room.firsts"))
	}
}

// TestBrowserDemoVideoRoom drives the VideoRoom pages of Debian's package
// janus-demos in three windows, over either transport of the Janus API. One page
// subscribes to each publisher on a connection of its own, the other has all
// subscriptions on one connection; that one by long poll takes BIFRONS_SOAK.
func TestBrowserDemoVideoRoom(t *testing.T) {
	for _, file := range []string{"videoroomtest", "mvideoroomtest"} {
		t.Run(file+"/websockets", func(t *testing.T) { testConference(t, false, file+".html", "anna", "bert", "cleo") })
		if file == "videoroomtest" || os.Getenv("BIFRONS_SOAK") != "" {
			t.Run(file+"/http", func(t *testing.T) { testConference(t, true, file+".html", "anna", "bert", "cleo") })
		}
	}
}

// testConference drives a page over WebSockets or, by long polls, over HTTP.
func testConference(t *testing.T, polls bool, file string, names ...string) {
	at := direct
	if polls {
		at = directPoll
	}
	begun := time.Now()
	step := func(what string) {
		t.Logf("%s after %v", what, time.Since(begun).Round(10*time.Millisecond))
	}
	c := openConferenceAt(t, at, file, names...)
	step("pages open")
	for _, p := range c.all {
		p.join()
	}
	step("joins sent")
	c.awaitPictures()
	step("all see all")
	c.printFirsts()
	for _, p := range c.all {
		p.shot(p.name)
	}

	first, last := c.all[0], c.all[len(c.all)-1]
	c.awaitSound(first, true)
	first.click("#mute")
	first.is(`$("#mute").text() === "Unmute"`)
	c.awaitSound(first, false)
	first.click("#mute")
	c.awaitSound(first, true)
	step("muted and unmuted")

	first.click("#unpublish")
	c.awaitGone(first)
	step("unpublished")
	first.click("#publish")
	c.awaitPictures()
	step("published again")

	if polls { // a session without a connection ends by its timeout only
		last.stop()
	} else {
		last.leave()
	}
	c.awaitGone(last)
	c.awaitSessions(len(names) - 1)
	c.awaitPictures()
	step("one left")
	for _, p := range c.all {
		if !p.gone {
			p.quiet()
		}
	}

	// He is told and his connection closed; the others get no more of him, which
	// is all that these pages make of it. janus.js may then complain on the console.
	c.kick(c.all[1])
	c.all[1].is(`$("#publish").is(":visible")`)
	c.awaitSound(c.all[1], false)
	step("one was kicked")
}
