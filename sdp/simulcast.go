package sdp

import "slices"

// SSRCPair is a source and the source of its retransmissions, 0 for none.
type SSRCPair struct {
	SSRC uint32
	RTX  uint32
}

// Simulcast is how a peer sends several encodings of one video. RIDs or Sources are
// in the order lowest to highest quality.
type Simulcast struct {
	RIDs          []string
	Paused        []bool // parallel to RIDs: announced as paused
	RIDExtension  uint8  // header extension id of the rid
	RepairedRIDID uint8  // header extension id of the repaired rid, 0 if none
	Sources       []SSRCPair
}

// Simulcast finds the encodings that the section's describer sends. ridOrder is the
// order of its rids: "hml" (the highest first, the default) or "lmh". Sources of a
// SIM group count only without rids; they are listed lowest first.
func (d *Description) Simulcast(i int, ridOrder string) (sim Simulcast, ok bool) {
	s := d.section(i)
	if s == nil || s.Kind != Video || s.Rejected() || !s.Direction.Sends() {
		return Simulcast{}, false
	}
	for _, r := range s.sentRIDs() {
		sim.RIDs = append(sim.RIDs, r.ID)
		sim.Paused = append(sim.Paused, r.Paused)
	}
	if len(sim.RIDs) > 0 {
		if ridOrder != "lmh" {
			slices.Reverse(sim.RIDs)
			slices.Reverse(sim.Paused)
		}
		sim.RIDExtension = s.ExtensionID(URIRID)
		sim.RepairedRIDID = s.ExtensionID(URIRepairedRID)
		return sim, true
	}
	for _, g := range s.Groups {
		if g.Semantics != "SIM" || len(g.SSRCs) < 2 {
			continue
		}
		for _, ssrc := range g.SSRCs[:min(len(g.SSRCs), 3)] {
			sim.Sources = append(sim.Sources, SSRCPair{ssrc, s.RTXSource(ssrc)})
		}
		return sim, true
	}
	return Simulcast{}, false
}

// sentRIDs are the rids in the order of a=simulcast, or of the a=rid lines without.
func (s *Section) sentRIDs() []RID {
	var list []RID
	for _, id := range s.SimulcastSend {
		if r := s.RID(id); r != nil && r.Send {
			list = append(list, *r)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, r := range s.RIDs {
		if r.Send {
			list = append(list, r)
		}
	}
	return list
}

// RTXSource is the source that retransmits another one according to a FID group
// (RFC 5576, 4.2), 0 if there is none.
func (s *Section) RTXSource(ssrc uint32) uint32 {
	for _, g := range s.Groups {
		if g.Semantics == "FID" && len(g.SSRCs) == 2 && g.SSRCs[0] == ssrc {
			return g.SSRCs[1]
		}
	}
	return 0
}

// Sources are the section's sources without those that only retransmit.
func (s *Section) Sources() []SSRCPair {
	var list []SSRCPair
	for _, ssrc := range s.SSRCs {
		if !s.retransmits(ssrc) {
			list = append(list, SSRCPair{ssrc, s.RTXSource(ssrc)})
		}
	}
	return list
}

func (s *Section) retransmits(ssrc uint32) bool {
	for _, g := range s.Groups {
		if g.Semantics == "FID" && len(g.SSRCs) == 2 && g.SSRCs[1] == ssrc {
			return true
		}
	}
	return false
}
