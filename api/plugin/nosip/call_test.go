package nosip

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pion/rtp"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
)

// TestCall: two handles are each other's far end, with and without SRTP. Each hears and sees the other, and asks for
// key frames. The ports come back.
func TestCall(t *testing.T) {
	for _, fields := range []string{
		"", `,"srtp":"sdes_optional"`, `,"srtp":"sdes_mandatory"`, `,"srtp":"sdes_mandatory","srtp_profile":"AES_CM_128_HMAC_SHA1_32"`,
		`,"srtp":"sdes_mandatory","srtp_profile":"AEAD_AES_128_GCM"`, `,"srtp":"sdes_mandatory","srtp_profile":"AEAD_AES_256_GCM"`,
	} {
		t.Run(fields, func(t *testing.T) {
			x := newExchange(t, "")
			a, b := x.phone("a"), x.phone("b")
			offer, answer := a.call(b, fields)
			if secure := strings.Contains(offer, "a=crypto:"); secure != (fields != "") || strings.Contains(answer, "a=crypto:") != secure {
				t.Errorf("keys in\n%s\nand\n%s", offer, answer)
			}
			a.HearsMore(t, "b audio", "b video")
			b.HearsMore(t, "a audio", "a video")

			for request, asked := range map[string]*phone{`"user":true`: a, `"peer":true`: b} {
				n := asked.PLIs.Load()
				a.ask(`{"request":"keyframe",`+request+`}`, nil)
				waittest.Until(t, "a request for a key frame "+request, func() bool { return asked.PLIs.Load() > n })
			}
			q := a.Query()
			if !strings.Contains(q, `"media":[{"type":"audio","direction":"sendrecv","remote":"127.0.0.1:`) || !strings.Contains(q, `"faults":[]`) {
				t.Errorf("administrators see %s", q)
			}
			a.ask(`{"request":"hangup"}`, nil)
			b.Hangup()
			a.AwaitText("[hangup]")
			b.AwaitText("[hangup]")
			free(t, append(ports(t, offer), ports(t, answer)...))
		})
	}
}

// TestUpdate: a call is held and goes on, and gets video later, by new offers of either side. Ports stay the same.
func TestUpdate(t *testing.T) {
	x := newExchange(t, "")
	a, b := x.telephone("a"), x.telephone("b")
	offer, answer := a.call(b, "")
	a.HearsMore(t, "b audio")
	b.HearsMore(t, "a audio")
	same := func(what, text, before string) {
		t.Helper()
		if ports(t, text)[0] != ports(t, before)[0] {
			t.Errorf("%s has other ports:\n%s\nbefore\n%s", what, text, before)
		}
	}

	// b shows a picture.
	b.Say("video")
	next := b.offer("")
	same("b's offer", next, answer)
	again := a.answer(next, "")
	same("a's answer", again, offer)
	b.process("answer", again, "")
	a.HearsMore(t, "b audio", "b video")
	b.HearsMore(t, "a audio")

	// a holds b.
	hold := a.offer("")
	a.process("answer", b.answer(strings.ReplaceAll(hold, "a=sendrecv", "a=inactive"), ""), "")
	a.Quiet(t, "b audio")
	b.Quiet(t, "a audio")
	same("a's hold", hold, offer)
}

// far is a telephone: it takes and sends RTP by one port.
type far struct {
	plugintest.Texts
	t    *testing.T
	conn *net.UDPConn
	stop func()

	mu      sync.Mutex
	ssrcs   map[uint32]int
	order   []uint16 // sequence numbers that came
	strange int
}

// farEnd makes a telephone that sends PCMU to a port.
func farEnd(t *testing.T, name string, to int, ssrc uint32) *far {
	t.Helper()
	f := &far{t: t, ssrcs: make(map[uint32]int)}
	f.conn = socket(t, func(b []byte, from *net.UDPAddr) {
		var p rtp.Packet
		if p.Unmarshal(b) != nil || from.Port != to {
			f.mu.Lock()
			f.strange++
			f.mu.Unlock()
			return
		}
		f.mu.Lock()
		f.ssrcs[p.SSRC]++
		f.order = append(f.order, p.SequenceNumber)
		f.mu.Unlock()
		f.Hear(p.Payload)
	})
	f.stop = plugintest.Steadily(func(n uint16) {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, SequenceNumber: n, Timestamp: uint32(n) * 240, SSRC: ssrc}, Payload: []byte("|" + name)}
		b, _ := p.Marshal()
		_, _ = f.conn.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
	})
	t.Cleanup(f.stop)
	return f
}

// describe is the description of a telephone, which is at an address.
func (f *far) describe(address, direction string) string {
	port := f.conn.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("v=0\r\no=far 1 1 IN IP4 127.0.0.1\r\ns=call\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 111\r\n"+
		"a=rtpmap:111 opus/48000/2\r\na=%s\r\n", address, port, direction)
}

// TestFarEnd: a telephone hears the client with one SSRC and numbers that go on, over holds, and when it moves or changes its SSRC.
func TestFarEnd(t *testing.T) {
	x := newExchange(t, "")
	a := x.telephone("a")
	offer := a.offer("")
	port := ports(t, offer)[0]
	one := farEnd(t, "one", port, 100)
	a.process("answer", one.describe("127.0.0.1", "sendrecv"), "")
	a.AwaitConnected()
	a.HearsMore(t, "one")
	one.HearsMore(t, "a audio")

	reinvite := func(what, text string) {
		t.Helper()
		if got := ports(t, a.answer(text, `,"update":true`))[0]; got != port {
			t.Errorf("%s: port %d is %d now", what, port, got)
		}
	}
	reinvite("hold by the address", one.describe("0.0.0.0", "sendrecv"))
	one.Quiet(t, "a audio")
	reinvite("the call goes on", one.describe("127.0.0.1", "sendrecv"))
	one.HearsMore(t, "a audio")

	two := farEnd(t, "two", port, 200) // nobody knows it yet
	one.HearsMore(t, "a audio")
	if n := a.Heard("two"); n != 0 {
		t.Errorf("%d packets of a stranger are let through", n)
	}
	reinvite("the telephone moves", two.describe("127.0.0.1", "sendrecv"))
	a.HearsMore(t, "two")
	two.HearsMore(t, "a audio")
	one.Quiet(t, "a audio")
	reinvite("hold by the direction", two.describe("127.0.0.1", "sendonly"))
	two.Quiet(t, "a audio")
	a.HearsMore(t, "two")

	one.mu.Lock()
	defer one.mu.Unlock()
	two.mu.Lock()
	defer two.mu.Unlock()
	if len(one.ssrcs) != 1 || len(two.ssrcs) != 1 || one.strange+two.strange != 0 {
		t.Fatalf("SSRCs %v and %v, %d strange packets", one.ssrcs, two.ssrcs, one.strange+two.strange)
	}
	for ssrc := range one.ssrcs {
		if two.ssrcs[ssrc] == 0 {
			t.Errorf("SSRC %d has become another", ssrc)
		}
	}
	numbers := append(one.order, two.order...)
	for i := 1; i < len(numbers); i++ {
		if d := numbers[i] - numbers[i-1]; d == 0 || d > 1<<15 {
			t.Fatalf("sequence number %d behind %d", numbers[i], numbers[i-1])
		}
	}
}

// TestTimeout: a call ends that the far end has left without a word, but not while it has nothing to send.
func TestTimeout(t *testing.T) {
	x := newExchange(t, "rtp_timeout = 1")
	a := x.telephone("a")
	port := ports(t, a.offer(""))[0]
	far := farEnd(t, "far", port, 100)
	a.process("answer", far.describe("127.0.0.1", "sendrecv"), "")
	a.AwaitConnected()
	a.HearsMore(t, "far")
	a.answer(far.describe("127.0.0.1", "recvonly"), `,"update":true`)
	a.Quiet(t, "far")
	far.stop()
	n := far.Heard("a audio")
	waittest.Until(t, "more than a second of the client's voice", func() bool { return far.Heard("a audio") > n+250 })
	if a.Closed() != 0 {
		t.Fatal("the call has ended on hold")
	}
	a.answer(far.describe("127.0.0.1", "sendrecv"), `,"update":true`)
	waittest.Until(t, "the call ends", func() bool { return a.Closed() == 1 })
	x.AwaitLog("nothing came from the far end for 1 s")
}
