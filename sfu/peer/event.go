package peer

import (
	"time"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/sfu/media"
)

// EventKind is the kind of an event of a peer connection.
type EventKind uint8

// Kinds of events.
const (
	// EventUp: ICE and DTLS are done, media may flow. Once per connection.
	EventUp EventKind = iota
	// EventClosed is the last event; Reason and Cause are set.
	EventClosed
	// EventMedia: a received encoding started or went silent. Section,
	// Encoding (-1 unless simulcast), Receiving, Silence are set.
	EventMedia
	// EventSlowLink: Section, Uplink (what we send is lost) and Lost are set.
	EventSlowLink
	// EventICEFailed: an established connection lost its path; Cause is set.
	EventICEFailed
	// EventCandidate: a local candidate was gathered; Candidate is set.
	EventCandidate
	// EventCandidatesDone: gathering has ended.
	EventCandidatesDone
	// EventLayer: the layers forwarded to Section changed; Layer, Layers are set.
	EventLayer
	// EventBitrate: the remote estimates that it can receive Bitrate (REMB).
	EventBitrate
	// EventDataReady: data channels are writable.
	EventDataReady
	// EventKeyframeRequest: the remote asked for a key frame of Section.
	EventKeyframeRequest
	// EventAudioLevel: AudioLevel of Section is the mean over the window that
	// SetAudioLevelWindow chose.
	EventAudioLevel
	// EventICEState: ICEState is set.
	EventICEState
	// EventSelectedPair: media has a (new) path; Candidate and Remote are its
	// ends.
	EventSelectedPair
	// EventDTLSState: DTLS is set.
	EventDTLSState
	// EventDTMF: a telephone event has ended (RFC 4733); Digit and Duration are set.
	EventDTMF
	// EventPaused: the line to the remote does not carry the video of Section any
	// more, or does again, as Paused says; see Estimation.
	EventPaused
	// EventReordered: the remote sends pictures of Section in another order than they
	// are shown in (B-frames). Once for each stream.
	EventReordered
)

// Event is something that happened to a peer connection.
type Event struct {
	Kind       EventKind
	Section    int
	Encoding   int
	Receiving  bool
	Silence    time.Duration // since the last packet, when Receiving turned false
	Uplink     bool
	Lost       int
	Paused     bool
	Layer      media.Layer // current layer, -1 where it does not apply
	Layers     media.Layer // number of layers of the track, 0 = unknown
	Bitrate    uint64      // bit/s
	AudioLevel float64     // -dBov: 0 loudest, 127 silence (RFC 6464)
	Candidate  ice.Candidate
	Remote     ice.Candidate
	ICEState   ice.State
	DTLS       DTLSState
	Reason     Reason
	Cause      Cause
	Digit      byte   // one of 0123456789*#ABCD
	Duration   uint32 // of that, in timestamp units
}

// Remote is the transport part of the remote description.
type Remote struct {
	ICE          ice.Credentials
	Lite         bool
	Fingerprints dtls.Fingerprints // of the remote's certificate, fixed by the first description
	Role         dtls.Role         // our DTLS role; fixed by the first description
	Trickle      bool              // more candidates will come
	// Moved reports that another section carries the transport than before. Chromium then
	// gives up its association and begins another one, with the same credentials.
	Moved bool
}

// fingerprint is the first one, to be shown.
func (r *Remote) fingerprint() dtls.Fingerprint {
	if len(r.Fingerprints) == 0 {
		return dtls.Fingerprint{}
	}
	return r.Fingerprints[0]
}
