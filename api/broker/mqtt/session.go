package mqtt

import (
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"

	"bifrons/api/broker"
)

// Session is the state that client and broker keep about each other (4.1 of MQTT 3.1.1): it outlives
// connections.
type Session struct {
	cfg       Config
	confirmed func(n uint64)

	mu      sync.Mutex
	flights map[uint64]*flight // by number
	ids     map[uint16]*flight
	lastID  uint16
	taken   map[uint16]struct{} // QoS 2 messages that came and were not released
}

// flight is a message whose delivery the broker has not acknowledged to the end.
type flight struct {
	n        uint64
	id       uint16
	known    bool // the broker may have it, in this session
	released bool // it has: PUBREL is next
}

// NewSession makes a Session. confirmed gets the numbers of messages that the broker has.
func NewSession(cfg Config, confirmed func(n uint64)) *Session {
	return &Session{
		cfg: cfg, confirmed: confirmed,
		flights: make(map[uint64]*flight), ids: make(map[uint16]*flight), taken: make(map[uint16]struct{}),
	}
}

// flight finds a message, or begins its delivery. n is 0 for one that nobody waits for.
func (s *Session) flight(n uint64) flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[n]
	if f == nil || n == 0 {
		f = &flight{n: n, id: s.freeID()}
		s.ids[f.id] = f
		if n != 0 {
			s.flights[n] = f
		}
	}
	was := *f
	f.known = true
	return was
}

// freeID is a packet identifier that is not in use. s.mu is held; there are far fewer
// messages under way than identifiers.
func (s *Session) freeID() uint16 {
	for {
		s.lastID++
		if s.lastID != 0 && s.ids[s.lastID] == nil {
			return s.lastID
		}
	}
}

// release notes that the broker has a message of QoS 2.
func (s *Session) release(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.ids[id]; f != nil {
		f.released = true
	}
}

// landed ends a delivery; false if there was none of that identifier.
func (s *Session) landed(id uint16) bool {
	s.mu.Lock()
	f := s.ids[id]
	if f != nil {
		delete(s.ids, id)
		delete(s.flights, f.n)
	}
	s.mu.Unlock()
	if f != nil && f.n != 0 {
		s.confirmed(f.n)
	}
	return f != nil
}

// begin prepares for a new connection. If the broker remembers nothing, all is sent as
// new, except messages that it has had.
func (s *Session) begin(present bool) {
	s.mu.Lock()
	var had []uint64
	for id, f := range s.ids {
		switch {
		case f.n == 0: // said again with each connection
			delete(s.ids, id)
		case present:
		case f.released:
			delete(s.ids, id)
			delete(s.flights, f.n)
			had = append(had, f.n)
		default:
			f.known = false
		}
	}
	if !present {
		clear(s.taken)
	}
	s.mu.Unlock()
	for _, n := range had {
		s.confirmed(n)
	}
}

// take notes a message of QoS 2 that is being taken; untake, that it was not.
func (s *Session) take(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[id] = struct{}{}
}

func (s *Session) untake(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, id)
}

func (s *Session) wasTaken(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.taken[id]
	return is
}

// publish makes the packet of a message.
func publish(version byte, m *broker.Message, qos byte) packets.Packet {
	p := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: qos, Retain: m.Retain},
		ProtocolVersion: version, TopicName: m.Topic, Payload: m.Body,
		Mods: packets.Mods{AllowResponseInfo: true},
	}
	if version == 5 {
		p.Properties = packets.Properties{CorrelationData: m.Correlation, ResponseTopic: m.ReplyTo}
		for _, u := range m.Properties {
			p.Properties.User = append(p.Properties.User, packets.UserProperty{Key: u.Name, Val: u.Value})
		}
	}
	return p
}

// received makes a message of a packet.
func received(p *packets.Packet) *broker.Message {
	m := &broker.Message{
		Topic: p.TopicName, Body: p.Payload, QoS: p.FixedHeader.Qos, Retain: p.FixedHeader.Retain, Again: p.FixedHeader.Dup,
		Correlation: p.Properties.CorrelationData, ReplyTo: p.Properties.ResponseTopic,
	}
	for _, u := range p.Properties.User {
		m.Properties = append(m.Properties, broker.Property{Name: u.Key, Value: u.Val})
	}
	return m
}
