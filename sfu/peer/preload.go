package peer

// Preload implements route.Preloader. Of each structure it reads a value from each cache line
// that Send needs.
func (o *sender) Preload(step int) (sum uint64) {
	s := o.section
	switch step {
	case 0:
		return uint64(o.ssrc) + uint64(o.history.highest) + o.stats.Packets
	case 1:
		return uint64(s.Ext.MID) + uint64(s.SSRC) + uint64(s.codec.ClockRate) + o.history.preload()
	case 2:
		p := s.peer
		if len(s.Codecs) > 0 {
			sum = uint64(s.Codecs[0].PayloadType)
		}
		return sum + p.number + uint64(p.path.Link) + p.count.PacketsOut
	}
	p := s.peer
	if step == 3 {
		sum = p.agent.Preload()
	}
	if p.sealer != nil {
		sum += p.sealer.Preload(step - 3)
	}
	if l := p.line; l != nil {
		sum += l.preload(step - 3)
	}
	return sum
}

func (l *line) preload(step int) uint64 {
	if step == 0 {
		return uint64(l.since) + l.traffic[0].Packets + uint64(l.pacer.Waiting()) + uint64(l.probe.packets)
	}
	return l.control.Preload(step - 1)
}

// preload reads the place of the next record.
func (h *history) preload() uint64 {
	if len(h.ring) == 0 {
		return 0
	}
	return uint64(h.slot(h.highest + 1).flags)
}
