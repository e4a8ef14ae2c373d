package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
)

// registerAt registers a SIP page at a registrar, by the page's buttons. secret tells how: "secret" or "ha1secret".
func (p *participant) registerAt(registrar, secret string) {
	p.t.Helper()
	p.begin()
	p.is(`$("#login").is(":visible") && !!$._data($("#register")[0], "events")?.click`)
	p.click("#registerset")
	p.click("#" + secret)
	p.confirm("Using this approach")
	p.fill("#server", "sip:"+registrar)
	p.fill("#username", p.uri())
	p.fill("#password", siptest.Password)
	p.click("#register")
	p.is(`registered && $("#phone").is(":visible")`)
	p.hasSaid(fmt.Sprintf(`"result":{"event":"registered","username":%q,"register_sent":true`, p.name))
}

// fill fills a field in. Keys might go astray, as the page moves the focus when a dialog has faded away.
func (p *participant) fill(field, text string) {
	p.t.Helper()
	p.is(fmt.Sprintf(`$(%q).val(%q).is(":visible")`, field, text))
}

func (p *participant) uri() string { return "sip:" + p.name + "@" + siptest.Realm }

// confirm presses OK in the page's dialog that shows a text.
func (p *participant) confirm(text string) { p.t.Helper(); p.press("OK", text) }

// press presses a button of the page's dialog that shows a text, and waits until the dialog has gone.
func (p *participant) press(button, text string) {
	p.t.Helper()
	find := fmt.Sprintf(`$(".bootbox.in").filter((i, e) => $(e).text().includes(%q)).last()`, text)
	p.is(find + `.length === 1`)
	p.is(fmt.Sprintf(`(() => {
		const b = %s.find(".modal-footer button, .bootbox-close-button").filter((i, e) => $(e).text() === %q);
		if (b.length !== 1) return false;
		b.click();
		return true;
	})()`, find, button))
	p.is(find + `.length === 0`)
}

// ring calls somebody by the page's main line or one of its helpers: "", "1"…
func (p *participant) ring(line, uri string, video bool) {
	p.t.Helper()
	p.is(fmt.Sprintf(`$("#call%[1]s").text() === "Call" && !$("#call%[1]s").prop("disabled") && !$("#peer%[1]s").prop("disabled")`, line))
	p.fill("#peer"+line, uri)
	if video {
		p.click("#dovideo" + line)
	}
	p.click("#call" + line)
}

// answers accepts a call from somebody.
func (p *participant) answers(from, more string) {
	p.t.Helper()
	p.press("Answer", "Incoming call from "+from+"!"+more)
}

// hangsUp ends the call of a line, as both pages show.
func (p *participant) hangsUp(line string) {
	p.t.Helper()
	p.is(fmt.Sprintf(`$("#call%[1]s").text() === "Hangup" && !$("#call%[1]s").prop("disabled")`, line))
	p.click("#call" + line)
}

// over waits until a page shows that the call of a line has ended.
func (p *participant) over(line, why string) {
	p.t.Helper()
	p.confirm(why)
	p.is(fmt.Sprintf(`$("#call%s").text() === "Call"`, line))
}

// hears waits until so many connections of a page get sound, and all but audio ones pictures.
func (p *participant) hears(lines int, video bool) []flow {
	p.t.Helper()
	var first []flow
	return await(p.tab, p.name+": sound", flows, func(list []flow) bool {
		list = slices.DeleteFunc(list, func(f flow) bool { return f.State == "closed" })
		if len(list) != lines {
			return false
		}
		if first == nil {
			first = list
		}
		for i, f := range list {
			if f.State != "connected" || f.Packets < first[i].Packets+10 || f.Audible <= first[i].Audible || video && f.Frames < first[i].Frames+5 {
				return false
			}
		}
		return true
	})
}

// hasSaid waits until the server has told a page something.
func (p *participant) hasSaid(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.is(fmt.Sprintf(`said.some(s => s.includes(%q))`, text))
	}
}

// TestBrowserDemoSIP drives the SIP page of Debian's package janus-demos in three windows that are registered at Kamailio:
// calls with sound and pictures, with and without SRTP, are held, transferred and hung up by either side.
func TestBrowserDemoSIP(t *testing.T) {
	registrar := siptest.FreePort(t)
	c := openConferenceAt(t, func(t *testing.T, s *server) front {
		f := direct(t, s)
		f.more = spyScript
		return f
	}, "siptest.html", "anna", "bert", "cleo")
	siptest.Kamailio(t, registrar)
	begun := time.Now()
	step := func(what string) { t.Logf("%s after %v", what, time.Since(begun).Round(10*time.Millisecond)) }
	anna, bert, cleo := c.all[0], c.all[1], c.all[2]
	anna.registerAt(registrar, "ha1secret")
	bert.registerAt(registrar, "secret")
	cleo.registerAt(registrar, "secret")
	step("registered")

	anna.ring("", bert.uri(), false)
	bert.press("Decline", "Incoming call from "+anna.uri())
	anna.over("", "603 Decline")
	bert.over("", "603 Decline")
	step("declined")

	anna.ring("", bert.uri(), true)
	bert.answers(anna.uri(), "")
	anna.hears(1, true)
	bert.hears(1, true)
	anna.shot("call")
	step("call with pictures")
	eval[any](anna.tab, `$("#dtmf button").get(5).click()`)
	bert.hasSaid(`"event":"dtmf"`, `"signal":"5"`)
	anna.click("#msg")
	anna.fill(".bootbox-input", "good day")
	anna.press("OK", "Insert message")
	bert.is(`$(".toast-message").text().includes("good day")`)
	anna.is(`$(".toast-message").text().includes("Delivery Status: 200 OK")`)
	step("text and digit")
	eval[any](anna.tab, `sipcall.send({ message: { request: "hold" } })`)
	anna.hasSaid(`"event":"holding"`)
	bert.hasSaid(`"event":"updatingcall"`, `"event":"updated"`)
	anna.awaitStill("audio")
	bert.hears(1, true)
	eval[any](anna.tab, `sipcall.send({ message: { request: "unhold" } })`)
	anna.hasSaid(`"event":"resuming"`)
	anna.hears(1, true)
	bert.hears(1, true)
	step("held and resumed")
	anna.hangsUp("")
	anna.over("", "200 ")
	bert.over("", "200 ")
	step("caller hung up")

	eval[any](bert.tab, `wanted = "sdes_mandatory", 0`)
	bert.ring("", anna.uri(), false)
	anna.answers(bert.uri(), " (SDES-SRTP mandatory)")
	anna.hears(1, false)
	bert.hears(1, false)
	anna.hangsUp("")
	anna.over("", "200 ")
	bert.over("", "200 ")
	step("SRTP, callee hung up")

	eval[any](anna.tab, `wanted = "sdes_optional", 0`)
	anna.ring("", bert.uri(), false)
	bert.answers(anna.uri(), " (SDES-SRTP offered)")
	bert.hears(1, false)
	bert.click("#transfer")
	bert.fill("#transferto", cleo.uri())
	bert.press("Blind transfer", "Insert the address")
	anna.press("OK", "Transfer the call to "+cleo.uri())
	cleo.answers(anna.uri(), " (referred by")
	bert.hasSaid("SIP/2.0 200 OK")
	anna.hears(2, false)
	cleo.hears(1, false)
	step("blind transfer")
	bert.hangsUp("")
	bert.over("", "200 ")
	anna.over("", "200 ")

	// anna talks to cleo by her helper; she calls bert, too, and joins them.
	anna.ring("", bert.uri(), false)
	bert.answers(anna.uri(), "")
	bert.hears(1, false)
	cleo.click("#addhelper")
	cleo.is(`!$("#call1").prop("disabled")`)
	eval[any](anna.tab, fmt.Sprintf(`sipcall.send({ message: { request: "transfer", uri: %q, replace: helpers[1].sipcall.callId } })`, cleo.uri()))
	bert.press("OK", "replaces call-ID")
	cleo.answers(bert.uri(), " (referred by")
	cleo.over("", "200 ")
	anna.over("1", "200 ")
	cleo.hears(1, false)
	bert.hears(2, false)
	step("attended transfer")
	bert.hangsUp("")
	bert.over("", "200 ")
	anna.over("", "200 ")
	cleo.hangsUp("1")
	cleo.over("1", "200 ")
	bert.over("1", "200 ")
	for _, p := range c.all {
		p.quiet()
		if said := strings.Join(eval[[]string](p.tab, "said"), "\n"); strings.Contains(said, `"error"`) {
			t.Errorf("%s is told of an error: %s", p.name, said)
		}
	}
	step("the end")
}

// TestBrowserSIPPhone has the SIP page call a telephone by Kamailio, and be called by it: each side hears the other's tone.
func TestBrowserSIPPhone(t *testing.T) {
	const ours, theirs = 1100, 700
	registrar := siptest.FreePort(t)
	c := openConferenceWith(t, func(t *testing.T, s *server) front {
		f := direct(t, s)
		f.more = spyScript
		return f
	}, "siptest.html", toneScript, fmt.Sprintf("anna?hz=%d", ours))
	siptest.Kamailio(t, registrar)
	line := siptest.Line{User: "phone", Registrar: registrar, Transport: "udp", Opus: true, Hz: theirs}
	phone := siptest.Baresip(t, line)
	anna, uri := c.all[0], "sip:"+line.User+"@"+siptest.Realm
	anna.registerAt(registrar, "secret")
	calls, heard := 0, 0
	talk := func(hangUp func()) {
		t.Helper()
		await(anna.tab, "the telephone's tone", fmt.Sprintf("hear(%d, %d)", theirs, ours), func(sides [][]float64) bool {
			return len(sides) == 2 && sides[0][0] > -45 && sides[0][1] < -75
		})
		var first []flow
		await(anna.tab, "two more seconds", flows, func(list []flow) bool {
			list = slices.DeleteFunc(list, func(f flow) bool { return f.State == "closed" })
			if first == nil {
				first = list
			}
			return len(list) == 1 && list[0].Packets >= first[0].Packets+100
		})
		hangUp()
		anna.over("", "200 ")
		calls++
		siptest.Awaits(t, phone, calls, calls)
		before := heard
		waittest.Until(t, "the page's tone in what the telephone has recorded", func() bool {
			heard = siptest.Heard(phone, ours)
			return heard >= before+5
		})
	}
	anna.ring("", uri, false)
	talk(func() { anna.hangsUp("") })
	phone.Dial(anna.uri())
	anna.answers(uri, "")
	talk(phone.HangUp)
	anna.quiet()
}
