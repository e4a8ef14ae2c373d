package ice

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// STUN on the wire (RFC 8489), as far as ICE uses it.
const (
	stunHeader = 20
	stunCookie = 0x2112A442
	stunMaxLen = 2048 // ignores anything longer; checks are some 100 bytes

	bindingRequest    = 0x0001
	bindingIndication = 0x0011
	bindingSuccess    = 0x0101
	bindingError      = 0x0111

	attrMappedAddress     = 0x0001
	attrUsername          = 0x0006
	attrIntegrity         = 0x0008
	attrErrorCode         = 0x0009
	attrUnknownAttributes = 0x000A
	attrRealm             = 0x0014
	attrNonce             = 0x0015
	attrIntegritySHA256   = 0x001C
	attrPasswordAlgorithm = 0x001D
	attrUserhash          = 0x001E
	attrXORMappedAddress  = 0x0020
	attrPriority          = 0x0024
	attrUseCandidate      = 0x0025
	attrFingerprint       = 0x8028
	attrControlled        = 0x8029
	attrControlling       = 0x802A

	integrityLen   = 4 + 20
	fingerprintLen = 4 + 4
	fingerprintXOR = 0x5354554E

	errorBadRequest       = 400
	errorUnknownAttribute = 420
	errorRoleConflict     = 487
)

type transactionID [12]byte

// IsSTUN distinguishes a STUN message from other datagrams by its first byte and the
// magic cookie (RFC 8489, 5; RFC 7983). The rest may still be malformed.
func IsSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0] <= 3 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// STUNUsername returns the two parts of the USERNAME of a binding request:
// the user fragment of its receiver, and that of its sender (RFC 8445, 7.2.2).
// They are slices of b. Nothing about the message is authenticated.
func STUNUsername(b []byte) (local, remote []byte, ok bool) {
	if !isMessage(b) || binary.BigEndian.Uint16(b) != bindingRequest {
		return nil, nil, false
	}
	for rest := b[stunHeader:]; len(rest) > 0; {
		var typ uint16
		var v []byte
		if typ, v, rest, ok = nextAttribute(rest); !ok {
			return nil, nil, false
		}
		if typ == attrUsername {
			local, remote, ok = bytes.Cut(v, colon)
			return local, remote, ok
		}
	}
	return nil, nil, false
}

var colon = []byte(":")

// isMessage recognises a STUN message that fills b exactly.
func isMessage(b []byte) bool {
	return IsSTUN(b) && len(b) <= stunMaxLen && len(b)%4 == 0 &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-stunHeader
}

// nextAttribute cuts one attribute with its padding off b.
func nextAttribute(b []byte) (typ uint16, value, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	padded := (n + 3) &^ 3
	if len(b) < 4+padded {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(b), b[4 : 4+n], b[4+padded:], true
}

// message is a view of one parsed STUN message; its slices lie in raw.
type message struct {
	raw       []byte
	typ       uint16
	id        transactionID
	username  []byte
	integrity int // offset of the MESSAGE-INTEGRITY attribute, 0 if absent
	mapped    netip.AddrPort
	errorCode int

	priority     uint32
	tieBreaker   uint64
	controlling  bool
	controlled   bool
	useCandidate bool
	fingerprint  bool
	unknown      uint16 // the first attribute we had to know, 0 if none
}

// parse reads b, which m keeps. Attributes behind MESSAGE-INTEGRITY, other than
// FINGERPRINT, are ignored as they are not protected (RFC 8489, 14.5). It
// reports false for a malformed message and for a wrong FINGERPRINT.
func (m *message) parse(b []byte) bool {
	if !isMessage(b) {
		return false
	}
	*m = message{raw: b, typ: binary.BigEndian.Uint16(b)}
	copy(m.id[:], b[8:])
	for rest := b[stunHeader:]; len(rest) > 0; {
		at := len(b) - len(rest)
		typ, v, r, ok := nextAttribute(rest)
		if !ok {
			return false
		}
		rest = r
		switch {
		case typ == attrFingerprint:
			if len(v) != 4 || len(rest) != 0 || binary.BigEndian.Uint32(v) != fingerprint(b[:at]) {
				return false
			}
			m.fingerprint = true
		case m.integrity != 0:
		case typ == attrIntegrity:
			if len(v) != 20 {
				return false
			}
			m.integrity = at
		default:
			if !m.attribute(typ, v) {
				return false
			}
		}
	}
	return true
}

// attribute takes one protected attribute; of several alike the first counts
// (RFC 8489, 14).
func (m *message) attribute(typ uint16, v []byte) bool {
	switch typ {
	case attrUsername:
		if len(v) > 513 {
			return false
		}
		if m.username == nil {
			m.username = v
		}
	case attrPriority:
		if len(v) != 4 {
			return false
		}
		m.priority = binary.BigEndian.Uint32(v)
	case attrUseCandidate:
		m.useCandidate = true
	case attrControlling, attrControlled:
		if len(v) != 8 || m.controlling || m.controlled {
			return false
		}
		m.tieBreaker = binary.BigEndian.Uint64(v)
		m.controlling = typ == attrControlling
		m.controlled = typ == attrControlled
	case attrXORMappedAddress:
		a, ok := parseAddress(v, m.raw[4:stunHeader])
		m.mapped = a
		return ok
	case attrMappedAddress:
		a, ok := parseAddress(v, nil)
		if !m.mapped.IsValid() {
			m.mapped = a
		}
		return ok
	case attrErrorCode:
		if len(v) < 4 {
			return false
		}
		m.errorCode = int(v[2]&7)*100 + int(v[3])
	case attrRealm, attrNonce, attrUnknownAttributes,
		attrIntegritySHA256, attrPasswordAlgorithm, attrUserhash:
	default:
		if typ < 0x8000 && m.unknown == 0 {
			m.unknown = typ
		}
	}
	return true
}

// parseAddress reads a (XOR-)MAPPED-ADDRESS; xor is the cookie and transaction
// id, or nil.
func parseAddress(v, xor []byte) (netip.AddrPort, bool) {
	if len(v) < 4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:])
	if xor != nil {
		port ^= stunCookie >> 16
	}
	var ip [16]byte
	n := copy(ip[:], v[4:])
	if n != len(v)-4 {
		return netip.AddrPort{}, false
	}
	for i := range min(n, len(xor)) {
		ip[i] ^= xor[i]
	}
	switch {
	case v[1] == 1 && n == 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[:4])), port), true
	case v[1] == 2 && n == 16:
		return netip.AddrPortFrom(netip.AddrFrom16(ip).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}

// fingerprint is the value of a FINGERPRINT that follows b, whose length field
// covers it already.
func fingerprint(b []byte) uint32 {
	return crc32.ChecksumIEEE(b) ^ fingerprintXOR
}
