package dtls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// Structures of PBES2 (RFC 8018, A.2 and A.4) in an EncryptedPrivateKeyInfo
// (RFC 5958, 3).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	errPKCS8    = errors.New("malformed encrypted key")
	errPassword = errors.New("wrong password, or damaged key")
)

const maxIterations = 100_000_000 // a damaged file shall not stop the start for hours

// prfs by object identifier; none means HMAC-SHA1.
var prfs = map[string]func() hash.Hash{
	"":                    sha1.New,
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// ciphers in CBC mode by object identifier.
var ciphers = map[string]struct {
	key   int // bytes
	block func([]byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// openPKCS8 decrypts an EncryptedPrivateKeyInfo whose scheme is PBES2 with
// PBKDF2, as OpenSSL writes it, to a PrivateKeyInfo in DER form.
func openPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedKey
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errPKCS8
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("encryption scheme %v of the key is not supported, use PBES2", info.Algorithm.Algorithm)
	}
	var params pbes2Params
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, errPKCS8
	}
	c, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("cipher %v of the key is not supported", params.Cipher.Algorithm)
	}
	key, err := deriveKey(params.KDF, password, c.key)
	if err != nil {
		return nil, err
	}
	block, err := c.block(key)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != block.BlockSize() {
		return nil, errPKCS8
	}
	if len(info.Data) == 0 || len(info.Data)%block.BlockSize() != 0 {
		return nil, errPKCS8
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(info.Data, info.Data)
	return unpad(info.Data, block.BlockSize())
}

func deriveKey(kdf pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("key derivation %v is not supported, use PBKDF2", kdf.Algorithm)
	}
	var params pbkdf2Params
	if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &params); err != nil {
		return nil, errPKCS8
	}
	prf, ok := prfs[params.PRF.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("hash %v of the key derivation is not supported", params.PRF.Algorithm)
	}
	if params.Iterations < 1 || params.Iterations > maxIterations {
		return nil, errPKCS8
	}
	return pbkdf2.Key(prf, password, params.Salt, params.Iterations, size)
}

// unpad removes the padding of RFC 8018, 6.1.1; wrong padding is the sign of a
// wrong password.
func unpad(b []byte, block int) ([]byte, error) {
	n := int(b[len(b)-1])
	if n == 0 || n > block || n > len(b) {
		return nil, errPassword
	}
	for _, p := range b[len(b)-n:] {
		if int(p) != n {
			return nil, errPassword
		}
	}
	return b[:len(b)-n], nil
}
