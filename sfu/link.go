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
	reason := ReasonDTLSError
	switch r.Kind {
	case dtls.PeerAlert, dtls.BadFingerprint:
		reason = ReasonDTLSAlert
	case dtls.Timeout:
		reason = ReasonDTLSTimeout
	case dtls.LocalClose:
		return
	}
	l.peer.engine.log.Info("DTLS association ended", "peer", l.peer.label, "reason", r.Text)
	l.peer.do(func(now mono.Time, c *peer.Peer) { c.DTLSClosed(now, reason) })
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
		Log:       p.engine.log,
		OnMessage: p.handler.PeerData,
		OnReady: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.push(Event{Kind: EventDataReady})
		},
	})
}

func (l *link) send(label, protocol string, binary bool, payload []byte) error {
	l.mu.Lock()
	d := l.data
	l.mu.Unlock()
	if d == nil {
		return ErrNoDataChannels
	}
	return d.Send(label, protocol, binary, payload)
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
