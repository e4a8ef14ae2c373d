package ice

import "encoding/binary"

// TransactionKey returns the Config.Key of the agent whose request the response
// b answers; ok is false if b is no STUN response. It says nothing about
// authenticity.
func TransactionKey(b []byte) (key uint32, ok bool) {
	if !IsSTUN(b) || len(b) < 20 || b[0]&0x01 == 0 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[8:]), true
}

// Priority is the priority of a candidate of component 1; local distinguishes
// those of one type (RFC 8445, 5.1.2.1).
func Priority(t CandidateType, local uint16) uint32 { return priority(t, local) }
