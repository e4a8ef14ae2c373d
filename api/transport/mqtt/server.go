// Package mqtt carries the Janus API and the Admin API over topics of an MQTT broker (OASIS
// MQTT 3.1.1 and 5.0): one JSON object a message, in both directions.
package mqtt

import (
	"context"
	"errors"
	"slices"
	"time"

	"bifrons/api/broker"
	"bifrons/api/broker/mqtt"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.mqtt"

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	Broker     mqtt.Config // without subscriptions, receiver and status
	API, Admin Address
	QoS        byte // of messages published for either API
	Window     int  // messages under way, 0 = the default
	Waiting    int  // messages that wait while there is no connection, 0 = as many as there is room for

	// Of MQTT 5: names of user properties that an answer gets from its request, others
	// that it gets, and how long after a request it may still get them.
	Proxied []string
	Added   []broker.Property
	Vacuum  time.Duration

	Status Status

	transport.Common
}

// Address is where one of the two APIs is served.
type Address struct {
	Enabled            bool
	Subscribe, Publish string // topics
	SubscribeQoS       byte
}

// Status is the message published about the server itself.
type Status struct {
	Topic               string // "" = nothing
	Connect, Disconnect string // messages, "" = none
	QoS                 byte
	Retain              bool
}

// Server is the MQTT transport.
type Server struct {
	*transport.Runner
	cfg Config
}

var _ janus.Transport = (*Server)(nil)

// New makes a Server; it is transport.ErrDisabled if neither API is served.
func New(cfg Config, core transport.Core) (*Server, error) {
	if !cfg.API.Enabled && !cfg.Admin.Enabled {
		return nil, transport.ErrDisabled
	}
	runner := transport.NewRunner(Package, &cfg.Common, core)
	s := &Server{Runner: runner, cfg: cfg}
	s.Link.Address, s.Link.Window, s.Link.Next, s.Link.State = cfg.Broker.Address, cfg.Window, s.next, s.state
	s.Link.Dial = mqtt.NewSession(s.session(), s.Link.Confirmed).Dial
	s.Relay.Limit(cfg.Waiting)
	return s, nil
}

func (s *Server) session() mqtt.Config {
	c := s.cfg.Broker
	c.Receiver = s
	for _, a := range []*Address{&s.cfg.API, &s.cfg.Admin} {
		if a.Enabled {
			c.Subscribe = append(c.Subscribe, mqtt.Subscription{Filter: a.Subscribe, QoS: a.SubscribeQoS})
		}
	}
	c.Online, c.Offline = s.cfg.Status.message(s.cfg.Status.Connect), s.cfg.Status.message(s.cfg.Status.Disconnect)
	c.Will = c.Offline
	return c
}

func (s *Status) message(text string) *broker.Message {
	if s.Topic == "" || text == "" {
		return nil
	}
	return &broker.Message{Topic: s.Topic, Body: []byte(text), QoS: s.QoS, Retain: s.Retain}
}

// destination is where an answer goes.
type destination struct {
	topic       string
	correlation []byte
	properties  []broker.Property
}

// Receive takes a request.
func (s *Server) Receive(m *broker.Message) {
	admin := s.cfg.Admin.Enabled && m.Topic == s.cfg.Admin.Subscribe
	usual := destination{topic: s.cfg.API.Publish}
	if admin {
		usual.topic = s.cfg.Admin.Publish
	}
	if s.cfg.Broker.Version < 5 {
		s.Relay.Handle(admin, m.Body, m.Again, func() any { return usual })
		return
	}
	if !admin && unnamed(m.Body) {
		return
	}
	to := s.answerTo(m, usual)
	came := time.Now()
	s.Relay.Handle(admin, m.Body, m.Again, func() any {
		if s.cfg.Vacuum > 0 && time.Since(came) > s.cfg.Vacuum {
			return usual
		}
		return to
	})
}

// unnamed reports whether a request has no transaction. A text that is no JSON object is none, for the
// core to say so.
func unnamed(body []byte) bool {
	doc, err := json.Parse(body)
	defer doc.Release()
	if err != nil || !json.IsObject(doc.Root()) {
		return false
	}
	_, named := json.Args{Value: doc.Root()}.Text("transaction")
	return !named
}

// answerTo is where the answer to a request of MQTT 5 goes (4.10).
func (s *Server) answerTo(m *broker.Message, usual destination) destination {
	to := destination{topic: usual.topic, correlation: append([]byte(nil), m.Correlation...)}
	if m.ReplyTo != "" {
		to.topic = m.ReplyTo
	}
	for _, p := range m.Properties {
		if slices.Contains(s.cfg.Proxied, p.Name) {
			to.properties = append(to.properties, p)
		}
	}
	to.properties = append(to.properties, s.cfg.Added...)
	return to
}

// next is the next message to send.
func (s *Server) next(ctx context.Context) *broker.Message {
	e, ok := s.Relay.Next(ctx)
	if !ok {
		return nil
	}
	to, isAnswer := e.To.(destination)
	if !isAnswer {
		to.topic = s.cfg.API.Publish
	}
	return &broker.Message{
		Topic: to.topic, Correlation: to.correlation, Properties: to.properties, QoS: s.cfg.QoS, Body: s.Control.Relayout(e.Bytes()),
	}
}

type happening struct {
	Event string `json:"event"`
	Code  *int   `json:"code,omitempty"`
}

// noCode is that of failures which are not the broker's word, as clients of the original
// know it.
const noCode = -1

func (s *Server) state(now broker.State, err error) {
	h := happening{}
	switch now {
	case broker.Connected:
		h.Event = "connected"
		s.Relay.Limit(0)
	case broker.Retrying:
		h.Event = "reconnecting"
	case broker.Failed:
		code := noCode
		if refused := (mqtt.Refused{}); errors.As(err, &refused) {
			code = int(refused.Code)
		}
		h.Event, h.Code = "failed", &code
	case broker.Lost:
		s.Relay.Limit(s.cfg.Waiting)
		if s.cfg.Broker.Version < 5 {
			return
		}
		h.Event = "disconnected"
	}
	s.Notify(h)
}

// Listeners are "mqtt" and "admin_mqtt", as far as they are on.
func (s *Server) Listeners() (list []transport.Listener) {
	scheme := "mqtt://"
	if s.cfg.Broker.TLS.On {
		scheme = "mqtts://"
	}
	for i, a := range []*Address{&s.cfg.API, &s.cfg.Admin} {
		if a.Enabled {
			name := [...]string{"mqtt", "admin_mqtt"}[i]
			list = append(list, transport.Listener{Name: name, Admin: i == 1, URL: scheme + s.cfg.Broker.Address + ", " + a.Subscribe})
		}
	}
	return list
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "MQTT", 1) }
