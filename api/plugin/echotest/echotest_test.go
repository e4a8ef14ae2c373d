package echotest

import (
	"strconv"
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

func attach(t *testing.T) (*handle, *plugintest.Client) {
	t.Helper()
	c := plugintest.New(t, New(t.TempDir()), plugintest.Config{}).Attach(plugintest.Options{})
	return c.Handle.(*handle), c
}

// send runs a request, which is asynchronous, and returns what it pushes.
func send(t *testing.T, c *plugintest.Client, body string) string {
	t.Helper()
	text := c.Send(body, nil)
	if !strings.HasPrefix(text, plugintest.Transaction+" ") {
		t.Errorf("%s is not asynchronous: %s", body, text)
	}
	return text
}

func TestRequests(t *testing.T) {
	const ok = `t {"echotest":"event","result":"ok"}`
	fail := func(text string) string { return `t {"echotest":"event","error_code":413,"error":"` + text + `"}` }
	nothing := fail("Message error: no supported attributes found")
	for _, tt := range []struct{ body, want string }{
		{`{"audio":true,"video":true,"record":false,"bitrate":0}`, ok},
		{`{"videocodec":"vp9"}`, ok},
		{`{"videoprofile":"0"}`, ok},
		{`{"opusred":true}`, ok},
		{`{"fallback":1}`, ok},
		{`{"min_delay":-1}`, ok},
		{`{"audiocodec":"opus"}`, nothing},
		{`{"filename":"x","svc":true,"data":true}`, nothing},
		{`{"audio":null}`, nothing},
		{`{"substream":3}`, fail("Invalid value (substream should be 0, 1 or 2)")},
		{`{"temporal_layer":9}`, fail("Invalid value (temporal_layer should be 0, 1 or 2)")},
		{`{"spatial_layer":-1}`, fail("Invalid element type (spatial_layer should be a positive integer)")},
		{`{"max_delay":"1"}`, fail("Invalid element type (max_delay should be an integer)")},
		{`{"record":true,"filename":"/dev/null/x"}`, ok}, // there is nothing to record
		{`{"record":1}`, fail("Invalid element type (record should be a boolean)")},
	} {
		_, c := attach(t)
		if got := send(t, c, tt.body); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.body, got, tt.want)
		}
	}
}

func TestFailedRequestChangesNothing(t *testing.T) {
	h, c := attach(t)
	send(t, c, `{"audio":false,"substream":3}`)
	if !h.settings.sending.Audio || len(c.Notices()) != 0 {
		t.Errorf("got %+v", h.settings)
	}
}

func TestPlayoutDelay(t *testing.T) {
	h, c := attach(t)
	for _, tt := range []struct {
		body        string
		least, most int
	}{
		{`{"max_delay":10}`, 10, 10},
		{`{"min_delay":5}`, 5, 10},
		{`{"min_delay":20}`, 20, 20},
		{`{"max_delay":15}`, 15, 15},
		{`{"min_delay":-1}`, -1, -1},
		{`{"min_delay":0}`, 0, 0},
		{`{"min_delay":3,"max_delay":9999}`, 3, 4095},
		{`{"max_delay":-5}`, -1, -1},
		{`{"min_delay":-1,"max_delay":10}`, -1, -1},
	} {
		send(t, c, tt.body)
		if h.settings.delay != (mline.Delay{Least: tt.least, Most: tt.most}) {
			t.Errorf("%s: got %+v", tt.body, h.settings.delay)
		}
	}
}

func TestLayerEvents(t *testing.T) {
	h, c := attach(t)
	e := sfu.Event{Kind: sfu.EventLayer, Section: 1, Layer: media.Layer{Encoding: 1, Spatial: 2, Temporal: 0}, Layers: media.Layer{Spatial: 3, Temporal: 2}}
	h.Event(e)
	h.settings.codecs.Video = "vp8"
	h.settings.layered = mline.Simulcast
	h.Event(e)
	h.Event(sfu.Event{Kind: sfu.EventLayer, Layer: media.Layer{Encoding: 2, Spatial: -1, Temporal: -1}})
	h.settings.codecs.Video = "vp9"
	h.settings.layered = mline.SVC
	h.Event(e)
	want := []string{
		`{"echotest":"event","videocodec":"vp8","substream":1,"temporal":0,"tot_temporal_layers":2}`,
		`{"echotest":"event","videocodec":"vp8","substream":2}`,
		`{"echotest":"event","videocodec":"vp9","spatial_layer":2,"temporal_layer":0,"tot_spatial_layers":3,"tot_temporal_layers":2}`,
	}
	if got, w := c.Take(), strings.Join(want, "\n"); got != w {
		t.Errorf("got\n%s\nwant\n%s", got, w)
	}
}

func TestSlowLink(t *testing.T) {
	h, c := attach(t)
	h.sections = []section{{kind: sdp.Audio}, {kind: sdp.Video}}
	h.settings.sending.Bitrate = 5
	h.Event(sfu.Event{Kind: sfu.EventSlowLink, Section: 1, Lost: 9})
	h.Event(sfu.Event{Kind: sfu.EventSlowLink, Section: 0, Lost: 9})
	h.Event(sfu.Event{Kind: sfu.EventSlowLink, Section: 0, Lost: 9, Uplink: true})
	h.Event(sfu.Event{Kind: sfu.EventBitrate, Bitrate: 77})
	want := `{"echotest":"event","event":"slow_link","media":"video","current-bitrate":5}` + "\n" + `{"echotest":"event","event":"slow_link","media":"audio"}`
	if got := c.Take(); got != want {
		t.Errorf("got %s", got)
	}
	w := json.NewWriter(nil)
	w.Object("")
	h.Query(w)
	w.End()
	if got := string(w.Bytes()); got != `{"audio_active":true,"video_active":true,"bitrate":5,"peer-bitrate":77,"slowlink_count":3,"hangingup":0,"destroyed":0}` {
		t.Errorf("got %s", got)
	}
}

func TestHangupResets(t *testing.T) {
	h, c := attach(t)
	send(t, c, `{"audio":false,"video":false,"bitrate":5,"substream":0,"min_delay":4}`)
	if got := c.Notices()[0]; got != `{"audio_active":false,"video_active":false,"bitrate":5}` {
		t.Errorf("notice %s", got)
	}
	c.Take()
	h.Hangup("any")
	fresh, _ := attach(t)
	if h.settings != fresh.settings {
		t.Errorf("got %+v", h.settings)
	}
	if got := c.Take(); got != `{"echotest":"event","result":"done"}` {
		t.Errorf("got %s", got)
	}
}

const offerText = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n" +
	"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 98 100\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtpmap:100 VP9/90000\r\na=fmtp:100 profile-id=2\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\n"

func TestNegotiation(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{}`, "audio sendrecv 111 useinbandfec=1;stereo=1|video inactive 96|video sendonly 96|video sendrecv 96"},
		{`{"opusred":true}`, "audio sendrecv 63 111/111 111 useinbandfec=1;stereo=1|video inactive 96|video sendonly 96|video sendrecv 96"},
		{`{"videocodec":"vp9"}`, "audio sendrecv 111 useinbandfec=1;stereo=1|video inactive 98 profile-id=0|video sendonly 98|video sendrecv 98"},
		{`{"videocodec":"vp9","videoprofile":"2"}`, "audio sendrecv 111 useinbandfec=1;stereo=1|video inactive 100 profile-id=2|video rejected|video rejected"},
		{`{"videocodec":"av1","audiocodec":"pcma"}`, "audio rejected|video rejected|video rejected|video rejected"},
		{`{"videocodec":"theora","audiocodec":"speex"}`, "audio sendrecv 111 useinbandfec=1;stereo=1|video inactive 96|video sendonly 96|video sendrecv 96"},
		{`{"videocodec":"opus","audiocodec":"multiopus"}`, "audio sendrecv 111 useinbandfec=1;stereo=1|video inactive 96|video sendonly 96|video sendrecv 96"},
		{`{"videocodec":"VP9","audiocodec":"PCMU"}`, "audio sendrecv 0 useinbandfec=1;stereo=1|video inactive 98 profile-id=0|video sendonly 98|video sendrecv 98"},
	} {
		offer, err := sdp.Parse(offerText)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := attach(t)
		j := h.answer(&kit.Request{Body: kit.Args{Value: plugintest.Parse(t, tt.body)}, JSEP: &plugin.JSEP{SDP: offer.Anonymise(), E2EE: true}})
		var parts []string
		for i := range j.SDP.Sections {
			s := &j.SDP.Sections[i]
			p := s.Kind.String()
			if s.Rejected() {
				parts = append(parts, p+" rejected")
				continue
			}
			p += " " + s.Direction.String()
			for _, c := range s.Codecs {
				p = strings.TrimSpace(p + " " + strconv.Itoa(int(c.PT)) + " " + c.Fmtp)
			}
			parts = append(parts, p)
		}
		if got := strings.Join(parts, "|"); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.body, got, tt.want)
		}
		if !j.E2EE {
			t.Errorf("%s: not marked as end-to-end encrypted", tt.body)
		}
	}
}

// A format of several channels is taken where it is offered.
func TestMultiopus(t *testing.T) {
	offer, err := sdp.Parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 120\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n" +
		"a=rtpmap:120 multiopus/48000/6\r\na=fmtp:120 channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2\r\n")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := attach(t)
	j := h.answer(&kit.Request{Body: kit.Args{Value: plugintest.Parse(t, `{"audiocodec":"multiopus"}`)}, JSEP: &plugin.JSEP{SDP: offer.Anonymise()}})
	if s := &j.SDP.Sections[0]; s.Rejected() || s.Codecs[0].PT != 120 {
		t.Errorf("got %+v", s)
	}
}

// TestH264Profiles: a profile is one in any level and spelling, and an answer keeps
// the packetization mode.
func TestH264Profiles(t *testing.T) {
	offer, err := sdp.Parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\n" +
		"a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n" +
		"a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=42c034\r\n" +
		"a=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id=640032\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for profile, want := range map[string]string{
		"":       "97 packetization-mode=1;profile-level-id=42c034",
		"42e01f": "97 profile-level-id=42e01f;packetization-mode=1",
		"640028": "98 profile-level-id=640028;packetization-mode=0",
		"4d001f": "",
		"x":      "",
	} {
		h, _ := attach(t)
		j := h.answer(&kit.Request{Body: kit.Args{Value: plugintest.Parse(t, `{"videoprofile":"`+profile+`","videocodec":"h264"}`)}, JSEP: &plugin.JSEP{SDP: offer.Anonymise()}})
		got := ""
		if s := &j.SDP.Sections[0]; !s.Rejected() {
			got = strconv.Itoa(int(s.Codecs[0].PT)) + " " + s.Codecs[0].Fmtp
		}
		if got != want {
			t.Errorf("%q: %q, want %q", profile, got, want)
		}
	}
}

func TestAdmin(t *testing.T) {
	const text = `{"request":"x","n":[1,2.5,null,{"a":"b"}]}`
	if got, err := New("").Admin(plugintest.Parse(t, text)); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
}
