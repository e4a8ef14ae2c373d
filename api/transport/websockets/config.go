// Package websockets carries the Janus API and the Admin API over WebSockets
// (RFC 6455): one JSON object a message, in both directions.
package websockets

import (
	"time"

	"bifrons/api/budget"
	"bifrons/api/janus"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.websockets"

// Subprotocols (RFC 6455, 1.9) that clients have to ask for.
const (
	Protocol      = "janus-protocol"
	AdminProtocol = "janus-admin-protocol"
)

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	API, Admin API

	Origins     transport.Origins
	Certificate transport.Certificate // for the WSS listeners
	MaxConns    int                   // of each listener; 0: any number
	Gate        *transport.Gate       // that all transports share; nil: no other limits
	Bodies      *budget.Budget        // for the bodies being received, shared; default transport.BodyBytes
	MaxMessage  int64                 // bytes of an incoming message; default 1 MiB
	transport.Common

	// A connection that was silent for PingTrigger is sent a ping, and is
	// closed when it stays silent for PingTimeout more. Zero in either turns
	// this off.
	PingTrigger, PingTimeout time.Duration

	// A connection on which nobody makes or claims a session, or uses the Admin
	// API, is closed after SessionTimeout; default 1 min.
	SessionTimeout time.Duration

	// BodyTimeout is how long a client may take to send a message once it has begun;
	// default transport.BodyTimeout.
	BodyTimeout time.Duration
}

// API is where and for whom one of the two APIs is served.
type API struct {
	WS, WSS transport.Address
	ACL     transport.ACL
}

func (a *API) ports() transport.Ports {
	return transport.Ports{Plain: a.WS, Secure: a.WSS, ACL: a.ACL}
}

func (c *Config) setDefaults() {
	if c.MaxMessage <= 0 {
		c.MaxMessage = 1 << 20
	}
	if c.SessionTimeout <= 0 {
		c.SessionTimeout = time.Minute
	}
	if c.BodyTimeout <= 0 {
		c.BodyTimeout = transport.BodyTimeout
	}
	if c.Bodies == nil {
		c.Bodies = budget.New(transport.BodyBytes)
	}
}

// Core is the part of the core that a Server uses; janus.Core implements it.
type Core interface {
	Handle(conn janus.Conn, r janus.Request, reply func(msg []byte))
	Gone(conn janus.Conn)
}
