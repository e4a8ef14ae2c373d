package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// ErrDisabled means that the configuration of a transport enables no listener.
var ErrDisabled = errors.New("no listener is enabled")

// Listener is one way into the server, as shown to its operator.
type Listener struct {
	Name  string // as in settings: "https", "admin_ws"
	Admin bool   // for the Admin API
	URL   string // of a client on the same machine, or the path of a Unix socket
	Addr  net.Addr
}

// Opened judges the opening of n listeners, of which err joins the failures: nil if there is
// any, ErrDisabled if none was asked for.
func Opened(n int, err error) error {
	switch {
	case n > 0:
		return nil
	case err == nil:
		return ErrDisabled
	}
	return err
}

// NotOpened logs that a listener could not be opened, and returns the error.
func NotOpened(log *slog.Logger, pkg, name string, err error) error {
	err = fmt.Errorf("%s: %w", name, Explain(err))
	log.Error("cannot listen", "transport", pkg, "error", err)
	return err
}

// Ports are where one of the two APIs is served over HTTP, and to whom.
type Ports struct {
	Plain, Secure Address
	ACL           ACL
}

// Web is the listeners of a transport that begins with HTTP.
type Web struct {
	Package     string      // of the transport
	Scheme      string      // of its URLs; with TLS it has an s more
	Certificate Certificate // for TLS
	MaxConns    int         // of each listener, 0 = any number
	Gate        *Gate       // that all transports share, nil = no other limits
	Log         *slog.Logger

	listeners []*webListener
	serving   sync.WaitGroup
}

// webListener is one name with its addresses.
type webListener struct {
	scheme string
	admin  bool
	server *http.Server
	open   []net.Listener
	conns  atomic.Int64
}

// name is that in settings: "https", "admin_ws".
func (l *webListener) name() string {
	if l.admin {
		return "admin_" + l.scheme
	}
	return l.scheme
}

// Open opens the listeners of both APIs, each for an HTTP server that newServer makes.
// Those that cannot be opened are logged; it is an error if none is left, ErrDisabled if
// none was asked for.
func (w *Web) Open(api, admin Ports, newServer func(admin bool) *http.Server) error {
	open := func(p Ports, admin bool) error {
		door := Door{ACL: p.ACL, Max: w.MaxConns, Gate: w.Gate}
		return errors.Join(
			w.open(&webListener{scheme: w.Scheme, admin: admin}, p.Plain, newServer, func() ([]net.Listener, error) {
				return p.Plain.Listen(door)
			}),
			w.open(&webListener{scheme: w.Scheme + "s", admin: admin}, p.Secure, newServer, func() ([]net.Listener, error) {
				return p.Secure.ListenTLS(door, w.Certificate, w.Log)
			}))
	}
	err := errors.Join(open(api, false), open(admin, true))
	return Opened(len(w.listeners), err)
}

func (w *Web) open(l *webListener, at Address, newServer func(admin bool) *http.Server, listen func() ([]net.Listener, error)) (err error) {
	if !at.Enabled {
		return nil
	}
	if l.open, err = listen(); err != nil {
		return NotOpened(w.Log, w.Package, l.name(), err)
	}
	l.server = newServer(l.admin)
	l.server.MaxHeaderBytes = 64 << 10
	l.server.ConnContext = WithVisitor
	l.server.ErrorLog = slog.NewLogLogger(w.Log.Handler(), slog.LevelDebug)
	l.server.ConnState = l.count
	w.listeners = append(w.listeners, l)
	return nil
}

func (l *webListener) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.conns.Add(-1)
	}
}

// Start accepts connections until Shutdown.
func (w *Web) Start() {
	for _, l := range w.listeners {
		for _, open := range l.open {
			w.serving.Go(func() {
				if err := l.server.Serve(open); !errors.Is(err, http.ErrServerClosed) {
					w.Log.Error("stopped listening", "transport", w.Package, "listener", l.name(), "error", err)
				}
			})
		}
	}
}

// Listeners are the open listeners, in the order of opening. The paths are
// those of URLs of the Janus API and the Admin API.
func (w *Web) Listeners(apiPath, adminPath string) (list []Listener) {
	for _, l := range w.listeners {
		path := apiPath
		if l.admin {
			path = adminPath
		}
		for _, open := range l.open {
			a := open.Addr()
			list = append(list, Listener{Name: l.name(), Admin: l.admin, Addr: a, URL: LocalURL(l.scheme, a, path)})
		}
	}
	return list
}

// Conns calls f with the number of connections of each listener.
func (w *Web) Conns(f func(name string, n int64)) {
	for _, l := range w.listeners {
		f(l.name(), l.conns.Load())
	}
}

// Shutdown closes the listeners, and lets requests at work finish until ctx ends.
func (w *Web) Shutdown(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range w.listeners {
		all.Go(func() {
			if l.server.Shutdown(ctx) != nil {
				l.server.Close()
			}
			for _, open := range l.open { // also if it was never served
				open.Close()
			}
		})
	}
	all.Wait()
	w.serving.Wait()
}

// Close is Shutdown without patience.
func (w *Web) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.Shutdown(ctx)
}

// LocalURL is the URL of an address for clients on the same machine.
func LocalURL(scheme string, a net.Addr, path string) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	return fmt.Sprintf("%s://localhost:%d%s", scheme, t.Port, path)
}
