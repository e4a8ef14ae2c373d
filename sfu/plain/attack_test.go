package plain

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// TestSessionAllocatesNothing takes packets and reports both ways, and what goes no
// further.
func TestSessionAllocatesNothing(t *testing.T) {
	stranger := netip.MustParseAddrPort("203.0.113.9:9")
	for p := srtp.Profile(0); p == 0 || p.Valid(); p++ {
		t.Run(p.String(), func(t *testing.T) {
			c := newCall(t, media.Audio)
			r := farEnd(pcmu, phone)
			r.Latch, r.PLI = true, true
			var theirs *srtp.Sender
			if p.Valid() {
				theirs, r.Opener = secret(p, 1)
				r.Sealer, _ = secret(p, 9)
			}
			c.s.SetRemote(c.now, r)
			c.keep = false
			c.s.Tone = nil
			n := uint32(0)
			from := func(a netip.AddrPort, p packet, seq uint32) {
				buf := c.pool.Get()
				b := buf.B[:rtp.FixedHeaderLen]
				rtp.FixedHeader{PayloadType: p.pt, SequenceNumber: uint16(seq), Timestamp: seq * 160, SSRC: p.ssrc}.Put(b)
				buf.N = rtp.FixedHeaderLen + copy(buf.B[rtp.FixedHeaderLen:], p.payload)
				if theirs != nil {
					buf.N, _ = theirs.SealRTP(buf.B, rtp.FixedHeaderLen, buf.B[rtp.FixedHeaderLen:buf.N], seq>>16)
				}
				if p.from.IsValid() {
					buf.B[buf.N-1]++ // forged
				}
				if !c.s.HandleRTP(c.now, a, buf) {
					buf.Release()
				}
			}
			report := rtcp.AppendSR(nil, &rtcp.SenderInfo{SSRC: 7, NTP: 5, RTPTime: 160}, []rtcp.ReportBlock{{SSRC: 4711}})
			tone := press(3, true, 800)
			next := func() {
				from(stranger, packet{ssrc: 7, payload: "stranger", from: stranger}, n)
				from(farRTP, packet{ssrc: 7, payload: "voice"}, n)
				from(farRTP, packet{ssrc: 7, payload: "voice"}, n) // again
				from(farRTP, packet{ssrc: 7, payload: "forged", from: stranger}, n+1)
				from(farRTP, packet{ssrc: 7, pt: 99, payload: "unknown"}, n+1)
				from(farRTP, packet{ssrc: 7, pt: 101, payload: tone}, n+2)
				from(farRTP, packet{ssrc: 7, payload: ""}, n+3)
				c.speak(uint64(n), n*160, pcmu, "hello")
				c.speak(uint64(n)+1, n*160, opus, "not taken")
				c.s.RequestKeyframe(c.now)
				buf := c.pool.Get()
				buf.N = copy(buf.B, report)
				if theirs != nil {
					buf.N, _ = theirs.SealRTCP(buf.B, report)
				}
				c.s.HandleRTCP(c.now, farRTCP, buf)
				buf.Release()
				c.now = c.now.Add(time.Second)
				c.s.Tick(c.now)
				n += 4
			}
			for range 500 {
				next()
			}
			before := c.s.Stats(c.now)
			if got := testing.AllocsPerRun(1000, next); got != 0 {
				t.Errorf("%v allocations", got)
			}
			after := c.s.Stats(c.now)
			if after.In.Packets-before.In.Packets < 2000 || after.Out.Packets-before.Out.Packets < 1000 || after.ReportsIn-before.ReportsIn < 1000 ||
				after.PayloadTypes-before.PayloadTypes < 1000 || after.Elsewhere-before.Elsewhere < 1000 || after.Untaken == before.Untaken {
				t.Errorf("before %+v\nafter  %+v", before, after)
			}
		})
	}
}

// TestFloodOfStrangers costs nothing that stays, and no call.
func TestFloodOfStrangers(t *testing.T) {
	c := newCall(t, media.Audio)
	theirs, opener := secret(srtp.AES128CMSHA180, 1)
	r := farEnd(pcmu)
	r.Opener, r.Latch = opener, true
	c.s.SetRemote(c.now, r)
	voice := func(seq uint16) {
		c.receive(farRTP, seal(theirs, packet{seq: seq, ts: uint32(seq) * 160, ssrc: 7, payload: "voice"}, 0))
	}
	voice(1)
	for i := range uint32(10000) {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(i))
		c.receive(from, (&packet{seq: uint16(i), ssrc: i, payload: "noise"}).bytes())
		c.receive(farRTP, (&packet{seq: uint16(i), ssrc: i, payload: "forged"}).bytes()) // with the far end's address
		c.control(from, rtcp.AppendBye(nil, 7, ""))
		c.control(farRTCP, rtcp.AppendBye(nil, 7, ""))
	}
	voice(2)
	if len(c.in) != 2 || len(c.s.in.tracks[0].lanes[0].srtp.list) != 1 {
		t.Errorf("received %d, with %d contexts", len(c.in), len(c.s.in.tracks[0].lanes[0].srtp.list))
	}
	if st := c.s.Stats(c.now); st.Elsewhere != 20000 || st.NotAuthentic != 20000 || st.InSSRC != 7 {
		t.Errorf("stats %+v", st)
	}
}

// TestManySSRCs under SRTP are remembered up to a limit.
func TestManySSRCs(t *testing.T) {
	c := newCall(t, media.Audio)
	theirs, opener := secret(srtp.AES128CMSHA180, 1)
	r := farEnd(pcmu)
	r.Opener = opener
	c.s.SetRemote(c.now, r)
	for i := range uint32(1000) {
		c.receive(farRTP, seal(theirs, packet{seq: uint16(i), ts: i * 160, ssrc: i, payload: "voice"}, 0))
		c.now = c.now.Add(20 * time.Millisecond)
	}
	if len(c.in) != 1000 || len(c.s.in.tracks[0].lanes[0].srtp.list) != maxContexts {
		t.Errorf("received %d, with %d contexts", len(c.in), len(c.s.in.tracks[0].lanes[0].srtp.list))
	}
}

// Kinds of steps of FuzzSession.
const (
	fuzzRTP = iota
	fuzzRTPElsewhere
	fuzzRTCP
	fuzzRTCPElsewhere
	fuzzSpeak
	fuzzDirection
	fuzzRemote
	fuzzKinds
)

// FuzzSession gives a session whatever may come by its ports, from the far end and from
// others, between commands. The input is a list of steps: kind, milliseconds, length of
// what comes, and that. With SRTP all that the far end sends is sealed.
func FuzzSession(f *testing.F) {
	step := func(kind byte, b []byte) []byte { return append([]byte{kind, 20, byte(len(b))}, b...) }
	var seed []byte
	for i := range uint16(4) {
		seed = append(seed, step(fuzzRTP, (&packet{seq: 65534 + i, ts: uint32(i) * 160, ssrc: 7, ext: []byte{1, 20}, payload: "voice"}).bytes())...)
		seed = append(seed, step(fuzzSpeak, []byte{byte(i), 0})...)
	}
	seed = append(seed, step(fuzzRTPElsewhere, (&packet{seq: 9, ssrc: 8, payload: "x"}).bytes())...)
	seed = append(seed, step(fuzzRTP, (&packet{seq: 9, ssrc: 7, pt: 101, payload: press(5, true, 800)}).bytes())...)
	seed = append(seed, step(fuzzRTP, (&packet{seq: 10, ssrc: 7, pt: 13, payload: "\x40"}).bytes())...)
	seed = append(seed, step(fuzzRTP, (&packet{seq: 11, ssrc: 7, pt: 111, payload: "opus"}).bytes())...)
	seed = append(seed, step(fuzzRTCP, rtcp.AppendSR(nil, &rtcp.SenderInfo{SSRC: 7}, []rtcp.ReportBlock{{SSRC: 4711}}))...)
	seed = append(seed, step(fuzzRTCPElsewhere, rtcp.AppendFIR(nil, rtcp.Ends{Media: 4711}, 1))...)
	seed = append(seed, step(fuzzRTCP, rtcp.AppendPLI(nil, rtcp.Ends{Media: 4711}))...)
	seed = append(seed, step(fuzzDirection, []byte{1})...)
	seed = append(seed, step(fuzzRemote, []byte{1})...)
	for _, secure := range []bool{false, true} {
		for _, latch := range []bool{false, true} {
			f.Add(seed, secure, latch)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, secure, latch bool) {
		c := newCall(t, media.Audio)
		sub, out := subscribed(c.s.Track(), c.now)
		defer sub.Detach()
		elsewhere := netip.MustParseAddrPort("203.0.113.5:1024")
		comfort := media.Codec{Name: media.ComfortNoise, PayloadType: 13, ClockRate: 8000}
		r := farEnd(pcmu, opus, phone, comfort)
		r.Ext.AudioLevel, r.PLI, r.Latch, r.LatchNet = 1, true, latch, netip.MustParsePrefix("203.0.113.0/24")
		var theirs *srtp.Sender
		if secure {
			theirs, r.Opener = secret(srtp.AEADAES128GCM, 1)
			r.Sealer, _ = secret(srtp.AEADAES128GCM, 9)
		}
		c.s.SetRemote(c.now, r)
		number := uint64(1)
		for len(in) >= 3 {
			kind, size := in[0]%fuzzKinds, min(int(in[2]), len(in)-3)
			c.pass(time.Duration(in[1]) * time.Millisecond)
			b := in[3 : 3+size]
			in = in[3+size:]
			switch kind {
			case fuzzRTP, fuzzRTPElsewhere:
				var h rtp.Header
				if secure && h.Parse(b) == nil && kind == fuzzRTP {
					sealed := append(make([]byte, 0, len(b)+16), b...)
					n, err := theirs.SealRTP(sealed[:len(b)+16], h.HeaderLen, sealed[h.HeaderLen:], 0)
					if err != nil {
						t.Fatal(err)
					}
					b = sealed[:n]
				}
				from := farRTP
				if kind == fuzzRTPElsewhere {
					from = elsewhere
				}
				c.receive(from, b)
			case fuzzRTCP:
				if secure && len(b) >= 8 {
					sealed := make([]byte, len(b)+20)
					n, _ := theirs.SealRTCP(sealed, b)
					b = sealed[:n]
				}
				c.control(farRTCP, b)
			case fuzzRTCPElsewhere:
				c.control(elsewhere, b)
			case fuzzSpeak:
				codec := []media.Codec{pcmu, opus, phone}[number%3]
				c.speak(number, uint32(number)*160, codec, string(b))
				number++
			case fuzzDirection:
				on := len(b) > 0 && b[0]&1 == 0
				c.s.SetDirection(c.now, on, on)
			case fuzzRemote:
				again := r
				if len(b) > 0 && b[0]&1 != 0 {
					again.RTP = netip.MustParseAddrPort("192.0.2.70:6000")
				}
				if secure && len(b) > 1 {
					theirs, again.Opener = secret(srtp.AEADAES128GCM, b[1])
				}
				c.s.SetRemote(c.now, again)
			}
			if n := len(c.s.in.tracks[0].lanes[0].srtp.list); n > maxContexts {
				t.Fatalf("%d contexts", n)
			}
		}
		c.pass(3 * time.Second)
		numbers := map[uint64]bool{}
		for _, o := range out.list {
			if numbers[o.Seq] {
				t.Fatalf("number %d goes to a listener twice", o.Seq)
			}
			numbers[o.Seq] = true
		}
		clear(numbers)
		for _, d := range c.rtp {
			n := uint64(binary.BigEndian.Uint16(d.b[2:]))<<32 | uint64(binary.BigEndian.Uint32(d.b[8:]))
			if numbers[n] || d.b[0]>>6 != 2 {
				t.Fatalf("sent %x", d.b[:rtp.FixedHeaderLen])
			}
			numbers[n] = true
		}
		for _, d := range c.rtcp {
			if !secure && rtcp.Validate(d.b) != nil {
				t.Fatalf("sent as RTCP %x", d.b)
			}
		}
	})
}

// TestRefused gives up a far end that refuses a hundred packets in a row, unless it is
// heard; what is said of other addresses does not count.
func TestRefused(t *testing.T) {
	c := newCall(t, media.Audio)
	gone := 0
	c.s.Unreachable = func() { gone++ }
	c.s.SetRemote(c.now, farEnd(pcmu))
	refuse := func(n int, to netip.AddrPort) {
		for range n {
			c.s.Refused(to)
		}
	}
	refuse(99, farRTP)
	c.send(packet{seq: 1, ssrc: 7, payload: "voice"})
	refuse(99, farRTP)
	refuse(200, farRTCP)
	refuse(200, netip.AddrPort{})
	moved := farEnd(pcmu)
	moved.RTP = netip.MustParseAddrPort("192.0.2.70:5000")
	c.s.SetRemote(c.now, moved)
	refuse(99, moved.RTP)
	if gone != 0 {
		t.Error("given up too early")
	}
	refuse(200, moved.RTP)
	if st := c.s.Stats(c.now); gone != 1 || st.Refused != 99+99+99+200 {
		t.Errorf("given up %d times, stats %+v", gone, st)
	}
}
