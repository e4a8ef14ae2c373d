package gateway

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// What is wrong with a description of the far end's has a code of its own, and changes nothing.
func TestRemoteErrors(t *testing.T) {
	c := newConfig(t)
	with := func(old, new string) string { return strings.ReplaceAll(farEnd("RTP/AVP"), old, new) }
	for _, tt := range []struct {
		name, text string
		code       int
		words      string
	}{
		{"no SDP", "hello", testCodes.BadSDP, "Error parsing SDP: Invalid SDP (doesn't start with v=)"},
		{"empty", "", testCodes.BadSDP, "Error parsing SDP"},
		{"only video that cannot be had", with("m=audio 41000 RTP/AVP", "m=video 41000 UDP/TLS/RTP/SAVPF"), testCodes.NoMedia, "no audio and no video"},
		{"a rejected section", with("41000", "0"), testCodes.NoMedia, "no audio and no video"},
		{"no address", with("c=IN IP4 192.0.2.1\r\n", ""), testCodes.NoMedia, "no address for the audio"},
		{"an address that is none", with("IP4 192.0.2.1\r\nt", "IP4 ?\r\nt"), testCodes.NoMedia, "no address for the audio"},
		{"multicast", with("IP4 192.0.2.1\r\nt", "IP4 224.2.1.1/127\r\nt"), testCodes.NoMedia, "not the address of one host"},
		{"broadcast", with("IP4 192.0.2.1\r\nt", "IP4 255.255.255.255\r\nt"), testCodes.NoMedia, "not the address of one host"},
	} {
		l := newLeg(t, c)
		check := func(what string, err *schema.Error) {
			t.Helper()
			if err == nil || err.Code != tt.code || !strings.Contains(err.Text, tt.words) {
				t.Errorf("%s, %s: %v", what, tt.name, err)
			}
		}
		_, err := l.TakeOffer(tt.text, SRTP{})
		check("offer", err)
		if waits, _ := l.Waiting(); waits || l.Running() || l.Secrecy().Known {
			t.Errorf("%s has an effect", tt.name)
		}
		ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{}))
		_, err = l.TakeAnswer(tt.text, SRTP{})
		check("answer", err)
		if l.Running() {
			t.Errorf("%s has an effect", tt.name)
		}
		ok[*Remote](t)(l.TakeAnswer(farEnd("RTP/AVP"), SRTP{}))
	}
}

// Answers need offers.
func TestStateErrors(t *testing.T) {
	l := newLeg(t, newConfig(t))
	answer := browser(t, sdp.TypeAnswer, audioOnly)
	wrong := func(what string, err *schema.Error) {
		t.Helper()
		if err == nil || err.Code != testCodes.State {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := l.TakeAnswer(farEnd("RTP/AVP"), SRTP{})
	wrong("an answer to nothing", err)
	_, err = l.Answer(answer, SRTP{})
	wrong("an answer of the client's to nothing", err)
	ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{}))
	_, err = l.Answer(answer, SRTP{})
	wrong("an answer of the client's to its own offer", err)
	ok[*Remote](t)(l.TakeOffer(farEnd("RTP/AVP"), SRTP{}))
	_, err = l.TakeAnswer(farEnd("RTP/AVP"), SRTP{})
	wrong("an answer of the far end's to its own offer", err)
	ok[string](t)(l.Answer(answer, SRTP{}))
	_, err = l.Answer(answer, SRTP{})
	wrong("a second answer", err)
}

// Media is not sent to ports of this server that have other media, but to legs of calls on it.
func TestOwnPorts(t *testing.T) {
	c := newConfig(t)
	c.SDPAddr = netip.Addr{}
	l, far := newLeg(t, c), newLeg(t, c)
	text := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioOnly), SRTP{}))
	ok[*Remote](t)(far.TakeOffer(text, SRTP{}))

	receiver := plainReceiver(t, c)
	denied := func(what, text string) {
		t.Helper()
		_, err := newLeg(t, c).TakeOffer(text, SRTP{})
		if err == nil || err.Code != testCodes.NoMedia || !strings.Contains(err.Text, "a port of this server") {
			t.Errorf("%s to a port of other media: %v", what, err)
		}
	}
	denied("RTP", strings.NewReplacer("192.0.2.1", "127.0.0.1", "41000", receiver).Replace(farEnd("RTP/AVP")))
	denied("RTCP", farEnd("RTP/AVP", "a=rtcp:"+receiver+" IN IP4 127.0.0.1"))
}

// RTCP goes where the far end says (RFC 3605), if that is sense.
func TestRTCPAddress(t *testing.T) {
	l := newLeg(t, newConfig(t))
	for _, x := range []struct{ line, want string }{
		{"a=rtcp:42000", "192.0.2.1:42000"},
		{"a=rtcp:42000 IN IP4 192.0.2.7", "192.0.2.7:42000"},
		{"a=rtcp:42000 IN IP6 2001:db8::1", "[2001:db8::1]:42000"},
		{"a=rtcp:42000 IN IP4 localhost", "127.0.0.1:42000"},
		{"a=rtcp:41001", ""}, {"a=rtcp:42000 IN IP4 0.0.0.0", ""}, {"a=rtcp:0", ""}, {"a=rtcp:", ""}, {"a=rtcp:x", ""}, {"a=rtcp:70000", ""},
		{"a=rtcp:42000 IN IP4", ""}, {"a=rtcp:42000 X IP4 192.0.2.7", ""},
	} {
		ok[*Remote](t)(l.TakeOffer(farEnd("RTP/AVP", x.line), SRTP{}))
		to, got := l.offer.to[sdp.Audio], ""
		if to.rtcp.IsValid() {
			got = to.rtcp.String()
		}
		if got != x.want || to.rtp != netip.MustParseAddrPort("192.0.2.1:41000") {
			t.Errorf("%s: %+v", x.line, to)
		}
	}
	for _, line := range []string{"a=rtcp:42000 IN IP4 239.1.1.1/5", "a=rtcp:42000 IN IP4 -"} {
		if _, err := l.TakeOffer(farEnd("RTP/AVP", line), SRTP{}); err == nil || err.Code != testCodes.NoMedia {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// plainReceiver is a port of the server for other media.
func plainReceiver(t *testing.T, c *Config) string {
	t.Helper()
	s, err := c.Engine().NewSource(sfu.SourceConfig{Tracks: []sfu.TrackConfig{{Kind: media.Audio}}}, &listener{leg: &Leg{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	port, err := s.ListenRTP(sfu.Bind{Addr: c.Addr}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(port))
}

// A description may name a host.
func TestHostName(t *testing.T) {
	l := newLeg(t, newConfig(t))
	ok[*Remote](t)(l.TakeOffer(strings.ReplaceAll(farEnd("RTP/AVP"), "IP4 192.0.2.1\r\nt", "IP4 localhost\r\nt"), SRTP{}))
	if to := l.offer.to[sdp.Audio].rtp; !to.Addr().IsLoopback() || to.Port() != 41000 {
		t.Errorf("the far end is at %s", to)
	}
}

// No ports are an error that leaves none open.
func TestNoPorts(t *testing.T) {
	c := newConfig(t)
	c.Ports = config.PortRange{Min: 40001, Max: 40002}
	l := newLeg(t, c)
	_, err := l.Offer(browser(t, sdp.TypeOffer, chrome), SRTP{})
	if err == nil || err.Code != testCodes.IO || l.Secrecy().Known {
		t.Errorf("error %v", err)
	}
	ok[*Remote](t)(l.TakeOffer(farEnd("RTP/AVP"), SRTP{}))
	if _, err := l.Answer(browser(t, sdp.TypeAnswer, audioOnly), SRTP{}); err == nil || err.Code != testCodes.IO {
		t.Errorf("error %v", err)
	}
	if waits, _ := l.Waiting(); !waits {
		t.Error("the offer cannot be answered any more")
	}
}

// What a client's description may not have.
func TestCheckBrowser(t *testing.T) {
	data := plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Application})
	audio := plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Audio, Codec: sdp.Opus})
	for _, tt := range []struct {
		j    *plugin.JSEP
		code int
	}{{nil, testCodes.BadSDP}, {data, testCodes.BadSDP}, {&plugin.JSEP{SDP: audio.SDP, E2EE: true}, testCodes.Invalid}, {audio, 0}} {
		err := testCodes.CheckBrowser(tt.j)
		if err == nil && tt.code != 0 || err != nil && err.Code != tt.code {
			t.Errorf("error %v, want %d", err, tt.code)
		}
	}
}
