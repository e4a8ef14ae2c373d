// Package mqttevh delivers events to an MQTT broker (OASIS MQTT 3.1.1 and 5.0), one in each
// message.
package mqttevh

import (
	"context"
	"log/slog"

	"bifrons/api/broker"
	"bifrons/api/broker/mqtt"
	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.mqttevh"

// Settings are those of janus.eventhandler.mqttevh.jcfg.
type Settings struct {
	event.Settings // without grouping
	config.MQTTBroker
	Topic    string `cfg:"topic"`
	AddEvent bool   `cfg:"addevent"` // the type of an event is part of its topic
	QoS      int    `cfg:"qos" range:"0..2"`
	Retain   bool   `cfg:"retain"`

	Connect     string `cfg:"connect_status"` // messages about the handler itself
	Disconnect  string `cfg:"disconnect_status"`
	WillEnabled bool   `cfg:"will_enabled"`
	WillRetain  bool   `cfg:"will_retain"`
	WillQoS     int    `cfg:"will_qos" range:"0..2"`

	TLS            bool   `cfg:"tls_enable,ssl_enable,ssl_enabled"`
	CA             string `cfg:"tls_cacert,ssl_cacert"` // paths of PEM files
	Cert           string `cfg:"tls_client_cert,ssl_client_cert,ssl_cert"`
	Key            string `cfg:"tls_client_key,ssl_client_key,ssl_key"`
	VerifyPeer     bool   `cfg:"tls_verify_peer,ssl_verify_peer" guard:"any server may pass for the broker"`
	VerifyHostname bool   `cfg:"tls_verify_hostname,ssl_verify_hostname" guard:"another server may pass for the broker"`
	Ciphers        string `cfg:"tls_ciphers,ssl_ciphers"` // of no effect, like the next
	TLSVersion     string `cfg:"tls_version,ssl_version"`

	Added config.Pairs `cfg:"add_user_properties"` // of MQTT 5
}

// Defaults are the settings of an empty file.
func Defaults() Settings {
	return Settings{
		Settings: event.Defaults(), MQTTBroker: config.DefaultMQTTEvents(),
		Topic: "/janus/events", AddEvent: true, QoS: 1,
		Connect:    `{"event": "connected", "eventhandler": "` + Package + `"}`,
		Disconnect: `{"event": "disconnected"}`,
		WillRetain: true,
	}
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	s.Grouping = false
	if !s.Enabled {
		return s, problems
	}
	if mqtt.CheckTopic(s.Topic) != nil {
		problems = append(problems, config.Problem{File: Package, Section: "general", Key: "topic", Value: s.Topic, Accepted: "a topic without + and #"})
	}
	return s, append(problems, s.Check(Package, "tls_enable", s.security())...)
}

func (s *Settings) security() broker.TLS {
	return broker.TLS{On: s.TLS, CA: s.CA, Cert: s.Cert, Key: s.Key, VerifyServer: s.VerifyPeer, VerifyName: s.VerifyHostname}
}

// status is a message about the handler itself; nil = none. It is retained, as
// the original has it, unless the last will must not be, which it has to replace.
func (s *Settings) status(text string, qos int) *broker.Message {
	if text == "" {
		return nil
	}
	return &broker.Message{Topic: s.Topic + "/status", Body: []byte(text), QoS: byte(qos), Retain: s.WillRetain}
}

// Handler is the event handler.
type Handler struct {
	event.Fixed
	settings Settings
	log      *slog.Logger
}

// New makes a Handler.
func New(s Settings, log *slog.Logger) *Handler { return &Handler{settings: s, log: log} }

// Info describes the handler in server_info.
func (h *Handler) Info() module.Info {
	i := event.Info(Package, "MQTT", "an MQTT broker")
	i.VersionString = "0.1.0"
	return i
}

// Run delivers events, as the quality of service has it: with 2 they arrive once, whatever
// becomes of connections.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	s := &h.settings
	cfg := s.Connection(s.security())
	cfg.Online, cfg.Offline = s.status(s.Connect, s.QoS), s.status(s.Disconnect, s.QoS)
	if s.WillEnabled {
		cfg.Will = s.status(s.Disconnect, s.WillQoS)
	}
	link := &broker.Link{Name: Package, Address: cfg.Address, Log: h.log, Window: s.MaxInflight}
	link.Dial = mqtt.NewSession(cfg, link.Confirmed).Dial
	o.Publish(ctx, link, s.MaxBuffered, true, func(list []*janus.Notification) *broker.Message { return h.message(o, list[0]) })
}

func (h *Handler) message(o *event.Outlet, n *janus.Notification) *broker.Message {
	s := &h.settings
	w := json.NewWriter(make([]byte, 0, 512))
	event.AppendWith(w, o.Emitter(), n, func(w *json.Writer) { w.Str("eventtype", event.Name(n.Type)) })
	m := &broker.Message{Topic: s.Topic, Body: o.Layout(w.Bytes()), QoS: byte(s.QoS), Retain: s.Retain}
	if s.AddEvent {
		m.Topic += "/" + event.Label(n.Type)
	}
	for _, p := range s.Added {
		m.Properties = append(m.Properties, broker.Property{Name: p[0], Value: p[1]})
	}
	return m
}
