package nosip

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// start starts the plugin with the category general of its file.
func start(t testing.TB, general string) (*Plugin, *plugintest.Core) {
	t.Helper()
	folder := t.TempDir()
	text := "general: {\n local_ip = \"127.0.0.1\"\n" + general + "\n}\n"
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New(folder)
	return p, plugintest.New(t, p, plugintest.Config{})
}

// offer is a client's offer of audio and video.
func offer() *plugin.JSEP {
	return plugintest.MakeOffer(
		sdp.OfferSection{Kind: sdp.Audio, Codec: sdp.Opus, Direction: sdp.SendRecv},
		sdp.OfferSection{Kind: sdp.Video, Codec: sdp.VP8, Direction: sdp.SendRecv},
	)
}

const plainAudio = `v=0\r\no=far 1 1 IN IP4 127.0.0.1\r\ns=call\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 41000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n`

// secure is plainAudio by SRTP.
var secure = strings.ReplaceAll(plainAudio, "RTP/AVP", "RTP/SAVP") + `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n`

// volatile is what differs each time.
var volatile = []struct{ re, with string }{
	{`"unique_id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`, `"unique_id":"U"`},
	{`"sdp":"v=0[^"]*"`, `"sdp":"v=0"`},
	{`"stream_id":\d+`, `"stream_id":1`},
}

func normal(text string) string {
	for _, x := range volatile {
		text = regexp.MustCompile(x.re).ReplaceAllString(text, x.with)
	}
	return text
}

func expect(t testing.TB, x *plugintest.Client, body string, j *plugin.JSEP, want string) {
	t.Helper()
	if got := normal(x.Send(body, j)); got != want {
		t.Errorf("%s\ngives %s\nand not %s", body, got, want)
	}
}

func reply(fields string) string { return `t {"nosip":"event","result":{` + fields + `}}` }

func failure(code int, text string) string {
	return fmt.Sprintf(`t {"nosip":"event","error_code":%d,"error":"%s"}`, code, text)
}

// TestErrors has each error of each request, in the order in which they are looked for.
func TestErrors(t *testing.T) {
	_, core := start(t, "rtp_forward_max = 2")
	data := plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Audio, Codec: sdp.Opus}, sdp.OfferSection{Kind: sdp.Application})
	data.E2EE = true
	e2ee := offer()
	e2ee.E2EE = true
	noAudio := strings.ReplaceAll(plainAudio, "m=audio", "m=text")
	noAddress := strings.ReplaceAll(plainAudio, `c=IN IP4 127.0.0.1\r\n`, "")
	badSRTP, badSuite := `,"srtp":"nosuch","srtp_profile":"nosuch"`, `,"srtp":"sdes_optional","srtp_profile":"nosuch"`
	process := func(typ, sdp, more string) string {
		return `{"request":"process","type":"` + typ + `","sdp":"` + sdp + `"` + more + `}`
	}
	stream := func(fields string) string {
		return `{"request":"rtp_forward","streams":[{"type":"audio","host":"127.0.0.1","port":5002},{` + fields + `}]}`
	}
	for _, tt := range []struct {
		body string
		j    *plugin.JSEP
		code int
		text string
	}{
		{`{}`, nil, 443, "Missing mandatory element (request)"},
		{`{"request":5}`, nil, 444, "Invalid element type (request should be a string)"},
		{`{"request":"nosuch"}`, nil, 442, "Unknown request (nosuch)"},

		{`{"request":"generate","info":5}`, nil, 444, "Invalid element type (info should be a string)"},
		{`{"request":"generate","srtp":5}`, nil, 444, "Invalid element type (srtp should be a string)"},
		{`{"request":"generate","srtp_profile":5}`, nil, 444, "Invalid element type (srtp_profile should be a string)"},
		{`{"request":"generate","update":5}`, nil, 444, "Invalid element type (update should be a boolean)"},
		{`{"request":"generate"}`, nil, 446, "Missing SDP"},
		{`{"request":"generate","srtp":"nosuch"}`, data, 446, "Data channels are not supported"},
		{`{"request":"generate","srtp":"nosuch"}`, e2ee, 444, "Media encryption unsupported by this plugin"},
		{`{"request":"generate"` + badSRTP + `}`, offer(), 444, "Invalid element (srtp can only be sdes_optional or sdes_mandatory)"},
		{`{"request":"generate"` + badSuite + `}`, offer(), 444, "Invalid element (unsupported SRTP profile)"},

		{`{"request":"process","info":5}`, nil, 443, "Missing mandatory element (type)"},
		{`{"request":"process","type":"offer"}`, nil, 443, "Missing mandatory element (sdp)"},
		{`{"request":"process","type":5,"sdp":""}`, nil, 444, "Invalid element type (type should be a string)"},
		{`{"request":"process","type":"offer","sdp":"","update":1}`, nil, 444, "Invalid element type (update should be a boolean)"},
		{process("invite", "m=application", ""), nil, 446, "Missing or invalid SDP type"},
		{process("offer", "m=application", badSRTP), nil, 446, "Data channels are not supported"},
		{process("offer", "hello", badSRTP), nil, 444, "Invalid element (srtp can only be sdes_optional or sdes_mandatory)"},
		{process("offer", "hello", badSuite), nil, 444, "Invalid element (unsupported SRTP profile)"},
		{process("offer", "hello", ""), nil, 446, "Error parsing SDP: Invalid SDP (doesn't start with v=)"},
		{process("answer", "hello", ""), nil, 446, "Error parsing SDP: Invalid SDP (doesn't start with v=)"},
		{process("offer", noAudio, `,"srtp":"sdes_mandatory"`), nil, 447, "Invalid SDP (no audio and no video)"},
		{process("offer", noAddress, `,"srtp":"sdes_mandatory"`), nil, 447, `Invalid SDP (no address for the audio: \"\")`},
		{process("offer", plainAudio, `,"srtp":"sdes_mandatory"`), nil, 450, "SRTP is required, but the remote SDP has none"},
		{process("answer", plainAudio, ""), nil, 445, "Wrong state (no offer to answer)"},

		{`{"request":"recording"}`, nil, 443, "Missing mandatory element (action)"},
		{`{"request":"recording","action":5}`, nil, 444, "Invalid element type (action should be a string)"},
		{`{"request":"recording","action":"start","audio":1}`, nil, 444, "Invalid element type (audio should be a boolean)"},
		{`{"request":"recording","action":"start","filename":1}`, nil, 444, "Invalid element type (filename should be a string)"},
		{`{"request":"recording","action":"pause","audio":true}`, nil, 444, "Invalid action (should be start|stop)"},
		{`{"request":"recording","action":"start"}`, nil, 449, "Invalid request (at least one of audio, video, peer_audio and peer_video should be true)"},
		{`{"request":"recording","action":"stop","audio":false}`, nil, 449, "Invalid request (at least one of audio, video, peer_audio and peer_video should be true)"},

		{`{"request":"keyframe","user":1}`, nil, 444, "Invalid element type (user should be a boolean)"},
		{`{"request":"keyframe","peer":1}`, nil, 444, "Invalid element type (peer should be a boolean)"},

		{`{"request":"rtp_forward"}`, nil, 443, "Missing mandatory element (streams)"},
		{`{"request":"rtp_forward","streams":1}`, nil, 444, "Invalid element type (streams should be an array)"},
		{`{"request":"rtp_forward","streams":[]}`, nil, 443, "Missing mandatory element (streams)"},
		{`{"request":"rtp_forward","streams":[1]}`, nil, 444, "Invalid element in the streams array (not an object)"},
		{stream(`"host":"127.0.0.1","port":5002`), nil, 443, "Missing mandatory element (type)"},
		{stream(`"type":"audio","port":5002`), nil, 443, "Missing mandatory element (host)"},
		{stream(`"type":"audio","host":"127.0.0.1"`), nil, 443, "Missing mandatory element (port)"},
		{stream(`"type":"data","host":"127.0.0.1","port":5002`), nil, 444, "Invalid element (type can only be audio, video, peer_audio or peer_video)"},
		{stream(`"type":"audio","host":"127.0.0.1","port":0`), nil, 444, "Invalid element (port)"},
		{stream(`"type":"audio","host":"127.0.0.1","port":5002,"srtp_suite":16,"srtp_crypto":""`), nil, 444, "Invalid SRTP suite (16)"},
		{stream(`"type":"audio","host":"127.0.0.1","port":5002,"host_family":"ipx"`), nil, 444, "Unsupported protocol family (ipx)"},
		{stream(`"type":"audio","host":"255.255.255.255","port":5002`), nil, 444, "Forwarding to 255.255.255.255:5002 is not allowed (broadcast address)"},
		{`{"request":"rtp_forward","streams":[1,2,3]}`, nil, 444, "Too many forwarders for one call (2 at most, see rtp_forward_max)"},
		{`{"request":"stop_rtp_forward"}`, nil, 443, "Missing mandatory element (stream_id)"},
		{`{"request":"stop_rtp_forward","stream_id":"1"}`, nil, 444, "Invalid element type (stream_id should be a positive integer)"},
		{`{"request":"stop_rtp_forward","stream_id":4294967297}`, nil, 451, "No such stream (4294967297)"},
	} {
		x := core.Attach(plugintest.Options{})
		expect(t, x, tt.body, tt.j, failure(tt.code, tt.text))
		expect(t, x, `{"request":"listforwarders"}`, nil, reply(`"event":"forwarders","rtp_forwarders":[]`))
		if q := normal(x.Query()); q != `{"unique_id":"U","hangingup":0,"destroyed":0}` {
			t.Errorf("%s has an effect: %s", tt.body, q)
		}
	}
	if n := core.Notices(); len(n) != 0 {
		t.Errorf("event handlers hear %v", n)
	}
}

// TestTooStrict: an answer of the client's by SRTP needs an offer by SRTP, before its suite is looked at.
func TestTooStrict(t *testing.T) {
	_, core := start(t, "")
	x := core.Attach(plugintest.Options{})
	expect(t, x, `{"request":"process","type":"offer","sdp":"`+plainAudio+`"}`, nil,
		reply(`"event":"processed","unique_id":"U"`)+" offer(0:audio sendrecv opus/111)")
	a := x.Answer()
	expect(t, x, `{"request":"generate","srtp":"sdes_mandatory","srtp_profile":"nosuch"}`, a,
		failure(450, "Can't generate answer: SDES-SRTP required, but the remote SDP has none"))
	expect(t, x, `{"request":"generate"}`, a, reply(`"event":"generated","type":"answer","sdp":"v=0","unique_id":"U"`))
}

// TestNoPorts: no ports are an error.
func TestNoPorts(t *testing.T) {
	_, core := start(t, `rtp_port_range = "40001-40002"`)
	x := core.Attach(plugintest.Options{})
	expect(t, x, `{"request":"generate"}`, offer(), failure(448, "Could not allocate RTP/RTCP ports"))
}

// TestExchange: the requests of a call between two handles, as clients, event handlers and administrators see it.
func TestExchange(t *testing.T) {
	_, core := start(t, "")
	a, b := core.Attach(plugintest.Options{}), core.Attach(plugintest.Options{})
	generate := func(x *plugintest.Client, body string, j *plugin.JSEP, want string) (text string) {
		t.Helper()
		e := x.Ask(body, j)
		if got := normal(e.String()); got != want {
			t.Fatalf("%s\ngives %s\nand not %s", body, got, want)
		}
		text, _ = e.Field("result", "sdp").(string)
		return strings.ReplaceAll(strings.ReplaceAll(text, "\r", `\r`), "\n", `\n`)
	}
	const both = "(0:audio sendrecv opus/111, 1:video sendrecv vp8/96)"
	s1 := generate(a, `{"request":"GENERATE","info":"x","srtp":"sdes_optional"}`, offer(),
		reply(`"event":"generated","type":"offer","sdp":"v=0","unique_id":"U"`))
	generate(b, `{"request":"process","type":"Offer","sdp":"`+s1+`"}`, nil,
		reply(`"event":"processed","srtp":"sdes_optional","unique_id":"U"`)+" offer"+both)
	s2 := generate(b, `{"request":"generate"}`, b.Answer(), reply(`"event":"generated","type":"answer","sdp":"v=0","unique_id":"U"`))
	generate(a, `{"request":"process","type":"answer","sdp":"`+s2+`"}`, nil,
		reply(`"event":"processed","srtp":"sdes_optional","unique_id":"U"`)+" answer"+both)
	for _, x := range []*plugintest.Client{a, b} {
		if q := normal(x.Query()); q != `{"unique_id":"U","srtp-required":"no","sdes-local":"yes","sdes-remote":"yes","hangingup":0,"destroyed":0}` {
			t.Errorf("administrators see %s", q)
		}
	}

	// Whatever follows is an update, and no news for event handlers.
	update := offer()
	update.Update = true
	s1 = generate(a, `{"request":"generate"}`, update, reply(`"event":"generated","type":"offer","sdp":"v=0","update":true,"unique_id":"U"`))
	generate(b, `{"request":"process","type":"offer","sdp":"`+s1+`"}`, nil,
		reply(`"event":"processed","srtp":"sdes_optional","update":true,"unique_id":"U"`)+" offer"+both)
	answer := b.Answer()
	answer.Update = true
	s2 = generate(b, `{"request":"generate"}`, answer, reply(`"event":"generated","type":"answer","sdp":"v=0","update":true,"unique_id":"U"`))
	generate(a, `{"request":"process","type":"answer","sdp":"`+s2+`","update":true}`, nil,
		reply(`"event":"processed","srtp":"sdes_optional","update":true,"unique_id":"U"`)+" answer"+both)

	for x, want := range map[*plugintest.Client][]string{
		a: {`"generated","type":"offer"`, `"processed","type":"answer"`}, b: {`"processed","type":"offer"`, `"generated","type":"answer"`},
	} {
		got := x.Notices()
		if len(got) != len(want) {
			t.Fatalf("event handlers hear %q", got)
		}
		for i := range want {
			if s := normal(got[i]); s != `{"event":`+want[i]+`,"sdp":"v=0","unique_id":"U"}` {
				t.Errorf("event handlers hear %s, not of %s", s, want[i])
			}
		}
	}
	expect(t, a, `{"request":"keyframe","user":true,"peer":true}`, nil, reply(`"event":"keyframesent"`))
	expect(t, a, `{"request":"hangup"}`, nil, reply(`"event":"hangingup"`)+"\n[hangup] Close PC")
	expect(t, a, `{"request":"hangup"}`, nil, reply(`"event":"hangingup"`))
	if q := normal(a.Query()); q != `{"unique_id":"U","hangingup":0,"destroyed":0}` {
		t.Errorf("administrators see %s", q)
	}
	generate(a, `{"request":"generate","srtp":"sdes_mandatory"}`, offer(), reply(`"event":"generated","type":"offer","sdp":"v=0","unique_id":"U"`))
	if q := normal(a.Query()); !strings.Contains(q, `"srtp-required":"yes","sdes-local":"yes","sdes-remote":"no"`) {
		t.Errorf("administrators see %s", q)
	}
	generate(b, `{"request":"process","type":"offer","sdp":"`+secure+`"}`, nil,
		reply(`"event":"processed","srtp":"sdes_mandatory","update":true,"unique_id":"U"`)+" offer(0:audio sendrecv opus/111)")
}

// TestForwarders: forwarders begin and end, also those of media that is not there yet.
func TestForwarders(t *testing.T) {
	_, core := start(t, "rtp_forward_max = 4")
	x := core.Attach(plugintest.Options{})
	const first = `{"stream_id":1,"type":"audio","host":"127.0.0.1","port":5002,"media":"audio","pt":100,"ssrc":7,"srtp":true}`
	const second = `{"stream_id":1,"type":"peer_video","host":"127.0.0.1","port":5004,"media":"video"}`
	expect(t, x, `{"request":"rtp_forward","streams":[{"type":"audio","host":"127.0.0.1","port":5002,"pt":100,"ssrc":7,"srtp_suite":80,
		"srtp_crypto":"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"},{"type":"peer_video","host":"localhost","host_family":"ipv4","port":5004}]}`, nil,
		reply(`"event":"rtp_forward","forwarders":[`+first+`,`+second+`]`))
	expect(t, x, `{"request":"listforwarders"}`, nil, reply(`"event":"forwarders","rtp_forwarders":[`+first+`,`+second+`]`))
	news := core.Notices()
	if len(news) != 2 || normal(news[0]) != `{"event":"rtp_forward",`+first[1:] || normal(news[1]) != `{"event":"rtp_forward",`+second[1:] {
		t.Errorf("event handlers hear %v", news)
	}
	if n := x.Notices(); len(n) != 0 {
		t.Errorf("with a handle: %v", n)
	}
	id := x.Ask(`{"request":"listforwarders"}`, nil).Field("result", "rtp_forwarders", 0, "stream_id").(float64)
	stop := fmt.Sprintf(`{"request":"stop_rtp_forward","stream_id":%.0f}`, id)
	expect(t, x, stop, nil, reply(`"event":"stop_rtp_forward","stream_id":1`))
	if news := core.Notices(); len(news) != 1 || normal(news[0]) != `{"event":"stop_rtp_forward","stream_id":1}` {
		t.Errorf("event handlers hear %v", news)
	}
	expect(t, x, stop, nil, failure(451, fmt.Sprintf("No such stream (%.0f)", id)))
	expect(t, x, `{"request":"listforwarders"}`, nil, reply(`"event":"forwarders","rtp_forwarders":[`+second+`]`))
	expect(t, x, `{"request":"hangup"}`, nil, reply(`"event":"hangingup"`))
	expect(t, x, `{"request":"listforwarders"}`, nil, reply(`"event":"forwarders","rtp_forwarders":[]`))
}

// TestFile: the file is checked, and what is wrong in it is told and does no harm.
func TestFile(t *testing.T) {
	folder := t.TempDir()
	text := `general: {
		local_ip = "nowhere"
		sdp_ip = "192.0.2.9"
		rtp_port_range = "x"
		dscp_audio_rtp = 64
		dscp_video_rtp = 26
		events = false
		symmetric_rtp = true
		symetric_rtp = true
	}
	other: { }`
	if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New(folder)
	_, problems := p.Check()
	var all []string
	for _, x := range problems {
		if !x.Warning {
			t.Errorf("an error: %v", x)
		}
		all = append(all, x.Error())
	}
	for _, word := range []string{"local_ip", "rtp_port_range", "dscp_audio_rtp", "symetric_rtp", "other"} {
		if n := strings.Count(strings.Join(all, "\n"), word); n == 0 {
			t.Errorf("nothing of %s in\n%s", word, strings.Join(all, "\n"))
		}
	}
	if len(all) != 5 {
		t.Errorf("told is\n%s", strings.Join(all, "\n"))
	}
	s := &p.legs.Settings
	if s.Addr.IsValid() || s.SDPAddr.String() != "192.0.2.9" || s.Ports.Min != 10000 || s.Ports.Max != 60000 || s.DSCP != [2]int{0, 26} || !s.Symmetric || p.Events.On {
		t.Errorf("settings are %+v", s)
	}
}
