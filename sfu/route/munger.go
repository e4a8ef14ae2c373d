package route

// numberer maps the extended sequence numbers of a track to a gapless
// outgoing sequence. Packets that are left out on purpose leave no gap, packets
// that were lost do; late packets get the number that was kept for them.
type numberer struct {
	next    uint64 // next outgoing number
	highest uint64 // highest incoming number mapped or skipped
	delta   uint64 // outgoing = incoming - delta, modulo 2^64
	first   uint64 // incoming number at the last rebase
	started bool

	// steps are the n latest changes of delta, newest last, within one base.
	n     int
	steps [stepCount]step
}

const stepCount = 32

// step says that delta applied to incoming numbers below until, which was left out itself
// unless something was added before it.
type step struct {
	until uint64
	delta uint64
	added bool
}

// rebase makes in the incoming number of the next outgoing one.
func (m *numberer) rebase(in uint64) {
	if m.next == 0 {
		m.next = 1
	}
	m.delta, m.highest, m.first = in-m.next, in-1, in
	m.n, m.started = 0, true
}

// use returns the outgoing number of in; false if it is too late to know.
func (m *numberer) use(in uint64) (uint64, bool) {
	if in > m.highest {
		m.highest = in
		out := in - m.delta
		m.next = out + 1
		return out, true
	}
	return m.late(in)
}

// skip leaves out in. When in is late, its place cannot be closed any more and
// skip returns the number of it, to be filled with padding.
func (m *numberer) skip(in uint64) (filler uint64, fill bool) {
	if in <= m.highest {
		return m.late(in)
	}
	m.remember(step{in, m.delta, false})
	m.delta++
	m.highest = in
	m.next = in + 1 - m.delta
	return 0, false
}

// add returns a number for something between the highest incoming one and the next.
func (m *numberer) add() uint64 {
	until := m.highest + 1
	if m.n == 0 || m.steps[m.n-1] != (step{until, m.steps[m.n-1].delta, true}) {
		m.remember(step{until, m.delta, true})
	}
	m.delta--
	m.next++
	return m.next - 1
}

func (m *numberer) remember(s step) {
	if m.n == stepCount {
		copy(m.steps[:], m.steps[1:])
		m.n--
	}
	m.steps[m.n] = s
	m.n++
}

func (m *numberer) late(in uint64) (uint64, bool) {
	if in < m.first {
		return 0, false
	}
	delta := m.delta
	for i := m.n - 1; i >= 0 && in <= m.steps[i].until; i-- {
		if in == m.steps[i].until {
			if m.steps[i].added {
				break
			}
			return 0, false // was left out: seen before
		}
		delta = m.steps[i].delta
		if i == 0 && m.n == stepCount {
			return 0, false // older than the memory of steps
		}
	}
	return in - delta, true
}
