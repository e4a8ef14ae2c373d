package pfunix

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"bifrons/api/janus"
	"bifrons/api/task"
	"bifrons/api/transport"
)

const (
	writeTimeout = 30 * time.Second // that a client may leave a packet unread
	closeTimeout = 2 * time.Second  // that clients get to read the last ones
	sendBuffer   = 1 << 20          // bytes; bounds the size of a reply, as far as the kernel allows
)

// stream is a SOCK_SEQPACKET service.
type stream struct {
	server   *Server
	listener *net.UnixListener
	admin    bool

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
	active sync.WaitGroup // a count for each of conns
	writer task.Tasks
}

func (s *Server) openStream(at Address, admin bool) (service, error) {
	e := &stream{server: s, admin: admin, conns: map[*conn]struct{}{}}
	if at.Socket == nil {
		l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: at.Path, Net: "unixpacket"})
		e.listener = l
		return e, err
	}
	l, err := net.FileListener(at.Socket)
	if err != nil {
		return nil, err
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("%s is no Unix socket", l.Addr())
	}
	e.listener = u
	return e, nil
}

func (e *stream) serve() {
	for failing := false; ; {
		sock, err := e.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no more files: try again later
			if !failing {
				e.server.cfg.Log.Error("cannot accept a client", "transport", Package, "error", err, "remedy", transport.MoreFiles)
			}
			failing = true
			time.Sleep(100 * time.Millisecond)
			continue
		}
		failing = false
		_ = sock.SetWriteBuffer(sendBuffer)
		c := newConn(e, sock)
		if !e.register(c) {
			sock.Close()
			return
		}
		go c.run()
	}
}

func (e *stream) register(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.conns[c] = struct{}{}
	e.active.Add(1)
	e.server.clients.Add(1)
	return true
}

func (e *stream) unregister(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.server.clients.Add(-1)
	e.active.Done()
}

func (e *stream) close() {
	e.listener.Close()
	e.mu.Lock()
	e.closed = true
	all := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		all = append(all, c)
	}
	e.mu.Unlock()
	late := time.AfterFunc(closeTimeout, func() {
		for _, c := range all {
			c.out.stop()
		}
	})
	for _, c := range all {
		c.out.finish()
	}
	e.active.Wait()
	e.writer.Wait()
	late.Stop()
}

// conn is a client of a stream service. Its requests are handled one after
// the other in the order of their arrival.
type conn struct {
	service *stream
	sock    *net.UnixConn
	id      string
	out     outbox
}

var _ janus.Conn = (*conn)(nil)

func newConn(e *stream, sock *net.UnixConn) *conn {
	c := &conn{service: e, sock: sock, id: strconv.FormatUint(e.server.nextID.Add(1), 10)}
	c.out = outbox{
		write:  c.write,
		cut:    func() { c.sock.Close() },
		large:  e.server.tooLarge,
		tasks:  &e.writer,
		queues: e.server.cfg.Queues, layout: e.server.control.Relayout,
	}
	return c
}

func (c *conn) write(msg []byte) error {
	if err := c.sock.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := c.sock.Write(msg)
	return err
}

// run serves the client until it or the server ends the connection.
func (c *conn) run() {
	e := c.service
	defer e.unregister(c)
	control := e.server.control
	control.Notify(c.id, connected{Event: "connected", Admin: e.admin, FD: descriptor(c.sock)})
	c.read()
	c.out.stop()
	e.server.core.Gone(c)
	control.Notify(c.id, disconnected{"disconnected"})
}

func (c *conn) read() {
	e := c.service
	packet := make([]byte, maxPacket+1)
	for c.out.waitForRoom() {
		n, err := c.sock.Read(packet)
		if err != nil {
			return
		}
		if n <= maxPacket {
			e.server.core.Handle(c, janus.Request{Admin: e.admin, Body: packet[:n]}, c.send)
		}
	}
}

func (c *conn) send(msg []byte) { c.out.send(msg) }

// Transport names the transport.
func (c *conn) Transport() string { return Package }

// ID is the connection's number.
func (c *conn) ID() string { return c.id }

// Deliver sends an event.
func (c *conn) Deliver(_ uint64, event janus.Event) { c.out.put(event) }

// SessionBound needs nothing: a connection takes the events of any session.
func (c *conn) SessionBound(uint64) {}

// SessionOver closes the connection of a session that timed out, after its
// last event.
func (c *conn) SessionOver(_ uint64, why janus.Over) {
	if why == janus.OverTimeout {
		c.out.finish()
	}
}

// descriptor is the number of a socket's file descriptor, -1 if it is closed.
func descriptor(sock syscall.Conn) int {
	number := -1
	if raw, err := sock.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { number = int(fd) })
	}
	return number
}
