package sfu

import (
	"encoding/base64"
	"errors"
	"fmt"

	"bifrons/dtls/srtp"
)

// SRTPKey is a master key for SRTP outside of WebRTC: key and salt have the
// lengths that the profile asks for.
type SRTPKey struct {
	Profile   srtp.Profile
	Key, Salt []byte
}

// NewSRTPKey reads a key as SDES carries it (RFC 4568, 6.1): base64 of the key
// and the salt behind it; more is ignored. tag is the length of the
// authentication tag in bits, 32 or 80.
func NewSRTPKey(tag int, inline string) (*SRTPKey, error) {
	k := &SRTPKey{}
	switch tag {
	case 32:
		k.Profile = srtp.AES128CMSHA132
	case 80:
		k.Profile = srtp.AES128CMSHA180
	default:
		return nil, fmt.Errorf("sfu: SRTP suite %d is not known, only 32 and 80", tag)
	}
	b, err := base64.StdEncoding.DecodeString(inline)
	if err != nil {
		return nil, fmt.Errorf("sfu: SRTP key: %w", err)
	}
	n, m := k.Profile.KeyLen(), k.Profile.SaltLen()
	if len(b) < n+m {
		return nil, errors.New("sfu: SRTP key is too short")
	}
	k.Key, k.Salt = b[:n], b[n:n+m]
	return k, nil
}
