package simnet

import (
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
)

// Constants of the flows.
const (
	headers     = 60 // of each packet: IP, UDP, RTP with extensions, the tag of SRTP
	payload     = 1140
	audioEvery  = 20 * time.Millisecond
	tickEvery   = 25 * time.Millisecond
	audioSize   = 80 + headers
	videoSpread = 30 * time.Millisecond // over which a frame leaves at most
	padLeast    = 400                   // bytes of a packet that a probe adds
	feedbackMin = 50 * time.Millisecond // between two feedback messages, as browsers have it
	feedbackMax = 250 * time.Millisecond
	feedbackUse = 0.05 // of the arriving rate
	slot        = 100 * time.Millisecond
)

// AudioRate is the rate of a flow's sound, in bit/s.
const AudioRate = audioSize * 8 * 50

// Source makes the frames of a flow.
type Source interface {
	// Frame returns the bytes of the frame that is due, 0 for none, and when the
	// next one is.
	Frame(now mono.Time, e bwe.Estimate) (bytes int, next time.Duration)
	// Want is the rate that the source could use next in all, in bit/s.
	Want() uint64
}

// FlowConfig says where and how a flow runs.
type FlowConfig struct {
	Forward, Back *Link
	Delay         time.Duration // one way, beyond those of the links, both ways
	Audio         bool
	Source        Source
	BWE           bwe.Config
}

// FlowStats are statistics of a flow.
type FlowStats struct {
	Sent, Arrived, Lost int
	SentBytes           int64
	PaddingBytes        int64
	Slots               []float64       // bytes that arrived in each 100 ms
	Targets             []float64       // the estimate in bit/s at the end of each
	SentSlots           []float64       // bytes that were sent in each
	Waits               []time.Duration // in queues, of each packet that arrived
	Gap                 time.Duration   // longest one between video packets that arrived
}

// Flow is a paced sender of media, driven by a bwe.Controller, with its receiver. All feedback is
// written to bytes and read again.
type Flow struct {
	FlowConfig
	Stats FlowStats
	BWE   *bwe.Controller
	Off   bool // paused: nothing is sent
	Mute  bool // no feedback is sent

	clock   *Clock
	numbers uint64
	queue   []int // sizes of packets that wait
	waiting int   // their bytes
	nextAt  mono.Time
	pumping bool
	cluster bwe.Cluster
	left    struct{ packets, bytes int }
	adapter bwe.Adapter
	results []bwe.Result

	rx        twcc.Receiver
	recent    int // bytes since the last feedback
	rate      float64
	lastVideo mono.Time
}

// Kinds of packets.
const (
	kindAudio = iota
	kindVideo
	kindPadding
)

// StartFlow begins a flow now.
func StartFlow(c *Clock, cfg FlowConfig) *Flow {
	f := &Flow{FlowConfig: cfg, clock: c, BWE: bwe.New(cfg.BWE), results: make([]bwe.Result, 0, 2048)}
	f.frame()
	if f.Audio {
		f.audio()
	}
	f.tick()
	f.feedback()
	f.observe()
	return f
}

func (f *Flow) frame() {
	bytes, next := f.Source.Frame(f.clock.Now, f.BWE.Target())
	f.BWE.Want(f.Source.Want())
	if !f.Off {
		for bytes > 0 {
			size := min(bytes, payload)
			bytes -= size
			f.queue = append(f.queue, size+headers)
			f.waiting += size + headers
		}
		f.pump()
	}
	f.clock.After(next, f.frame)
}

func (f *Flow) audio() {
	if !f.Off {
		f.send(audioSize, kindAudio, 0)
	}
	f.clock.After(audioEvery, f.audio)
}

func (f *Flow) tick() {
	f.BWE.Tick(f.clock.Now)
	if c, ok := f.BWE.Probe(f.clock.Now); ok && !f.Off {
		f.cluster = c
		f.left.packets, f.left.bytes = c.Packets, c.Bytes
		f.nextAt = min(f.nextAt, f.clock.Now)
		f.pump()
	}
	f.clock.After(tickEvery, f.tick)
}

// pump sends the packets that are due, and comes back for the next.
func (f *Flow) pump() {
	if f.pumping {
		return
	}
	now := f.clock.Now
	for now >= f.nextAt {
		size, kind, probing := 0, kindVideo, f.left.packets > 0 || f.left.bytes > 0
		switch {
		case len(f.queue) > 0:
			size = f.queue[0]
			f.queue = f.queue[:copy(f.queue, f.queue[1:])]
			f.waiting -= size
		case probing:
			size = min(max(f.cluster.Bytes/max(f.cluster.Packets, 1), padLeast), payload+headers)
			kind = kindPadding
		default:
			return
		}
		id := uint8(0)
		rate := max(float64(f.BWE.Target().Pacing), float64(f.waiting+size)*8/videoSpread.Seconds())
		if probing {
			id, rate = f.cluster.ID, float64(f.cluster.Rate)
			f.left.packets--
			f.left.bytes -= size
		}
		f.send(size, kind, id)
		f.nextAt = max(f.nextAt, now.Add(-5*time.Millisecond)).Add(time.Duration(float64(size) * 8e9 / rate))
	}
	f.pumping = true
	f.clock.At(f.nextAt, func() { f.pumping = false; f.pump() })
}

func (f *Flow) send(size, kind int, cluster uint8) {
	f.numbers++
	class := bwe.Class(kind)
	if kind == kindPadding {
		class = bwe.Padding
		f.Stats.PaddingBytes += int64(size)
	}
	f.BWE.Sent(f.clock.Now, bwe.Sent{Number: f.numbers, Size: size, Class: class, Cluster: cluster})
	f.Stats.Sent++
	f.Stats.SentBytes += int64(size)
	add(&f.Stats.SentSlots, f.clock.Elapsed(), float64(size))
	p := &Packet{Size: size, Number: f.numbers, Kind: kind, Deliver: f.delayed}
	p.Lost = func(*Packet) { f.Stats.Lost++ }
	f.Forward.Send(p)
}

func (f *Flow) delayed(p *Packet) {
	if f.Delay == 0 {
		f.arrived(p)
		return
	}
	f.clock.After(f.Delay, func() { f.arrived(p) })
}

func (f *Flow) arrived(p *Packet) {
	now := f.clock.Now
	f.Stats.Arrived++
	f.Stats.Waits = append(f.Stats.Waits, p.Wait)
	add(&f.Stats.Slots, f.clock.Elapsed(), float64(p.Size))
	if p.Kind == kindVideo {
		if f.lastVideo != 0 {
			f.Stats.Gap = max(f.Stats.Gap, now.Sub(f.lastVideo))
		}
		f.lastVideo = now
	}
	f.rx.Arrive(now.Add(77*time.Hour), uint16(p.Number))
	f.recent += p.Size
}

// feedback reports arrivals, more often when there are more.
func (f *Flow) feedback() {
	data := f.rx.Append(nil, rtcp.Ends{Sender: 1, Media: 2})
	interval := feedbackMax
	if f.rate > 0 {
		interval = time.Duration(68 * 8 / (feedbackUse * f.rate) * 1e9)
	}
	interval = min(max(interval, feedbackMin), feedbackMax)
	f.rate += 0.2 * (float64(f.recent)*8/interval.Seconds() - f.rate)
	f.recent = 0
	if len(data) > 0 && !f.Mute {
		p := &Packet{Size: len(data) + headers, Data: data}
		p.Deliver = func(p *Packet) { f.clock.After(f.Delay, func() { f.told(p.Data) }) }
		f.Back.Send(p)
	}
	f.clock.After(interval, f.feedback)
}

func (f *Flow) told(data []byte) {
	for it := rtcp.Parse(data); it.Next(); {
		fb, _ := it.Feedback()
		if m, ok := fb.TWCC(); ok {
			f.results = f.adapter.TWCC(f.results[:0], &m, f.numbers)
			f.BWE.Feedback(f.clock.Now, f.results)
		}
	}
}

func (f *Flow) observe() {
	set(&f.Stats.Targets, f.clock.Elapsed(), float64(f.BWE.Target().Target))
	f.clock.After(slot, f.observe)
}

func add(slots *[]float64, at time.Duration, x float64) {
	extend(slots, at)
	(*slots)[at/slot] += x
}

func set(slots *[]float64, at time.Duration, x float64) {
	extend(slots, at)
	(*slots)[at/slot] = x
}

func extend(slots *[]float64, at time.Duration) {
	for len(*slots) <= int(at/slot) {
		*slots = append(*slots, 0)
	}
}

// ArrivalRate returns the arriving rate in bit/s between two times since the clock began.
func (s *FlowStats) ArrivalRate(from, to time.Duration) float64 { return mean(s.Slots, from, to) * 80 }

// SendRate is ArrivalRate for sent packets.
func (s *FlowStats) SendRate(from, to time.Duration) float64 { return mean(s.SentSlots, from, to) * 80 }

// mean is over the slots from one time to another; missing ones are 0.
func mean(slots []float64, from, to time.Duration) (sum float64) {
	for i := from / slot; i < to/slot; i++ {
		if int(i) < len(slots) {
			sum += slots[i]
		}
	}
	return sum / float64((to-from)/slot)
}
