// Package nanomsg has sockets of the scalability protocols (nanomsg's SP) that know whether
// somebody is there: messages wait for a peer, and for it to read.
package nanomsg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"
	_ "go.nanomsg.org/mangos/v3/transport/ipc" // registers itself
	_ "go.nanomsg.org/mangos/v3/transport/tcp"
	_ "go.nanomsg.org/mangos/v3/transport/ws"

	"bifrons/api/broker"
)

// Kind is the pattern of a socket.
type Kind uint8

// Kinds.
const (
	Pair    Kind = iota // both ways with one peer (NN_PAIR)
	Publish             // to all peers there are (NN_PUB)
)

// Config says where a socket is.
type Config struct {
	Kind    Kind
	Connect bool   // to a peer that listens; else it listens
	Address string // such as ipc:///tmp/janus.ipc, tcp://*:8765 or ws://host:8080
}

// CheckAddress checks an address.
func CheckAddress(address string) error {
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case !ok || rest == "":
		return errors.New("is no address such as ipc:///tmp/janus.ipc or tcp://127.0.0.1:8765")
	case scheme == "ipc":
		return nil
	case scheme != "tcp" && scheme != "ws":
		return fmt.Errorf("%s is not supported: ipc, tcp and ws are", scheme)
	}
	if u, err := url.Parse(address); err != nil || scheme == "tcp" && u.Port() == "" {
		return errors.New("has no host and port")
	}
	return nil
}

// lateAfter is how long one of several peers may keep the others waiting.
const lateAfter = 10 * time.Second

// Pauses before a peer is connected to again.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Socket is one socket.
type Socket struct {
	kind   Kind
	socket mangos.Socket

	mu     sync.Mutex
	peers  map[uint32]protocol.Pipe
	change chan struct{} // closed when a peer comes, nil if nobody waits
	closed chan struct{}
	once   sync.Once

	received chan *mangos.Message
	tasks    sync.WaitGroup
}

// Open opens a socket. A peer that is connected to need not be there yet.
func Open(cfg Config) (*Socket, error) {
	if err := CheckAddress(cfg.Address); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Address, err)
	}
	s := &Socket{
		kind: cfg.Kind, peers: make(map[uint32]protocol.Pipe),
		closed: make(chan struct{}), received: make(chan *mangos.Message),
	}
	s.socket = protocol.MakeSocket(pattern{s})
	err := s.open(cfg)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Socket) open(cfg Config) error {
	options := map[string]any{mangos.OptionMaxRecvSize: broker.MaxBody}
	if !cfg.Connect {
		address := cfg.Address
		if rest, ok := strings.CutPrefix(address, "tcp://*"); ok { // as nanomsg has it
			address = "tcp://" + rest
		}
		return s.socket.ListenOptions(address, options)
	}
	options[mangos.OptionDialAsynch] = true
	options[mangos.OptionReconnectTime] = firstRetry
	options[mangos.OptionMaxReconnectTime] = lastRetry
	return s.socket.DialOptions(cfg.Address, options)
}

// Close ends the socket, at once.
func (s *Socket) Close() {
	s.once.Do(func() {
		close(s.closed)
		_ = s.socket.Close()
	})
	s.tasks.Wait()
}

// Peers is how many there are.
func (s *Socket) Peers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// wait waits for somebody to send to; none if ctx is over, or the socket.
func (s *Socket) wait(ctx context.Context) (list []protocol.Pipe) {
	for {
		s.mu.Lock()
		for _, p := range s.peers {
			list = append(list, p)
		}
		if list != nil {
			s.mu.Unlock()
			return list
		}
		if s.change == nil {
			s.change = make(chan struct{})
		}
		change := s.change
		s.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return nil
		case <-s.closed:
			return nil
		}
	}
}

// Send sends a message to those who are there, and waits for one if nobody is, and until
// they take it. false: ctx is over before somebody has it, or the socket.
func (s *Socket) Send(ctx context.Context, body []byte) bool {
	for {
		peers := s.wait(ctx)
		if peers == nil {
			return false
		}
		if s.sendAll(ctx, peers, body) {
			return true
		}
	}
}

// sendAll sends to some peers; false if nobody got it.
func (s *Socket) sendAll(ctx context.Context, peers []protocol.Pipe, body []byte) bool {
	cut := func() {
		for _, p := range peers {
			_ = p.Close()
		}
	}
	stop := context.AfterFunc(ctx, cut)
	defer stop()
	if len(peers) == 1 && s.kind == Pair {
		return s.send(peers[0], body)
	}
	got := make([]bool, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		all.Go(func() {
			late := time.AfterFunc(lateAfter, func() { _ = p.Close() })
			defer late.Stop()
			got[i] = s.send(p, body)
		})
	}
	all.Wait()
	for _, ok := range got {
		if ok {
			return true
		}
	}
	return false
}

func (s *Socket) send(p protocol.Pipe, body []byte) bool {
	m := mangos.NewMessage(len(body))
	m.Body = append(m.Body, body...)
	if err := p.SendMsg(m); err != nil {
		m.Free()
		s.remove(p)
		return false
	}
	return true
}

// Receive waits for a message; nil if ctx is over, or the socket.
func (s *Socket) Receive(ctx context.Context) []byte {
	select {
	case m := <-s.received:
		body := append([]byte(nil), m.Body...)
		m.Free()
		return body
	case <-ctx.Done():
	case <-s.closed:
	}
	return nil
}

func (s *Socket) add(p protocol.Pipe) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return protocol.ErrClosed
	default:
	}
	if s.kind == Pair && len(s.peers) > 0 {
		return protocol.ErrProtoState // it has a peer
	}
	s.peers[p.ID()] = p
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
	s.tasks.Go(func() { s.read(p) })
	return nil
}

func (s *Socket) remove(p protocol.Pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers[p.ID()] == p {
		delete(s.peers, p.ID())
	}
}

// read takes the messages of a peer. While they are not received, no more are read.
func (s *Socket) read(p protocol.Pipe) {
	for {
		m := p.RecvMsg()
		if m == nil {
			return
		}
		if s.kind == Publish {
			m.Free()
			continue
		}
		select {
		case s.received <- m:
		case <-s.closed:
			m.Free()
			return
		}
	}
}

// pattern is a Socket as mangos wants it.
type pattern struct{ *Socket }

var _ protocol.Protocol = pattern{}

func (p pattern) Info() protocol.Info {
	if p.kind == Publish {
		return protocol.Info{Self: protocol.ProtoPub, Peer: protocol.ProtoSub, SelfName: "pub", PeerName: "sub"}
	}
	return protocol.Info{Self: protocol.ProtoPair, Peer: protocol.ProtoPair, SelfName: "pair", PeerName: "pair"}
}

func (p pattern) AddPipe(pipe protocol.Pipe) error       { return p.add(pipe) }
func (p pattern) RemovePipe(pipe protocol.Pipe)          { p.remove(pipe) }
func (p pattern) Close() error                           { return nil }
func (p pattern) SendMsg(*protocol.Message) error        { return protocol.ErrProtoOp }
func (p pattern) RecvMsg() (*protocol.Message, error)    { return nil, protocol.ErrProtoOp }
func (p pattern) OpenContext() (protocol.Context, error) { return nil, protocol.ErrProtoOp }
func (p pattern) GetOption(string) (any, error)          { return nil, protocol.ErrBadOption }
func (p pattern) SetOption(string, any) error            { return protocol.ErrBadOption }
