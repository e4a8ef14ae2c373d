package sfu

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// KeyPair is a certificate chain with its private key that follows its files. Its methods may be called from any goroutine.
type KeyPair struct {
	cert, key, password string
	log                 *slog.Logger

	mu    sync.Mutex
	state [2]fileState
	pair  *tls.Certificate
}

type fileState struct {
	modified time.Time
	size     int64
}

// OpenKeyPair reads the files as LoadKeyPair does. Get reads them again when they have changed.
func OpenKeyPair(certFile, keyFile, password string, log *slog.Logger) (*KeyPair, error) {
	k := &KeyPair{cert: certFile, key: keyFile, password: password, log: log}
	k.state = k.look()
	pair, err := LoadKeyPair(certFile, keyFile, password)
	if err != nil {
		return nil, err
	}
	k.pair = &pair
	return k, nil
}

func (k *KeyPair) look() (s [2]fileState) {
	for i, name := range []string{k.cert, k.key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return s
}

// Get is the certificate as its files are now. An unreadable file is logged, and the certificate before stays.
func (k *KeyPair) Get() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.look(); now != k.state {
		k.state = now
		pair, err := LoadKeyPair(k.cert, k.key, k.password)
		if err != nil {
			k.log.Error("the certificate has changed and cannot be read, the one before stays in use", "error", err)
		} else {
			k.pair = &pair
			k.log.Info("the certificate was read again", "file", k.cert)
		}
	}
	return k.pair
}
