package main

import (
	"fmt"
	"time"

	"bifrons/api/config"
	"bifrons/api/turnrest"
	"bifrons/ice/turn"
	"bifrons/sfu"
)

// setTURN sets where the server's own relays are.
func (s *server) setTURN(m *sfu.Config) error {
	n := &s.cfg.Server.NAT
	if n.TURNServer != "" {
		m.TURNServer = turn.Server{
			Transport: turn.Transport(n.TURNType), Host: n.TURNServer, Port: n.TURNPort,
			Username: n.TURNUser, Password: n.TURNPassword,
		}
	}
	c, err := s.turnAPI()
	if err != nil {
		return err
	}
	if c != nil {
		m.TURNServers = c.Servers
	}
	switch any := n.TURNServer != "" || n.TURNRESTAPI != ""; {
	case any && n.ICELite:
		s.log.Warn("ICE lite has no relayed candidates, the TURN server is not used")
	case !any && n.AllowForceRelay:
		s.log.Warn("allow_force_relay is set, but neither turn_server nor turn_rest_api: clients that ask for it will not connect")
	}
	return nil
}

// turnAPI is the TURN REST API, nil if there is none.
func (s *server) turnAPI() (*turnrest.Client, error) {
	n := &s.cfg.Server.NAT
	if n.TURNRESTAPI == "" {
		return nil, nil
	}
	c, err := turnrest.New(turnrest.Config{
		URL: n.TURNRESTAPI, Key: n.TURNRESTAPIKey, Method: n.TURNRESTAPIMethod, Timeout: n.TURNRESTAPITimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("nat.turn_rest_api: %w", err)
	}
	return c, nil
}

// turnName is a TURN server as info shows it.
func turnName(t turn.Server) string {
	if t.Host == "" {
		return ""
	}
	return t.Addr()
}

// relayWait is how long the TURN REST API may take.
func relayWait(n *config.NAT) time.Duration {
	if n.TURNRESTAPI == "" || n.ICELite {
		return 0
	}
	return n.TURNRESTAPITimeout
}
