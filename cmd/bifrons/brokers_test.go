package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "bifrons/api/client"
	"bifrons/api/config"
	"bifrons/rtp/waittest"
)

// TestBrokersAway: the server starts with brokers that are not there, and lists its
// transports; the one by nanomsg needs none.
func TestBrokersAway(t *testing.T) {
	waittest.NoLeaks(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"janus.jcfg":                    `general: { admin_secret = "s" }`,
		"janus.transport.rabbitmq.jcfg": `general: { enabled = true, host = "broker.invalid", to_janus = "a", from_janus = "b" }`,
		"janus.transport.mqtt.cfg":      "[general]\nenabled = yes\nurl = tcp://127.0.0.1:9\nsubscribe_topic = a\npublish_topic = b\n",
		"janus.transport.nanomsg.jcfg":  `general: { enabled = true, address = "ipc://` + dir + `/api" }, admin: { admin_enabled = true, admin_address = "ipc://` + dir + `/admin" }`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, problems := config.LoadDir(dir, "")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	testServer(t, func(c *config.Config) {
		*c = *loaded
		c.Server.NAT.EnforceList = []string{"127.0.0.1"}
	})
	conn, err := api.Nanomsg("ipc://" + dir + "/api")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, nil)
	info, _ := json.Marshal(c.request(message{"janus": "info"}))
	for _, want := range []string{"JANUS RabbitMQ transport plugin", "JANUS MQTT transport plugin", "JANUS Nanomsg transport plugin"} {
		if !strings.Contains(string(info), want) {
			t.Errorf("info lacks %s", want)
		}
	}
	conn, err = api.Nanomsg("ipc://" + dir + "/admin")
	if err != nil {
		t.Fatal(err)
	}
	a := newClient(t, conn, nil)
	if m := a.request(message{"janus": "list_sessions", "admin_secret": "s"}); m["janus"] != "success" {
		t.Error(m)
	}
}
