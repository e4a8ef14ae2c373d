package dtls

// Record content types (RFC 6347, 4.1; RFC 5246, 6.2.1).
const (
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
	applicationData  = 23

	recordHeader = 13 // bytes

	// lateHandshakes bounds the plaintext handshake datagrams read after the
	// handshake. A peer that missed our last flight sends a few; each makes
	// us answer with that flight, and anybody can forge them.
	lateHandshakes = 64
)

// record is one record of a datagram, not checked by any cryptography.
type record struct {
	kind  byte
	epoch uint16
	body  []byte
}

// nextRecord takes the first record off b. ok is false if b does not hold a
// whole one.
func nextRecord(b []byte) (r record, rest []byte, ok bool) {
	if len(b) < recordHeader {
		return record{}, nil, false
	}
	end := recordHeader + int(b[11])<<8 + int(b[12])
	if end > len(b) {
		return record{}, nil, false
	}
	return record{b[0], uint16(b[3])<<8 | uint16(b[4]), b[recordHeader:end]}, b[end:], true
}

// admit decides if a datagram may reach pion/dtls. Epoch 0 is plaintext that
// anybody can forge who knows the addresses, and pion/dtls answers some of it
// with a fatal alert, under the keys of the association: one forged datagram
// would end it. The same holds for a ChangeCipherSpec of any epoch, which it
// does not authenticate. No peer sends any of that.
//
// late is true for a datagram that is plausible but in plaintext after the
// handshake.
func admit(b []byte, connected, wanted bool) (ok, late bool) {
	for len(b) > 0 {
		r, rest, whole := nextRecord(b)
		if !whole {
			return false, false
		}
		switch r.kind {
		case changeCipherSpec:
			ok = r.epoch == 0 && len(r.body) == 1 && r.body[0] == 1
		case alertRecord:
			ok = r.epoch > 0 || !connected && len(r.body) == 2
		case handshakeRecord:
			ok = true
		case applicationData:
			// Unread application data would stop the queue, and with it alerts.
			ok = r.epoch > 0 && wanted
		default:
			ok = false
		}
		if !ok {
			return false, false
		}
		late = late || connected && r.epoch == 0
		b = rest
	}
	return ok, late
}
