package main

import (
	"time"

	"bifrons/rtp/mjr"
	"bifrons/rtp/mono"
	"bifrons/rtp/skew"
)

// timeline corrects the times of the packets of audio, as the options want it. Packets
// are given in order.
type timeline struct {
	*work
	rate int64
	step int64 // of packets of 20 ms, in units of the RTP clock

	started  bool
	highSeq  uint64 // the packet before, as it was recorded
	highTime int64
	silent   bool // a packet was dropped as the mark of silence

	arrives bool  // there are times of arrival
	first   int64 // ms, the arrival of the packet with time 0
	differs int64 // ms by which RTP and arrival differ at most

	shift     int64   // added by restamping
	latencies []int64 // ms, of the latest packets
	sum       int64   // of these
	next      int     // the oldest of these

	skew *skew.Compensator

	silences, restamps, skewDrops int
	skewed                        bool
}

func newTimeline(w *work) *timeline {
	t := &timeline{work: w, rate: int64(w.header.Rate())}
	t.step = t.rate / 50
	if w.skew > 0 {
		t.skew = &skew.Compensator{Threshold: time.Duration(w.skew) * time.Millisecond}
	}
	return t
}

// take corrects the time of a packet, and reports whether it stays.
func (t *timeline) take(p *mjr.Packet) bool {
	if t.isSilenceMark(p) {
		t.silences++
		return false
	}
	t.highSeq, t.highTime = p.Seq, p.Time
	recorded := p.Time
	p.Time += t.shift
	if p.HasArrival {
		if !t.arrives {
			t.arrives, t.first = true, int64(p.ArrivalMS)-p.Time*1000/t.rate
		}
		if t.restamp > 0 {
			t.restampPacket(p)
		}
		if d := int64(p.ArrivalMS) - t.first - recorded*1000/t.rate; max(d, -d) > max(t.differs, -t.differs) {
			t.differs = d
		}
		if t.skew != nil && !t.compensate(p) {
			t.skewDrops++
			return false
		}
	}
	t.started = true
	return true
}

// isSilenceMark reports whether a packet stands for nothing but the end of a silence: its
// number goes on, while its time has gone on much further. One in a row is dropped.
func (t *timeline) isSilenceMark(p *mjr.Packet) bool {
	wasSilent := t.silent
	t.silent = false
	if t.silence == 0 || !t.started || wasSilent || !p.Marker || p.Seq <= t.highSeq {
		return false
	}
	n := int64(min(p.Seq-t.highSeq, 1<<32))
	t.silent = n < int64(t.work.silence) && p.Time-t.highTime > 10*n*t.step
	return t.silent
}

// restampPacket moves this packet and all that follow to when it came, but for the usual
// latency, if it is much later than usual.
func (t *timeline) restampPacket(p *mjr.Packet) {
	latency := int64(p.ArrivalMS) - t.first - p.Time*1000/t.rate
	if n := int64(len(t.latencies)); n > 0 {
		average := t.sum / n
		if latency > int64(t.restampMin) && latency*1000 > average*int64(t.work.restamp) {
			by := (latency - average) * t.rate / 1000
			t.shift += by
			p.Time += by
			latency = average
			t.restamps++
		}
	}
	if len(t.latencies) < t.restampPackets {
		t.latencies = append(t.latencies, latency)
	} else {
		t.sum -= t.latencies[t.next]
		t.latencies[t.next] = latency
		t.next = (t.next + 1) % len(t.latencies)
	}
	t.sum += latency
}

// compensate keeps the times in step with those of arrival.
func (t *timeline) compensate(p *mjr.Packet) bool {
	v := t.skew.Packet(mono.Time(int64(p.ArrivalMS)*int64(time.Millisecond)), uint32(p.Time), uint32(t.rate))
	t.skewed = t.skewed || v.Shift != 0
	p.Time = max(p.Time+int64(v.Shift), 0)
	return !v.Drop
}

// tell reports the corrections.
func (t *timeline) tell() {
	if t.silences > 0 {
		t.log.info("Dropped %d packets that mark the end of a silence", t.silences)
	}
	if t.restamps > 0 {
		t.log.info("Corrected timestamps %d times, by %d ms in all", t.restamps, t.shift*1000/t.rate)
	}
	if t.skewed {
		t.log.info("Compensated audio skew, dropped %d packets for it", t.skewDrops)
	}
	if !t.arrives && (t.work.restamp > 0 || t.work.skew > 0) {
		t.log.warn("%s: has no times of arrival, so -r and -S did nothing", t.source)
	}
	if max(t.differs, -t.differs) > 500 {
		t.log.warn("%s: RTP time and time of arrival differ by up to %d ms; audio and video may drift apart (try -S, -r or -I)", t.source, t.differs)
	}
}
