package audiobridge

import (
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
)

// TestAnswer: of an offer the first audio section is taken, with one codec.
func TestAnswer(t *testing.T) {
	b := newBridge(t, `room-1: { sampling_rate = 48000, spatial_audio = true }
room-2: { sampling_rate = 16000, audiolevel_ext = false }`)
	c := b.join("1", "1", "")
	d := b.join("1", "2", "")
	c.Events()
	e := c.offers("{'request':'configure','muted':false}", audioOffer(t, "minptime=10;useinbandfec=1"))
	if e.Data != `{"audiobridge":"event","result":"ok"}` {
		t.Errorf("answer %s", e)
	}
	a := e.JSEP.SDP
	first := a.Origin
	if s := a.Sections[1]; a.Name != "AudioBridge 1" || len(a.Sections) != 4 || !a.Sections[0].Rejected() || !a.Sections[2].Rejected() || !a.Sections[3].Rejected() ||
		s.Rejected() || len(s.Codecs) != 1 || s.Codecs[0].PT != 111 || s.Codecs[0].Fmtp != "maxplaybackrate=48000; stereo=1; sprop-stereo=1; useinbandfec=1" ||
		len(s.Extensions) != 2 || s.Direction != sdp.SendRecv {
		t.Errorf("answer %+v", a)
	}
	c.Establish()
	d.isTold("the connection is up", event("'participants':[{'id':1,'setup':false,'muted':false,'spatial_position':50}]"),
		event("'participants':[{'id':1,'setup':true,'muted':false,'spatial_position':50}]"))
	if got := c.Query(); !strings.Contains(got, `"state":"inroom","room":1,"id":1,"muted":false,"active":true,`) || !strings.Contains(got, `"talking":false,"fec":true,"expected-loss":0,`) {
		t.Errorf("the state: %s", got)
	}
	offer := audioOffer(t, "")
	offer.Update = true
	a = c.offers("{'request':'configure'}", offer).JSEP.SDP
	if a.Origin.SessionID != first.SessionID || a.Origin.Version != first.Version+1 || a.Sections[1].Codecs[0].Fmtp != "maxplaybackrate=48000; stereo=1; sprop-stereo=1; useinbandfec=0" {
		t.Errorf("the second answer %+v after %+v", a, first)
	}
	offer = audioOffer(t, "useinbandfec=1")
	red := sdp.Codec{PT: 63, Name: "red", Clock: 48000, Channels: 2, Fmtp: "111/111"}
	offer.SDP.Sections[1].Codecs = append(offer.SDP.Sections[1].Codecs, red)
	if s := c.offers("{'request':'configure'}", offer).JSEP.SDP.Sections[1]; len(s.Codecs) != 2 || s.Codecs[0].PT != 63 || s.Codecs[0].ID() != sdp.RED ||
		s.Codecs[0].Fmtp != "111/111" || s.Codecs[1].PT != 111 || s.Codecs[1].Fmtp != "maxplaybackrate=48000; stereo=1; sprop-stereo=1; useinbandfec=1" {
		t.Errorf("redundant audio is answered with %+v", s.Codecs)
	}
	p := b.client()
	e = p.offers("{'request':'join','room':2,'codec':'pcma'}", audioOffer(t, ""))
	if s := e.JSEP.SDP.Sections[1]; !s.Rejected() {
		t.Errorf("a codec that was not offered: %+v", s)
	}
	q := b.client()
	e = q.offers("{'request':'join','room':2}", audioOffer(t, ""))
	if s := e.JSEP.SDP.Sections[1]; len(s.Extensions) != 1 || s.Extensions[0].URI != sdp.URIMID {
		t.Errorf("without levels: %+v", s.Extensions)
	}
	if got := q.ask("{'request':'listparticipants','room':2}"); strings.Contains(got, "talking") {
		t.Errorf("without levels: %s", got)
	}
}

// TestOffer: the plugin makes the offers if it is asked to, and nobody else then.
func TestOffer(t *testing.T) {
	b := newBridge(t, "room-1: { sampling_rate = 16000 }")
	c := b.client()
	e := c.Ask(`{"request":"join","room":1,"generate_offer":true}`, nil)
	if e.JSEP == nil {
		t.Fatalf("no offer: %s", e)
	}
	o := e.JSEP.SDP
	if s := o.Sections[0]; o.Type != sdp.TypeOffer || len(o.Sections) != 1 || s.Codecs[0].PT != 100 || s.Direction != sdp.SendRecv ||
		s.ExtensionID(sdp.URIMID) != 1 || s.ExtensionID(sdp.URIAudioLevel) != 2 || !strings.HasPrefix(s.Codecs[0].Fmtp, "maxplaybackrate=16000;") {
		t.Errorf("offer %+v", o)
	}
	fails := func(c *client, request, code string, j *plugin.JSEP) {
		t.Helper()
		if got := c.offers(request, j); !strings.Contains(got.Data, `"error_code":`+code) || got.JSEP != nil {
			t.Errorf("%s: %s", request, got)
		}
	}
	fails(c, "{'request':'configure'}", "493", audioOffer(t, ""))
	if got := c.offers("{'request':'configure'}", c.Answer()); got.Field("result") != "ok" {
		t.Errorf("the answer: %s", got)
	}
	c.Establish()
	if got := c.ask("{'request':'listparticipants','room':1}"); !strings.Contains(got, "'setup':true,'muted':false}") {
		t.Error(got)
	}
	again := c.Ask(`{"request":"configure","update":true}`, nil)
	if again.JSEP == nil || again.JSEP.SDP.Origin.Version != o.Origin.Version+1 || again.JSEP.SDP.Origin.SessionID != o.Origin.SessionID {
		t.Errorf("the next offer: %+v", again)
	}
	d := b.join("1", "5", "")
	answer := &plugin.JSEP{SDP: sdp.Answer(o, sdp.AnswerOptions{})}
	fails(d, "{'request':'configure'}", "493", answer)
	secret := audioOffer(t, "")
	secret.E2EE = true
	fails(d, "{'request':'configure','muted':true}", "484", secret)
	if got := d.ask("{'request':'listparticipants','room':1}"); !strings.Contains(got, "{'id':5,'setup':false,'muted':false}") {
		t.Errorf("a failed request changes something: %s", got)
	}
	fails(b.client(), "{'request':'join','room':1,'id':9}", "493", answer)
	if got := d.ask("{'request':'listparticipants','room':1}"); strings.Contains(got, "'id':9") {
		t.Errorf("who failed to join is there: %s", got)
	}
}

// TestPlain: a participant by plain RTP is there at once, or when its address is known, and
// gives its port back.
func TestPlain(t *testing.T) {
	b := newBridge(t, `general: { local_ip = "127.0.0.1", rtp_port_range = "21000-22000", rtp_forward_own_ports = true }
room-1: { sampling_rate = 16000, allow_rtp_participants = true }`)
	d := b.join("1", "1", "")
	c := b.client()
	e := c.Ask(`{"request":"join","room":1,"id":2,"rtp":{"ip":"127.0.0.1","port":9,"payload_type":96}}`, nil)
	port, _ := e.Field("rtp", "port").(float64)
	if e.Field("rtp", "ip") != "127.0.0.1" || port < 21000 || port > 22000 || e.Field("rtp", "payload_type") != 96. {
		t.Fatalf("answer %s", e)
	}
	d.isTold("up at once", "{'audiobridge':'joined','room':1,'participants':[{'id':2,'setup':false,'muted':false}]}", event("'participants':[{'id':2,'setup':true,'muted':false}]"))
	if got := c.Query(); !strings.Contains(got, `"plain-rtp":{"local-ip":"127.0.0.1","local-port":`) || !strings.Contains(got, `"remote-ip":"127.0.0.1","remote-port":9,`) {
		t.Errorf("the state: %s", got)
	}
	if got := c.ask("{'request':'leave'}"); got != "{'audiobridge':'left','room':1,'id':2}" {
		t.Error(got)
	}
	d.isTold("left", event("'leaving':2"))

	e = c.Ask(`{"request":"join","room":1,"id":2,"codec":"pcmu","generate_offer":true,"rtp":{}}`, nil)
	if e.Field("rtp", "payload_type") != 0. || e.JSEP != nil {
		t.Fatalf("answer %s", e)
	}
	d.isTold("not up", "{'audiobridge':'joined','room':1,'participants':[{'id':2,'setup':false,'muted':false}]}")
	c.expect("{'request':'configure','rtp':{'ip':5}}", failure("484", "Invalid element type (ip should be a string)"))
	c.expect("{'request':'configure','rtp':{'ip':'127.0.0.1','port':9}}", "{'audiobridge':'event','result':'ok'}")
	d.isTold("up", event("'participants':[{'id':2,'setup':true,'muted':false}]"))
	b.Admin(`{"request":"kick","room":1,"id":2}`)
	d.isTold("kicked", event("'kicked':2"), event("'leaving':2"))
	d.expect("{'request':'configure','rtp':{'ip':'127.0.0.1','port':9}}", failure("484", "Not a plain RTP participant"))
}

// TestForwarders: the mix is forwarded where it may be, and that is listed until it is
// stopped.
func TestForwarders(t *testing.T) {
	b := newBridgeIn(t, t.TempDir(), `general: { admin_key = "k", lock_rtp_forward = true, rtp_forward_max = 3 }
room-1: { sampling_rate = 16000, secret = "s", groups = [ "a", "b" ], default_bitrate = 1000
	rtp_forward_id = 77, rtp_forward_host = "127.0.0.1", rtp_forward_port = 9, rtp_forward_codec = "pcma", rtp_forward_always_on = true }`, plugintest.Config{})
	b.plugin.tasks.Wait()
	c := b.client()
	const on = "{'request':'rtp_forward','room':1,'secret':'s','admin_key':'k','host':'127.0.0.1','port':9"
	for _, x := range []struct{ request, want string }{
		{"{'request':'rtp_forward','room':1,'host':'127.0.0.1','port':9}", failure("483", "Missing mandatory element (admin_key)")},
		{on + ",'codec':'mp3'}", failure("484", "Unsupported codec (mp3)")},
		{on + ",'group':'x'}", failure("494", "No such group (x)")},
		{on + ",'host_family':'x'}", failure("484", "Unsupported protocol family (x)")},
		{strings.Replace(on, "'port':9", "'port':0", 1) + "}", failure("484", "Invalid element (port)")},
		{on + ",'srtp_suite':33,'srtp_crypto':'x'}", failure("484", "Invalid SRTP suite (33)")},
	} {
		c.expect(x.request, x.want)
	}
	e := c.Ask(quoted(on+",'group':'b','ssrc':5,'srtp_suite':32,'srtp_crypto':'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0'}"), nil)
	id, _ := e.Field("stream_id").(float64)
	if e.Field("group") != "b" || id == 0 || e.Field("host") != "127.0.0.1" || e.Field("port") != 9. {
		t.Fatalf("answer %s", e)
	}
	e = c.Ask(`{"request":"listforwarders","room":1,"secret":"s"}`, nil)
	if want := `[{"stream_id":77,"ip":"127.0.0.1","port":9,"ssrc":77,"codec":"pcma","ptype":8,"always_on":true},` +
		`{"stream_id":` + strings.TrimSpace(number(id)) + `,"group":"b","ip":"127.0.0.1","port":9,"ssrc":5,"codec":"opus","ptype":100,"srtp":true,"always_on":false}]}`; !strings.HasSuffix(e.Data, want) {
		t.Errorf("listed: %s\nwant %s", e.Data, want)
	}
	c.Ask(quoted(on+"}"), nil)
	c.expect(on+"}", failure("484", "Too many forwarders for one room (3 at most, see rtp_forward_max)"))
	const off = "{'request':'stop_rtp_forward','room':1,'secret':'s','admin_key':'k','stream_id':"
	c.expect(off+"77}", "{'audiobridge':'success','room':1,'stream_id':77}")
	c.expect(off+"77}", "{'audiobridge':'success','room':1,'stream_id':77}")
	c.expect(off+"4294967373}", "{'audiobridge':'success','room':1,'stream_id':4294967373}")
	if got := c.ask("{'request':'listforwarders','room':1,'secret':'s'}"); strings.Contains(got, "'stream_id':77,") || strings.Count(got, "stream_id") != 2 {
		t.Error(got)
	}
}
