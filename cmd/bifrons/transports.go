package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"bifrons/api/config"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/transport"
	"bifrons/api/transport/mqtt"
	"bifrons/api/transport/nanomsg"
	"bifrons/api/transport/pfunix"
	"bifrons/api/transport/rabbitmq"
	"bifrons/api/transport/rest"
	"bifrons/api/transport/websockets"
	"bifrons/api/web"
)

// carrier is a transport as the server runs it.
type carrier interface {
	janus.Transport
	Start()
	Listeners() []transport.Listener
}

// flusher is a carrier whose clients come to fetch their events.
type flusher interface {
	// Flush waits until they have fetched all, or ctx ends.
	Flush(ctx context.Context)
}

// transports is the list of all transports, by the names that they have in
// settings, in the order in which they are opened: the page of HTTP says where the
// WebSockets are.
var transports = []struct {
	name string
	open func(s *server, demos string) (carrier, error)
}{
	{"websockets", func(s *server, _ string) (carrier, error) { return websockets.New(s.wsConfig(), s.core) }},
	{"http", func(s *server, demos string) (carrier, error) {
		cfg, err := s.httpConfig(demos)
		if err != nil {
			return nil, err
		}
		return rest.New(cfg, s.core)
	}},
	{"pfunix", func(s *server, _ string) (carrier, error) { return pfunix.New(s.unixConfig(), s.core) }},
	{"rabbitmq", func(s *server, _ string) (carrier, error) { return rabbitmq.New(s.rabbitConfig(), s.core) }},
	{"mqtt", func(s *server, _ string) (carrier, error) { return mqtt.New(s.mqttConfig(), s.core) }},
	{"nanomsg", func(s *server, _ string) (carrier, error) { return nanomsg.New(s.nanomsgConfig(), s.core) }},
}

// startTransports opens the listeners that are configured. It is an error if
// the Janus API cannot be reached by any.
func (s *server) startTransports(demos string) error {
	var errs []error
	if err := s.startWHIP(); err != nil {
		errs = append(errs, err)
	}
	for _, t := range transports {
		if s.cfg.Server.Transports.Disabled(t.name) {
			continue
		}
		c, err := t.open(s, demos)
		switch {
		case err == nil:
			s.carriers = append(s.carriers, c)
			s.core.AddTransport(c)
		case !errors.Is(err, transport.ErrDisabled):
			errs = append(errs, fmt.Errorf("%s: %w", t.name, err))
		}
	}
	if err := s.reachable(s.listening(false), s.listening(true), errs); err != nil {
		return err
	}
	for _, err := range errs {
		s.log.Error("transport not started", "error", err)
	}
	for _, c := range s.carriers {
		c.Start()
	}
	if s.whip != nil {
		s.whip.Start()
	}
	return nil
}

// listeners are those of all transports.
func (s *server) listeners() (list []transport.Listener) {
	for _, c := range s.carriers {
		list = append(list, c.Listeners()...)
	}
	return list
}

// listening reports whether there is a listener for the Janus API, or the Admin API.
func (s *server) listening(admin bool) bool {
	for _, l := range s.listeners() {
		if l.Admin == admin {
			return true
		}
	}
	return false
}

// port is that of the first listener with a name, 0 if there is none.
func (s *server) port(name string) int {
	for _, l := range s.listeners() {
		if t, ok := l.Addr.(*net.TCPAddr); ok && l.Name == name {
			return t.Port
		}
	}
	return 0
}

func (s *server) httpConfig(demos string) (rest.Config, error) {
	c := &s.cfg.HTTP
	g, a := &c.General, &c.Admin
	page, err := web.Page(s.pageSettings())
	if err != nil {
		return rest.Config{}, err
	}
	dashboard, err := web.Dashboard(web.Settings{BasePath: a.BasePath})
	if err != nil {
		return rest.Config{}, err
	}
	hc := rest.Config{
		API: rest.API{
			BasePath: g.BasePath,
			HTTP:     address(g.HTTP, g.Port, g.IP, g.Interface, ""),
			HTTPS:    address(g.HTTPS, g.SecurePort, g.SecureIP, g.SecureInterface, ""),
			ACL:      transport.NewACL(g.ACL, g.ACLForwarded),
		},
		Admin: rest.API{
			BasePath: a.BasePath,
			HTTP:     address(a.HTTP, a.Port, a.IP, a.Interface, ""),
			HTTPS:    address(a.HTTPS, a.SecurePort, a.SecureIP, a.SecureInterface, ""),
			ACL:      transport.NewACL(a.ACL, a.ACLForwarded),
		},
		Origins:     transport.Origins{Allow: c.CORS.AllowOrigin, Enforce: c.CORS.Enforce},
		Certificate: certificate(c.Certificates),
		MaxConns:    g.ConnectionLimit,
		Gate:        s.gate,
		Bodies:      s.bodies,
		Page:        page,
		Dashboard:   dashboard,
		Files:       s.serveFile,
		Ready:       s.ready,
		Metrics:     s.metrics(),
		Common:      s.common(rest.Package, g.JSON, g.Events),
	}
	if s.whip != nil {
		hc.Others = s.whip
	}
	if demos != "" {
		hc.Demos = web.Demos(demos)
	}
	return hc, nil
}

// serveFile answers for a file of a plugin.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request) bool {
	for _, f := range s.files {
		if f.ServeFile(w, r) {
			return true
		}
	}
	return false
}

// pageSettings tells the embedded page where the API is.
func (s *server) pageSettings() web.Settings {
	w := web.Settings{BasePath: s.cfg.HTTP.General.BasePath, Version: module.APIVersionString}
	w.WS, w.WSS = s.port("ws"), s.port("wss")
	return w
}

func (s *server) wsConfig() websockets.Config {
	c := &s.cfg.WebSockets
	g, a := &c.General, &c.Admin
	return websockets.Config{
		API: websockets.API{
			WS:  address(g.WS, g.Port, g.IP, g.Interface, g.Unix),
			WSS: address(g.WSS, g.SecurePort, g.SecureIP, g.SecureInterface, g.SecureUnix),
			ACL: transport.NewACL(g.ACL, g.ACLForwarded),
		},
		Admin: websockets.API{
			WS:  address(a.WS, a.Port, a.IP, a.Interface, a.Unix),
			WSS: address(a.WSS, a.SecurePort, a.SecureIP, a.SecureInterface, a.SecureUnix),
			ACL: transport.NewACL(a.ACL, a.ACLForwarded),
		},
		Origins:     transport.Origins{Allow: c.CORS.AllowOrigin, Enforce: c.CORS.Enforce},
		Certificate: certificate(c.Certificates),
		Gate:        s.gate,
		Bodies:      s.bodies,
		PingTrigger: g.PingPongTrigger,
		PingTimeout: g.PingPongTimeout,
		Common:      s.common(websockets.Package, g.JSON, g.Events),
	}
}

// common is what all transports are told.
func (s *server) common(pkg, layout string, events bool) transport.Common {
	l, _ := json.ParseLayout(layout)
	return transport.Common{Queues: s.queues, Layout: l, Events: events, Notify: s.notifier(pkg), Log: s.log}
}

func address(on bool, port uint16, ip netip.Addr, ifc, path string) transport.Address {
	return transport.Address{Enabled: on, Port: int(port), IP: ip, Interface: ifc, Path: path}
}

func certificate(t config.TLS) transport.Certificate {
	return transport.Certificate{PEM: t.Cert, Key: t.Key, Password: t.Password}
}
