package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"hash"
)

const (
	gcmTag  = 16
	authKey = 20 // bytes of an HMAC-SHA1 key
)

// Labels of the key derivation (RFC 3711, 4.3.1 and 4.3.2). RTCP uses the same
// three, counted from 3.
const (
	labelCipher = iota
	labelAuth
	labelSalt

	rtpLabels  = 0
	rtcpLabels = 3
)

// derive fills out with the session key of label, for a key derivation rate of
// zero: the AES-CM keystream that starts at the salt with the label XORed in
// (RFC 3711, 4.3.3; RFC 7714, 11 for the shorter salt).
func derive(master cipher.Block, salt []byte, label byte, out []byte) {
	var x [16]byte
	copy(x[:14], salt)
	x[7] ^= label
	cipher.NewCTR(master, x[:]).XORKeyStream(out, out)
}

// master is a master key and salt, of the lengths that the profile asks for.
type master struct {
	profile   Profile
	key, salt []byte
}

func newMaster(p Profile, key, salt []byte) (*master, error) {
	info := p.info()
	if !p.Valid() {
		return nil, errProfile
	}
	if len(key) != info.key || len(salt) != info.salt {
		return nil, errKeySize
	}
	return &master{p, bytes.Clone(key), bytes.Clone(salt)}, nil
}

// derive makes the session of rtpLabels or rtcpLabels.
func (m *master) derive(labels byte) *session {
	info := m.profile.info()
	block := newCipher(m.key)
	enc := make([]byte, info.key)
	auth := make([]byte, authKey)
	salt := make([]byte, info.salt)
	derive(block, m.salt, labels+labelCipher, enc)
	derive(block, m.salt, labels+labelAuth, auth)
	derive(block, m.salt, labels+labelSalt, salt)

	tag := info.rtpTag
	if labels == rtcpLabels {
		tag = info.rtcpTag
	}
	return sessionFromKeys(info.aead, enc, auth, salt, tag)
}

// lazySession is derived for the first packet: many peers never send RTP, many
// never receive any, and a session is over a kilobyte.
type lazySession struct {
	made   *session
	from   *master
	labels byte
}

func (l *lazySession) get() *session {
	if l.made == nil {
		l.made = l.from.derive(l.labels)
	}
	return l.made
}

// sessionFromKeys takes session keys that are already derived.
func sessionFromKeys(aead bool, enc, auth, salt []byte, tag int) *session {
	block := newCipher(enc)
	s := &session{tag: tag}
	copy(s.salt[:], salt)
	if aead {
		s.aead, _ = cipher.NewGCM(block) // fails for other block sizes only
		return s
	}
	s.ctr = newCounterMode(block)
	s.mac = newTagger(auth)
	return s
}

// newCipher takes a key of a length that AES has.
func newCipher(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return block
}

// tagger computes HMAC-SHA1 tags. The hash keeps its state after the key block,
// so that Reset costs a copy and no compression.
type tagger struct {
	h    hash.Hash
	tail [4]byte
	sum  [sha1.Size]byte
}

func newTagger(key []byte) *tagger { return &tagger{h: hmac.New(sha1.New, key)} }

// of returns the full tag over b followed by word; it is valid until the next call.
func (t *tagger) of(b []byte, word uint32) []byte {
	t.h.Reset()
	t.h.Write(b)
	put32(t.tail[:], word)
	t.h.Write(t.tail[:])
	return t.h.Sum(t.sum[:0])
}

// ofAll returns the full tag over b alone; it is valid until the next call.
func (t *tagger) ofAll(b []byte) []byte {
	t.h.Reset()
	t.h.Write(b)
	return t.h.Sum(t.sum[:0])
}
