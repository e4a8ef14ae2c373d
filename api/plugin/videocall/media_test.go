package videocall

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// simulcastOffer is an offer of one video in three encodings.
func simulcastOffer() *plugin.JSEP {
	j := plugintest.MakeOffer(
		sdp.OfferSection{Kind: sdp.Audio, MID: "a", Direction: sdp.SendRecv, Codec: sdp.Opus, RED: 63},
		sdp.OfferSection{Kind: sdp.Video, MID: "v", Direction: sdp.SendRecv, Codec: sdp.VP8, Extensions: []sdp.Extension{
			{URI: sdp.URIMID}, {URI: sdp.URIRID, ID: 10}, {URI: sdp.URIRepairedRID, ID: 11}}})
	j.Simulcast = []plugin.Simulcast{{Index: 1, MID: "v", RIDs: []string{"h", "m", "l"}, RIDID: 10}}
	return j
}

// TestLayers: the callee is told which encoding it gets of the caller's, and chooses.
func TestLayers(t *testing.T) {
	o := newService(t)
	alice, bob := o.user("alice"), o.user("bob")
	alice.Send(`{"request":"call","username":"bob"}`, simulcastOffer())
	redundant := bob.Offer().SDP.Sections[0].Codecs
	a := answer(bob)
	a.SDP.Sections[0].Codecs = redundant
	a.SDP.Sections[1].Extensions = nil // what a browser does, as it is offered no RIDs
	bob.Send(`{"request":"accept"}`, a)
	bob.Events()
	got := alice.AwaitText(accepted).JSEP.SDP.Sections[1]
	if got.ExtensionID(sdp.URIRID) != 10 || got.ExtensionID(sdp.URIRepairedRID) != 11 {
		t.Errorf("the caller is told %v", got.Extensions)
	}
	layer := func(substream, temporal int8) sfu.Event {
		return sfu.Event{Kind: sfu.EventLayer, Section: 1, Layer: media.Layer{Encoding: substream, Spatial: -1, Temporal: temporal}}
	}
	is := func(field string) string { return told(`"event":"simulcast","videocodec":"vp8",` + field) }
	bob.Pass(layer(0, -1))
	hears(t, bob, is(`"substream":0`))
	bob.Pass(layer(2, 1))
	hears(t, bob, is(`"substream":2`), is(`"temporal":1`))
	bob.Pass(layer(2, 1))
	bob.Pass(sfu.Event{Kind: sfu.EventLayer, Section: 0, Layer: media.Layer{Encoding: 1}})
	hears(t, bob)
	alice.Pass(layer(1, 1)) // she gets one encoding anyway
	hears(t, alice)
	expect(t, bob, `{"request":"set","substream":2,"temporal":0,"fallback":5}`, nil, is(`"substream":2`)+"\n"+reply(`"event":"set"`))
	expect(t, alice, `{"request":"set","substream":2}`, nil, reply(`"event":"set"`))

	if got := bob.Query(); !strings.Contains(got, `"audio_codec":"opus","audio_red":true,"video_codec":"vp8","bitrate":0,"peer-bitrate":0,`+
		`"slowlink_count":0,"simulcast-peer":true,"substream":2,"substream-target":2,"temporal-layer":1,"temporal-layer-target":0,"fallback":5,`) {
		t.Error(got)
	}
	if got := alice.Query(); !strings.Contains(got, `"slowlink_count":0,"simulcast":true,"incall":1`) {
		t.Error(got)
	}
}

// TestDescriptor: where VP8 or H.264 comes with a dependency descriptor, browsers leave the
// temporal layer out of the payload, by which it is chosen.
func TestDescriptor(t *testing.T) {
	for codec, kept := range map[string]bool{sdp.VP8: false, sdp.H264: false, sdp.VP9: true, sdp.AV1: true} {
		for _, several := range []bool{true, false} {
			o := newService(t)
			alice, bob := o.user("alice"), o.user("bob")
			j := plugintest.MakeOffer(sdp.OfferSection{Kind: sdp.Video, MID: "v", Direction: sdp.SendRecv, Codec: codec,
				Extensions: []sdp.Extension{{URI: sdp.URIMID}, {URI: sdp.URIRID, ID: 10}, {URI: sdp.URIDependencyDescriptor, ID: 12}}})
			if several {
				j.Simulcast = []plugin.Simulcast{{MID: "v", RIDs: []string{"h", "l"}, RIDID: 10}}
			}
			alice.Send(`{"request":"call","username":"bob"}`, j)
			a := answer(bob)
			a.SDP.Sections[0].Extensions = []sdp.Extension{{ID: 4, URI: sdp.URIMID}, {ID: 12, URI: sdp.URIDependencyDescriptor}}
			bob.Send(`{"request":"accept"}`, a)
			got := alice.AwaitText(accepted).JSEP.SDP.Sections[0].ExtensionID(sdp.URIDependencyDescriptor) != 0
			if got != (kept || !several) {
				t.Errorf("%s, several encodings %v: descriptor %v", codec, several, got)
			}
		}
	}
}

// TestCalleeSimulcast: what the callee offers of several encodings is not taken.
func TestCalleeSimulcast(t *testing.T) {
	o := newService(t)
	alice, bob := o.talk("alice", "bob")
	j := simulcastOffer()
	j.Update = true
	bob.Send(`{"request":"set"}`, j)
	a := answer(alice)
	a.Update = true
	alice.Send(`{"request":"set"}`, a)
	alice.Pass(sfu.Event{Kind: sfu.EventLayer, Section: 1, Layer: media.Layer{Encoding: 1, Temporal: 1}})
	for _, e := range alice.Events() {
		if strings.Contains(e.String(), "simulcast") {
			t.Error(e)
		}
	}
}

// TestSlowLink: a client is told when what it sends gets lost.
func TestSlowLink(t *testing.T) {
	o := newService(t)
	alice, _ := o.talk("alice", "bob")
	alice.Send(`{"request":"set","bitrate":5}`, nil)
	alice.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 1, Lost: 9})
	alice.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 0, Lost: 9})
	alice.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 0, Lost: 9, Uplink: true})
	alice.Pass(sfu.Event{Kind: sfu.EventBitrate, Bitrate: 77})
	hears(t, alice, told(`"event":"slow_link","media":"video","current-bitrate":5`), told(`"event":"slow_link","media":"audio"`))
	want := `{"state":"incall","username":"alice","peer":"bob","audio_active":true,"video_active":true,"audio_codec":"opus",` +
		`"video_codec":"vp8","bitrate":5,"peer-bitrate":77,"slowlink_count":3,"incall":1,"hangingup":0,"destroyed":0}`
	if got := alice.Query(); got != want {
		t.Errorf("got %s", got)
	}
	alice.Hangup()
	alice.Settle()
	want = `{"state":"idle","username":"alice","incall":0,"hangingup":0,"destroyed":0}`
	if got := alice.Query(); got != want {
		t.Errorf("got %s", got)
	}
}

// TestEncrypted: who encrypts media end to end, the other side is told so.
func TestEncrypted(t *testing.T) {
	o := newService(t)
	alice, bob := o.user("alice"), o.user("bob")
	j := offer()
	j.E2EE = true
	alice.Send(`{"request":"call","username":"bob"}`, j)
	hears(t, bob, told(`"event":"incomingcall","username":"alice"`)+" offer"+offered+" e2ee")
	a := answer(bob)
	a.E2EE = true
	bob.Send(`{"request":"accept"}`, a)
	hears(t, alice, told(`"event":"accepted","username":"bob"`)+" answer"+offered+" e2ee")
	if got := bob.Query(); !strings.Contains(got, `"incall":1,"e2ee":true`) {
		t.Error(got)
	}
	again := offer()
	again.E2EE, again.Update = true, true
	alice.Send(`{"request":"set","restart":true}`, again)
	bob.Settle()
	bob.AwaitText(told(`"event":"update"`) + " offer" + offered + " restart")
}

// recvRIDs are lines of an answer that pion takes for what the answerer sends.
var recvRIDs = regexp.MustCompile(`a=(rid|simulcast):.*\r\n`)

// TestSimulcastCall: the callee gets one of three encodings, the one that it wants.
func TestSimulcastCall(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	alice.PlugIn()
	pc := alice.PC
	voices := map[string]func(n uint16){}
	var sender *webrtc.RTPSender
	ids := map[string]map[uint8]string{}
	for _, rid := range []string{"h", "m", "l"} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "alice",
			webrtc.WithRTPStreamID(rid))
		alice.Must(err)
		if sender == nil {
			sender, err = pc.AddTrack(track)
		} else {
			err = sender.AddEncoding(track)
		}
		alice.Must(err)
		ids[rid] = map[uint8]string{}
		voices[rid] = plugintest.Packets(track, "alice "+rid, ids[rid])
	}
	alice.is(alice.Ask(`{"request":"call","username":"bob"}`, alice.Offer()), reply(`"event":"calling"`))
	bob.plugIn()
	bob.is(bob.Ask(`{"request":"accept"}`, bob.answer(bob.AwaitText("incomingcall"))), reply(`"event":"accepted"`))
	e := alice.AwaitText(`"event":"accepted"`)
	if !strings.Contains(e.SDP, "a=simulcast:recv h;m;l") {
		t.Fatalf("no simulcast in\n%s", e.SDP)
	}
	e.SDP = recvRIDs.ReplaceAllString(e.SDP, "")
	alice.take(e)
	for _, ext := range sender.GetParameters().HeaderExtensions {
		for rid := range ids {
			switch ext.URI {
			case sdp.URIMID:
				ids[rid][uint8(ext.ID)] = "0"
			case sdp.URIRID:
				ids[rid][uint8(ext.ID)] = rid
			}
		}
	}
	n := uint16(0)
	send := func() {
		n++
		for _, voice := range voices {
			voice(n)
		}
	}
	waittest.Until(t, "Bob gets the highest encoding", func() bool { send(); return bob.Heard("alice h") > 5 })
	bob.AwaitText(`"event":"simulcast","videocodec":"vp8","substream":2`)
	bob.Ask(`{"request":"set","substream":0}`, nil)
	waittest.Until(t, "Bob gets the lowest encoding", func() bool { send(); return bob.Heard("alice l") > 5 })
	bob.AwaitText(`"event":"simulcast","videocodec":"vp8","substream":0`)
	// A pause of this machine's looks as if an encoding had ended, and another one steps in for it.
	others, since := -1, 0
	waittest.Until(t, "Bob gets nothing else", func() bool {
		send()
		low := bob.Heard("alice l")
		if n := bob.Heard("alice h") + bob.Heard("alice m"); n != others {
			others, since = n, low
		}
		return low > since+15
	})
}
