package signalling

import (
	"slices"
	"strings"
	"time"

	"bifrons/sdp"
	"bifrons/sfu"
)

// State is the state of an Endpoint at one moment. Peer.Snapshot has the rest.
type State struct {
	EarlyCandidates int  // that came before there was a description for them
	Trickle         bool // the client trickles

	Peer *sfu.Peer // nil without peer connection; so the fields below are not set

	Created    time.Time // when the peer connection was made
	Started    time.Time // when the client's transport was first known, or zero
	Closing    bool
	GotOffer   bool
	GotAnswer  bool
	Processing bool // the client's offer is not answered
	Restarting bool // of ICE, by that offer
	Complete   bool // the client has no more candidates
	Trickled   bool // all of ours were sent by trickle
	Up         bool
	Encrypted  bool // end to end

	Profile       string // of the media sections, "UDP/TLS/RTP/SAVPF"
	Local, Remote string // the last descriptions, as text
	Sections      []Section
}

// Section is one section of the last description.
type Section struct {
	MID  string
	Kind string // "audio", "video", "data"

	// The names of the media that we and the client send, "" where there is none of
	// one's own (RFC 8830).
	LocalStream, LocalTrack, RemoteStream, RemoteTrack string

	Codecs   []sdp.Codec    // agreed on
	Data     sdp.DataFormat // agreed on
	RIDs     []string       // of the client's encodings, as in its description
	RIDOrder string         // of RIDs, "hml" or "lmh"
	Legacy   bool           // RIDs are announced by the old syntax
}

// Codec is the name of a payload type in lower case, "" if it is none of this
// section.
func (s *Section) Codec(pt uint8) string {
	for i := range s.Codecs {
		if c := &s.Codecs[i]; c.PT == pt {
			return strings.ToLower(c.Name)
		}
	}
	return ""
}

// State returns the present state.
func (e *Endpoint) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := State{EarlyCandidates: len(e.early), Trickle: e.trickles}
	c := e.conn
	if c == nil {
		return d
	}
	remote, options := c.remote, &c.options
	if c.offer != nil {
		remote, options = c.offer.sdp, &c.offer.options
		d.Processing, d.Restarting = true, c.restartedBy(c.offer.sdp.PeerTransport(nil))
	}
	d.Peer, d.Created, d.Started = c.peer, c.created, c.started
	d.Closing, d.Up = c.closing.Load(), c.up
	d.GotOffer = c.offer != nil || c.offered != nil || c.local != nil
	d.GotAnswer = c.local != nil
	d.Trickle = d.Trickle || remote != nil && options.Trickle
	d.Complete = c.complete
	d.Encrypted = c.encrypts
	d.Local, d.Remote = c.text, options.Text
	d.Trickled = c.finished.Load()
	local := c.last()
	for i := range max(sections(local), sections(remote)) {
		d.Sections = append(d.Sections, describeSection(local, remote, i, options.RIDOrder))
	}
	for _, one := range []*sdp.Description{local, remote} {
		if d.Profile == "" && sections(one) > 0 {
			d.Profile = one.Sections[0].Proto
		}
	}
	return d
}

// sections is the number of sections of a description that may be nil.
func sections(d *sdp.Description) int {
	if d == nil {
		return 0
	}
	return len(d.Sections)
}

// describeSection describes one section; either description may lack it.
func describeSection(local, remote *sdp.Description, i int, ridOrder string) Section {
	var d Section
	if i < sections(remote) {
		s := &remote.Sections[i]
		d.MID, d.Kind = s.MID, kindOf(s.Kind).String()
		d.RemoteStream, d.RemoteTrack = s.Stream, s.Track
		if sim, ok := remote.Simulcast(i, ridOrder); ok && len(sim.RIDs) > 0 {
			d.RIDs, d.RIDOrder, d.Legacy = sim.RIDs, ridOrder, s.LegacySimulcast
			if ridOrder != "lmh" {
				d.RIDOrder = "hml"
				slices.Reverse(d.RIDs)
			}
		}
	}
	if i < sections(local) {
		s := &local.Sections[i]
		d.MID, d.Kind = s.MID, kindOf(s.Kind).String()
		d.LocalStream, d.LocalTrack = s.Stream, s.Track
	}
	if n, ok := sdp.Negotiate(local, remote, i); ok {
		d.Codecs, d.Data = n.Codecs, n.Data
	}
	return d
}
