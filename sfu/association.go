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

// association is a peer connection's DTLS association and the data channels in it.
// Their goroutines meet the shard by its mailbox only.
type association struct {
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
func (a *association) transmit(b []byte) {
	own := append([]byte(nil), b...)
	a.peer.do(func(now mono.Time, c *peer.Peer) { c.SendDTLS(now, own) })
}

func (a *association) connected(k srtp.Keys) {
	a.peer.do(func(now mono.Time, c *peer.Peer) { c.DTLSConnected(now, k) })
	a.mu.Lock()
	a.up = true
	a.mu.Unlock()
	a.peer.mu.Lock()
	want := a.peer.wantData
	a.peer.mu.Unlock()
	if want {
		a.startData()
	}
}

func (a *association) closed(r dtls.Reason) {
	defer a.peer.engine.pending.Done()
	if r.Kind == dtls.LocalClose {
		return
	}
	cause := peer.DTLSCause(r.Kind)
	a.peer.engine.log.Info("DTLS association ended", "peer", a.peer.label, "cause", cause, "reason", r.Text)
	a.peer.do(func(now mono.Time, c *peer.Peer) { c.DTLSClosed(now, cause) })
}

// startData starts the SCTP association once DTLS is up.
func (a *association) startData() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.up || a.ended || a.data != nil {
		return
	}
	p := a.peer
	a.data = sctp.Start(sctp.Config{
		Conn:      dataConn{a.endpoint.Conn(), &a.over},
		Client:    a.client,
		Log:       p.engine.log.With("peer", p.label),
		Budget:    p.engine.data,
		OnMessage: a.receive,
		OnReady: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.push(Event{Kind: EventDataReady})
		},
	})
	a.data.SetLimit(p.limit.Load())
}

// limit follows a change of the peer's limit.
func (a *association) limit() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.data != nil {
		a.data.SetLimit(a.peer.limit.Load())
	}
}

// sendFunc is one of the ways to send on an association.
type sendFunc = func(a *sctp.Association, label, protocol string, binary bool, payload []byte) error

func (a *association) send(label, protocol string, binary bool, payload []byte, send sendFunc) error {
	a.mu.Lock()
	d := a.data
	a.mu.Unlock()
	if d == nil {
		return ErrNoDataChannels
	}
	err := send(d, label, protocol, binary, payload)
	if err == nil {
		a.out.add(len(payload))
	}
	return err
}

func (a *association) receive(label, protocol string, binary bool, payload []byte) {
	a.in.add(len(payload))
	defer a.peer.site.contain("a handler of data", a.peer.panicked)
	a.peer.handler.PeerData(label, protocol, binary, payload)
}

// describe adds to a snapshot the values that the shard does not know.
func (a *association) describe(to *peer.Association) {
	a.mu.Lock()
	to.Data = a.data != nil && !a.ended
	if a.data != nil {
		to.DataLost = a.data.Stats().Refused
	}
	a.mu.Unlock()
	to.Resent = a.endpoint.Retransmissions()
	to.DataIn, to.DataOut = a.in.value(), a.out.value()
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
func (a *association) end() {
	a.over.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if d := a.data; d != nil {
		a.peer.engine.pending.Add(1)
		go func() {
			defer a.peer.engine.pending.Done()
			d.Close()
		}()
	}
}
