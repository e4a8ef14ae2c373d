package videoroom

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

const demoRoom = `room-1: {
	description = "One"
	publishers = 6
}
`

// listed is the entry of a room in the list.
func listed(t *testing.T, g *participant, room string) string {
	t.Helper()
	list := g.do(`{"request":"list","admin_key":"key"}`, "")
	for _, entry := range regexp.MustCompile(`\{"room"[^}]*\}`).FindAllString(list, -1) {
		if strings.HasPrefix(entry, `{"room":`+room+`,`) {
			return entry
		}
	}
	t.Fatalf("no room %s in %s", room, list)
	return ""
}

const plain = `"fir_freq":0,"require_pvtid":false,"require_e2ee":false,"dummy_publisher":false,"notify_joining":false,`
const extensions = `"audiolevel_ext":true,"audiolevel_event":false,"videoorient_ext":true,"playoutdelay_ext":true,"transport_wide_cc_ext":true}`

func TestRooms(t *testing.T) {
	hs := newService(t, demoRoom)
	g := hs.attach()
	for _, x := range []struct{ request, want string }{
		{`{"request":"create","room":7,"secret":"s","pin":"p","is_private":true}`, `{"videoroom":"created","room":7,"permanent":false}`},
		{`{"request":"list"}`, `{"videoroom":"success","list":[{"room":1,"pin_required":false,"num_participants":0,"description":"One","is_private":false,` +
			`"max_publishers":6,"bitrate":0,` + plain + `"audiocodec":"opus","videocodec":"vp8","opus_fec":true,"record":false,` +
			`"lock_record":false,` + extensions + `]}`},
		{`{"request":"EXISTS","room":7}`, `{"videoroom":"success","room":7,"exists":true}`},
		{`{"request":"edit","room":7,"secret":"s","new_description":"x","new_is_private":false,"new_secret":"t","new_pin":"",` +
			`"new_bitrate":1,"new_publishers":0,"new_fir_freq":99999,"new_require_pvtid":true,"new_lock_record":true,"new_rec_dir":"/r"}`,
			`{"videoroom":"edited","room":7,"permanent":false}`},
		{`{"request":"destroy","room":7,"secret":"t"}`, `{"videoroom":"destroyed","room":7,"permanent":false}`},
		{`{"request":"exists","room":7}`, `{"videoroom":"success","room":7,"exists":false}`},
	} {
		if strings.Contains(x.request, `"destroy"`) {
			same(t, "edited", listed(t, g, "7"), `{"room":7,"pin_required":true,"num_participants":0,"description":"x","is_private":false,"max_publishers":0,"bitrate":64000,`+
				`"fir_freq":65535,"require_pvtid":true,"require_e2ee":false,"dummy_publisher":false,"notify_joining":false,"audiocodec":"opus","videocodec":"vp8",`+
				`"opus_fec":true,"record":false,"rec_dir":"/r","lock_record":true,`+extensions)
		}
		same(t, x.request, g.do(x.request, ""), x.want)
	}
}

// What a room is created with is what the list shows.
func TestCreateOptions(t *testing.T) {
	hs := newService(t, "")
	g := hs.attach()
	for _, x := range []struct{ options, want string }{
		{`"audiocodec":"PCMU,opus","videocodec":"h264,vp9","opus_dtx":true,"bitrate":1000000,"bitrate_cap":true`,
			`"pin_required":false,"num_participants":0,"description":"Room 9","is_private":false,"max_publishers":3,"bitrate":1000000,"bitrate_cap":true,` + plain +
				`"audiocodec":"pcmu,opus","videocodec":"h264,vp9","opus_fec":true,"opus_dtx":true,"record":false,"lock_record":false,` + extensions},
		{`"audiocodec":"opus,pcmu,pcma,g722,isac32,isac16,red","videocodec":"vp8,vp9,av1,h264,h265,vp8"`,
			`"pin_required":false,"num_participants":0,"description":"Room 9","is_private":false,"max_publishers":3,"bitrate":0,` + plain +
				`"audiocodec":"opus,pcmu,pcma,g722,isac32","videocodec":"vp8,vp9,av1,h264,h265","opus_fec":true,"record":false,"lock_record":false,` + extensions},
		{`"audiocodec":"pcma","opus_fec":true,"opus_dtx":true,"audiolevel_event":true,"audio_active_packets":0,"audio_level_average":0,"audiolevel_ext":false,` +
			`"videoorient_ext":false,"playoutdelay_ext":false,"transport_wide_cc_ext":false,"threads":4,"rec_dir":"/tmp"`,
			`"pin_required":false,"num_participants":0,"description":"Room 9","is_private":false,"max_publishers":3,"bitrate":0,` + plain +
				`"audiocodec":"pcma","videocodec":"vp8","record":false,"rec_dir":"/tmp","lock_record":false,"audiolevel_ext":false,"audiolevel_event":true,` +
				`"audio_active_packets":100,"audio_level_average":25,"videoorient_ext":false,"playoutdelay_ext":false,"transport_wide_cc_ext":false}`},
	} {
		g.must(`{"request":"create","room":9,`+x.options+`}`, "", `"created"`)
		same(t, x.options, listed(t, g, "9"), `{"room":9,`+x.want)
		g.must(`{"request":"destroy","room":9}`, "", `"destroyed"`)
	}
}

func TestRandomRoom(t *testing.T) {
	for file, want := range map[string]string{
		"":                               `^\{"videoroom":"created","room":[1-9][0-9]{0,15},"permanent":false\}$`,
		"general: { string_ids = true }": `^\{"videoroom":"created","room":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","permanent":false\}$`,
	} {
		if got := newService(t, file).attach().do(`{"request":"create"}`, ""); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q: got %s", file, got)
		}
	}
}

func TestFile(t *testing.T) {
	hs := newService(t, `
general: { admin_key = "key", string_ids = "no" }
room-1: { is_private = "yes" }
room-02: { publishers = -1, audiocodec = "opus,nonsense,g722", videocodec = "nonsense", bitrate = 5, secret = "s" }
room-4: { audiocodec = "opus,pcmu,pcma,g722,isac32,isac16" }
room-0: { }
room-x: { }
Room-3: { audiolevel_event = 1, audio_active_packets = "many", audio_level_average = 40, dummy_publisher = true
	dummy_streams = ( { codec = "VP9", fmtp = "profile-id=2" }, { codec = "opus", fmtp = "useinbandfec=1;usedtx=1" } ), videocodec = "vp8,vp9" }
`)
	g := hs.attach()
	for room, want := range map[string]string{
		"1": `{"room":1,"pin_required":false,"num_participants":0,"description":"room-1","is_private":true,"max_publishers":3,"bitrate":0,`,
		"2": `{"room":2,"pin_required":false,"num_participants":0,"description":"room-02","is_private":false,"max_publishers":3,"bitrate":64000,` + plain +
			`"audiocodec":"opus,g722","videocodec":"vp8",`,
		"4": `{"room":4,"pin_required":false,"num_participants":0,"description":"room-4","is_private":false,"max_publishers":3,"bitrate":0,` + plain +
			`"audiocodec":"opus,pcmu,pcma,g722,isac32","videocodec":"vp8",`,
		"3": `{"room":3,"pin_required":false,"num_participants":1,"description":"Room-3","is_private":false,"max_publishers":3,"bitrate":0,"fir_freq":0,"require_pvtid":false,` +
			`"require_e2ee":false,"dummy_publisher":true,"notify_joining":false,"audiocodec":"opus","videocodec":"vp8,vp9","opus_fec":true,"record":false,` +
			`"lock_record":false,"audiolevel_ext":true,"audiolevel_event":true,"audio_active_packets":100,"audio_level_average":40,`,
	} {
		if got := listed(t, g, room); !strings.HasPrefix(got, want) {
			t.Errorf(" got %s\nwant %s", got, want)
		}
	}
	if n := strings.Count(g.do(`{"request":"list","admin_key":"key"}`, ""), `"room"`); n != 4 {
		t.Errorf("%d rooms", n)
	}
	if n := strings.Count(g.do(`{"request":"list"}`, ""), `"room"`); n != 3 {
		t.Errorf("%d public rooms", n)
	}
	joined := g.do(`{"request":"join","ptype":"publisher","room":3,"id":5}`, "")
	want := `"display":"Dummy publisher","dummy":true,"audio_codec":"opus","video_codec":"vp9","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus",` +
		`"fec":true,"dtx":true},{"type":"video","mindex":1,"mid":"1","codec":"vp9","vp9_profile":"2"}]}]}`
	if !strings.HasSuffix(joined, want) {
		t.Errorf(" got %s\nwant ... %s", joined, want)
	}
}

func TestBrokenFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+Package+".jcfg", []byte("room-1: {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New(dir).Start(fakeGateway{}); err == nil {
		t.Error("a file that can't be read is not noticed")
	}
}

// Permanent changes go to the file, which keeps everything else.
func TestPersistence(t *testing.T) {
	const before = `# mine
general: {
	# admin_key = "x"
}

room-1: {
	description = "One" # nice
}

ROOM-07: {
	pin = "old"
}
# the end
`
	hs := newService(t, before)
	g := hs.attach()
	read := func() string {
		b, err := os.ReadFile(hs.file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	g.must(`{"request":"create","room":2,"description":"a \"b\"","secret":"s","pin":"p","publishers":9,"bitrate":500000,"audiocodec":"opus,pcmu",`+
		`"videocodec":"vp9","vp9_profile":"2","notify_joining":true,"fir_freq":5,"require_pvtid":true,"opus_dtx":true,"allowed":["t"],"permanent":true}`,
		"", `"permanent":true`)
	g.must(`{"request":"edit","room":7,"new_pin":"new","permanent":true}`, "", `"permanent":true`)
	shown := listed(t, g, "2")
	text := read()
	for _, want := range []string{"# mine\n", "# nice", "# the end\n", `# admin_key = "x"`, "room-2: {", `pin = "new"`, "ROOM-07: {"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, `"old"`) || strings.Contains(text, "room-7") {
		t.Errorf("got\n%s", text)
	}
	if info, _ := os.Stat(hs.file); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	again := newService(t, text)
	same(t, "read back", listed(t, again.attach(), "2"), shown)
	r := again.plugin.room("2")
	if r.Secret != "s" || r.PIN != "p" || r.vp9Profile != "2" || again.plugin.room("7").PIN != "new" {
		t.Errorf("got %+v", r.settings)
	}
	g.must(`{"request":"destroy","room":2,"secret":"s","permanent":true}`, "", `"permanent":true`)
	g.must(`{"request":"destroy","room":7,"permanent":true}`, "", `"permanent":true`)
	same(t, "file", strings.TrimSpace(read()), strings.TrimSpace(strings.Replace(before, "ROOM-07: {\n\tpin = \"old\"\n}\n", "", 1)))

	if err := os.Remove(hs.file); err != nil {
		t.Fatal(err)
	}
	g.must(`{"request":"create","room":3,"permanent":true}`, "", `{"videoroom":"created","room":3,"permanent":false}`)
}

func TestAllowed(t *testing.T) {
	hs := newService(t, demoRoom)
	g := hs.attach()
	for _, x := range []struct{ request, want string }{
		{`{"request":"allowed","room":1,"action":"add","allowed":["a","b","a"]}`, `{"videoroom":"success","room":1,"allowed":["a","b"]}`},
		{`{"request":"join","room":1,"ptype":"publisher","id":1}`, `"joined"`},
		{`{"request":"allowed","room":1,"action":"Enable"}`, `{"videoroom":"success","room":1,"allowed":["a","b"]}`},
		{`{"request":"join","room":1,"ptype":"publisher","id":2}`, `"error_code":433`},
		{`{"request":"join","room":1,"ptype":"publisher","id":2,"token":"c"}`, `"error_code":433`},
		{`{"request":"join","room":1,"ptype":"publisher","id":2,"token":"b"}`, `"joined"`},
		{`{"request":"allowed","room":1,"action":"remove","allowed":["b","z"]}`, `{"videoroom":"success","room":1,"allowed":["a"]}`},
		{`{"request":"join","room":1,"ptype":"publisher","id":3,"token":"b"}`, `"error_code":433`},
		{`{"request":"allowed","room":1,"action":"disable"}`, `{"videoroom":"success","room":1}`},
		{`{"request":"join","room":1,"ptype":"publisher","id":4}`, `"joined"`},
		{`{"request":"create","room":2,"allowed":[]}`, `"created"`},
		{`{"request":"join","room":2,"ptype":"publisher"}`, `"error_code":433`},
	} {
		if strings.Contains(x.request, `"join"`) {
			g = hs.attach()
		}
		g.must(x.request, "", x.want)
	}
}

func TestSignedTokens(t *testing.T) {
	const file = `room-1: { signed_tokens = true, pin = "p" }`
	hs := newServiceWith(t, file, signer{signed: true})
	hs.attach().must(`{"request":"join","room":1,"ptype":"publisher","pin":"p"}`, "", `"error_code":433`)
	hs.attach().must(`{"request":"join","room":1,"ptype":"publisher","pin":"p","token":"signed:room=2"}`, "", `"error_code":433`)
	hs.attach().must(`{"request":"join","room":1,"ptype":"subscriber","pin":"p","token":"signed:room=2","feed":4}`, "", `"error_code":433`)
	hs.attach().must(`{"request":"join","room":1,"ptype":"publisher","token":"signed:room=1"}`, "", `"error_code":429`)
	hs.attach().must(`{"request":"join","room":1,"ptype":"publisher","pin":"p","token":"signed:room=1"}`, "", `"joined"`)
	hs = newService(t, file)
	hs.attach().must(`{"request":"join","room":1,"ptype":"publisher","pin":"p"}`, "", `"joined"`)
	hs.attach().must(`{"request":"create","room":2,"signed_tokens":true,"permanent":true}`, "", `"permanent":true`)
	if text := hs.read(); !strings.Contains(text, `signed_tokens = "false"`) {
		t.Errorf("a room that was made without signed tokens is saved with them:\n%s", text)
	}
}

func TestStringIDs(t *testing.T) {
	hs := newService(t, `general: { string_ids = true }
room-one: { }`)
	g := hs.attach()
	g.must(`{"request":"exists","room":"one"}`, "", `{"videoroom":"success","room":"one","exists":true}`)
	g.must(`{"request":"exists","room":1}`, "", `"error_code":430`)
	g.must(`{"request":"create","room":"zwei \"2\"","permanent":true}`, "", `{"videoroom":"created","room":"zwei \"2\"","permanent":false}`)
	g.must(`{"request":"join","ptype":"publisher","room":"one","id":7}`, "", `"error_code":430`)
	g.must(`{"request":"join","ptype":"publisher","room":"one","id":"ann"}`, "", `"id":"ann","private_id":`)
	g.must(`{"request":"listparticipants","room":"one"}`, "", `{"videoroom":"participants","room":"one","participants":[{"id":"ann","publisher":false}]}`)
}

// The Admin API can do what needs no handle.
func TestAdmin(t *testing.T) {
	hs := newService(t, demoRoom)
	hs.join(`"id":5`)
	for request, want := range map[string]string{
		`{"request":"exists","room":1}`:                       `{"videoroom":"success","room":1,"exists":true}`,
		`{"request":"join","room":1,"ptype":"publisher"}`:     `"error_code":423`,
		`{"request":"nonsense"}`:                              `"error_code":423`,
		`{}`:                                                  `"error_code":429`,
		`{"request":"kick","room":1,"id":4}`:                  `"error_code":428`,
		`{"request":"listremotes","room":1,"publisher_id":4}`: `"error_code":428`,
		`{"request":"listremotes","room":1,"publisher_id":5}`: `{"videoroom":"success","room":1,"id":5,"list":[]}`,
		`{"request":"update_remote_publisher","room":1,"id":5,"streams":[{"type":"x","mindex":0,"mid":"0"}]}`: `"error_code":430`,
		`{"request":"listforwarders","room":1}`:                  `{"videoroom":"forwarders","room":1,"publishers":[]}`,
		`{"request":"enable_recording","room":1,"record":false}`: `{"videoroom":"success","record":false}`,
	} {
		got, err := hs.plugin.Admin(plugintest.Parse(t, request))
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, %v", request, got, err)
		}
	}
}
