// Package srtp protects and opens RTP and RTCP packets (RFC 3711, RFC 7714)
// in memory of the caller, without allocating.
//
// A Sender or Receiver belongs to one goroutine. Neither knows sequence
// numbers of RTP: the sending side passes its rollover counter, the receiving
// side a StreamState for each SSRC.
package srtp

import "crypto/cipher"

const (
	rtpHeader  = 12 // fixed RTP header
	rtcpHeader = 8  // RTCP header and sender SSRC, never encrypted
	indexSize  = 4  // E bit and SRTCP index
	encrypted  = 1 << 31
)

// session is the state of one direction for one kind of packet, RTP or RTCP: the
// session keys and scratch space. The scratch lives here because whatever is
// passed to a cipher through an interface would otherwise move to the heap.
type session struct {
	aead cipher.AEAD  // AEAD profiles
	ctr  *counterMode // AES-CM profiles
	mac  *tagger      // AES-CM profiles
	salt [14]byte
	tag  int // bytes

	nonce [12]byte
	aad   [rtcpHeader + indexSize]byte
	saved [gcmTag]byte
}

// setNonce builds the AEAD nonce (RFC 7714, 8.1 and 9.1). index has 48 bits:
// rollover counter and sequence number, or the SRTCP index.
func (s *session) setNonce(ssrc uint32, index uint64) {
	n := &s.nonce
	n[0], n[1] = s.salt[0], s.salt[1]
	n[2] = s.salt[2] ^ byte(ssrc>>24)
	n[3] = s.salt[3] ^ byte(ssrc>>16)
	n[4] = s.salt[4] ^ byte(ssrc>>8)
	n[5] = s.salt[5] ^ byte(ssrc)
	n[6] = s.salt[6] ^ byte(index>>40)
	n[7] = s.salt[7] ^ byte(index>>32)
	n[8] = s.salt[8] ^ byte(index>>24)
	n[9] = s.salt[9] ^ byte(index>>16)
	n[10] = s.salt[10] ^ byte(index>>8)
	n[11] = s.salt[11] ^ byte(index)
}

// xor applies the AES-CM keystream of a packet (RFC 3711, 4.1.1). index has 48
// bits. dst and src are the same memory or do not overlap.
func (s *session) xor(dst, src []byte, ssrc uint32, index uint64) {
	hi := be64(s.salt[0:8]) ^ uint64(ssrc)
	lo := (be48(s.salt[8:14]) ^ index) << 16
	s.ctr.xor(dst, src, hi, lo)
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func be48(b []byte) uint64 { return uint64(be16(b))<<32 | uint64(be32(b[2:])) }

func be64(b []byte) uint64 { return uint64(be32(b))<<32 | uint64(be32(b[4:])) }

func put32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}
