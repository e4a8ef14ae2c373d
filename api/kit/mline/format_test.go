package mline

import (
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// What one client's offer is answered with is offered to others.
func TestFormat(t *testing.T) {
	offer, err := sdp.Parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1;useinbandfec=1\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 120\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:120 multiopus/48000/6\r\na=fmtp:120 channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 99\r\nc=IN IP4 0.0.0.0\r\na=mid:4\r\na=rtpmap:99 theora/90000\r\n")
	if err != nil {
		t.Fatal(err)
	}
	j := &plugin.JSEP{SDP: offer, Simulcast: []plugin.Simulcast{{Index: 3}}, SVC: []plugin.SVC{{Index: 2}}}
	answer := sdp.Answer(offer, sdp.AnswerOptions{Choose: func(int, *sdp.Section) sdp.SectionChoice {
		return sdp.SectionChoice{NoSend: true, AudioParams: []string{"useinbandfec=1", "stereo=1"}}
	}})
	for section, want := range []struct {
		shown, brief, fmtp string
		channels           int
	}{
		{`{"codec":"opus","stereo":true,"fec":true}`, `{"codec":"opus"}`, "useinbandfec=1;stereo=1", 0},
		{`{"codec":"multiopus"}`, `{"codec":"multiopus"}`, "channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2", 6},
		{`{"codec":"vp9","vp9_profile":"2","svc":true}`, `{"codec":"vp9","vp9-profile":"2"}`, "", 0},
		{`{"codec":"h264","h264_profile":"42e01f","simulcast":true}`, `{"codec":"h264","h264-profile":"42e01f"}`, "", 0},
	} {
		f, ok := Agreed(answer, j, section)
		if !ok {
			t.Fatalf("section %d: nothing was agreed on", section)
		}
		if got := written(f.Write); got != want.shown {
			t.Errorf("section %d: got %s, want %s", section, got, want.shown)
		}
		if got := written(f.WriteCodec); got != want.brief {
			t.Errorf("section %d: got %s, want %s", section, got, want.brief)
		}
		var o sdp.OfferSection
		OfferCodec(&o, f.Codec, f.Profile())
		f.OfferParameters(&o)
		if o.Codec != f.Codec || o.Fmtp != want.fmtp || o.Channels != want.channels {
			t.Errorf("section %d: offered as %+v", section, o)
		}
	}
	if _, ok := Agreed(answer, j, 4); ok {
		t.Error("a codec that nobody knows was agreed on")
	}
	var o sdp.OfferSection
	if OfferCodec(&o, sdp.RED, ""); o.Codec != sdp.Opus || o.RED == 0 {
		t.Errorf("red is offered as %+v", o)
	}
	f := NewFormat("vp8", new(sdp.Codec))
	f.Layering = SVC
	if got := written(func(w *json.Writer) { f.WriteLayering(w) }); got != `{"svc":true}` {
		t.Errorf("got %s", got)
	}
}
