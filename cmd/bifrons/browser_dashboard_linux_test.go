package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// keptLog keeps the lines of a log.
type keptLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *keptLog) Line(_ time.Time, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(line)
}
func (l *keptLog) Reopen() error { return nil }
func (l *keptLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestBrowserDashboard: somebody who knows the secret finds the participant with a bad
// line, and sees what the Admin API says. The secret is in no URL and no line of the log.
func TestBrowserDashboard(t *testing.T) {
	browserTest(t)
	v := newRoomServerWith(t, 2, withAdmin)
	log := new(keptLog)
	v.s.out.AddSink(log)
	names := map[int]string{1: "Ann", 2: "Bob <b>", 3: "Cem"}
	speakers := map[int]*speaker{}
	for id, name := range names {
		p := v.enter(1, id, webrtctest.Options{})
		p.h.message(message{"request": "configure", "display": name}, nil)
		speakers[id] = p
	}
	viewer := v.view(1, webrtctest.Options{}, 1, 2, 3)
	var stops []func()
	for _, p := range speakers {
		stops = append(stops, p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 40 * time.Millisecond}))
	}
	speakers[3].Wire.Lose(0.3, 0, 5)

	p := openTab(t, nil, "")
	p.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/", v.s.port("admin_http"))))
	p.is(`!document.getElementById("login").hidden`)
	for _, c := range []struct{ secret, then string }{
		{"wrong", `document.getElementById("refused").textContent === "This is not the secret."`},
		{adminSecret, `!!document.querySelector(".view[data-ready]")`},
	} {
		p.do(chromedp.SetValue("#secret", c.secret))
		p.click("#login .primary")
		p.is(c.then)
	}

	const worst = `document.querySelector("section:nth-of-type(2) tbody tr")`
	p.is(worst + `?.querySelector(".who a")?.textContent === "Cem" && ` + worst + `.querySelector(".why").textContent.includes("of the packets from the client are lost") &&
		` + worst + `.dataset.level === "bad"`)
	p.is(`document.querySelector(".tile b").textContent === "1"`)
	// On a narrow screen no word of it needs scrolling.
	p.do(chromedp.EmulateViewport(400, 900))
	p.is(`innerWidth === 400 && document.documentElement.scrollWidth <= 400 && ` + worst + `.querySelector(".why").getBoundingClientRect().right <= 400`)
	p.shot("narrow")
	p.do(chromedp.EmulateViewport(1280, 1000))
	p.shot("overview")
	p.do(chromedp.SendKeys(`input[type="search"]`, "Dora"))
	p.is(`document.querySelector("section:nth-of-type(2)").textContent.includes("Nobody in trouble matches “Dora”.")`)
	p.click(`a[href="#/clients/Dora"]`)
	p.is(`document.querySelector(".view[data-ready]")?.textContent.includes("Nobody matches.") && document.querySelector('input[type="search"]').value === "Dora"`)
	p.click("#nav a")
	p.is(`(e => { e.value = ""; return e.dispatchEvent(new Event("input")); })(document.querySelector('input[type="search"]'))`)
	p.click("section:nth-of-type(3) tbody .who a") // the room
	p.is(`[...document.querySelectorAll("tbody .who a")].map(a => a.textContent).sort().join() === "Ann,Bob <b>,Cem,handle ` + fmt.Sprint(viewer.h.ID()) + `"`)
	p.is(`document.querySelector("tbody .who a").textContent === "Cem"`)
	p.shot("room")
	p.click("tbody .who a")
	p.is(`document.querySelector(".view h2").textContent === "Cem" && document.querySelectorAll("tbody tr").length === 2 && document.title === "Cem · bifrons"`)
	p.is(`document.querySelector("dl").textContent.includes("SRTP_")`)
	p.shot("stream")

	// What is shown of the streams is what the Admin API says, once nothing moves any more.
	for _, stop := range stops {
		stop()
	}
	h := speakers[3].h
	waittest.Until(t, "the page shows the packets that have come", func() bool {
		media := v.s.ask(t, h, message{"janus": "handle_info"}).at("info", "webrtc", "media")
		var want []string
		for _, mid := range []string{"0", "1"} {
			m := media[mid].(map[string]any)
			packets := m["stats"].(map[string]any)["in"].(map[string]any)["packets"].(float64)
			want = append(want, fmt.Sprintf("%v (mid %s) ↑ in %v", m["type"], mid, packets))
		}
		got := eval[string](p, `[...document.querySelectorAll("tbody tr")].map(r => [0, 1, 4].map(i => r.cells[i].textContent).join(" ")).join("; ").replaceAll(",", "")`)
		return got == strings.Join(want, "; ")
	})

	p.click("#nav a:last-child")
	p.is(`document.querySelectorAll("tbody tr").length === 4`)
	p.click("#idle")
	p.is(`document.querySelectorAll("tbody tr").length === 5`) // who made the rooms
	p.shot("clients")

	urls := eval[string](p, `location.href + " " + performance.getEntriesByType("resource").map(e => e.name).join(" ")`)
	if strings.Contains(urls, adminSecret) || !strings.Contains(urls, "/admin") {
		t.Errorf("URLs: %s", urls)
	}
	if text := log.String(); strings.Contains(text, adminSecret) {
		t.Errorf("log: %s", text)
	}
	p.click("#lock")
	p.is(`!document.getElementById("login").hidden && !document.querySelector(".view") && sessionStorage.length === 0`)
	p.quiet()
}
