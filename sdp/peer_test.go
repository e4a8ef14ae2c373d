package sdp

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

func newPeer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Error(err)
		}
	})
	return pc
}

func peerTransport() Transport {
	tr := testTransport
	tr.Fingerprint.Value = strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	tr.Candidates, tr.EndOfCandidates = nil, false
	return tr
}

// An independent WebRTC stack takes our offer, and we understand its answer.
func TestPeerAnswers(t *testing.T) {
	pc := newPeer(t)
	local := Offer(OfferOptions{Name: "x", Sections: []OfferSection{subAudio, subVideo, subData, subVideoOff}}).Complete(nil, nil)
	tr := peerTransport()
	tr.Setup = SetupActpass
	text := local.Marshal(tr, testSources, nil)
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	remote := mustParse(t, answer.SDP)
	if err := remote.Validate(true); err != nil {
		t.Fatal(err)
	}
	for i, want := range []Negotiated{
		{Kind: Audio, MID: "0", Direction: SendOnly}, {Kind: Video, MID: "1", Direction: SendOnly},
		{Kind: Application, MID: "2", Data: SCTPPort}, {Kind: Video, MID: "3", Direction: Inactive},
	} {
		n, ok := Negotiate(local, remote, i)
		if !ok || n.Kind != want.Kind || n.MID != want.MID || n.Data != want.Data || n.Kind != Application && n.Direction != want.Direction {
			t.Errorf("section %d: %+v", i, n)
		}
		if n.Kind == Video && (len(n.Codecs) != 1 || n.Codecs[0].ID() != VP8 || n.Codecs[0].RTX != 97) {
			t.Errorf("section %d: codecs %+v", i, n.Codecs)
		}
	}
}

// It also takes our answers to its offers.
func TestPeerOffers(t *testing.T) {
	pc := newPeer(t)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pc.CreateDataChannel("x", nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	remote := mustParse(t, offer.SDP)
	if err := remote.Validate(true); err != nil {
		t.Fatal(err)
	}
	local := Answer(remote.Anonymise(), echoOptions("", VP8)).Complete(remote, nil)
	tr := peerTransport()
	tr.Setup = remote.PeerTransport(nil).Setup.Answer()
	text := local.Marshal(tr, testSources, remote)
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if pc.SignalingState() != webrtc.SignalingStateStable {
		t.Errorf("state %v", pc.SignalingState())
	}
	if n, ok := Negotiate(local, remote, 1); !ok || n.Codecs[0].ID() != VP8 || n.Codecs[0].RTX == 0 || n.Direction != SendRecv {
		t.Errorf("video: %+v", n)
	}
}

func TestFirefox(t *testing.T) {
	offer := mustParse(t, readOffer(t, "firefox_simulcast"))
	text := print(t, Answer(offer.Anonymise(), echoOptions("", H264)), offer)
	for _, want := range []string{"o=- 3141592653589793238 0 IN IP4", "m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n", "a=fmtp:109 useinbandfec=1;stereo=1\r\n",
		"m=video 9 UDP/TLS/RTP/SAVPF 126 127\r\n", "a=extmap:6/sendonly " + URIPlayoutDelay + "\r\n",
		"a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n", "a=fmtp:127 apt=126\r\n",
		"a=rid:hi recv\r\na=rid:lo recv\r\na=simulcast:recv hi;lo\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
