package sip

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"bifrons/api/plugin/plugintest"
	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// pace is that of media in tests.
var pace = webrtctest.Pace{Packets: 2, Every: waittest.Patience / 2000}

// browser is a client with audio and video, and its account.
type browser struct {
	*plugintest.Client
	peer *webrtctest.Peer
}

func (x *exchange) browser(name string) *browser {
	x.t.Helper()
	b := &browser{x.Connect(plugintest.Options{}), webrtctest.NewPeer(x.t, webrtctest.Options{})}
	x.enrol(b.Client, name)
	return b
}

// calls has the browser call a phone, and returns the INVITE.
func (x *exchange) calls(b *browser, p *siptest.Phone) siptest.Message {
	x.t.Helper()
	b.Ask(`{"request":"call","uri":"sip:phone@`+p.Addr+`"}`, b.Remote("offer", b.peer.Offer(nil)))
	return p.Next("INVITE")
}

// phone is a telephone that calls the plugin's accounts.
func (x *exchange) phone() *siptest.Phone {
	x.t.Helper()
	p := siptest.Listen(x.t)
	x.plugin.opening.Lock()
	defer x.plugin.opening.Unlock()
	p.To = x.plugin.endpoint.Addrs()[0]
	return p
}

// media is a description as a phone reads it.
func media(t testing.TB, text string) *sdp.Description {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d
}

// describe is a phone's description in plain RTP with the first codec of each kind.
func describe(offer *sdp.Description, audio, video int) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "v=0\r\no=phone %d 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n", audio)
	for i := range offer.Sections {
		s := &offer.Sections[i]
		port := map[sdp.Kind]int{sdp.Audio: audio, sdp.Video: video}[s.Kind]
		fmt.Fprintf(b, "m=%s %d RTP/AVP %d\r\na=rtpmap:%d %s/%d", s.Kind, port, s.Codecs[0].PT, s.Codecs[0].PT, s.Codecs[0].Name, s.Codecs[0].Clock)
		if s.Kind == sdp.Audio && s.Codecs[0].Channels > 1 {
			fmt.Fprintf(b, "/%d", s.Codecs[0].Channels)
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// A call goes to two phones. Media comes early from the one, and the other one answers: media moves there, of which the client
// hears nothing, and the first one is left.
func TestForks(t *testing.T) {
	x := newExchange(t)
	alice := x.browser("alice")
	p := x.phone()
	m := x.calls(alice, p)
	offer := media(t, m.Body)
	pt, port := offer.Sections[0].Codecs[0].PT, offer.Sections[0].Port
	one, two, video := webrtctest.NewPlain(t), webrtctest.NewPlain(t), webrtctest.NewPlain(t).Port
	contact := func(tag string) string { p.Tag = tag; return "Contact: <sip:" + tag + "@" + p.Addr + ">" }
	p.Reply(m, "183 Session Progress", append([]string{contact("one")}, siptest.SDP(describe(offer, one.Port, video))...)...)
	alice.peer.Accept(alice.AwaitText(`"progress"`).SDP)
	alice.peer.AwaitConnected()
	defer alice.peer.KeepPlaying(pace)()
	defer one.KeepSending(port, pt, pace.Every)()
	alice.peer.Heard.AwaitMore(t, "the first phone's early media")
	one.Heard.AwaitMore(t, "alice's voice at the first phone")

	p.Reply(m, "183 Session Progress", append([]string{contact("two")}, siptest.SDP(describe(offer, two.Port, video))...)...)
	p.Reply(m, "200 OK", append([]string{contact("two")}, siptest.SDP(describe(offer, two.Port, video))...)...)
	p.Next("ACK sip:two@")
	if e := alice.AwaitText(`"accepted"`); e.JSEP != nil {
		t.Errorf("another description: %s", e)
	}
	two.Heard.AwaitMore(t, "alice's voice at the second phone")
	one.Heard.Still(t, "alice's voice at the first phone")
	n := alice.peer.Heard.Newest()
	defer two.KeepSending(port, pt, pace.Every)()
	waittest.Until(t, "the second phone's voice", func() bool { return alice.peer.Heard.Newest() != n })

	p.Reply(m, "200 OK", append([]string{contact("one")}, siptest.SDP(describe(offer, one.Port, video))...)...)
	p.Next("ACK sip:one@")
	bye := p.Next("BYE sip:one@")
	p.Reply(bye, "200 OK")
	two.Heard.AwaitMore(t, "alice's voice goes on")
	alice.Ask(`{"request":"hangup"}`, nil)
	p.Reply(p.Next("BYE sip:two@"), "200 OK")
	alice.AwaitText(`"hangup"`)
	x.idle(1)
}

// Both sides offer something at once, and both refuse. The phone, which did not call, comes first with its offer, which may be of no
// use; then ours is made anew: a hold, and what the client has offered. The call goes on.
func TestGlare(t *testing.T) {
	for _, test := range []struct{ update, useless, asked bool }{{}, {update: true}, {useless: true}, {asked: true}} {
		update := test.update
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			x := newExchange(t)
			alice := x.browser("alice")
			p := x.phone()
			alice.Ask(fmt.Sprintf(`{"request":"call","uri":"sip:phone@%s","autoaccept_reinvites":%v}`, p.Addr, !test.asked),
				alice.Remote("offer", alice.peer.Offer(nil)))
			m := p.Next("INVITE")
			contact := "Contact: <sip:phone@" + p.Addr + ">"
			offer := media(t, m.Body)
			audio, video := webrtctest.NewPlain(t), webrtctest.NewPlain(t)
			text := describe(offer, audio.Port, video.Port)
			p.Reply(m, "200 OK", append([]string{contact}, siptest.SDP(text)...)...)
			p.Next("ACK")
			alice.peer.Accept(alice.AwaitText(`"accepted"`).SDP)
			alice.peer.AwaitConnected()
			if update {
				j := alice.Remote("offer", alice.peer.Offer(nil))
				j.Update = true
				alice.Ask(`{"request":"update"}`, j)
			} else {
				alice.Ask(`{"request":"hold"}`, nil)
			}
			p.Reply(p.Next("INVITE"), "491 Request Pending")
			p.Next("ACK")
			from, to := m.Get("To")+";tag="+p.Tag, m.Get("From")
			request := func(branch, method string, more ...string) {
				p.Request(branch, method, m.Contact(), from, to, m.Get("Call-ID"), 1, more...)
			}
			before := offer
			if test.useless {
				request("z9hG4bKglare", "INVITE", siptest.SDP("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n")...)
				p.Next("SIP/2.0 488")
				request("z9hG4bKglare", "ACK")
			} else {
				request("z9hG4bKglare", "INVITE", siptest.SDP(text)...)
				if test.asked {
					j := alice.Remote("answer", alice.peer.Answer(alice.AwaitText(`"updatingcall"`).SDP))
					j.Update = true
					alice.Ask(`{"request":"update"}`, j)
				}
				before = media(t, p.Next("SIP/2.0 200").Body)
				request("z9hG4bKacked", "ACK")
			}
			ours := p.Next("INVITE")
			d := media(t, ours.Body)
			if d.Origin.Version <= before.Origin.Version {
				t.Errorf("%q is not newer", ours.Raw)
			}
			if held := d.Sections[0].Direction == sdp.SendOnly; held == update {
				t.Errorf("%q", ours.Raw)
			}
			p.Reply(ours, "200 OK", append([]string{contact}, siptest.SDP(text)...)...)
			p.Next("ACK")
			if update {
				alice.peer.Accept(alice.AwaitText(`"accepted"`).SDP)
			}
			defer alice.peer.KeepPlaying(pace)()
			audio.Heard.AwaitMore(t, "alice's voice")
			if e := alice.Ask(`{"request":"unhold"}`, nil); e.Field("result", "event") != "resuming" {
				t.Errorf("unhold gives %s", e)
			}
			if !update {
				p.Reply(p.Next("INVITE"), "200 OK", append([]string{contact}, siptest.SDP(text)...)...)
				p.Next("ACK")
			}
			alice.Ask(`{"request":"hangup"}`, nil)
			p.Reply(p.Next("BYE"), "200 OK")
			alice.AwaitText(`"hangup"`)
			x.idle(1)
		})
	}
}

// A phone takes RTCP where it says, and has a word when the call is over.
func TestRTCPElsewhere(t *testing.T) {
	x := newExchange(t)
	alice := x.browser("alice")
	p := x.phone()
	m := x.calls(alice, p)
	far, video, reports := webrtctest.NewPlain(t), webrtctest.NewPlain(t).Port, listen(t)
	text := strings.Replace(describe(media(t, m.Body), far.Port, video), "\r\na=rtpmap", fmt.Sprintf("\r\na=rtcp:%d\r\na=rtpmap", reports.LocalAddr().(*net.UDPAddr).Port), 1)
	p.Reply(m, "200 OK", append([]string{"Contact: <sip:phone@" + p.Addr + ">"}, siptest.SDP(text)...)...)
	alice.peer.Accept(alice.AwaitText(`"accepted"`).SDP)
	alice.peer.AwaitConnected()
	defer alice.peer.KeepPlaying(pace)()
	far.Heard.AwaitMore(t, "alice's voice")
	alice.Ask(`{"request":"hangup"}`, nil)
	p.Reply(p.Next("BYE"), "200 OK")
	b := make([]byte, 1500)
	for {
		n, err := reports.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		list, err := rtcp.Unmarshal(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		if _, bye := list[len(list)-1].(*rtcp.Goodbye); bye {
			break
		}
	}
	alice.AwaitText(`"hangup"`)
	x.idle(1)
}

// listen opens a port that ends with the test, as reading does when nothing comes.
func listen(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(waittest.Patience))
	return c
}

// Who answers with codecs that the client did not agree on with the one before is left, too.
func TestForkOfNoUse(t *testing.T) {
	x := newExchange(t)
	alice := x.browser("alice")
	p := x.phone()
	m := x.calls(alice, p)
	offer := media(t, m.Body)
	p.Reply(m, "183 Session Progress", append([]string{"Contact: <sip:one@" + p.Addr + ">"}, siptest.SDP(describe(offer, 4000, 4004))...)...)
	alice.peer.Accept(alice.AwaitText(`"progress"`).SDP)
	p.Tag = "two"
	other := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n" + strings.Repeat("m=video 0 RTP/AVP 96\r\n", len(offer.Sections)-1)
	p.Reply(m, "200 OK", append([]string{"Contact: <sip:two@" + p.Addr + ">"}, siptest.SDP(other)...)...)
	p.Next("ACK")
	p.Reply(p.Next("BYE sip:two@"), "200 OK")
	if e := alice.AwaitText(`"hangup"`); strings.Contains(e.Data, "accepted") {
		t.Errorf("alice is told %s", e)
	}
	x.idle(1)
}

// A phone that calls without an offer, and gets one early: its answer comes with the ACK.
func TestEarlyOffer(t *testing.T) {
	x := newExchange(t)
	alice := x.browser("alice")
	p, far := x.phone(), webrtctest.NewPlain(t)
	p.Request("z9hG4bK1", "INVITE", "sip:alice@"+p.To.String(), "<sip:phone@"+p.Addr+">;tag=p", "<sip:alice@127.0.0.1>", "call", 1)
	if e := alice.AwaitText(`"incomingcall"`); e.JSEP != nil {
		t.Errorf("alice is told %s", e)
	}
	jsep := alice.Remote("offer", alice.peer.Offer(nil))
	if e := alice.Ask(`{"request":"progress"}`, jsep); e.Field("result", "event") != "progressed" {
		t.Errorf("progress gives %s", e)
	}
	offer := media(t, p.Next("SIP/2.0 183").Body)
	if e := alice.Ask(`{"request":"accept"}`, jsep); e.Field("result", "event") != "accepting" {
		t.Errorf("accept gives %s", e)
	}
	ok := p.Next("SIP/2.0 200")
	p.Request("z9hG4bK2", "ACK", ok.Contact(), ok.Get("From"), ok.Get("To"), "call", 1, siptest.SDP(describe(offer, far.Port, webrtctest.NewPlain(t).Port))...)
	e := alice.AwaitText(`"accepted"`)
	if e.JSEP == nil {
		t.Fatalf("alice is told %s", e)
	}
	alice.peer.Accept(e.SDP)
	alice.peer.AwaitConnected()
	defer alice.peer.KeepPlaying(pace)()
	far.Heard.AwaitMore(t, "alice's voice")
	p.Request("z9hG4bK3", "BYE", ok.Contact(), ok.Get("From"), ok.Get("To"), "call", 2)
	alice.AwaitText(`"hangup"`)
	x.idle(1)
}

// A phone that takes no PLI is asked for key frames by INFO, and may ask for some so.
func TestPictures(t *testing.T) {
	x := newExchange(t)
	alice := x.browser("alice")
	p, audio, video := x.phone(), webrtctest.NewPlain(t), webrtctest.NewPlain(t)
	m := x.calls(alice, p)
	offer := media(t, m.Body)
	p.Reply(m, "200 OK", append([]string{"Contact: <sip:one@" + p.Addr + ">"}, siptest.SDP(describe(offer, audio.Port, video.Port))...)...)
	p.Next("ACK")
	alice.peer.Accept(alice.AwaitText(`"accepted"`).SDP)
	alice.peer.AwaitConnected()
	stop := alice.peer.KeepPlaying(pace)
	defer video.KeepSending(offer.Sections[1].Port, offer.Sections[1].Codecs[0].PT, pace.Every)()
	info := p.Next("INFO") // the client gets no picture as long as there is no key frame
	if !strings.Contains(info.Body, "<picture_fast_update/>") || info.Get("Content-Type") != "application/media_control+xml" {
		t.Errorf("alice asks by %s", info.Raw)
	}
	p.Reply(info, "200 OK")
	if e := alice.Ask(`{"request":"keyframe","peer":true}`, nil); e.Field("result", "event") != "keyframesent" {
		t.Errorf("keyframe gives %s", e)
	}
	p.Reply(p.Next("INFO"), "200 OK")

	stop() // which answers requests for key frames
	alice.peer.Video.Keyframe.Store(false)
	p.Request("z9hG4bK3", "INFO", m.Contact(), m.Get("To")+";tag="+p.Tag, m.Get("From"), m.Get("Call-ID"), 1, "Content-Type: "+info.Get("Content-Type"), "", info.Body)
	p.Next("SIP/2.0 200")
	alice.AwaitText(`"info"`)
	waittest.Until(t, "alice is asked for a key frame", alice.peer.Video.Keyframe.Load)
	x.idleAfter(alice, p)
}

// idleAfter hangs a call with a phone up.
func (x *exchange) idleAfter(b *browser, p *siptest.Phone) {
	x.t.Helper()
	b.Ask(`{"request":"hangup"}`, nil)
	p.Reply(p.Next("BYE"), "200 OK")
	b.AwaitText(`"hangup"`)
	x.idle(1)
}
