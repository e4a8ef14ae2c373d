package peer

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// checks is the least that ICE (RFC 8445) asks of an agent with one address, and
// a server with one: it answers checks, and makes its own until one succeeds.
type checks struct {
	ufrag, pwd   string
	there        remote
	controlling  bool
	request      []byte // the check under way, nil = none
	id           [stun.TransactionIDSize]byte
	succeeded    bool
	nominated    bool
	connected    chan struct{}
	connectedSet bool
}

const checkPeriod = 50 * time.Millisecond

// connect finds the path to the server and remembers it.
func (p *Light) connect(ctx context.Context) error {
	var last error
	for _, a := range p.ice.there.candidates {
		if p.server, last = parseCandidate(a); last == nil {
			break
		}
	}
	if !p.server.IsValid() {
		return fmt.Errorf("the server has no candidate that can be used: %w", last)
	}
	h := p.hub
	h.mu.Lock()
	c := &p.ice
	c.id = stun.NewTransactionID()
	attrs := []stun.Setter{
		stun.NewTransactionIDSetter(c.id), stun.BindingRequest,
		stun.NewUsername(c.there.ufrag + ":" + c.ufrag),
		attribute{stun.AttrPriority, []byte{0x6e, 0, 0, 0xff}},
	}
	role := stun.AttrICEControlled
	if c.controlling {
		role = stun.AttrICEControlling
		attrs = append(attrs, attribute{stun.AttrUseCandidate, nil})
	}
	attrs = append(attrs, attribute{role, []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		stun.NewShortTermIntegrity(c.there.pwd), stun.Fingerprint)
	m, err := stun.Build(attrs...)
	if err == nil {
		c.request = m.Raw
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		h.send(p, m.Raw)
		select {
		case <-c.connected:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("ICE: %w", ctx.Err())
		case <-time.After(checkPeriod):
		}
	}
}

// attribute adds an attribute that is no more than bytes.
type attribute struct {
	kind  stun.AttrType
	value []byte
}

// AddTo implements stun.Setter.
func (a attribute) AddTo(m *stun.Message) error {
	m.Add(a.kind, a.value)
	return nil
}

// stun takes a STUN message. The hub's lock is held.
func (p *Light) stun(from netip.AddrPort, b []byte) {
	c := &p.ice
	m := stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil {
		return
	}
	switch m.Type {
	case stun.BindingSuccess:
		if m.TransactionID == c.id && c.request != nil {
			c.succeeded = true
		}
	case stun.BindingRequest:
		integrity := stun.NewShortTermIntegrity(c.pwd)
		if integrity.Check(&m) != nil {
			return
		}
		answer, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, integrity, stun.Fingerprint)
		if err != nil {
			return
		}
		p.hub.reply(p, from, answer.Raw)
		if m.Contains(stun.AttrUseCandidate) {
			c.nominated = true
		}
	}
	if c.succeeded && (c.controlling || c.nominated) && !c.connectedSet {
		c.connectedSet = true
		close(c.connected)
	}
}
