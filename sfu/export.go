package sfu

import (
	"crypto/tls"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/ice/turn"
	"bifrons/rtp/mono"
	"bifrons/sfu/capture"
	"bifrons/sfu/peer"
)

// What those above the engine need of the packages below it, under names that
// say what it is of.

// ICE: see package ice.
type (
	Candidate   = ice.Candidate
	Credentials = ice.Credentials
	ICEState    = ice.State
)

// States of ICE, and the type of candidates that a relay made.
const (
	ICENew          = ice.New
	ICEChecking     = ice.Checking
	ICEConnected    = ice.Connected
	ICECompleted    = ice.Completed
	ICEDisconnected = ice.Disconnected
	ICEFailed       = ice.Failed

	Relayed = ice.Relayed
)

// ParseCandidate reads a candidate attribute (RFC 8839, 5.1).
func ParseCandidate(s string) (Candidate, error) { return ice.ParseCandidate(s) }

// CandidateUfrag is the user fragment that a candidate attribute says it belongs
// to, "" if it does not (RFC 8840, 4.3).
func CandidateUfrag(s string) string { return ice.CandidateUfrag(s) }

// DTLS: see package dtls.
type (
	DTLSRole     = dtls.Role
	Fingerprint  = dtls.Fingerprint
	Fingerprints = dtls.Fingerprints
)

// The roles in the handshake.
const (
	DTLSClient = dtls.Client
	DTLSServer = dtls.Server
)

// LoadKeyPair reads a certificate chain and its private key, as those of the engine
// are read.
func LoadKeyPair(certFile, keyFile, password string) (tls.Certificate, error) {
	return dtls.LoadKeyPair(certFile, keyFile, password)
}

// TURN: see package turn.
type (
	TURNServer    = turn.Server
	TURNTransport = turn.Transport
)

// How a TURN server is reached.
const (
	TURNUDP = turn.UDP
	TURNTCP = turn.TCP
	TURNTLS = turn.TLS
)

// Parts of a Snapshot: see package peer.
type (
	Association     = peer.Association
	SectionSnapshot = peer.Section
	Received        = peer.Received
	Sent            = peer.Sent
	Traffic         = peer.Traffic
	DTLSState       = peer.DTLSState
	Stage           = peer.Stage
	Time            = mono.Time
)

// States of a DTLS association.
const (
	DTLSNew        = peer.DTLSNew
	DTLSConnecting = peer.DTLSConnecting
	DTLSConnected  = peer.DTLSConnected
	DTLSFailed     = peer.DTLSFailed
)

// Captures: see package capture.
type (
	Capture       = capture.File
	CaptureConfig = capture.Config
	CaptureFormat = capture.Format
)

// The formats of captures.
const (
	CapturePCAP = capture.PCAP
	CaptureText = capture.Text
)

// OpenCapture opens or creates a file and starts writing.
func OpenCapture(cfg CaptureConfig) (*Capture, error) { return capture.Open(cfg) }
