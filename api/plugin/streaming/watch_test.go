package streaming

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

const multi = `"type":"rtp","name":"multi","e2ee":false,"media":[
	{"type":"audio","mid":"a","port":0,"pt":111,"codec":"opus","fmtp":"stereo=1"},
	{"type":"audio","mid":"x","port":0,"pt":120,"codec":"red"},
	{"type":"video","mid":"v","msid":"s t","port":0,"pt":96,"codec":"vp8"},
	{"type":"video","mid":"w","port":0,"pt":97,"codec":"h264","fmtp":"packetization-mode=1"},
	{"type":"data","mid":"d","port":0}]`

const preparing = `{"streaming":"event","result":{"status":"preparing"}} offer`

// newMountpoints is a plugin with mountpoints: 1 has several streams, 2 one of
// audio, 3 is a file.
func newMountpoints(t testing.TB) *rig {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	for _, body := range []string{
		`"id":1,` + multi,
		`"id":2,"type":"rtp","pin":"p","audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu"`,
		`"id":3,"type":"ondemand","filename":"FOLDER/radio.alaw","audio":true`,
	} {
		if got := th.ask(`{"request":"create",` + body + `}`); !strings.Contains(got, "created") {
			t.Fatal(got)
		}
	}
	t.Cleanup(func() { th.host.Detach() })
	return th
}

func TestOffer(t *testing.T) {
	for _, tt := range []struct{ fields, want string }{
		{``, `a:audio sendonly opus/48000/2/111{stereo=1} ext 2,3,4; v:video sendonly VP8/90000/96 ext 2,3,4 msid s t; ` +
			`w:video sendonly H264/90000/97{packetization-mode=1} ext 2,3,4; d:application sendonly`},
		{`,"media":[]`, `a:audio sendonly opus/48000/2/111{stereo=1} ext 2,3,4; v:video sendonly VP8/90000/96 ext 2,3,4 msid s t; ` +
			`w:video sendonly H264/90000/97{packetization-mode=1} ext 2,3,4; d:application sendonly`},
		{`,"media":["W","a","a"]`, `a:audio sendonly opus/48000/2/111{stereo=1} ext 2,3,4; w:video sendonly H264/90000/97{packetization-mode=1} ext 2,3,4`},
		{`,"offer_video":false,"offer_data":false`, `a:audio sendonly opus/48000/2/111{stereo=1} ext 2,4`},
		{`,"media":["a","v"],"offer_audio":false`, `v:video sendonly VP8/90000/96 ext 2,3,4 msid s t`},
		{`,"media":["nosuch"]`, ``},
	} {
		th := newMountpoints(t)
		th.want(`{"request":"watch","id":1`+tt.fields+`}`, preparing)
		want := strings.TrimSuffix("offer; Mountpoint 1; 1; "+tt.want, "; ")
		if got := th.lastJSEP(); got != want {
			t.Errorf("%s\n got %s\nwant %s", tt.fields, got, want)
		}
	}
}

func TestOfferExtensions(t *testing.T) {
	th := newMountpoints(t)
	th.ask(`{"request":"create","id":5,"type":"rtp","e2ee":true,"playoutdelay_ext":true,"abscapturetime_src_ext_id":3,
		"media":[{"type":"audio","mid":"a","port":0,"pt":0,"codec":"pcmu"}]}`)
	th.ask(`{"request":"watch","id":5}`)
	if got := th.lastJSEP(); got != "offer; Mountpoint 5; 1; a:audio sendonly PCMU/8000/0 ext 12,2,4,7" {
		t.Errorf("got %s", got)
	}
	if !th.host.JSEPs()[0].E2EE {
		t.Error("the offer does not say that media is encrypted")
	}
}

func TestWatchErrors(t *testing.T) {
	th := newMountpoints(t)
	for body, code := range map[string]int{
		`{"request":"watch"}`:                                      453,
		`{"request":"watch","id":"1"}`:                             454,
		`{"request":"watch","id":9}`:                               455,
		`{"request":"watch","id":2}`:                               453,
		`{"request":"watch","id":2,"pin":5}`:                       454,
		`{"request":"watch","id":2,"pin":"q"}`:                     457,
		`{"request":"watch","id":1,"media":[1]}`:                   454,
		`{"request":"watch","id":1,"media":"a"}`:                   454,
		`{"request":"watch","id":1,"offer_audio":1}`:               454,
		`{"request":"watch","id":1,"substream":-1}`:                454,
		`{"request":"watch","id":1,"restart":true}`:                455,
		`{"request":"watch","id":2,"pin":"p","offer_audio":false}`: 452,
		`{"request":"start"}`:                                      455,
		`{"request":"pause"}`:                                      455,
		`{"request":"configure"}`:                                  455,
		`{"request":"switch","id":1}`:                              455,
	} {
		th.fails(body, code)
	}
	th.want(`{"request":"stop"}`, `{"streaming":"event","result":{"status":"idle"}}`)
	if n := len(th.mountpoint("1").viewers) + len(th.mountpoint("2").viewers); n != 0 {
		t.Errorf("%d viewers", n)
	}
}

// TestLifeOfAViewer goes from watch to hangup, twice.
func TestLifeOfAViewer(t *testing.T) {
	th := newMountpoints(t)
	th.host.Notices()
	status := func(s string) string { return `{"streaming":"event","result":{"status":"` + s + `"}}` }
	for range 2 {
		th.want(`{"request":"watch","id":1,"media":["a","v"]}`, preparing)
		th.fails(`{"request":"watch","id":1}`, 460)
		th.fails(`{"request":"watch","id":1,"restart":true}`, 460)
		th.fails(`{"request":"watch","id":2,"pin":"p"}`, 460)
		th.want(`{"request":"stop"}`, status("idle"))
		if got := th.askWith(`{"request":"start"}`, th.answer()); got != status("starting") {
			t.Errorf("start: %s", got)
		}
		th.h.Establish()
		if got := th.take(); got != status("started") {
			t.Errorf("up: %s", got)
		}
		th.want(`{"request":"pause"}`, status("pausing"))
		th.want(`{"request":"start"}`, status("started"))
		th.fails(`{"request":"watch","id":2,"pin":"p"}`, 460)
		th.fails(`{"request":"watch","id":2,"pin":"p","restart":true}`, 460)
		th.want(`{"request":"watch","id":1,"restart":true}`, status("updating")+" offer")
		if j := th.host.JSEPs()[len(th.host.JSEPs())-1]; !j.Restart || j.SDP.Origin.Version != 2 || len(j.SDP.Sections) != 2 {
			t.Errorf("restart: %s", outline(j.SDP))
		}
		th.fails(`{"request":"watch","id":1}`, 460)
		th.askWith(`{"request":"start"}`, th.answer())

		// Another choice leaves the m-lines that there are in their places.
		th.want(`{"request":"watch","id":1,"media":["w","a"]}`, preparing)
		if got := th.lastJSEP(); got != "offer; Mountpoint 1; 3; a:audio sendonly opus/48000/2/111{stereo=1} ext 2,3,4; "+
			"v:video inactive VP8/90000/96 ext 2,3,4 msid s t; w:video sendonly H264/90000/97{packetization-mode=1} ext 2,3,4" {
			t.Errorf("got %s", got)
		}
		th.askWith(`{"request":"start"}`, th.answer())
		th.want(`{"request":"stop"}`, status("stopping"))
		th.want(`{"request":"stop"}`, status("idle"))
		th.host.Hangup()
		th.want(`{"request":"stop"}`, status("idle"))
	}
	if th.host.Closed() != 2 {
		t.Errorf("the peer connection was closed %d times", th.host.Closed())
	}
	want := `{"status":"starting","id":1}|{"status":"started","id":1}|{"status":"pausing","id":1}|{"status":"started","id":1}|` +
		`{"status":"started","id":1}|{"status":"started","id":1}|{"status":"stopping","id":1}`
	if got := strings.Join(th.host.Notices(), "|"); got != want+"|"+want {
		t.Errorf("event handlers heard %s", got)
	}
}

func (th *rig) watching(id string) {
	th.t.Helper()
	th.want(`{"request":"watch","id":`+id+`}`, preparing)
	th.askWith(`{"request":"start"}`, th.answer())
	th.h.Establish()
	th.take()
}

func TestDismissal(t *testing.T) {
	for name, body := range map[string]string{"stopped": `{"request":"destroy","id":1}`, "kicked_all": `{"request":"kick_all","id":1}`} {
		th := newMountpoints(t)
		th.watching("1")
		th.ask(body)
		if got := th.take(); got != `{"streaming":"event","result":{"status":"`+name+`"}}` || th.host.Closed() != 1 {
			t.Errorf("%s: %s, closed %d times", name, got, th.host.Closed())
		}
		th.host.Hangup()
		if name == "kicked_all" {
			th.want(`{"request":"watch","id":1}`, preparing)
		}
	}
}

func TestEditedEvent(t *testing.T) {
	th := newMountpoints(t)
	th.watching("1")
	for _, tt := range []struct{ fields, want string }{
		{`"new_metadata":"m"`, ``},
		{`"new_metadata":"m","edited_event":true`, ``},
		{`"new_metadata":"n","edited_event":true`, `{"event":"edited","id":1,"metadata":"n"}`},
		{`"new_description":"d","edited_event":true`, `{"event":"edited","id":1,"metadata":"n"}`},
		{`"new_metadata":"","edited_event":true`, `{"event":"edited","id":1}`},
	} {
		th.ask(`{"request":"edit","id":1,` + tt.fields + `}`)
		if got := th.take(); got != tt.want {
			t.Errorf("%s: got %s", tt.fields, got)
		}
	}
}

func TestConfigure(t *testing.T) {
	th := newMountpoints(t)
	th.watching("1")
	const configured = `{"streaming":"event","result":{"event":"configured"}}`
	for body, code := range map[string]int{
		`"send":1`:                              454,
		`"mid":5`:                               454,
		`"substream":3`:                         454,
		`"temporal":-1`:                         454,
		`"spatial_layer":3`:                     454,
		`"audio":"yes"`:                         454,
		`"streams":{}`:                          454,
		`"streams":[1]`:                         454,
		`"streams":[{"mid":"a"},{"send":true}]`: 454,
	} {
		th.fails(`{"request":"configure",`+body+`}`, code)
	}
	sends := func(want string) {
		t.Helper()
		var list []string
		for _, l := range th.h.lines {
			if l.send {
				list = append(list, l.mid)
			}
		}
		if got := strings.Join(list, ","); got != want {
			t.Errorf("sent is %s, want %s", got, want)
		}
	}
	for _, tt := range []struct{ fields, sends string }{
		{`"mid":"A","send":false`, "v,w,d"},
		{`"send":true`, "a,v,w,d"},
		{`"video":false`, "a,d"},
		{`"mid":"a","send":true,"video":true`, "a,d"},
		{`"streams":[{"mid":"a","send":false},{"mid":"v","send":true}],"send":false`, "v,d"},
		{`"mid":"nosuch","send":false`, "v,d"},
		{`"video":true,"audio":true,"data":false`, "a,v,w"},
	} {
		th.want(`{"request":"configure",`+tt.fields+`}`, configured)
		sends(tt.sends)
	}
}

func TestSwitch(t *testing.T) {
	th := newMountpoints(t)
	th.watching("1")
	th.fails(`{"request":"switch"}`, 453)
	th.fails(`{"request":"switch","id":9}`, 455)
	th.fails(`{"request":"switch","id":3}`, 458)
	th.want(`{"request":"switch","id":2}`, `{"streaming":"event","result":{"switched":"ok","id":2}}`)
	if a, b := len(th.mountpoint("1").viewers), len(th.mountpoint("2").viewers); a != 0 || b != 1 {
		t.Errorf("%d and %d viewers", a, b)
	}
	th.host.Hangup()
	th.watching("3")
	th.fails(`{"request":"switch","id":1}`, 458)
	th.want(`{"request":"configure","send":false}`, `{"streaming":"event","result":{"event":"configured"}}`)
}

// TestClientOffers watches with an offer of the client's own.
func TestClientOffers(t *testing.T) {
	th := newMountpoints(t)
	offer := sdp.Offer(sdp.OfferOptions{Name: "x", Sections: []sdp.OfferSection{
		{Kind: sdp.Video, MID: "0", Direction: sdp.RecvOnly, Codec: sdp.H264, PT: 50},
		{Kind: sdp.Audio, MID: "1", Direction: sdp.SendRecv, Codec: sdp.Opus, PT: 51, Extensions: []sdp.Extension{{URI: sdp.URIMID}, {URI: sdp.URIAudioLevel}}},
		{Kind: sdp.Audio, MID: "2", Direction: sdp.RecvOnly, Codec: sdp.Opus, PT: 51},
		{Kind: sdp.Video, MID: "3", Direction: sdp.SendOnly, Codec: sdp.VP8, PT: 52},
		{Kind: sdp.Video, MID: "4", Direction: sdp.RecvOnly, Codec: sdp.AV1, PT: 53},
		{Kind: sdp.Application, MID: "5"},
	}})
	j := &plugin.JSEP{SDP: offer}
	if got := th.askWith(`{"request":"watch","id":1}`, &plugin.JSEP{SDP: th.plain(sdp.TypeAnswer)}); !strings.Contains(got, "461") {
		t.Errorf("an answer: %s", got)
	}
	if got := th.askWith(`{"request":"watch","id":1}`, j); got != `{"streaming":"event","result":{"status":"starting"}} answer` {
		t.Errorf("got %s", got)
	}
	if got := th.lastJSEP(); got != "answer; Mountpoint 1; 0; 0:video sendonly H264/90000/50{profile-level-id=42e01f;packetization-mode=1}; "+
		"1:audio sendonly opus/48000/2/51{stereo=1} ext 4; 2:audio inactive rejected; 3:video inactive rejected; "+
		"4:video inactive rejected; 5:application inactive" {
		t.Errorf("got %s", got)
	}
	if got := th.askWith(`{"request":"watch","id":1}`, j); !strings.Contains(got, "460") {
		t.Errorf("twice: %s", got)
	}
	th.h.Establish()
	th.take()
	th.fails(`{"request":"watch","id":1}`, 460)

	// Another offer of the same m-lines renews the connection.
	first := th.lastJSEP()
	if got := th.askWith(`{"request":"watch","id":1,"restart":true}`, j); got != `{"streaming":"event","result":{"status":"updating"}} answer` || th.lastJSEP() != first {
		t.Errorf("again: %s, %s", got, th.lastJSEP())
	}
	for body, j := range map[string]*plugin.JSEP{
		`{"request":"watch","id":1,"restart":true}`:           {SDP: sdp.Offer(sdp.OfferOptions{Name: "x"})},
		`{"request":"watch","id":2,"pin":"p","restart":true}`: j,
	} {
		if got := th.askWith(body, j); !strings.Contains(got, "460") {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// h264Offer is a client's offer to receive H.264 in one of several formats, of
// these parameters.
func h264Offer(t *testing.T, fmtps ...string) *plugin.JSEP {
	t.Helper()
	text := "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 50 51 52\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n"
	for i, fmtp := range fmtps {
		text += fmt.Sprintf("a=rtpmap:%d H264/90000\r\na=fmtp:%d %s\r\n", 50+i, 50+i, fmtp)
	}
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &plugin.JSEP{SDP: d.Anonymise()}
}

// TestH264Profiles: viewers get the format that the source has.
func TestH264Profiles(t *testing.T) {
	offer := h264Offer(t, "profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42c01f", "packetization-mode=1;profile-level-id=640c1f")
	for _, tt := range []struct{ fmtp, offered, answer string }{
		{"", "97{profile-level-id=42e01f;packetization-mode=1}", "51{profile-level-id=42c01f;packetization-mode=1}"},
		{"profile-level-id=42e01e;packetization-mode=1", "97{profile-level-id=42e01e;packetization-mode=1}", "51{profile-level-id=42e01e;packetization-mode=1}"},
		{"packetization-mode=1;profile-level-id=640c28", "97{packetization-mode=1;profile-level-id=640c28}", "52{packetization-mode=1;profile-level-id=640c1f}"},
		{"profile-level-id=42e01e", "97{profile-level-id=42e01e}", "51{packetization-mode=1;profile-level-id=42c01f}"},
	} {
		th := newRig(t, "")
		th.ask(`{"request":"create","id":1,"type":"rtp","media":[{"type":"video","mid":"v","port":0,"pt":97,"codec":"h264","fmtp":"` + tt.fmtp + `"}]}`)
		th.want(`{"request":"watch","id":1}`, preparing)
		if got := th.lastJSEP(); got != "offer; Mountpoint 1; 1; v:video sendonly H264/90000/"+tt.offered+" ext 2,3,4" {
			t.Errorf("%q: %s", tt.fmtp, got)
		}
		th.host.Hangup()
		if got := th.askWith(`{"request":"watch","id":1}`, offer); !strings.Contains(got, "starting") {
			t.Error(got)
		}
		if got := th.lastJSEP(); got != "answer; Mountpoint 1; 2; 0:video sendonly H264/90000/"+tt.answer {
			t.Errorf("%q: %s", tt.fmtp, got)
		}
		th.host.Hangup()
	}
}

// plain is a description without sections.
func (th *rig) plain(typ sdp.Type) *sdp.Description {
	d := sdp.Offer(sdp.OfferOptions{})
	d.Type = typ
	return d
}

func TestQuery(t *testing.T) {
	th := newMountpoints(t)
	query := func() string { return string(json.Object(th.h.Query)) }
	rest := func(started string) string {
		return `"started":` + started + `,"dataready":0,"paused":0,"stopping":0,"hangingup":0,"destroyed":0}`
	}
	if got := query(); got != `{"state":"idle",`+rest("0") {
		t.Errorf("idle: %s", got)
	}
	th.watching("1")
	if got := query(); got != `{"state":"watching","mountpoint_id":1,"mountpoint_name":"multi","mountpoint_viewers":1,"media":[`+
		`{"type":"audio","mindex":0,"mid":"a"},{"type":"video","mindex":2,"mid":"v"},{"type":"video","mindex":3,"mid":"w"},`+
		`{"type":"data","mindex":4,"mid":"d"}],`+rest("1") {
		t.Errorf("watching: %s", got)
	}
	th.host.Hangup()
	th.watching("3")
	if got := query(); !strings.Contains(got, `"media":{"type":"audio","filename":"`+th.folder+`/radio.alaw"}`) {
		t.Errorf("a file: %s", got)
	}
}

// FuzzRequest takes whatever clients send. Nothing outside of the plugin is to
// be touched by it.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"request":"watch","id":1,"media":["a"],"substream":1}`,
		`{"request":"configure","streams":[{"mid":"a","send":false,"min_delay":1}]}`,
		`{"request":"edit","id":1,"new_pin":"","edited_event":true}`,
		`{"request":"switch","id":1}`, `{"request":"info","id":1,"secret":"x"}`, `{"request":"list","admin_key":""}`,
		`{"request":"recording","id":1,"action":"start","media":[]}`, `{"request":"start"}`, `{"request":"pause"}`, `{"request":"stop"}`,
		`{"request":"create","type":"rtp","media":[{"type":"audio","mid":"a","codec":"opus"}]}`,
	} {
		f.Add([]byte(s))
	}
	th := newMountpoints(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := json.Parse(b)
		if err != nil || !json.IsObject(d.Root()) {
			t.Skip()
		}
		defer d.Release()
		body := kit.Args{Value: d.Root()}
		switch name := body.Lower("request"); name {
		case "destroy":
			t.Skip()
		case "create":
			if err := checkKind(body.Lower("type"), body); err == nil {
				var s settings
				_ = s.readRTP(kit.FromRequest(body))
			}
			return
		}
		th.host.Send(string(b), nil)
		th.host.Hangup()
	})
}
