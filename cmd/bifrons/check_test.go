package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/rtp/waittest"
)

// Where check says that the server starts, it does, and where it says why not, it
// does not.
func TestCheckIsLikeStart(t *testing.T) {
	waittest.NoLeaks(t)
	const http = "janus.transport.http.jcfg"
	on := func(more map[string]string) map[string]string {
		files := map[string]string{http: `general: { http = true, ip = "127.0.0.1", port = 0 }`}
		for name, text := range more {
			files[name] = text
		}
		return files
	}
	tests := []struct {
		name  string
		files map[string]string
		want  string // reason, "" = it starts
	}{
		{"all is well", on(nil), ""},
		{"no listener", map[string]string{http: `general: { http = false }`}, "no transport is available"},
		{"transport disabled", on(map[string]string{"janus.jcfg": `transports: { disable = "libjanus_http.so" }`}), "no transport is available"},
		{"only the Admin API", map[string]string{http: `admin: { admin_http = true, admin_ip = "127.0.0.1", admin_port = 0 }`}, "no transport is available"},
		{"interface", map[string]string{http: `general: { http = true, interface = "nowhere0", port = 0 }`}, "nowhere0"},
		{"foreign address", map[string]string{http: `general: { http = true, ip = "192.0.2.77", port = 0 }`}, "192.0.2.77"},
		{"certificate of HTTPS", map[string]string{http: `general: { https = true, secure_port = 0 } certificates: { cert_pem = "DIR/no.pem", cert_key = "DIR/no.pem" }`}, "no.pem"},
		{"one of two listeners", map[string]string{http: `general: { http = true, ip = "127.0.0.1", port = 0, https = true, secure_port = 0 } certificates: { cert_pem = "DIR/no.pem", cert_key = "DIR/no.pem" }`}, ""},
		{"Unix socket without a path", map[string]string{"janus.transport.pfunix.jcfg": `general: { enabled = true }`}, "no path is set"},
		{"Unix socket nowhere", map[string]string{"janus.transport.pfunix.jcfg": `general: { enabled = true, path = "DIR/no/where/sock" }`}, "no such file"},
		{"RabbitMQ without queues", map[string]string{"janus.transport.rabbitmq.jcfg": `general: { enabled = true }`}, "general.to_janus: is not set"},
		{"RabbitMQ without its authority", map[string]string{"janus.transport.rabbitmq.jcfg": `general: { enabled = true, to_janus = "a", from_janus = "b", ssl_enable = true, ssl_cacert = "DIR/none" }`}, "no such file"},
		{"RabbitMQ", map[string]string{"janus.transport.rabbitmq.jcfg": `general: { enabled = true, to_janus = "a", from_janus = "b" }`}, ""},
		{"MQTT without topics", map[string]string{"janus.transport.mqtt.jcfg": `general: { enabled = true }`}, "general.subscribe_topic: is not set"},
		{"MQTT at no broker", map[string]string{"janus.transport.mqtt.jcfg": `general: { enabled = true, subscribe_topic = "a", publish_topic = "b", url = "ftp://x" }`}, "ftp is not supported"},
		{"MQTT to many topics", map[string]string{"janus.transport.mqtt.jcfg": `general: { enabled = true, subscribe_topic = "a", publish_topic = "b/#" }`}, "a topic without + and #"},
		{"MQTT with no pairs", map[string]string{"janus.transport.mqtt.jcfg": `general: { enabled = true, subscribe_topic = "a", publish_topic = "b", add_transaction_user_properties = ( "x" ) }`}, "no pair"},
		{"MQTT", map[string]string{"janus.transport.mqtt.jcfg": `general: { enabled = true, subscribe_topic = "a", publish_topic = "b", mqtt_version = 5, add_transaction_user_properties = ( [ "x", "y" ] ) }`}, ""},
		{"Nanomsg without an address", map[string]string{"janus.transport.nanomsg.jcfg": `general: { enabled = true }`}, "general.address: is not set"},
		{"Nanomsg nowhere", map[string]string{"janus.transport.nanomsg.jcfg": `general: { enabled = true, address = "ipc://DIR/no/where/sock" }`}, "no such file"},
		{"Nanomsg", map[string]string{"janus.transport.nanomsg.jcfg": `general: { enabled = true, address = "tcp://127.0.0.1:0" }`}, ""},
		{"Unix socket", map[string]string{"janus.transport.pfunix.jcfg": `general: { enabled = true, path = "DIR/sock" }`}, ""},
		{"WebSockets on a file", map[string]string{"janus.transport.websockets.jcfg": `general: { ws = true, ws_unix = "DIR/janus.transport.websockets.jcfg" }`}, "is no socket"},
		{"stored tokens", on(map[string]string{"janus.jcfg": `general: { token_auth = true }`}), "token_auth without token_auth_secret"},
		{"DTLS certificate", on(map[string]string{"janus.jcfg": `certificates: { cert_pem = "DIR/no.pem", cert_key = "DIR/no.pem" }`}), "DTLS certificate"},
		{"half a certificate", on(map[string]string{"janus.jcfg": `certificates: { cert_pem = "DIR/no.pem" }`}), "only one of cert_pem and cert_key"},
		{"no range", on(map[string]string{"janus.jcfg": `media: { rtp_port_range = "x" }`}), "rtp_port_range"},
		{"narrow range", on(map[string]string{"janus.jcfg": `general: { event_loops = 3 } media: { rtp_port_range = "47110-47111" }`}), "has 2 ports"},
		{"TURN REST API", on(map[string]string{"janus.jcfg": `nat: { turn_rest_api = "ftp://x" }`}), "turn_rest_api"},
		{"TURN type", on(map[string]string{"janus.jcfg": `nat: { turn_server = "127.0.0.1", turn_type = "pigeon" }`}), "turn_type"},
		{"media interface", on(map[string]string{"janus.jcfg": `general: { interface = "nowhere0" }`}), "general.interface"},
		{"open files", on(map[string]string{"janus.jcfg": `general: { check_openfiles_limit = 2000000000 }`}), "check_openfiles_limit"},
		{"JSON log", on(map[string]string{"janus.logger.jsonlog.jcfg": `general: { enabled = true, filename = "DIR/no/log" }`}), "general.filename"},
		{"JSON log disabled", on(map[string]string{"janus.jcfg": `loggers: { disable = "libjanus_jsonlog.so" }`,
			"janus.logger.jsonlog.jcfg": `general: { enabled = true, filename = "DIR/no/log" }`}), ""},
		{"wrong event handler", on(map[string]string{"janus.jcfg": `events: { broadcast = true }`,
			"janus.eventhandler.wsevh.jcfg": `general: { enabled = "perhaps" }`}), ""},
		{"broken file of a plugin", on(map[string]string{"janus.plugin.videoroom.jcfg": `room-1: {`}), "{ without }"},
		{"broken file of a disabled plugin", on(map[string]string{"janus.jcfg": `plugins: { disable = "libjanus_videoroom.so" }`,
			"janus.plugin.videoroom.jcfg": `room-1: {`}), ""},
		{"wrong value for EchoTest", on(map[string]string{"janus.plugin.echotest.jcfg": `general: { events = "perhaps", evnts = true } abc: { }`}), ""},
		{"wrong rooms", on(map[string]string{"janus.plugin.videoroom.jcfg": `general: { adminkey = "x" } abc: { } room-1: { publishers = "x" }`}), ""},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for name, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := len(config.Files(dir))
		var out strings.Builder
		code := run([]string{"check", "-F", dir}, &out, &out)
		if (code == 0) != (tt.want == "") || !strings.Contains(out.String(), tt.want) || (code == 0) != strings.Contains(out.String(), "can start") {
			t.Errorf("%s: check: exit code %d\n%s", tt.name, code, &out)
		}
		if list, _ := filepath.Glob(filepath.Join(dir, "*")); len(list) != before {
			t.Errorf("%s: check has left %v", tt.name, list)
		}
		if err := tryStart(t, dir); (err == nil) != (tt.want == "") {
			t.Errorf("%s: start: %v", tt.name, err)
		}
	}
}

// tryStart starts a server with the files of a folder, and ends it.
func tryStart(t *testing.T, dir string) error {
	t.Helper()
	var logged strings.Builder
	l, err := log.New(log.Config{Stdout: &logged, Level: 3})
	if err != nil {
		t.Fatal(err)
	}
	opt, err := config.ParseArgs([]string{"-F", dir})
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(opt)
	for _, p := range problems {
		if !p.Warning {
			return p
		}
	}
	s, err := start(cfg, "", l)
	if err == nil {
		s.Close()
	}
	return err
}

// Check says how many rooms and mountpoints there are, and what is left out or not
// protected.
func TestCheckPlugins(t *testing.T) {
	code, out := command(t, "check", map[string]string{
		"janus.transport.http.jcfg": `general: { http = true }`,
		"janus.plugin.videoroom.jcfg": `general: { adminkey = "x" }
room-1: { is_privat = true, codec = "opus" }
room-2: { audiocodec = "opsu" }
abc: { }`,
		"janus.plugin.streaming.jcfg": `one: { type = "rtp", id = 1, audio = true, audioport = 0, audiopt = 0, audiocodec = "pcmu", url = "x" }
two: { type = "rtp", id = 2, audio = true }`,
	})
	for _, want := range []string{
		"read: 2 rooms", "read: 1 mountpoint\n", "\nNot protected as it seems to be\n",
		"videoroom.jcfg:1: general.adminkey: unknown setting, did you mean admin_key?, ignored: everybody may create rooms",
		"videoroom.jcfg:2: room-1.is_privat: unknown setting, did you mean is_private?",
		"videoroom.jcfg:2: room-1.codec: means nothing here",
		`videoroom.jcfg:3: room-2.audiocodec: wrong value "opsu"`,
		"videoroom.jcfg:4: abc: room left out",
		"streaming.jcfg:1: one.url: means nothing here",
		"streaming.jcfg:2: two: mountpoint left out, Can't add 'rtp' stream, missing port (audioport)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The folder of Janus, and that of the conformance tests, are good.
func TestCheckFoldersOfJanus(t *testing.T) {
	for _, folder := range []string{"/etc/janus", "../../../shared/conform/target"} {
		if _, err := os.Stat(filepath.Join(folder, "janus.jcfg")); err != nil {
			t.Log("not there:", folder)
			continue
		}
		var out strings.Builder
		if code := run([]string{"check", "-F", folder}, &out, &out); code != 0 {
			t.Errorf("%s: exit code %d\n%s", folder, code, &out)
		}
		if strings.Contains(out.String(), "not supported") || strings.Contains(out.String(), ", ignored\n") {
			t.Errorf("%s: something has no effect\n%s", folder, &out)
		}
	}
}
