package stats

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

func TestSenderReport(t *testing.T) {
	tx := Sender{Rate: 90000}
	if _, ok := tx.Report(t0, 1); ok {
		t.Error("a report before the first packet")
	}
	tx.Sent(ms(0), 4294967000, 100, 112)
	tx.Sent(ms(10), 4294967000, 200, 212)
	tx.Resent(ms(20), 212)
	info, ok := tx.Report(ms(110), 0xabc)
	want := rtcp.SenderInfo{SSRC: 0xabc, NTP: rtcp.NTP(ms(110).Wall()), Packets: 2, Octets: 300}
	want.RTPTime = 4294967000 - 1<<32 + 9000 // 100 ms later
	if !ok || info != want {
		t.Errorf("%+v, %v; want %+v", info, ok, want)
	}
	info, _ = tx.Report(ms(110).Add(6*time.Microsecond), 0xabc)
	if want.RTPTime++; info.RTPTime != want.RTPTime { // 0.54 units more
		t.Errorf("RTP time %d, want %d", info.RTPTime, want.RTPTime)
	}
	if tx.Bytes != 112+212+212 || tx.Retransmitted != 1 || tx.BytesLastSecond(ms(1000)) != 536 {
		t.Errorf("counters %+v", tx)
	}
}

// SR, delay, RR: the round-trip time comes out right to the resolution of the
// fields.
func TestRTT(t *testing.T) {
	tx := Sender{Rate: 48000}
	rx := Receiver{Rate: 48000}
	rx.Receive(t0, 1, 0, 1)
	if b, _ := rx.Report(t0, 1); b.LSR != 0 || b.DLSR != 0 {
		t.Errorf("without an SR: %+v", b)
	}
	var smoothed time.Duration
	at := 0
	for i, rtt := range []int{100, 20, 260, 0} {
		at += 1000
		tx.Sent(ms(at), 0, 1, 1)
		info, _ := tx.Report(ms(at), 1)
		rx.SenderReport(ms(at+rtt/2), info.NTP)
		b, _ := rx.Report(ms(at+rtt/2+700), 1)
		tx.RemoteReport(ms(at+rtt+700), &b)
		want := time.Duration(rtt) * time.Millisecond
		if d := tx.RTT - want; d < -50*time.Microsecond || d > 50*time.Microsecond {
			t.Fatalf("RTT %v, want %v", tx.RTT, want)
		}
		if smoothed += (tx.RTT - smoothed) / 8; i == 0 {
			smoothed = tx.RTT
		}
		if tx.SmoothedRTT != smoothed || tx.RTT == 0 {
			t.Fatalf("RTT %v, smoothed %v, want %v", tx.RTT, tx.SmoothedRTT, smoothed)
		}
	}
	// Reports from the future and from nowhere are not believed.
	before := tx.RTT
	mid := rtcp.MiddleNTP(rtcp.NTP(ms(at).Wall()))
	for _, b := range []rtcp.ReportBlock{{}, {LSR: mid + 1<<16}, {LSR: mid - 1<<16, DLSR: 2 << 16}, {LSR: mid - 100<<16}} {
		tx.RemoteReport(ms(at), &b)
		if tx.RTT != before {
			t.Errorf("%+v made the RTT %v", b, tx.RTT)
		}
	}
}

func TestRemoteLoss(t *testing.T) {
	tx := Sender{Rate: 8000}
	growth := func(lost int32) int {
		tx.RemoteReport(t0, &rtcp.ReportBlock{Lost: lost, FractionLost: 9, Jitter: 80})
		return tx.LossGrowth()
	}
	for _, step := range []struct {
		lost int32
		want int
	}{{0, 0}, {5, 5}, {5, 0}, {3, 0}, {10, 7}} {
		if got := growth(step.lost); got != step.want {
			t.Errorf("at %d the loss grew by %d, want %d", step.lost, got, step.want)
		}
	}
	if tx.RemoteLost != 10 || tx.RemoteLoss != 9 || tx.RemoteJitter != 80 || tx.RemoteJitterTime() != 10*time.Millisecond {
		t.Errorf("%+v", tx)
	}
}

func TestSenderQuality(t *testing.T) {
	tx := Sender{Rate: 90000}
	report := func(at mono.Time, highest uint32, lost int32) {
		tx.RemoteReport(at, &rtcp.ReportBlock{HighestSeq: highest, Lost: lost})
	}
	report(ms(0), 1<<32-50, 100) // only a beginning
	report(ms(1000), 0, 150)     // too early
	if tx.Link.Percent() != 100 {
		t.Errorf("quality %d before two reports", tx.Link.Percent())
	}
	for range 15 {
		tx.Resent(ms(1500), 1)
	}
	report(ms(2000), 50, 130) // 30 of 100, 15 repaired
	if tx.Link.Percent() != 90 || tx.Media.Percent() != 95 {
		t.Errorf("link %d %%, media %d %%, want 90, 95", tx.Link.Percent(), tx.Media.Percent())
	}
	report(ms(4000), 50, 130) // nothing new was sent
	report(ms(6000), 40, 900) // backwards
	if tx.Link.Percent() != 90 {
		t.Errorf("link %d %% after empty reports", tx.Link.Percent())
	}
}

// TestSentAside: a report during a tone goes on by the clock of what was sent before.
func TestSentAside(t *testing.T) {
	s := Sender{Rate: 8000}
	s.SentAside(t0, 4, 16)
	if _, ok := s.Report(t0, 1); ok {
		t.Error("a report of a time that is not known")
	}
	s.Sent(t0, 1000, 160, 172)
	for i := range 10 {
		s.SentAside(ms(20*(i+1)), 4, 16)
	}
	r, ok := s.Report(ms(200), 1)
	if !ok || r.RTPTime != 1000+1600 || r.Packets != 12 || r.Octets != 11*4+160 || s.Bytes != 11*16+172 {
		t.Errorf("%+v, %d bytes", r, s.Bytes)
	}
}
