package webrtctest

import "github.com/pion/webrtc/v4"

// registerCodecs makes a pion peer know pion's codecs, or without RTX just two.
func registerCodecs(m *webrtc.MediaEngine, rtx bool) error {
	if rtx {
		return m.RegisterDefaultCodecs()
	}
	opus := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
		PayloadType:        111,
	}
	if err := m.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return err
	}
	return m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: 90000,
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}},
		},
		PayloadType: VP8Payload,
	}, webrtc.RTPCodecTypeVideo)
}
