package videoroom

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"bifrons/api/kit"
	"bifrons/api/plugin/plugintest"
)

// scribe is a Gateway that keeps the log.
type scribe struct {
	signer
	log *bytes.Buffer
}

func (s scribe) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(s.log, nil)) }

// Settings at a place where they mean nothing are named.
func TestMisplaced(t *testing.T) {
	var log bytes.Buffer
	hs := newServiceWith(t, `
room-1: { audiocodec = "opus", dummy_publisher = true, dummy_streams = ( { codec = "vp8", fmtp = "x" } ) }
room-2: { codec = "vp8", dummy_streams = ( { codec = "vp8", videocodec = "vp8" } ) }
`, scribe{log: &log})
	if text := log.String(); strings.Count(text, "means nothing") != 2 || !strings.Contains(text, ":3: room-2.codec: means nothing here") ||
		!strings.Contains(text, ":3: room-2.dummy_streams[0].videocodec: means nothing here") {
		t.Errorf("log: %s", text)
	}
	fresh := hs.attach()
	publisher := hs.publish(`"id":20`, "chrome_avd")
	viewer := hs.attach()
	viewer.must(`{"request":"join","ptype":"subscriber","room":1,"streams":[{"feed":20}]}`, "", `"attached"`)
	for _, tt := range []struct {
		g          *participant
		body, want string
	}{
		{fresh, `"create","room":3,"dummy_streams":[{"codec":"vp8"}],"bitrate":1`, ""},
		{fresh, `"create","room":4,"fmtp":"x","dummy_streams":[{"codec":"vp8","bitrate":1}]`, "fmtp, dummy_streams[0].bitrate"},
		{fresh, `"rtp_forward","room":1,"publisher_id":20,"host":"127.0.0.1","srtp_suite":32,"secret":"s","streams":[{"mid":"0","port":5,"ssrc":1}]`, ""},
		{fresh, `"rtp_forward","room":1,"publisher_id":20,"host":"127.0.0.1","audio_port":5,"streams":[{"mid":"0","port":5,"srtp_suite":32}]`,
			"audio_port, streams[0].srtp_suite"},
		{fresh, `"rtp_forward","room":1,"publisher_id":20,"host":"127.0.0.1","audio_port":5,"pt":7`, "pt"},
		{fresh, `"add_remote_publisher","room":1,"codec":"vp8","streams":[{"type":"video","mindex":0,"mid":"0","codec":"vp8","display":"x"}]`,
			"codec, streams[0].display"},
		{fresh, `"join","room":1,"ptype":"publisher","display":"x","descriptions":[{"mid":"0","description":"x"}]`, ""},
		{fresh, `"joinandconfigure","room":1,"ptype":"publisher","description":"x","descriptions":[{"mid":"0","description":"x","display":"y"}]`,
			"description, descriptions[0].display"},
		{fresh, `"join","room":1,"ptype":"subscriber","streams":[{"feed":1,"mid":"0","substream":1,"private_id":5}],"feed":1,"temporal":1,"private_id":5`,
			"feed, temporal, streams[0].private_id"},
		{fresh, `"join","room":1,"ptype":"subscriber","feed":1,"offer_video":true,"mid":"0","audio":true`, "mid, audio"},
		{publisher, `"configure","mid":"0","send":true,"bitrate":5`, ""},
		{publisher, `"configure","streams":[{"mid":"0","bitrate":5}],"keyframe":true`, "keyframe, streams[0].bitrate"},
		{viewer, `"configure","mid":"0","send":true,"substream":1`, ""},
		{viewer, `"configure","streams":[{"mid":"0","restart":true}],"substream":1`, "substream, streams[0].restart"},
		{viewer, `"subscribe","streams":[{"feed":1,"mid":"0"}]`, ""},
		{viewer, `"subscribe","feed":5,"streams":[{"feed":1,"mid":"0"}]`, "feed"},
		{viewer, `"unsubscribe","streams":[{"feed":1,"substream":1}]`, "streams[0].substream"},
		{viewer, `"update","streams":[],"subscribe":[{"feed":1,"unsubscribe":[]}],"unsubscribe":[{"sub_mid":"0"}]`, "streams, subscribe[0].unsubscribe"},
		{viewer, `"switch","feed":2`, ""},
		{viewer, `"switch","feed":2,"streams":[{"feed":1,"mid":"0","sub_mid":"0"}]`, "feed"},
	} {
		body := plugintest.Parse(t, `{"request":`+tt.body+`}`)
		name := strings.Trim(strings.SplitN(tt.body, ",", 2)[0], `"`)
		for _, row := range hs.plugin.Table.Rows {
			if row.Name != name {
				continue
			}
			if got := strings.Join(row.Levels(tt.g.h, kit.Args{Value: body}).Misplaced(body), ", "); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.body, got, tt.want)
			}
		}
	}
	fresh.must(`{"request":"create","room":9,"dummy_streams":[{"codec":"vp8","bitrate":1}]}`, "",
		`"warning":"of no effect here: dummy_streams[0].bitrate"`)
	log.Reset()
	viewer.must(`{"request":"configure","streams":[{"mid":"0","restart":true}]}`, "", `"configured":"ok"}`)
	if text := log.String(); !strings.Contains(text, "settings=streams[0].restart session=1 handle=1") {
		t.Errorf("log: %s", text)
	}
}
