package rabbitmq

import (
	"fmt"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"bifrons/api/broker"
	"bifrons/api/broker/brokertest"
	"bifrons/api/client"
	"bifrons/api/transport"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

// rig is a server that reaches the broker through a gate.
type rig struct {
	*transporttest.Lab
	broker *brokertest.Broker
	gate   *brokertest.Gate
	server *Server
}

func start(t *testing.T, b *brokertest.Broker, change func(*Config)) *rig {
	t.Helper()
	gate := brokertest.NewGate(t, b.Address())
	cfg := Config{
		Host: "127.0.0.1", Port: uint16(gate.Port()), VHost: "/", User: "guest", Password: "guest", ExchangeType: "fanout",
		API:    Address{Enabled: true, To: t.Name() + "-to", From: t.Name() + "-from", DeclareFrom: true},
		Admin:  Address{Enabled: true, To: t.Name() + "-to-admin", From: t.Name() + "-from-admin", DeclareFrom: true},
		Common: transport.Common{Log: transporttest.Quiet()},
	}
	if change != nil {
		change(&cfg)
	}
	r := &rig{Lab: transporttest.New(t), broker: b, gate: gate}
	s, err := New(cfg, r.Core)
	r.Carry(s, err)
	r.server = s
	waittest.Until(t, "the server is connected", s.Link.Up)
	return r
}

func (r *rig) dial(admin string) (client.Conn, error) {
	return client.RabbitMQ(r.broker.URL(), r.T.Name()+"-to"+admin, r.T.Name()+"-from"+admin)
}

// TestRabbitMQ has one broker for all, as that starts slowly.
func TestRabbitMQ(t *testing.T) {
	waittest.NoLeaks(t)
	pki, port := brokertest.NewPKI(t, brokertest.Loopback), brokertest.FreePort(t, brokertest.Loopback)
	b := brokertest.RabbitMQ(t, fmt.Sprintf("listeners.ssl.1 = %s:%d", brokertest.Loopback, port),
		"ssl_options.cacertfile = "+pki.CA, "ssl_options.certfile = "+pki.Cert, "ssl_options.keyfile = "+pki.Key,
		"ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true")
	for name, test := range map[string]func(t *testing.T, b *brokertest.Broker){
		"echo": echo, "flood": flood, "exchange": exchange, "properties": properties, "refused": refused, "cut": cut, "events": events,
	} {
		t.Run(name, func(t *testing.T) {
			waittest.NoLeaks(t)
			test(t, b)
		})
	}
	t.Run("secured", func(t *testing.T) {
		waittest.NoLeaks(t)
		secured(t, b, pki, port)
	})
	t.Run("restart", func(t *testing.T) { restart(t, b) })
}

func echo(t *testing.T, b *brokertest.Broker) {
	r := start(t, b, nil)
	c := r.Dial(r.dial(""))
	r.Echo(c)
	r.Compare(c)
	r.Lab.Admin(r.Dial(r.dial("-admin")))
}

// flood: the requests that the broker keeps while the server is away are answered, each of
// them.
func flood(t *testing.T, b *brokertest.Broker) {
	r := start(t, b, nil)
	c := r.Dial(r.dial(""))
	r.gate.Shut()
	r.Flood(c, 10_000, r.gate.Open)
}

// raw is a channel without anything of ours.
func raw(t *testing.T, b *brokertest.Broker) *amqp091.Channel {
	t.Helper()
	conn, err := amqp091.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// exchange: requests come by a queue that is bound to an exchange, and replies go there.
func exchange(t *testing.T, b *brokertest.Broker) {
	const name = "janus-exchange"
	start(t, b, func(c *Config) {
		c.Exchange, c.ExchangeType = name, "topic"
		c.API = Address{Enabled: true, Queue: "requests", To: "calls.to", From: "calls.from"}
		c.Admin = Address{Enabled: true, Queue: "admin-requests", To: "admin.to", From: "admin.from"}
	})
	ch := raw(t, b)
	q := must(ch.QueueDeclare("", false, true, true, false, nil))(t)
	if err := ch.QueueBind(q.Name, "*.from", name, false, nil); err != nil {
		t.Fatal(err)
	}
	replies := must(ch.Consume(q.Name, "", true, false, false, false, nil))(t)
	for _, x := range []struct{ to, from, request, want string }{
		{"calls.to", "calls.from", `{"janus":"ping","transaction":"1"}`, `{"janus":"pong","transaction":"1"}`},
		{"admin.to", "admin.from", `{"janus":"ping","transaction":"2"}`, `{"janus":"pong","transaction":"2"}`},
	} {
		if err := ch.Publish(name, x.to, false, false, amqp091.Publishing{Body: []byte(x.request)}); err != nil {
			t.Fatal(err)
		}
		if m := waittest.Next(t, "a reply", replies); string(m.Body) != x.want || m.RoutingKey != x.from {
			t.Errorf("%s by %s", m.Body, m.RoutingKey)
		}
	}
}

// properties: a reply says what it is, and has the correlation id of its request.
func properties(t *testing.T, b *brokertest.Broker) {
	r := start(t, b, nil)
	ch := raw(t, b)
	replies := must(ch.Consume(t.Name()+"-from", "", true, false, false, false, nil))(t)
	ask := func(id, body string) amqp091.Delivery {
		t.Helper()
		if err := ch.Publish("", t.Name()+"-to", false, false, amqp091.Publishing{CorrelationId: id, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		return waittest.Next(t, "a reply", replies)
	}
	m := ask("one", `{"janus":"create","transaction":"1"}`)
	if m.ContentType != "application/json" || m.ReplyTo != "Janus" || m.CorrelationId != "one" || m.MessageId == "" {
		t.Errorf("%+v", m)
	}
	if again := ask("two", `{"janus":`); again.CorrelationId != "two" || again.MessageId == m.MessageId {
		t.Errorf("%+v", again)
	}
	session := r.Core.Sessions()[0].ID()
	transporttest.NewCounted(t).Send(r.Core, session, 1, 1)
	if e := waittest.Next(t, "an event", replies); e.CorrelationId != "" || string(e.Body) != `{"janus":"numbered","n":1}` {
		t.Errorf("%+v", e)
	}
}

// refused: with a wrong password there is no connection, and the log does not tell it.
func refused(t *testing.T, b *brokertest.Broker) {
	lab := transporttest.New(t)
	lines := transporttest.NewLines()
	s, err := New(Config{
		Host: "127.0.0.1", Port: uint16(b.Port), VHost: "/", User: "guest", Password: "not for the log",
		API: Address{Enabled: true, To: "a", From: "b"}, Common: transport.Common{Log: lines.Logger()},
	}, lab.Core)
	lab.Carry(s, err)
	lines.Await(t, "403")
	lines.Lacks(t, "not for the log")
}

// secured: the broker listens at a port where it wants a certificate of its clients, too. An
// answer gets through, and what is wrong is told in the log, without passwords.
func secured(t *testing.T, b *brokertest.Broker, pki brokertest.PKI, port int) {
	good := broker.TLS{On: true, CA: pki.CA, Cert: pki.ClientCert, Key: pki.ClientKey, VerifyServer: true, VerifyName: true}
	lines := transporttest.NewLines()
	r := start(t, b, func(c *Config) { c.Port, c.TLS, c.Log = uint16(port), good, lines.Logger() })
	r.Echo(r.Dial(r.dial("")))
	nobody, stranger, other := good, good, good
	nobody.Cert, nobody.Key = "", ""
	stranger.CA = brokertest.NewPKI(t, brokertest.Loopback).CA
	known := brokertest.NewPKI(t, brokertest.Loopback)
	other.Cert, other.Key = known.ClientCert, known.ClientKey
	for name, bad := range map[string]broker.TLS{"nobody": nobody, "a broker of others": stranger, "a client of others": other, "plain": {}} {
		t.Run(name, func(t *testing.T) {
			lab, lines := transporttest.New(t), transporttest.NewLines()
			s, err := New(Config{
				Host: brokertest.Loopback, Port: uint16(port), VHost: "/", User: "guest", Password: "not for the log", TLS: bad,
				API: Address{Enabled: true, To: "a", From: "b"}, Common: transport.Common{Log: lines.Logger()},
			}, lab.Core)
			lab.Carry(s, err)
			lines.Await(t, "no connection to the broker")
			lines.Lacks(t, "connected to the broker")
			lines.Lacks(t, "not for the log")
		})
	}
}

// cut: connections break again and again while events are sent, and nothing is lost or out
// of order; what was not confirmed may come again, under the same id.
func cut(t *testing.T, b *brokertest.Broker) {
	r := start(t, b, nil)
	ch := raw(t, b)
	replies := must(ch.Consume(t.Name()+"-from", "", true, false, false, false, nil))(t)
	if err := ch.Publish("", t.Name()+"-to", false, false, amqp091.Publishing{Body: []byte(`{"janus":"create","transaction":"1"}`)}); err != nil {
		t.Fatal(err)
	}
	waittest.Next(t, "the reply", replies)
	session := r.Core.Sessions()[0].ID()
	sender := transporttest.NewCounted(t)
	known := map[string]bool{}
	next := 1
	await := func(last int) {
		t.Helper()
		for next <= last {
			m := waittest.Next(t, "an event", replies)
			if known[m.MessageId] {
				continue
			}
			known[m.MessageId] = true
			if n := transporttest.Number(string(m.Body)); n != next {
				t.Fatalf("event %d in place of %d", n, next)
			}
			next++
		}
	}
	for n := range 5 {
		last := 1000 * (n + 1)
		sender.Send(r.Core, session, last-999, last)
		await(last - 999 + n)
		r.gate.Shut()
		r.gate.Open()
		await(last)
	}
}

// restart: the broker is killed and comes back. The session goes on, and what has happened
// meanwhile arrives once and in order.
func restart(t *testing.T, b *brokertest.Broker) {
	r := start(t, b, nil)
	seen := transporttest.NewCounted(t)
	conn, err := r.dial("")
	c := r.Tapped(seen.Tap, conn, err)
	ctx, cancel := transporttest.InTime()
	defer cancel()
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	seen.Send(r.Core, c.Session(), 1, 100)
	seen.Expect(1, 100)
	transporttest.Confirmed(t, r.server.Link) // or it may come again
	r.gate.Shut()
	b.Kill()
	seen.Send(r.Core, c.Session(), 101, 3000)
	b.Start()
	r.gate.Open()
	conn, err = r.dial("")
	again := r.Tapped(seen.Tap, conn, err)
	seen.Expect(101, 3000)
	ctx, cancel = transporttest.InTime()
	defer cancel()
	if m, err := again.RequestAbout(ctx, c.Session(), 0, client.Object{"janus": "keepalive"}); err != nil || m.Err() != nil {
		t.Errorf("the session is over: %v %v", m, err)
	}
	seen.Nothing()
}
