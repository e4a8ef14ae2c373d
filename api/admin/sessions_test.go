package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// offer sends the EchoTest plugin an offer, and waits for its answer.
func (r *rig) offer(session, handle uint64) {
	r.t.Helper()
	sdp, err := os.ReadFile("../janus/testdata/offers/chrome_avd.sdp")
	if err != nil {
		r.t.Fatal(err)
	}
	got := r.client(about(session, handle) + `"janus":"message","body":{"audio":true},"jsep":` +
		text(object{"type": "offer", "sdp": string(sdp)}))
	if got["janus"] != "ack" {
		r.t.Fatalf("%v", got)
	}
	r.event(func(e object) bool { return e["jsep"] != nil })
}

// event waits for an event.
func (r *rig) event(is func(object) bool) object {
	r.t.Helper()
	for {
		r.mu.Lock()
		i, more := slices.IndexFunc(r.events, is), r.more
		if i >= 0 {
			defer r.mu.Unlock()
			return r.events[i]
		}
		r.mu.Unlock()
		waittest.Closed(r.t, "event", more)
	}
}

func (r *rig) named(janus string) object {
	r.t.Helper()
	return r.event(func(e object) bool { return e["janus"] == janus })
}

func TestSessionsAndHandles(t *testing.T) {
	r := newRig(t, nil)
	s, h := r.session()
	other, _ := r.session()
	success := fmt.Sprintf(`{"janus":"success","session_id":%d}`, s)
	ids := []uint64{s, other}
	slices.Sort(ids)
	r.check("list_sessions", r.ask(`"janus":"list_sessions"`), fmt.Sprintf(`{"janus":"success","sessions":[%d,%d]}`, ids[0], ids[1]))
	at := fmt.Sprintf(`"session_id":%d,`, s)
	r.check("list_handles", r.ask(at+`"janus":"list_handles"`), fmt.Sprintf(`{"handles":[%d],"janus":"success","session_id":%d}`, h, s))

	r.offer(s, h)
	r.check("hangup_webrtc", r.ask(about(s, h)+`"janus":"hangup_webrtc"`), success)
	if e := r.named("hangup"); e["reason"] != "Admin API" {
		t.Errorf("%v", e)
	}
	r.check("hangup_webrtc again", r.ask(about(s, h)+`"janus":"hangup_webrtc"`), success)
	r.check("detach_handle", r.ask(about(s, h)+`"janus":"detach_handle"`), success)
	if e := r.named("detached"); e["sender"] != float64(h) {
		t.Errorf("%v", e)
	}
	r.check("list_handles", r.ask(at+`"janus":"list_handles"`), fmt.Sprintf(`{"handles":[],"janus":"success","session_id":%d}`, s))
	r.check("destroy_session", r.ask(at+`"janus":"destroy_session"`), success)
	r.check("list_sessions", r.ask(`"janus":"list_sessions"`), fmt.Sprintf(`{"janus":"success","sessions":[%d]}`, other))
	r.check("destroy_session again", r.ask(at+`"janus":"destroy_session"`), sessionFailure(int64(s), 458, fmt.Sprintf("No such session %d", s)))
}

// info asks for handle_info.
func (r *rig) info(session, handle uint64, more string) object {
	r.t.Helper()
	got := r.ask(about(session, handle) + `"janus":"handle_info"` + more)
	info, ok := got["info"].(object)
	if !ok || got["handle_id"] != float64(handle) || got["session_id"] != float64(session) {
		r.t.Fatalf("%v", got)
	}
	return info
}

// keys are those of an object, sorted.
func keys(o object) string {
	var list []string
	for k := range o {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func flagsSet(t *testing.T, info object) string {
	t.Helper()
	flags := info["flags"].(object)
	if len(flags) != 20 {
		t.Errorf("flags are %s", keys(flags))
	}
	for k, v := range flags {
		if v != true {
			delete(flags, k)
		}
	}
	return keys(flags)
}

func TestHandleInfo(t *testing.T) {
	r := newRig(t, nil)
	s, h := r.session()
	const base = "created current_time handle_id loop-running opaque_id plugin plugin_specific session_id session_last_activity session_timeout session_transport"
	if got := keys(r.info(s, h, `,"plugin_only":true`)); got != base {
		t.Errorf("plugin only: %s", got)
	}
	r.check("plugin_only", r.ask(about(s, h)+`"janus":"handle_info","plugin_only":1`),
		sessionFailure(int64(s), 467, "Invalid element type (plugin_only should be a boolean)"))
	fresh := r.info(s, h, "")
	if fresh["plugin"] != "janus.plugin.echotest" || fresh["opaque_id"] != "me" || fresh["session_timeout"] != 60.0 ||
		fresh["session_transport"] != "janus.transport.test" || fresh["plugin_specific"].(object)["audio_active"] != true {
		t.Errorf("%v", fresh)
	}
	created, now := fresh["created"].(float64), fresh["current_time"].(float64)
	if created <= 0 || now < created || now > 60e6 {
		t.Errorf("created at %v, now %v: not microseconds since the start", created, now)
	}
	if got := flagsSet(t, fresh); got != "alert" {
		t.Errorf("flags of a fresh handle: %s", got)
	}
	if _, ok := fresh["webrtc"]; ok || text(fresh["sdps"]) != "{}" {
		t.Errorf("a fresh handle has a connection: %v", fresh)
	}

	r.client(about(s, h) + `"janus":"trickle","candidate":{"sdpMid":"0","candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}`)
	if got := r.info(s, h, ""); got["pending-trickles"] != 1.0 {
		t.Errorf("one candidate came early: %v", got)
	}
	r.offer(s, h)
	info := r.info(s, h, "")
	if got := flagsSet(t, info); got != "data-channels got-answer got-offer negotiated new-datachan-sdp rfc4588-rtx starting trickle" {
		t.Errorf("flags: %s", got)
	}
	sdps := info["sdps"].(object)
	if sdps["profile"] != "UDP/TLS/RTP/SAVPF" || !strings.Contains(sdps["local"].(string), "a=fingerprint:sha-256 ") ||
		!strings.Contains(sdps["remote"].(string), "a=setup:actpass") {
		t.Errorf("sdps: %v", sdps)
	}
	rtc := info["webrtc"].(object)
	if text(rtc["bwe"]) != `{"twcc":true,"twcc-ext-id":3}` || rtc["extensions"].(object)["urn:ietf:params:rtp-hdrext:sdes:mid"] != 4.0 {
		t.Errorf("%v, %v", rtc["bwe"], rtc["extensions"])
	}
	ice, dtls := rtc["ice"].(object), rtc["dtls"].(object)
	if ice["state"] != "connecting" || ice["component_id"] != 1.0 || ice["ready"] != 1.0 ||
		text(ice["remote-candidates"]) != `["1 1 udp 1 192.0.2.1 9 typ host"]` || len(ice["local-candidates"].([]any)) != 1 {
		t.Errorf("ICE %v", ice)
	}
	if dtls["dtls-state"] != "created" || dtls["dtls-role"] != "active" || dtls["remote-fingerprint-hash"] != "sha-256" || dtls["srtp-profile"] != "none" {
		t.Errorf("DTLS %v", dtls)
	}
	media := rtc["media"].(object)
	if keys(media) != "0 1 2" || keys(media["2"].(object)) != "mid mindex stats type" || keys(media["2"].(object)["stats"].(object)) != "in lost out" {
		t.Errorf("media %v", media)
	}
	video := media["1"].(object)
	if video["type"] != "video" || video["do_nacks"] != true || keys(video["ssrc"].(object)) != "ssrc ssrc-peer ssrc-peer-rtx ssrc-rtx" ||
		text(video["direction"]) != `{"recv":true,"send":true}` || video["codecs"] != nil {
		t.Errorf("video %v", video)
	}

	r.ask(about(s, h) + `"janus":"hangup_webrtc"`)
	r.named("hangup")
	if got := flagsSet(t, r.info(s, h, "")); got != "alert" {
		t.Errorf("flags after hangup: %s", got)
	}
}

func TestCaptureRequests(t *testing.T) {
	protected := t.TempDir()
	r := newRig(t, func(c *janus.Config) { c.ProtectedFolders = []string{protected} })
	s, h := r.session()
	at := about(s, h)
	const success = `{"janus":"success"}`
	fail := func(code int, reason string) string { return sessionFailure(int64(s), code, reason) }
	folder := filepath.Join(t.TempDir(), "new", "folder")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(protected, link); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere.pcap")
	if err := os.Symlink(filepath.Join(protected, "new.pcap"), nowhere); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ fields, want string }{
		{`"janus":"start_pcap","folder":` + text(filepath.Dir(nowhere)) + `,"filename":"nowhere.pcap"`, fail(490, "Error starting pcap dump")},
		{`"janus":"stop_pcap"`, fail(490, "Capture not started")},
		{`"janus":"stop_text2pcap"`, fail(490, "Capture not started")},
		{`"janus":"start_pcap","folder":1`, fail(467, "Invalid element type (folder should be a string)")},
		{`"janus":"start_pcap","truncate":-1`, fail(467, "Invalid element type (truncate should be a positive integer)")},
		{`"janus":"start_pcap","folder":` + text(protected) + `,"filename":"a.pcap"`, fail(490, "Error starting pcap dump")},
		{`"janus":"start_pcap","folder":` + text(folder+"/../../../"+filepath.Base(protected)), fail(490, "Error starting pcap dump")},
		{`"janus":"start_pcap","folder":` + text(folder) + `,"filename":"../../../` + filepath.Base(protected) + `/a.pcap"`, fail(490, "Error starting pcap dump")},
		{`"janus":"start_text2pcap","folder":` + text(link+"/deeper") + `,"filename":"a.txt"`, fail(490, "Error starting text2pcap dump")},
		{`"janus":"start_text2pcap","folder":"/dev/null"`, fail(490, "Error starting text2pcap dump")},
		{`"janus":"start_pcap","folder":` + text(folder) + `,"filename":"a.pcap"`, success},
		{`"janus":"start_pcap","folder":` + text(folder) + `,"filename":"b.pcap"`, fail(490, "pcap already started")},
		{`"janus":"start_text2pcap"`, fail(490, "text2pcap already started")},
		{`"janus":"stop_text2pcap"`, success},
		{`"janus":"stop_pcap"`, fail(490, "Capture not started")},
		{`"janus":"start_text2pcap","folder":` + text(folder), success},
		{`"janus":"stop_bwe_log"`, fail(490, "Log not started")},
		{`"janus":"start_bwe_log","filename":1`, fail(467, "Invalid element type (filename should be a string)")},
		{`"janus":"start_bwe_log","folder":` + text(protected) + `,"filename":"a.csv"`, fail(490, "Error starting log")},
		{`"janus":"start_bwe_log","folder":` + text(folder+"/logs") + `,"filename":"a.csv"`, success},
		{`"janus":"start_bwe_log","folder":` + text(folder) + `,"filename":"b.csv"`, fail(490, "Log already started")},
		{`"janus":"stop_bwe_log"`, success},
		{`"janus":"start_bwe_log","folder":` + text(folder+"/logs"), success},
	} {
		r.check(c.fields, r.ask(at+c.fields), c.want)
	}
	info := r.info(s, h, "")
	name, _ := info["text2pcap-file"].(string)
	if info["dump-to-text2pcap"] != true || info["dump-to-pcap"] != nil ||
		!strings.HasPrefix(name, folder+"/janus-text2pcap-") || !strings.HasSuffix(name, ".txt") {
		t.Errorf("%v", info)
	}
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) != 3 {
		t.Errorf("files %v", files)
	}
	if left, _ := os.ReadDir(protected); len(left) != 0 {
		t.Errorf("written into the protected folder: %v", left)
	}
	r.ask(at + `"janus":"detach_handle"`) // ends the capture, or the test finds its goroutine
}

// FuzzHandle: whatever comes in, there is exactly one answer, a JSON object.
// Nothing may be written, and nothing asked of the network.
func FuzzHandle(f *testing.F) {
	for _, table := range []map[string]verb{rootVerbs, sessionVerbs, handleVerbs} {
		for name := range table {
			f.Add(`{"janus":"`+name+`","transaction":"t"}`, true, true)
			f.Add(`{"janus":"`+name+`","transaction":"t","level":4,"timeout":1,"debug":true,"colors":true,"timestamps":true,`+
				`"min_nack_queue":1,"nack_optimizations":true,"no_media_timer":1,"slowlink_threshold":1,"accept":true,`+
				`"plugin":"janus.plugin.echotest","transport":"janus.transport.test","handler":"janus.eventhandler.test","logger":"l",`+
				`"request":{"request":"x"},"schema":"s","data":{},"line":"l","token":"t","plugins":["janus.plugin.echotest"],`+
				`"address":"127.0.0.1","port":1,"localport":2,"plugin_only":true,"folder":"f","filename":"g","truncate":3}`, false, false)
		}
	}
	f.Add(`[1]`, false, true)
	f.Add(`{"janus":{},"transaction":[]}`, true, true)
	f.Add(`{"janus":"handle_info","transaction":"t","session_id":-1,"handle_id":1e9}`, false, false)
	f.Fuzz(func(t *testing.T, body string, session, handle bool) {
		r := newRig(t, func(c *janus.Config) {
			withTokens(c)
			c.ProtectedFolders = []string{"/"}
		})
		a := New(r.core, Config{Log: r.log, Logger: r.log.Logger()})
		a.close()
		r.core.SetAdmin(a)
		r.core.Auth().Add("t", []string{"janus.plugin.echotest"})
		req := janus.Request{Admin: true, Body: []byte(body), Path: true}
		if session {
			r.raw(janus.Request{Body: []byte(`{"janus":"create","transaction":"t","token":"t","id":1}`)})
			got := r.raw(janus.Request{Body: []byte(`{"janus":"attach","transaction":"t","token":"t","session_id":1,"plugin":"janus.plugin.echotest"}`)})
			req.Session = 1
			if handle {
				req.Handle = uint64(got["data"].(object)["id"].(float64))
			}
		}
		var mu sync.Mutex
		var answers [][]byte
		r.core.Handle(r, req, func(msg []byte) {
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, msg)
		})
		a.Close()
		if len(answers) != 1 {
			t.Fatalf("%d answers", len(answers))
		}
		if o := r.decode(answers[0]); o["janus"] == nil {
			t.Errorf("answer %s", answers[0])
		}
	})
}

// deaf is a handler of a peer that nobody listens to.
type deaf struct{}

func (deaf) PeerEvent(sfu.Event)                   {}
func (deaf) PeerData(string, string, bool, []byte) {}

// TestFailedICE: the Admin API tells why ICE has failed.
func TestFailedICE(t *testing.T) {
	r := newRig(t, nil)
	p, err := r.core.Settings().Engine.NewPeer(sfu.PeerConfig{}, deaf{})
	if err != nil {
		t.Fatal(err)
	}
	v := view{admin: r.admin, d: janus.Description{Peer: p}, s: p.Snapshot()}
	for _, failed := range []bool{false, true} {
		if failed {
			v.s.ICE.Failed, v.s.ICE.Cause = v.s.At, 3
		}
		if got := string(json.Object(v.writeICE)); strings.Contains(got, `"failed-cause":"`+v.s.ICE.Cause.String()+`"`) != failed {
			t.Errorf("failed %v: %s", failed, got)
		}
	}
}
