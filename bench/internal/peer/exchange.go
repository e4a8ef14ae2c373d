package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// Exchange is a SIP registrar that takes everybody, and a telephone behind it that answers all calls and sends the audio
// back that it hears. It keeps nothing of either.
type Exchange struct {
	Calls, Ended atomic.Int64 // INVITE and BYE requests, repeated ones too

	addr           netip.AddrPort
	sip, rtp, rtcp *net.UDPConn
	done           sync.WaitGroup
}

// NewExchange opens an exchange at an address of this machine.
func NewExchange(ip string) (x *Exchange, err error) {
	x = &Exchange{}
	defer func() {
		if err != nil {
			x.Close()
		}
	}()
	listen := func(port int) (*net.UDPConn, error) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip), Port: port})
		if err == nil {
			_ = c.SetReadBuffer(4 << 20)
			_ = c.SetWriteBuffer(4 << 20)
		}
		return c, err
	}
	if x.sip, err = listen(0); err != nil {
		return x, err
	}
	for range 100 {
		if x.rtp, err = listen(0); err != nil {
			return x, err
		}
		port := x.rtp.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			if x.rtcp, err = listen(port + 1); err == nil {
				break
			}
		}
		_ = x.rtp.Close()
		err = errors.New("no pair of ports")
	}
	if err != nil {
		return x, err
	}
	x.addr = x.sip.LocalAddr().(*net.UDPAddr).AddrPort()
	x.done.Go(func() { serve(x.sip, x.answer) })
	x.done.Go(func() { serve(x.rtp, func(b []byte) []byte { return b }) })
	x.done.Go(func() { serve(x.rtcp, func([]byte) []byte { return nil }) })
	return x, nil
}

// Close ends it.
func (x *Exchange) Close() {
	for _, c := range []*net.UDPConn{x.sip, x.rtp, x.rtcp} {
		if c != nil {
			_ = c.Close()
		}
	}
	x.done.Wait()
}

// serve sends an answer to each datagram, but where it is nil.
func serve(c *net.UDPConn, answer func(b []byte) []byte) {
	b := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of an earlier datagram
		}
		if r := answer(b[:n]); r != nil {
			_, _ = c.WriteToUDPAddrPort(r, from)
		}
	}
}

// compact are the short names of header fields that matter here (RFC 3261, 20).
var compact = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact"}

// answer is the response to a request, nil if there is none.
func (x *Exchange) answer(b []byte) []byte {
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, _, _ := strings.Cut(lines[0], " ")
	if method == "ACK" || strings.HasPrefix(method, "SIP/") || len(lines) < 2 {
		return nil
	}
	reply, contact := []string{"SIP/2.0 200 OK"}, ""
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if long := compact[name]; long != "" {
			name = long
		}
		switch name {
		case "via", "from", "call-id", "cseq":
			reply = append(reply, name+":"+value)
		case "to":
			if !strings.Contains(value, "tag=") {
				value += ";tag=exchange"
			}
			reply = append(reply, name+":"+value)
		case "contact":
			contact = value
		}
	}
	text := ""
	switch method {
	case "REGISTER":
		reply = append(reply, "Contact:"+contact, "Expires: 3600")
	case "INVITE":
		x.Calls.Add(1)
		text = x.describe(body)
		reply = append(reply, "Contact: <sip:echo@"+x.addr.String()+">", "Content-Type: application/sdp")
	case "BYE":
		x.Ended.Add(1)
	}
	reply = append(reply, fmt.Sprintf("Content-Length: %d", len(text)), "", text)
	return []byte(strings.Join(reply, "\r\n"))
}

// describe answers an offer: its first audio codec, and nothing else.
func (x *Exchange) describe(offer string) string {
	ip, port := x.addr.Addr(), x.rtp.LocalAddr().(*net.UDPAddr).Port
	text := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", ip, ip)
	for line := range strings.SplitSeq(offer, "\r\n") {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(line, "m=") {
			continue
		}
		if f[0] != "m=audio" {
			text += f[0] + " 0 " + f[2] + " " + f[3] + "\r\n"
			continue
		}
		text += fmt.Sprintf("m=audio %d %s %s\r\n", port, f[2], f[3])
		if _, codec, ok := strings.Cut(offer, "a=rtpmap:"+f[3]+" "); ok {
			codec, _, _ = strings.Cut(codec, "\r\n")
			text += "a=rtpmap:" + f[3] + " " + codec + "\r\n"
		}
	}
	return text
}
