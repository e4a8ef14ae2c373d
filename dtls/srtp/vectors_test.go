package srtp

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %x\nwant %x", what, got, want)
	}
}

// RFC 3711, B.2, on both ways of making the keystream.
func TestKeystreamVector(t *testing.T) {
	block, err := aes.NewCipher(unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"))
	if err != nil {
		t.Fatal(err)
	}
	salt := unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD")
	for _, c := range []struct {
		name string
		mode *counterMode
	}{
		{"default", newCounterMode(block)},
		{"block by block", &counterMode{block: block}},
	} {
		s := &session{ctr: c.mode}
		copy(s.salt[:], salt)
		stream := make([]byte, 0xff02*16)
		s.xor(stream, stream, 0, 0)
		equal(t, c.name+", start", stream[:48], unhex(t, `E03EAD0935C95E80E166B16DD92B4EB4
			D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0`))
		equal(t, c.name+", end", stream[0xfeff*16:], unhex(t, `EC8CDF7398607CB0F2D21675EA9EA1E4
			362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44`))
	}
}

// The fast way depends on what reflection finds in the standard library: if a
// Go release changes that, this tells, while everything else still works.
func TestKeystreamIsFast(t *testing.T) {
	if _, ok := streamLayout(); !ok {
		t.Skip("crypto/cipher has changed: AES-CM encrypts block by block, see counterMode")
	}
}

// RFC 3711, B.3.
func TestKeyDerivationVector(t *testing.T) {
	master, err := aes.NewCipher(unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139"))
	if err != nil {
		t.Fatal(err)
	}
	salt := unhex(t, "0EC675AD498AFEEBB6960B3AABE6")
	for label, want := range map[byte]string{
		labelCipher: "C61E7A93744F39EE10734AFE3FF7A087",
		labelSalt:   "30CBBC08863D8C85D49DB34A9AE1",
		labelAuth: `CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
			E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
			6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2DC68`,
	} {
		out := make([]byte, len(unhex(t, want)))
		derive(master, salt, label, out)
		equal(t, "label "+string('0'+rune(label)), out, unhex(t, want))
	}
}

const (
	plainRTP = `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
		69736120 696e2070 61727465 73207472 6573`
	plainRTCP = `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
		deadbeef deadbeef deadbeef deadbeef deadbeef`
	vectorIndex = 0x5d4
)

// RFC 7714, 16.1.1, 16.2.1, 17.1.1, 17.1.3, 17.2.1 and 17.2.3.
var aeadVectors = []struct {
	name, key, rtp, rtcp, rtcpPlain string
}{
	{
		name: "128", key: "000102030405060708090a0b0c0d0e0f",
		rtp: `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
			0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
		rtcp: `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
			c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`,
		rtcpPlain: plainRTCP + `841dd968 3dd78ec9 2ae58790 125f62b3 000005d4`,
	},
	{
		name: "256", key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		rtp: `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
			9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
		rtcp: `81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
			a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4`,
		rtcpPlain: plainRTCP + `91db4afb feee5a97 8fab4393 ed2615fe 000005d4`,
	},
}

func TestAEADVectors(t *testing.T) {
	for _, v := range aeadVectors {
		s := lazySession{made: sessionFromKeys(true, unhex(t, v.key), nil, unhex(t, "517569642070726f2071756f"), gcmTag)}
		sender := &Sender{rtp: s, rtcp: s, index: vectorIndex}
		plain := unhex(t, plainRTP)
		out := make([]byte, 200)
		copy(out, plain[:12])
		n, err := sender.SealRTP(out, 12, plain[12:], 0)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, v.name+" SealRTP", out[:n], unhex(t, v.rtp))
		n, err = sender.SealRTCP(out, unhex(t, plainRTCP))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, v.name+" SealRTCP", out[:n], unhex(t, v.rtcp))

		b := unhex(t, v.rtp)
		n, err = (&Receiver{rtp: s}).OpenRTP(new(StreamState), b, 12)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, v.name+" OpenRTP", b[:n], plain)
		for what, sealed := range map[string]string{"encrypted": v.rtcp, "authenticated": v.rtcpPlain} {
			r := &Receiver{rtcp: s}
			b = unhex(t, sealed)
			n, err = r.OpenRTCP(b)
			if err != nil {
				t.Fatalf("%s OpenRTCP %s: %v", v.name, what, err)
			}
			equal(t, v.name+" OpenRTCP "+what, b[:n], unhex(t, plainRTCP))
			if _, err = r.OpenRTCP(unhex(t, sealed)); err != ErrReplay {
				t.Errorf("%s second time: %v", what, err)
			}
			b = unhex(t, sealed)
			b[len(b)-7]++
			if _, err = (&Receiver{rtcp: s}).OpenRTCP(b); err != ErrAuth {
				t.Errorf("%s, tag changed: %v", what, err)
			}
		}
	}
}
