// Package media holds the values that the packages of the SFU share: kinds,
// layers, m-sections as they were negotiated, and the reasons for drops.
package media

import (
	"strings"

	"bifrons/rtp/mono"
)

// Kind is the kind of a media section (RFC 8866, 5.14).
type Kind uint8

// The kinds of media sections.
const (
	Audio Kind = iota
	Video
	Data
)

func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	}
	return "data"
}

// CodecName identifies a payload format.
type CodecName uint8

// The payload formats that the engine distinguishes. Those from VP8 to RED are
// looked into; of the others it only matters that two sides mean the same one.
// Other is every format that is known by its payload type alone.
const (
	Other CodecName = iota
	VP8
	VP9
	H264
	H265
	AV1
	Opus
	RED
	PCMU
	PCMA
	G722
	ISAC
	L16
	TelephoneEvent // RFC 4733
	ComfortNoise   // RFC 3389
	numCodecs
)

// NumCodecs is the number of payload formats, for tables.
const NumCodecs = int(numCodecs)

var codecNames = map[string]CodecName{
	"vp8": VP8, "vp9": VP9, "h264": H264, "h265": H265, "av1": AV1, "av1x": AV1,
	"opus": Opus, "multiopus": Opus, "red": RED,
	"pcmu": PCMU, "pcma": PCMA, "g722": G722, "isac": ISAC, "l16": L16, "telephone-event": TelephoneEvent, "cn": ComfortNoise,
}

// ParseCodecName maps an rtpmap encoding name (any case) to a CodecName.
func ParseCodecName(s string) CodecName { return codecNames[strings.ToLower(s)] }

// Inspected reports whether payloads of the format are looked into.
func (c CodecName) Inspected() bool { return c >= VP8 && c <= RED }

// Layer is a position in an encoding's structure. -1 means "none yet" (as a
// current layer) or "no wish" (as a target).
type Layer struct {
	Encoding int8 // simulcast encoding, 0 = lowest
	Spatial  int8 // SVC spatial layer, 0 = base
	Temporal int8 // temporal layer, 0 = base
}

// NoLayer is the Layer before anything was received.
var NoLayer = Layer{-1, -1, -1}

// Codec is one negotiated payload type of a section.
type Codec struct {
	Name        CodecName
	PayloadType uint8
	RTX         uint8 // payload type of its RFC 4588 retransmissions, 0 = none
	ClockRate   uint32
}

// ExtensionIDs are the negotiated local identifiers of RTP header extensions
// (RFC 8285); 0 = not negotiated.
type ExtensionIDs struct {
	MID                  uint8 // RFC 9143
	RID, RepairedRID     uint8 // RFC 8852
	AudioLevel           uint8 // RFC 6464
	VideoOrientation     uint8 // 3GPP TS 26.114
	AbsSendTime          uint8
	TransportSequence    uint8 // transport-wide congestion control
	PlayoutDelay         uint8
	DependencyDescriptor uint8 // AV1 RTP specification, appendix A
	AbsCaptureTime       uint8
	VideoLayers          uint8 // video-layers-allocation00
}

// MaxEncodings is the number of simulcast encodings of a track that the
// engine follows.
const MaxEncodings = 3

// Encoding is one encoding that the remote sends in a section, as signalled.
type Encoding struct {
	RID     string // RFC 8851; "" when identified by SSRC
	SSRC    uint32 // 0 = learned from the MID/RID extensions
	RTXSSRC uint32 // 0 = learned, or no RTX
}

// Section is one negotiated media section (m-line) of a peer connection.
type Section struct {
	Index int
	MID   string
	Kind  Kind

	// Receive and Send say whether RTP flows from and to the remote peer.
	Receive, Send bool

	Codecs []Codec // preferred first
	Ext    ExtensionIDs

	// Encodings are the encodings that the remote sends, lowest first; one entry
	// unless simulcast was negotiated. Simulcast is set when there are several
	// or when a single one is named by RID.
	Encodings []Encoding
	Simulcast bool
	// SVC is set when the remote announced scalable encoding in one stream.
	SVC bool

	// SSRC and RTXSSRC are our own sending SSRCs.
	SSRC, RTXSSRC uint32

	// Feedback that may be used on this section (RFC 4585, RFC 5104).
	NACK, PLI, FIR, REMB, TransportCC bool

	// Encrypted marks end-to-end encrypted media, whose payload says nothing.
	Encrypted bool
}

// Captured is a packet of a peer connection as it is without encryption, for a
// capture: Head and Body behind each other, both lent.
type Captured struct {
	At         mono.Time
	Outgoing   bool
	RTCP       bool
	Head, Body []byte
}

// Drop is the reason why a datagram or packet went no further.
type Drop uint8

// Reasons for drops. Each is counted by the shard that saw it.
const (
	DropNone             Drop = iota
	DropEmpty                 // zero-length datagram
	DropOversize              // larger than a receive slot
	DropUnknownClass          // first byte outside RFC 7983
	DropUnknownPeer           // no peer for this address or user fragment
	DropSTUNMalformed         // not a STUN message
	DropSTUNIntegrity         // MESSAGE-INTEGRITY missing or wrong
	DropSTUNUsername          // USERNAME names nobody
	DropSTUNTransaction       // response to no request of ours
	DropPathInvalid           // media or DTLS from an address without a valid check
	DropDTLSEarly             // DTLS before ICE has a valid pair
	DropDTLSQueueFull         // handshake goroutine is behind
	DropDTLSRefused           // plaintext that no peer sends at this point, or malformed
	DropDataUnwanted          // data channel packet before the association runs
	DropRTPMalformed          // not RTP
	DropRTPBeforeKeys         // SRTP before DTLS has finished
	DropSRTPAuth              // authentication failed
	DropSRTPReplay            // seen before, or older than the window
	DropSSRCUnknown           // not signalled and no MID/RID to bind it by
	DropDirection             // section does not receive
	DropPayloadType           // payload type not negotiated
	DropRTXMalformed          // RTX packet without a usable original
	DropRTXDuplicate          // retransmission of a packet that had arrived
	DropPadding               // padding only, a bandwidth probe
	DropDuplicate             // same sequence number again
	DropRTCPMalformed         // compound that does not parse
	DropPayloadMalformed      // payload descriptor that does not parse
	DropNoBuffer              // packet arena is empty
	DropPanic                 // a panic: its owner is closed
	DropPeerClosed            // arrived after the peer was closed
	DropSendQueue             // socket refused, packet lost on the way out
	DropCrossing              // another shard is behind
	DropCollision             // another sender while the first one still sends
	DropSequence              // sequence number far from those before
	DropDisabled              // source is held back
	DropSkew                  // left out because the source's clock is too fast
	DropLinkQueue             // a TCP connection or relay is behind
	DropLinkLimit             // a peer has too many TCP connections for one more
	DropLinkGone              // the TCP connection or relay of the path has ended
	DropResend                // asked for again beyond the budget of its stream
	DropPipe                  // a recorder or mixer is behind
	DropPaced                 // gone before it was its turn to leave
	numDrops
)

// NumDrops is the number of reasons, for counter arrays.
const NumDrops = int(numDrops)

var dropNames = [NumDrops]string{
	"none", "empty", "oversize", "unknown-class", "unknown-peer",
	"stun-malformed", "stun-integrity", "stun-username", "stun-transaction",
	"path-invalid", "dtls-early", "dtls-queue-full", "dtls-refused", "data-unwanted", "rtp-malformed",
	"rtp-before-keys", "srtp-auth", "srtp-replay", "ssrc-unknown", "direction",
	"payload-type", "rtx-malformed", "rtx-duplicate", "padding", "duplicate",
	"rtcp-malformed", "payload-malformed", "no-buffer", "panic",
	"peer-closed", "send-queue", "crossing", "collision", "sequence",
	"disabled", "skew", "link-queue", "link-limit", "link-gone",
	"resend", "pipe", "paced",
}

func (d Drop) String() string {
	if int(d) < len(dropNames) {
		return dropNames[d]
	}
	return "unknown"
}
