package ice

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"net/netip"
)

// macKey computes MESSAGE-INTEGRITY (RFC 8489, 14.5) with one password, again
// and again without allocation.
type macKey struct {
	h   hash.Hash
	hdr [stunHeader]byte
	sum [sha1.Size]byte
}

func newMACKey(pwd string) *macKey {
	k := &macKey{h: hmac.New(sha1.New, []byte(pwd))}
	k.h.Reset()
	return k
}

// compute returns the MAC over b, a message up to the attribute, with the
// length field that the message has with the attribute at its end. The result
// is valid until the next call.
func (k *macKey) compute(b []byte) []byte {
	copy(k.hdr[:], b)
	binary.BigEndian.PutUint16(k.hdr[2:], uint16(len(b)-stunHeader+integrityLen))
	k.h.Reset()
	k.h.Write(k.hdr[:])
	k.h.Write(b[stunHeader:])
	return k.h.Sum(k.sum[:0])
}

// verify reports whether m carries a MESSAGE-INTEGRITY made with k.
func (k *macKey) verify(m *message) bool {
	if m.integrity == 0 {
		return false
	}
	want := k.compute(m.raw[:m.integrity])
	return subtle.ConstantTimeCompare(want, m.raw[m.integrity+4:m.integrity+integrityLen]) == 1
}

// builder appends to one STUN message. The length field is right after each
// method.
type builder []byte

func (b builder) begin(typ uint16, id *transactionID) builder {
	b = binary.BigEndian.AppendUint16(b[:0], typ)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return append(b, id[:]...)
}

// attr opens an attribute with a value of n bytes, which the caller appends.
func (b builder) attr(typ uint16, n int) builder {
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader+(n+3)&^3))
	return b
}

func (b builder) bytes(typ uint16, v []byte) builder {
	b = append(b.attr(typ, len(v)), v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (b builder) uint32(typ uint16, v uint32) builder {
	return binary.BigEndian.AppendUint32(b.attr(typ, 4), v)
}

func (b builder) uint64(typ uint16, v uint64) builder {
	return binary.BigEndian.AppendUint64(b.attr(typ, 8), v)
}

func (b builder) xorAddress(a netip.AddrPort) builder {
	ip := a.Addr().As16()
	raw, family := ip[:], byte(2)
	if a.Addr().Is4() {
		raw, family = ip[12:], 1
	}
	b = append(b.attr(attrXORMappedAddress, 4+len(raw)), 0, family)
	b = binary.BigEndian.AppendUint16(b, a.Port()^stunCookie>>16)
	for i, c := range raw {
		b = append(b, c^b[4+i])
	}
	return b
}

func (b builder) errorCode(code int) builder {
	return append(b.attr(attrErrorCode, 4), 0, 0, byte(code/100), byte(code%100))
}

func (b builder) integrity(k *macKey) builder {
	sum := k.compute(b)
	return append(b.attr(attrIntegrity, len(sum)), sum...)
}

func (b builder) fingerprint() builder {
	at := len(b)
	b = b.attr(attrFingerprint, 4)
	return binary.BigEndian.AppendUint32(b, fingerprint(b[:at]))
}
