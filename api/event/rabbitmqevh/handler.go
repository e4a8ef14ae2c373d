// Package rabbitmqevh delivers events to a RabbitMQ broker (AMQP 0-9-1).
package rabbitmqevh

import (
	"context"
	"log/slog"

	"bifrons/api/broker"
	"bifrons/api/broker/amqp"
	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/module"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.rabbitmqevh"

// Settings are those of janus.eventhandler.rabbitmqevh.jcfg.
type Settings struct {
	event.Settings
	config.AMQP
	RouteKey     string `cfg:"route_key"`
	Exchange     string `cfg:"exchange"` // "" = the default one
	ExchangeType string `cfg:"exchange_type" enum:"fanout|direct|topic|headers"`
	Declare      bool   `cfg:"declare_outgoing_queue"` // that is called as the routing key
}

// Defaults are the settings of an empty file.
func Defaults() Settings {
	return Settings{Settings: event.Defaults(), AMQP: config.DefaultAMQP(), ExchangeType: "fanout", Declare: true}
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	if !s.Enabled {
		return s, problems
	}
	if s.RouteKey == "" {
		problems = append(problems, config.Problem{File: Package, Section: "general", Key: "route_key", Text: "is not set, and has no default"})
	}
	return s, append(problems, s.Check(Package, "ssl_enable")...)
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
func (h *Handler) Info() module.Info { return event.Info(Package, "RabbitMQ", "a RabbitMQ broker") }

// Run delivers events. Those that the broker has not confirmed when a connection breaks are
// sent again over the next.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	s := &h.settings
	cfg := amqp.Config{
		Host: s.Host, Port: s.Port, VHost: s.VHost, User: s.Username, Password: s.Password,
		TLS: s.Security(), Heartbeat: s.Heartbeat, Exchange: s.Exchange, ExchangeType: s.ExchangeType,
	}
	if s.Declare {
		cfg.Declare = []string{s.RouteKey}
	}
	link := &broker.Link{Name: Package, Address: cfg.Address(), Log: h.log}
	link.Dial = func(ctx context.Context) (broker.Wire, error) { return amqp.Dial(ctx, cfg, link.Confirmed) }
	o.Publish(ctx, link, 0, false, func(list []*janus.Notification) *broker.Message {
		return &broker.Message{Topic: s.RouteKey, Body: o.Message(list)}
	})
}
