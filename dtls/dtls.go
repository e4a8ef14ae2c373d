// Package dtls wraps a DTLS 1.2 association as an event endpoint.
//
// An Endpoint has no socket: datagrams of the peer go in by Deliver, datagrams
// for the peer come out by a callback, and the outcome is one OnConnected with
// the SRTP keys (RFC 5764) or none, then one OnClosed.
package dtls

import (
	"crypto"
	_ "crypto/sha1" // the hashes an SDP fingerprint may use
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"
)

// Role is our side of the handshake.
type Role uint8

// DTLS roles. A Client sends the ClientHello (SDP setup:active).
const (
	Client Role = iota
	Server
)

// String is "client" or "server".
func (r Role) String() string {
	if r == Server {
		return "server"
	}
	return "client"
}

// Fingerprint is a certificate digest as in SDP (RFC 8122).
type Fingerprint struct {
	Hash  string // lower case, "sha-256"
	Value string // upper-case hex pairs with colons
}

// Equal compares without regard to case (RFC 8122, 5).
func (f Fingerprint) Equal(g Fingerprint) bool {
	return strings.EqualFold(f.Hash, g.Hash) && strings.EqualFold(f.Value, g.Value)
}

// Fingerprints are those that a description has: the certificate must have one of them
// (RFC 8122, 5.1).
type Fingerprints []Fingerprint

// match reports whether a certificate in DER form has one of the fingerprints. Those with
// SHA-1, which can be forged, count only where there is none with a stronger hash. Unknown
// hashes never match.
func (list Fingerprints) match(der []byte) bool {
	const weak = "sha-1"
	strong := false
	for _, f := range list {
		name := strings.ToLower(f.Hash)
		_, known := hashes[name]
		strong = strong || known && name != weak
	}
	for _, f := range list {
		if strong && strings.EqualFold(f.Hash, weak) {
			continue
		}
		if got, err := fingerprint(der, f.Hash); err == nil && got.Equal(f) {
			return true
		}
	}
	return false
}

var hashes = map[string]crypto.Hash{
	"sha-1":   crypto.SHA1,
	"sha-224": crypto.SHA224,
	"sha-256": crypto.SHA256,
	"sha-384": crypto.SHA384,
	"sha-512": crypto.SHA512,
}

// fingerprint digests a certificate in DER form. hash is a name as in SDP, in
// any case; the Fingerprint has it in lower case.
func fingerprint(der []byte, hash string) (Fingerprint, error) {
	name := strings.ToLower(hash)
	h, ok := hashes[name]
	if !ok {
		return Fingerprint{}, fmt.Errorf("dtls: unknown fingerprint hash %q", hash)
	}
	d := h.New()
	d.Write(der)
	var pairs []string
	for _, b := range d.Sum(nil) {
		pairs = append(pairs, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return Fingerprint{Hash: name, Value: strings.Join(pairs, ":")}, nil
}
