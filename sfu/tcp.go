package sfu

import (
	"fmt"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/ice/tcp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
)

// linkSlots is how many datagrams a link hands over at a time.
const linkSlots = 8

// listenTCP opens the shard's TCP port, that of its UDP socket if it is free.
func (e *Engine) listenTCP(st *site) error {
	l, err := tcp.Listen(tcp.Config{
		IPv6: e.cfg.IPv6, Port: st.conn.Port(), PortMin: e.cfg.PortMin, PortMax: e.cfg.PortMax, DSCP: e.cfg.DSCP,
		Handler: st.serveTCP,
	})
	if err != nil {
		return fmt.Errorf("sfu: no TCP port for media: %w", err)
	}
	st.tcp = l
	return nil
}

// serveTCP gives a connection to the peer that its first frame names.
func (st *site) serveTCP(c *tcp.Conn, first []byte) {
	var id uint32
	st.shard.Call(func(mono.Time) { id = st.shard.Accept(c.Local(), c.Remote(), first, c) })
	if id == 0 {
		return
	}
	c.Start()
	_ = st.pump(id, c.Receive)
}

// pump hands the datagrams of a link to the loop, until the link ends, and returns
// why that is.
func (st *site) pump(id uint32, receive func([]netio.Message) (int, error)) (err error) {
	inbox := st.shard.NewInbox(linkSlots, nil, func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool {
		return st.shard.FromLink(now, ice.Path{Local: m.Local, Remote: m.Remote, Link: id}, b)
	})
	if inbox == nil {
		return ErrClosed
	}
	inbox.Open()
	for err == nil {
		n := 0
		if n, err = receive(inbox.Slots()); n > 0 && !inbox.Deliver(n) {
			err = ErrClosed
		}
	}
	inbox.Close()
	st.shard.Post(func(mono.Time) { st.shard.RemoveLink(id) })
	return err
}

// closeLinks closes the connection's links when it has sent its last DTLS alert.
// It is called on the loop, at the connection's end, with p.mu held.
func (p *Peer) closeLinks() {
	s := p.site.shard
	if !s.HasLinks(p.core) {
		return
	}
	a := p.assoc
	p.engine.pending.Add(1)
	go func() {
		defer p.engine.pending.Done()
		if a != nil {
			<-a.endpoint.Done()
		}
		s.Post(func(mono.Time) { s.CloseLinks(p.core) })
	}()
}
