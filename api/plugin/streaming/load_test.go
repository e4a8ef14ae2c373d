package streaming

import (
	"bifrons/api/plugin"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestLoad reads mountpoints as people write them, and leaves out those that
// cannot be.
func TestLoad(t *testing.T) {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	file := strings.ReplaceAll(`
general: {
	rtp_port_range = "40999-30001"
	events = "no"
}
# a live one
h264-sample: {
	type = "rtp"
	id = 10
	description = "H.264 live stream"
	audio = false
	video = yes
	videoport = 0
	videopt = 126
	videocodec = "h264"
	videofmtp = "profile-level-id=42e01f;packetization-mode=1"
}
multi: {
	type = "rtp"
	id = "11"
	media = (
		{ type = "audio", mid = "a", port = 0, pt = 111, codec = "opus" },
		{ type = "smoke", mid = "s", port = 0 },
		{ type = "video", mid = "v", port = 0, pt = 96, codec = "vp8", videosimulcast = true },
		{ type = "data", mid = "d", port = 0, datatype = "binary", databuffermsg = true }
	)
}
radio: {
	type = "live"
	id = 12
	filename = "FOLDER/radio.alaw"
	audio = true
}
unnumbered: {
	type = "ondemand"
	filename = "FOLDER/radio.alaw"
	audio = "1"
}
notype: { id = 20 }
zero: { type = "live", id = 0, filename = "FOLDER/radio.alaw", audio = true }
padded: { type = "live", id = "021", filename = "FOLDER/radio.alaw", audio = true }
twice: { type = "live", id = 12, filename = "FOLDER/radio.alaw", audio = true }
nofile: { type = "live", id = 22, filename = "FOLDER/none.alaw", audio = true }
nopt: { type = "rtp", id = 23, audio = true, audioport = 0, audiocodec = "opus" }
noport: { type = "rtp", id = 24, audio = true, audiopt = 111, audiocodec = "opus" }
nonsense: { type = "rtp", id = 25, audio = true, audioport = "many", audiopt = 111, audiocodec = "opus" }
`, "FOLDER", th.folder)
	th.write("janus.plugin.streaming.jcfg", file)
	th.start()
	var names []string
	for _, m := range th.plugin.mountpoints.Sorted() {
		names = append(names, m.name+" "+m.kind)
	}
	if got := strings.Join(names, ", "); got != "h264-sample rtp, multi rtp, radio live, unnumbered ondemand" {
		t.Errorf("loaded %s", got)
	}
	if g := th.plugin.general; g.Ports.Min != 30002 || g.Ports.Max != 40999 || th.plugin.Events.On {
		t.Errorf("general: %+v", g)
	}
	got := ports.ReplaceAllString(th.ask(`{"request":"info","id":10}`), "$1:N")
	if want := `{"streaming":"info","info":{"id":10,"name":"h264-sample","description":"H.264 live stream","enabled":true,"viewers":0,"type":"live",` +
		`"media":[{"mindex":0,"type":"video","mid":"v","label":"video","pt":126,"codec":"h264","rtpmap":"H264/90000",` +
		`"fmtp":"profile-level-id=42e01f;packetization-mode=1","port":N,"age_ms":0}]}}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for i, want := range []string{"audio", "video", "data"} {
		st := &th.mountpoint("11").streams[i]
		if plugin.KindName(st.kind) != want || st.simulcast != (i == 1) || (st.dataType == "binary") != (i == 2) || st.buffer != (i == 2) {
			t.Errorf("stream %d: %+v", i, st)
		}
		for _, n := range []int{st.port, st.port2, st.port3} {
			if n != 0 && (n < 30002 || n > 40999) {
				t.Errorf("stream %d has port %d", i, n)
			}
		}
	}
}

// TestLoadINI reads the older form.
func TestLoadINI(t *testing.T) {
	th := newRig(t, "")
	th.write("janus.plugin.streaming.cfg", `
; This is a sample
[general]
;admin_key = supersecret

[gstreamer-sample]
type = rtp
id = 1
description = Opus/VP8 live stream\; with more
audio = yes
video = yes
audioport = 0
audiopt = 111
audiortpmap = opus/48000/2
videoport => 0
videopt = 100
videortpmap = VP8/90000
videofmtp = a=1\;b=2
videomcast = 232.3.4.5
videoiface = 127.0.0.1
secret = adminpwd
`)
	th.start()
	got := ports.ReplaceAllString(th.ask(`{"request":"info","id":1,"secret":"adminpwd"}`), "$1:N")
	if want := `{"streaming":"info","info":{"id":1,"name":"gstreamer-sample","description":"Opus/VP8 live stream; with more","secret":"adminpwd",` +
		`"enabled":true,"viewers":0,"type":"live","media":[{"mindex":0,"type":"audio","mid":"a","label":"audio","pt":111,"codec":"opus",` +
		`"rtpmap":"opus/48000/2","port":N,"age_ms":0},{"mindex":1,"type":"video","mid":"v","label":"video","pt":100,"codec":"vp8",` +
		`"rtpmap":"VP8/90000","fmtp":"a=1;b=2","port":N,"age_ms":0}],"host":"127.0.0.1"}}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := th.ask(`{"request":"edit","id":1,"secret":"adminpwd","permanent":true}`); got != `{"streaming":"edited","id":1,"permanent":false}` {
		t.Errorf("editing an old file: %s", got)
	}
}

// TestPermanent makes mountpoints that are there again after a start, and leaves
// everything else in the file as it is.
func TestPermanent(t *testing.T) {
	const head = "# kept\ngeneral: {\n\tevents = false # also kept\n}\n"
	th := newRig(t, head)
	th.file("radio.alaw", 3, 0)
	for id, fields := range map[string]string{
		"1": `"type":"rtp","name":"multi","secret":"s","pin":"p","metadata":"m","is_private":true,"collision":5,"bufferkf_ms":6,"bufferkf_bytes":7,
			"threads":1,"srtpsuite":80,"srtpcrypto":"WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN","e2ee":true,"playoutdelay_ext":true,
			"abscapturetime_src_ext_id":3,"media":[{"type":"video","mid":"v","msid":"s t","label":"L","port":0,"rtcpport":0,"pt":96,"codec":"vp9","fmtp":"f","svc":true,"skew":true},
			{"type":"video","mid":"w","port":0,"pt":97,"codec":"vp8","simulcast":true},{"type":"audio","mid":"x","port":0,"codec":"red"},
			{"type":"video","mid":"h","port":0,"pt":98,"codec":"h264","h264sps":"Z0LgHw==,aM48gA=="},
			{"type":"data","mid":"d","port":0,"datatype":"binary","buffermsg":true}]`,
		"2": `"type":"rtp","name":"old","audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu","audioiface":"127.0.0.1"`,
		"3": `"type":"live","name":"radio","filename":"FOLDER/radio.alaw","audio":true`,
		"4": `"type":"rtsp","name":"door","url":"rtsp://127.0.0.1:1/x","video":true,"videopt":99,"videofmtp":"v","rtsp_failcheck":false,"rtsp_user":"u",
			"rtsp_pwd":"p","rtsp_quirk":true,"rtsp_reconnect_delay":60,"rtsp_session_timeout":20,"rtsp_timeout":3,"rtsp_conn_timeout":2,"rtsp_notify_changes":true`,
	} {
		if got := th.ask(`{"request":"create","permanent":true,"id":` + id + `,` + fields + `}`); !strings.Contains(got, `"permanent":true`) {
			t.Fatalf("got %s", got)
		}
	}
	th.want(`{"request":"edit","id":3,"new_description":"changed","permanent":true}`, `{"streaming":"edited","id":3,"permanent":true}`)
	before := make(map[string]settings)
	for _, m := range th.plugin.mountpoints.Sorted() {
		before[m.id] = m.settings
	}
	read := func() string {
		b, err := os.ReadFile(filepath.Join(th.folder, "janus.plugin.streaming.jcfg"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if !strings.HasPrefix(read(), head) {
		t.Errorf("the file was changed: %s", read())
	}
	th.start()
	if _, problems := New(th.folder).Check(); len(problems) > 0 {
		t.Errorf("what was saved is wrong: %v", problems)
	}
	if th.plugin.mountpoints.Len() != len(before) {
		t.Errorf("%d mountpoints: %s", th.plugin.mountpoints.Len(), read())
	}
	for id, want := range before {
		m := th.mountpoint(id)
		if m == nil {
			t.Errorf("mountpoint %s is gone", id)
			continue
		}
		got := m.settings
		got.legacy, want.legacy = false, false
		for i := range got.streams {
			if i >= len(want.streams) || !reflect.DeepEqual(got.streams[i], want.streams[i]) {
				t.Errorf("stream %d of mountpoint %s: %+v", i, id, got.streams[i])
			}
		}
		got.streams, want.streams = nil, nil
		if a, b := got, want; a.rtsp != b.rtsp || a.description != b.description || a.Secret != b.Secret || a.PIN != b.PIN || a.Hidden != b.Hidden ||
			a.srtpSuite != b.srtpSuite || a.bufferBytes != b.bufferBytes || a.captureTimeID != b.captureTimeID || a.e2ee != b.e2ee || a.metadata != b.metadata {
			t.Errorf("mountpoint %s: %+v, want %+v", id, a, b)
		}
	}
	for _, body := range []string{`"id":1,"secret":"s"`, `"id":2`, `"id":3`, `"id":4`} {
		th.ask(`{"request":"destroy","permanent":true,` + body + `}`)
	}
	if strings.TrimSpace(read()) != strings.TrimSpace(head) {
		t.Errorf("left behind: %s", read())
	}
}

// TestDebian loads the mountpoints that Debian's package janus has.
func TestDebian(t *testing.T) {
	b, err := os.ReadFile("/etc/janus/janus.plugin.streaming.jcfg")
	if err != nil {
		t.Skip("Debian's janus is not installed")
	}
	// Its ports may be in use by something else.
	th := newRig(t, regexp.MustCompile(`port = \d+`).ReplaceAllString(string(b), "port = 0"))
	for _, id := range []string{"1", "2", "3", "123"} {
		if m := th.mountpoint(id); m == nil {
			t.Errorf("mountpoint %s was not loaded", id)
		}
	}
}
