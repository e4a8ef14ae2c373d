// Package rabbitmq carries the Janus API and the Admin API over queues of a RabbitMQ broker
// (AMQP 0-9-1): one JSON object a message, in both directions.
package rabbitmq

import (
	"context"
	"log/slog"
	"time"

	"bifrons/api/broker"
	"bifrons/api/broker/amqp"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.rabbitmq"

// replyTo is what all messages say about where to reply.
const replyTo = "Janus"

// Config is what a Server needs to know. Zero values stand for the defaults.
type Config struct {
	Host           string
	Port           uint16
	VHost          string
	User, Password string
	TLS            broker.TLS
	Heartbeat      time.Duration

	Exchange, ExchangeType string
	API, Admin             Address

	Queues *transport.Account // for what waits to be sent, shared; default transport.QueueBytes
	Layout json.Layout

	// Events lets transport events through to Notify, which takes JSON
	// objects for the event handlers, and the id of the connection that they
	// are about; nil if there is none.
	Events bool
	Notify func(conn string, event []byte)

	Log *slog.Logger // default slog.Default()
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
	cfg     Config
	control *transport.Control
	runner  transport.Runner
}

var _ janus.Transport = (*Server)(nil)

// connection is the id of the only one.
const connection = "1"

// New makes a Server; it is transport.ErrDisabled if neither API is served.
func New(cfg Config, core transport.Core) (*Server, error) {
	transport.SetDefaults(&cfg.Log, &cfg.Queues)
	if !cfg.API.Enabled && !cfg.Admin.Enabled {
		return nil, transport.ErrDisabled
	}
	s := &Server{cfg: cfg, control: transport.NewControl(cfg.Layout, cfg.Events, cfg.Notify)}
	relay := transport.NewRelay(transport.RelayConfig{Package: Package, ID: connection, Queues: cfg.Queues, Log: cfg.Log}, core)
	link := &broker.Link{Name: Package, Log: cfg.Log, Next: s.next, State: s.state}
	dial := s.dialConfig()
	link.Address = dial.Address()
	link.Dial = func(ctx context.Context) (broker.Wire, error) { return amqp.Dial(ctx, dial, link.Confirmed) }
	s.runner = transport.Runner{Relay: relay, Link: link}
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

// Start begins to connect, and serves until Close.
func (s *Server) Start() { s.runner.Start() }

// Close lets what is to be sent go for a short while, and ends the connection.
func (s *Server) Close() { s.runner.Close() }

// Ready waits until a request may be taken.
func (s *Server) Ready(ctx context.Context) bool { return s.runner.Relay.Ready(ctx) }

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
	s.runner.Relay.Handle(admin, m.Body, m.Again, func() any { return to })
}

// next is the next message to send.
func (s *Server) next(ctx context.Context) *broker.Message {
	e, ok := s.runner.Relay.Next(ctx)
	if !ok {
		return nil
	}
	to, isAnswer := e.To.(destination)
	if !isAnswer {
		to.key = s.cfg.API.From
	}
	return &broker.Message{Topic: to.key, Correlation: to.correlation, ReplyTo: replyTo, Body: s.control.Relayout(e.Bytes())}
}

type happening struct {
	Event string `json:"event"`
}

func (s *Server) state(now broker.State, _ error) {
	if now == broker.Connected {
		s.control.Notify(connection, happening{"connected"})
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
			list = append(list, transport.Listener{Name: name, Admin: i == 1, URL: scheme + s.runner.Link.Address + ", " + a.To})
		}
	}
	return list
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "RabbitMQ", 1) }

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte { return s.control.Query(request, nil) }
