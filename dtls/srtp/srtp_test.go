package srtp

import (
	"bytes"
	"testing"
)

func TestForgeryChangesNothing(t *testing.T) {
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, _, _ := endpoints(t, p)
		sealed := make([]byte, 100)
		copy(sealed, []byte{0x80, 96, 0x12, 0x34, 0, 0, 0, 1, 9, 9, 9, 9})
		n, err := s.SealRTP(sealed, 12, sealed[12:80], 0)
		if err != nil {
			t.Fatal(err)
		}
		sealed = sealed[:n]
		var st StreamState
		for i := range sealed {
			b := bytes.Clone(sealed)
			b[i] ^= 0x10
			if _, err := r.OpenRTP(&st, b, 12); err != ErrAuth {
				t.Fatalf("byte %d changed: %v", i, err)
			}
			if st != (StreamState{}) {
				t.Fatal("a forged packet changed the state")
			}
		}
		if n, err = r.OpenRTP(&st, bytes.Clone(sealed), 12); n != 80 || err != nil {
			t.Fatal(n, err)
		}
		// A replay is refused before its tag is looked at.
		sealed[n]++
		if _, err = r.OpenRTP(&st, sealed, 12); err != ErrReplay {
			t.Error(err)
		}
	})
}

func TestForgedRTCPChangesNothing(t *testing.T) {
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, _, _ := endpoints(t, p)
		sealed := make([]byte, 0, 100)
		n, err := s.SealRTCP(sealed, []byte{0x81, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8})
		if err != nil {
			t.Fatal(err)
		}
		sealed = sealed[:n]
		for i := range sealed {
			b := bytes.Clone(sealed)
			b[i] ^= 0x80
			if _, err := r.OpenRTCP(b); err != ErrAuth {
				t.Fatalf("byte %d changed: %v", i, err)
			}
		}
		if len(r.replay.streams) != 0 {
			t.Error("a forged packet was remembered")
		}
		if n, err = r.OpenRTCP(sealed); n != 12 || err != nil {
			t.Error(n, err)
		}
	})
}

// SRTCP that is authenticated but not encrypted.
func TestPlainRTCP(t *testing.T) {
	key, salt := testKey(AES128CMSHA180)
	m, err := newMaster(AES128CMSHA180, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	k := m.derive(rtcpLabels)
	b := []byte{0x81, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5}
	b = append(b, k.mac.ofAll(b)[:10]...)
	_, r, _, _ := endpoints(t, AES128CMSHA180)
	n, err := r.OpenRTCP(b)
	if err != nil || !bytes.Equal(b[:n], []byte{0x81, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("%x %v", b[:n], err)
	}
}

func TestLimits(t *testing.T) {
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, _, _ := endpoints(t, p)
		b := make([]byte, 64)
		if _, err := s.SealRTP(b, 11, b[11:20], 0); err != ErrShort {
			t.Error("short header:", err)
		}
		if _, err := s.SealRTP(b[:12:40+p.Overhead()-1], 12, make([]byte, 28), 0); err != ErrBuffer {
			t.Error("one byte short:", err)
		}
		if n, err := s.SealRTP(b[:12:40+p.Overhead()], 12, make([]byte, 28), 0); n != 40+p.Overhead() || err != nil {
			t.Error("exact:", n, err)
		}
		if n, err := s.SealRTP(b, 12, nil, 0); n != 12+p.Overhead() || err != nil {
			t.Error("no payload:", n, err)
		}
		if _, err := s.SealRTCP(b, b[:7]); err != ErrShort {
			t.Error("short RTCP:", err)
		}
		if _, err := s.SealRTCP(b[:0:8+p.RTCPOverhead()-1], b[:8]); err != ErrBuffer {
			t.Error("RTCP one byte short:", err)
		}
		s.index = encrypted - 1
		if _, err := s.SealRTCP(b, b[:8]); err != nil {
			t.Error("last index:", err)
		}
		if _, err := s.SealRTCP(b, b[:8]); err != ErrExhausted {
			t.Error("beyond the last index:", err)
		}
		var st StreamState
		for n := range 12 + p.Overhead() {
			if _, err := r.OpenRTP(&st, make([]byte, n), 12); err != ErrShort {
				t.Fatal(n, err)
			}
		}
		if _, err := r.OpenRTP(&st, make([]byte, 100), 101-p.Overhead()); err != ErrShort {
			t.Error("header beyond the payload:", err)
		}
		for n := range 8 + p.RTCPOverhead() {
			if _, err := r.OpenRTCP(make([]byte, n)); err != ErrShort {
				t.Fatal(n, err)
			}
		}
	})
	for _, c := range []struct {
		p         Profile
		key, salt int
	}{{0, 16, 14}, {5, 16, 14}, {AEADAES128GCM, 16, 14}, {AEADAES256GCM, 16, 12}, {AES128CMSHA180, 16, 12}} {
		if _, err := NewSender(c.p, make([]byte, c.key), make([]byte, c.salt)); err == nil {
			t.Errorf("%v with %d and %d bytes accepted", c.p, c.key, c.salt)
		}
		if _, err := NewReceiver(c.p, make([]byte, c.key), make([]byte, c.salt)); err == nil {
			t.Errorf("%v with %d and %d bytes accepted", c.p, c.key, c.salt)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	eachProfile(t, func(t *testing.T, p Profile) {
		s, r, _, _ := endpoints(t, p)
		buf := make([]byte, 1400)
		bad := make([]byte, 1400)
		report := []byte{0x81, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}
		rtcp := make([]byte, 100)
		var st StreamState
		seq := uint16(0)
		if n := testing.AllocsPerRun(200, func() {
			seq++
			buf[0], buf[2], buf[3] = 0x80, byte(seq>>8), byte(seq)
			n, err := s.SealRTP(buf, 12, buf[12:1200], 0)
			if err != nil {
				t.Fatal(err)
			}
			copy(bad, buf[:n])
			bad[n-1]++
			if _, err = r.OpenRTP(&st, bad[:n], 12); err != ErrAuth {
				t.Fatal(err)
			}
			if _, err = r.OpenRTP(&st, buf[:n], 12); err != nil {
				t.Fatal(err)
			}
			if _, err = r.OpenRTP(&st, buf[:n], 12); err != ErrReplay {
				t.Fatal(err)
			}
			if n, err = s.SealRTCP(rtcp, report); err != nil {
				t.Fatal(err)
			}
			copy(bad, rtcp[:n])
			bad[n-1]++
			if _, err = r.OpenRTCP(bad[:n]); err != ErrAuth {
				t.Fatal(err)
			}
			if _, err = r.OpenRTCP(rtcp[:n]); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// Whatever is opened must have been sealed.
func FuzzOpenRTP(f *testing.F) {
	for p := AEADAES128GCM; p <= AES128CMSHA132; p++ {
		s, _, _, _ := endpoints(f, p)
		b := make([]byte, 60)
		b[0] = 0x80
		n, _ := s.SealRTP(b, 12, b[12:40], 0)
		f.Add(uint8(p), b[:n], 12)
		f.Add(uint8(p), b[:n-1], 16)
	}
	f.Fuzz(func(t *testing.T, profile uint8, b []byte, hdrLen int) {
		p := Profile(profile%4) + AEADAES128GCM
		s, r, _, _ := endpoints(t, p)
		var st StreamState
		in := bytes.Clone(b)
		n, err := r.OpenRTP(&st, b, hdrLen)
		if err != nil {
			if st != (StreamState{}) {
				t.Fatal("state changed by", err)
			}
			return
		}
		again := append(b[:n:n], make([]byte, p.Overhead())...)
		m, err := s.SealRTP(again, hdrLen, again[hdrLen:n], uint32(st.Index()>>16))
		if err != nil || !bytes.Equal(again[:m], in) {
			t.Fatal("opened what nobody sealed", err)
		}
	})
}

func FuzzOpenRTCP(f *testing.F) {
	for p := AEADAES128GCM; p <= AES128CMSHA132; p++ {
		s, _, _, _ := endpoints(f, p)
		b := make([]byte, 0, 60)
		n, _ := s.SealRTCP(b, []byte{0x81, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8})
		f.Add(uint8(p), b[:n])
		f.Add(uint8(p), b[:n-1])
	}
	f.Fuzz(func(t *testing.T, profile uint8, b []byte) {
		p := Profile(profile%4) + AEADAES128GCM
		_, r, _, _ := endpoints(t, p)
		size := len(b)
		again := bytes.Clone(b)
		n, err := r.OpenRTCP(b)
		if err != nil {
			if len(r.replay.streams) != 0 {
				t.Fatal("state changed by", err)
			}
			return
		}
		if n != size-p.RTCPOverhead() {
			t.Fatalf("opened %d bytes as %d", size, n)
		}
		if _, err = r.OpenRTCP(again); err != ErrReplay {
			t.Fatal("second time:", err)
		}
	})
}
