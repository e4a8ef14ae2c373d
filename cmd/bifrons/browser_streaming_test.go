package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/api/plugin/streaming"
)

// mountpointsFile has a mountpoint for each thing that the page can show. The H.264
// one is that of the notes that people pass around.
const mountpointsFile = `
simulcast: {
	type = "rtp"
	id = 1
	description = "Simulcast"
	metadata = "three sizes"
	media = ( { type = "video", mid = "s", port = 0, pt = 96, codec = "vp8", simulcast = true } )
}
vp8: {
	type = "rtp"
	id = 2
	description = "VP8 and Opus"
	media = (
		{ type = "video", mid = "v", port = 0, pt = 100, codec = "vp8" },
		{ type = "audio", mid = "a", port = 0, pt = 111, codec = "opus" }
	)
	bufferkf_ms = 5000
}
h264-sample: {
	type = "rtp"
	id = 10
	description = "H.264 live stream"
	audio = false
	video = true
	videoport = 0
	videopt = 126
	videocodec = "h264"
}
vp9: {
	type = "rtp"
	id = 11
	description = "VP9"
	video = true
	videoport = 0
	videopt = 101
	videocodec = "vp9"
}
multicast: {
	type = "rtp"
	id = 12
	description = "VP8 by multicast"
	video = true
	videoport = 0
	videopt = 100
	videocodec = "vp8"
	videomcast = "232.3.4.5"
	videoiface = "lo"
}
live: {
	type = "live"
	id = 20
	description = "Radio"
	filename = "FOLDER/radio.alaw"
	audio = true
}
ondemand: {
	type = "ondemand"
	id = 21
	description = "Music"
	filename = "FOLDER/music.mulaw"
	audio = true
}
`

// broadcast is the Streaming page with ffmpeg behind the mountpoints.
type broadcast struct {
	*tab
	front  front
	server *server
	admin  *handle
}

func openBroadcast(t *testing.T, at func(*testing.T, *server) front) *broadcast {
	t.Helper()
	folder := demosFolderFor(t)
	browserTest(t)
	settings := t.TempDir()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(settings, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A square wave of 200 Hz, loud in either law.
	tone := bytes.Repeat(append(bytes.Repeat([]byte{0x2a}, 20), bytes.Repeat([]byte{0xaa}, 20)...), 400)
	write("radio.alaw", tone)
	write("music.mulaw", tone)
	write("janus.plugin.streaming.jcfg", []byte(strings.ReplaceAll(mountpointsFile, "FOLDER", settings)))
	s := testServerWith(t, folder, func(c *config.Config) { c.Folder = settings })
	b := &broadcast{server: s, front: at(t, s), admin: dial(t, s).attach(streaming.Package)}
	b.tab = openTab(t, b.front.hosts, b.front.script())
	b.feed()
	return b
}

// begin opens the page and presses its first button.
func (b *broadcast) begin() {
	b.t.Helper()
	b.do(chromedp.Navigate(b.front.origin + "/demos/streamingtest.html"))
	b.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	b.click("#start")
	b.is(`$("#streamslist li").length === 7`)
}

// port is a port of a mountpoint's stream.
func (b *broadcast) port(id, stream int, name string) string {
	b.t.Helper()
	info := b.admin.message(message{"request": "info", "id": id}, nil).data()["info"].(map[string]any)
	return fmt.Sprint(info["media"].([]any)[stream].(map[string]any)[name])
}

// feed has ffmpeg send to all mountpoints, a key frame every second.
func (b *broadcast) feed() {
	b.t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		needs(b.t, "ffmpeg is not installed")
	}
	args := strings.Fields("-nostdin -loglevel error -re -f lavfi -i testsrc=size=320x180:rate=10 " +
		"-f lavfi -i sine=frequency=440:sample_rate=48000,aformat=channel_layouts=stereo")
	videoTo := func(host, size, codec string, pt int, to string) {
		args = append(args, strings.Fields(fmt.Sprintf("-map 0:v -an -s %s %s -g 10 -b:v 150k -f rtp -payload_type %d "+
			"rtp://%s:%s?pkt_size=1200&localaddr=127.0.0.1&ttl=0", size, codec, pt, host, to))...)
	}
	video := func(size, codec string, pt int, to string) { videoTo("127.0.0.1", size, codec, pt, to) }
	const vp8, vp9 = "-c:v libvpx -deadline realtime -cpu-used 8", "-c:v libvpx-vp9 -strict experimental -deadline realtime -cpu-used 8"
	for name, size := range map[string]string{"port": "80x44", "port2": "160x90", "port3": "320x180"} {
		video(size, vp8, 33, b.port(1, 0, name)) // the server says which payload type it is
	}
	video("240x136", vp8, 100, b.port(2, 0, "port"))
	video("320x180", "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -profile:v baseline -level:v 3.1", 126, b.port(10, 0, "port"))
	video("320x180", vp9, 101, b.port(11, 0, "port"))
	videoTo("232.3.4.5", "320x180", vp8, 100, b.port(12, 0, "port"))
	args = append(args, strings.Fields("-map 1:a -vn -c:a libopus -b:a 64k -f rtp -payload_type 111 rtp://127.0.0.1:"+b.port(2, 1, "port")+"?pkt_size=1200")...)
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// watch chooses a mountpoint and presses the button.
func (b *broadcast) watch(id int) {
	b.t.Helper()
	item := fmt.Sprintf(`#streamslist [id="%d"]`, id)
	b.is(`!$("#streamset").prop("disabled") && $("#watch").text().startsWith("Watch")`)
	b.click("#streamset")
	b.click(item)
	b.is(fmt.Sprintf(`selectedStream === "%d"`, id))
	b.eval("Object.keys(e2e.steps).forEach(name => delete e2e.steps[name]), e2e.begin()")
	b.click("#watch")
	b.is(`$("#watch").text() === "Stop" && !$("#watch").prop("disabled")`)
}

func (b *broadcast) eval(expression string) { eval[any](b.tab, expression+", null") }

// stop ends the watching by the page's button.
func (b *broadcast) stop() {
	b.t.Helper()
	b.click("#watch")
	b.is(`$("#videos").children().length === 0 && $("#watch").text().startsWith("Watch")`)
}

// plays waits until a picture of a width and a codec moves.
func (b *broadcast) plays(codec string, width int) {
	b.t.Helper()
	before := eval[stats](b.tab, "e2e.stats()").In.Video.Frames
	s := b.awaitStats(fmt.Sprintf("%s of width %d", codec, width), func(s stats) bool {
		return s.In.Video.Width == width && s.In.Video.Frames > before+10
	})
	if s.In.Video.Codec != codec {
		b.t.Errorf("the codec is %s, want %s", s.In.Video.Codec, codec)
	}
}

// sounds waits until something is to be heard.
func (b *broadcast) sounds(codec string) {
	b.t.Helper()
	s := b.awaitStats("sound of "+codec, func(s stats) bool { return s.In.Audio.Packets > 25 && s.In.Audio.Audible > 0 })
	if s.In.Audio.Codec != codec {
		b.t.Errorf("the codec is %s, want %s", s.In.Audio.Codec, codec)
	}
}

// TestBrowserDemoStreaming watches everything on the Streaming page of Debian's
// package janus-demos.
func TestBrowserDemoStreaming(t *testing.T) {
	b := openBroadcast(t, direct)
	b.begin()

	b.watch(1)
	b.plays("video/VP8", 320)
	b.is(`$("#metadata").text() === "three sizes"`)
	for _, x := range []struct{ layer, width int }{{0, 80}, {1, 160}, {2, 320}} {
		button := fmt.Sprintf("#m-s-sl-%d", x.layer)
		b.click(button)
		b.is(fmt.Sprintf(`$("%s").hasClass("btn-success")`, button))
		b.plays("video/VP8", x.width)
	}
	// The page has no button for this.
	b.eval(`streaming.send({ message: { request: "configure", substream: 0 } })`)
	b.plays("video/VP8", 80)
	b.stop()

	b.watch(2)
	b.plays("video/VP8", 240)
	b.sounds("audio/opus")
	b.printSteps()
	b.shot("vp8")
	b.stop()

	for _, x := range []struct {
		id    int
		codec string
	}{{10, "video/H264"}, {11, "video/VP9"}, {12, "video/VP8"}} {
		b.watch(x.id)
		b.plays(x.codec, 320)
		b.stop()
	}
	for _, x := range []struct {
		id    int
		codec string
	}{{20, "audio/PCMA"}, {21, "audio/PCMU"}} {
		b.watch(x.id)
		b.sounds(x.codec)
		b.stop()
	}

	// From one mountpoint to another without another offer.
	b.watch(2)
	b.plays("video/VP8", 240)
	b.eval(`streaming.send({ message: { request: "switch", id: 1 } })`)
	b.is(`$("#curres` + "v" + `").length === 1`)
	b.stop()
	b.quiet()
}
