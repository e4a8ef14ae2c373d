package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/api/plugin/audiobridge"
	"bifrons/rtp/waittest"
)

// bridgeFile has the rooms: that of the page, and one in which everybody has a place.
const bridgeFile = `room-1234: { description = "Demo Room", secret = "adminpwd", sampling_rate = 48000 }
room-5678: { description = "Stereo", secret = "adminpwd", sampling_rate = 48000, spatial_audio = true }
`

// sliderScript is what the page calls of bootstrap-slider, which is in no package of Debian's.
const sliderScript = `
document.addEventListener("DOMContentLoaded", () => {
	$.fn.slider = function(what, value) {
		if (what === "setValue") return this.val(value);
		return this.attr({ type: "range", min: what.min, max: what.max, step: what.step, disabled: !what.enabled }).val(what.value);
	};
});
`

// toneScript makes the page's microphone a tone, and measures what comes back: for each
// channel, by frequency, how loud it is in dB.
const toneScript = `
(() => {
	let context;
	const get = () => context ??= new AudioContext({ sampleRate: 48000 });
	MediaDevices.prototype.getUserMedia = async function() {
		const c = get(), tone = c.createOscillator(), gain = c.createGain(), to = c.createMediaStreamDestination();
		await c.resume();
		tone.frequency.value = +new URLSearchParams(location.search).get("hz");
		gain.gain.value = 0.3;
		tone.connect(gain).connect(to);
		tone.start();
		return to.stream;
	};
	let ears, stream;
	const listen = () => {
		const now = document.querySelector("#roomaudio, audio[id^=peervideo]")?.srcObject;
		if (!now || now === stream) return;
		const source = get().createMediaStreamSource(stream = now), split = get().createChannelSplitter(2);
		ears = [0, 1].map(i => {
			const a = get().createAnalyser();
			a.fftSize = 8192;
			a.smoothingTimeConstant = 0;
			split.connect(a, i);
			return a;
		});
		source.connect(split);
	};
	window.hear = (...tones) => {
		listen();
		return (ears ?? []).map(a => {
			const bins = new Float32Array(a.frequencyBinCount);
			a.getFloatFrequencyData(bins);
			return tones.map(hz => {
				const i = Math.round(hz * a.fftSize / 48000);
				return Math.max(-200, ...bins.subarray(i - 2, i + 3));
			});
		});
	};
})();
`

// bridgeTones are what the pages say.
var bridgeTones = []int{500, 1100, 1900}

// openBridge opens the demo page once for each name, in windows of one Chromium.
func openBridge(t *testing.T, at func(*testing.T, *server) front, query string, names ...string) *conference {
	t.Helper()
	folder := demosFolderFor(t)
	browserTest(t)
	settings := t.TempDir()
	if err := os.WriteFile(filepath.Join(settings, audiobridge.Package+".jcfg"), []byte(bridgeFile), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &conference{t: t, server: testServerWith(t, folder, func(cfg *config.Config) { cfg.Folder = settings })}
	from := at(t, c.server)
	script := sliderScript + toneScript + from.script()
	first := openTab(t, from.hosts, script)
	for i, name := range names {
		p := &participant{tab: first, name: name}
		if i > 0 {
			p.tab = first.another(script)
		}
		c.all = append(c.all, p)
		p.do(chromedp.Navigate(fmt.Sprintf("%s/demos/audiobridgetest.html?hz=%d%s", from.origin, bridgeTones[i], query)))
	}
	for i, p := range c.all {
		p.join()
		p.is(fmt.Sprintf(`$("#toggleaudio").is(":visible") && $("#list li").length === %d`, i))
		p.t.Logf("%s is in the room", p.name)
	}
	for _, p := range c.all { // all are connected
		p.is(fmt.Sprintf(`$("#list li").length === %d && $("#list .absetup:visible").length === 0`, len(c.all)-1))
	}
	return c
}

// hears waits until a page hears these pages, and none of the others nor itself.
func (c *conference) hears(p *participant, who ...*participant) {
	c.t.Helper()
	wanted := map[*participant]bool{}
	for _, q := range who {
		wanted[q] = true
	}
	levels := await(p.tab, p.name+" hears who speaks", fmt.Sprintf("hear(%d, %d, %d)", bridgeTones[0], bridgeTones[1], bridgeTones[2]), func(sides [][]float64) bool {
		if len(sides) != 2 {
			return false
		}
		left := sides[0] // the other one is silent where there is one channel only
		for i, q := range c.all {
			if wanted[q] && left[i] < -45 || !wanted[q] && left[i] > -75 {
				return false
			}
		}
		return true
	})
	c.t.Logf("%s: %.0f dB", p.name, levels[0])
}

// TestBrowserDemoAudioBridge drives the AudioBridge page of Debian's package janus-demos
// in three windows, over WebSockets, and by long poll behind nginx; without that it takes BIFRONS_SOAK. Each says a
// tone of its own.
func TestBrowserDemoAudioBridge(t *testing.T) {
	fronts := map[string]func(*testing.T, *server) front{"websockets": direct, "nginx": proxied(`"/janus"`)}
	if soak() {
		fronts["http"] = directPoll
	}
	for name, at := range fronts {
		t.Run(name, func(t *testing.T) {
			c := openBridge(t, at, "", "anna", "bert", "cleo")
			anna, bert, cleo := c.all[0], c.all[1], c.all[2]
			c.hears(anna, bert, cleo)
			c.hears(bert, anna, cleo)
			c.hears(cleo, anna, bert)

			bert.click("#toggleaudio")
			anna.is(`$("#list .abmuted:visible").length === 1`)
			c.hears(anna, cleo)
			c.hears(cleo, anna)
			c.hears(bert, anna, cleo)
			bert.click("#toggleaudio")
			anna.is(`$("#list .abmuted:visible").length === 0`)
			c.hears(anna, bert, cleo)
			anna.shot("audiobridge")

			for _, p := range c.all {
				p.quiet(slider)
			}
			cleo.stop()
			anna.is(`$("#list li").length === 1`)
			c.hears(anna, bert)

			h := dial(t, c.server).attach(audiobridge.Package)
			if m := h.message(message{"request": "destroy", "room": 1234, "secret": "adminpwd"}, nil); m.data()["audiobridge"] != "destroyed" {
				t.Fatalf("destroy: %v", m)
			}
			for _, p := range []*participant{anna, bert} {
				p.is(`$(".bootbox-body").text() === "The room has been destroyed"`)
			}
			waittest.Until(t, "nobody is mixed", func() bool { return c.server.engine.Mixing().Parties == 0 })
		})
	}
}

// slider is in what the page says when it does not find the library.
const slider = "bootstrap-slider"

// TestBrowserDemoAudioBridgeStereo: where somebody is heard from, as the page's button has it.
func TestBrowserDemoAudioBridgeStereo(t *testing.T) {
	c := openBridge(t, direct, "&room=5678&stereo=true", "anna", "bert")
	anna, bert := c.all[0], c.all[1]
	heard := func(where string, ok func(left, right float64) bool) {
		t.Helper()
		levels := await(anna.tab, "bert from the "+where, fmt.Sprintf("hear(%d, %d)", bridgeTones[1], bridgeTones[0]), func(sides [][]float64) bool {
			return len(sides) == 2 && ok(sides[0][0], sides[1][0]) && max(sides[0][1], sides[1][1]) < -75
		})
		t.Logf("%s: %.0f dB", where, levels)
	}
	middle := func(left, right float64) bool { return left > -45 && right > left-3 && right < left+3 }
	heard("middle", middle)
	for _, x := range []struct {
		place int
		where string
		ok    func(left, right float64) bool
	}{
		{0, "left", func(left, right float64) bool { return left > -45 && right < left-20 }},
		{100, "right", func(left, right float64) bool { return right > -45 && left < right-20 }},
		{50, "middle", middle},
	} {
		bert.click("#position")
		bert.is(`$(".bootbox-input").is(":visible")`)
		bert.do(chromedp.SetValue(".bootbox-input", fmt.Sprint(x.place)))
		bert.click(".bootbox .btn-primary")
		bert.is(`$(".bootbox").length === 0`)
		anna.is(fmt.Sprintf(`$("#list input").val() === "%d"`, x.place))
		heard(x.where, x.ok)
	}
	anna.shot("audiobridge-stereo")
	anna.quiet(slider)
	bert.quiet(slider)
}
