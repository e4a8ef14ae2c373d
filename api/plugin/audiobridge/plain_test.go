package audiobridge

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pion/rtp"

	"bifrons/rtp/waittest"
)

// TestPlainChangesRoom: who hears by plain RTP hears the other room after changeroom, by the
// same port and stream, in numbers and timestamps that go on.
func TestPlainChangesRoom(t *testing.T) {
	b := exchange(t, t.TempDir(), `general: { local_ip = "127.0.0.1", rtp_forward_own_ports = true }
room-1: { sampling_rate = 16000, allow_rtp_participants = true }
room-2: { sampling_rate = 48000, allow_rtp_participants = true }`)
	const first, second = 600, 1700
	b.phone(1, 1, first, "")
	b.phone(2, 2, second, "")
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	heard, done := newEar(t), make(chan struct{})
	go func() {
		defer close(done)
		var last rtp.Packet
		for buf := make([]byte, 1500); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			var p rtp.Packet
			if err := p.Unmarshal(buf[:n]); err != nil {
				t.Error(err)
			}
			if d := p.Timestamp - last.Timestamp; last.Version > 0 && (p.SSRC != last.SSRC || p.SequenceNumber != last.SequenceNumber+1 || d == 0 || d > 60*48000) {
				t.Errorf("%v after %v", p.Header, last.Header)
			}
			last.Header = p.Header
			mu.Lock()
			heard.take(t, p.Payload)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	hears := func(what string, hz, other float64) {
		t.Helper()
		waittest.Until(t, what, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return heard.hears(hz) > .08 && heard.hears(other) < .02
		})
	}
	c := b.client()
	e := c.Ask(`{"request":"join","room":1,"id":3,"rtp":{"ip":"127.0.0.1","port":`+strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port)+`}}`, nil)
	if e.Field("rtp", "port") == nil {
		t.Fatal(e)
	}
	addresses := func() string {
		_, list, _ := strings.Cut(c.Query(), `"plain-rtp":{`)
		list, _, _ = strings.Cut(list, "}")
		return list
	}
	before := addresses()
	hears("the first room", first, second)
	for _, x := range []struct {
		room      string
		hz, other float64
	}{{"2", second, first}, {"1", first, second}} {
		c.expect("{'request':'changeroom','room':"+x.room+",'id':3}", "{'audiobridge':'roomchanged','room':"+x.room+",'id':3,'participants':["+
			"{'id':"+x.room+",'setup':true,'muted':false}]}")
		hears("room "+x.room, x.hz, x.other)
		if now := addresses(); now != before || now == "" {
			t.Errorf("addresses %s, before %s", now, before)
		}
	}
}
