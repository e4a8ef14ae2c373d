package dtls

import (
	"context"
	"errors"
	"strings"
)

// ReasonKind is why an endpoint closed.
type ReasonKind uint8

// The kinds of reason.
const (
	LocalClose     ReasonKind = iota // Close was called
	PeerAlert                        // close_notify or a fatal alert of the peer
	Timeout                          // no handshake within Config.Timeout
	BadFingerprint                   // not the certificate the peer's description promised
	Failed                           // the handshake failed otherwise
)

var kindNames = [...]string{"closed", "alert from peer", "timeout", "fingerprint", "error"}

// String is a short English name.
func (k ReasonKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Reason says why an endpoint closed. Text adds details, and may be empty.
type Reason struct {
	Kind ReasonKind
	Text string
}

// String joins kind and text.
func (r Reason) String() string {
	if r.Text == "" {
		return r.Kind.String()
	}
	return r.Kind.String() + ": " + r.Text
}

// explain adds the meaning of an alert to it where that is no secret.
func explain(alert string) string {
	if strings.Contains(alert, "ProtocolVersion") {
		return alert + ": the peer does not speak DTLS 1.2, which every browser of today does"
	}
	return alert
}

// alert is an alert of the peer. The type pion/dtls has for it is not exported,
// but has this method.
type alert interface {
	error
	IsFatalOrCloseNotify() bool
}

// reasonFor classifies the error of a failed handshake.
func reasonFor(err error) Reason {
	var received alert
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Reason{Timeout, "no handshake in time: does UDP get through, and so do packets of this size (dtls_mtu)?"}
	case errors.Is(err, errFingerprint):
		return Reason{BadFingerprint, errFingerprint.Error()}
	case errors.As(err, &received):
		return Reason{PeerAlert, explain(received.Error())}
	}
	return Reason{Failed, err.Error()}
}
