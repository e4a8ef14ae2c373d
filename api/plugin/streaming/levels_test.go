package streaming

import (
	"strings"
	"testing"

	"bifrons/api/kit"
	"bifrons/api/plugin/plugintest"
)

// Settings at a place where they mean nothing are named, in the answer or in the
// log; all others are not.
func TestMisplaced(t *testing.T) {
	th := newRig(t, `
good: { type = "rtp", id = 1, collision = 5, srtpsuite = 32, srtpcrypto = "WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN", secret = "s"
	media = ( { type = "audio", mid = "a", label = "x", port = 0, pt = 0, codec = "pcmu" },
		{ type = "data", mid = "d", port = 0, datatype = "text", buffermsg = true } ) }
old: { type = "rtp", id = 2, video = true, videoport = 0, videopt = 96, videocodec = "vp8", videosimulcast = true, videobufferkf = true }
bad: { type = "rtp", id = 3, audioport = 7, audio = yes, metadata = "m"
	media = ( { type = "audio", mid = "a", port = 0, pt = 0, codec = "pcmu", SRTPsuite = 32, collision = 5 } ) }
`)
	log := th.core.Log()
	for _, name := range []string{":6: bad.audioport", ":6: bad.audio", ":7: bad.media[0].SRTPsuite", ":7: bad.media[0].collision"} {
		if !strings.Contains(log, name+": means nothing here") {
			t.Errorf("not told of %s: %s", name, log)
		}
	}
	if n := strings.Count(log, "means nothing"); n != 4 {
		t.Errorf("%d warnings: %s", n, log)
	}
	th.file("radio.alaw", 3, 0)
	for _, tt := range []struct{ fields, want string }{
		{`"type":"rtp","id":11,"name":"n","description":"d","metadata":"m","is_private":true,"secret":"s","pin":"p","permanent":false,"admin_key":"k",
			"collision":5,"bufferkf_ms":1,"bufferkf_bytes":1,"threads":1,"srtpsuite":32,"srtpcrypto":"WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN","e2ee":true,
			"playoutdelay_ext":true,"abscapturetime_src_ext_id":1,"datatype":"text","media":[{"type":"video","mid":"v","label":"l","msid":"a b","mcast":"","iface":"",
			"port":0,"rtcpport":0,"pt":96,"codec":"h264","fmtp":"x","skew":false,"simulcast":true,"port2":0,"port3":0,"bufferkf":true,"h264sps":"x","stranger":1},
			{"type":"data","mid":"d","port":0,"datatype":"text","buffermsg":true,"pin":null}]`, ""},
		{`"type":"rtp","id":12,"media":[{"type":"data","mid":"d","port":0},{"type":"video","mid":"v","port":0,"pt":96,"codec":"vp8","srtpsuite":32,"srtpcrypto":"x","audiopt":5}],"pt":5,"video":true,"url":"x"`,
			`"warning":"of no effect here: pt, video, url, media[1].srtpsuite, media[1].srtpcrypto, media[1].audiopt"`},
		{`"type":"live","id":13,"filename":"FOLDER/radio.alaw","audio":true,"collision":5,"codec":"opus"`, `"warning":"of no effect here: collision, codec"`},
		{`"type":"rtp","id":14,"audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu","port":5`, `"warning":"deprecated_api"`},
	} {
		got := th.ask(`{"request":"create",` + tt.fields + `}`)
		if !strings.Contains(got, "created") || tt.want == "" && strings.Contains(got, "warning") || !strings.Contains(got, tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.fields, got, tt.want)
		}
	}
	if log := th.core.Log(); !strings.Contains(log, "request=create settings=port ") {
		t.Errorf("log: %s", log)
	}
}

func TestMisplacedConfigure(t *testing.T) {
	th := newRig(t, `a: { type = "rtp", id = 1, video = true, videoport = 0, videopt = 96, videocodec = "vp8" }`)
	th.ask(`{"request":"watch","id":1}`)
	for body, want := range map[string]string{
		`{"request":"configure","mid":"v","send":true,"substream":1,"video":true}`:                                 "",
		`{"request":"configure","streams":[{"mid":"v","send":true,"substream":1}],"video":true}`:                   "",
		`{"request":"configure","streams":[{"mid":"v","send":true,"video":false}],"substream":1,"min_delay":null}`: "substream, streams[0].video",
	} {
		if got := strings.Join(configureLevels(nil, kit.Args{Value: plugintest.Parse(t, body)}).Misplaced(plugintest.Parse(t, body)), ", "); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
		if got := th.ask(body); got != `{"streaming":"event","result":{"event":"configured"}}` {
			t.Errorf("%s: %s", body, got)
		}
	}
	if !strings.Contains(th.core.Log(), "settings=\"substream, streams[0].video\"") {
		t.Errorf("log: %s", th.core.Log())
	}
}
