package main

import (
	"bifrons/api/broker"
	"bifrons/api/json"
	"bifrons/api/transport/mqtt"
	"bifrons/api/transport/nanomsg"
	"bifrons/api/transport/rabbitmq"
)

func (s *server) rabbitConfig() rabbitmq.Config {
	c := &s.cfg.RabbitMQ
	g, a := &c.General, &c.Admin
	layout, _ := json.ParseLayout(g.JSON)
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
		Queues: s.queues, Layout: layout, Events: g.Events, Notify: s.notifier(rabbitmq.Package), Log: s.log,
	}
}

func (s *server) mqttConfig() mqtt.Config {
	c := &s.cfg.MQTT
	g, a := &c.General, &c.Admin
	layout, _ := json.ParseLayout(g.JSON)
	cfg := mqtt.Config{
		Broker: g.Connection(c.Security()),
		API:    mqtt.Address{Enabled: g.Enabled, Subscribe: g.Subscribe, Publish: g.Publish, SubscribeQoS: byte(g.SubscribeQoS)},
		Admin:  mqtt.Address{Enabled: a.Enabled, Subscribe: a.Subscribe, Publish: a.Publish, SubscribeQoS: byte(a.SubscribeQoS)},
		QoS:    byte(g.PublishQoS), Window: g.MaxInflight, Waiting: g.MaxBuffered,
		Proxied: g.Proxied, Vacuum: g.Vacuum,
		Queues: s.queues, Layout: layout, Events: g.Events, Notify: s.notifier(mqtt.Package), Log: s.log,
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
	layout, _ := json.ParseLayout(c.General.JSON)
	return nanomsg.Config{
		API:    nanomsg.Address{Enabled: c.General.Enabled, Connect: c.General.Mode == "connect", Address: c.General.Address},
		Admin:  nanomsg.Address{Enabled: c.Admin.Enabled, Connect: c.Admin.Mode == "connect", Address: c.Admin.Address},
		Queues: s.queues, Layout: layout, Events: c.General.Events, Notify: s.notifier(nanomsg.Package), Log: s.log,
	}
}
