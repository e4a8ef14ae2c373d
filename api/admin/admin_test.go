package admin

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/api/janus"
	"bifrons/api/module"
)

func TestAccess(t *testing.T) {
	r := newRig(t, nil)
	session, handle := r.session()
	ids := strings.TrimSuffix(about(session, handle), ",")
	denied := failure(403, "Unauthorized request (wrong or missing secret/token)")
	for _, c := range []struct{ body, want string }{
		{`{"janus":"ping","transaction":"t"}`, `{"janus":"pong"}`},
		{`{"janus":"PING","transaction":"t","admin_secret":"wrong"}`, `{"janus":"pong"}`},
		{`{"janus":"list_tokens","transaction":"t"}`, denied},
		{`{"janus":"list_tokens","transaction":"t","admin_secret":"wrong"}`, denied},
		{`{"janus":"list_tokens","transaction":"t","admin_secret":5}`, denied},
		{`{"janus":"list_tokens","transaction":"t","apisecret":"` + secret + `"}`, denied},
		{`{"janus":"nonsense","transaction":"t"}`, denied},
		{`{"janus":"list_handles","transaction":"t","session_id":12345}`, sessionFailure(12345, 403, "Unauthorized request (wrong or missing secret/token)")},
		{`{"janus":"nonsense","transaction":"t","admin_secret":"` + secret + `"}`, failure(457, "Unhandled request 'nonsense' at this path")},
		{`{"janus":"list_handles","transaction":"t","admin_secret":"` + secret + `"}`, failure(457, "Unhandled request 'list_handles' at this path")},
		{`{"janus":"list_handles","transaction":"t","session_id":0,"handle_id":7}`, failure(458, "Session not found")},
		{`{"janus":"handle_info","transaction":"t","session_id":5,"handle_id":0}`, sessionFailure(5, 458, "Session not found")},
		{`{"janus":"handle_info","transaction":"t","session_id":-5}`, sessionFailure(-5, 458, "Session not found")},
		{`{"janus":"list_handles","transaction":"t","session_id":12345,"admin_secret":"` + secret + `"}`,
			sessionFailure(12345, 458, "No such session 12345")},
		{fmt.Sprintf(`{"janus":"handle_info","transaction":"t","session_id":%d,"handle_id":7,"admin_secret":"%s"}`, session, secret),
			sessionFailure(int64(session), 459, fmt.Sprintf("No such handle 7 in session %d", session))},
		{fmt.Sprintf(`{"janus":"handle_info","transaction":"t","session_id":%d,"admin_secret":"%s"}`, session, secret),
			sessionFailure(int64(session), 457, "Unhandled request 'handle_info' at this path")},
		{fmt.Sprintf(`{"janus":"list_sessions","transaction":"t",%s,"admin_secret":"%s"}`, ids, secret),
			sessionFailure(int64(session), 457, "Unhandled request 'list_sessions' at this path")},
	} {
		r.check(c.body, r.raw(janus.Request{Admin: true, Body: []byte(c.body)}), c.want)
	}
	for body, want := range map[string]string{
		`{"transaction":"t"}`:           failure(456, "Missing mandatory element (janus)"),
		`{"janus":"ping"}`:              failure(456, "Missing mandatory element (transaction)"),
		`{"janus":1,"transaction":"t"}`: failure(467, "Invalid element type (janus should be a string)"),
	} {
		got := r.raw(janus.Request{Admin: true, Body: []byte(body)})
		if text(got) != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
}

func sessionFailure(session int64, code int, reason string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"reason":%s},"janus":"error","session_id":%d}`, code, text(reason), session)
}

func TestNoSecret(t *testing.T) {
	r := newRig(t, nil)
	a := New(r.core, Config{Log: r.log, Logger: r.log.Logger()})
	t.Cleanup(a.Close)
	r.core.SetAdmin(a)
	got := r.raw(janus.Request{Admin: true, Body: []byte(`{"janus":"list_sessions","transaction":"t"}`)})
	r.check("without a configured secret", got, `{"janus":"success","sessions":[]}`)
}

// A secret can be set and changed while the server runs, but not taken away.
func TestSetSecret(t *testing.T) {
	r := newRig(t, nil)
	a := New(r.core, Config{Log: r.log, Logger: r.log.Logger()})
	t.Cleanup(a.Close)
	r.core.SetAdmin(a)
	for _, set := range []struct{ to, good, bad string }{{"new", "new", ""}, {"", "new", ""}, {"newer", "newer", "new"}} {
		a.SetSecret(set.to)
		for given, want := range map[string]string{set.good: `{"janus":"success","sessions":[]}`, set.bad: failure(403, "Unauthorized request (wrong or missing secret/token)")} {
			got := r.raw(janus.Request{Admin: true, Body: []byte(`{"janus":"list_sessions","transaction":"t","admin_secret":"` + given + `"}`)})
			r.check("set to "+set.to+", given "+given, got, want)
		}
	}
}

// TestReadingIsNoActivity: what the administrator asks keeps no session alive.
func TestReadingIsNoActivity(t *testing.T) {
	var passed atomic.Int64
	start := time.Now()
	now := func() time.Time { return start.Add(time.Duration(passed.Load())) }
	r := newRig(t, func(c *janus.Config) { c.Now = now })
	session, handle := r.session()
	passed.Store(int64(30 * time.Second))
	r.ask(about(session, handle) + `"janus":"handle_info"`)
	if idle := now().Sub(r.core.Session(session).LastActivity()); idle != 30*time.Second {
		t.Errorf("last activity was %v ago", idle)
	}
}

// TestRootRequests has a line for every root verb's good and bad forms.
func TestRootRequests(t *testing.T) {
	r := newRig(t, nil)
	missing := func(name string) string { return failure(456, "Missing mandatory element ("+name+")") }
	invalid := func(name, kind string) string {
		return failure(467, "Invalid element type ("+name+" should be "+kind+")")
	}
	for _, c := range []struct{ fields, want string }{
		{`"janus":"set_session_timeout","timeout":30`, `{"janus":"success","timeout":30}`},
		{`"janus":"set_session_timeout"`, missing("timeout")},
		{`"janus":"set_session_timeout","timeout":-1`, invalid("timeout", "a positive integer")},
		{`"janus":"set_log_level","level":5`, `{"janus":"success","level":5}`},
		{`"janus":"set_log_level","level":8`, invalid("level", "between 0 and 7")},
		{`"janus":"set_log_level","level":"x"`, invalid("level", "a positive integer")},
		{`"janus":"set_log_timestamps","timestamps":true`, `{"janus":"success","log_timestamps":true}`},
		{`"janus":"set_log_timestamps"`, missing("timestamps")},
		{`"janus":"set_log_colors","colors":true`, `{"janus":"success","log_colors":true}`},
		{`"janus":"set_log_colors","colors":1`, invalid("colors", "a boolean")},
		{`"janus":"set_locking_debug","debug":true`, `{"janus":"success","locking_debug":true}`},
		{`"janus":"set_locking_debug"`, missing("debug")},
		{`"janus":"set_refcount_debug","debug":true`, `{"janus":"success","refcount_debug":true}`},
		{`"janus":"set_refcount_debug","debug":"x"`, invalid("debug", "a boolean")},
		{`"janus":"set_min_nack_queue","min_nack_queue":300`, `{"janus":"success","min_nack_queue":300}`},
		{`"janus":"set_min_nack_queue","min_nack_queue":3000`, `{"janus":"success","min_nack_queue":1000}`},
		{`"janus":"set_min_nack_queue","min_nack_queue":true`, invalid("min_nack_queue", "a positive integer")},
		{`"janus":"set_nack_optimizations","nack_optimizations":true`, `{"janus":"success","nack-optimizations":true}`},
		{`"janus":"set_nack_optimizations"`, missing("nack_optimizations")},
		{`"janus":"set_no_media_timer","no_media_timer":4`, `{"janus":"success","no_media_timer":4}`},
		{`"janus":"set_no_media_timer","no_media_timer":-4`, invalid("no_media_timer", "a positive integer")},
		{`"janus":"set_slowlink_threshold","slowlink_threshold":9`, `{"janus":"success","slowlink_threshold":9}`},
		{`"janus":"set_slowlink_threshold"`, missing("slowlink_threshold")},
		{`"janus":"get_status"`, `{"janus":"success","status":{"candidates_timeout":45,"locking_debug":true,"log_colors":true,` +
			`"log_level":5,"log_rotate_sig":10,"log_timestamps":true,"min_nack_queue":1000,"nack-optimizations":true,` +
			`"no_media_timer":4,"reclaim_session_timeout":0,"refcount_debug":true,"session_timeout":30,"slowlink_threshold":9,"token_auth":false}}`},

		{`"janus":"message_plugin","plugin":"janus.plugin.echotest","request":{"a":[1,"x"]}`, `{"janus":"success","response":{"a":[1,"x"]}}`},
		{`"janus":"message_plugin","plugin":"janus.plugin.echotest"`, `{"janus":"success","response":{}}`},
		{`"janus":"message_plugin","plugin":"janus.plugin.none","request":{}`, failure(460, "Invalid plugin")},
		{`"janus":"message_plugin","plugin":"janus.plugin.silent","request":{}`, failure(490, "Plugin doesn't support Admin API messages")},
		{`"janus":"message_plugin","plugin":"janus.plugin.broken","request":{}`, failure(490, "Internal error")},
		{`"janus":"message_plugin"`, missing("plugin")},
		{`"janus":"message_plugin","plugin":"x","request":[]`, invalid("request", "an object")},
		{`"janus":"query_transport","transport":"janus.transport.test","request":{"request":"x"}`, `{"janus":"success","response":{"request":"x"}}`},
		{`"janus":"query_transport","transport":"janus.transport.none"`, failure(460, "Invalid transport")},
		{`"janus":"query_transport"`, missing("transport")},
		{`"janus":"query_eventhandler","handler":"janus.eventhandler.test"`, `{"janus":"success","response":{}}`},
		{`"janus":"query_eventhandler","handler":"janus.eventhandler.none"`, failure(460, "Invalid event handler")},
		{`"janus":"query_eventhandler"`, missing("handler")},
		{`"janus":"query_logger","logger":"janus.logger.none"`, failure(460, "Invalid logger")},
		{`"janus":"query_logger"`, missing("logger")},
		{`"janus":"custom_event","schema":"s"`, missing("data")},
		{`"janus":"custom_event","schema":"s","data":{"x":1}`, `{"janus":"success"}`},
		{`"janus":"custom_logline"`, missing("line")},
		{`"janus":"custom_logline","line":"x","level":-1`, invalid("level", "a positive integer")},
		{`"janus":"resolve_address"`, missing("address")},
		{`"janus":"resolve_address","address":"no such host"`, failure(490, "Could not resolve address")},
		{`"janus":"test_stun","address":"127.0.0.1"`, missing("port")},
		{`"janus":"test_stun","address":"127.0.0.1","port":65536`, invalid("port", "between 0 and 65535")},
		{`"janus":"test_stun","address":"no such host","port":3478`, failure(490, "Could not resolve address")},
		{`"janus":"loops_info"`, `{"janus":"success","loops":[]}`},
		{`"janus":"list_sessions"`, `{"janus":"success","sessions":[]}`},
		{`"janus":"list_tokens"`, failure(490, "Stored-Token based authentication disabled")},
		{`"janus":"add_token"`, failure(490, "Stored-Token based authentication disabled")},
		{`"janus":"allow_token"`, failure(490, "Stored-Token based authentication disabled")},
		{`"janus":"disallow_token"`, failure(490, "Stored-Token based authentication disabled")},
		{`"janus":"remove_token"`, failure(490, "Stored-Token based authentication disabled")},
	} {
		r.check(c.fields, r.ask(c.fields), c.want)
	}
}

// TestTables looks at the tables of verbs themselves.
func TestTables(t *testing.T) {
	const own = 4 // start_bwe_log, stop_bwe_log, overview and list_connections
	if n := len(rootVerbs) + len(sessionVerbs) + len(handleVerbs) - own; n != 39 {
		t.Errorf("%d verbs; the Admin API of Janus 1.4 has 39", n)
	}
	for _, table := range []map[string]verb{rootVerbs, sessionVerbs, handleVerbs} {
		for name, v := range table {
			if v.run == nil || name != strings.ToLower(name) {
				t.Errorf("verb %q", name)
			}
		}
	}
}

func TestInfo(t *testing.T) {
	r := newRig(t, nil)
	r.ask(`"janus":"set_min_nack_queue","min_nack_queue":321`)
	r.ask(`"janus":"set_nack_optimizations","nack_optimizations":true`)
	got := r.raw(janus.Request{Admin: true, Body: []byte(`{"janus":"info","transaction":"t"}`)})
	if got["janus"] != "server_info" || got["min-nack-queue"] != 321.0 || got["nack-optimizations"] != true {
		t.Errorf("info: %v", got)
	}
}

// TestSettingsTakeEffect looks at what the settings are for.
func TestSettingsTakeEffect(t *testing.T) {
	r := newRig(t, nil)
	r.ask(`"janus":"custom_logline","line":"hidden","level":5`)
	r.ask(`"janus":"set_log_level","level":5`)
	r.ask(`"janus":"custom_logline","line":"shown","level":5`)
	r.ask(`"janus":"set_log_colors","colors":true`)
	r.ask(`"janus":"custom_logline","line":"red","level":2`)
	r.ask(`"janus":"custom_logline","line":"plain","level":0`)
	r.ask(`"janus":"custom_logline","line":"odd","level":99`)
	if got, want := r.out.String(), "shown\n[\x1b[31mERR\x1b[0m] red\nplain\nodd\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	r.ask(`"janus":"set_no_media_timer","no_media_timer":0`)
	r.ask(`"janus":"set_slowlink_threshold","slowlink_threshold":3`)
	tuning := r.core.Settings().Engine.Tuning()
	if tuning.NoMediaTimer != 0 || tuning.SlowlinkThreshold != 3 {
		t.Errorf("the engine has %+v", tuning)
	}
	r.check("refuse", r.ask(`"janus":"accept_new_sessions","accept":false`), `{"accept":false,"janus":"success"}`)
	if got := r.client(`"janus":"create"`); got["janus"] != "error" {
		t.Errorf("a session was created: %v", got)
	}
	r.check("accept", r.ask(`"janus":"accept_new_sessions","accept":true`), `{"accept":true,"janus":"success"}`)
	session, _ := r.session()
	s := r.core.Session(session)
	r.ask(`"janus":"set_session_timeout","timeout":7`)
	if s.Timeout() != 7*time.Second {
		t.Errorf("timeout %v", s.Timeout())
	}
	at := fmt.Sprintf(`"session_id":%d,`, session)
	answer := func(n int) string { return fmt.Sprintf(`{"janus":"success","session_id":%d,"timeout":%d}`, session, n) }
	for _, c := range []struct {
		n    int
		want time.Duration
	}{{3, 3 * time.Second}, {0, 0}, {-1, 7 * time.Second}} {
		r.check("timeout of a session", r.ask(at+fmt.Sprintf(`"janus":"set_session_timeout","timeout":%d`, c.n)), answer(c.n))
		if s.Timeout() != c.want {
			t.Errorf("timeout %v after %d", s.Timeout(), c.n)
		}
	}
	r.check("timeout below -1", r.ask(at+`"janus":"set_session_timeout","timeout":-2`),
		sessionFailure(int64(session), 467, "Invalid element type (timeout should be a non-negative integer or -1)"))
}

func TestCustomEvent(t *testing.T) {
	r := newRig(t, nil)
	r.ask(`"janus":"custom_event","schema":"my.schema","data":{"n":1}`)
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	if len(r.sink.list) != 1 {
		t.Fatalf("%d notifications", len(r.sink.list))
	}
	n := r.sink.list[0]
	if n.Type != janus.NotifyExternal || string(n.Event) != `{"schema":"my.schema","data":{"n":1}}` || n.Session != 0 {
		t.Errorf("%+v: %s", n, n.Event)
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t, withTokens)
	all := `["janus.plugin.broken","janus.plugin.echotest","janus.plugin.silent"]`
	plugins := func(list string) string { return `{"data":{"plugins":` + list + `},"janus":"success"}` }
	for _, c := range []struct{ fields, want string }{
		{`"janus":"add_token","token":"a"`, plugins(all)},
		{`"janus":"add_token","token":"b","plugins":["janus.plugin.silent",5,"no.such"]`, plugins(`["janus.plugin.silent"]`)},
		{`"janus":"add_token","token":"c","plugins":[]`, plugins(`[]`)},
		{`"janus":"add_token"`, failure(456, "Missing mandatory element (token)")},
		{`"janus":"allow_token","token":"b","plugins":["janus.plugin.echotest"]`, plugins(`["janus.plugin.echotest","janus.plugin.silent"]`)},
		{`"janus":"allow_token","token":"x","plugins":["janus.plugin.echotest"]`, failure(470, "Token x not found")},
		{`"janus":"allow_token","token":"b","plugins":[]`, failure(467, "Invalid element type (plugins should be a non-empty array)")},
		{`"janus":"allow_token","token":"b"`, failure(467, "Invalid element type (plugins should be a non-empty array)")},
		{`"janus":"allow_token","token":"b","plugins":["janus.plugin.broken","no.such"]`, failure(467, "Invalid element type (some of the provided plugins are invalid)")},
		{`"janus":"disallow_token","token":"b","plugins":["janus.plugin.silent"]`, plugins(`["janus.plugin.echotest"]`)},
		{`"janus":"disallow_token","token":"x","plugins":["janus.plugin.silent"]`, failure(470, "Token x not found")},
		{`"janus":"list_tokens"`, `{"data":{"tokens":[{"allowed_plugins":` + all + `,"token":"a"},` +
			`{"allowed_plugins":["janus.plugin.echotest"],"token":"b"}]},"janus":"success"}`},
		{`"janus":"remove_token","token":"a"`, `{"janus":"success"}`},
		{`"janus":"remove_token","token":"a"`, failure(490, "Error removing token")},
		{`"janus":"remove_token"`, failure(456, "Missing mandatory element (token)")},
	} {
		r.check(c.fields, r.ask(c.fields), c.want)
	}
	if got := r.client(`"janus":"create","token":"a"`); got["janus"] != "error" {
		t.Errorf("a removed token still works: %v", got)
	}
	if got := r.client(`"janus":"create","token":"b"`); got["janus"] != "success" {
		t.Errorf("a token does not work: %v", got)
	}
}

// logger is a logger with the last part of its package name.
type logger string

func (l logger) Info() module.Info { return module.Info{Package: "janus.logger." + string(l)} }

// answering is one that answers queries.
type answering struct{ logger }

func (answering) Query(request []byte) []byte { return request }

func TestLoggers(t *testing.T) {
	r := newRig(t, func(c *janus.Config) { c.Loggers = []janus.Logger{logger("test"), answering{"wise"}} })
	r.check("query_logger", r.ask(`"janus":"query_logger","logger":"janus.logger.test"`), failure(490, "Logger doesn't support queries"))
	r.check("query_logger", r.ask(`"janus":"query_logger","logger":"janus.logger.wise","request":{"x":1}`), `{"janus":"success","response":{"x":1}}`)
}
