package pfunix

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// Server is the Unix sockets transport.
type Server struct {
	cfg     Config
	core    Core
	control *transport.Control
	nextID  atomic.Uint64
	clients atomic.Int64

	services  []service
	listeners []transport.Listener
	serving   sync.WaitGroup
}

var _ janus.Transport = (*Server)(nil)

// service is a socket of either type.
type service interface {
	serve() // until close
	close() // waits until everything queued is written
}

// New opens the services. Those that cannot be opened are logged; it is an
// error if none is left, transport.ErrDisabled if none was asked for.
func New(cfg Config, core Core) (*Server, error) {
	control := cfg.Control()
	s := &Server{cfg: cfg, core: core, control: control}
	err := errors.Join(s.open("unix", cfg.API, false), s.open("admin_unix", cfg.Admin, true))
	if err := transport.Opened(len(s.services), err); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) open(name string, at Address, admin bool) error {
	if !at.Enabled {
		if at.Socket != nil {
			at.Socket.Close()
		}
		return nil
	}
	e, err := s.listen(at, admin)
	if err != nil {
		return transport.NotOpened(s.cfg.Log, Package, name, err)
	}
	s.services = append(s.services, e)
	s.listeners = append(s.listeners, transport.Listener{Name: name, Admin: admin, URL: at.Path})
	return nil
}

func (s *Server) listen(at Address, admin bool) (service, error) {
	typ := at.Type
	if at.Socket != nil {
		defer at.Socket.Close() // the service has a duplicate
		var err error
		if typ, err = socketType(at.Socket); err != nil {
			return nil, err
		}
	} else if at.Path == "" {
		return nil, errors.New("no path is set")
	} else if err := transport.RemoveStale(at.Path); err != nil {
		return nil, err
	}
	if typ == Datagram {
		return s.openDatagram(at, admin)
	}
	return s.openStream(at, admin)
}

// Start serves clients until Close.
func (s *Server) Start() {
	for _, e := range s.services {
		s.serving.Go(e.serve)
	}
}

// Listeners are "unix" and "admin_unix", as far as they are open.
func (s *Server) Listeners() []transport.Listener { return s.listeners }

// Close lets queued messages be written for a short while, closes everything and
// removes the sockets from the file system.
func (s *Server) Close() {
	for _, e := range s.services {
		e.close()
	}
	s.serving.Wait()
}

// tooLarge reports a message that a client cannot get.
func (s *Server) tooLarge(size int) {
	s.cfg.Log.Warn("message larger than the socket can carry, not sent", "transport", Package, "bytes", size)
}

type connected struct {
	Event string `json:"event"`
	Admin bool   `json:"admin_api"`
	FD    int    `json:"fd"`
	Type  string `json:"type,omitempty"`
}

type disconnected struct {
	Event string `json:"event"`
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "Unix Sockets", 1) }

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte {
	return s.control.Query(request, func() (string, int64) {
		return strconv.FormatInt(s.clients.Load(), 10), -1
	})
}
