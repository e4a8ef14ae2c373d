package kit

import "bifrons/sfu"

// Message is one for a data channel (RFC 8831).
type Message struct {
	Label, Protocol string // of the channel, which is opened if there is none
	Binary          bool
	Payload         []byte
	Shared          bool // Payload never changes, so that it need not be copied
}

// SendData sends a message by a peer connection, unless that is nil. It does not wait: a message that
// the client does not take is lost, which is logged at the level debug.
func (p *Plugin[H]) SendData(to *sfu.Peer, m Message) {
	if to == nil {
		return
	}
	send := to.SendData
	if m.Shared {
		send = to.SendShared
	}
	if err := send(m.Label, m.Protocol, m.Binary, m.Payload); err != nil {
		p.Gateway.Logger().Debug("data not sent", "peer", to.Label(), "channel", m.Label, "error", err)
	}
}
