package sdp

import (
	"slices"
	"strconv"
	"strings"
)

const (
	protoRTP        = "UDP/TLS/RTP/SAVPF"
	protoPlainRTP   = "RTP/AVPF"
	protoDataUDP    = "UDP/DTLS/SCTP"
	protoDataTCP    = "TCP/DTLS/SCTP"
	protoDataLegacy = "DTLS/SCTP"
	formatData      = "webrtc-datachannel"
	formatLegacy    = "5000"
)

// CNAME is the canonical name of everything the server sends (RFC 3550, 6.5.1).
const CNAME = "janus"

const (
	defaultName   = "Meetecho Janus"
	defaultStream = "janus"
)

// Complete gives a copy of an application's description (from Answer, Offer, or
// another peer) with the server's choices: mids, protocol, the style of data
// channels, retransmission formats, simulcast, and as many sections as there must
// be. remote is the peer's last description, previous the server's last one in
// this connection; either may be nil. d.Type must be right. Completing twice
// changes nothing.
func (d *Description) Complete(remote, previous *Description) *Description {
	c := d.stripped()
	c.anonymous = false
	c.Name = or(c.Name, defaultName)
	answer := c.Type == TypeAnswer && remote != nil
	if answer {
		c.fit(remote)
	} else if previous != nil {
		c.keep(previous)
	}
	c.completeMIDs(remote, previous)
	c.bundle(remote)
	proto := remote.mediaProto()
	for i := range c.Sections {
		s := &c.Sections[i]
		s.Address = ""
		if s.Kind == Audio || s.Kind == Video {
			s.Proto = proto
		}
		if s.Rejected() {
			if s.Kind == Audio || s.Kind == Video {
				s.Formats = []string{"0"}
			}
			continue
		}
		if s.Kind == Application {
			s.completeData(remote, i, answer)
		}
		if answer {
			s.completeAnswer(&remote.Sections[i])
		} else {
			s.Extensions = slices.DeleteFunc(s.Extensions, func(e Extension) bool {
				return e.URI == URIRID || e.URI == URIRepairedRID
			})
		}
	}
	if !answer {
		c.assignRTX(previous)
	}
	return c
}

// fit makes an answer have as many sections as the offer (RFC 9429, 5.3.1).
func (d *Description) fit(offer *Description) {
	if len(d.Sections) > len(offer.Sections) {
		d.Sections = d.Sections[:len(offer.Sections)]
	}
	for i := range offer.Sections {
		o := &offer.Sections[i]
		if i == len(d.Sections) {
			d.Sections = append(d.Sections, rejected(o))
		}
		if s := &d.Sections[i]; s.Kind != o.Kind || o.Rejected() {
			d.Sections[i] = rejected(o)
		}
	}
}

// keep adds the sections that a later offer lacks, as unused (RFC 9429, 5.2.2).
func (d *Description) keep(previous *Description) {
	for i := len(d.Sections); i < len(previous.Sections); i++ {
		d.Sections = append(d.Sections, rejected(&previous.Sections[i]))
	}
}

// completeMIDs takes the mids of an answer from its offer. An offer keeps the mid that a
// section has had from the start, and makes one where there is none; one that takes
// an unused section into use again gets a new one (RFC 9429, 5.2.2).
func (d *Description) completeMIDs(remote, previous *Description) {
	taken := map[string]bool{}
	for i := range d.Sections {
		s := &d.Sections[i]
		old, peer := previous.section(i), remote.section(i)
		switch {
		case d.Type == TypeAnswer && peer != nil:
			s.MID = peer.MID
		case old != nil && old.MID != "" && (!old.Rejected() || s.Rejected()):
			s.MID = old.MID
		case old != nil:
			taken[old.MID] = true
			if s.MID == old.MID {
				s.MID = ""
			}
		case peer != nil && s.MID == "":
			s.MID = peer.MID
		}
		if s.MID != "" {
			taken[s.MID] = true
		}
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		for n := i; s.MID == ""; n++ {
			if mid := strconv.Itoa(n); !taken[mid] {
				s.MID, taken[mid] = mid, true
			}
		}
	}
}

// section is the section with an index, nil if there is none.
func (d *Description) section(i int) *Section {
	if d == nil || i >= len(d.Sections) {
		return nil
	}
	return &d.Sections[i]
}

// mediaProto is the protocol of the peer's first audio or video section, which is
// echoed for old peers, or today's.
func (d *Description) mediaProto() string {
	for i := 0; d != nil && i < len(d.Sections); i++ {
		if s := &d.Sections[i]; (s.Kind == Audio || s.Kind == Video) && strings.Contains(s.Proto, "RTP/") {
			return s.Proto
		}
	}
	return protoRTP
}

// completeData follows the peer's style of data channels.
func (s *Section) completeData(remote *Description, i int, answer bool) {
	if answer {
		peer := &remote.Sections[i]
		s.Data, s.Proto, s.Formats = peer.Data, peer.Proto, slices.Clone(peer.Formats)
		return
	}
	s.Data, s.Proto, s.Formats = SCTPPort, protoDataUDP, []string{formatData}
	if n, ok := remote.DataSection(); ok && remote.Sections[n].Data == SCTPMap {
		s.Data, s.Proto, s.Formats = SCTPMap, protoDataLegacy, []string{formatLegacy}
	}
}

// DataSection is the index of the section in use for data channels. d may be nil.
func (d *Description) DataSection() (i int, ok bool) {
	if d == nil {
		return 0, false
	}
	i = slices.IndexFunc(d.Sections, func(s Section) bool { return s.Data != DataNone && !s.Rejected() })
	return i, i >= 0
}

// completeAnswer takes over the offer's retransmission formats and simulcast.
func (s *Section) completeAnswer(offer *Section) {
	if s.Kind != Video {
		return
	}
	for i := range s.Codecs {
		c := &s.Codecs[i]
		c.RTX = 0
		o := offer.Codec(c.PT)
		if o != nil && o.RTX != 0 && s.Codec(o.RTX) == nil && strings.EqualFold(o.Name, c.Name) {
			c.RTX = o.RTX
		}
	}
	if !s.Direction.Receives() || offer.ExtensionID(URIRID) != 0 && s.ExtensionID(URIRID) == 0 {
		return
	}
	for _, r := range offer.RIDs {
		if r.Send {
			s.RIDs = append(s.RIDs, RID{ID: r.ID, Params: "", Paused: r.Paused})
		}
	}
	for _, id := range offer.SimulcastSend {
		if s.RID(id) != nil {
			s.SimulcastRecv = append(s.SimulcastRecv, id)
		}
	}
	s.LegacySimulcast = offer.LegacySimulcast
}

// assignRTX gives every video format of an offer a retransmission format, in all
// sections the same one for the same format (RFC 9143, 10.1.1), and the one it had
// before if that is still free.
func (d *Description) assignRTX(previous *Description) {
	var used [128]bool
	for i := range d.Sections {
		for _, c := range d.Sections[i].Codecs {
			used[c.PT] = true
		}
	}
	type format struct {
		pt   uint8
		name string
	}
	assigned := map[format]uint8{}
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Kind != Video || s.Rejected() {
			continue
		}
		for j := range s.Codecs {
			c := &s.Codecs[j]
			key := format{c.PT, strings.ToLower(c.Name)}
			rtx, ok := assigned[key]
			if !ok {
				rtx = freeRTX(c, previous.section(i), &used)
				assigned[key] = rtx
			}
			c.RTX = rtx
		}
	}
}

// freeRTX picks an unused payload type for a codec's retransmissions: the one it
// has, the one it had, or the next one after its own; 0 if all are taken.
func freeRTX(c *Codec, previous *Section, used *[128]bool) uint8 {
	wanted := []uint8{c.RTX}
	if previous != nil {
		if old := previous.Codec(c.PT); old != nil && strings.EqualFold(old.Name, c.Name) {
			wanted = append(wanted, old.RTX)
		}
	}
	for _, pt := range wanted {
		if pt != 0 && pt < 128 && !used[pt] {
			used[pt] = true
			return pt
		}
	}
	pt := c.PT
	for range 32 {
		if pt++; pt < 96 || pt > 127 {
			pt = 96
		}
		if !used[pt] {
			used[pt] = true
			return pt
		}
	}
	return 0
}
