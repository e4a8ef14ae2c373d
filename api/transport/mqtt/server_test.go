package mqtt

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	paho5 "github.com/eclipse/paho.golang/paho"

	"bifrons/api/broker"
	"bifrons/api/broker/brokertest"
	"bifrons/api/broker/mqtt"
	"bifrons/api/client"
	"bifrons/api/transport"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

// config is that of a server at an address.
func config(address string, version byte) Config {
	return Config{
		Broker: mqtt.Config{Address: address, Version: version, ClientID: "server", KeepAlive: 20 * time.Second, Linger: time.Second},
		API:    Address{Enabled: true, Subscribe: "to", Publish: "from", SubscribeQoS: 1},
		Admin:  Address{Enabled: true, Subscribe: "to-admin", Publish: "from-admin", SubscribeQoS: 1},
		QoS:    1, Window: 10, Common: transport.Common{Log: transporttest.Quiet()},
	}
}

// start starts a server that reaches the broker through a gate.
func start(t *testing.T, version byte, b *brokertest.Broker, change func(*Config)) (*transporttest.Lab, *brokertest.Gate) {
	t.Helper()
	lab, gate, _ := started(t, version, b, change)
	return lab, gate
}

func started(t *testing.T, version byte, b *brokertest.Broker, change func(*Config)) (*transporttest.Lab, *brokertest.Gate, *broker.Link) {
	t.Helper()
	gate := brokertest.NewGate(t, b.Address())
	cfg := config(gate.Address(), version)
	if change != nil {
		change(&cfg)
	}
	lab := transporttest.New(t)
	s, err := New(cfg, lab.Core)
	lab.Carry(s, err)
	waittest.Until(t, "the server is connected", s.Link.Up)
	return lab, gate, s.Link
}

func dial(t *testing.T, version byte, b *brokertest.Broker, admin bool) (client.Conn, error) {
	o := client.MQTTOptions{Address: b.Address(), ClientID: "client", To: "to", From: "from", QoS: 1}
	if admin {
		o.ClientID, o.To, o.From = "admin", "to-admin", "from-admin"
	}
	if version == 5 {
		return client.MQTT5(t.Context(), o)
	}
	return client.MQTT(o)
}

// versions are those that both sides know.
func versions(t *testing.T, f func(t *testing.T, version byte)) {
	for _, v := range []byte{4, 5} {
		t.Run(fmt.Sprint("level ", v), func(t *testing.T) {
			waittest.NoLeaks(t)
			f(t, v)
		})
	}
}

func TestEcho(t *testing.T) {
	versions(t, func(t *testing.T, v byte) {
		b := brokertest.Mosquitto(t)
		lab, _ := start(t, v, b, nil)
		c := lab.Dial(dial(t, v, b, false))
		lab.Echo(c)
		lab.Compare(c)
		a := lab.Dial(dial(t, v, b, true))
		lab.Admin(a)
		got := lab.Ask(a, client.Object{"janus": "query_transport", "transport": Package,
			"request": client.Object{"request": "configure", "events": true, "json": "plain"}})
		if !strings.Contains(got, `"result": 200, "notes": ["Event handlers disabled at the core level"]`) {
			t.Error(got)
		}
		got = lab.Ask(a, client.Object{"janus": "query_transport", "transport": Package, "request": client.Object{"request": "connections"}})
		if !strings.Contains(got, `"error_code": 411, "error": "Unknown request 'connections'"`) {
			t.Error(got)
		}
	})
}

// TestFlood: the requests that a broker keeps while the server is away are answered, each of
// them.
func TestFlood(t *testing.T) {
	versions(t, func(t *testing.T, v byte) {
		b := brokertest.Mosquitto(t)
		lab, gate := start(t, v, b, nil)
		c := lab.Dial(dial(t, v, b, false))
		gate.Shut()
		lab.Flood(c, 10_000, gate.Open)
	})
}

// TestRestart: the broker is killed and comes back. The session goes on, and what has
// happened meanwhile arrives once and in order.
func TestRestart(t *testing.T) {
	for qos := range byte(3) {
		t.Run(fmt.Sprint("quality ", qos), func(t *testing.T) {
			versions(t, func(t *testing.T, v byte) {
				b := brokertest.Mosquitto(t)
				lab, gate, link := started(t, v, b, func(c *Config) { c.QoS = qos })
				seen := transporttest.NewCounted(t)
				conn, err := dial(t, v, b, false)
				c := lab.Tapped(seen.Tap, conn, err)
				ctx, cancel := transporttest.InTime()
				defer cancel()
				if err := c.Create(ctx); err != nil {
					t.Fatal(err)
				}
				seen.Send(lab.Core, c.Session(), 1, 100)
				seen.Expect(1, 100)
				transporttest.Confirmed(t, link) // or it may come again
				gate.Shut()
				transporttest.Cut(t, link) // or it may be lost, with quality 0
				b.Kill()
				seen.Send(lab.Core, c.Session(), 101, 3000)
				b.Start()
				conn, err = dial(t, v, b, false)
				again := lab.Tapped(seen.Tap, conn, err)
				gate.Open()
				seen.Expect(101, 3000)
				if m, err := again.RequestAbout(ctx, c.Session(), 0, client.Object{"janus": "keepalive"}); err != nil || m.Err() != nil {
					t.Errorf("the session is over: %v %v", m, err)
				}
				seen.Nothing()
			})
		})
	}
}

// TestCut: connections break again and again while events are sent. What an acknowledgement
// was on its way for is sent again, as the quality of service has it: with 2, nothing comes
// twice.
func TestCut(t *testing.T) {
	versions(t, func(t *testing.T, v byte) {
		b := brokertest.Mosquitto(t)
		lab, gate := start(t, v, b, func(c *Config) { c.QoS = 2 })
		seen := transporttest.NewCounted(t)
		conn, err := dial(t, v, b, false)
		c := lab.Tapped(seen.Tap, conn, err)
		ctx, cancel := transporttest.InTime()
		defer cancel()
		if err := c.Create(ctx); err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			first := 1000*n + 1
			seen.Send(lab.Core, c.Session(), first, first+999)
			seen.Expect(first, first+n) // some are under way
			gate.Shut()
			gate.Open()
			seen.Expect(first+n+1, first+999)
		}
		if _, err := c.Request(ctx, client.Object{"janus": "keepalive"}); err != nil {
			t.Error(err)
		}
		seen.Nothing()
	})
}

// TestProperties: with MQTT 5 the answer goes where its request wants it, with what the
// request had; requests without a transaction get none.
func TestProperties(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	start(t, 5, b, func(c *Config) {
		c.Proxied, c.Added = []string{"trace"}, []broker.Property{{Name: "by", Value: "bifrons"}}
		c.Vacuum = time.Minute
	})
	got := make(chan *paho5.Publish, 10)
	ctx, cancel := transporttest.InTime()
	defer cancel()
	c := rawClient(ctx, t, b, got)
	publish := func(topic, body string, p *paho5.PublishProperties) {
		if _, err := c.Publish(ctx, &paho5.Publish{Topic: topic, QoS: 1, Payload: []byte(body), Properties: p}); err != nil {
			t.Fatal(err)
		}
	}
	publish("to", `{"janus":"ping"}`, nil)
	publish("to", `{"janus":"ping","transaction":"a"}`, nil)
	publish("to", `{"janus":"ping","transaction":"b"}`, &paho5.PublishProperties{ResponseTopic: "elsewhere", CorrelationData: []byte{0, 255},
		User: paho5.UserProperties{{Key: "trace", Value: "1"}, {Key: "other", Value: "2"}, {Key: "trace", Value: "3"}}})
	publish("to", `{"janus":`, nil)
	publish("to-admin", `{"janus":"ping"}`, nil)
	for _, want := range []struct {
		topic, text, correlation string
		user                     paho5.UserProperties
	}{
		{"from", `{"janus":"pong","transaction":"a"}`, "", paho5.UserProperties{{Key: "by", Value: "bifrons"}}},
		{"elsewhere", `{"janus":"pong","transaction":"b"}`, "\x00\xff",
			paho5.UserProperties{{Key: "trace", Value: "1"}, {Key: "trace", Value: "3"}, {Key: "by", Value: "bifrons"}}},
		{"from", `"code":454`, "", paho5.UserProperties{{Key: "by", Value: "bifrons"}}},
		{"from-admin", `"code":456`, "", paho5.UserProperties{{Key: "by", Value: "bifrons"}}},
	} {
		m := waittest.Next(t, want.text, got)
		if m.Topic != want.topic || !strings.Contains(string(m.Payload), want.text) || string(m.Properties.CorrelationData) != want.correlation ||
			!slices.Equal(m.Properties.User, want.user) {
			t.Errorf("%s %s %q %v, want %+v", m.Topic, m.Payload, m.Properties.CorrelationData, m.Properties.User, want)
		}
	}
}

func rawClient(ctx context.Context, t *testing.T, b *brokertest.Broker, got chan *paho5.Publish) *paho5.Client {
	t.Helper()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", b.Address())
	if err != nil {
		t.Fatal(err)
	}
	c := paho5.NewClient(paho5.ClientConfig{Conn: raw, OnPublishReceived: []func(paho5.PublishReceived) (bool, error){
		func(p paho5.PublishReceived) (bool, error) {
			got <- p.Packet
			return true, nil
		},
	}})
	if _, err := c.Connect(ctx, &paho5.Connect{ClientID: "raw", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(&paho5.Disconnect{}) })
	_, err = c.Subscribe(ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{
		{Topic: "from", QoS: 1}, {Topic: "elsewhere", QoS: 1}, {Topic: "from-admin", QoS: 1}, {Topic: "status", QoS: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestStatus: the broker tells who wants to know whether the server is there.
func TestStatus(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	got := make(chan *paho5.Publish, 10)
	ctx, cancel := transporttest.InTime()
	defer cancel()
	rawClient(ctx, t, b, got)
	lab := transporttest.New(t)
	gate := brokertest.NewGate(t, b.Address())
	cfg := config(gate.Address(), 4)
	cfg.Status = Status{Topic: "status", Connect: "here", Disconnect: "gone", QoS: 1}
	s, err := New(cfg, lab.Core)
	lab.Carry(s, err)
	next := func(want string) {
		t.Helper()
		if m := waittest.Next(t, want, got); string(m.Payload) != want {
			t.Fatalf("%s, want %s", m.Payload, want)
		}
	}
	next("here")
	gate.Shut()
	next("gone") // the last will
	gate.Open()
	next("here")
	s.Close()
	next("gone")
}
