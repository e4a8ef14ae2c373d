// Package sdp turns JSEP session descriptions (RFC 8866, RFC 9429) into typed
// values and back, and answers or makes offers as a WebRTC server does.
//
// The way of an offer: [Parse] and [Description.Validate] the client's text,
// give [Description.Anonymise] to the application, let it call [Answer], and
// print the result with [Description.Marshal] and the transport's parameters.
// The package does no I/O and keeps no state; every function leaves its
// arguments as they are unless its comment says otherwise.
package sdp

import "strconv"

// Direction is the direction of a media section as its describer sees it
// (RFC 8866, 6.7). It is a set of the two bits receive and send.
type Direction uint8

// The four directions.
const (
	Inactive Direction = iota
	RecvOnly
	SendOnly
	SendRecv
)

// Sends reports whether the describer sends.
func (d Direction) Sends() bool { return d&SendOnly != 0 }

// Receives reports whether the describer receives.
func (d Direction) Receives() bool { return d&RecvOnly != 0 }

// Reverse is the direction seen from the other end.
func (d Direction) Reverse() Direction { return d>>1&1 | d<<1&2 }

// And keeps the directions that both allow.
func (d Direction) And(other Direction) Direction { return d & other }

// String is the attribute name, for example "sendrecv".
func (d Direction) String() string { return directionNames[d&SendRecv] }

var directionNames = [...]string{"inactive", "recvonly", "sendonly", "sendrecv"}

func parseDirection(s string) (Direction, bool) {
	for d, name := range directionNames {
		if s == name {
			return Direction(d), true
		}
	}
	return Inactive, false
}

// Kind is the media type of a section (RFC 8866, 5.14).
type Kind uint8

// The kinds that are distinguished. Sections of another kind are always rejected.
const (
	Audio Kind = iota
	Video
	Application
	Other
)

func (k Kind) String() string {
	return [...]string{"audio", "video", "application", "other"}[k&3]
}

// Type says whether a description is an offer or an answer.
type Type uint8

// The types of descriptions. Parse cannot know the type; it gives TypeOffer.
const (
	TypeOffer Type = iota
	TypeAnswer
)

func (t Type) String() string {
	if t == TypeAnswer {
		return "answer"
	}
	return "offer"
}

// Codec is one payload type with its format parameters (RFC 8866, 6.6, 6.15).
type Codec struct {
	PT       uint8    // payload type, 0..127
	Name     string   // encoding name as in a=rtpmap, "" if there was none
	Clock    int      // RTP clock rate in Hz
	Channels int      // audio channels; 0 and 1 are not printed
	Fmtp     string   // format parameters without the payload type
	Feedback []string // RTCP feedback types, for example "nack pli" (RFC 4585)
	RTX      uint8    // payload type of its retransmissions (RFC 4588), 0 for none
}

// RTPMap is the codec as in a=rtpmap, for example "opus/48000/2".
func (c *Codec) RTPMap() string {
	s := c.Name + "/" + strconv.Itoa(c.Clock)
	if c.Channels > 1 {
		s += "/" + strconv.Itoa(c.Channels)
	}
	return s
}

// HasFeedback reports whether the RTCP feedback type is listed.
func (c *Codec) HasFeedback(fb string) bool {
	for _, f := range c.Feedback {
		if f == fb {
			return true
		}
	}
	return false
}

// Extension is an RTP header extension (RFC 8285, 8).
type Extension struct {
	ID           uint8 // 1..255
	URI          string
	Direction    Direction // meaningful if HasDirection
	HasDirection bool
}

// RID is an RTP stream restriction identifier (RFC 8851).
type RID struct {
	ID     string // at most 15 characters
	Send   bool   // the describer sends it, otherwise it receives it
	Params string // restrictions, "" for none
	Paused bool   // "~" in a=simulcast (RFC 8853, 5.1)
}

// SSRCGroup is an a=ssrc-group line (RFC 5576, 4.2).
type SSRCGroup struct {
	Semantics string // "FID", "SIM", ...
	SSRCs     []uint32
}

// Fingerprint is a certificate's hash (RFC 8122, 5).
type Fingerprint struct {
	Hash  string // "sha-256", lower case
	Value string // upper-case hexadecimal with colons
}

// Setup is the DTLS role of the describer (RFC 8842, 5).
type Setup uint8

// The values of a=setup.
const (
	SetupNone Setup = iota
	SetupActpass
	SetupActive
	SetupPassive
	SetupHoldconn
)

func (s Setup) String() string {
	return [...]string{"", "actpass", "active", "passive", "holdconn"}[s]
}

// Answer is the role to answer an offered role with: passive if the offerer
// insists on being active, otherwise active (RFC 8842, 5.3).
func (s Setup) Answer() Setup {
	if s == SetupActive {
		return SetupPassive
	}
	return SetupActive
}

// DataFormat is the way a section describes data channels.
type DataFormat uint8

// The ways to describe data channels: none, with a=sctp-port (RFC 8841), or with
// a=sctpmap as older browsers did.
const (
	DataNone DataFormat = iota
	SCTPPort
	SCTPMap
)

// Bandwidth is a b= line (RFC 8866, 5.8). Type is "AS" (kbit/s), "TIAS" (bit/s)
// or "" for none.
type Bandwidth struct {
	Type  string
	Value uint64
}

// Attribute is an a= line that has no field of its own. Value is "" for a
// property attribute.
type Attribute struct {
	Key   string
	Value string
}

// Section is one m= section. Session-level credentials, fingerprint, setup,
// direction and connection address are resolved into it when it is parsed.
type Section struct {
	Kind      Kind
	Media     string // the media token where Kind is Other
	MID       string // RFC 5888; unique; the section's index or another number if the text had none
	Port      int    // 0 if rejected
	Proto     string
	Address   string // of the c= line, "" prints as 0.0.0.0
	RTCP      RTCP   // read only: descriptions of ours have none
	Direction Direction

	Codecs     []Codec  // in order of preference, retransmission formats folded into them
	Formats    []string // the m= line's raw list; printed only if Codecs is empty
	Extensions []Extension

	Ufrag, Pwd      string
	ICEOptions      string
	Fingerprints    []Fingerprint // of the peer's certificate, any may match
	Setup           Setup
	Candidates      []string // without "candidate:"
	EndOfCandidates bool
	RTCPMux         bool
	RTCPRsize       bool

	Stream, Track string // a=msid (RFC 8830), "" for none
	SSRCs         []uint32
	CNAME         string
	Groups        []SSRCGroup

	RIDs            []RID
	SimulcastSend   []string // ids in the order of a=simulcast
	SimulcastRecv   []string
	LegacySimulcast bool // "a=simulcast: send rid=a;b"

	Data DataFormat
	// MaxMessage is how long a data channel message the describer takes, in bytes,
	// 0 = any (RFC 8841, 6.1). It is only read: our own limit is the default.
	MaxMessage uint64
	Bandwidth  Bandwidth

	Attributes []Attribute // all others, in order

	bundleOnly bool // the text said port 0 and a=bundle-only, Port is 9
	madeUpMID  bool // the text has no a=mid of its own
	fmtpFirst  bool // print format parameters before extensions
}

// RTCP is where somebody takes RTCP (RFC 3605). The zero value says nothing, which stands for the port behind that of RTP.
type RTCP struct {
	Port    int
	Address string // "" = that of RTP
}

// Rejected reports whether the section's port is 0.
func (s *Section) Rejected() bool { return s.Port == 0 }

// Origin is the o= line (RFC 8866, 5.2).
type Origin struct {
	Username  string
	SessionID uint64
	Version   uint64
	Net       string // "IN"
	Family    string // "IP4" or "IP6"
	Address   string
}

// Description is a session description.
type Description struct {
	Type     Type
	Origin   Origin
	Name     string // s= line
	Address  string // of a c= line for all sections, which have their own as well; "" prints none. Parse leaves it empty
	Sections []Section

	Bundle           []string // mids of the BUNDLE group (RFC 9143)
	ICELite          bool
	ICEOptions       string // session level only
	MSIDSemantic     string // "WMS *"
	ExtmapAllowMixed bool
	Attributes       []Attribute // other session attributes, in order

	anonymous bool // print no transport attributes
}
