package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// register gives a VideoCall page its name.
func (p *participant) register() {
	p.t.Helper()
	p.join()
	p.is(fmt.Sprintf(`$("#youok").text() === "Registered as '%s'" && !!$._data($("#call")[0], "events")?.click`, p.name))
}

// call calls another page by the page's buttons, which shows that somebody calls.
func (p *participant) call(other *participant) {
	p.t.Helper()
	p.is(`!$("#peer").prop("disabled") && $("#peer").val() === "" && $("#call").text() === "Call" && $(".modal").length === 0`)
	p.do(chromedp.SendKeys("#peer", other.name))
	p.click("#call")
	p.is(`$(".bootbox").text().includes("Waiting for the peer to answer")`)
	other.is(fmt.Sprintf(`$(".bootbox").text().includes("Incoming call from %s!")`, p.name))
}

// talks waits until a page gets moving pictures of the width, and sound.
func (p *participant) talks(width int) {
	p.t.Helper()
	first := p.awaitStats("picture", func(s stats) bool { return s.In.Video.Frames > 0 && s.In.Video.Width == width })
	s := p.awaitStats("moving picture and sound", func(s stats) bool {
		return s.In.Video.Width == width && s.In.Video.Frames > first.In.Video.Frames+10 && s.In.Audio.Audible > first.In.Audio.Audible
	})
	// the page shows it again when it is told that packets come
	p.is(fmt.Sprintf(`$("#videoright video").get().some(v => v.videoWidth === %d)`, width))
	p.t.Logf("%s: in %+v", p.name, s.In)
}

// writes sends text by the page's input to the other page.
func (p *participant) writes(other *participant, text string) {
	p.t.Helper()
	p.is(`!$("#datasend").prop("disabled")`)
	other.is(`!$("#datasend").prop("disabled")`) // its channel is open, too
	p.do(chromedp.SendKeys("#datasend", text+"\r"))
	other.is(fmt.Sprintf(`$("#datarecv").val() === %q`, text))
}

// idle waits until a page is ready for another call.
func (p *participant) idle() {
	p.t.Helper()
	p.is(`$("#call").text() === "Call" && !$("#call").prop("disabled") && $("#videoright").children().length === 0 && $(".modal").length === 0`)
}

// TestBrowserDemoVideoCall drives the VideoCall page of Debian's package janus-demos in
// two windows, over WebSockets; by long poll it takes BIFRONS_SOAK.
func TestBrowserDemoVideoCall(t *testing.T) {
	fronts := map[string]func(*testing.T, *server) front{"websockets": direct}
	if soak() {
		fronts["http"] = directPoll
	}
	for name, at := range fronts {
		t.Run(name, func(t *testing.T) {
			c := openConferenceAt(t, at, "videocalltest.html", "anna", "bert")
			anna, bert := c.all[0], c.all[1]
			anna.register()
			bert.register()

			anna.call(bert)
			bert.click(".bootbox .btn-success")
			anna.talks(320)
			bert.talks(320)
			anna.writes(bert, "hello")
			bert.writes(anna, "grüße, 世界")
			anna.shot("anna")

			bert.click("#togglevideo")
			bert.is(`$("#togglevideo").text() === "Enable video"`)
			anna.awaitStill("video")
			bert.click("#togglevideo")
			anna.talks(320)
			bert.click("#bitrateset")
			bert.click(`[id="128"]`)
			bert.awaitStats("lower target", func(s stats) bool {
				target := s.Out["video"].Target
				return target > 0 && target <= 128000
			})

			bert.click("#call") // hangs up
			anna.idle()
			bert.idle()
			bert.call(anna)
			anna.click(".bootbox .btn-danger") // declines
			anna.idle()
			bert.idle()
			bert.call(anna)
			anna.click(".bootbox .btn-success")
			anna.talks(320)
			bert.talks(320)
			anna.quiet()
			bert.quiet()

			// who loads the page anew has left the call, and gets the name again
			anna.do(chromedp.Reload())
			bert.idle()
			anna.register()
			anna.call(bert)
			bert.click(".bootbox .btn-success")
			anna.talks(320)
			bert.talks(320)
		})
	}
}

// TestBrowserDemoVideoCallSimulcast: the callee chooses among the caller's encodings by the
// page's buttons.
func TestBrowserDemoVideoCallSimulcast(t *testing.T) {
	c := openConference(t, "videocalltest.html", "anna?simulcast=true", "bert")
	anna, bert := c.all[0], c.all[1]
	anna.register()
	bert.register()
	anna.call(bert)
	bert.click(".bootbox .btn-success")
	// a browser that is short of power may never send the third one
	bert.is(`$("#sl-1, #sl-2").hasClass("btn-success")`)
	bert.awaitStats("larger picture", func(s stats) bool { return s.In.Video.Width > 320 })
	anna.talks(320)
	bert.click("#tl-0")
	bert.is(`$("#tl-0").hasClass("btn-success")`)
	bert.click("#sl-0")
	bert.is(`$("#sl-0").hasClass("btn-success")`)
	bert.talks(320)
	bert.quiet()
}
