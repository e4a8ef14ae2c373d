package peer

import (
	"fmt"

	"github.com/pion/dtls/v3"
)

// Names of the SRTP protection profiles, as IANA registers them.
const (
	GCM128 = "AEAD_AES_128_GCM"
	GCM256 = "AEAD_AES_256_GCM"
	CM80   = "AES128_CM_SHA1_80"
)

var profileNumbers = map[string]dtls.SRTPProtectionProfile{
	GCM128: dtls.SRTP_AEAD_AES_128_GCM,
	GCM256: dtls.SRTP_AEAD_AES_256_GCM,
	CM80:   dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

func profileList(names []string) (list []dtls.SRTPProtectionProfile, err error) {
	for _, name := range names {
		p, ok := profileNumbers[name]
		if !ok {
			return nil, fmt.Errorf("unknown SRTP profile %q", name)
		}
		list = append(list, p)
	}
	return list, nil
}

func profileName(p dtls.SRTPProtectionProfile) string {
	for name, number := range profileNumbers {
		if number == p {
			return name
		}
	}
	return fmt.Sprintf("profile %d", p)
}
