package sctp

import (
	"errors"
	"math"

	pion "github.com/pion/sctp"
)

// DefaultLabel names the channel of messages without a label.
const DefaultLabel = "JanusDataChannel"

// maxBuffered bounds what waits to be sent on an association, in bytes.
const maxBuffered = 16 << 20

// Errors of Send.
var (
	ErrClosed     = errors.New("sctp: association closed")
	ErrTooLong    = errors.New("sctp: message, label or protocol too long")
	ErrFull       = errors.New("sctp: send buffer full")
	ErrNoChannels = errors.New("sctp: too many data channels")
)

// message is one that waits for the association or for its channel.
type message struct {
	label, protocol string
	binary          bool
	payload         []byte
}

// queue holds messages in the order of Send.
type queue struct {
	messages []message
	bytes    int
}

func (q *queue) push(m message) {
	q.messages = append(q.messages, m)
	q.bytes += m.size()
}

func (q *queue) pop() message {
	m := q.messages[0]
	q.messages[0] = message{}
	q.messages = q.messages[1:]
	if q.bytes -= m.size(); len(q.messages) == 0 {
		q.messages = nil
	}
	return m
}

// size counts a message with a bit of bookkeeping, so that many small ones do
// not slip through the bound.
func (m message) size() int { return len(m.label) + len(m.protocol) + len(m.payload) + 64 }

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
// be about to open the channel, and while SCTP is busy. ErrFull means that more than
// 16 MB do.
func (a *Association) Send(label, protocol string, binary bool, payload []byte) error {
	err := a.send(message{label, protocol, binary, payload})
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
	buffered := a.waiting.bytes
	if a.sctp != nil {
		buffered += a.sctp.BufferedAmount()
	}
	if buffered+m.size() > maxBuffered {
		return ErrFull
	}
	if a.sctp != nil && len(a.waiting.messages) == 0 && a.canSend(m) {
		return a.transmit(m)
	}
	m.payload = append([]byte(nil), m.payload...)
	a.waiting.push(m)
	return nil
}

// canSend tells if m has a channel, or may have one opened.
func (a *Association) canSend(m message) bool { return a.mayOpen || a.find(m.label) != nil }

func (a *Association) find(label string) *channel {
	for _, c := range a.channels {
		if c.label == label {
			return c
		}
	}
	return nil
}

// flush sends what waits, as far as it can. The caller holds a.mu.
func (a *Association) flush() {
	for len(a.waiting.messages) > 0 && a.canSend(a.waiting.messages[0]) {
		m := a.waiting.pop()
		if err := a.transmit(m); err != nil {
			a.refused.Add(1)
			a.cfg.Log.Debug("data channel message not sent", "label", m.label, "error", err)
		}
	}
}

// transmit hands m to SCTP. The caller holds a.mu.
func (a *Association) transmit(m message) error {
	kind, payload := m.wire()
	c := a.find(m.label)
	if c == nil {
		var err error
		if c, err = a.open(m.label, m.protocol); err != nil {
			return err
		}
	}
	if _, err := c.stream.WriteSCTP(payload, kind); err != nil {
		return err
	}
	a.sent.Add(1)
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
	if _, err := s.WriteSCTP(open{label: label, protocol: protocol}.marshal(), pion.PayloadTypeWebRTCDCEP); err != nil {
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
