package jitter

import "time"

// slack is how much more delay than the target is left alone.
const slack = 2 * time.Millisecond

// target is how late packets may come, as is aimed at, in nanoseconds. Where packets
// are lost and later ones repeat them it is some packets longer, if the saving is
// worth it.
func (b *Buffer) target() int64 {
	t := b.delays.target + int64(b.extra)*b.nanos(int64(b.in.length))
	return min(t, int64(b.cfg.Most))
}

// weigh decides for how many packets' redundancy playing waits: one more saves a packet
// wherever so many are missing in a row.
func (b *Buffer) weigh() {
	length := b.nanos(int64(b.in.length))
	extra := 0
	for ; extra < b.in.reach; extra++ {
		least := 2 * length
		if extra < b.extra {
			least = length
		}
		if int64(float64(b.in.gaps[extra])*float64(missed)) < least {
			break
		}
	}
	b.extra = extra
}

// adapt brings the delay nearer to the target by stretching ready samples.
func (b *Buffer) adapt(d Decoder) {
	b.weigh()
	b.calm++
	grid := b.grid()
	over := b.signal.ready() % grid // how far packets are from the frames' start
	ahead := b.delay() - b.nanos(int64(b.frame-grid+over))
	target := b.target()
	step := b.nanos(int64(grid))
	switch {
	case ahead < target:
		b.lengthen(grid-over, target-ahead)
	case ahead-step >= target+int64(slack):
		steps := int((ahead - target - int64(slack)) / step)
		b.shorten(d, over+steps*grid, false)
	case over >= b.signal.of(minLag):
		b.shorten(d, over, true)
	default:
		b.tries = 0
	}
}

// lengthen adds to the delay, by so many samples at least; missing is how many
// nanoseconds there are too few.
func (b *Buffer) lengthen(want int, missing int64) {
	if b.calm < 3 {
		return
	}
	b.tries++
	// The longer it is wanted the less alike the parts may be.
	enough := 0.9 - float32(b.tries)*0.03
	if missing > int64(20*time.Millisecond) {
		enough -= 0.2
	}
	if n := b.signal.lengthen(want, enough); n > 0 {
		b.stats.Lengthened += uint64(n)
		b.calm, b.tries = 0, 0
	}
}

// shorten takes up to most samples from the delay. Where that only brings packets to
// the start of frames there is time for it.
func (b *Buffer) shorten(d Decoder, most int, align bool) {
	much := b.nanos(int64(most))
	pause := 5
	switch {
	case align:
		pause = 25
	case much > int64(100*time.Millisecond):
		pause = 1
	case much > int64(40*time.Millisecond):
		pause = 2
	}
	if b.calm < pause {
		return
	}
	if much > int64(backlog+100*time.Millisecond) {
		b.skipAhead(most)
		return
	}
	if s := b.store.first(); s != nil && b.signal.ready() < 2*b.frame && s.at == b.pos {
		b.decode(d, s)
	}
	most = min(most, b.signal.ready()-b.frame)
	b.tries++
	enough := float32(0.9)
	if !align {
		enough -= float32(b.tries) * 0.01 * float32(much/int64(20*time.Millisecond))
	}
	if n := b.signal.shorten(most, enough); n > 0 {
		b.stats.Shortened += uint64(n)
		b.calm, b.tries = 0, 0
	}
}

// skipAhead leaves packets out, so many samples at most.
func (b *Buffer) skipAhead(most int) {
	for s := b.store.first(); s != nil && b.store.next() != nil && int(s.end()-b.pos) <= most; s = b.store.first() {
		most -= int(s.end() - b.pos)
		b.pos, b.last = s.end(), s.seq
		b.store.done()
		b.stats.Discarded++
		b.signal.rough = true
	}
}
