package sfu

import (
	"net"
	"sync"
	"sync/atomic"

	"bifrons/dtls"
	"bifrons/dtls/sctp"
	"bifrons/dtls/srtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// link is a peer connection's DTLS association and the data channels in it.
// Their goroutines meet the shard by its mailbox only.
type link struct {
	peer     *Peer
	client   bool
	endpoint *dtls.Endpoint

	over atomic.Bool // nothing of the data channels is sent any more
	in   traffic     // messages of the data channels
	out  traffic

	mu    sync.Mutex
	up    bool
	ended bool
	data  *sctp.Association
}

// transmit sends a datagram of the association; b is lent.
func (l *link) transmit(b []byte) {
	own := append([]byte(nil), b...)
	l.peer.do(func(now mono.Time, c *peer.Peer) { c.SendDTLS(now, own) })
}

func (l *link) connected(k srtp.Keys) {
	l.peer.do(func(now mono.Time, c *peer.Peer) { c.DTLSConnected(now, k) })
	l.mu.Lock()
	l.up = true
	l.mu.Unlock()
	l.peer.mu.Lock()
	want := l.peer.wantData
	l.peer.mu.Unlock()
	if want {
		l.startData()
	}
}

func (l *link) closed(r dtls.Reason) {
	defer l.peer.engine.pending.Done()
	if r.Kind == dtls.LocalClose {
		return
	}
	cause := peer.DTLSCause(r.Kind)
	l.peer.engine.log.Info("DTLS association ended", "peer", l.peer.label, "cause", cause, "reason", r.Text)
	l.peer.do(func(now mono.Time, c *peer.Peer) { c.DTLSClosed(now, cause) })
}

// startData starts the SCTP association once DTLS is up.
func (l *link) startData() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up || l.ended || l.data != nil {
		return
	}
	p := l.peer
	l.data = sctp.Start(sctp.Config{
		Conn:      dataConn{l.endpoint.Conn(), &l.over},
		Client:    l.client,
		Log:       p.engine.log.With("peer", p.label),
		Budget:    p.engine.data,
		OnMessage: l.receive,
		OnReady: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.push(Event{Kind: EventDataReady})
		},
	})
	l.data.SetLimit(p.limit.Load())
}

// limit follows a change of the peer's limit.
func (l *link) limit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.data != nil {
		l.data.SetLimit(l.peer.limit.Load())
	}
}

// sendFunc is one of the ways to send on an association.
type sendFunc = func(a *sctp.Association, label, protocol string, binary bool, payload []byte) error

func (l *link) send(label, protocol string, binary bool, payload []byte, send sendFunc) error {
	l.mu.Lock()
	d := l.data
	l.mu.Unlock()
	if d == nil {
		return ErrNoDataChannels
	}
	err := send(d, label, protocol, binary, payload)
	if err == nil {
		l.out.add(len(payload))
	}
	return err
}

func (l *link) receive(label, protocol string, binary bool, payload []byte) {
	l.in.add(len(payload))
	defer l.peer.site.contain("a handler of data", l.peer.panicked)
	l.peer.handler.PeerData(label, protocol, binary, payload)
}

// describe adds to a snapshot what the shard does not know.
func (l *link) describe(a *peer.Association) {
	l.mu.Lock()
	a.Data = l.data != nil && !l.ended
	if l.data != nil {
		a.DataLost = l.data.Stats().Refused
	}
	l.mu.Unlock()
	a.Resent = l.endpoint.Retransmissions()
	a.DataIn, a.DataOut = l.in.value(), l.out.value()
}

// traffic counts messages, from any goroutine.
type traffic struct{ messages, bytes atomic.Uint64 }

func (t *traffic) add(n int) {
	t.messages.Add(1)
	t.bytes.Add(uint64(n))
}

func (t *traffic) value() peer.Traffic {
	return peer.Traffic{Packets: t.messages.Load(), Bytes: t.bytes.Load()}
}

// dataConn is the association's way to its peer until the connection ends. Then
// the peer hears of that by a DTLS alert only: an SCTP abort before it would be
// an error of every data channel to a browser.
type dataConn struct {
	net.Conn
	over *atomic.Bool
}

func (c dataConn) Write(b []byte) (int, error) {
	if c.over.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// end closes the data channels; the peer closes the association itself.
func (l *link) end() {
	l.over.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if d := l.data; d != nil {
		l.peer.engine.pending.Add(1)
		go func() {
			defer l.peer.engine.pending.Done()
			d.Close()
		}()
	}
}
