package main

import (
	"context"
	"fmt"

	"bifrons/api/config"
	"bifrons/api/whip"
	"bifrons/ice/turn"
)

// startWHIP makes what serves WHIP and WHEP, if there are settings for it. It serves on the
// listeners of HTTP, and on its own once these are started.
func (s *server) startWHIP() error {
	c, on, problems := whip.Load(s.cfg.Folder)
	config.Report(s.log, problems)
	if !on || s.cfg.Server.Transports.Disabled("whip") {
		return nil
	}
	relays, err := s.relays()
	if err != nil {
		return err
	}
	c.Gate, c.Bodies, c.Log, c.Relays = s.gate, s.bodies, s.log, relays
	c.Trusted = s.cfg.Server.General.TrustedProxies
	c.MaxConns = s.cfg.HTTP.General.ConnectionLimit
	if s.whip, err = whip.New(c, s.core); err != nil {
		return fmt.Errorf("WHIP: %w", err)
	}
	s.core.AddTransport(s.whip)
	return nil
}

// relays asks the TURN REST API for what clients of WHIP and WHEP are told; nil if there is
// none.
func (s *server) relays() (func(ctx context.Context, user string) []whip.ICEServer, error) {
	c, err := s.turnAPI()
	if c == nil {
		return nil, err
	}
	return func(ctx context.Context, user string) (list []whip.ICEServer) {
		servers, err := c.Servers(ctx, user)
		if err != nil {
			s.log.Warn("no relays for a client of WHIP or WHEP", "error", err)
		}
		for _, x := range servers {
			list = append(list, whip.ICEServer{URL: turnURL(x), Username: x.Username, Credential: x.Password})
		}
		return list
	}, nil
}

// turnURL is the URI of a TURN server (RFC 7065).
func turnURL(t turn.Server) string {
	switch t.Transport {
	case turn.TLS:
		return "turns:" + t.Addr() + "?transport=tcp"
	case turn.TCP:
		return "turn:" + t.Addr() + "?transport=tcp"
	}
	return "turn:" + t.Addr() + "?transport=udp"
}
