package streaming

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/sdp"
)

// TestRTPMaps: a stream is offered with the clock and the channels of its rtpmap, or
// not at all, and the log says so.
func TestRTPMaps(t *testing.T) {
	for _, tt := range []struct{ kind, rtpmap, offered string }{
		{"audio", "opus/48000/2", "opus/48000/2"},
		{"audio", "OPUS/48000/1", "opus/48000/2"}, // says nothing of the stream (RFC 7587, 7)
		{"audio", " opus ", "opus/48000/2"},
		{"audio", "multiopus/48000/6", "multiopus/48000/6"},
		{"audio", "multiopus/48000/8", "multiopus/48000/8"},
		{"audio", "PCMU/8000", "PCMU/8000"},
		{"audio", "pcma/8000/1", "PCMA/8000"},
		{"audio", "L16/16000", "L16/16000"},
		{"audio", "L16/48000", "L16/48000"},
		{"audio", "isac/32000", "ISAC/32000"},
		{"video", "VP8/90000", "VP8/90000"},
		{"video", "vp9", "VP9/90000"},
		{"audio", "PCMU/16000", ""},
		{"audio", "L16/44100", ""},
		{"audio", "L16/8000", ""},
		{"audio", "PCMA/16000/2", ""},
		{"audio", "PCMA/8000/2", ""},
		{"audio", "L16/48000/2", ""},
		{"audio", "opus/16000", ""},
		{"audio", "G722/16000", ""},
		{"video", "H264/48000", ""},
	} {
		th := newRig(t, "general: { }\n")
		log := th.core
		got := th.ask(`{"request":"create","id":1,"type":"rtp","permanent":true,"media":[{"type":"` + tt.kind + `","mid":"m","port":0,"pt":100,"rtpmap":"` + tt.rtpmap + `"}]}`)
		if !strings.Contains(got, `"permanent":true`) {
			t.Errorf("%s: %s", tt.rtpmap, got)
			continue
		}
		for range 2 {
			th.want(`{"request":"watch","id":1}`, preparing)
			want := "offer; Mountpoint 1; 1"
			told := `"rtpmap":"` + tt.offered + `"`
			if tt.offered != "" {
				extensions := map[string]string{"audio": "2,4", "video": "2,3,4"}
				want += "; m:" + tt.kind + " sendonly " + tt.offered + "/100 ext " + extensions[tt.kind]
			} else {
				told = `"pt":100,"port"`
			}
			if got := th.lastJSEP(); got != want {
				t.Errorf("%s: %s", tt.rtpmap, got)
			}
			if got := ports.ReplaceAllString(th.ask(`{"request":"info","id":1}`), "$1:N"); !strings.Contains(got, told) {
				t.Errorf("%s: %s", tt.rtpmap, got)
			}
			if warned := strings.Contains(log.Log(), strings.TrimSpace(tt.rtpmap)); warned != (tt.offered == "") {
				t.Errorf("%s: log %s", tt.rtpmap, log.Log())
			}
			th.host.Hangup()
			log = th.core
			th.start() // again, from the file
		}
	}
}

// TestMultiopusOffered: a client's offer is taken if its channels are the stream's.
func TestMultiopusOffered(t *testing.T) {
	for channels, want := range map[int]string{
		8: "answer; Mountpoint 1; 0; 0:audio sendonly multiopus/48000/8/111{x=y}",
		6: "answer; Mountpoint 1; 0; 0:audio inactive rejected",
	} {
		th := newRig(t, "")
		th.ask(`{"request":"create","id":1,"type":"rtp","media":[{"type":"audio","mid":"m","port":0,"pt":100,"rtpmap":"multiopus/48000/8","fmtp":"x=y"}]}`)
		offer := sdp.Offer(sdp.OfferOptions{Sections: []sdp.OfferSection{
			{Kind: sdp.Audio, MID: "0", Direction: sdp.RecvOnly, Codec: sdp.Multiopus, Channels: channels}}})
		th.askWith(`{"request":"watch","id":1}`, &plugin.JSEP{SDP: offer})
		if got := th.lastJSEP(); got != want {
			t.Errorf("%d channels: %s", channels, got)
		}
		th.host.Detach()
	}
}

// TestCreateRefuses: what no viewer could answer is not created, neither by a
// request nor from a file.
func TestCreateRefuses(t *testing.T) {
	stream := func(mid, kind, codec, more string) string {
		return fmt.Sprintf(`{"type":%q,"mid":%q,"port":0,"pt":100,%s%s}`, kind, mid, codec, more)
	}
	const opus, vp8 = `"codec":"opus"`, `"codec":"vp8"`
	for name, tt := range map[string]struct {
		media string
		fine  bool
	}{
		"16 characters":   {stream("0123456789abcdef", "video", vp8, ""), true},
		"signs":           {stream("a-b_c.d+e", "video", vp8, ""), true},
		"17 characters":   {stream("0123456789abcdefg", "video", vp8, ""), false},
		"no mid":          {stream("", "video", vp8, ""), false},
		"a blank":         {stream("a b", "video", vp8, ""), false},
		"a line break":    {stream("a\r\nb", "video", vp8, ""), false},
		"no token":        {stream("a:b", "video", vp8, ""), false},
		"an accent":       {stream("é", "video", vp8, ""), false},
		"a data mid":      {`{"type":"data","mid":"d d","port":0}`, false},
		"twice":           {stream("a", "audio", opus, "") + "," + stream("a", "video", vp8, ""), false},
		"twice, data":     {stream("a", "audio", opus, "") + `,{"type":"data","mid":"a","port":0}`, false},
		"another case":    {stream("a", "audio", opus, "") + "," + stream("A", "video", vp8, ""), true},
		"upper case":      {stream("a", "audio", `"codec":"OPUS"`, ""), true},
		"red":             {stream("a", "audio", `"codec":"red"`, ""), true},
		"unknown":         {stream("a", "audio", `"codec":"smoke"`, ""), false},
		"unknown map":     {stream("a", "audio", `"rtpmap":"speex/16000"`, ""), false},
		"no map":          {stream("a", "audio", `"rtpmap":"/8000"`, ""), false},
		"tones":           {stream("a", "audio", `"codec":"dtmf"`, ""), false},
		"video as audio":  {stream("a", "audio", vp8, ""), false},
		"audio as video":  {stream("a", "video", opus, ""), false},
		"a map likewise":  {stream("a", "video", `"rtpmap":"opus/48000/2"`, ""), false},
		"a break in fmtp": {stream("a", "audio", opus, `,"fmtp":"a=b\r\na=inactive"`), false},
		"a long fmtp":     {stream("a", "audio", opus, `,"fmtp":"`+strings.Repeat("x", 5000)+`"`), false},
	} {
		th := newRig(t, "")
		body := `{"request":"create","id":1,"type":"rtp","media":[` + tt.media + `]}`
		if tt.fine {
			if got := th.ask(body); !strings.Contains(got, "created") {
				t.Errorf("%s: %s", name, got)
			}
		} else {
			code := 456
			if name == "a long fmtp" {
				code = 454 // like any text that is too long in a request
			}
			th.fails(body, code)
		}
		if strings.Contains(tt.media, `\r`) {
			continue // not in a file
		}
		file := strings.NewReplacer(`":`, ` = `, `,"`, `, `, `{"`, `{ `).Replace(tt.media)
		th.write("janus.plugin.streaming.jcfg", "x: { type = \"rtp\", id = 1, media = ("+file+") }\n")
		th.start()
		if loaded := th.mountpoint("1") != nil; loaded != tt.fine {
			t.Errorf("%s: loaded %v", name, loaded)
		}
	}
	th := newRig(t, "")
	for _, fields := range []string{
		`"audio":true,"audioport":0,"audiopt":100,"audiocodec":"vp8"`,
		`"video":true,"videoport":0,"videopt":100,"videocodec":"x264"`,
		`"video":true,"videoport":0,"videopt":100,"videortpmap":"PCMU/8000"`,
	} {
		th.fails(`{"request":"create","type":"rtp",`+fields+`}`, 456)
	}
	if th.plugin.mountpoints.Len() != 0 {
		t.Error("something was created")
	}
}

// TestOnePayloadType: the log tells of streams that browsers refuse to watch together.
func TestOnePayloadType(t *testing.T) {
	vp8 := func(mid, fmtp string) string {
		return `{"type":"video","mid":"` + mid + `","port":0,"pt":100,"codec":"vp8","fmtp":"` + fmtp + `"}`
	}
	for media, want := range map[string]bool{
		vp8("a", "") + "," + vp8("b", ""):                                                       false,
		vp8("a", "") + "," + vp8("b", "x=y"):                                                    true,
		vp8("a", "") + `,{"type":"audio","mid":"b","port":0,"pt":100,"codec":"opus"}`:           true,
		vp8("a", "") + `,{"type":"audio","mid":"b","port":0,"pt":101,"codec":"opus"}`:           false,
		vp8("a", "") + `,{"type":"audio","mid":"b","port":0,"pt":100,"codec":"red"}`:            false,
		`{"type":"data","mid":"a","port":0},{"type":"audio","mid":"b","port":0,"codec":"pcmu"}`: false,
	} {
		th := newRig(t, "")
		log := th.core
		if got := th.ask(`{"request":"create","id":1,"type":"rtp","media":[` + media + `]}`); !strings.Contains(got, "created") {
			t.Fatal(got)
		}
		if got := strings.Contains(log.Log(), "one payload type"); got != want {
			t.Errorf("%s: %s", media, log.Log())
		}
	}
}
