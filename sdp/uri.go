package sdp

// URIs of RTP header extensions (RFC 8285).
const (
	URIAudioLevel           = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	URIAbsSendTime          = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	URITransportCC          = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	URIMID                  = "urn:ietf:params:rtp-hdrext:sdes:mid"
	URIRID                  = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
	URIRepairedRID          = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
	URIAbsCaptureTime       = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	URIPlayoutDelay         = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	URIVideoOrientation     = "urn:3gpp:video-orientation"
	URITransmissionOffset   = "urn:ietf:params:rtp-hdrext:toffset"
	URIDependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	URIVideoLayers          = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
	uriEncrypted            = "urn:ietf:params:rtp-hdrext:encrypt" // RFC 6904
)

// RTCP feedback types (RFC 4585, RFC 5104).
const (
	FeedbackFIR         = "ccm fir"
	FeedbackNACK        = "nack"
	FeedbackPLI         = "nack pli"
	FeedbackREMB        = "goog-remb"
	FeedbackTransportCC = "transport-cc"
)

// videoFeedback is the feedback of every video codec, besides transport-cc.
var videoFeedback = []string{FeedbackFIR, FeedbackNACK, FeedbackPLI, FeedbackREMB}

// DefaultExtensionID is the id that our own offers give to an extension, 0 if
// there is none and the caller has to choose one.
func DefaultExtensionID(uri string) uint8 {
	switch uri {
	case URIAudioLevel:
		return 1
	case URIAbsSendTime:
		return 2
	case URITransportCC:
		return 3
	case URIMID:
		return 4
	case URIRID:
		return 5
	case URIRepairedRID:
		return 6
	case URIAbsCaptureTime:
		return 7
	case URIPlayoutDelay:
		return 12
	case URIVideoOrientation:
		return 13
	case URITransmissionOffset:
		return 14
	}
	return 0
}
