package dtls

import "testing"

func rec(kind byte, epoch byte, body ...byte) []byte {
	return append([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, byte(len(body))}, body...)
}

func TestAdmit(t *testing.T) {
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	fine := rec(handshakeRecord, 0, 1, 2, 3)
	for _, c := range []struct {
		name              string
		b                 []byte
		connected, wanted bool
		ok, late          bool
	}{
		{"handshake", fine, false, false, true, false},
		{"handshake after the handshake", fine, true, true, true, true},
		{"encrypted handshake", rec(handshakeRecord, 1, 1), true, false, true, false},
		{"last flight again", join(fine, rec(changeCipherSpec, 0, 1), rec(handshakeRecord, 1, 5)), true, false, true, true},
		{"alert in plaintext", rec(alertRecord, 0, 2, 40), false, false, true, false},
		{"forged alert", rec(alertRecord, 0, 2, 40), true, true, false, false},
		{"forged alert behind a handshake", join(fine, rec(alertRecord, 0, 2, 40)), true, true, false, false},
		{"long alert", rec(alertRecord, 0, 2, 40, 0), false, false, false, false},
		{"encrypted alert", rec(alertRecord, 1, 2, 40), true, false, true, false},
		{"data", rec(applicationData, 1, 9), true, true, true, false},
		{"data nobody wants", rec(applicationData, 1, 9), true, false, false, false},
		{"data in plaintext", rec(applicationData, 0, 9), false, true, false, false},
		{"bad change", rec(changeCipherSpec, 0, 2), false, true, false, false},
		{"long change", rec(changeCipherSpec, 0, 1, 1), false, true, false, false},
		{"change in epoch 1", rec(changeCipherSpec, 1, 1), true, true, false, false},
		{"heartbeat", rec(24, 1, 1), true, true, false, false},
		{"connection id", rec(25, 1, 1), true, true, false, false},
		{"cut", fine[:15], false, false, false, false},
		{"cut header", join(fine, fine[:5]), false, false, false, false},
		{"nothing", nil, false, false, false, false},
	} {
		ok, late := admit(c.b, c.connected, c.wanted)
		if ok != c.ok || late != c.late {
			t.Errorf("%s: %v %v", c.name, ok, late)
		}
	}
}

func FuzzAdmit(f *testing.F) {
	f.Add(rec(handshakeRecord, 0, 1), true, true)
	f.Add(append(rec(changeCipherSpec, 0, 1), rec(handshakeRecord, 1, 5)...), false, false)
	f.Fuzz(func(t *testing.T, b []byte, connected, wanted bool) {
		ok, late := admit(b, connected, wanted)
		if !ok {
			return
		}
		size := 0
		for rest := b; len(rest) > 0; {
			r, next, whole := nextRecord(rest)
			if !whole || r.kind < 20 || r.kind > 23 || r.kind == applicationData && (!wanted || r.epoch == 0) {
				t.Fatalf("admitted %x", b)
			}
			if r.epoch == 0 && connected && !late {
				t.Fatalf("plaintext admitted as timely: %x", b)
			}
			size += recordHeader + len(r.body)
			rest = next
		}
		if size != len(b) || size == 0 {
			t.Fatalf("%d of %d bytes", size, len(b))
		}
	})
}
