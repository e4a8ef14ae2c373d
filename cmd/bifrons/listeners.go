package main

import (
	"net/netip"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/transport"
	"bifrons/api/transport/websockets"
)

func (s *server) wsConfig() websockets.Config {
	c := &s.cfg.WebSockets
	g, a := &c.General, &c.Admin
	layout, _ := json.ParseLayout(g.JSON)
	return websockets.Config{
		API: websockets.API{
			WS:  endpoint(g.WS, g.Port, g.IP, g.Interface, g.Unix),
			WSS: endpoint(g.WSS, g.SecurePort, g.SecureIP, g.SecureInterface, g.SecureUnix),
			ACL: transport.NewACL(g.ACL, g.ACLForwarded),
		},
		Admin: websockets.API{
			WS:  endpoint(a.WS, a.Port, a.IP, a.Interface, a.Unix),
			WSS: endpoint(a.WSS, a.SecurePort, a.SecureIP, a.SecureInterface, a.SecureUnix),
			ACL: transport.NewACL(a.ACL, a.ACLForwarded),
		},
		Origins:     transport.Origins{Allow: c.CORS.AllowOrigin, Enforce: c.CORS.Enforce},
		Certificate: certificate(c.Certificates),
		Gate:        s.gate,
		Bodies:      s.bodies,
		Queues:      s.queues,
		Layout:      layout,
		PingTrigger: g.PingPongTrigger,
		PingTimeout: g.PingPongTimeout,
		Events:      g.Events,
		Notify:      s.notifier(websockets.Package),
		Log:         s.log,
	}
}

func endpoint(on bool, port uint16, ip netip.Addr, ifc, path string) transport.Endpoint {
	return transport.Endpoint{Enabled: on, Port: int(port), IP: ip, Interface: ifc, Path: path}
}

func certificate(t config.TLS) transport.Certificate {
	return transport.Certificate{PEM: t.Cert, Key: t.Key, Password: t.Password}
}
