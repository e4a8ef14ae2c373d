package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/api/plugin/sip"
	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// sipServer starts a server whose SIP is on a loopback address; more are further lines of its settings.
func sipServer(t *testing.T, more string) *server {
	t.Helper()
	folder := t.TempDir()
	text := "general: {\n local_ip = \"127.0.0.1\"\n" + more + "}\n"
	if err := os.WriteFile(filepath.Join(folder, sip.Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return testServer(t, func(c *config.Config) { c.Folder = folder })
}

// sipVoice is a voice that calls by SIP.
type sipVoice struct {
	*voice
	said *atomic.Int64 // packets
}

// speak says the tone until it is stopped.
func (v sipVoice) speak() (stop func()) {
	return steadily(v.t, func() { v.next(); v.said.Add(1) })
}

// saysMore waits until two more seconds were said.
func (v sipVoice) saysMore() {
	v.t.Helper()
	n := v.said.Load() + 100
	waittest.Until(v.t, "two more seconds are said", func() bool { return v.said.Load() >= n })
}

// talker makes one for a call by a handle, which hears a tone.
func talker(t *testing.T, h *handle, opus bool, hz, hears float64) sipVoice {
	t.Helper()
	v := &voice{pionPeer: newPionReceiver(t, h, webrtctest.Options{OnlyPCMU: !opus}), ear: newEar(t, hears), hz: hz}
	v.tone, v.step = pcmuTone(hz), 160
	track := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
	if opus {
		v.tone, v.step = opusTone(t, hz, 50), opusFrame
		track = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	}
	v.PC.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			v.packet(p)
		}
	})
	var err error
	v.track, err = webrtc.NewTrackLocalStaticRTP(track, "audio", "pion")
	v.Must(err)
	_, err = v.PC.AddTrack(v.track)
	v.Must(err)
	return sipVoice{v, new(atomic.Int64)}
}

// event waits for an event of the SIP plugin.
func (h *handle) event(name string) message {
	h.t.Helper()
	return h.await(name, func(m message) bool {
		r, _ := m.data()["result"].(map[string]any)
		if m.data()["error"] != nil {
			h.t.Fatalf("instead of %s: %v", name, m.data())
		}
		return r["event"] == name
	})
}

// dials calls somebody, who answers.
func (v sipVoice) dials(uri, srtp string) {
	v.t.Helper()
	v.Offer(nil)
	body := message{"request": "call", "uri": uri}
	if srtp != "" {
		body["srtp"] = srtp
	}
	v.h.message(body, v.jsep())
	v.Accept(v.h.event("accepted").sdp())
}

// answers accepts the call that comes.
func (v sipVoice) answers() {
	v.t.Helper()
	v.Answer(v.h.event("incomingcall").sdp())
	v.h.message(message{"request": "accept"}, v.jsep())
	v.h.event("accepted")
}

// awaitHold waits until a tone comes no more.
func (v sipVoice) awaitHold(hz float64) {
	v.t.Helper()
	last, since := -1, time.Now()
	waittest.Until(v.t, "the end of the tone", func() bool {
		n := v.of(hz).frames
		if n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// TestSIPPhones calls other programs' telephones by Kamailio, and is called by them: each side hears the other's tone, also
// after either has held the call.
func TestSIPPhones(t *testing.T) {
	const ours, theirs = 1100.0, 700.0
	waittest.NoLeaks(t)
	registrar, secure, certificates := siptest.FreePort(t), siptest.FreePort(t), siptest.NewCertificates(t)
	siptest.SecureKamailio(t, registrar, secure, certificates)
	s := sipServer(t, fmt.Sprintf("sips_certs_dir = %q\n", certificates.Dir))
	for i, test := range []struct {
		phone func(testing.TB, siptest.Line) siptest.Softphone
		line  siptest.Line
		music bool // for who is held: the same tone
	}{
		{siptest.Baresip, siptest.Line{User: "baresip", Transport: "udp"}, false},
		{siptest.Baresip, siptest.Line{User: "baresip", Transport: "tcp", SRTP: true, Opus: true}, false},
		{siptest.Baresip, siptest.Line{User: "baresip", Transport: "tls", SRTP: true}, false},
		{siptest.Linphone, siptest.Line{User: "linphone", Transport: "udp", SRTP: true}, true},
		{siptest.Linphone, siptest.Line{User: "linphone", Transport: "tls", SRTP: true, Opus: true}, true},
		{siptest.Linphone, siptest.Line{User: "linphone", Transport: "tcp", Opus: true}, true},
	} {
		line := test.line
		t.Run(fmt.Sprintf("%s/%s/srtp=%v/opus=%v", line.User, line.Transport, line.SRTP, line.Opus), func(t *testing.T) {
			t.Parallel()
			anna := fmt.Sprintf("sip:anna%d@%s", i, siptest.Realm)
			registrar := registrar
			if line.Transport == "tls" {
				siptest.NeedTLS(t)
				registrar, line.TLS = secure, certificates
			}
			line.Registrar, line.Hz, line.User = registrar, theirs, fmt.Sprint(line.User, i)
			phone := test.phone(t, line)
			h := dial(t, s).attach(sip.Package)
			h.message(message{"request": "register", "username": anna, "secret": siptest.Password,
				"proxy": "sip:" + line.Registrar + ";transport=" + line.Transport, "force_tcp": line.Transport == "tcp"}, nil)
			h.event("registered")
			srtp := map[bool]string{true: "sdes_mandatory"}[line.SRTP]
			v := talker(t, h, line.Opus, ours, theirs)
			v.dials("sip:"+line.User+"@"+siptest.Realm, srtp)
			v.awaitUp()
			stop := v.speak()
			v.awaitTone(t, theirs)
			v.saysMore()
			h.message(message{"request": "hold"}, nil)
			h.event("holding")
			v.awaitHold(theirs)
			h.message(message{"request": "unhold"}, nil)
			h.event("resuming")
			v.awaitTone(t, theirs)
			h.message(message{"request": "hangup"}, nil)
			h.event("hangup")
			stop()
			siptest.Awaits(t, phone, 1, 1)
			heard := 0
			hears := func() {
				t.Helper()
				before := heard
				waittest.Until(t, "our tone in what the telephone has recorded", func() bool {
					heard = siptest.Heard(phone, ours)
					return heard >= before+5
				})
			}
			hears()

			phone.Dial(anna)
			v = talker(t, h, line.Opus, ours, theirs)
			v.answers()
			v.AwaitConnected()
			stop = v.speak()
			v.awaitTone(t, theirs)
			v.saysMore()
			phone.Hold(true)
			if !test.music {
				v.awaitHold(theirs)
			}
			phone.Hold(false)
			v.awaitTone(t, theirs)
			phone.HangUp()
			h.event("hangup")
			stop()
			siptest.Awaits(t, phone, 2, 2)
			hears()
		})
	}
}
