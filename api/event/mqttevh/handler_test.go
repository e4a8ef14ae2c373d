package mqttevh

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"bifrons/api/broker/brokertest"
	"bifrons/api/config"
	"bifrons/api/janus"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// listen takes what is published below a topic.
func listen(t *testing.T, b *brokertest.Broker, topic string, take func(topic string, body []byte)) {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + b.Address()).SetClientID("listener").SetAutoReconnect(false).SetOrderMatters(true))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(250) })
	if tok := c.Subscribe(topic, 2, func(_ paho.Client, m paho.Message) { take(m.Topic(), m.Payload()) }); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
}

func settings(gate *brokertest.Gate, version string) Settings {
	s := Defaults()
	s.URL, s.Version, s.ClientID = "tcp://"+gate.Address(), version, "events"
	return s
}

// TestCall: every event of a call of three arrives once and in order, with the broker out of
// reach for a while.
func TestCall(t *testing.T) {
	for _, version := range []string{"3.1.1", "5"} {
		t.Run(version, func(t *testing.T) {
			waittest.NoLeaks(t)
			b := brokertest.Mosquitto(t)
			gate := brokertest.NewGate(t, b.Address())
			lab := transporttest.New(t)
			s := settings(gate, version)
			s.QoS = 2
			w := lab.Handle(New(s, transporttest.Quiet()), s.Settings)
			var mu sync.Mutex
			topics := make(map[string]bool)
			listen(t, b, s.Topic+"/#", func(topic string, body []byte) {
				if strings.HasSuffix(topic, "/status") {
					return
				}
				mu.Lock()
				topics[strings.TrimPrefix(topic, s.Topic+"/")] = true
				mu.Unlock()
				w.Arrived(body)
			})
			call := lab.Call()
			w.Complete()
			gate.Shut()
			transporttest.Away(t, w)
			gate.Open()
			call.End()
			if n := w.Complete(); n != 0 {
				t.Errorf("%d events came twice", n)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, label := range []string{"sessions", "handles", "jsep", "webrtc", "media", "plugins"} {
				if !topics[label] {
					t.Errorf("nothing on the topic of %s", label)
				}
			}
		})
	}
}

// TestKilled: the broker forgets all, and gets what happens meanwhile when it is back.
func TestKilled(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	gate := brokertest.NewGate(t, b.Address())
	lab := transporttest.New(t)
	s := settings(gate, "3.1.1")
	w := lab.Handle(New(s, transporttest.Quiet()), s.Settings)
	take := func(topic string, body []byte) {
		if !strings.HasSuffix(topic, "/status") {
			w.Arrived(body)
		}
	}
	listen(t, b, s.Topic+"/#", take)
	c := lab.Direct()
	ctx, cancel := transporttest.InTime()
	defer cancel()
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	w.Complete()
	gate.Shut()
	b.Kill()
	if err := c.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	b.Start()
	listen(t, b, s.Topic+"/#", take)
	gate.Open()
	w.Complete()
}

// TestEnvelope: the type is in each event by its name, and in the topic unless that is not
// wanted; the handler tells of itself.
func TestEnvelope(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	gate := brokertest.NewGate(t, b.Address())
	lab := transporttest.New(t)
	s := settings(gate, "3.1.1")
	s.Topic, s.AddEvent, s.JSON = "events", false, "plain"
	got := make(chan string, 100)
	listen(t, b, "events/#", func(topic string, body []byte) { got <- topic + " " + string(body) })
	w := lab.Handle(New(s, transporttest.Quiet()), s.Settings)
	expect := func(want string) {
		t.Helper()
		if m := waittest.Next(t, want, got); !strings.Contains(m, want) {
			t.Fatalf("%s, want %s", m, want)
		}
	}
	expect(`events/status {"event": "connected", "eventhandler": "janus.eventhandler.mqttevh"}`)
	if answer := string(w.Query([]byte(`{"request":"tweak","grouping":true}`))); answer != `{"result":200}` {
		t.Error(answer)
	}
	ctx, cancel := transporttest.InTime()
	defer cancel()
	c := lab.Direct()
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	expect(`events {"emitter": "lab", "type": 1, "timestamp": `)
	if err := c.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	expect(`, "eventtype": "Sessions", "event": {"name": "destroyed"}}`)
	w.Close(waittest.Patience)
	expect(`events/status {"event": "disconnected"}`)

	// Who comes later is told that, and none of the events.
	late := make(chan string, 100)
	listen(t, b, "events/#", func(topic string, body []byte) { late <- topic + " " + string(body) })
	if m := waittest.Next(t, "the status", late); m != `events/status {"event": "disconnected"}` {
		t.Error(m)
	}
}

// TestRetain: what is said to be retained is, and the status is not if the last will must not be.
func TestRetain(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	s := settings(brokertest.NewGate(t, b.Address()), "5")
	s.Retain, s.WillRetain = true, false
	lab := transporttest.New(t)
	w := lab.Handle(New(s, transporttest.Quiet()), s.Settings)
	listen(t, b, s.Topic+"/core", func(_ string, body []byte) { w.Arrived(body) })
	w.Notify(&janus.Notification{Type: janus.NotifyCore, Time: time.Now(), Event: []byte("{}")})
	w.Complete()
	w.Close(waittest.Patience)
	got := make(chan string, 100)
	listen(t, b, s.Topic+"/#", func(topic string, _ []byte) { got <- topic })
	if m := waittest.Next(t, "an event", got); m != "/janus/events/core" {
		t.Error(m)
	}
}

func TestLoad(t *testing.T) {
	for text, want := range map[string]string{
		`general: { enabled = true }`:                                                "",
		`general: { enabled = true, url = "http://x" }`:                              "http is not supported",
		`general: { enabled = true, url = "tcp://u:secret@x" }`:                      "settings of their own",
		`general: { enabled = true, topic = "a/#" }`:                                 "a topic without + and #",
		`general: { enabled = true, tls_enable = true }`:                             "needs an ssl:// URL",
		`general: { enabled = true, url = "ssl://x", ssl_cacert = "/no/such/file" }`: "no such file",
		`general: { enabled = true, mqtt_version = "4" }`:                            "3.1, 3.1.1 or 5",
		`general: { enabled = true, add_user_properties = ( "a" ) }`:                 "no pair",
		`general: { enabled = false, url = "http://x" }`:                             "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems := Load(dir)
		got := ""
		for _, p := range problems {
			got += p.Error() + "\n"
		}
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "secret") || config.HasErrors(problems) != (want != "") {
			t.Errorf("%s: %s", text, got)
		}
	}
}
