package dtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

const name = "bifrons" // common name and organisation of generated certificates

// Certificate is a certificate chain with its private key. It does not change
// and may be shared by any number of endpoints.
type Certificate struct {
	pair tls.Certificate
}

// Generate makes a self-signed certificate that is valid from a year ago, for
// peers whose clocks are wrong, to a year from now: ECDSA on P-256, or RSA with
// 2048 bits.
func Generate(useRSA bool) (*Certificate, error) {
	var key crypto.Signer
	var err error
	if useRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("dtls: generating a key: %w", err)
	}
	now := time.Now()
	return selfSigned(key, now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
}

func selfSigned(key crypto.Signer, from, until time.Time) (*Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("dtls: generating a certificate: %w", err)
	}
	subject := pkix.Name{CommonName: name, Organization: []string{name}}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      subject,
		Issuer:       subject,
		NotBefore:    from,
		NotAfter:     until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("dtls: generating a certificate: %w", err)
	}
	return &Certificate{pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// LoadCertificate is LoadKeyPair for a certificate that has not expired.
func LoadCertificate(certFile, keyFile, password string) (*Certificate, error) {
	pair, err := LoadKeyPair(certFile, keyFile, password)
	if err != nil {
		return nil, err
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("certificate file %s: expired on %s", certFile, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &Certificate{pair: pair}, nil
}

// LoadKeyPair reads a certificate chain, leaf first, and the leaf's private
// key from PEM files. With keyFile empty the key is in certFile. password opens
// an encrypted key: PKCS #8 (RFC 5958) or the older encrypted PEM (RFC 1423).
// Errors name the file and the cause.
func LoadKeyPair(certFile, keyFile, password string) (pair tls.Certificate, err error) {
	if keyFile == "" {
		keyFile = certFile
	}
	chain, err := readPEM(certFile, "certificate", func(kind string) bool { return kind == "CERTIFICATE" })
	if err != nil {
		return pair, err
	}
	keys, err := readPEM(keyFile, "private key", func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") })
	if err != nil {
		return pair, err
	}
	keyPEM, err := openKey(keys[0], password)
	if err != nil {
		return pair, fmt.Errorf("private key file %s: %w", keyFile, err)
	}
	var certPEM bytes.Buffer
	for _, block := range chain {
		certPEM.Write(pem.EncodeToMemory(block))
	}
	if pair, err = tls.X509KeyPair(certPEM.Bytes(), keyPEM); err != nil {
		return pair, fmt.Errorf("certificate file %s with key file %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

// readPEM returns the blocks of a file that are wanted; there is at least one.
// An error of the file system already names the file and says, for instance,
// "permission denied".
func readPEM(file, what string, wanted func(kind string) bool) ([]*pem.Block, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the %s: %w", what, err)
	}
	var found []*pem.Block
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if wanted(block.Type) {
			found = append(found, block)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("file %s: no %s in PEM form", file, what)
	}
	return found, nil
}

// openKey returns the block in PEM form, decrypted if need be.
func openKey(block *pem.Block, password string) ([]byte, error) {
	needsPassword := errors.New("the key is encrypted and no password is configured")
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		if password == "" {
			return nil, needsPassword
		}
		der, err := openPKCS8(block.Bytes, password)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	//lint:ignore SA1019 key files of that kind exist
	case x509.IsEncryptedPEMBlock(block):
		if password == "" {
			return nil, needsPassword
		}
		//lint:ignore SA1019 key files of that kind exist
		der, err := x509.DecryptPEMBlock(block, []byte(password))
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
	}
	return pem.EncodeToMemory(block), nil
}

// Fingerprint digests the leaf certificate (RFC 8122, 5). hash is "sha-1",
// "sha-224", "sha-256", "sha-384" or "sha-512"; others are an error.
func (c *Certificate) Fingerprint(hash string) (Fingerprint, error) {
	return fingerprint(c.pair.Certificate[0], hash)
}
