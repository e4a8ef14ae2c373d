package webrtctest

import (
	"net"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// Plain is one end of RTP outside WebRTC, on loopback. It ends with the test.
type Plain struct {
	Port  int
	Heard *Tally

	t    testing.TB
	conn *net.UDPConn
}

// NewPlain opens one.
func NewPlain(t testing.TB) *Plain {
	t.Helper()
	p := &Plain{t: t, conn: ListenUDP(t, "127.0.0.1"), Heard: NewTally()}
	p.Port = p.conn.LocalAddr().(*net.UDPAddr).Port
	done := make(chan struct{})
	t.Cleanup(func() { _ = p.conn.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, err := p.conn.Read(b)
			if err != nil {
				return
			}
			var x rtp.Packet
			if x.Unmarshal(b[:n]) == nil {
				x.Payload = append([]byte(nil), x.Payload...)
				p.Heard.Add(&x)
			}
		}
	}()
	return p
}

// KeepSending sends numbered packets of a payload type to a port until stop is called.
func (p *Plain) KeepSending(port int, pt uint8, every time.Duration) (stop func()) {
	to, n := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, uint16(0)
	return Keep(p.t, every, func() {
		n++
		x := rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: n, Timestamp: uint32(n) * 160, SSRC: uint32(p.Port)},
			Payload: Stamp([]byte{0xf8, 0xff, 0xfe}, uint64(n)),
		}
		b, _ := x.Marshal()
		_, _ = p.conn.WriteToUDP(b, to)
	})
}
