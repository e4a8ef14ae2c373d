package transport

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"bifrons/sfu"
)

// Certificate names the files of a server certificate.
type Certificate struct {
	PEM      string // file: the certificate, then those that signed it
	Key      string // file: its private key; default PEM
	Password string // of the key; empty if it is not encrypted
}

// Load reads the files for a TLS server, and reads them again when they have
// changed: a certificate that was renewed is in use from the next connection on.
// Files that cannot be used then are logged, and the certificate before stays.
// The key may be encrypted as PKCS #8 does it (RFC 5958, RFC 8018) or in the
// older way of OpenSSL (RFC 1423).
func (c Certificate) Load(log *slog.Logger) (*tls.Config, error) {
	if c.PEM == "" {
		return nil, errors.New("no certificate file (cert_pem)")
	}
	if c.Key == "" {
		c.Key = c.PEM
	}
	k := &keeper{files: c, log: log}
	k.state = k.look()
	pair, err := sfu.LoadKeyPair(c.PEM, c.Key, c.Password)
	if err != nil {
		return nil, err
	}
	k.pair = &pair
	return &tls.Config{GetCertificate: k.get, MinVersion: tls.VersionTLS12}, nil
}

// keeper has a certificate and knows how its files looked when it was read.
type keeper struct {
	files Certificate
	log   *slog.Logger

	mu    sync.Mutex
	state [2]fileState
	pair  *tls.Certificate
}

type fileState struct {
	modified time.Time
	size     int64
}

func (k *keeper) look() (s [2]fileState) {
	for i, name := range []string{k.files.PEM, k.files.Key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return s
}

func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.look(); now != k.state {
		k.state = now
		pair, err := sfu.LoadKeyPair(k.files.PEM, k.files.Key, k.files.Password)
		if err != nil {
			k.log.Error("the certificate has changed and cannot be read, the one before stays in use", "error", err)
		} else {
			k.pair = &pair
			k.log.Info("the certificate was read again", "file", k.files.PEM)
		}
	}
	return k.pair, nil
}

// ListenTLS is Listen under TLS, for HTTP/1.1 and what is upgraded from it.
func (e Address) ListenTLS(door Door, c Certificate, log *slog.Logger) ([]net.Listener, error) {
	conf, err := c.Load(log)
	if err != nil {
		return nil, err
	}
	conf.NextProtos = []string{"http/1.1"}
	listeners, err := e.Listen(door)
	for i, l := range listeners {
		listeners[i] = tls.NewListener(l, conf)
	}
	return listeners, err
}
