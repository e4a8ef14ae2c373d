// Package broker keeps connections to message brokers: it reconnects with back-off,
// and sending goes on in order where the connection broke. The packages below
// it have the protocols.
package broker

import (
	"context"
	"errors"
	"net"
	"time"
)

// Message goes to a broker or comes from one.
type Message struct {
	Topic       string // or the routing key
	Body        []byte
	Correlation []byte // of a request with its reply; nil = none
	ReplyTo     string // where a reply should go, "" = nothing is said
	QoS         byte   // of MQTT
	Retain      bool   // of MQTT
	Properties  []Property
	Again       bool // it may have come before
	Count       int  // of messages in it, for Link.Pending; 0 = 1

	// ID identifies a message that is sent again, where the protocol carries
	// it; the Link sets it.
	ID string
}

// Property is a user property of MQTT 5 (3.3.2.3.7).
type Property struct{ Name, Value string }

// Receiver takes incoming messages. Its methods are called by one goroutine at a time.
type Receiver interface {
	// Ready waits until a message can be taken; false if ctx is over before.
	Ready(ctx context.Context) bool

	// Receive takes a message, which is lent until it returns.
	Receive(m *Message)
}

// Wire is one connection to a broker, as long as it lives.
type Wire interface {
	// Send sends a message. n, which grows, goes to Link.Confirmed once the
	// broker has it. again means that it may have been sent over an earlier Wire.
	Send(m *Message, n uint64, again bool) error

	// Done is closed when the connection is broken.
	Done() <-chan struct{}

	// Err is why.
	Err() error

	// Close ends it, politely or at once, and waits for its goroutines.
	Close(polite bool)
}

// MaxBody is the size in bytes of the largest message that is taken.
const MaxBody = 1 << 20

// DialTimeout is for making a connection, from the name of the host to the last word
// before the first message.
const DialTimeout = 10 * time.Second

// Connect opens a TCP connection, with TLS if t is on. It must be used until ctx is over.
func Connect(ctx context.Context, address string, t TLS) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil || !t.On {
		return c, err
	}
	secured, err := t.secure(ctx, c, address)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return secured, nil
}
