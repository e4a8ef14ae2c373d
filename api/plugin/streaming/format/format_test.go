package format

import (
	"strings"
	"testing"

	"bifrons/sdp"
	"bifrons/sfu/media"
)

// A stream is offered with the clock and the channels of its rtpmap, or not at all;
// what the engine has of it has its clock in any case.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		rtpmap, id, offered string // "" = no format, or not offered
		kind                sdp.Kind
		clock               uint32
	}{
		{"opus/48000/2", sdp.Opus, "opus/48000/2", sdp.Audio, 48000},
		{" OPUS/48000/1 ", sdp.Opus, "opus/48000/2", sdp.Audio, 48000}, // says nothing of the stream (RFC 7587, 7)
		{"multiopus/48000/8", sdp.Multiopus, "multiopus/48000/8", sdp.Audio, 48000},
		{"L16/16000", sdp.L16at16, "L16/16000", sdp.Audio, 16000},
		{"L16/44100", "", "", sdp.Audio, 44100},
		{"PCMA/16000/2", "", "", sdp.Audio, 16000},
		{"vp9", sdp.VP9, "VP9/90000", sdp.Video, 90000},
		{"H264/48000", "", "", sdp.Video, 48000},
	} {
		f, ok := Parse(tt.rtpmap)
		if !ok || f.ID != tt.id || f.ID != "" && f.RTPMap() != tt.offered || !f.Fits(tt.kind) {
			t.Errorf("%s: %+v, %v", tt.rtpmap, f, ok)
		}
		if f.Fits(sdp.Audio) && f.Fits(sdp.Video) != (f.ID == "") {
			t.Errorf("%s fits both kinds", tt.rtpmap)
		}
		if c := f.Media(tt.kind); c.ClockRate != tt.clock || (c.Name == media.ParseCodecName("")) != (f.ID == "") {
			t.Errorf("%s: the engine has %+v", tt.rtpmap, c)
		}
	}
	for _, rtpmap := range []string{"", "/8000", "speex/16000", "telephone-event/8000", "dtmf", "red/48000"} {
		if f, ok := Parse(rtpmap); ok {
			t.Errorf("%q: %+v", rtpmap, f)
		}
	}
}

func TestNamed(t *testing.T) {
	for name, id := range map[string]string{"OPUS": sdp.Opus, "red": "", "l16-48": sdp.L16at48} {
		if f, ok := Named(name); !ok || f.ID != id {
			t.Errorf("%s: %+v, %v", name, f, ok)
		}
	}
	for _, name := range []string{"", "dtmf", "smoke"} {
		if _, ok := Named(name); ok {
			t.Errorf("%q is a format", name)
		}
	}
}

// A client's section suits a stream if it has as many channels, where they are said.
func TestSuits(t *testing.T) {
	offer := sdp.Offer(sdp.OfferOptions{Sections: []sdp.OfferSection{{Kind: sdp.Audio, MID: "0", Codec: sdp.Multiopus, Channels: 8}}})
	eight, _ := Parse("multiopus/48000/8")
	six, _ := Parse("multiopus/48000/6")
	unsaid, _ := Named(sdp.Multiopus)
	opus, _ := Named(sdp.Opus)
	for f, want := range map[*Format]bool{&eight: true, &six: false, &unsaid: true, &opus: false} {
		if got := f.Suits(&offer.Sections[0]); got != want {
			t.Errorf("%+v suits: %v", f, got)
		}
	}
}

func TestValidFmtp(t *testing.T) {
	for fmtp, want := range map[string]bool{"": true, "a=b;c=d": true, "a\r\nb": false, strings.Repeat("x", 4097): false} {
		if ValidFmtp(fmtp) != want {
			t.Errorf("%.20q", fmtp)
		}
	}
}
