package audiobridge

import (
	"encoding/base64"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// TestForwardSRTP: what is forwarded as SRTP is the mix for who has the key, and nothing for
// anybody else, with both suites (RFC 4568, 6.2).
func TestForwardSRTP(t *testing.T) {
	b := exchange(t, t.TempDir(), `general: { rtp_forward_own_ports = true }
room-1: { sampling_rate = 16000 }`)
	const hz, none = 700, 1500
	ann := b.phone(1, 1, hz, "")
	key := []byte("0123456789abcdefABCDEFGHIJKLMN") // 16 of the key, 14 of the salt
	for i, x := range []struct {
		suite, tag int
		profile    srtp.ProtectionProfile
	}{{80, 10, srtp.ProtectionProfileAes128CmHmacSha1_80}, {32, 4, srtp.ProtectionProfileAes128CmHmacSha1_32}} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		ssrc := uint32(4711 + i)
		e := ann.Ask(fmt.Sprintf(`{"request":"rtp_forward","room":1,"host":"127.0.0.1","port":%d,"ssrc":%d,"ptype":99,"srtp_suite":%d,"srtp_crypto":%q}`,
			conn.LocalAddr().(*net.UDPAddr).Port, ssrc, x.suite, base64.StdEncoding.EncodeToString(key)), nil)
		if e.Field("audiobridge") != "success" {
			t.Fatal(e)
		}
		open := func(key []byte) *srtp.Context {
			t.Helper()
			c, err := srtp.CreateContext(key[:16], key[16:], x.profile)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		own, other := open(key), open(append([]byte("x"), key[1:]...))
		heard, buf, last := newEar(t), make([]byte, 1500), rtp.Header{}
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for n := 0; heard.hears(hz) < .06 || heard.hears(none) > .02; n++ {
			size, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("suite %d: after %d packets %v of the tone is heard: %v", x.suite, n, heard.hears(hz), err)
			}
			if _, err := other.DecryptRTP(nil, buf[:size], nil); err == nil {
				t.Fatalf("suite %d: another key opens it", x.suite)
			}
			var h rtp.Header
			plain, err := own.DecryptRTP(nil, buf[:size], &h)
			if err != nil {
				t.Fatalf("suite %d: %v", x.suite, err)
			}
			if h.SSRC != ssrc || h.PayloadType != 99 || len(plain) != size-x.tag || n > 0 && h.SequenceNumber != last.SequenceNumber+1 {
				t.Fatalf("suite %d: %+v after %+v, %d bytes of %d", x.suite, h, last, len(plain), size)
			}
			last = h
			heard.take(t, plain[h.MarshalSize():])
		}
	}
}
