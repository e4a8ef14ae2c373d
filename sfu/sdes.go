package sfu

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"bifrons/dtls/srtp"
)

// SRTPKey is a master key for SRTP outside WebRTC: key and salt have the
// lengths that the profile asks for.
type SRTPKey struct {
	Profile   srtp.Profile
	Key, Salt []byte
}

// NewSRTPKey reads a key as SDES carries it (RFC 4568, 6.1): base64 of the key
// and the salt behind it; more is ignored. tag is the length of the
// authentication tag in bits, 32 or 80.
func NewSRTPKey(tag int, inline string) (*SRTPKey, error) {
	switch tag {
	case 32:
		return ParseSRTPKey(srtp.AES128CMSHA132, inline)
	case 80:
		return ParseSRTPKey(srtp.AES128CMSHA180, inline)
	}
	return nil, fmt.Errorf("sfu: SRTP suite %d is not known, only 32 and 80", tag)
}

// SRTPProfile is a suite of algorithms; see package srtp.
type SRTPProfile = srtp.Profile

// suites are the profiles as SDES names them (RFC 4568, 6.2; RFC 7714, 14.1), the one
// that everybody knows first.
var suites = []struct {
	name    string
	profile SRTPProfile
}{
	{"AES_CM_128_HMAC_SHA1_80", srtp.AES128CMSHA180},
	{"AES_CM_128_HMAC_SHA1_32", srtp.AES128CMSHA132},
	{"AEAD_AES_128_GCM", srtp.AEADAES128GCM},
	{"AEAD_AES_256_GCM", srtp.AEADAES256GCM},
}

// SRTPSuite is the profile that SDES calls so, in any case (RFC 4568, 9.1); false if it
// is not known.
func SRTPSuite(name string) (SRTPProfile, bool) {
	for _, s := range suites {
		if strings.EqualFold(s.name, name) {
			return s.profile, true
		}
	}
	return 0, false
}

// SuiteName is the name of a profile in SDES, "" if it has none.
func SuiteName(p SRTPProfile) string {
	for _, s := range suites {
		if s.profile == p {
			return s.name
		}
	}
	return ""
}

// ParseSRTPKey reads a key as SDES carries it (RFC 4568, 6.1): base64 of the key and the
// salt behind it; more is ignored.
func ParseSRTPKey(p SRTPProfile, inline string) (*SRTPKey, error) {
	if !p.Valid() {
		return nil, errors.New("sfu: SRTP profile is not known")
	}
	b, err := base64.StdEncoding.DecodeString(inline)
	if err != nil {
		return nil, fmt.Errorf("sfu: SRTP key: %w", err)
	}
	n, m := p.KeyLen(), p.SaltLen()
	if len(b) < n+m {
		return nil, errors.New("sfu: SRTP key is too short")
	}
	return &SRTPKey{Profile: p, Key: b[:n], Salt: b[n : n+m]}, nil
}

// RandomSRTPKey makes a key for a profile, which has to be known.
func RandomSRTPKey(p SRTPProfile) *SRTPKey {
	k := &SRTPKey{Profile: p, Key: make([]byte, p.KeyLen()), Salt: make([]byte, p.SaltLen())}
	random(k.Key)
	random(k.Salt)
	return k
}

// Inline is the key as ParseSRTPKey reads it.
func (k *SRTPKey) Inline() string {
	return base64.StdEncoding.EncodeToString(append(append([]byte(nil), k.Key...), k.Salt...))
}

// equal reports whether two keys are the same.
func (k *SRTPKey) equal(o *SRTPKey) bool {
	return k.Profile == o.Profile && bytes.Equal(k.Key, o.Key) && bytes.Equal(k.Salt, o.Salt)
}

// clone is a copy that shares no memory, empty for nil.
func (k *SRTPKey) clone() SRTPKey {
	if k == nil {
		return SRTPKey{}
	}
	return SRTPKey{k.Profile, bytes.Clone(k.Key), bytes.Clone(k.Salt)}
}
