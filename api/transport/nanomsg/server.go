// Package nanomsg carries the Janus API and the Admin API over sockets of the pair pattern
// of nanomsg (NN_PAIR): one JSON object a message, in both directions, with one peer at a
// time.
package nanomsg

import (
	"context"
	"errors"
	"strconv"
	"time"

	"bifrons/api/broker/nanomsg"
	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/task"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.nanomsg"

// maxMessage is the size in bytes of the largest request; larger ones are dropped.
const maxMessage = 8192

// lastMessages is how long a peer has at the end to take the messages that wait for it.
const lastMessages = 2 * time.Second

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	API, Admin Address
	transport.Common
}

// Address is a socket on which one of the two APIs is served.
type Address struct {
	Enabled bool
	Connect bool // to a peer that listens
	Address string
}

// Server is the Nanomsg transport.
type Server struct {
	cfg       Config
	control   *transport.Control
	services  []*service
	listeners []transport.Listener
}

var _ janus.Transport = (*Server)(nil)

// service is one of the sockets.
type service struct {
	server *Server
	admin  bool
	relay  *transport.Relay
	socket *nanomsg.Socket
	taker  task.Tasks
	sender task.Tasks
	ctx    context.Context
	cancel context.CancelFunc
}

// New opens the sockets. Those that cannot be opened are logged; it is an error if none is
// left, transport.ErrDisabled if none was asked for.
func New(cfg Config, core transport.Core) (*Server, error) {
	control := cfg.Control()
	s := &Server{cfg: cfg, control: control}
	err := errors.Join(s.open("nanomsg", cfg.API, false, core), s.open("admin_nanomsg", cfg.Admin, true, core))
	if err := transport.Opened(len(s.services), err); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) open(name string, at Address, admin bool, core transport.Core) error {
	if !at.Enabled {
		return nil
	}
	socket, err := nanomsg.Open(nanomsg.Config{Kind: nanomsg.Pair, Connect: at.Connect, Address: at.Address})
	if err != nil {
		return transport.NotOpened(s.cfg.Log, Package, name, err)
	}
	id := strconv.Itoa(len(s.services) + 1)
	e := &service{server: s, admin: admin, socket: socket}
	e.relay = transport.NewRelay(transport.RelayConfig{Package: Package, ID: id, Queues: s.cfg.Queues, Log: s.cfg.Log}, core)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.taker.Log, e.sender.Log = s.cfg.Log, s.cfg.Log
	s.services = append(s.services, e)
	s.listeners = append(s.listeners, transport.Listener{Name: name, Admin: admin, URL: at.Address})
	return nil
}

type created struct {
	Event  string `json:"event"`
	Admin  bool   `json:"admin_api"`
	Socket int    `json:"socket"`
}

// Start serves peers until Close.
func (s *Server) Start() {
	for i, e := range s.services {
		s.control.Notify(e.relay.ID(), created{"created", e.admin, i})
		e.taker.Go(e.receive)
		e.sender.Go(e.send)
	}
}

// receive takes requests.
func (e *service) receive() {
	for e.relay.Ready(e.ctx) {
		body := e.socket.Receive(e.ctx)
		switch {
		case body == nil:
			return
		case len(body) <= maxMessage:
			e.relay.Handle(e.admin, body, false, func() any { return nil })
		default:
			e.server.cfg.Log.Debug("request too large, dropped", "transport", Package, "bytes", len(body))
		}
	}
}

// send sends the waiting messages whenever a peer is there.
func (e *service) send() {
	for {
		next, ok := e.relay.Next(e.ctx)
		if !ok || !e.socket.Send(e.ctx, e.server.control.Relayout(next.Bytes())) {
			return
		}
	}
}

// Listeners are "nanomsg" and "admin_nanomsg", as far as they are open.
func (s *Server) Listeners() []transport.Listener { return s.listeners }

// Close lets queued messages be sent for a short while, if somebody is there, and closes the
// sockets.
func (s *Server) Close() {
	for _, e := range s.services {
		e.close()
	}
}

func (e *service) close() {
	e.relay.Finish()
	if e.socket.Peers() == 0 {
		e.cancel()
	}
	late := time.AfterFunc(lastMessages, e.cancel)
	e.sender.Wait()
	late.Stop()
	e.cancel()
	e.socket.Close()
	e.taker.Wait()
	e.relay.Close()
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "Nanomsg", 1) }

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte { return s.control.Query(request, nil) }
