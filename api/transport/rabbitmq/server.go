// Package rabbitmq carries the Janus API and the Admin API over queues of a RabbitMQ broker
// (AMQP 0-9-1): one JSON object a message, in both directions.
package rabbitmq

import (
	"context"
	"time"

	"bifrons/api/broker"
	"bifrons/api/broker/amqp"
	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.rabbitmq"

// replyTo is where to reply to all messages.
const replyTo = "Janus"

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	Host           string
	Port           uint16
	VHost          string
	User, Password string
	TLS            broker.TLS
	Heartbeat      time.Duration

	Exchange, ExchangeType string
	API, Admin             Address

	transport.Common
}

// Address is where one of the two APIs is served.
type Address struct {
	Enabled                        bool
	Queue                          string // for requests; "" = one that is called as To
	To, From                       string // routing keys of requests and replies
	Durable, Exclusive, AutoDelete bool   // of the queue for requests
	DeclareFrom                    bool   // a queue that is called as From
}

// Server is the RabbitMQ transport.
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
	dial := s.dialConfig()
	s.Link.Address, s.Link.Next, s.Link.State = dial.Address(), s.next, s.state
	s.Link.Dial = func(ctx context.Context) (broker.Wire, error) { return amqp.Dial(ctx, dial, s.Link.Confirmed) }
	return s, nil
}

func (s *Server) dialConfig() amqp.Config {
	c := &s.cfg
	d := amqp.Config{
		Host: c.Host, Port: c.Port, VHost: c.VHost, User: c.User, Password: c.Password, TLS: c.TLS, Heartbeat: c.Heartbeat,
		Exchange: c.Exchange, ExchangeType: c.ExchangeType, Receiver: s,
	}
	for _, a := range []*Address{&c.API, &c.Admin} {
		if !a.Enabled {
			continue
		}
		if a.DeclareFrom {
			d.Declare = append(d.Declare, a.From)
		}
		q := amqp.Queue{Name: a.To, Durable: a.Durable, Exclusive: a.Exclusive, AutoDelete: a.AutoDelete}
		if a.Queue != "" {
			q.Name = a.Queue
			if c.Exchange != "" && (c.ExchangeType == "topic" || c.ExchangeType == "direct") {
				q.Key = a.To
			}
		}
		d.Consume = append(d.Consume, q)
	}
	return d
}

// destination is where an answer goes.
type destination struct {
	key         string
	correlation []byte
}

// Receive takes a request.
func (s *Server) Receive(m *broker.Message) {
	admin := s.cfg.Admin.Enabled && (m.Topic == s.cfg.Admin.To || !s.cfg.API.Enabled)
	to := destination{s.cfg.API.From, m.Correlation}
	if admin {
		to.key = s.cfg.Admin.From
	}
	s.Relay.Handle(admin, m.Body, m.Again, func() any { return to })
}

// next is the next message to send.
func (s *Server) next(ctx context.Context) *broker.Message {
	e, ok := s.Relay.Next(ctx)
	if !ok {
		return nil
	}
	to, isAnswer := e.To.(destination)
	if !isAnswer {
		to.key = s.cfg.API.From
	}
	return &broker.Message{Topic: to.key, Correlation: to.correlation, ReplyTo: replyTo, Body: s.Control.Relayout(e.Bytes())}
}

type happening struct {
	Event string `json:"event"`
}

func (s *Server) state(now broker.State, _ error) {
	if now == broker.Connected {
		s.Notify(happening{"connected"})
	}
}

// Listeners are "rabbitmq" and "admin_rabbitmq", as far as they are on.
func (s *Server) Listeners() (list []transport.Listener) {
	scheme := "amqp://"
	if s.cfg.TLS.On {
		scheme = "amqps://"
	}
	for i, a := range []*Address{&s.cfg.API, &s.cfg.Admin} {
		if a.Enabled {
			name := [...]string{"rabbitmq", "admin_rabbitmq"}[i]
			list = append(list, transport.Listener{Name: name, Admin: i == 1, URL: scheme + s.Link.Address + ", " + a.To})
		}
	}
	return list
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "RabbitMQ", 1) }
