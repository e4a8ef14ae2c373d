package sctp

import (
	"errors"
	"math"
	"time"

	pion "github.com/pion/sctp"
)

// DefaultLabel names the channel of messages without a label.
const DefaultLabel = "JanusDataChannel"

// Errors of Send.
var (
	ErrClosed     = errors.New("sctp: association closed")
	ErrTooLong    = errors.New("sctp: message, label or protocol too long")
	ErrFull       = errors.New("sctp: send buffer full")
	ErrNoChannels = errors.New("sctp: too many data channels")
)

// wire is how a message is sent: SCTP has no empty ones, which are a byte that
// does not count (RFC 8831, 6.6).
func (m message) wire() (pion.PayloadProtocolIdentifier, []byte) {
	switch {
	case len(m.payload) > 0 && m.binary:
		return pion.PayloadTypeWebRTCBinary, m.payload
	case len(m.payload) > 0:
		return pion.PayloadTypeWebRTCString, m.payload
	case m.binary:
		return pion.PayloadTypeWebRTCBinaryEmpty, []byte{0}
	}
	return pion.PayloadTypeWebRTCStringEmpty, []byte{0}
}

// Send sends a message on the oldest channel with the label, whoever opened it;
// if there is none, on a new one with that label and protocol, reliable and
// ordered. An empty label that no channel has means DefaultLabel. The payload is
// copied. ErrTooLong means that the peer does not take such a message. Send never
// waits: messages queue, in order, before the association is up, while the peer may
// be about to open the channel, and while SCTP is busy. ErrFull means that too much
// has not arrived yet: about 1 MB, or less where all associations together hold too
// much. The message is lost then, and counted.
func (a *Association) Send(label, protocol string, binary bool, payload []byte) error {
	return a.count(a.send(message{label, protocol, binary, payload, false}))
}

// SendShared is Send for a payload that never changes: it is kept without a copy while
// it waits, once for all who are sent it.
func (a *Association) SendShared(label, protocol string, binary bool, payload []byte) error {
	return a.count(a.send(message{label, protocol, binary, payload, true}))
}

func (a *Association) count(err error) error {
	if err != nil {
		a.refused.Add(1)
	}
	return err
}

func (a *Association) send(m message) error {
	limit := a.limit.Load()
	if uint64(len(m.payload)) > limit || openHeader+len(m.label)+len(m.protocol) > maxMessage {
		a.warn(warnSent, "data channel message is too long for the peer, not sent",
			"label", m.label, "bytes", len(m.payload), "limit", limit)
		return ErrTooLong
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.label == "" && a.find("") == nil {
		m.label = DefaultLabel
	}
	if a.ended || a.ctx.Err() != nil {
		return ErrClosed
	}
	a.settle()
	if !a.out.reserve(m.cost()) {
		a.warn(warnFull, "data channel messages are lost: the peer does not take them",
			"label", m.label, "waiting", a.out.held, "limit", maxHeld)
		return ErrFull
	}
	if a.sctp != nil && len(a.out.waiting) == 0 && a.canSend(m) && a.out.room() {
		return a.transmit(m)
	}
	if !m.shared {
		m.payload = append([]byte(nil), m.payload...)
	}
	a.out.waiting = append(a.out.waiting, m)
	if len(a.out.waiting) == 1 {
		a.stir()
	}
	return nil
}

// settle notes delivered data. The caller holds a.mu.
func (a *Association) settle() {
	if a.sctp != nil {
		a.out.settle(time.Now(), a.sctp.BufferedAmount())
	}
}

// canSend reports whether m has a channel, or may have one opened.
func (a *Association) canSend(m message) bool { return a.mayOpen || a.find(m.label) != nil }

func (a *Association) find(label string) *channel {
	for _, c := range a.channels {
		if c.label == label {
			return c
		}
	}
	return nil
}

// flush sends as many waiting messages as it can. The caller holds a.mu.
func (a *Association) flush() {
	a.settle()
	for a.sctp != nil && len(a.out.waiting) > 0 && a.canSend(a.out.waiting[0]) && a.out.room() {
		m := a.out.pop()
		if err := a.transmit(m); err != nil {
			a.refused.Add(1)
			a.cfg.Log.Debug("data channel message not sent", "label", m.label, "error", err)
		}
	}
}

// transmit hands m, for which room was reserved, to SCTP. The caller holds a.mu.
func (a *Association) transmit(m message) error {
	kind, payload := m.wire()
	c := a.find(m.label)
	var err error
	if c == nil {
		c, err = a.open(m.label, m.protocol)
	}
	if err == nil {
		err = a.write(c.stream, payload, kind)
	}
	if err != nil {
		a.out.release(m.cost())
		return err
	}
	a.out.hand(time.Now(), m.cost())
	a.sent.Add(1)
	return nil
}

// write gives SCTP a message. The caller holds a.mu.
func (a *Association) write(s *pion.Stream, payload []byte, kind pion.PayloadProtocolIdentifier) error {
	n, err := s.WriteSCTP(payload, kind)
	if err != nil {
		return err
	}
	a.out.written += uint64(n)
	a.out.told = false
	a.stir()
	return nil
}

// open makes a new channel, reliable and ordered. Its messages may follow at
// once (RFC 8832, 6). The caller holds a.mu.
func (a *Association) open(label, protocol string) (*channel, error) {
	if a.ended {
		return nil, ErrClosed
	}
	id, ok := a.freeID()
	if !ok || len(a.channels) >= maxChannels {
		return nil, ErrNoChannels
	}
	s, err := a.sctp.OpenStream(id, pion.PayloadTypeWebRTCBinary)
	if err != nil {
		return nil, err
	}
	c := &channel{id: id, stream: s, established: true, label: label, protocol: protocol}
	if err := a.write(s, open{label: label, protocol: protocol}.marshal(), pion.PayloadTypeWebRTCDCEP); err != nil {
		return nil, err
	}
	a.use(c)
	a.channels = append(a.channels, c)
	return c, nil
}

// freeID chooses a stream of our parity (RFC 8832, 6): one that was never used,
// as long as there is one, else one that is free again.
func (a *Association) freeID() (uint16, bool) {
	limit := uint16(maxStreams)
	if n := a.conn.peerStreams.Load(); n > 0 && n <= math.MaxUint16 {
		limit = min(limit, uint16(n))
	}
	for ; a.nextID < limit; a.nextID += 2 {
		if a.streams[a.nextID] == nil {
			id := a.nextID
			a.nextID += 2
			return id, true
		}
	}
	for id := 2 - a.nextID%2; id < limit; id += 2 {
		if a.streams[id] == nil {
			return id, true
		}
	}
	return 0, false
}
