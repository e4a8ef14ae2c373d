package admin

import (
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bifrons/api/incident"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/sfu"
)

// hall is a plugin whose clients are in the room that their opaque id names: "room role name".
type hall struct{ silent }

func (hall) Info() module.Info   { return module.Info{Package: "janus.plugin.hall"} }
func (hall) Rooms() plugin.Rooms { return hall{} }
func (hall) Len() int            { return 7 }
func (hall) Title(id string) string {
	return "Room " + id
}
func (hall) Attach(h plugin.Host) (plugin.Handle, error) { return guest{h}, nil }

type guest struct{ host plugin.Host }

func (g guest) Message(*plugin.Request) plugin.Result { return plugin.Answer([]byte("{}")) }
func (g guest) Hangup(string)                         {}
func (g guest) Detach()                               {}
func (g guest) Query(*json.Writer)                    {}
func (g guest) Seat() plugin.Seat {
	f := strings.Fields(g.host.OpaqueID() + " ")
	if len(f) == 0 {
		return plugin.Seat{}
	}
	f = append(f, "", "")
	return plugin.Seat{Kind: plugin.InRoom, ID: f[0], Role: f[1], Name: f[2]}
}

// hallRig is a rig with guests of a hall, all of one session.
func hallRig(t testing.TB, guests ...string) (*rig, uint64) {
	t.Helper()
	r := newRig(t, nil)
	if err := r.core.AddPlugin(hall{}); err != nil {
		t.Fatal(err)
	}
	session := uint64(r.client(`"janus":"create"`)["data"].(object)["id"].(float64))
	for _, g := range guests {
		r.client(fmt.Sprintf(`"janus":"attach","plugin":"janus.plugin.hall","opaque_id":%q,"session_id":%d`, g, session))
	}
	return r, session
}

// list is the list in an answer, by its path, with a field of each entry.
func list(o object, field string, path ...string) (all []any) {
	for _, p := range path {
		o, _ = o[p].(object)
	}
	for _, x := range o["list"].([]any) {
		all = append(all, x.(object)[field])
	}
	return all
}

func TestOverviewBounds(t *testing.T) {
	r := newRig(t, nil)
	invalid := func(text string) string { return failure(467, "Invalid element type ("+text+")") }
	for _, c := range []struct{ fields, want string }{
		{`"janus":"overview","rooms":-1`, invalid("rooms should be a positive integer")},
		{`"janus":"overview","rooms":501`, invalid("rooms should be between 0 and 500")},
		{`"janus":"overview","rooms_offset":"x"`, invalid("rooms_offset should be a positive integer")},
		{`"janus":"overview","connections":501`, invalid("connections should be between 0 and 500")},
		{`"janus":"overview","connections_offset":1.5`, invalid("connections_offset should be a positive integer")},
		{`"janus":"overview","after":[]`, invalid("after should be a positive integer")},
		{`"janus":"overview","find":5`, invalid("find should be a string")},
		{`"janus":"overview","find":"` + strings.Repeat("x", 201) + `"`, invalid("find should have at most 200 bytes")},
		{`"janus":"list_connections","limit":501`, invalid("limit should be between 0 and 500")},
		{`"janus":"list_connections","offset":-1`, invalid("offset should be a positive integer")},
		{`"janus":"list_connections","room":7`, invalid("room should be a string")},
		{`"janus":"list_connections","plugin":7`, invalid("plugin should be a string")},
		{`"janus":"list_connections","kind":7`, invalid("kind should be a string")},
		{`"janus":"list_connections","idle":7`, invalid("idle should be a boolean")},
		{`"janus":"list_connections","offset":99999999999`, `{"connections":{"list":[],"total":0},"janus":"success"}`},
	} {
		r.check(c.fields, r.ask(c.fields), c.want)
	}
	for _, verb := range []string{"overview", "list_connections"} {
		for _, with := range []string{"", `,"admin_secret":"wrong"`, `,"apisecret":"` + secret + `"`} {
			body := `{"janus":"` + verb + `","transaction":"t"` + with + `}`
			got := r.raw(janus.Request{Admin: true, Body: []byte(body)})
			r.check(body, got, failure(403, "Unauthorized request (wrong or missing secret/token)"))
		}
	}
}

// TestOverview looks at a server whose clients have no media.
func TestOverview(t *testing.T) {
	r, session := hallRig(t, "1 publisher Ann", "1 subscriber", "2 publisher Bob", "")
	idle, idleHandle := r.session()
	o := r.ask(`"janus":"overview","rooms":1`)["overview"].(object)
	sums := o["sums"].(object)
	if text(sums) != `{"bad":0,"connections":0,"handles":5,"in":0,"kinds":{"call":0,"mountpoint":0,"recording":0,"room":2},"out":0,`+
		`"rooms":{"janus.plugin.hall":7},"sessions":2,"stages":{"dtls":0,"ice":0,"lost":0,"up":0},"warn":0}` {
		t.Errorf("sums %s", text(sums))
	}
	if got := text(o["groups"]); got != `{"list":[{"bad":0,"connections":0,"handles":2,"in":0,"kind":"room","level":"ok","out":0,"plugin":"janus.plugin.hall",`+
		`"publishers":1,"room":"1","title":"Room 1","warn":0}],"total":2}` {
		t.Errorf("rooms %s", got)
	}
	if shards := o["shards"].([]any); len(shards) != 2 || shards[1].(object)["id"] != 1.0 {
		t.Errorf("shards %v", shards)
	}
	if s := o["server"].(object); s["accepting"] != true || s["memory"].(float64) <= 0 || s["uptime"].(float64) < 0 {
		t.Errorf("server %v", s)
	}
	if got := text(o["worst"]); got != `{"list":[],"total":0}` {
		t.Errorf("worst %s", got)
	}
	r.check("a page of rooms", object{"transaction": "t", "list": list(r.ask(`"janus":"overview","rooms_offset":1`), "room", "overview", "groups")}, `{"list":["2"]}`)
	r.check("rooms by title", object{"transaction": "t", "list": list(r.ask(`"janus":"overview","find":"ROOM 2"`), "room", "overview", "groups")}, `{"list":["2"]}`)

	for fields, want := range map[string]string{
		``:                                      `["Ann","Ann","Bob"]`,
		`,"find":"room 2"`:                      `["Bob"]`,
		`,"room":"1"`:                           `["Ann","Ann"]`,
		`,"room":"2","plugin":"other"`:          `[]`,
		`,"find":"ANN"`:                         `["Ann","Ann"]`,
		`,"find":"nobody"`:                      `[]`,
		`,"limit":0`:                            `[]`,
		fmt.Sprintf(`,"find":"%d"`, session):    `["Ann","Ann","Bob"]`,
		fmt.Sprintf(`,"find":"%d"`, idleHandle): `[]`,
	} {
		got := list(r.ask(`"janus":"list_connections"`+fields), "name", "connections")
		if got == nil {
			got = []any{}
		}
		// Handles have random ids, so two that fare alike come in any order.
		if text(sortedTexts(got)) != want {
			t.Errorf("%s: %s, want %s", fields, text(got), want)
		}
	}
	if titles := list(r.ask(`"janus":"list_connections"`), "title", "connections"); text(titles) != `["Room 1","Room 1","Room 2"]` {
		t.Errorf("titles %s", text(titles))
	}
	if page := r.ask(`"janus":"list_connections","limit":5,"offset":2`)["connections"].(object); page["total"] != 3.0 || len(page["list"].([]any)) != 1 {
		t.Errorf("a page: %v", page)
	}
	all := r.ask(`"janus":"list_connections","idle":true`)["connections"].(object)
	if all["total"] != 5.0 {
		t.Errorf("all handles: %v", all)
	}
	one := r.ask(fmt.Sprintf(`"janus":"list_connections","idle":true,"find":"%d"`, idle))["connections"]
	if want := fmt.Sprintf(`{"list":[{"handle_id":%d,"opaque_id":"me","plugin":"janus.plugin.echotest","session_id":%d,"state":"none"}],"total":1}`, idleHandle, idle); text(one) != want {
		t.Errorf("an idle handle: %s, want %s", text(one), want)
	}
}

// A session with several people names nobody else by them.
func TestNamesOfOneSession(t *testing.T) {
	r, _ := hallRig(t, "1 publisher Ann", "1 publisher Bob", "1 subscriber", "2 subscriber", "3 publisher Cem", "3 subscriber")
	got := list(r.ask(`"janus":"list_connections"`), "name", "connections")
	if s := text(sortedTexts(got)); s != `[null,null,"Ann","Bob","Cem","Cem"]` {
		t.Error(s)
	}
}

func sortedTexts(list []any) []any {
	for i := range list {
		for j := i; j > 0 && fmt.Sprint(list[j]) < fmt.Sprint(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// A survey serves all who ask within a moment.
func TestSurveyIsShared(t *testing.T) {
	r, _ := hallRig(t, "1 publisher Ann")
	now := time.Now()
	a := r.admin.survey()
	if b := r.admin.survey(); b != a && time.Since(now) < surveyAge {
		t.Error("looked around twice")
	}
	r.admin.surveying.Lock()
	a.at = a.at.Add(-surveyAge)
	r.admin.surveying.Unlock()
	if r.admin.survey() == a {
		t.Error("an old survey is still in use")
	}
}

func TestOverviewIncidents(t *testing.T) {
	r := newRig(t, nil)
	l := new(incident.List)
	a := New(r.core, Config{Log: r.log, Logger: r.log.Logger(), Incidents: l})
	t.Cleanup(a.Close)
	r.core.SetAdmin(a)
	at := time.UnixMilli(1500)
	l.Add(incident.Incident{Last: at, Text: "One", Remedy: "do", Detail: "x=1", Session: 5, Handle: 6, Severe: true})
	l.Add(incident.Incident{Last: at, Text: "Two"})
	o := r.ask(`"janus":"overview"`)["overview"].(object)
	if got := text(o["incidents"]); got != `[{"count":1,"first":1500,"id":2,"last":1500,"severe":false,"text":"Two"},`+
		`{"count":1,"detail":"x=1","first":1500,"handle_id":6,"id":1,"last":1500,"remedy":"do","session_id":5,"severe":true,"text":"One"}]` {
		t.Error(got)
	}
	if o["last_incident"] != 2.0 {
		t.Errorf("%v", o["last_incident"])
	}
	if o = r.ask(`"janus":"overview","after":2`)["overview"].(object); text(o["incidents"]) != "[]" || o["last_incident"] != 2.0 {
		t.Errorf("%v", o)
	}
}

func TestJudge(t *testing.T) {
	up := func(change func(v *sfu.Vitals)) sfu.Vitals {
		v := sfu.Vitals{Stage: sfu.StageUp, Age: time.Minute, Came: 2, Receiving: 2, RTT: 20 * time.Millisecond}
		change(&v)
		return v
	}
	for _, c := range []struct {
		v    sfu.Vitals
		want level
		why  string
	}{
		{up(func(*sfu.Vitals) {}), levelOK, ""},
		{up(func(v *sfu.Vitals) { v.LossIn, v.LossOut = 0.019, 0.019 }), levelOK, ""},
		{up(func(v *sfu.Vitals) { v.LossIn = 0.02 }), levelWarn, "2.0 % of the packets from the client are lost"},
		{up(func(v *sfu.Vitals) { v.LossOut = 0.126 }), levelBad, "13 % of the packets to the client are lost"},
		{up(func(v *sfu.Vitals) { v.RTT = 400 * time.Millisecond }), levelWarn, "The round trip takes 400 ms"},
		{up(func(v *sfu.Vitals) { v.Jitter = time.Second }), levelBad, "Packets from the client arrive irregularly (jitter 1000 ms)"},
		{up(func(v *sfu.Vitals) { v.Receiving = 0 }), levelWarn, "The client has stopped sending: muted, or its camera or network is gone"},
		{up(func(v *sfu.Vitals) { v.Receiving, v.Age = 0, time.Second }), levelOK, ""},
		{up(func(v *sfu.Vitals) {
			v.Videos, v.Paused, v.Limited, v.Estimate, v.Limit = 4, 2, 1, 150e3, sfu.LineDelay
		}), levelBad,
			"2 of 4 videos are paused: the line to the client carries only 150 kbit/s, as packets pile up on it"},
		{up(func(v *sfu.Vitals) { v.Videos, v.Limited, v.Estimate, v.Limit = 1, 1, 1.25e6, sfu.LineLoss }), levelWarn,
			"1 of 1 video is in lower layers: the line to the client carries 1.2 Mbit/s, as packets get lost"},
		{sfu.Vitals{Stage: sfu.StageLost}, levelBad, "The connection is interrupted: nothing comes from the client"},
		{sfu.Vitals{Stage: sfu.StageICE, Age: time.Second}, levelOK, ""},
		{sfu.Vitals{Stage: sfu.StageICE, Age: 9400 * time.Millisecond}, levelBad, "Has been connecting for 9s: no path for its media has been found"},
		{sfu.Vitals{Stage: sfu.StageDTLS, Age: 10 * time.Second}, levelBad, "Has been connecting for 10s: the handshake (DTLS) does not finish"},
		{sfu.Vitals{Stage: sfu.StageLost, Closed: true}, levelOK, ""},
	} {
		r := judge(&c.v)
		if r.level != c.want || strings.Join(r.why, "; ") != c.why || (r.score > 0) != (c.want > levelOK) {
			t.Errorf("%+v: %v, %d, %q; want %v, %q", c.v, r.level, r.score, r.why, c.want, c.why)
		}
	}
}

// TestWorstFirst: whoever fares worst comes first, with the room it is in.
func TestWorstFirst(t *testing.T) {
	r := newRig(t, nil)
	s := r.admin.lookAround()
	fares := func(room, name string, change func(v *sfu.Vitals)) {
		v := sfu.Vitals{Stage: sfu.StageUp, BytesIn: 1000, BytesOut: 500}
		change(&v)
		s.rows = append(s.rows, &row{handle: uint64(len(s.rows) + 1), connected: true, pkg: "p", v: v,
			seat: plugin.Seat{Kind: plugin.InRoom, ID: room, Role: "publisher", Name: name}})
	}
	fares("1", "fine", func(*sfu.Vitals) {})
	fares("2", "slow", func(v *sfu.Vitals) { v.RTT = 500 * time.Millisecond })
	fares("10", "lossy", func(v *sfu.Vitals) { v.LossIn = 0.08 })
	fares("10", "lossier", func(v *sfu.Vitals) { v.LossIn = 0.3 })
	fares("2", "gone", func(v *sfu.Vitals) { v.Stage = sfu.StageLost })
	s.judge()
	s.gather(r.core)
	var names, rooms []string
	for _, x := range s.rows {
		names = append(names, x.seat.Name)
	}
	for _, g := range s.groups {
		rooms = append(rooms, fmt.Sprint(g.id, g.conns, g.sending, g.levels, g.in, g.out))
	}
	if got := strings.Join(names, " "); got != "lossier gone lossy slow fine" {
		t.Error(got)
	}
	if got := strings.Join(rooms, ", "); got != "102 2 [0 1 1] 16000 8000, 22 2 [0 1 1] 16000 8000, 11 1 [1 0 0] 8000 4000" {
		t.Error(got)
	}
	if s.conns != 5 || s.levels != [numLevels]int{1, 2, 2} || s.in != 40000 || s.stages[sfu.StageLost] != 1 {
		t.Errorf("%+v", s)
	}
}

// FuzzOverview asks with any fields: the answer is an error, or within its bounds.
func FuzzOverview(f *testing.F) {
	r, _ := hallRig(f, "1 publisher Ann", "1 subscriber")
	for _, fields := range []string{
		`{"janus":"overview","rooms":1,"rooms_offset":1,"connections":2,"connections_offset":0,"after":3,"find":"a"}`,
		`{"janus":"list_connections","plugin":"janus.plugin.hall","kind":"room","room":"1","idle":true,"offset":1,"limit":500,"find":"Ä"}`,
		`{"janus":"overview","rooms":18446744073709551615,"after":-1}`,
	} {
		f.Add([]byte(fields))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r.t = t
		var fields map[string]stdjson.RawMessage
		if stdjson.Unmarshal(body, &fields) != nil {
			return
		}
		verb := "overview"
		if strings.Contains(string(fields["janus"]), "list") {
			verb = "list_connections"
		}
		set := func(name, value string) { fields[name], _ = stdjson.Marshal(value) }
		set("janus", verb)
		set("transaction", "t")
		set("admin_secret", secret)
		delete(fields, "session_id")
		delete(fields, "handle_id")
		body, err := stdjson.Marshal(fields)
		if err != nil {
			return
		}
		got := r.raw(janus.Request{Admin: true, Body: body})
		if got["janus"] == "error" {
			return
		}
		rows := got["connections"]
		if verb == "overview" {
			rows = got["overview"].(object)["worst"]
		}
		if all, ok := rows.(object)["list"].([]any); got["janus"] != "success" || !ok || len(all) > 2 {
			t.Errorf("%s: %v", body, got)
		}
	})
}
