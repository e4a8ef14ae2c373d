package plain

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// compound is what a compound of RTCP says.
type compound struct {
	sr    *rtcp.SenderReport
	rr    *rtcp.ReceiverReport
	cname string
	pli   *rtcp.Feedback
	bye   bool
}

func (c *call) read(b []byte) (x compound) {
	c.t.Helper()
	if err := rtcp.Validate(b); err != nil {
		c.t.Fatalf("sent no RTCP: %v", err)
	}
	first := true
	for it := rtcp.Parse(b); it.Next(); first = false {
		p := it.Packet
		if r, ok := p.SenderReport(); ok {
			x.sr = &r
		}
		if r, ok := p.ReceiverReport(); ok {
			x.rr = &r
		}
		if first && x.sr == nil && x.rr == nil {
			c.t.Errorf("a compound begins with %d", p.Type)
		}
		for sdes := p.SDES(); sdes.Next(); {
			if sdes.SSRC == 4711 && sdes.Type == rtcp.ItemCNAME {
				x.cname = string(sdes.Text)
			}
		}
		if f, ok := p.Feedback(); ok && f.IsPLI() {
			x.pli = &f
		}
		if y, ok := p.Bye(); ok {
			x.bye = y.Len() == 1 && y.SSRC(0) == 4711
		}
	}
	if x.cname != "test" {
		c.t.Errorf("CNAME %q", x.cname)
	}
	return x
}

func (c *call) reports() (list []compound) {
	for _, d := range c.rtcp {
		if d.to != farRTCP {
			c.t.Errorf("RTCP went to %v", d.to)
		}
		list = append(list, c.read(d.b))
	}
	c.rtcp = nil
	return list
}

// TestReports has a session report what it sends and what it receives, and who only
// listens what it receives.
func TestReports(t *testing.T) {
	c := newCall(t, media.Audio)
	c.pass(time.Minute)
	if len(c.rtcp) != 0 {
		t.Fatal("reported to nobody")
	}
	c.s.SetRemote(c.now, farEnd(pcmu, phone))
	began := c.now
	for i := range 3000 { // a minute
		if i%50 != 10 {
			c.send(packet{seq: uint16(i), ts: uint32(i) * 160, ssrc: 7, payload: "voice"})
		}
		c.speak(uint64(i), uint32(i)*160, pcmu, "hello")
		if i == 100 {
			c.control(farRTCP, rtcp.AppendSR(nil, &rtcp.SenderInfo{SSRC: 7, NTP: 0x1234567890ab, RTPTime: 100 * 160}, nil))
		}
		c.pass(20 * time.Millisecond)
	}
	if r := c.s.Track().Report(0); r.NTP != 0x1234567890ab || r.Timestamp != 100*160 {
		t.Errorf("the track has the report %+v", r)
	}
	list := c.reports()
	if n := len(list); n < 8 || n > 24 {
		t.Errorf("%d reports in a minute", n)
	}
	for i, x := range list {
		if x.sr == nil || x.sr.SSRC != 4711 || x.sr.Blocks.Len() != 1 {
			t.Fatalf("report %d: %+v", i, x)
		}
		blk := x.sr.Blocks.At(0)
		if blk.SSRC != 7 || i > 2 && (blk.Lost == 0 || blk.FractionLost == 0 || blk.LSR != 0x12345678 || blk.DLSR == 0) {
			t.Errorf("report %d: %+v", i, blk)
		}
		// The media time of the moment: it began with timestamp 0 of ours.
		at := rtcp.FromNTP(x.sr.NTP).Sub(began.Wall())
		if d := int64(x.sr.RTPTime-list[0].sr.RTPTime) - mono.Ticks(at-rtcp.FromNTP(list[0].sr.NTP).Sub(began.Wall()), 8000); d < -1 || d > 1 {
			t.Errorf("report %d: time is off by %d", i, d)
		}
		if i > 0 && x.sr.Packets <= list[i-1].sr.Packets {
			t.Errorf("report %d: %d packets", i, x.sr.Packets)
		}
	}
	// A tone's timestamp stands still, that of a report does not.
	last := list[len(list)-1].sr
	for i := range 500 {
		c.speak(uint64(3000+i), 3000*160, phone, press(1, false, 100))
		c.pass(20 * time.Millisecond)
	}
	for _, x := range c.reports() {
		passed := rtcp.FromNTP(x.sr.NTP).Sub(rtcp.FromNTP(last.NTP))
		if d := int64(x.sr.RTPTime-last.RTPTime) - mono.Ticks(passed, 8000); d < -1 || d > 1 {
			t.Errorf("during a tone time is off by %d", d)
		}
	}
	c.s.SetDirection(c.now, false, true)
	c.pass(time.Minute)
	list = c.reports()
	if x := list[len(list)-1]; x.sr != nil || x.rr == nil || x.rr.SSRC != 4711 {
		t.Errorf("on hold: %+v", x)
	}
	c.s.Close()
	if list = c.reports(); len(list) != 1 || !list[0].bye {
		t.Errorf("at the end: %+v", list)
	}
}

// TestNoByeOfTheUnheard (RFC 3550, 6.3.7).
func TestNoByeOfTheUnheard(t *testing.T) {
	c := newCall(t, media.Audio)
	c.s.SetRemote(c.now, farEnd(pcmu))
	c.s.Close()
	if len(c.rtcp) != 0 {
		t.Errorf("said %x", c.rtcp[0].b)
	}
}

// TestFarEndReports reads what the far end says of what it gets.
func TestFarEndReports(t *testing.T) {
	c := newCall(t, media.Video)
	c.s.SetRemote(c.now, farEnd(vp8))
	c.wanted = 0
	c.speak(1, 0, vp8, "\x10\x00\x00\x00\x9d\x01\x2a")
	c.pass(10 * time.Second)
	sr := c.reports()[0].sr
	c.now = c.now.Add(30 * time.Millisecond)
	lsr := rtcp.MiddleNTP(sr.NTP)
	dlsr := rtcp.MiddleNTP(rtcp.NTP(c.now.Wall())) - lsr - 1<<16/20 // 50 ms less
	c.control(farRTCP, rtcp.AppendRR(nil, 7, []rtcp.ReportBlock{
		{SSRC: 99, Lost: 1000}, {SSRC: 4711, Lost: 3, Jitter: 900, LSR: lsr, DLSR: dlsr},
	}))
	if st := c.s.Stats(c.now); st.RemoteLost != 3 || st.RemoteJitter != 10*time.Millisecond || st.RTT.Round(time.Millisecond) != 50*time.Millisecond {
		t.Errorf("stats %+v", st)
	}
	wanted := c.wanted
	c.control(farRTCP, rtcp.AppendPLI(nil, rtcp.Ends{Sender: 7, Media: 4711}))
	c.control(farRTCP, rtcp.AppendFIR(nil, rtcp.Ends{Sender: 7, Media: 4711}, 1))
	if c.wanted != wanted+2 {
		t.Errorf("asked for %d key frames", c.wanted-wanted)
	}
	c.control(farRTCP, rtcp.AppendNACK(nil, rtcp.Ends{Sender: 7, Media: 4711}, []uint16{1}))
	c.control(farRTCP, rtcp.AppendBye(nil, 7, "bye"))
	if len(c.rtp) != 1 || c.wanted != wanted+2 {
		t.Error("a NACK or BYE had an effect")
	}
}

// TestKeyframeRequests asks the far end, if it takes that, at most once a second.
func TestKeyframeRequests(t *testing.T) {
	c := newCall(t, media.Video)
	frame := packet{seq: 1, ssrc: 7, pt: 96, payload: "\x10\x01\x00\x00"}
	asked := func() (n int) {
		for _, x := range c.reports() {
			if x.pli != nil {
				n++
				if x.pli.Sender != 4711 || x.pli.Media != 7 {
					t.Errorf("PLI of %+v", x.pli.Ends)
				}
			}
		}
		return n
	}
	c.s.SetRemote(c.now, farEnd(vp8))
	c.send(frame)
	c.s.RequestKeyframe(c.now)
	c.pass(2 * time.Second)
	if n := asked(); n != 0 {
		t.Errorf("asked %d times who does not take it", n)
	}
	r := farEnd(vp8)
	r.PLI = true
	c.s.SetRemote(c.now, r)
	c.pass(time.Second)
	if n := asked(); n != 1 {
		t.Errorf("asked %d times, want once what had waited", n)
	}
	for range 10 {
		c.s.RequestKeyframe(c.now)
		c.pass(200 * time.Millisecond)
	}
	if n := asked(); n < 2 || n > 3 {
		t.Errorf("asked %d times in two seconds", n)
	}

	// Who has another way to ask is told instead.
	told := 0
	c.s.Keyframe = func() { told++ }
	c.s.SetRemote(c.now, farEnd(vp8))
	for range 10 {
		c.s.RequestKeyframe(c.now)
		c.s.in.LimitBitrate(c.now, 1e6)
		c.pass(200 * time.Millisecond)
	}
	if n := asked(); n != 0 || told < 2 || told > 3 {
		t.Errorf("asked %d times, and told %d times", n, told)
	}
}

// TestSecureRTCP seals and opens SRTCP with the keys of RTP.
func TestSecureRTCP(t *testing.T) {
	for p := srtp.AEADAES128GCM; p.Valid(); p++ {
		c := newCall(t, media.Audio)
		theirs, opener := secret(p, 1)
		sealer, ours := secret(p, 9)
		r := farEnd(pcmu)
		r.Opener, r.Sealer = opener, sealer
		c.s.SetRemote(c.now, r)
		c.receive(farRTP, seal(theirs, packet{seq: 1, ts: 160, ssrc: 7, payload: "voice"}, 0))
		report := rtcp.AppendSR(nil, &rtcp.SenderInfo{SSRC: 7, NTP: 5 << 32, RTPTime: 160}, nil)
		c.control(farRTCP, report) // in the clear
		if r := c.s.Track().Report(0); r.At != 0 {
			t.Errorf("%v: took a report in the clear", p)
		}
		b := make([]byte, 500)
		n, err := theirs.SealRTCP(b, report)
		if err != nil {
			t.Fatal(err)
		}
		c.control(farRTCP, b[:n])
		c.control(farRTCP, b[:n])
		if r := c.s.Track().Report(0); r.NTP != 5<<32 {
			t.Errorf("%v: the track has the report %+v", p, r)
		}
		c.pass(10 * time.Second)
		if len(c.rtcp) == 0 {
			t.Fatalf("%v: no reports", p)
		}
		for _, d := range c.rtcp {
			n, err := ours.OpenRTCP(d.b)
			if err != nil {
				t.Fatalf("%v: %v", p, err)
			}
			if x := c.read(d.b[:n]); x.rr == nil || x.rr.Blocks.Len() != 1 {
				t.Errorf("%v: %+v", p, x)
			}
		}
		if st := c.s.Stats(c.now); st.ReportsIn != 1 || st.NotAuthentic != 2 {
			t.Errorf("%v: stats %+v", p, st)
		}
	}
}

// TestNewKeys is a re-INVITE with other keys and another address, before and after the
// sequence numbers have gone round. The far end goes on with its rollover counter, or
// begins with 0.
func TestNewKeys(t *testing.T) {
	for p := srtp.AEADAES128GCM; p.Valid(); p++ {
		for _, x := range []struct {
			name    string
			packets uint64 // before the change
			begins  bool   // the far end's counter begins with 0
			renews  bool   // our SSRC has to be another one
		}{
			{"early", 100, true, false},
			{"went round, goes on", 70000, false, true},
			{"went round, begins", 70000, true, true},
		} {
			c := newCall(t, media.Audio)
			c.keep = false
			theirs, opener := secret(p, 1)
			sealer, _ := secret(p, 9)
			r := farEnd(pcmu)
			r.Opener, r.Sealer = opener, sealer
			c.s.SetRemote(c.now, r)
			for n := uint64(0); n < x.packets; n += 50 { // most get lost
				c.receive(farRTP, seal(theirs, packet{seq: uint16(n), ts: uint32(n) * 160, ssrc: 7, payload: "voice"}, uint32(n>>16)))
				c.speak(n, uint32(n)*160, pcmu, "hello")
				c.now = c.now.Add(time.Second)
			}
			c.keep = true
			theirs, opener = secret(p, 20)
			sealer, ours := secret(p, 30)
			r.Opener, r.Sealer = opener, sealer
			r.RTP, r.RTCP = netip.MustParseAddrPort("198.51.100.4:7000"), netip.MustParseAddrPort("198.51.100.4:7001")
			c.s.SetRemote(c.now, r)
			var state srtp.StreamState
			roc := uint32(x.packets >> 16)
			if x.begins {
				roc = 0
			}
			for i := range uint64(3) {
				n := x.packets + i
				c.receive(r.RTP, seal(theirs, packet{seq: uint16(n), ts: uint32(n) * 160, ssrc: 7, payload: "voice"}, roc))
				c.speak(n, uint32(n)*160, pcmu, "hello")
				c.now = c.now.Add(20 * time.Millisecond)
			}
			if len(c.in) != 3 || len(c.rtp) != 3 {
				t.Fatalf("%v, %s: received %d, sent %d", p, x.name, len(c.in), len(c.rtp))
			}
			for i, d := range c.rtp {
				var h rtp.Header
				if err := h.Parse(d.b); err != nil || d.to != r.RTP {
					t.Fatalf("%v, %s: %v, to %v", p, x.name, err, d.to)
				}
				if (h.SSRC != 4711) != x.renews {
					t.Errorf("%v, %s: SSRC %d", p, x.name, h.SSRC)
				}
				if _, err := ours.OpenRTP(&state, d.b, h.HeaderLen); err != nil {
					t.Errorf("%v, %s: packet %d: %v", p, x.name, i, err)
				}
			}
		}
	}
}

// TestSameKeysGoOn is a re-INVITE that changes nothing about SRTP.
func TestSameKeysGoOn(t *testing.T) {
	c := newCall(t, media.Audio)
	theirs, opener := secret(srtp.AES128CMSHA180, 1)
	r := farEnd(pcmu)
	r.Opener = opener
	c.s.SetRemote(c.now, r)
	b := seal(theirs, packet{seq: 1, ts: 160, ssrc: 7, payload: "voice"}, 0)
	c.receive(farRTP, b)
	c.s.SetRemote(c.now, r)
	c.receive(farRTP, b)
	if st := c.s.Stats(c.now); st.Replayed != 1 || len(c.in) != 1 {
		t.Errorf("stats %+v", st)
	}
}

// TestEarlierSSRC goes back to an SSRC whose rollover counter is not 0, after another
// one had played music.
func TestEarlierSSRC(t *testing.T) {
	c := newCall(t, media.Audio)
	theirs, opener := secret(srtp.AES128CMSHA180, 1)
	r := farEnd(pcmu)
	r.Opener = opener
	c.s.SetRemote(c.now, r)
	from := func(ssrc uint32, n uint64) {
		c.receive(farRTP, seal(theirs, packet{seq: uint16(n), ts: uint32(n) * 160, ssrc: ssrc, payload: "voice"}, uint32(n>>16)))
		c.now = c.now.Add(20 * time.Millisecond)
	}
	from(7, 65535)
	from(7, 65536)
	for ssrc := range uint32(3) {
		from(ssrc+100, 9)
	}
	from(7, 65540)
	from(7, 65541)
	if len(c.in) != 7 {
		t.Errorf("received %d, %+v", len(c.in), c.s.Stats(c.now))
	}
}
