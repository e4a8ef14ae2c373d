package streaming

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

var (
	ages  = regexp.MustCompile(`"age_ms":\d+`)
	ports = regexp.MustCompile(`("[a-z]*_?(?:rtcp_?)?port(?:_?[23])?"):(\d+)`)
)

// TestCreateRTP shows both styles of describing streams, and what list and info
// tell.
func TestCreateRTP(t *testing.T) {
	th := newRig(t, "")
	got := th.ask(`{"request":"create","type":"RTP","id":7,"name":"cam","description":"Cam","metadata":"m","secret":"s","pin":"p",
		"collision":2000,"bufferkf_ms":500,"threads":2,"srtpsuite":32,"srtpcrypto":"WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN",
		"media":[{"type":"audio","mid":"a","label":"Sound","msid":"s t","port":0,"rtcpport":0,"pt":111,"codec":"opus","fmtp":"stereo=1","skew":true},
		{"type":"video","mid":"v","port":0,"pt":96,"rtpmap":"VP8/90000","simulcast":true},
		{"type":"video","mid":"w","port":0,"pt":97,"codec":"vp9","svc":true,"iface":"127.0.0.1","msid":"no"},
		{"type":"data","mid":"d","port":0,"datatype":"binary"}]}`)
	if n := len(ports.FindAllString(got, -1)); n != 7 || strings.Contains(got, `port":0`) {
		t.Errorf("%d ports: %s", n, got)
	}
	want := `{"streaming":"created","created":"cam","permanent":false,"stream":{"id":7,"type":"live","description":"Cam","is_private":false,` +
		`"ports":[{"type":"audio","mid":"a","msid":"s t","port":N,"rtcp_port":N},{"type":"video","mid":"v","port":N,"port_2":N,"port_3":N},` +
		`{"type":"video","mid":"w","host":"127.0.0.1","port":N},{"type":"data","mid":"d","port":N}]}}`
	if got = ports.ReplaceAllString(got, "$1:N"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	th.want(`{"request":"list"}`, `{"streaming":"list","list":[{"id":7,"type":"live","description":"Cam","metadata":"m","enabled":true,`+
		`"media":[{"mid":"a","type":"audio","label":"Sound","msid":"s t","age_ms":0},{"mid":"v","type":"video","label":"video","age_ms":0},`+
		`{"mid":"w","type":"video","label":"video","age_ms":0},{"mid":"d","type":"data","label":"data","age_ms":0}]}]}`)
	media := `"media":[{"mindex":0,"type":"audio","mid":"a","label":"Sound","msid":"s t","pt":111,"codec":"opus","rtpmap":"opus/48000/2",` +
		`"fmtp":"stereo=1","skew_compensation":true,"port":N,"rtcpport":N,"age_ms":0},{"mindex":1,"type":"video","mid":"v","label":"video","pt":96,` +
		`"codec":"vp8","rtpmap":"VP8/90000","videosimulcast":true,"port":N,"port2":N,"port3":N,"age_ms":0},{"mindex":2,"type":"video","mid":"w",` +
		`"label":"video","pt":97,"codec":"vp9","rtpmap":"VP9/90000","videosvc":true,"port":N,"age_ms":0},{"mindex":3,"type":"data","mid":"d",` +
		`"label":"data","datatype":"binary","port":N,"age_ms":0}],"srtp":true,"collision":2000,"bufferkf_ms":500,"threads":2`
	want = `{"streaming":"info","info":{"id":7,"name":"cam","description":"Cam","metadata":"m","secret":"s","pin":"p","enabled":true,"viewers":0,` +
		`"type":"live",` + media + `,"host":"127.0.0.1"}}`
	if got = ports.ReplaceAllString(th.ask(`{"request":"info","id":7,"secret":"s"}`), "$1:N"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	public := regexp.MustCompile(`"(rtcp)?port[23]?":N,`).ReplaceAllString(media, "")
	th.want(`{"request":"info","id":7,"secret":"no"}`,
		`{"streaming":"info","info":{"id":7,"description":"Cam","metadata":"m","enabled":true,"type":"live",`+public+`}}`)
}

func TestCreateLegacy(t *testing.T) {
	th := newRig(t, "")
	got := th.ask(`{"request":"create","type":"rtp","id":0,"audio":true,"audioport":0,"audiopt":111,"audiortpmap":"opus/48000/2",
		"audiortcpport":0,"video":true,"videoport":0,"videopt":100,"videortpmap":"vp8/90000","videosimulcast":true,
		"data":true,"dataport":0,"dataiface":"127.0.0.1","is_private":true}`)
	got = regexp.MustCompile(`mp-\d+|"id":\d+`).ReplaceAllString(ports.ReplaceAllString(got, "$1:N"), "X")
	if want := `{"streaming":"created","created":"X","permanent":false,"stream":{X,"type":"live","description":"X","is_private":true,` +
		`"audio_port":N,"audio_rtcp_port":N,"video_port":N,"video_port_2":N,"video_port_3":N,"data_host":"127.0.0.1","data_port":N},` +
		`"warning":"deprecated_api"}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	th.want(`{"request":"list"}`, `{"streaming":"list","list":[]}`)
}

func TestCreateErrors(t *testing.T) {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	busy, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := busy.LocalAddr().(*net.UDPAddr).Port
	th.ask(`{"request":"create","type":"live","id":1,"filename":"FOLDER/radio.alaw","audio":true}`)
	for _, tt := range []struct {
		fields string
		code   int
	}{
		{`"id":3`, 453},
		{`"type":5`, 454},
		{`"type":"tape"`, 454},
		{`"type":"rtp","id":"x"`, 454},
		{`"type":"rtp","id":-1`, 454},
		{`"type":"rtp","id":1,"audio":true`, 456},
		{`"type":"rtp"`, 456},
		{`"type":"rtp","media":[]`, 456},
		{`"type":"rtp","media":[],"audio":true,"audioport":0,"audiopt":111,"audiocodec":"opus"`, 456},
		{`"type":"rtp","media":[5,6]`, 453},
		{`"type":"rtp","media":["a"]`, 453},
		{`"type":"rtp","media":[{"type":"audio","mid":"a","port":0,"pt":0,"codec":"pcmu"},[]]`, 453},
		{`"type":"rtp","media":[{"type":"audio"}]`, 453},
		{`"type":"rtp","media":[{"type":"smell","mid":"s","port":0}]`, 456},
		{`"type":"rtp","media":[{"type":"audio","mid":"a","port":"5"}]`, 454},
		{`"type":"rtp","media":[{"type":"audio","mid":"a","port":0,"pt":111}]`, 456},
		{`"type":"rtp","media":[{"type":"audio","mid":"a","port":65536,"pt":111,"codec":"opus"}]`, 456},
		{`"type":"rtp","media":[{"type":"audio","mid":"a","port":0,"pt":111,"codec":"opus","iface":"nothing0"}]`, 456},
		{`"type":"rtp","media":[{"type":"data","mid":"d","port":0,"datatype":"morse"}]`, 454},
		{fmt.Sprintf(`"type":"rtp","media":[{"type":"audio","mid":"a","port":%d,"pt":111,"codec":"opus"}]`, taken), 456},
		{`"type":"rtp","audio":true`, 453},
		{`"type":"rtp","audio":true,"audioport":0`, 453},
		{`"type":"rtp","audio":true,"audioport":"5000","audiopt":111`, 454},
		{`"type":"rtp","audio":true,"audioport":0,"audiopt":111`, 456},
		{`"type":"rtp","audio":1`, 454},
		{`"type":"rtp","bufferkf_ms":65536`, 456},
		{`"type":"rtp","srtpsuite":64`, 456},
		{`"type":"rtp","srtpsuite":80,"srtpcrypto":"c2hvcnQ="`, 456},
		{`"type":"rtp","abscapturetime_src_ext_id":15`, 454},
		{`"type":"rtp","abscapturetime_src_ext_id":0`, 454},
		{`"type":"rtp","permanent":true`, 470},
		{`"type":"live"`, 453},
		{`"type":"live","filename":"/no/such/file.alaw","audio":true`, 456},
		{`"type":"live","filename":"FOLDER/../FOLDER/radio.alaw","audio":true`, 456},
		{`"type":"live","filename":"FOLDER/radio.alaw"`, 456},
		{`"type":"live","filename":"FOLDER/radio.alaw","audio":true,"video":true`, 456},
		{`"type":"ondemand","filename":"/etc/passwd","audio":true`, 456},
		{`"type":"rtsp","url":"rtsp://127.0.0.1:1/"`, 456},
		{`"type":"rtsp","video":true`, 456},
		{`"type":"rtsp","video":true,"url":"http://127.0.0.1:1/"`, 456},
		{`"type":"rtsp","video":true,"url":"rtsp://127.0.0.1:1/"`, 456},
	} {
		th.fails(`{"request":"create",`+tt.fields+`}`, tt.code)
	}
	if th.plugin.mountpoints.Len() != 1 {
		t.Errorf("%d mountpoints", th.plugin.mountpoints.Len())
	}
	// Nothing of a mountpoint that could not be made stays open.
	th.fails(fmt.Sprintf(`{"request":"create","type":"rtp","id":5,"media":[{"type":"audio","mid":"a","port":0,"pt":0,"codec":"pcmu"},
		{"type":"audio","mid":"b","port":%d,"pt":0,"codec":"pcmu"}]}`, taken), 456)
	th.want(`{"request":"create","type":"live","id":5,"name":"5cats","filename":"FOLDER/radio.alaw","audio":true,"audiopt":9}`,
		`{"streaming":"created","created":"mp-5cats","permanent":false,"stream":{"id":5,"type":"live","description":"mp-5cats","is_private":false}}`)
	th.want(`{"request":"info","id":5}`, `{"streaming":"info","info":{"id":5,"name":"mp-5cats","description":"mp-5cats","enabled":true,"viewers":0,`+
		`"type":"live","media":[{"type":"audio","pt":8,"codec":"pcma","rtpmap":"PCMA/8000"}],"filename":"FOLDER/radio.alaw"}}`)
}

func TestManage(t *testing.T) {
	th := newRig(t, `general: { admin_key = "key" }`)
	th.file("music.mulaw", 3, 0)
	create := `{"request":"create","type":"ondemand","id":3,"name":"m","filename":"FOLDER/music.mulaw","audio":true,"secret":"s"`
	th.fails(create+`}`, 453)
	th.fails(create+`,"admin_key":5}`, 454)
	th.fails(create+`,"admin_key":"no"}`, 457)
	th.want(create+`,"admin_key":"key"}`,
		`{"streaming":"created","created":"m","permanent":false,"stream":{"id":3,"type":"on demand","description":"m","is_private":false}}`)
	for _, name := range []string{"edit", "disable", "enable", "kick_all", "destroy"} {
		th.fails(`{"request":"`+name+`"}`, 453)
		th.fails(`{"request":"`+name+`","id":4}`, 455)
		th.fails(`{"request":"`+name+`","id":3}`, 453)
		th.fails(`{"request":"`+name+`","id":3,"secret":5}`, 454)
		th.fails(`{"request":"`+name+`","id":3,"secret":"no"}`, 457)
	}
	th.fails(`{"request":"info","id":4}`, 455)
	th.want(`{"request":"edit","id":3,"secret":"s","new_description":"d","new_metadata":"x","new_pin":"p","new_secret":"t","new_is_private":true}`,
		`{"streaming":"edited","id":3,"permanent":false}`)
	th.want(`{"request":"edit","id":3,"secret":"t","new_description":"","new_secret":"","new_metadata":"","new_pin":""}`,
		`{"streaming":"edited","id":3,"permanent":false}`)
	th.want(`{"request":"disable","id":3,"secret":"t","stop_recording":true}`, `{"streaming":"ok"}`)
	th.want(`{"request":"info","id":3,"secret":"t"}`, `{"streaming":"info","info":{"id":3,"name":"m","description":"d","secret":"t","is_private":true,`+
		`"enabled":false,"viewers":0,"type":"on demand","media":[{"type":"audio","pt":0,"codec":"pcmu","rtpmap":"PCMU/8000"}],"filename":"FOLDER/music.mulaw"}}`)
	th.want(`{"request":"enable","id":3,"secret":"t"}`, `{"streaming":"ok"}`)
	th.want(`{"request":"list"}`, `{"streaming":"list","list":[]}`)
	th.want(`{"request":"list","admin_key":""}`, `{"streaming":"list","list":[]}`)
	th.fails(`{"request":"list","admin_key":"no"}`, 457)
	th.want(`{"request":"list","admin_key":"key"}`,
		`{"streaming":"list","list":[{"id":3,"type":"on demand","description":"d","enabled":true}]}`)
	th.want(`{"request":"kick_all","id":3,"secret":"t"}`, `{"streaming":"kicked_all"}`)
	th.fails(`{"request":"recording","id":3,"secret":"t","action":"sing"}`, 454)
	th.fails(`{"request":"recording","id":3,"secret":"t","action":"start","audio":"x"}`, 452)
	th.want(`{"request":"destroy","id":3,"secret":"t"}`, `{"streaming":"destroyed","destroyed":3}`)
	th.fails(`{"request":"destroy","id":3,"secret":"t"}`, 455)
	th.fails(`{"request":"nosuch"}`, 452)
	want := `{"event":"created","id":3,"type":"on demand"}|{"event":"edited","id":3}|{"event":"edited","id":3}|` +
		`{"event":"kicked_all","id":3}|{"event":"destroyed","id":3}`
	if got := strings.Join(th.host.Notices(), "|"); got != want {
		t.Errorf("event handlers heard %s", got)
	}
}

func TestStringIDs(t *testing.T) {
	th := newRig(t, `general: { string_ids = true }`)
	th.file("radio.alaw", 3, 0)
	create := `{"request":"create","type":"live","filename":"FOLDER/radio.alaw","audio":true,"name":"n"`
	th.fails(create+`,"id":5}`, 454)
	th.want(create+`,"id":"five"}`,
		`{"streaming":"created","created":"n","permanent":false,"stream":{"id":"five","type":"live","description":"n","is_private":false}}`)
	if got := th.ask(create + `}`); !regexp.MustCompile(`"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`).MatchString(got) {
		t.Errorf("got %s", got)
	}
	th.fails(`{"request":"watch","id":5}`, 454)
	th.fails(`{"request":"watch","id":"six"}`, 455)
	th.want(`{"request":"destroy","id":"five"}`, `{"streaming":"destroyed","destroyed":"five"}`)
}

func TestAdmin(t *testing.T) {
	th := newRig(t, "")
	for body, want := range map[string]string{
		`{"request":"list"}`:         `{"streaming":"list","list":[]}`,
		`{"request":"watch","id":1}`: `{"streaming":"event","error_code":452,"error":"Unknown request 'watch'"}`,
		`{"request":"info","id":1}`:  `{"streaming":"event","error_code":455,"error":"No such mountpoint/stream 1"}`,
	} {
		if got, err := th.plugin.Admin(plugintest.Parse(t, body)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
}
