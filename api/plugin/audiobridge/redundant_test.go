package audiobridge

import (
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
)

// redundant is redundant audio (RFC 2198) of Opus.
var redundant = webrtc.RTPCodecCapability{MimeType: "audio/red", ClockRate: 48000, Channels: 2, SDPFmtpLine: "111/111"}

// redEngine are the codecs of a client that prefers it.
func redEngine(t *testing.T) *webrtc.MediaEngine {
	t.Helper()
	var media webrtc.MediaEngine
	for _, c := range []webrtc.RTPCodecParameters{
		{PayloadType: 63, RTPCodecCapability: redundant},
		{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}},
	} {
		if err := media.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			t.Fatal(err)
		}
	}
	return &media
}

// TestRedundant: of a client that sends each packet twice, what is lost is heard all the same.
func TestRedundant(t *testing.T) {
	b := exchange(t, t.TempDir(), "room-1: { sampling_rate = 16000 }")
	const a, c = 400, 900
	v := newVoice(t, a)
	var before []byte
	ann := b.dial(1, 1, v, "", dialling{media: redEngine(t), codec: redundant, pack: func(n int, now []byte) []byte {
		var payload []byte
		if len(before) > 0 {
			payload = append(payload, 0x80|111, 960>>6, 960<<2&0xff|byte(len(before)>>8), byte(len(before)))
		}
		payload = append(payload, 111)
		payload = append(append(payload, before...), now...)
		if before = now; n%5 == 3 {
			return nil
		}
		return payload
	}})
	bob := b.phone(1, 2, c, "")
	bob.awaitTones("bob hears ann", []float64{a}, []float64{c})
	ann.awaitTones("ann hears bob", []float64{c}, []float64{a})
	waittest.Until(t, "what was lost is recovered", func() bool { return b.Engine().Mixing().Recovered > 20 })
}
