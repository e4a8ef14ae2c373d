package dtls

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGenerate(t *testing.T) {
	for useRSA, pair := range certificates() {
		leaf, err := x509.ParseCertificate(pair[0].pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Subject.CommonName != "bifrons" || strings.Join(leaf.Subject.Organization, "") != "bifrons" {
			t.Error(leaf.Subject)
		}
		now := time.Now()
		if d := now.Sub(leaf.NotBefore); d < 364*24*time.Hour || d > 367*24*time.Hour {
			t.Error("valid since", d)
		}
		if d := leaf.NotAfter.Sub(now); d < 364*24*time.Hour || d > 367*24*time.Hour {
			t.Error("valid for", d)
		}
		if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
			t.Error(err)
		}
		switch key := leaf.PublicKey.(type) {
		case *rsa.PublicKey:
			if !useRSA || key.N.BitLen() != 2048 {
				t.Error("RSA", key.N.BitLen())
			}
		case *ecdsa.PublicKey:
			if useRSA || key.Curve.Params().Name != "P-256" {
				t.Error(key.Curve.Params().Name)
			}
		}
		if string(pair[0].pair.Certificate[0]) == string(pair[1].pair.Certificate[0]) {
			t.Error("two certificates are the same")
		}
	}
}

func TestFingerprint(t *testing.T) {
	c := certificates()[false][0]
	want := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(c.pair.Certificate[0])), " ", ":")
	got, err := c.Fingerprint("SHA-256")
	if err != nil || got != (Fingerprint{"sha-256", want}) {
		t.Error(got, err)
	}
	for hash, size := range map[string]int{"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64} {
		if f, err := c.Fingerprint(hash); err != nil || len(f.Value) != 3*size-1 || f.Hash != hash {
			t.Error(hash, f, err)
		}
	}
	if _, err := c.Fingerprint("md5"); err == nil {
		t.Error("md5 accepted")
	}
}

// write stores PEM blocks and returns the file's name.
func write(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func blocks(t *testing.T, c *Certificate) (cert, key *pem.Block) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "CERTIFICATE", Bytes: c.pair.Certificate[0]}, &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

func TestLoad(t *testing.T) {
	for _, pair := range certificates() {
		cert, key := blocks(t, pair[0])
		other, _ := blocks(t, pair[1])
		both := write(t, "both.pem", key, cert, other) // a chain of two
		c, err := LoadCertificate(both, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if sha256Of(t, c) != sha256Of(t, pair[0]) || len(c.pair.Certificate) != 2 {
			t.Error("not the certificate that was stored")
		}
		if _, err := LoadCertificate(write(t, "cert.pem", cert), write(t, "key.pem", key), "unused"); err != nil {
			t.Error(err)
		}
		_, err = LoadCertificate(write(t, "mismatch.pem", other), both, "")
		if err == nil || !strings.Contains(err.Error(), "mismatch.pem") {
			t.Error("key of another certificate:", err)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	cert, key := blocks(t, certificates()[false][0])
	expired, err := selfSigned(certificates()[false][0].pair.PrivateKey.(*ecdsa.PrivateKey), time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	old, oldKey := blocks(t, expired)
	good := write(t, "good.pem", cert, key)
	for _, c := range []struct {
		name, cert, key, password string
		want                      []string
	}{
		{"no such file", "/nowhere/cert.pem", "", "", []string{"certificate", "/nowhere/cert.pem", "no such file"}},
		{"no such key", good, "/nowhere/key.pem", "", []string{"private key", "/nowhere/key.pem"}},
		{"no certificate", write(t, "a.pem", key), "", "", []string{"a.pem", "no certificate"}},
		{"no key", write(t, "b.pem", cert), "", "", []string{"b.pem", "no private key"}},
		{"expired", write(t, "c.pem", old, oldKey), "", "", []string{"c.pem", "expired"}},
		{"damaged", write(t, "d.pem", cert, &pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1, 2}}), "", "", []string{"d.pem"}},
		{"damaged, encrypted", write(t, "e.pem", cert, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1, 2}}), "", "x", []string{"e.pem", "malformed"}},
		{"encrypted, no password", write(t, "f.pem", cert, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1, 2}}), "", "", []string{"f.pem", "no password"}},
	} {
		_, err := LoadCertificate(c.cert, c.key, c.password)
		if err == nil {
			t.Errorf("%s: loaded", c.name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", c.name, err, w)
			}
		}
	}
	if os.Geteuid() != 0 { // root may read everything
		if err := os.Chmod(good, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadCertificate(good, "", ""); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Error(err)
		}
	}
}

// A key that OpenSSL encrypted: PBES2, PBKDF2 with HMAC-SHA256, AES-256-CBC.
func TestLoadStoredEncryptedKey(t *testing.T) {
	text, err := os.ReadFile("testdata/encrypted.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	der, err := openPKCS8(block.Bytes, "swordfish")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
		t.Error(err)
	}
	block, _ = pem.Decode(text)
	if der, err := openPKCS8(block.Bytes, "swordfisk"); err == nil {
		// one padding in 256 looks right by chance; then the key itself does not
		if _, err = x509.ParsePKCS8PrivateKey(der); err == nil {
			t.Error("opened with a wrong password")
		}
	}
}

// Everything the OpenSSL of this machine may do to a key.
func TestLoadEncryptedByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	cert, key := blocks(t, certificates()[false][0])
	certFile, plain := write(t, "cert.pem", cert), write(t, "key.pem", key)
	for _, args := range [][]string{
		{"pkcs8", "-topk8", "-v2", "aes-128-cbc"},
		{"pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512"},
		{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"},
		{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"},
		{"pkcs8", "-topk8", "-v2", "des3"},
		{"ec", "-aes256"}, // PEM encryption of RFC 1423
	} {
		out := filepath.Join(t.TempDir(), "encrypted.pem")
		cmd := exec.Command(openssl, append(args, "-in", plain, "-out", out, "-passout", "pass:swordfish")...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v %s", args, err, text)
			continue
		}
		if _, err := LoadCertificate(certFile, out, "swordfish"); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if _, err := LoadCertificate(certFile, out, "wrong"); err == nil || !strings.Contains(err.Error(), "encrypted.pem") {
			t.Errorf("%v, wrong password: %v", args, err)
		}
		if _, err := LoadCertificate(certFile, out, ""); err == nil || !strings.Contains(err.Error(), "no password") {
			t.Errorf("%v, no password: %v", args, err)
		}
	}
}

func FuzzOpenPKCS8(f *testing.F) {
	text, err := os.ReadFile("testdata/encrypted.pem")
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(text)
	f.Add(block.Bytes, "swordfish")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if len(der) > 4096 || strings.Contains(string(der), "\x02\x04") || strings.Contains(string(der), "\x02\x03") {
			t.Skip("counts of iterations that take long")
		}
		_, _ = openPKCS8(der, password)
	})
}
