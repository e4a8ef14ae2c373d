package mqtt

import (
	"testing"

	"bifrons/api/broker"
	"bifrons/api/broker/brokertest"
	"bifrons/api/client"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

// TestTLS has a broker that wants a certificate of its clients. What is wrong is told in the
// log, without passwords.
func TestTLS(t *testing.T) {
	waittest.NoLeaks(t)
	pki := brokertest.NewPKI(t, "127.0.0.1")
	b := brokertest.Mosquitto(t, "cafile "+pki.CA, "certfile "+pki.Cert, "keyfile "+pki.Key, "require_certificate true")
	good := broker.TLS{On: true, CA: pki.CA, Cert: pki.ClientCert, Key: pki.ClientKey, VerifyServer: true, VerifyName: true}
	open := func(t *testing.T, id string, security broker.TLS) *transporttest.Lines {
		lab := transporttest.New(t)
		lines := transporttest.NewLines()
		cfg := config(b.Address(), 5)
		cfg.Broker.TLS, cfg.Broker.ClientID, cfg.Broker.User, cfg.Broker.Password, cfg.Log = security, id, "user", "not for the log", lines.Logger()
		s, err := New(cfg, lab.Core)
		lab.Carry(s, err)
		return lines
	}
	open(t, "good", good).Await(t, "connected to the broker")
	nobody, stranger := good, good
	nobody.Cert, nobody.Key = "", ""
	stranger.CA = brokertest.NewPKI(t, "127.0.0.1").CA
	for name, bad := range map[string]broker.TLS{"nobody": nobody, "stranger": stranger, "plain": {}} {
		lines := open(t, name, bad)
		lines.Await(t, "no connection to the broker")
		lines.Lacks(t, "not for the log")
	}
}

// TestStolen: another client that takes the name of the server does not end its sessions.
func TestStolen(t *testing.T) {
	waittest.NoLeaks(t)
	b := brokertest.Mosquitto(t)
	lab, gate, link := started(t, 4, b, nil)
	c := lab.Dial(dial(t, 4, b, false))
	ctx, cancel := transporttest.InTime()
	defer cancel()
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	before := gate.Passed()
	thief, err := client.MQTT(client.MQTTOptions{Address: b.Address(), ClientID: "server", To: "x", From: "y"})
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the server is back", func() bool { return gate.Passed() > before && link.Up() })
	_ = thief.Close(true)
	if m, err := c.Request(ctx, client.Object{"janus": "keepalive"}); err != nil || m.Err() != nil {
		t.Errorf("%v %v", m, err)
	}
}
