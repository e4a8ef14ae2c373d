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

// Listener is one way into the server, as its operator is told of it.
type Listener struct {
	Name  string // as in settings: "https", "admin_ws"
	Admin bool   // for the Admin API
	URL   string // of a client on the same machine, or the path of a Unix socket
	Addr  net.Addr
}

// Web is the listeners of a transport that begins with HTTP.
type Web struct {
	Package string // of the transport
	Log     *slog.Logger

	listeners []*webListener
	serving   sync.WaitGroup
}

// webListener is one name with its addresses.
type webListener struct {
	name   string
	server *http.Server
	open   []net.Listener
	conns  atomic.Int64
}

// Open opens a listener for a server, which becomes the Web's, unless it is off. A
// failure is logged as well. cert is for listeners with TLS, nil = without.
func (w *Web) Open(name string, at Address, door Door, cert *Certificate, server *http.Server) error {
	if !at.Enabled {
		return nil
	}
	l := &webListener{name: name, server: server}
	var err error
	if cert != nil {
		l.open, err = at.ListenTLS(door, *cert, w.Log)
	} else {
		l.open, err = at.Listen(door)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", name, Explain(err))
		w.Log.Error("cannot listen", "transport", w.Package, "error", err)
		return err
	}
	server.MaxHeaderBytes = 64 << 10
	server.ConnContext = WithVisitor
	server.ErrorLog = slog.NewLogLogger(w.Log.Handler(), slog.LevelDebug)
	server.ConnState = l.count
	w.listeners = append(w.listeners, l)
	return nil
}

// Opened tells how opening went, of which err is what failed: nil if there is a
// listener, ErrDisabled if none was asked for.
func (w *Web) Opened(err error) error {
	switch {
	case len(w.listeners) > 0:
		return nil
	case err == nil:
		return ErrDisabled
	}
	return err
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
					w.Log.Error("stopped listening", "transport", w.Package, "listener", l.name, "error", err)
				}
			})
		}
	}
}

// Addrs are the addresses of the listener with a name.
func (w *Web) Addrs(name string) (all []net.Addr) {
	for _, l := range w.listeners {
		if l.name == name {
			for _, open := range l.open {
				all = append(all, open.Addr())
			}
		}
	}
	return all
}

// Names are those of the listeners, in the order in which they were opened.
func (w *Web) Names() (all []string) {
	for _, l := range w.listeners {
		all = append(all, l.name)
	}
	return all
}

// Conns calls f with the number of connections of each listener.
func (w *Web) Conns(f func(name string, n int64)) {
	for _, l := range w.listeners {
		f(l.name, l.conns.Load())
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
