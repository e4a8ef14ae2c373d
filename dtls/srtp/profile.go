package srtp

import "errors"

// Profile is an SRTP protection profile negotiable by DTLS-SRTP.
type Profile uint8

// The protection profiles of RFC 5764, 4.1.2 and RFC 7714, 14.2.
const (
	AEADAES128GCM Profile = iota + 1
	AEADAES256GCM
	AES128CMSHA180
	AES128CMSHA132
)

// Errors of the packet path. They are variables so that refusing a packet
// costs no memory.
var (
	// ErrShort: the packet cannot hold a header and an authentication tag.
	ErrShort = errors.New("srtp: packet too short")
	// ErrReplay: the packet was seen before, or lies behind the replay window.
	ErrReplay = errors.New("srtp: replayed packet")
	// ErrAuth: the authentication tag is wrong.
	ErrAuth = errors.New("srtp: authentication failed")
	// ErrBuffer: the destination has no room for the sealed packet.
	ErrBuffer = errors.New("srtp: destination too small")
	// ErrExhausted: the SRTCP index space of the key is used up (RFC 3711, 9.2).
	ErrExhausted = errors.New("srtp: key exhausted")

	errProfile = errors.New("srtp: unknown protection profile")
	errKeySize = errors.New("srtp: master key or salt of wrong length")
)

// profileInfo holds the sizes of a profile in bytes.
type profileInfo struct {
	name            string
	key, salt       int
	rtpTag, rtcpTag int
	aead            bool
}

var profiles = [...]profileInfo{
	AEADAES128GCM:  {"AEAD_AES_128_GCM", 16, 12, 16, 16, true},
	AEADAES256GCM:  {"AEAD_AES_256_GCM", 32, 12, 16, 16, true},
	AES128CMSHA180: {"AES128_CM_SHA1_80", 16, 14, 10, 10, false},
	AES128CMSHA132: {"AES128_CM_SHA1_32", 16, 14, 4, 10, false},
}

// Valid reports whether p is one of the four known profiles.
func (p Profile) Valid() bool { return p >= AEADAES128GCM && p <= AES128CMSHA132 }

func (p Profile) info() profileInfo {
	if !p.Valid() {
		return profileInfo{name: "unknown"}
	}
	return profiles[p]
}

// String is the name used in the IANA registry, without the "SRTP_" prefix.
func (p Profile) String() string { return p.info().name }

// Overhead is how many bytes SealRTP adds to a packet.
func (p Profile) Overhead() int { return p.info().rtpTag }

// RTCPOverhead is how many bytes SealRTCP adds: tag and the E bit with the index.
func (p Profile) RTCPOverhead() int { return p.info().rtcpTag + indexSize }

// KeyLen is the length of the master key in bytes.
func (p Profile) KeyLen() int { return p.info().key }

// SaltLen is the length of the master salt in bytes.
func (p Profile) SaltLen() int { return p.info().salt }

// Keys is the outcome of a DTLS-SRTP handshake (RFC 5764, 4.2): the master keys
// and salts of both directions. Local protects our packets.
type Keys struct {
	Profile               Profile
	LocalKey, LocalSalt   []byte
	RemoteKey, RemoteSalt []byte
}
