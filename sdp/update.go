package sdp

import "errors"

// ErrProcessing is the answer to a description that is well-formed but cannot be
// used for a connection.
var ErrProcessing = errors.New("Error processing SDP")

// PeerTransport is the transport of a peer's BUNDLE group.
type PeerTransport struct {
	Section         int // whose attributes these are
	Ufrag, Pwd      string
	Fingerprint     Fingerprint
	Setup           Setup
	Candidates      []string
	EndOfCandidates bool
}

// PeerTransport gives the parameters of the one transport that all sections share:
// those of the first section. A peer that stopped using its first section may have
// moved them to the next one (RFC 9143, 7.2.1).
func (d *Description) PeerTransport() PeerTransport {
	n := 0
	if s := d.section(0); s != nil && s.zeroPort && s.Ufrag == "" {
		for i := range d.Sections {
			if d.Sections[i].Ufrag != "" && !d.Sections[i].Rejected() {
				n = i
				break
			}
		}
	}
	s := d.section(n)
	if s == nil {
		return PeerTransport{}
	}
	return PeerTransport{n, s.Ufrag, s.Pwd, s.Fingerprint, s.Setup, s.Candidates, s.EndOfCandidates}
}

// Validate checks what a peer's description needs besides being well-formed:
// credentials, a usable fingerprint if media is encrypted, and complete a=msid
// lines. It returns nil or ErrProcessing.
func (d *Description) Validate(encrypted bool) error {
	t := d.PeerTransport()
	if t.Ufrag == "" || t.Pwd == "" {
		return ErrProcessing
	}
	if h := t.Fingerprint.Hash; encrypted && h != "sha-256" && h != "sha-1" {
		return ErrProcessing
	}
	for i := range d.Sections {
		if s := &d.Sections[i]; s.badMSID && !s.Rejected() {
			return ErrProcessing
		}
	}
	return nil
}

// ValidateUpdate checks that a peer's later description goes with its earlier one:
// a section may not change its kind, except for one that was out of use
// (RFC 9429, 5.2.2). Sections may be missing at the end. It returns nil or ErrProcessing.
func (d *Description) ValidateUpdate(previous *Description) error {
	for i := range d.Sections {
		old, s := previous.section(i), &d.Sections[i]
		if old == nil || old.Rejected() || old.zeroPort {
			continue
		}
		if old.Kind != s.Kind || old.Media != s.Media {
			return ErrProcessing
		}
	}
	return nil
}

// ICERestart reports whether a peer's later description restarts ICE: a different
// ufrag or password (RFC 8839, 4.4.1.1.1).
func (d *Description) ICERestart(previous *Description) bool {
	if previous == nil {
		return false
	}
	a, b := previous.PeerTransport(), d.PeerTransport()
	return a.Ufrag != b.Ufrag || a.Pwd != b.Pwd
}
