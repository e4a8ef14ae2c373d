package twcc

import (
	"math/rand/v2"
	"testing"
	"time"

	pion "github.com/pion/rtcp"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

const t0 = mono.Time(time.Hour + 12345678)

// report is what feedback says about one packet; tick -1 is "not received".
type report struct {
	seq  uint16
	tick int64
}

// read decodes feedback with pion and checks what must hold for each message.
func read(t *testing.T, b []byte) (out []report, messages []*pion.TransportLayerCC) {
	t.Helper()
	if len(b) == 0 {
		return nil, nil
	}
	if err := rtcp.Validate(b); err != nil {
		t.Fatal(err)
	}
	packets, err := pion.Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		cc := p.(*pion.TransportLayerCC)
		messages = append(messages, cc)
		if cc.PacketStatusCount > MaxStatuses || cc.PacketStatusCount == 0 || 4*(int(cc.Header.Length)+1) > MaxFeedbackLen {
			t.Fatalf("%d statuses in %d bytes", cc.PacketStatusCount, 4*(int(cc.Header.Length)+1))
		}
		tick, next, n := int64(cc.ReferenceTime)*256, 0, 0
		add := func(symbol uint16) {
			if n == int(cc.PacketStatusCount) {
				return
			}
			r := report{cc.BaseSequenceNumber + uint16(n), -1}
			if symbol != pion.TypeTCCPacketNotReceived {
				tick += cc.RecvDeltas[next].Delta / 250
				next++
				r.tick = tick
			}
			n++
			out = append(out, r)
		}
		for _, c := range cc.PacketChunks {
			switch c := c.(type) {
			case *pion.RunLengthChunk:
				for range c.RunLength {
					add(c.PacketStatusSymbol)
				}
			case *pion.StatusVectorChunk:
				for _, s := range c.SymbolList {
					add(s)
				}
			}
		}
	}
	return out, messages
}

func tickOf(at mono.Time) int64 {
	return int64(at) / int64(250*time.Microsecond) % (1 << 32)
}

// Everything that arrives is reported once with its time to the tick, gaps as
// not received, and nothing else, whatever the loss, order and wrap.
func TestFeedbackIsExact(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var rx Receiver
		now := t0
		next := 65000 // true number of the next packet
		arrived := map[int]mono.Time{}
		reported := next // first number not yet reported
		top := -1
		wantCount := uint8(0)
		for range 40 {
			fresh := 0
			for range r.IntN(500) {
				now = now.Add(time.Duration(r.IntN(3_000_000)))
				next++
				if r.IntN(10) == 0 {
					next += r.IntN(1 << r.IntN(8))
				}
				n := next
				if r.IntN(20) == 0 {
					n -= r.IntN(30)
				}
				if _, dup := arrived[n]; dup || n < 65000 {
					continue
				}
				rx.Arrive(now, uint16(n))
				rx.Arrive(now.Add(time.Millisecond), uint16(n)) // a duplicate changes nothing
				if top < 0 {
					reported = n
				}
				arrived[n] = now
				fresh++
				top = max(top, n)
				reported = min(reported, n)
			}
			if rx.Pending() != fresh {
				t.Fatalf("seed %d: %d pending, want %d", seed, rx.Pending(), fresh)
			}
			got, messages := read(t, rx.Append(nil, rtcp.Ends{Sender: 11, Media: 22}))
			if fresh == 0 {
				if len(got) != 0 {
					t.Fatal("feedback without a packet")
				}
				continue
			}
			for _, m := range messages {
				if m.SenderSSRC != 11 || m.MediaSSRC != 22 || m.FbPktCount != wantCount {
					t.Fatalf("message %v, want number %d", m, wantCount)
				}
				wantCount++
			}
			if len(got) != top-reported+1 {
				t.Fatalf("seed %d: %d statuses, want %d", seed, len(got), top-reported+1)
			}
			for i, g := range got {
				n := reported + i
				want := report{uint16(n), -1}
				if at, ok := arrived[n]; ok {
					want.tick = tickOf(at)
				}
				if g != want {
					t.Fatalf("seed %d: status %+v, want %+v", seed, g, want)
				}
			}
			reported = top + 1
			next = max(next, top)
		}
	}
}

func TestSeveralMessages(t *testing.T) {
	var rx Receiver
	for i := range 1000 {
		rx.Arrive(t0.Add(time.Duration(i)*time.Millisecond), uint16(65400+i))
	}
	got, messages := read(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2}))
	if len(messages) != 3 || len(got) != 1000 {
		t.Errorf("%d messages about %d packets", len(messages), len(got))
	}
	if b := rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2}); len(b) != 0 {
		t.Errorf("again: %x", b)
	}
}

func TestLatePacket(t *testing.T) {
	var rx Receiver
	rx.Arrive(t0, 10)
	rx.Arrive(t0, 12)
	rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2})
	rx.Arrive(t0.Add(time.Millisecond), 11)
	got, _ := read(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2}))
	if len(got) != 2 || got[0].seq != 11 || got[0].tick < 0 || got[1].seq != 12 || got[1].tick != tickOf(t0) {
		t.Errorf("late packet reported as %v", got)
	}
	// Beyond reach it is not reported, and does no harm.
	rx.Arrive(t0, 1000)
	rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2})
	rx.Arrive(t0, 1001-lateWindow-1)
	if rx.Pending() != 0 {
		t.Error("a packet out of reach is pending")
	}
}

// A pause longer than a delta can say does not lose precision.
func TestLongPause(t *testing.T) {
	var rx Receiver
	times := []mono.Time{t0, t0.Add(5 * time.Second), t0.Add(14 * time.Second), t0.Add(3 * time.Hour), t0.Add(3*time.Hour + 64*time.Millisecond)}
	for i, at := range times {
		rx.Arrive(at, uint16(i))
	}
	got, messages := read(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2}))
	if len(messages) != 3 || len(got) != len(times) {
		t.Fatalf("%d messages about %d packets", len(messages), len(got))
	}
	for i, g := range got {
		if g.tick != tickOf(times[i]) {
			t.Errorf("packet %d at %d, want %d", i, g.tick, tickOf(times[i]))
		}
	}
}

func TestJumps(t *testing.T) {
	var rx Receiver
	rx.Arrive(t0, 5)
	rx.Arrive(t0, 30000) // everything before leaves the window unreported
	if rx.Pending() != 1 {
		t.Errorf("%d pending", rx.Pending())
	}
	got, _ := read(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2}))
	if len(got) != recvWindow || got[recvWindow-1].seq != 30000 || got[recvWindow-1].tick < 0 || got[0].tick >= 0 {
		t.Errorf("%d statuses, from %v", len(got), got[0])
	}
	// Two in sequence far behind: the peer counts anew.
	rx.Arrive(t0, 100)
	if rx.Pending() != 0 {
		t.Error("a stray packet is pending")
	}
	rx.Arrive(t0, 101)
	rx.Arrive(t0, 102)
	if got, _ := read(t, rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2})); len(got) != 2 || got[0].seq != 101 {
		t.Errorf("after the restart %v", got)
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3, 255, 255, 128, 0, 0, 9, 16, 16})
	f.Fuzz(func(t *testing.T, b []byte) {
		var rx Receiver
		now := t0
		out := make([]byte, 0, 8*MaxFeedbackLen)
		for ; len(b) >= 3; b = b[3:] {
			now = now.Add(time.Duration(b[2]) * time.Duration(b[2]) * 500 * time.Microsecond)
			rx.Arrive(now, uint16(b[0])<<8|uint16(b[1]))
			if b[2]&7 == 0 {
				out = rx.Append(out[:0], rtcp.Ends{Sender: 1, Media: 2})
				for it := rtcp.Parse(out); it.Next(); {
					fb, _ := it.Feedback()
					if _, ok := fb.TWCC(); !ok {
						t.Fatalf("unreadable feedback %x", it.Raw)
					}
				}
				if rtcp.Validate(out) != nil && len(out) > 0 {
					t.Fatalf("invalid feedback %x", out)
				}
			}
		}
	})
}
