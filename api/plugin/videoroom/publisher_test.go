package videoroom

import (
	"regexp"
	"strings"
	"testing"

	ourjson "bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
	"bifrons/sfu"
)

var privateID = regexp.MustCompile(`"private_id":[1-9][0-9]*`)

// A whole life in a room, as the one who lives it and another one see it.
func TestLife(t *testing.T) {
	hs := newService(t, `room-1: { description = "One" }`)
	b := hs.join(`"id":2,"display":"Bob"`)
	a := hs.attach()
	step := func(what, body, offer, own, other string) {
		t.Helper()
		got := ""
		switch what {
		case "up":
			a.h.Up()
		case "hangup":
			a.h.Hangup("ICE failed")
		case "detach":
			a.h.Detach()
		default:
			got = privateID.ReplaceAllString(a.do(`{"request":"`+what+`"`+body+`}`, offer), `"private_id":7`)
		}
		same(t, what+" "+body, got+a.take(), own)
		same(t, what+" "+body+", seen by others", b.take(), other)
	}
	const ok = `{"videoroom":"event","room":1,"configured":"ok"`
	const streams = `"audio_codec":"opus","video_codec":"vp8","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus","fec":true`
	step("join", `,"ptype":"Publisher","room":1,"id":1,"display":"Ann","metadata":{"x":[1]},"audio_active_packets":9,"audio_level_average":-1`, "",
		`{"videoroom":"joined","room":1,"description":"One","id":1,"private_id":7,"publishers":[],"audio_active_packets":9,"audio_level_average":25}`, "")
	step("configure", `,"audio":true,"video":true`, "chrome_avd", ok+`,`+streams+
		`,"audiolevel_ext_id":1},{"type":"video","mindex":1,"mid":"1","codec":"vp8","videoorient_ext_id":13,"playoutdelay_ext_id":12},{"type":"data","mindex":2,"mid":"2"}]}`, "")
	step("up", "", "", "", `{"videoroom":"event","room":1,"publishers":[{"id":1,"display":"Ann","metadata":{"x":[1]},`+streams+
		`},{"type":"video","mindex":1,"mid":"1","codec":"vp8"},{"type":"data","mindex":2,"mid":"2"}]}]}`)
	step("configure", `,"descriptions":[{"mid":"1","description":"cam"},{"mid":"7","description":"?"}]`, "", ok+`}`,
		`{"videoroom":"event","room":1,"publishers":[{"id":1,"display":"Ann","metadata":{"x":[1]},`+streams+
			`},{"type":"video","mindex":1,"mid":"1","description":"cam","codec":"vp8"},{"type":"data","mindex":2,"mid":"2"}]}]}`)
	step("configure", `,"display":"Anna"`, "", ok+`}`, `{"videoroom":"event","id":1,"display":"Anna","metadata":{"x":[1]}}`)
	step("configure", `,"display":"Anna","metadata":{}`, "", ok+`}`, `{"videoroom":"event","id":1,"metadata":{}}`)
	step("unpublish", "", "", `{"videoroom":"event","room":1,"unpublished":"ok"}`,
		`{"videoroom":"event","room":1,"display":"Anna","metadata":{},"unpublished":1}`)
	step("hangup", "", "", "", `{"videoroom":"event","room":1,"display":"Anna","metadata":{},"unpublished":1}`)
	step("publish", "", "chrome_audio", ok+`,"audio_codec":"opus","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus","fec":true,"audiolevel_ext_id":1}]}`, "")
	step("up", "", "", "", `{"videoroom":"event","room":1,"publishers":[{"id":1,"display":"Anna","metadata":{},"audio_codec":"opus",`+
		`"streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus","fec":true}]}]}`)
	step("hangup", "", "", "", `{"videoroom":"event","room":1,"display":"Anna","metadata":{},"unpublished":1}`)
	step("detach", "", "", "", `{"videoroom":"event","room":1,"display":"Anna","metadata":{},"leaving":1}`)
	step("detach", "", "", "", "")
	c := hs.join(`"id":3`)
	c.h.Detach()
	same(t, "onlooker gone", b.take(), `{"videoroom":"event","room":1,"unpublished":3}`+"\n"+`{"videoroom":"event","room":1,"leaving":3}`)
}

func TestNotifyJoining(t *testing.T) {
	hs := newService(t, `room-1: { notify_joining = true }`)
	a := hs.join(`"id":1,"display":"Ann"`)
	hs.publish(`"id":2`, "chrome_audio")
	a.take()
	c := hs.attach()
	got := privateID.ReplaceAllString(c.do(`{"request":"join","ptype":"publisher","room":1,"id":3,"metadata":{"m":1}}`, ""), "PRIVATE")
	same(t, "joined", got, `{"videoroom":"joined","room":1,"description":"room-1","id":3,PRIVATE,"publishers":[{"id":2,"audio_codec":"opus","streams":`+
		`[{"type":"audio","mindex":0,"mid":"0","codec":"opus","fec":true,"talking":false}],"talking":false}],"attendees":[{"id":1,"display":"Ann"}]}`)
	same(t, "joining", a.take(), `{"videoroom":"event","room":1,"joining":{"id":3,"metadata":{"m":1}}}`)
}

func TestJoinAndConfigure(t *testing.T) {
	hs := newService(t, `room-1: { audiocodec = "opus,pcmu" }`)
	g := hs.attach()
	got := privateID.ReplaceAllString(g.do(`{"request":"joinandconfigure","ptype":"publisher","room":1,"id":3,"bitrate":70000,"audiocodec":"PCMU",`+
		`"descriptions":[{"mid":"0","description":"mic"}]}`, "chrome_audio"), "PRIVATE")
	same(t, "joined", got, `{"videoroom":"joined","room":1,"description":"room-1","id":3,PRIVATE,"publishers":[],"audio_codec":"pcmu",`+
		`"streams":[{"type":"audio","mindex":0,"mid":"0","description":"mic","codec":"pcmu","audiolevel_ext_id":1}]}`)
	p := g.h.is().(*publisher)
	if p.bitrate != 70000 || p.streams[0].description != "mic" || g.last == nil || g.last.SDP.Name != "VideoRoom 1" {
		t.Errorf("bitrate %d, description %q, answer %v", p.bitrate, p.streams[0].description, g.last)
	}
	// Without an offer the wish is remembered, unless it makes no sense.
	g = hs.attach()
	g.must(`{"request":"joinandconfigure","ptype":"publisher","room":1,"audiocodec":"pcmu","videocodec":"av1"}`, "", `"joined"`)
	g.must(`{"request":"configure"}`, "chrome_avd", `"audio_codec":"pcmu","video_codec":"vp8"`)
}

// Whoever describes a stream reads the description in the answer, however it was
// published.
func TestDescriptions(t *testing.T) {
	hs := newService(t, `room-1: { }`)
	const described = `"streams":[{"type":"audio","mindex":0,"mid":"0","description":"mic","codec":"opus"`
	const field = `,"descriptions":[{"mid":"0","description":"mic"},{"mid":"9","description":"?"}]`
	g := hs.join(`"id":1`)
	g.must(`{"request":"publish"`+field+`}`, "chrome_audio", described)
	g.h.Up()
	g.must(`{"request":"configure"}`, "chrome_audio", described)
	g.must(`{"request":"configure","descriptions":[{"mid":"0","description":"other"}]}`, "chrome_audio",
		strings.Replace(described, "mic", "other", 1))
	hs.attach().must(`{"request":"join","ptype":"publisher","room":1`+field+`}`, "chrome_audio", described)
	early := hs.join(`"id":3` + field)
	early.must(`{"request":"configure"}`, "chrome_audio", described)
}

// What an answer says depends on the room and the offer.
func TestAnswer(t *testing.T) {
	h264 := video("v", "h264")
	h264.Fmtp = "profile-level-id=42e01f;packetization-mode=1"
	vp9 := video("v", "vp9")
	vp9.Fmtp = "profile-id=2"
	dtx := audio("a", "opus")
	dtx.Fmtp = "useinbandfec=1;usedtx=1;stereo=1"
	idle := audio("a", "opus")
	idle.Direction = sdp.RecvOnly
	both := video("v", "vp8")
	both.Direction = sdp.SendRecv
	for _, x := range []struct {
		room, request string
		offer         *plugin.JSEP
		sdp, streams  string
	}{
		{``, ``, plugintest.MakeOffer(dtx, both), "answer(a:audio recvonly opus/111{stereo=1;useinbandfec=1}, v:video recvonly vp8/96)",
			`"audio_codec":"opus","video_codec":"vp8","streams":[{"type":"audio","mindex":0,"mid":"a","codec":"opus","stereo":true,"fec":true},` +
				`{"type":"video","mindex":1,"mid":"v","codec":"vp8"}]`},
		{`opus_dtx = true, opus_fec = false`, ``, plugintest.MakeOffer(dtx), "answer(a:audio recvonly opus/111{stereo=1;usedtx=1})",
			`"audio_codec":"opus","streams":[{"type":"audio","mindex":0,"mid":"a","codec":"opus","stereo":true,"dtx":true}]`},
		{``, ``, plugintest.MakeOffer(idle), "answer(a:audio inactive opus/111)",
			`"audio_codec":"none","streams":[{"type":"audio","mindex":0,"mid":"a","disabled":true}]`},
		{``, ``, plugintest.MakeOffer(audio("a", "pcmu"), video("v", "vp8")), "answer(a:audio inactive rejected, v:video recvonly vp8/96)",
			`"audio_codec":"none","video_codec":"vp8","streams":[{"type":"audio","mindex":0,"mid":"a","disabled":true},{"type":"video","mindex":1,"mid":"v","codec":"vp8"}]`},
		{`videocodec = "vp8,h264,vp9"`, `,"videocodec":"VP9"`, plugintest.MakeOffer(h264), "answer(v:video inactive rejected)",
			`"video_codec":"none","streams":[{"type":"video","mindex":0,"mid":"v","disabled":true}]`},
		{`videocodec = "vp8,h264,vp9"`, ``, plugintest.MakeOffer(h264), "answer(v:video recvonly h264/107{profile-level-id=42e01f;packetization-mode=1})",
			`"video_codec":"h264","streams":[{"type":"video","mindex":0,"mid":"v","codec":"h264","h264_profile":"42e01f"}]`},
		{`videocodec = "vp9,h264", vp9_profile = "2", h264_profile = "42e01f"`, ``, plugintest.MakeOffer(vp9), "answer(v:video recvonly vp9/101{profile-id=2})",
			`"video_codec":"vp9","streams":[{"type":"video","mindex":0,"mid":"v","codec":"vp9","vp9_profile":"2"}]`},
		{`videocodec = "h264", h264_profile = "640032"`, ``, plugintest.MakeOffer(h264), "answer(v:video recvonly h264/107{profile-level-id=42e01f;packetization-mode=1})",
			`"video_codec":"h264","streams":[{"type":"video","mindex":0,"mid":"v","codec":"h264","h264_profile":"42e01f"}]`},
	} {
		hs := newService(t, "room-1: {"+x.room+"}")
		g := hs.join(`"id":1`)
		got := g.send(`{"request":"publish"`+x.request+`}`, x.offer)
		same(t, x.room+x.request, plugintest.Outline(g.last), x.sdp)
		same(t, x.room+x.request, got, `{"videoroom":"event","room":1,"configured":"ok",`+x.streams+`}`)
	}
}

// TestH264Profiles: the room's profile, in any level and spelling, is told to the
// publisher and offered to subscribers.
func TestH264Profiles(t *testing.T) {
	text := "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=sendonly\r\n" +
		"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=640c34\r\n" +
		"a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e034\r\n" +
		"a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e034\r\n"
	for _, x := range []struct{ offer, profile, answer, subscriber string }{
		{text, "42e01f", "98{profile-level-id=42e01f;packetization-mode=1}", "profile-level-id=42e01f;packetization-mode=1"},
		{text, "640c1f", "96{profile-level-id=640c1f;packetization-mode=1}", "profile-level-id=640c1f;packetization-mode=1"},
		{text, "4d001f", "96{packetization-mode=1;profile-level-id=640c34}", "profile-level-id=640c34;packetization-mode=1"},
		{strings.ReplaceAll(text, "42e034", "4d0032"), "4d001f", "98{profile-level-id=4d001f;packetization-mode=1}", "profile-level-id=4d001f;packetization-mode=1"},
		{strings.ReplaceAll(text, "packetization-mode=1;", ""), "42c01f", "97{profile-level-id=42c01f;packetization-mode=0}", "profile-level-id=42c01f;packetization-mode=1"},
		{strings.ReplaceAll(text, "a=fmtp", "a=x"), "42c01f", "96", "profile-level-id=42e01f;packetization-mode=1"},
	} {
		d, err := sdp.Parse(x.offer)
		if err != nil {
			t.Fatal(err)
		}
		hs := newService(t, `room-1: { videocodec = "h264", h264_profile = "`+x.profile+`" }`)
		g := hs.join(`"id":1`)
		g.send(`{"request":"publish"}`, &plugin.JSEP{SDP: d.Anonymise()})
		same(t, x.profile, plugintest.Outline(g.last), "answer(v:video recvonly h264/"+x.answer+")")
		g.h.Establish()
		sub := hs.attach()
		sub.must(`{"request":"join","ptype":"subscriber","room":1,"streams":[{"feed":1}]}`, "", `"attached"`)
		same(t, x.profile, plugintest.Outline(sub.last), "offer(0:video sendonly h264/107{"+x.subscriber+"})")
	}
}

func TestAnswerExtensions(t *testing.T) {
	uris := []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URIAudioLevel, sdp.URIVideoOrientation, sdp.URIPlayoutDelay,
		sdp.URITransportCC, sdp.URIDependencyDescriptor, sdp.URIAbsSendTime, sdp.URIVideoLayers}
	a, v8, v9 := audio("a", "opus"), video("v", "vp8"), video("w", "vp9")
	for i, uri := range uris {
		e := sdp.Extension{ID: uint8(i + 1), URI: uri}
		a.Extensions, v8.Extensions, v9.Extensions = append(a.Extensions, e), append(v8.Extensions, e), append(v9.Extensions, e)
	}
	for room, want := range map[string][3]string{
		``: {"1 2 3 4 7", "1 2 3 5 6 7", "1 2 3 5 6 7 8"},
		`audiolevel_ext = false, videoorient_ext = false, playoutdelay_ext = false, transport_wide_cc_ext = false`: {"1 2 3", "1 2 3", "1 2 3 8"},
	} {
		hs := newService(t, `room-1: { videocodec = "vp9,vp8",`+room+`}`)
		g := hs.join(`"id":1`)
		g.send(`{"request":"publish"}`, plugintest.MakeOffer(a, v8, v9))
		for i, want := range want {
			s := &g.last.SDP.Sections[i]
			var ids []string
			for _, e := range s.Extensions {
				ids = append(ids, string('0'+rune(e.ID)))
			}
			same(t, room+s.MID, strings.Join(ids, " "), want)
			if feedback := s.Codecs[0].HasFeedback(sdp.FeedbackTransportCC); feedback != strings.Contains(want, "7") {
				t.Errorf("%s%s: transport-cc %v", room, s.MID, feedback)
			}
		}
	}
}

func TestBitrateCap(t *testing.T) {
	for room, want := range map[string]sdp.Bandwidth{
		`bitrate = 300000`:                     {},
		`bitrate_cap = true`:                   {},
		`bitrate = 300000, bitrate_cap = true`: {Type: "AS", Value: 300},
	} {
		hs := newService(t, `room-1: {`+room+`}`)
		g := hs.join(`"id":1`)
		g.must(`{"request":"publish"}`, "chrome_avd", `"ok"`)
		if s := g.last.SDP.Sections; s[1].Bandwidth != want || s[0].Bandwidth.Type != "" {
			t.Errorf("%s: %+v", room, s[1].Bandwidth)
		}
	}
	hs := newService(t, `room-1: { bitrate = 300000, bitrate_cap = true }`)
	g := hs.join(`"id":1`)
	text := loadOffer(t, "chrome_avd").SDP.String()
	g.send(`{"request":"publish"}`, parseOffer(t, strings.Replace(text, "o=- ", "o=mozilla...THIS_IS_SDPARTA-99.0 ", 1)))
	if b := g.last.SDP.Sections[1].Bandwidth; b != (sdp.Bandwidth{Type: "TIAS", Value: 300000}) {
		t.Errorf("Firefox: %+v", b)
	}
}

// TestRoomOfLayers: in a room that is set up for SVC publishers of VP9 need not say it, if there is no
// other codec.
func TestRoomOfLayers(t *testing.T) {
	for room, want := range map[string]string{
		`video_svc = true, videocodec = "vp9"`:     `"codec":"vp9","svc":true}`,
		`video_svc = true, videocodec = "vp9,vp8"`: `"codec":"vp9"}`,
		`video_svc = true, videocodec = "av1"`:     `"codec":"av1"}`,
		`videocodec = "vp9"`:                       `"codec":"vp9"}`,
	} {
		g := newService(t, "room-1: { "+room+" }").attach()
		codec := "vp9"
		if strings.Contains(room, "av1") {
			codec = "av1"
		}
		got := g.send(`{"request":"joinandconfigure","room":1,"ptype":"publisher"}`, plugintest.MakeOffer(video("v", codec)))
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", room, got, want)
		}
	}
	g := newService(t, `room-1: { video_svc = true, videocodec = "vp9" }`).attach()
	offer := plugintest.MakeOffer(video("v", "vp9"))
	offer.Simulcast = []plugin.Simulcast{{Index: 0}}
	if got := g.send(`{"request":"joinandconfigure","room":1,"ptype":"publisher"}`, offer); !strings.Contains(got, `"codec":"vp9","simulcast":true}`) {
		t.Errorf("simulcast: %s", got)
	}
}

func TestLayeredAndEncrypted(t *testing.T) {
	hs := newService(t, `room-1: { videocodec = "vp8,vp9" }`)
	for offer, want := range map[*plugin.JSEP]string{
		{SDP: plugintest.MakeOffer(video("v", "vp8")).SDP, Simulcast: []plugin.Simulcast{{Index: 0}}}: `"codec":"vp8","simulcast":true}`,
		{SDP: plugintest.MakeOffer(video("v", "vp9")).SDP, SVC: []plugin.SVC{{Index: 0}}}:             `"codec":"vp9","svc":true}`,
		{SDP: plugintest.MakeOffer(video("v", "vp8")).SDP, SVC: []plugin.SVC{{Index: 0}}}:             `"codec":"vp8"}`,
		{SDP: plugintest.MakeOffer(video("v", "vp8")).SDP, Simulcast: []plugin.Simulcast{{Index: 1}}}: `"codec":"vp8"}`,
	} {
		g := hs.attach()
		if got := g.send(`{"request":"joinandconfigure","room":1,"ptype":"publisher"}`, offer); !strings.Contains(got, want) {
			t.Errorf(" got %s\nwant %s", got, want)
		}
		g.h.Hangup("")
	}
	g := hs.join(`"id":1`)
	secret := plugintest.MakeOffer(video("v", "vp8"))
	secret.E2EE = true
	g.send(`{"request":"publish"}`, secret)
	if p := g.h.is().(*publisher); !p.e2ee || !g.last.E2EE {
		t.Error("not end to end")
	}
	g.h.Hangup("")
	g.must(`{"request":"publish"}`, "chrome_avd", `"ok"`)
	if p := g.h.is().(*publisher); p.e2ee || g.last.E2EE {
		t.Error("still end to end")
	}
}

// Streams keep their place and what was set for them when the publisher
// negotiates anew.
func TestRenegotiation(t *testing.T) {
	hs := newService(t, `room-1: { videocodec = "vp8,vp9" }`)
	b := hs.join(`"id":2`)
	g := hs.join(`"id":1`)
	g.send(`{"request":"publish","videocodec":"vp9"}`, plugintest.MakeOffer(audio("a", "opus"), video("v", "vp9")))
	g.h.Up()
	p := g.h.is().(*publisher)
	mic, cam := p.streams[0], p.streams[1]
	g.must(`{"request":"configure","streams":[{"mid":"v","send":false,"min_delay":5,"max_delay":2}]}`, "", `"ok"`)
	b.take()

	gone := video("v", "vp9")
	gone.Direction = sdp.Inactive
	next := plugintest.MakeOffer(audio("a", "opus"), gone, video("s", "vp8"))
	next.Update = true
	same(t, "screen added", g.send(`{"request":"configure","videocodec":"vp8"}`, next), `{"videoroom":"event","room":1,"configured":"ok","audio_codec":"opus",`+
		`"video_codec":"none","streams":[{"type":"audio","mindex":0,"mid":"a","codec":"opus"},{"type":"video","mindex":1,"mid":"v","disabled":true},`+
		`{"type":"video","mindex":2,"mid":"s","codec":"vp8"}]}`)
	same(t, "screen seen", b.take(), `{"videoroom":"event","room":1,"publishers":[{"id":1,"audio_codec":"opus","video_codec":"vp8","streams":[`+
		`{"type":"audio","mindex":0,"mid":"a","codec":"opus"},{"type":"video","mindex":1,"mid":"v","disabled":true},{"type":"video","mindex":2,"mid":"s","codec":"vp8"}]}]}`)
	if p.streams[0] != mic || p.streams[1] != cam || !cam.disabled || !cam.paused || cam.delay != (mline.Delay{Least: 2, Most: 2}) {
		t.Errorf("cam is %+v", cam)
	}
	again := plugintest.MakeOffer(audio("a", "opus"), video("v", "vp9"))
	again.Update = true
	g.send(`{"request":"configure"}`, again)
	if cam.disabled || len(p.streams) != 3 || !p.streams[2].disabled || cam.Codec != "vp9" {
		t.Errorf("cam is %+v, screen %+v", cam, p.streams[2])
	}
	// Another stream takes the place of the video.
	other := plugintest.MakeOffer(audio("a", "opus"), audio("x", "opus"), gone)
	other.Update = true
	g.send(`{"request":"configure"}`, other)
	if !cam.disabled || p.streams[1] == cam || p.streams[1].kind != sdp.Audio || p.stream("v").mindex != 2 {
		t.Errorf("got %+v", p.streams)
	}
}

func TestDelay(t *testing.T) {
	s := &stream{kind: sdp.Video, delay: mline.NoDelay}
	for _, x := range []struct {
		fields   string
		min, max int
	}{
		{`"min_delay":3`, 3, 3}, {`"max_delay":9`, 3, 9}, {`"max_delay":1`, 1, 1}, {`"min_delay":0,"max_delay":4`, 0, 4},
		{`"min_delay":99999`, 4095, 4095}, {`"min_delay":-5`, -1, -1}, {`"max_delay":7`, 7, 7}, {`"max_delay":-1`, -1, -1}, {`"min_delay":-1,"max_delay":10`, -1, -1},
	} {
		s.setDelay(mline.ReadDelay(kit.Args{Value: plugintest.Parse(t, "{"+x.fields+"}")}))
		if s.delay != (mline.Delay{Least: x.min, Most: x.max}) {
			t.Errorf("%s: %+v", x.fields, s.delay)
		}
	}
}

func TestTalking(t *testing.T) {
	hs := newService(t, `room-1: { audiolevel_event = true, audio_level_average = 30 }`)
	b := hs.join(`"id":2`)
	a := hs.publish(`"id":1,"audio_level_average":50`, "chrome_avd")
	a.take()
	b.take()
	level := func(section int, level float64) {
		a.h.Event(sfu.Event{Kind: sfu.EventAudioLevel, Section: section, AudioLevel: level})
	}
	const rest = `,"room":1,"id":1,"mindex":0,"mid":"0","audio-level-dBov-avg":`
	for _, x := range []struct {
		section int
		level   float64
		want    string
	}{
		{0, 60, ``}, {0, 40.5, `{"videoroom":"talking"` + rest + `40.5}`}, {0, 20, ``}, {1, 90, ``}, {7, 90, ``},
		{0, 50, `{"videoroom":"stopped-talking"` + rest + `50}`},
	} {
		level(x.section, x.level)
		got := a.take()
		// A JSON real: a decoder tells 50 and 50.0 apart at most.
		got = strings.Replace(got, ":50.0}", ":50}", 1)
		same(t, "talking", got, x.want)
		if other := strings.Replace(b.take(), ":50.0}", ":50}", 1); other != got {
			t.Errorf("others see %s", other)
		}
	}
	level(0, 1)
	b.take()
	b.must(`{"request":"listparticipants","room":1}`, "", `{"id":1,"publisher":true,"talking":true}`)
	b.must(`{"request":"kick","room":1,"id":1}`, "", `"success"`)
	b.take()
	level(0, 100)
	same(t, "after the end", b.take(), "")
}

func TestKickAndModerate(t *testing.T) {
	hs := newService(t, demoRoom)
	b, adm := hs.join(`"id":2`), hs.attach()
	a := hs.publish(`"id":1,"display":"Ann"`, "chrome_avd")
	b.take()
	for _, x := range []struct{ mute, want string }{{"true", "muted"}, {"false", "unmuted"}, {"true", "muted"}} {
		adm.must(`{"request":"moderate","room":1,"id":1,"mid":"1","mute":`+x.mute+`}`, "", `{"videoroom":"success"}`)
		want := `{"videoroom":"event","room":1,"id":1,"mid":"1","moderation":"` + x.want + `"}`
		same(t, "moderation", a.take(), want)
		same(t, "moderation", b.take(), want)
	}
	s := a.h.is().(*publisher).streams[1]
	if s.flows() {
		t.Error("a muted stream flows")
	}
	if c := hs.attach().do(`{"request":"join","ptype":"publisher","room":1,"id":3}`, ""); !strings.Contains(c, `"codec":"vp8","moderated":true}`) {
		t.Errorf("got %s", c)
	}
	adm.must(`{"request":"kick","room":1,"id":1}`, "", `{"videoroom":"success"}`)
	same(t, "kicked", a.take(), `{"videoroom":"event","room":1,"leaving":"ok","reason":"kicked"}`)
	same(t, "kicked", b.take(), `{"videoroom":"event","room":1,"display":"Ann","kicked":1}`)
	a.h.Hangup("Close PC")
	a.must(`{"request":"configure"}`, "", `"error_code":426`)
	a.h.Detach()
	same(t, "afterwards", b.take(), "")
	adm.must(`{"request":"listparticipants","room":1}`, "", `{"videoroom":"participants","room":1,"participants":[{"id":2,"publisher":false},{"id":3,"publisher":false}]}`)
}

func TestDestroyed(t *testing.T) {
	hs := newService(t, demoRoom)
	a, b := hs.publish(`"id":1`, "chrome_avd"), hs.join(`"id":2`)
	a.take()
	hs.attach().must(`{"request":"destroy","room":1}`, "", `"destroyed"`)
	for _, g := range []*participant{a, b} {
		same(t, "destroyed", g.take(), `{"videoroom":"destroyed","room":1}`)
		g.h.Hangup("Close PC")
		g.must(`{"request":"publish"}`, "", `"error_code":426`)
		g.h.Detach()
	}
}

func TestSlowLink(t *testing.T) {
	hs := newService(t, `room-1: { bitrate = 128000 }`)
	g := hs.publish(`"id":1`, "chrome_avd")
	g.take()
	g.h.Event(sfu.Event{Kind: sfu.EventSlowLink, Uplink: true})
	g.h.Event(sfu.Event{Kind: sfu.EventSlowLink, Lost: 20})
	same(t, "slow link", g.take(), `{"videoroom":"slow_link","current-bitrate":128000}`)
}

// What the event handlers hear.
func TestNotices(t *testing.T) {
	hs := newService(t, demoRoom)
	g := hs.publish(`"id":1,"display":"Ann","token":"t"`, "chrome_audio")
	adm := hs.attach()
	adm.must(`{"request":"moderate","room":1,"id":1,"mid":"0","mute":true}`, "", `"success"`)
	g.must(`{"request":"unpublish"}`, "", `"ok"`)
	g.must(`{"request":"leave"}`, "", `"ok"`)
	want := []string{
		`{"event":"joined","room":1,"id":1,"private_id":PRIVATE,"display":"Ann"}`,
		`{"event":"configured","room":1,"id":1,"bitrate":0}`,
		`{"event":"published","room":1,"id":1,"display":"Ann","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus","fec":true}]}`,
		`{"videoroom":"moderated","room":1,"id":1,"mid":"0","moderation":"muted"}`,
		`{"event":"unpublished","room":1,"id":1,"display":"Ann"}`,
		`{"event":"leaving","room":1,"id":1,"display":"Ann"}`,
	}
	got := privateID.ReplaceAllString(strings.Join(g.notices, "\n"), `"private_id":PRIVATE`)
	same(t, "notices", got, strings.Join(want, "\n"))

	silent := newService(t, "general: { events = false }\n"+demoRoom)
	quiet := silent.publish(`"id":1`, "chrome_audio")
	if len(quiet.notices) > 0 {
		t.Errorf("got %v", quiet.notices)
	}
}

func TestQuery(t *testing.T) {
	hs := newService(t, demoRoom)
	query := func(g *participant) string { return string(ourjson.Object(g.h.Query)) }
	g := hs.attach()
	same(t, "fresh", query(g), `{"hangingup":0,"destroyed":0}`)
	g = hs.publish(`"id":1,"display":"Ann"`, "chrome_avd")
	g.must(`{"request":"configure","mid":"1","min_delay":1}`, "", `"ok"`)
	got := privateID.ReplaceAllString(query(g), "PRIVATE")
	same(t, "publisher", strings.Replace(got, `:0.0,`, `:0,`, 1), `{"type":"publisher","room":1,"id":1,PRIVATE,"display":"Ann","bitrate":0,"streams":[`+
		`{"type":"audio","mindex":0,"mid":"0","codec":"opus","audio-level-dBov":0,"talking":false,"subscribers":0},`+
		`{"type":"video","mindex":1,"mid":"1","codec":"vp8","playout-delay":{"min-delay":1,"max-delay":1},"subscribers":0},`+
		`{"type":"data","mindex":2,"mid":"2","subscribers":0}],"hangingup":0,"destroyed":0}`)
	g.h.Detach()
	same(t, "gone", query(g), `{"type":"publisher","hangingup":0,"destroyed":1}`)
}
