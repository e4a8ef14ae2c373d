// Package mqtt is a client of MQTT brokers (OASIS MQTT 3.1.1 and 5.0, and the older 3.1)
// whose session goes on over connections: packet identifiers of messages under way stay, so
// that the broker recognises repeated ones.
package mqtt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"bifrons/api/broker"
)

// Versions are the protocol levels (3.1.2.2) by the names that settings have for them.
var Versions = map[string]byte{"3.1": 3, "3.1.1": 4, "5": 5}

// Config says how to connect, and which topics to subscribe to.
type Config struct {
	Address        string // host and port
	TLS            broker.TLS
	Version        byte // protocol level: 3, 4 or 5
	ClientID       string
	User, Password string // "" = none
	KeepAlive      time.Duration
	Clean          bool // the broker keeps nothing of an earlier connection
	Subscribe      []Subscription
	Receiver       broker.Receiver // of incoming messages; nil if nothing is subscribed to

	Online  *broker.Message // published with each connection; nil = nothing
	Offline *broker.Message // published at a polite end
	Will    *broker.Message // published by the broker, if it misses this client
	Linger  time.Duration   // that the broker gets to acknowledge Offline
}

// Subscription is a topic filter with the best quality of service that is wanted.
type Subscription struct {
	Filter string
	QoS    byte
}

// ParseURL takes apart the URL of a broker, such as tcp://localhost:1883 or ssl://host. Its
// errors do not contain it.
func ParseURL(text string) (address string, secure bool, err error) {
	if !strings.Contains(text, "://") {
		text = "tcp://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", false, errors.New("is no URL of a broker")
	}
	if u.User != nil {
		return "", false, errors.New("has a user in it: username and password are settings of their own")
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "mqtts", "tls":
		port, secure = "8883", true
	default:
		return "", false, fmt.Errorf("%s is not supported, tcp and ssl are", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), secure, nil
}

// CheckTopic checks a topic to publish to (4.7).
func CheckTopic(topic string) error {
	if topic == "" || strings.ContainsAny(topic, "+#\x00") {
		return errors.New("is no topic to publish to")
	}
	return nil
}

// Refused is a CONNECT that the broker does not accept, with its return or reason code
// (3.2.2.3 of MQTT 3.1.1, 3.2.2.2 of 5).
type Refused struct{ Code byte }

func (r Refused) Error() string {
	text := map[byte]string{
		1: "protocol version", 2: "client identifier", 3: "the broker is not available", 4: "user name or password",
		5: "not authorised", 0x84: "protocol version", 0x85: "client identifier", 0x86: "user name or password",
		0x87: "not authorised", 0x88: "the broker is not available", 0x89: "the broker is busy", 0x8a: "banned",
	}[r.Code]
	if text == "" {
		text = fmt.Sprintf("code %d", r.Code)
	}
	return "the broker refuses the connection: " + text
}

// Ended is the end of a connection by the broker's word (MQTT 5, 3.14).
type Ended struct{ Code byte }

func (e Ended) Error() string {
	return fmt.Sprintf("the broker has ended the connection, reason code 0x%02x", e.Code)
}
