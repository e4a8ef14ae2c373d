package pfunix

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/janus"
	"bifrons/api/task"
)

// maxRequests is how many requests of one client may wait.
const maxRequests = 256

// datagram is a SOCK_DGRAM service. A client is known by its path as long as
// it has sessions: nothing says when it goes.
type datagram struct {
	server *Server
	sock   *net.UnixConn
	path   string // to remove in the end, "" = not ours
	half   int    // of the kernel's send buffer, in its own measure
	admin  bool
	tasks  task.Tasks // that handle requests
	writer task.Tasks

	closing atomic.Bool
	late    chan struct{} // closed when writing has to end

	mu    sync.Mutex
	peers map[string]*peer
}

func (s *Server) openDatagram(at Address, admin bool) (service, error) {
	e := &datagram{server: s, admin: admin, peers: map[string]*peer{}, late: make(chan struct{})}
	if at.Socket == nil {
		sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at.Path, Net: "unixgram"})
		if err != nil {
			return nil, err
		}
		e.sock, e.path = sock, at.Path
	} else {
		p, err := net.FilePacketConn(at.Socket)
		if err != nil {
			return nil, err
		}
		sock, ok := p.(*net.UnixConn)
		if !ok {
			p.Close()
			return nil, fmt.Errorf("%s is no Unix socket", p.LocalAddr())
		}
		e.sock = sock
	}
	_ = e.sock.SetWriteBuffer(sendBuffer)
	e.half = sendLimit(e.sock) / 2
	return e, nil
}

func (e *datagram) serve() {
	packet := make([]byte, maxPacket+1)
	for {
		n, from, err := e.sock.ReadFromUnix(packet)
		switch {
		case err != nil && e.closing.Load():
			return
		case err != nil:
			e.server.cfg.Log.Error("cannot receive", "transport", Package, "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		case n > maxPacket || from == nil || from.Name == "":
			continue // too large, or from nobody who could be answered
		}
		body := append([]byte(nil), packet[:n]...)
		p := e.peer(from.Name)
		if !p.inbox.Do(func() { p.handle(body) }) {
			p.release()
		}
	}
}

// peer finds or makes the client with this path, and holds it for a request.
func (e *datagram) peer(path string) *peer {
	e.mu.Lock()
	p := e.peers[path]
	if p != nil {
		p.requests++
		p.unheard.Store(0)
		e.mu.Unlock()
		return p
	}
	s := e.server
	p = &peer{
		service: e, path: path, id: strconv.FormatUint(s.nextID.Add(1), 10),
		requests: 1, sessions: map[uint64]struct{}{},
	}
	p.inbox = task.NewSerial(maxRequests, &e.tasks, s.cfg.Log)
	p.out = outbox{write: p.write, cut: func() {}, large: s.tooLarge, tasks: &e.writer, lossy: true,
		queues: s.cfg.Queues, layout: s.control.Relayout}
	e.peers[path] = p
	e.mu.Unlock()
	s.clients.Add(1)
	s.control.Notify(p.id, connected{"connected", e.admin, descriptor(e.sock), "SOCK_DGRAM"})
	return p
}

func (e *datagram) close() {
	e.closing.Store(true)
	_ = e.sock.SetReadDeadline(time.Now()) // no more requests, but replies
	e.tasks.Wait()
	e.mu.Lock()
	all := make([]*peer, 0, len(e.peers))
	for _, p := range e.peers {
		all = append(all, p)
	}
	e.mu.Unlock()
	for _, p := range all {
		p.out.finish()
	}
	late := time.AfterFunc(closeTimeout, func() { close(e.late) })
	e.writer.Wait()
	late.Stop()
	e.sock.Close()
	if e.path != "" {
		os.Remove(e.path)
	}
}

// peer is a client of a datagram service.
type peer struct {
	service *datagram
	path    string
	id      string
	inbox   *task.Serial
	out     outbox
	unheard atomic.Int64 // bytes sent since its last request

	// The reasons to remember it, guarded by the service's mu.
	requests int
	sessions map[uint64]struct{}
}

var _ janus.Conn = (*peer)(nil)

func (p *peer) handle(body []byte) {
	defer p.release()
	p.service.server.core.Handle(p, janus.Request{Admin: p.service.admin, Body: body}, p.send)
}

// release ends a request.
func (p *peer) release() { p.change(func() { p.requests-- }) }

// change changes the reasons to remember the client; with none left it is
// forgotten.
func (p *peer) change(f func()) {
	e := p.service
	e.mu.Lock()
	f()
	gone := p.requests == 0 && len(p.sessions) == 0 && e.peers[p.path] == p
	if gone {
		delete(e.peers, p.path)
	}
	e.mu.Unlock()
	if gone {
		e.server.clients.Add(-1)
	}
}

func (p *peer) send(msg []byte) { p.out.send(msg) }

// Pauses between tries to send to a client whose queue in the kernel is full.
const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// maxUnheard is how many bytes a client may leave unread, as far as one can
// tell, when the send buffer runs short.
const maxUnheard = 64 << 10

// hogs reports whether the client seems to be the one that fills the send buffer.
// Unread packets take room in the socket's only send buffer, so
// one that hangs would keep all the others from being answered.
func (p *peer) hogs() bool {
	return p.unheard.Load() > maxUnheard && unread(p.service.sock) > p.service.half
}

// write sends one packet. The kernel does not report when a client has room, so
// it is asked again and again.
func (p *peer) write(msg []byte) error {
	deadline := time.Now().Add(writeTimeout)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if !p.hogs() {
			err := sendTo(p.service.sock, p.path, msg)
			if !wouldBlock(err) {
				p.unheard.Add(int64(len(msg)))
				return p.lost(err)
			}
		}
		if time.Now().After(deadline) {
			return nil // lost, as datagrams may be
		}
		select {
		case <-time.After(pause):
		case <-p.service.late:
			return os.ErrDeadlineExceeded
		}
	}
}

// lost forgives errors that are about one packet, or a client that may be back
// at the next.
func (p *peer) lost(err error) error {
	if err == nil || isTooLarge(err) || errors.Is(err, net.ErrClosed) {
		return err
	}
	p.service.server.cfg.Log.Debug("packet not sent", "transport", Package, "to", p.path, "error", err)
	return nil
}

// Transport names the transport.
func (p *peer) Transport() string { return Package }

// ID is the client's number.
func (p *peer) ID() string { return p.id }

// Deliver sends an event.
func (p *peer) Deliver(_ uint64, event janus.Event) { p.out.put(event) }

// SessionBound keeps the client known as long as it has the session.
func (p *peer) SessionBound(session uint64) {
	p.change(func() { p.sessions[session] = struct{}{} })
}

// SessionOver lets the client be forgotten.
func (p *peer) SessionOver(session uint64, _ janus.Over) {
	p.change(func() { delete(p.sessions, session) })
}
