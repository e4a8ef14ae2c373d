package stats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

const t0 = mono.Time(time.Hour)

func ms(n int) mono.Time { return t0.Add(time.Duration(n) * time.Millisecond) }

// reference follows the formulas of RFC 3550, A.3 and A.8 over the true,
// unwrapped sequence numbers.
type reference struct {
	first, highest           int
	received                 int
	expectedPrior, rcvdPrior int
	jitter, transit          float64
}

func (f *reference) receive(now mono.Time, n int, ts uint32) {
	transit := float64(now)*90000/1e9 - float64(ts)
	if f.received == 0 {
		f.first, f.highest, f.transit = n, n, transit
	} else if n > f.highest { // packets out of order say nothing about jitter
		f.jitter += (math.Abs(transit-f.transit) - f.jitter) / 16
		f.highest, f.transit = n, transit
	}
	f.received++
}

func (f *reference) report() (lost int32, fraction uint8) {
	expected := f.highest - f.first + 1
	expectedInterval, receivedInterval := expected-f.expectedPrior, f.received-f.rcvdPrior
	f.expectedPrior, f.rcvdPrior = expected, f.received
	if lost := expectedInterval - receivedInterval; expectedInterval > 0 && lost > 0 {
		fraction = uint8(min(lost<<8/expectedInterval, 255))
	}
	return int32(expected - f.received), fraction
}

func TestReceiverAgainstRFC(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		rx := Receiver{Rate: 90000, RTX: true}
		var want reference
		n := 60000 + r.IntN(5000)
		first, bytes := n, 0
		now := t0
		for i := range 50000 {
			n++
			now = now.Add(time.Duration(8_000_000 + r.IntN(4_000_000)))
			if r.IntN(30) == 0 {
				n += r.IntN(5) // lost
			}
			s := n
			if r.IntN(30) == 0 && i > 100 {
				s -= r.IntN(20) // late, or a duplicate
			}
			ts := uint32(4e9) + uint32(s-first)*900
			want.receive(now, s, ts)
			size := r.IntN(1500)
			bytes += size
			rx.Receive(now, uint16(s), ts, size)
			if r.IntN(300) > 0 {
				continue
			}
			b, ok := rx.Report(now, 7)
			lost, fraction := want.report()
			if !ok || b.SSRC != 7 || b.Lost != lost || b.FractionLost != fraction || b.HighestSeq != uint32(want.highest) {
				t.Fatalf("seed %d: report %+v, want lost %d, fraction %d, highest %d", seed, b, lost, fraction, want.highest)
			}
			if d := float64(b.Jitter) - want.jitter; d > 1 || d < -2 {
				t.Fatalf("seed %d: jitter %d, want %.1f", seed, b.Jitter, want.jitter)
			}
		}
		if int(rx.Packets) != want.received || int(rx.Bytes) != bytes || rx.LastAt != now {
			t.Errorf("counted %d packets, %d bytes; want %d, %d", rx.Packets, rx.Bytes, want.received, bytes)
		}
	}
}

func TestNothingReceived(t *testing.T) {
	var rx Receiver
	if _, ok := rx.Report(t0, 1); ok || rx.Lost() != 0 || rx.LossGrowth() != 0 || rx.BytesLastSecond(t0) != 0 {
		t.Error("a report before the first packet")
	}
}

func TestNegativeLoss(t *testing.T) {
	rx := Receiver{Rate: 90000, RTX: true}
	for range 5 {
		rx.Receive(t0, 9, 0, 1)
	}
	if b, _ := rx.Report(t0, 1); b.Lost != -4 || b.FractionLost != 0 {
		t.Errorf("five times the same packet: %+v", b)
	}
}

// Jumps of the sequence number are neither loss nor received until confirmed.
func TestSequenceJump(t *testing.T) {
	rx := Receiver{Rate: 90000}
	at := 0
	send := func(seqs ...uint16) {
		for _, s := range seqs {
			at += 10
			rx.Receive(ms(at), s, uint32(at*90), 1)
		}
	}
	send(65530, 65531, 65533)
	send(20000) // one stray packet
	send(65534)
	b, _ := rx.Report(ms(at), 1)
	if b.Lost != 1 || b.HighestSeq != 65534 {
		t.Fatalf("after a stray packet: %+v", b)
	}
	send(40000, 40001, 40002) // jump, confirmed by the second
	b, _ = rx.Report(ms(at), 1)
	if b.Lost != 1 || b.HighestSeq != 65536+40002 || b.FractionLost != 0 {
		t.Errorf("after the jump: %+v", b)
	}
}

func TestRetransmissions(t *testing.T) {
	for _, tt := range []struct {
		name         string
		rtx          bool
		lateMS       int // how much later than the newest the gap is filled
		viaRTX       bool
		lost, repeat int
	}{
		{"reordered", false, 50, false, 0, 0},
		{"late without RTX", false, 150, false, 1, 1},
		{"late with RTX", true, 150, false, 0, 0},
		{"over RTX", true, 50, true, 1, 1},
	} {
		rx := Receiver{Rate: 90000, RTX: tt.rtx}
		rx.Receive(ms(0), 1, 0, 10)
		rx.Receive(ms(40), 3, 40*90, 10)
		if at := ms(20 + tt.lateMS); tt.viaRTX {
			rx.ReceiveRTX(at, 10)
		} else {
			rx.Receive(at, 2, 20*90, 10)
		}
		b, _ := rx.Report(ms(1000), 1)
		if int(b.Lost) != tt.lost || int(rx.Retransmitted) != tt.repeat || rx.Packets != 3 || rx.Bytes != 30 {
			t.Errorf("%s: lost %d, retransmitted %d, want %d, %d", tt.name, b.Lost, rx.Retransmitted, tt.lost, tt.repeat)
		}
		if repaired := rx.Media.Percent() == 100; !repaired || (rx.Link.Percent() == 100) != (tt.lost == 0) {
			t.Errorf("%s: link %d %%, media %d %%", tt.name, rx.Link.Percent(), rx.Media.Percent())
		}
	}
}

func TestJitterIgnoresTimestampJump(t *testing.T) {
	rx := Receiver{Rate: 48000}
	for i := range 100 {
		rx.Receive(ms(20*i), uint16(i), uint32(960*i), 1)
	}
	if rx.Jitter() != 0 {
		t.Fatalf("jitter %d of a perfect stream", rx.Jitter())
	}
	rx.Receive(ms(2000), 100, 1<<31, 1)
	rx.Receive(ms(2030), 101, 1<<31+960, 1) // 10 ms late: 480/16
	if rx.Jitter() != 30 || rx.JitterTime() != 625*time.Microsecond {
		t.Errorf("jitter %d, %v", rx.Jitter(), rx.JitterTime())
	}
	var none Receiver
	none.Receive(t0, 1, 0, 1)
	none.Receive(ms(20), 2, 0, 1)
	if none.Jitter() != 0 || none.JitterTime() != 0 {
		t.Error("jitter without a clock rate")
	}
}

func TestLossGrowth(t *testing.T) {
	rx := Receiver{Rate: 90000}
	for _, step := range []struct {
		seq  uint16
		want int
	}{{10, 0}, {14, 3}, {15, 0}, {14, 0}, {13, 0}, {20, 4}} {
		rx.Receive(t0, step.seq, 0, 1)
		if got := rx.LossGrowth(); got != step.want {
			t.Errorf("after %d the loss grew by %d, want %d", step.seq, got, step.want)
		}
	}
}

func TestBytesLastSecond(t *testing.T) {
	var rx Receiver
	receive := func(at, size int) { rx.Receive(ms(at), 0, 0, size) }
	receive(0, 100)
	receive(999, 50)
	for _, tt := range []struct{ at, want int }{{500, 0}, {999, 0}, {1000, 150}, {1999, 150}, {2000, 0}} {
		if got := rx.BytesLastSecond(ms(tt.at)); got != tt.want {
			t.Errorf("at %d ms %d bytes, want %d", tt.at, got, tt.want)
		}
	}
	receive(1500, 7)
	for _, tt := range []struct{ at, want int }{{1500, 150}, {2000, 7}, {3000, 0}} {
		if got := rx.BytesLastSecond(ms(tt.at)); got != tt.want {
			t.Errorf("then at %d ms %d bytes, want %d", tt.at, got, tt.want)
		}
	}
	receive(10300, 9)
	if got := rx.BytesLastSecond(ms(11100)); got != 9 {
		t.Errorf("after silence %d bytes, want 9", got)
	}
}

func TestQuality(t *testing.T) {
	var q Quality
	if q.Percent() != 100 {
		t.Errorf("starts at %d", q.Percent())
	}
	var got []int
	for range 4 {
		q.Update(30, 100)
		got = append(got, q.Percent())
	}
	// 100, then a third of the way to 70 each time.
	for i, want := range []int{90, 83, 79, 76} {
		if got[i] != want {
			t.Errorf("step %d: %d %%, want %d %%", i, got[i], want)
		}
	}
	for range 100 {
		q.Update(500, 100)
	}
	if q.Percent() != 0 {
		t.Errorf("all lost: %d %%", q.Percent())
	}
	for range 100 {
		q.Update(-5, 100)
	}
	if q.Percent() != 100 {
		t.Errorf("nothing lost: %d %%", q.Percent())
	}
}

func TestNoAllocations(t *testing.T) {
	rx := Receiver{Rate: 90000}
	tx := Sender{Rate: 90000}
	now, s := t0, uint16(0)
	n := testing.AllocsPerRun(1000, func() {
		now = now.Add(10 * time.Millisecond)
		s += 2
		rx.Receive(now, s, uint32(s), 100)
		rx.ReceiveRTX(now, 100)
		rx.Receive(now, s+30000, uint32(s), 100)
		tx.Sent(now, uint32(s), 90, 100)
		tx.Resent(now, 100)
		info, _ := tx.Report(now, 1)
		rx.SenderReport(now, info.NTP)
		b, _ := rx.Report(now, 1)
		tx.RemoteReport(now, &b)
		b.LSR += 1 << 20
		tx.RemoteReport(now, &b)
		rx.BytesLastSecond(now)
		tx.BytesLastSecond(now)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		rx := Receiver{Rate: 90000}
		tx := Sender{Rate: 90000}
		now := t0
		for ; len(b) >= 6; b = b[6:] {
			v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			now = now.Add(time.Duration(b[4]) * time.Duration(b[5]) * time.Millisecond)
			if b[4]&1 != 0 {
				rx.ReceiveRTX(now, int(b[5]))
			} else {
				rx.Receive(now, uint16(v), v, int(b[5]))
			}
			tx.Sent(now, v, 1, 1)
			r := rtcp.ReportBlock{Lost: int32(v) >> 8, HighestSeq: v * 7, LSR: v, DLSR: uint32(b[4])}
			tx.RemoteReport(now, &r)
			if own, ok := rx.Report(now, 1); ok {
				tx.RemoteReport(now, &own)
			}
			for _, q := range []int{rx.Link.Percent(), rx.Media.Percent(), tx.Link.Percent(), tx.Media.Percent()} {
				if q < 0 || q > 100 {
					t.Fatalf("quality %d", q)
				}
			}
			if tx.RTT < 0 || tx.RTT > maxRTT || tx.SmoothedRTT < 0 || tx.SmoothedRTT > maxRTT {
				t.Fatalf("RTT %v, smoothed %v", tx.RTT, tx.SmoothedRTT)
			}
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	rx := Receiver{Rate: 90000}
	now, s := t0, uint16(0)
	for b.Loop() {
		s++
		now += 1e6
		rx.Receive(now, s, uint32(s)*90, 1200)
	}
}
