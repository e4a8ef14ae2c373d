package nack

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// event is a packet or a NACK on its way.
type event struct {
	at   mono.Time
	seq  uint16
	nack []uint16
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any          { last := (*e)[len(*e)-1]; *e = (*e)[:len(*e)-1]; return last }

// link is a path with loss both ways, its sender resending as a Limiter allows
// from a cache of one second.
type link struct {
	rtt, jitter time.Duration
	loss        float64
	packets     int
	spacing     time.Duration
	start       uint16
}

type outcome struct {
	Counters
	lost       int // first transmissions lost
	repaired   int
	worst      time.Duration
	duplicates int
}

func (l link) run(r *rand.Rand) outcome {
	var (
		q       events
		g       Generator
		limiter Limiter
		out     outcome
		now     = mono.Time(time.Hour)
		sentAt  = map[uint16]mono.Time{}
		missing = map[uint16]bool{}
		next    = 0
		dst     = make([]uint16, 0, 64)
	)
	oneWay := func() time.Duration { return l.rtt/2 + time.Duration(r.Int64N(int64(l.jitter)+1)) }
	lost := func() bool { return r.Float64() < l.loss }
	sendAt := now
	end := now.Add(time.Duration(l.packets)*l.spacing + 3*time.Second)
	for now < end {
		at := min(g.Deadline(), end)
		if next < l.packets {
			at = min(at, sendAt)
		}
		if len(q) > 0 {
			at = min(at, q[0].at)
		}
		now = max(now, at)
		if next < l.packets && sendAt <= now {
			s := l.start + uint16(next)
			sentAt[s] = now
			// The last packets arrive, so that every loss is revealed.
			if lost() && next > 0 && next < l.packets-1 {
				missing[s] = true
				out.lost++
			} else {
				heap.Push(&q, event{at: now.Add(oneWay()), seq: s})
			}
			next++
			sendAt = sendAt.Add(l.spacing)
		}
		for len(q) > 0 && q[0].at <= now {
			e := heap.Pop(&q).(event)
			for _, s := range e.nack {
				if now.Sub(sentAt[s]) > time.Second || !limiter.Allow(now, s) {
					continue
				}
				if !lost() {
					heap.Push(&q, event{at: now.Add(oneWay()), seq: s})
				}
			}
			if e.nack != nil {
				continue
			}
			switch g.Receive(now, e.seq) {
			case Duplicate:
				out.duplicates++
			case New, Recovered:
				if missing[e.seq] {
					delete(missing, e.seq)
					out.repaired++
					out.worst = max(out.worst, now.Sub(sentAt[e.seq]))
				}
			}
		}
		if g.Deadline() <= now {
			if ask := g.Due(now, l.rtt, dst); len(ask) > 0 && !lost() {
				heap.Push(&q, event{at: now.Add(oneWay()), nack: append([]uint16(nil), ask...)})
			}
		}
	}
	out.Counters = g.Counters
	return out
}

// With 5 % loss each way, at least 99.9 % of the lost packets are repaired,
// and with little waste.
func TestRepairRate(t *testing.T) {
	for _, l := range []link{
		{rtt: 20 * time.Millisecond, loss: 0.05, packets: 60000, spacing: time.Millisecond},
		{rtt: 100 * time.Millisecond, loss: 0.05, packets: 60000, spacing: time.Millisecond},
		{rtt: 100 * time.Millisecond, jitter: 5 * time.Millisecond, loss: 0.05, packets: 60000, spacing: 2 * time.Millisecond},
		{rtt: 250 * time.Millisecond, loss: 0.05, packets: 60000, spacing: 2 * time.Millisecond},
		{rtt: 20 * time.Millisecond, loss: 0.05, packets: 30000, spacing: 20 * time.Millisecond}, // audio
	} {
		t.Run(fmt.Sprint(l.rtt, l.jitter, l.spacing), func(t *testing.T) {
			for seed := range uint64(3) {
				l.start = uint16(seed * 30000)
				out := l.run(rand.New(rand.NewPCG(seed, 1)))
				rate := float64(out.repaired) / float64(out.lost)
				t.Logf("seed %d: %d of %d repaired (%.3f %%), worst after %v, %d requests, %d needless repeats",
					seed, out.repaired, out.lost, 100*rate, out.worst, out.Requested, out.duplicates)
				if out.lost < 1000 {
					t.Fatalf("only %d packets lost: nothing proven", out.lost)
				}
				if rate < 0.999 {
					t.Errorf("%.3f %% repaired", 100*rate)
				}
				// Each loss takes 1/0.95^2 requests that arrive and are answered;
				// more than half again would be flooding.
				if float64(out.Requested) > 1.7*float64(out.lost) {
					t.Errorf("%d requests for %d losses", out.Requested, out.lost)
				}
				if out.duplicates > out.lost/20 {
					t.Errorf("%d needless repeats for %d losses", out.duplicates, out.lost)
				}
				if int(out.Recovered+out.GaveUp) > int(out.Lost) {
					t.Errorf("counters do not add up: %+v", out.Counters)
				}
			}
		})
	}
}

// Packets out of order by less than ReorderDelay are not asked for.
func TestReorderingIsNotLoss(t *testing.T) {
	l := link{rtt: 40 * time.Millisecond, jitter: 10 * time.Millisecond, packets: 20000, spacing: time.Millisecond}
	out := l.run(rand.New(rand.NewPCG(9, 9)))
	if out.Requested != 0 || out.duplicates != 0 || out.Lost == 0 || out.GaveUp != 0 {
		t.Errorf("%+v", out)
	}
}
