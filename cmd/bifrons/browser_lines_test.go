package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// lineCase is a viewer whose line is narrowed, and what it is to see.
type lineCase struct {
	name, file string
	room       string   // what the room has besides
	publishers []string // with their queries
	tops       []int    // widths of the viewer's pictures on a free line
	steps      [2]int   // kbit/s, of which the first has room for every picture
	fps        float64  // pictures a second at the first step, at least
	changes    int      // of widths there, at most
	pauses     bool     // the second step has room for the first picture only
	other      bool     // there is another viewer, who notices nothing
}

var lineCases = []lineCase{
	{name: "simulcast", file: "videoroomtest", publishers: []string{"anna?simulcast=true"}, tops: []int{960}, steps: [2]int{600, 150}, fps: 10, changes: 3},
	{name: "two viewers", file: "videoroomtest", publishers: []string{"anna?simulcast=true"}, tops: []int{960}, steps: [2]int{600, 150}, fps: 10, changes: 3, other: true},
	{name: "VP9 SVC", file: "vp9svctest", room: "videocodec = \"vp9\"\nvideo_svc = true", publishers: []string{"anna?svc=L3T3_KEY&width=640&fps=15"},
		tops: []int{640}, steps: [2]int{600, 150}, fps: 10, changes: 3},
	{name: "AV1", file: "videoroomtest", room: "videocodec = \"av1\"", publishers: []string{"anna?svc=L2T3_KEY&width=320&fps=15"},
		tops: []int{320}, steps: [2]int{600, 150}, fps: 10, changes: 3},
	{name: "screen beside camera", file: "mvideoroomtest", publishers: []string{"anna?simulcast=true&screen=1"},
		tops: []int{960, 640}, steps: [2]int{600, 150}, fps: 3, changes: 6, pauses: true},
	{name: "three publishers", file: "mvideoroomtest",
		publishers: []string{"anna?simulcast=true&width=480&fps=15", "bert?simulcast=true&width=480&fps=15", "cleo?simulcast=true&width=480&fps=15"},
		tops:       []int{480, 480, 480}, steps: [2]int{600, 300}, fps: 10, changes: 12},
}

const (
	lineStep    = 30 * time.Second
	lineSettled = 2 * time.Second
)

// lineTest skips a test outside of its namespace and of make soak.
func lineTest(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv("BIFRONS_SOAK") == "" {
		t.Skip("measures time: make soak runs it")
	}
	return inNamespace(t, lineSetup, "tc", "nft")
}

// TestBrowserLine narrows the line of a viewer in steps, and frees it again: the picture
// gets smaller and goes on, and comes back. The pages are those of janus-demos. Its
// figures are those of a machine that has nothing else to do.
func TestBrowserLine(t *testing.T) {
	for _, c := range lineCases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			if lineTest(t) {
				c.run(t)
			}
		})
	}
}

func (l *lineCase) run(t *testing.T) {
	rooms := strings.Replace(roomFile, "256000", "0", 1)
	if l.room != "" {
		rooms = strings.Replace(rooms, "videocodec = \"vp8\"", l.room, 1)
	}
	viewing := "viewer?subscriber-mode=true"
	if l.file == "vp9svctest" { // has a room of its own, and viewers publish
		rooms = strings.Replace(rooms, "room-1234", "room-5678", 1)
		viewing = "viewer?width=160&fps=5"
	}
	names := append(l.publishers[:len(l.publishers):len(l.publishers)], viewing)
	if l.other {
		names = append(names, "other?subscriber-mode=true")
	}
	c := openConferenceIn(t, rooms, direct, l.file+".html", lineScript, names...)
	for i, p := range c.all {
		p.join()
		if i < len(l.publishers) {
			p.is(`e2e.pcs[0]?.connectionState === "connected"`)
		}
	}
	viewers := c.all[len(l.publishers):]
	for _, p := range viewers {
		p.awaitWidths(l.tops...)
	}
	viewer := viewers[0]
	var free float64
	step := func(name string, kbps int, d, skip time.Duration) viewed {
		t.Helper()
		var looks []look
		for _, p := range viewers[1:] {
			looks = append(looks, p.look())
		}
		if name != "free" {
			viewer.narrow(kbps)
		}
		v := viewer.view(name, d, skip, l.tops...)
		for _, x := range looks {
			o := x.end(name, 0, l.tops...)
			w := o.worst()
			if free = max(free, w.fps); name != "free" && w.changes > 0 || w.gap > time.Second || w.fps < 0.9*free || o.concealed > 0.02 {
				t.Errorf("%s: the other viewer: %+v", name, o)
			}
		}
		return v
	}
	step("free", 0, lineStep/3, 0)
	v := step("narrow", l.steps[0], lineStep, lineSettled)
	if w := v.worst(); w.gap > time.Second || w.fps < l.fps || w.changes > l.changes || v.concealed > 0.02 {
		t.Errorf("at %d kbit/s: %+v", l.steps[0], v)
	}
	longest := func() time.Duration {
		if l.pauses {
			return v.videos[0].gap
		}
		return v.worst().gap
	}
	v = step("narrower", l.steps[1], lineStep, lineSettled)
	if longest() > time.Second || v.concealed > 0.02 {
		t.Errorf("at %d kbit/s: %+v", l.steps[1], v)
	}
	v = step("free again", 0, lineStep, lineSettled)
	if longest() > time.Second || v.topAfter < 0 || v.topAfter > 10*time.Second || v.concealed > 0.02 {
		t.Errorf("free again: %+v", v)
	}
	for _, p := range c.all {
		p.quiet()
	}
}

// TestBrowserEchoLine: a page whose own stream without layers comes back to it is asked for
// what the way back carries.
func TestBrowserEchoLine(t *testing.T) {
	if !lineTest(t) {
		return
	}
	c := openConferenceIn(t, roomFile, direct, "echotest.html", lineScript, "anna")
	const width = 960
	p := c.all[0]
	p.begin()
	p.awaitWidths(width)
	free := p.view("free", lineStep/2, 5*time.Second, width)
	for _, kbps := range []int{300, 150} {
		p.narrow(kbps)
		v := p.view("narrow", lineStep, lineSettled, width)
		if w := v.worst(); w.gap > time.Second || kbps == 300 && w.fps < 10 || v.concealed > 0.02 || v.sent > 1.1e3*float64(kbps) {
			t.Errorf("at %d kbit/s: %+v", kbps, v)
		}
	}
	p.narrow(0)
	p.view("first", 10*time.Second, 0, width)
	if v := p.view("free again", lineStep/2, 0, width); v.worst().gap > time.Second || v.sent < free.sent/2 || v.concealed > 0.02 {
		t.Errorf("free again: %+v", v)
	}
	p.quiet()
}
