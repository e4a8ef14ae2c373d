package nosip

import (
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"bifrons/api/plugin/plugintest"
)

// context is pion's SRTP for a key as SDES carries it.
func context(t *testing.T, inline string) *srtp.Context {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(inline)
	if err != nil || len(b) != 30 {
		t.Fatalf("key %q: %v", inline, err)
	}
	c, err := srtp.CreateContext(b[:16], b[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFarEndSRTP: a telephone with an SRTP of another make understands the client and is understood. What it sends in the clear is
// not let through, and administrators see why nothing comes.
func TestFarEndSRTP(t *testing.T) {
	x := newExchange(t, "")
	a := x.telephone("a")
	offer := a.offer(`,"srtp":"sdes_mandatory"`)
	m := regexp.MustCompile(`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:(\S+)`).FindStringSubmatch(offer)
	if m == nil {
		t.Fatalf("no key in\n%s", offer)
	}
	port := ports(t, offer)[0]
	key := base64.StdEncoding.EncodeToString([]byte("thirty bytes of key and salt.."))
	in, out := context(t, m[1]), context(t, key)

	var far plugintest.Texts
	conn := socket(t, func(b []byte, _ *net.UDPAddr) {
		var p rtp.Packet
		if b, err := in.DecryptRTP(nil, b, nil); err == nil && p.Unmarshal(b) == nil {
			far.Hear(p.Payload)
		}
	})
	send := func(n uint16, text string, c *srtp.Context) {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, SequenceNumber: n, Timestamp: uint32(n) * 240, SSRC: 5}, Payload: []byte("|" + text)}
		b, _ := p.Marshal()
		if c != nil {
			b, _ = c.EncryptRTP(nil, b, nil)
		}
		_, _ = conn.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	}
	stop := plugintest.Steadily(func(n uint16) {
		send(n, "secret", out)
		send(n, "open", nil)
	})
	t.Cleanup(stop)
	a.process("answer", fmt.Sprintf("v=0\r\no=far 1 1 IN IP4 127.0.0.1\r\ns=call\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/SAVP 111\r\n"+
		"a=rtpmap:111 opus/48000/2\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^31\r\n", conn.LocalAddr().(*net.UDPAddr).Port, key), "")
	a.AwaitConnected()
	a.HearsMore(t, "secret")
	far.HearsMore(t, "a audio")
	if n := a.Heard("open"); n != 0 {
		t.Errorf("%d packets in the clear are let through", n)
	}
	if q := a.Query(); !strings.Contains(q, `"srtp-required":"yes","sdes-local":"yes","sdes-remote":"yes"`) || !strings.Contains(q, `"refused":`) {
		t.Errorf("administrators see %s", q)
	}
}
