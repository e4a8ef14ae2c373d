package sfu

import (
	"crypto/tls"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/ice/turn"
	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/sfu/capture"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// Types of the packages below that users of the engine need, under names that
// name their package. Each is described there.
type (
	Candidate   = ice.Candidate
	Credentials = ice.Credentials
	ICEState    = ice.State

	DTLSRole     = dtls.Role
	Fingerprint  = dtls.Fingerprint
	Fingerprints = dtls.Fingerprints

	TURNServer    = turn.Server
	TURNTransport = turn.Transport

	// Parts of a Snapshot.
	Association     = peer.Association
	SectionSnapshot = peer.SectionSnapshot
	Received        = peer.Received
	Sent            = peer.Sent
	Traffic         = peer.Traffic
	DTLSState       = peer.DTLSState
	Stage           = peer.Stage
	Vitals          = peer.Vitals
	Line            = peer.Line
	LineReason      = bwe.Reason
	LineFeedback    = peer.LineFeedback
	Share           = peer.Share
	Time            = mono.Time

	Capture       = capture.File
	CaptureConfig = capture.Config
	CaptureFormat = capture.Format
	Captured      = media.Captured
	PacketClass   = bwe.Class
)

// Their values.
const (
	ICENew          = ice.New
	ICEChecking     = ice.Checking
	ICEConnected    = ice.Connected
	ICECompleted    = ice.Completed
	ICEDisconnected = ice.Disconnected
	ICEFailed       = ice.Failed
	Relayed         = ice.Relayed

	DTLSClient     = dtls.Client
	DTLSServer     = dtls.Server
	DTLSNew        = peer.DTLSNew
	DTLSConnecting = peer.DTLSConnecting
	DTLSConnected  = peer.DTLSConnected
	DTLSFailed     = peer.DTLSFailed

	TURNUDP = turn.UDP
	TURNTCP = turn.TCP
	TURNTLS = turn.TLS

	StageICE  = peer.StageICE
	StageDTLS = peer.StageDTLS
	StageUp   = peer.StageUp
	StageLost = peer.StageLost

	FeedbackNone      = peer.FeedbackNone
	FeedbackTransport = peer.FeedbackTransport
	FeedbackREMB      = peer.FeedbackREMB

	LineStarting   = bwe.Starting
	LineGrowing    = bwe.Growing
	LineDelay      = bwe.Delay
	LineLoss       = bwe.Loss
	LineAppLimited = bwe.AppLimited
	LineProbing    = bwe.Probing
	LineNoFeedback = bwe.NoFeedback
	LineLimit      = bwe.Limit

	CapturePCAP = capture.PCAP
	CaptureText = capture.Text
	CaptureRows = capture.Rows

	ClassAudio          = bwe.Audio
	ClassVideo          = bwe.Video
	ClassRetransmission = bwe.Retransmission
	ClassPadding        = bwe.Padding
)

// ParseCandidate reads a candidate attribute (RFC 8839, 5.1).
func ParseCandidate(s string) (Candidate, error) { return ice.ParseCandidate(s) }

// CandidateUfrag is the user fragment that a candidate attribute says it belongs
// to, "" if it does not (RFC 8840, 4.3).
func CandidateUfrag(s string) string { return ice.CandidateUfrag(s) }

// LoadKeyPair reads a certificate chain and its private key, as those of the engine
// are read.
func LoadKeyPair(certFile, keyFile, password string) (tls.Certificate, error) {
	return dtls.LoadKeyPair(certFile, keyFile, password)
}

// OpenCapture opens or creates a file and starts writing.
func OpenCapture(cfg CaptureConfig) (*Capture, error) { return capture.Open(cfg) }
