package sdp

import (
	"errors"
	"fmt"
)

// ErrProcessing is the answer to a description that is well-formed but cannot be
// used for a connection.
var ErrProcessing = errors.New("Error processing SDP")

// Validate checks a peer's description for more than being well-formed:
// credentials, and a usable fingerprint if media is encrypted. Rejected sections
// need nothing. It returns nil or ErrProcessing.
func (d *Description) Validate(encrypted bool) error {
	if _, ok := d.Tagged(nil); !ok {
		return nil
	}
	t := d.PeerTransport(nil)
	if t.Ufrag == "" || t.Pwd == "" {
		return ErrProcessing
	}
	if encrypted && len(t.Fingerprints) == 0 {
		return ErrProcessing
	}
	return nil
}

// ValidateUpdate checks that a peer's later description goes with its earlier one and
// with ours of the same exchange, which may be nil: a section may not change its kind,
// except for one that either side had rejected (RFC 3264, 8), nor its mid while it is in use
// (RFC 9429, 5.2.2). Sections may be missing at the end. A mid that changes is an error
// that says so, everything else is ErrProcessing.
func (d *Description) ValidateUpdate(previous, local *Description) error {
	for i := range d.Sections {
		old, s := previous.section(i), &d.Sections[i]
		if old == nil || old.Rejected() || local != nil && local.rejects(i) {
			continue
		}
		if old.Kind != s.Kind || old.Media != s.Media {
			return ErrProcessing
		}
		if !s.Rejected() && old.MID != s.MID && !old.madeUpMID && !s.madeUpMID {
			return fmt.Errorf("Invalid a= line (mid of m-line %d was %s): a=mid:%s", i, old.MID, s.MID)
		}
	}
	return nil
}

// KeepMIDs gives sections whose text has no a=mid the mid that they had before, as far
// as no other has that now. It changes d.
func (d *Description) KeepMIDs(previous *Description) {
	if previous == nil {
		return
	}
	taken := make(map[string]bool, len(d.Sections))
	for i := range d.Sections {
		taken[d.Sections[i].MID] = true
	}
	for i := range min(len(d.Sections), len(previous.Sections)) {
		s, mid := &d.Sections[i], previous.Sections[i].MID
		if s.madeUpMID && !taken[mid] {
			s.MID, taken[mid] = mid, true
		}
	}
}
