package dtls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	pion "github.com/pion/dtls/v3"

	"bifrons/dtls/srtp"
)

// exporterLabel makes SRTP keys (RFC 5764, 4.2).
const exporterLabel = "EXTRACTOR-dtls_srtp"

var toPion = map[srtp.Profile]pion.SRTPProtectionProfile{
	srtp.AEADAES128GCM:  pion.SRTP_AEAD_AES_128_GCM,
	srtp.AEADAES256GCM:  pion.SRTP_AEAD_AES_256_GCM,
	srtp.AES128CMSHA180: pion.SRTP_AES128_CM_HMAC_SHA1_80,
	srtp.AES128CMSHA132: pion.SRTP_AES128_CM_HMAC_SHA1_32,
}

// open makes the connection of pion/dtls over the pipe, without a handshake yet.
func (e *Endpoint) open() (*pion.Conn, error) {
	opts, err := e.options()
	if err != nil {
		return nil, err
	}
	if e.cfg.Role == Client {
		client := []pion.ClientOption{}
		for _, o := range opts {
			client = append(client, o)
		}
		return pion.ClientWithOptions(e.end, peerAddr{}, client...)
	}
	server := []pion.ServerOption{
		pion.WithClientAuth(pion.RequireAnyClientCert),
		// The cookie exchange protects servers from senders of false addresses
		// (RFC 6347, 4.2.1). ICE has verified the path both ways before the
		// first ClientHello gets here; a round trip is saved.
		pion.WithInsecureSkipVerifyHello(true),
	}
	for _, o := range opts {
		server = append(server, o)
	}
	return pion.ServerWithOptions(e.end, peerAddr{}, server...)
}

// options are those of both roles. Of several SRTP profiles pion/dtls chooses,
// as server, the first of ours that the client offers.
func (e *Endpoint) options() ([]pion.Option, error) {
	cfg := e.cfg
	if cfg.Certificate == nil {
		return nil, fmt.Errorf("dtls: no certificate")
	}
	var profiles []pion.SRTPProtectionProfile
	for _, p := range cfg.Profiles {
		if !p.Valid() {
			return nil, fmt.Errorf("dtls: SRTP profile %d is unknown", p)
		}
		profiles = append(profiles, toPion[p])
	}
	mtu := cfg.MTU
	if mtu <= 0 {
		mtu = defaultMTU
	}
	check := verifier{remote: cfg.Remote, rejectSelfSigned: cfg.RejectSelfSigned, roots: cfg.Roots}
	return []pion.Option{
		pion.WithCertificates(tls.Certificate(cfg.Certificate.pair)),
		pion.WithSRTPProtectionProfiles(profiles...),
		pion.WithExtendedMasterSecret(pion.RequestExtendedMasterSecret),
		pion.WithFlightInterval(flightInterval),
		pion.WithMTU(max(mtu, minMTU) - recordOverhead),
		pion.WithLoggerFactory(silent{}),
		// No names and no authorities to verify: check does the verifying,
		// after pion/dtls has seen proof of possession of the key.
		pion.WithInsecureSkipVerify(true),
		pion.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error {
			return check.check(chain)
		}),
	}, nil
}

// exportKeys derives the SRTP master keys (RFC 5764, 4.2).
func exportKeys(conn *pion.Conn, role Role) (srtp.Keys, error) {
	chosen, _ := conn.SelectedSRTPProtectionProfile()
	keys := srtp.Keys{}
	for p, theirs := range toPion {
		if theirs == chosen {
			keys.Profile = p
		}
	}
	if !keys.Profile.Valid() {
		return keys, errNoProfile
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return keys, fmt.Errorf("dtls: the connection has no state to export")
	}
	k, s := keys.Profile.KeyLen(), keys.Profile.SaltLen()
	b, err := state.ExportKeyingMaterial(exporterLabel, nil, 2*(k+s))
	if err != nil {
		return keys, err
	}
	keys.LocalKey, keys.RemoteKey = b[:k:k], b[k:2*k:2*k]
	keys.LocalSalt, keys.RemoteSalt = b[2*k:2*k+s:2*k+s], b[2*k+s:]
	if role == Server {
		keys.LocalKey, keys.RemoteKey = keys.RemoteKey, keys.LocalKey
		keys.LocalSalt, keys.RemoteSalt = keys.RemoteSalt, keys.LocalSalt
	}
	return keys, nil
}

// sentFlights finds handshake datagrams that repeat earlier ones. A datagram is
// known by its first record: a plaintext handshake message by its number and
// fragment offset, which only grow, a ChangeCipherSpec by being the second.
type sentFlights struct {
	position uint64 // of the furthest message, plus one
	changed  bool
	again    atomic.Uint32
}

func (s *sentFlights) note(b []byte) {
	r, _, ok := nextRecord(b)
	if !ok || r.epoch != 0 {
		return
	}
	switch m := r.body; {
	case r.kind == changeCipherSpec:
		if s.changed {
			s.again.Add(1)
		}
		s.changed = true
	case r.kind == handshakeRecord && len(m) >= 12:
		// message number and fragment offset (RFC 6347, 4.2.2)
		position := uint64(m[4])<<32 | uint64(m[5])<<24 | uint64(m[6])<<16 | uint64(m[7])<<8 | uint64(m[8])
		if position < s.position {
			s.again.Add(1)
			return
		}
		s.position = position + 1
	}
}
