package main

import (
	"bifrons/api/broker"
	"bifrons/api/transport/mqtt"
	"bifrons/api/transport/nanomsg"
	"bifrons/api/transport/rabbitmq"
)

func (s *server) rabbitConfig() rabbitmq.Config {
	c := &s.cfg.RabbitMQ
	g, a := &c.General, &c.Admin
	return rabbitmq.Config{
		Host: g.Host, Port: g.Port, VHost: g.VHost, User: g.Username, Password: g.Password,
		TLS: g.Security(), Heartbeat: g.Heartbeat,
		Exchange: g.Exchange, ExchangeType: g.ExchangeType,
		API: rabbitmq.Address{
			Enabled: g.Enabled, Queue: g.Queue, To: g.To, From: g.From,
			Durable: g.Durable, Exclusive: g.Exclusive, AutoDelete: g.AutoDelete, DeclareFrom: g.DeclareFrom,
		},
		Admin: rabbitmq.Address{
			Enabled: a.Enabled, Queue: a.Queue, To: a.To, From: a.From,
			Durable: a.Durable, Exclusive: a.Exclusive, AutoDelete: a.AutoDelete, DeclareFrom: a.DeclareFrom,
		},
		Common: s.common(rabbitmq.Package, g.JSON, g.Events),
	}
}

func (s *server) mqttConfig() mqtt.Config {
	c := &s.cfg.MQTT
	g, a := &c.General, &c.Admin
	cfg := mqtt.Config{
		Broker: g.Connection(c.Security()),
		API:    mqtt.Address{Enabled: g.Enabled, Subscribe: g.Subscribe, Publish: g.Publish, SubscribeQoS: byte(g.SubscribeQoS)},
		Admin:  mqtt.Address{Enabled: a.Enabled, Subscribe: a.Subscribe, Publish: a.Publish, SubscribeQoS: byte(a.SubscribeQoS)},
		QoS:    byte(g.PublishQoS), Window: g.MaxInflight, Waiting: g.MaxBuffered,
		Proxied: g.Proxied, Vacuum: g.Vacuum,
		Common: s.common(mqtt.Package, g.JSON, g.Events),
	}
	for _, p := range g.Added {
		cfg.Added = append(cfg.Added, broker.Property{Name: p[0], Value: p[1]})
	}
	if st := &c.Status; st.Enabled {
		cfg.Status = mqtt.Status{Topic: st.Topic, Connect: st.Connect, Disconnect: st.Disconnect, QoS: byte(st.QoS), Retain: st.Retain}
	}
	return cfg
}

func (s *server) nanomsgConfig() nanomsg.Config {
	c := &s.cfg.Nanomsg
	return nanomsg.Config{
		API:    nanomsg.Address{Enabled: c.General.Enabled, Connect: c.General.Mode == "connect", Address: c.General.Address},
		Admin:  nanomsg.Address{Enabled: c.Admin.Enabled, Connect: c.Admin.Mode == "connect", Address: c.Admin.Address},
		Common: s.common(nanomsg.Package, c.General.JSON, c.General.Events),
	}
}
