package sdp

// Transport has the attributes that the server adds to an application's description.
type Transport struct {
	Ufrag, Pwd      string
	Fingerprint     Fingerprint
	Setup           Setup    // actpass in offers, see Setup.Answer for answers
	Candidates      []string // without "candidate:"
	EndOfCandidates bool
	FullTrickle     bool // candidates are sent separately, none are printed
	ICELite         bool
	Address         string // of the o= and c= lines
	SessionID       uint64 // of the o= line, 0 keeps the description's
	Version         uint64
	NoEncryption    bool // plain RTP: no fingerprint and no setup
}

// LocalSection holds the sources that the server sends in one section.
type LocalSection struct {
	SSRC    uint32
	RTXSSRC uint32 // for retransmissions, 0 for none
}

// Marshal completes the description (see Complete; d may be complete already, and
// is if previous mattered) and prints it for the peer: the transport is repeated in
// every section, all are one BUNDLE group. local is parallel to the sections and
// may be shorter.
func (d *Description) Marshal(t Transport, local []LocalSection, remote *Description) string {
	return d.Complete(remote, nil).WithTransport(t, local).String()
}

// WithTransport gives a copy of a complete description with the transport and the
// sources filled in.
func (d *Description) WithTransport(t Transport, local []LocalSection) *Description {
	c := *d
	c.anonymous = false
	if t.SessionID != 0 {
		c.Origin.SessionID, c.Origin.Version = t.SessionID, t.Version
	}
	c.Origin.Net, c.Origin.Family, c.Origin.Address = "IN", family(t.Address), t.Address
	c.ICEOptions, c.ICELite = "trickle", t.ICELite
	c.ExtmapAllowMixed, c.MSIDSemantic = true, "WMS *"
	c.Sections = make([]Section, len(d.Sections))
	for i := range d.Sections {
		s := d.Sections[i]
		s.Address = t.Address
		// The first section's fingerprint is printed at session level, so that even a
		// rejected one has it.
		s.Fingerprints = nil
		if t.Fingerprint.Hash != "" {
			s.Fingerprints = []Fingerprint{t.Fingerprint}
		}
		if t.NoEncryption {
			s.Fingerprints = nil
			if s.Kind == Audio || s.Kind == Video {
				s.Proto = protoPlainRTP
			}
		}
		if !s.Rejected() {
			var sources LocalSection
			if i < len(local) {
				sources = local[i]
			}
			s.addTransport(&t)
			s.addSources(sources, d.Type)
		}
		c.Sections[i] = s
	}
	return &c
}

func (s *Section) addTransport(t *Transport) {
	s.Port = 9
	s.Ufrag, s.Pwd, s.ICEOptions = t.Ufrag, t.Pwd, "trickle"
	s.Setup = t.Setup
	if t.NoEncryption {
		s.Setup = SetupNone
	}
	s.Candidates, s.EndOfCandidates = t.Candidates, t.EndOfCandidates
	if t.FullTrickle {
		s.Candidates, s.EndOfCandidates = nil, false
	}
}

// addSources names the sources. Receivers name one too, because receiver reports
// carry it; only sections that are offered inactive have none.
func (s *Section) addSources(local LocalSection, t Type) {
	s.SSRCs, s.Groups, s.CNAME = nil, nil, CNAME
	if s.Kind != Audio && s.Kind != Video {
		s.Stream, s.Track = "", ""
		return
	}
	s.RTCPMux = true
	switch {
	case s.Direction == Inactive:
		s.Stream, s.Track = "", ""
	case s.Stream == "":
		s.Stream, s.Track = defaultStream, defaultStream+s.MID
	case s.Track == "":
		s.Track = defaultStream + s.MID
	}
	if local.SSRC == 0 || t == TypeOffer && s.Direction == Inactive {
		return
	}
	s.SSRCs = []uint32{local.SSRC}
	if local.RTXSSRC != 0 && s.Kind == Video && s.Direction.Sends() && s.hasRTX() {
		s.SSRCs = append(s.SSRCs, local.RTXSSRC)
		s.Groups = []SSRCGroup{{"FID", []uint32{local.SSRC, local.RTXSSRC}}}
	}
}

func (s *Section) hasRTX() bool {
	for i := range s.Codecs {
		if s.Codecs[i].RTX != 0 {
			return true
		}
	}
	return false
}
