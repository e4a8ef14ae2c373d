package route

// Preloader is a Sink whose Send reads memory in several places, each of which tells where the
// next one is. Preload reads one of them, 0 to PreloadSteps-1, given that those before were
// read. The result means nothing: it keeps the compiler from leaving the reads out.
type Preloader interface {
	Preload(step int) uint64
}

// PreloadSteps is the number of places.
const PreloadSteps = 6

// PreloadGroup is how many subscriptions are read ahead at a time.
const PreloadGroup = 8

// Preload reads ahead for the Flush of tracks that have one subscription each, as those of calls and
// of players do; PreloadGroup tracks at most. The result means nothing.
func Preload(tracks []*Track) (sum uint64) {
	var subs [PreloadGroup]*Subscription
	n := 0
	for _, t := range tracks {
		if len(t.subs) == 1 {
			subs[n] = t.subs[0]
			n++
		}
	}
	return preload(subs[:n])
}

// Preload reads ahead what Push needs for the next packet of the first encoding.
func (t *Track) Preload() uint64 {
	c := &t.caches[0]
	if len(c.slots) == 0 {
		return 0
	}
	i := (c.highest + 1) & uint64(len(c.slots)-1)
	return c.slots[i].Seq + uint64(c.arrived[i])
}

// preload reads what forwarding to some subscriptions will need. That lies in memory that no
// cache has when there are many, and a loop over them would wait for each read in turn. Here
// the processor waits for those of a group at once (group prefetching, Chen et al., "Improving
// Hash Join Performance through Prefetching", 2004).
func preload(subs []*Subscription) (sum uint64) {
	if len(subs) < 2 {
		return 0
	}
	for _, s := range subs {
		sum += s.wishes + uint64(s.sel.reach) + uint64(s.sel.last) + uint64(s.encoding) + uint64(s.tsDelta) + uint64(s.num.n)
	}
	for step := range PreloadSteps {
		for _, s := range subs {
			if s.ahead != nil {
				sum += s.ahead.Preload(step)
			}
		}
	}
	return sum
}
