package srtp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	pion "github.com/pion/srtp/v3"
)

var pionProfiles = map[Profile]pion.ProtectionProfile{
	AEADAES128GCM:  pion.ProtectionProfileAeadAes128Gcm,
	AEADAES256GCM:  pion.ProtectionProfileAeadAes256Gcm,
	AES128CMSHA180: pion.ProtectionProfileAes128CmHmacSha1_80,
	AES128CMSHA132: pion.ProtectionProfileAes128CmHmacSha1_32,
}

func eachProfile(t *testing.T, f func(*testing.T, Profile)) {
	for p := AEADAES128GCM; p <= AES128CMSHA132; p++ {
		t.Run(p.String(), func(t *testing.T) { f(t, p) })
	}
}

func testKey(p Profile) (key, salt []byte) {
	rnd := rand.New(rand.NewPCG(1, uint64(p)))
	key, salt = make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	for _, b := range [][]byte{key, salt} {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
	return key, salt
}

func endpoints(t testing.TB, p Profile) (*Sender, *Receiver, *pion.Context, *pion.Context) {
	t.Helper()
	key, salt := testKey(p)
	s, err := NewSender(p, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(p, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	contexts := [2]*pion.Context{}
	for i := range contexts {
		contexts[i], err = pion.CreateContext(key, salt, pionProfiles[p], pion.SRTPReplayProtection(1024), pion.SRTCPReplayProtection(128))
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, r, contexts[0], contexts[1]
}

// packet returns an RTP packet of random shape and the length of its header.
func packet(rnd *rand.Rand, ssrc uint32, index uint64) ([]byte, int) {
	csrcs := rnd.IntN(4)
	ext := rnd.IntN(3) // words; 0: none
	b := make([]byte, 12, 1500)
	b[0] = 0x80 | byte(csrcs)
	b[1] = 96
	binary.BigEndian.PutUint16(b[2:], uint16(index))
	binary.BigEndian.PutUint32(b[4:], rnd.Uint32())
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for range csrcs {
		b = binary.BigEndian.AppendUint32(b, rnd.Uint32())
	}
	if ext > 0 {
		b[0] |= 0x10
		b = append(b, 0xbe, 0xde, 0, byte(ext))
		for range ext {
			b = append(b, 0x10, byte(rnd.Uint32()), 0, 0)
		}
	}
	hdr := len(b)
	for range rnd.IntN(300) {
		b = append(b, byte(rnd.Uint32()))
	}
	return b, hdr
}

// schedule is a stream over three rollovers, with loss, and with reordering
// across them too.
func schedule(rnd *rand.Rand) []uint64 {
	var out []uint64
	for i := uint64(65400); i < 3*65536+200; i++ {
		// Far from a rollover, hops save time: as long as they are below half
		// the number space, the rollover counter stays known.
		if i%65536 > 300 && i%65536 < 65300 && i%5000 != 0 {
			continue
		}
		if rnd.IntN(10) > 0 {
			out = append(out, i)
		}
	}
	for i := range out {
		if j := min(i+rnd.IntN(8), len(out)-1); out[j]-out[i] < 200 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out
}

// What pion seals we open, and what we seal is what pion seals.
func TestRTPAgainstPion(t *testing.T) {
	type sample struct {
		plain, sealed []byte
		hdr           int
	}
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, pionOut, _ := endpoints(t, p)
		rnd := rand.New(rand.NewPCG(2, uint64(p)))
		order := schedule(rnd)
		samples := map[uint64]sample{}
		// pion counts rollovers itself and wants to send in order.
		for _, index := range slices.Sorted(slices.Values(order)) {
			plain, hdr := packet(rnd, 0xdecafbad, index)
			if len(samples) == 0 {
				pionOut.SetROC(0xdecafbad, uint32(index>>16))
			}
			sealed, err := pionOut.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			samples[index] = sample{plain, sealed, hdr}
		}
		var st StreamState
		for _, index := range order {
			x := samples[index]
			b := bytes.Clone(x.sealed)
			n, err := r.OpenRTP(&st, b, x.hdr)
			if err != nil {
				t.Fatalf("index %d: %v", index, err)
			}
			if !bytes.Equal(b[:n], x.plain) || st.Index() != index {
				t.Fatalf("index %d opened as %d, equal: %v", index, st.Index(), bytes.Equal(b[:n], x.plain))
			}
			if _, err = r.OpenRTP(&st, bytes.Clone(x.sealed), x.hdr); err != ErrReplay {
				t.Fatalf("index %d again: %v", index, err)
			}

			dst := make([]byte, x.hdr, len(x.plain)+p.Overhead())
			copy(dst, x.plain)
			n, err = s.SealRTP(dst, x.hdr, x.plain[x.hdr:], uint32(index>>16))
			if err != nil || !bytes.Equal(dst[:n], x.sealed) {
				t.Fatalf("index %d: SealRTP differs from pion (%v)", index, err)
			}
			inPlace := append(bytes.Clone(x.plain), make([]byte, p.Overhead())...)
			n, err = s.SealRTP(inPlace, x.hdr, inPlace[x.hdr:len(x.plain)], uint32(index>>16))
			if err != nil || !bytes.Equal(inPlace[:n], x.sealed) {
				t.Fatalf("index %d: SealRTP in place differs from pion (%v)", index, err)
			}
		}
		if got := st.Index() >> 16; got != 3 {
			t.Fatalf("the stream ended in rollover %d", got)
		}
	})
}

func TestRTCPAgainstPion(t *testing.T) {
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, pionOut, pionIn := endpoints(t, p)
		rnd := rand.New(rand.NewPCG(3, uint64(p)))
		for i := range 300 {
			plain := make([]byte, 8+4*rnd.IntN(60))
			for j := range plain {
				plain[j] = byte(rnd.Uint32())
			}
			plain[0], plain[1] = 0x81, 201
			binary.BigEndian.PutUint16(plain[2:], uint16(len(plain)/4-1))
			binary.BigEndian.PutUint32(plain[4:], uint32(i%3)+7)

			dst := make([]byte, 0, len(plain)+p.RTCPOverhead())
			n, err := s.SealRTCP(dst, plain)
			if err != nil || n != len(plain)+p.RTCPOverhead() {
				t.Fatal(n, err)
			}
			got, err := pionIn.DecryptRTCP(nil, dst[:n], nil)
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("pion opens packet %d: %v", i, err)
			}
			inPlace := make([]byte, n)
			copy(inPlace, plain)
			if n, err = s.SealRTCP(inPlace, inPlace[:len(plain)]); err != nil {
				t.Fatal(err)
			}
			if got, err = pionIn.DecryptRTCP(nil, inPlace[:n], nil); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("pion opens packet %d sealed in place: %v", i, err)
			}

			sealed, err := pionOut.EncryptRTCP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			again := bytes.Clone(sealed)
			n, err = r.OpenRTCP(sealed)
			if err != nil || !bytes.Equal(sealed[:n], plain) {
				t.Fatalf("OpenRTCP of packet %d: %v", i, err)
			}
			if _, err = r.OpenRTCP(again); err != ErrReplay {
				t.Fatalf("packet %d again: %v", i, err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for p := AEADAES128GCM; p <= AES128CMSHA132; p++ {
		s, _, pionOut, _ := endpoints(b, p)
		plain := make([]byte, 1200)
		plain[0] = 0x80
		dst := make([]byte, 1300)
		b.Run(p.String()+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1200)
			for b.Loop() {
				copy(dst, plain[:12])
				if _, err := s.SealRTP(dst, 12, plain[12:], 0); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(p.String()+"/pion", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1200)
			for b.Loop() {
				if _, err := pionOut.EncryptRTP(dst[:0], plain, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for p := AEADAES128GCM; p <= AES128CMSHA132; p++ {
		s, r, _, _ := endpoints(b, p)
		key, salt := testKey(p)
		pionIn, err := pion.CreateContext(key, salt, pionProfiles[p], pion.SRTPNoReplayProtection())
		if err != nil {
			b.Fatal(err)
		}
		sealed := make([]byte, 1300)
		sealed[0] = 0x80
		n, _ := s.SealRTP(sealed, 12, sealed[12:1200], 0)
		sealed = sealed[:n]
		work := make([]byte, 1300)
		b.Run(p.String()+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1200)
			for b.Loop() {
				var st StreamState
				copy(work, sealed)
				if _, err := r.OpenRTP(&st, work[:n], 12); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(p.String()+"/pion", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1200)
			for b.Loop() {
				if _, err := pionIn.DecryptRTP(work[:0], sealed, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
