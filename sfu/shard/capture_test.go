package shard

import (
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// tap checks that what is captured is not encrypted, and counts it.
type tap struct {
	t     *testing.T
	count map[string]int
}

func (c *tap) Take(p media.Captured) {
	b := append(append([]byte(nil), p.Head...), p.Body...)
	kind := "in "
	if p.Outgoing {
		kind = "out "
	}
	if p.RTCP {
		if err := rtcp.Validate(b); err != nil {
			c.t.Errorf("RTCP % x: %v", b, err)
		}
		c.count[kind+"rtcp"]++
		return
	}
	var h rtp.Header
	if err := h.Parse(b); err != nil {
		c.t.Errorf("RTP % x: %v", b[:20], err)
		return
	}
	payload, _ := h.Payload(b)
	switch {
	case h.PayloadType == 97:
		c.count[kind+"rtx"]++
		payload = payload[rtp.OSNLen:]
	default:
		c.count[kind+"rtp"]++
	}
	if len(payload) == 1000 && (payload[0] != 0x10 || payload[4] != 0x9d) {
		c.t.Errorf("%s payload % x", kind, payload[:12])
	}
}

func TestCapture(t *testing.T) {
	n := simnet.New(9)
	_, server, src := echo(t, n, simnet.Conditions{Loss: 0.05, Delay: 10 * time.Millisecond}, options(), true)
	c := &tap{t, map[string]int{}}
	server.core.SetCapture(c)
	run(n, src, 5*time.Second)
	for _, kind := range []string{"in rtp", "in rtx", "in rtcp", "out rtp", "out rtx", "out rtcp"} {
		if c.count[kind] == 0 {
			t.Errorf("no %s was captured: %v", kind, c.count)
		}
	}
	if got := c.count["in rtp"]; got < int(src.seq)*9/10 || got > int(src.seq) {
		t.Errorf("%d packets captured of %d", got, src.seq)
	}
	server.core.SetCapture(nil)
	before := c.count["in rtp"]
	run(n, src, time.Second)
	if c.count["in rtp"] != before {
		t.Error("the capture goes on after its end")
	}
}
