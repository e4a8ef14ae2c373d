package sdp

// PeerTransport is the transport of a peer's BUNDLE group.
type PeerTransport struct {
	Section         int    // whose attributes these are
	MID             string // of that section
	Ufrag, Pwd      string
	Fingerprints    []Fingerprint // with hashes that we know
	Setup           Setup
	Candidates      []string
	EndOfCandidates bool
}

// Tagged is the index of the section that carries the transport of all: the first one
// of the BUNDLE group that is in use (RFC 9143, 7.2.1 and 7.3.1), without a group the
// first in use. other is the description of the other side in the same exchange, nil
// as long as there is none: sections that it rejects are not in use. ok is false if nothing is.
func (d *Description) Tagged(other *Description) (i int, ok bool) {
	list := d.inUse(other)
	if len(list) == 0 {
		return 0, false
	}
	return list[0], true
}

// inUse lists the sections that neither description rejects, in the order in which
// they may carry the transport: as the group has them, then those outside it. Sections
// offered as bundle-only have no transport of their own and come last.
func (d *Description) inUse(other *Description) []int {
	byMID := make(map[string]int, len(d.Sections))
	for i := range d.Sections {
		byMID[d.Sections[i].MID] = i
	}
	var first, last []int
	seen := make([]bool, len(d.Sections))
	add := func(i int) {
		s := &d.Sections[i]
		switch {
		case seen[i] || s.Rejected() || other != nil && other.rejects(i):
		case s.bundleOnly:
			last = append(last, i)
		default:
			first = append(first, i)
		}
		seen[i] = true
	}
	for _, mid := range d.Bundle {
		if i, ok := byMID[mid]; ok {
			add(i)
		}
	}
	for i := range d.Sections {
		add(i)
	}
	return append(first, last...)
}

// rejects reports whether section i is rejected, or not there.
func (d *Description) rejects(i int) bool {
	s := d.section(i)
	return s == nil || s.Rejected()
}

// bundle makes the group of all sections in use. Sections that the peer has used keep their
// order, as the first one carries the transport; new ones come behind.
func (d *Description) bundle(remote *Description) {
	d.Bundle = nil
	grouped := make([]bool, len(d.Sections))
	add := func(i int) {
		if !grouped[i] && !d.Sections[i].Rejected() {
			d.Bundle, grouped[i] = append(d.Bundle, d.Sections[i].MID), true
		}
	}
	if remote != nil {
		for _, i := range remote.inUse(d) {
			add(i)
		}
	}
	for i := range d.Sections {
		add(i)
	}
}

// PeerTransport gives the parameters of the one transport that all sections share, those
// of the tagged section (see Tagged). A later offer has them in one section only, which
// counts also if we reject it (RFC 9143, 7.1.3). If nothing is in use all is empty.
func (d *Description) PeerTransport(other *Description) PeerTransport {
	i, ok := d.Tagged(other)
	if !ok {
		return PeerTransport{}
	}
	if s := &d.Sections[i]; s.Ufrag == "" && s.Pwd == "" {
		i, _ = d.Tagged(nil)
	}
	s := &d.Sections[i]
	return PeerTransport{i, s.MID, s.Ufrag, s.Pwd, s.Fingerprints, s.Setup, s.Candidates, s.EndOfCandidates}
}

// Restarts reports whether a later description of the peer restarts ICE: a different
// ufrag or password (RFC 8839, 4.4.1.1.1).
func (t PeerTransport) Restarts(previous PeerTransport) bool {
	return t.Ufrag != previous.Ufrag || t.Pwd != previous.Pwd
}
