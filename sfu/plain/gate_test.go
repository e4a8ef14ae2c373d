package plain

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// TestLatch: the far end may be elsewhere once, before it was heard, and only by what
// a stranger cannot send.
func TestLatch(t *testing.T) {
	near, far := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	other := netip.MustParseAddrPort("192.0.2.9:1024")
	elsewhere := netip.MustParseAddrPort("203.0.113.5:1024")
	theirs, opener := secret(srtp.AES128CMSHA180, 1)
	strangers, _ := secret(srtp.AES128CMSHA180, 50)
	voice := packet{seq: 1, ts: 160, ssrc: 7, payload: "voice"}
	in := func(from netip.AddrPort) func(c *call) {
		return func(c *call) { voice.from = from; c.send(voice) }
	}
	sealed := func(tx *srtp.Sender, seq uint16, from netip.AddrPort) func(c *call) {
		p := voice
		p.seq = seq
		b := seal(tx, p, 0)
		return func(c *call) { c.receive(from, b) }
	}
	for name, x := range map[string]struct {
		off    bool
		net    netip.Prefix
		secure bool
		steps  []func(c *call)
		want   netip.AddrPort // where it latched on
		taken  int
	}{
		"off":                     {off: true, net: near, steps: []func(c *call){in(other)}},
		"in the network":          {net: near, steps: []func(c *call){in(other)}, want: other, taken: 1},
		"in another network":      {net: far, steps: []func(c *call){in(other)}},
		"no network":              {steps: []func(c *call){in(other)}},
		"after the signalled one": {net: near, steps: []func(c *call){in(farRTP), in(other)}, taken: 1},
		"only once":               {net: netip.MustParsePrefix("0.0.0.0/0"), steps: []func(c *call){in(other), in(elsewhere), in(farRTP)}, want: other, taken: 1},
		"a payload type that is not negotiated": {net: near, steps: []func(c *call){
			func(c *call) { c.send(packet{from: other, seq: 1, ssrc: 7, pt: 99, payload: "voice"}) },
		}},
		"no RTP": {net: near, steps: []func(c *call){
			func(c *call) {
				c.receive(other, []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			},
			func(c *call) { c.receive(other, nil) },
		}},
		"SRTP":             {secure: true, steps: []func(c *call){sealed(theirs, 1, elsewhere)}, want: elsewhere, taken: 1},
		"SRTP of somebody": {secure: true, net: near, steps: []func(c *call){sealed(strangers, 1, other)}},
		"in the clear":     {secure: true, net: near, steps: []func(c *call){in(other)}},
		"SRTP, repeated by a stranger": {secure: true, steps: []func(c *call){
			sealed(theirs, 1, farRTP), sealed(theirs, 1, elsewhere), sealed(theirs, 2, elsewhere),
		}, taken: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, media.Audio)
			r := farEnd(pcmu)
			r.Latch, r.LatchNet = !x.off, x.net
			if x.secure {
				// Of its own, as a receiver remembers what came.
				_, opener = secret(srtp.AES128CMSHA180, 1)
				r.Opener = opener
			}
			c.s.SetRemote(c.now, r)
			for _, step := range x.steps {
				step(c)
				c.now = c.now.Add(time.Second)
			}
			if got := c.s.Stats(c.now).Latched; got != x.want || len(c.in) != x.taken {
				t.Errorf("latched on %v and took %d, want %v and %d", got, len(c.in), x.want, x.taken)
			}
			to := farRTP
			if x.want.IsValid() {
				to = x.want
			}
			c.speak(1, 160, pcmu, "hello")
			c.s.SetRemote(c.now, r) // nothing new
			c.speak(2, 320, pcmu, "hello")
			if len(c.rtp) != 2 || c.rtp[0].to != to || c.rtp[1].to != to {
				t.Errorf("sent to %+v, want %v", c.rtp, to)
			}
			r.RTP = netip.MustParseAddrPort("192.0.2.77:6000")
			c.s.SetRemote(c.now, r)
			c.speak(3, 480, pcmu, "hello")
			if got := c.rtp[2].to; got != r.RTP {
				t.Errorf("then sent to %v", got)
			}
		})
	}
}

// TestLatchRTCP lets RTCP find its own way.
func TestLatchRTCP(t *testing.T) {
	c := newCall(t, media.Audio)
	r := farEnd(pcmu)
	r.Latch, r.LatchNet = true, netip.MustParsePrefix("192.0.2.0/24")
	c.s.SetRemote(c.now, r)
	from, stranger := netip.MustParseAddrPort("192.0.2.8:999"), netip.MustParseAddrPort("198.51.100.1:999")
	report := rtcp.AppendRR(nil, 7, nil)
	c.control(stranger, report)
	c.control(from, []byte("no RTCP"))
	c.pass(10 * time.Second)
	c.control(from, report)
	c.control(farRTCP, report)
	n := len(c.rtcp)
	c.pass(10 * time.Second)
	if n == 0 || len(c.rtcp) == n || c.rtcp[0].to != farRTCP || c.rtcp[n].to != from {
		t.Errorf("%d of %+v before", n, c.rtcp)
	}
	if st := c.s.Stats(c.now); st.ReportsIn != 1 || st.Elsewhere != 2 || st.ElsewhereAt != farRTCP {
		t.Errorf("stats %+v", st)
	}
}
