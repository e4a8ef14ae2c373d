package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// peerOptions shape a pion peer.
type peerOptions struct {
	profile    dtls.SRTPProtectionProfile // the only one, 0 for pion's choice
	setup      string                     // a=setup of the offer, "" for actpass
	role       webrtc.DTLSRole            // when it answers
	trickle    bool
	noRTX      bool
	onlyPCMU   bool
	ipv6       bool     // and nothing else
	tcp        bool     // and no UDP at all
	ip         string   // of its socket, "" = loopback
	forceRelay bool     // of the server
	eager      bool     // asks for lost packets again at the pace of a browser
	rids       []string // simulcast
	edit       func(sdp string) string
}

// pionPeer is a browser's stand-in: audio, video and a data channel by
// pion/webrtc, on a wire of its own.
type pionPeer struct {
	t       testing.TB
	h       *handle
	o       peerOptions
	pc      *webrtc.PeerConnection
	wire    *wire
	audio   *source
	video   *source
	layers  []*source // instead of video if there are rids
	channel *webrtc.DataChannel
	open    chan struct{} // closed when the channel is
	texts   chan string   // messages on the channel; binary ones in angle brackets
	heard   *tally        // audio that came back
	seen    *tally        // video that came back
	nacked  atomic.Int64  // packets that the server asked for

	readers sync.WaitGroup
	once    sync.Once
	mux     ice.UDPMux
}

// newPionListener makes a peer that sends nothing.
func newPionListener(t testing.TB, h *handle, o peerOptions) *pionPeer {
	t.Helper()
	ip := "127.0.0.1"
	if o.ipv6 {
		ip = "::1"
	}
	if o.ip != "" {
		ip = o.ip
	}
	p := &pionPeer{
		t: t, h: h, o: o, wire: newWire(t, ip), heard: newTally(), seen: newTally(),
		open: make(chan struct{}), texts: make(chan string, 16),
	}
	p.connectAPI()
	t.Cleanup(p.close)
	p.pc.OnTrack(p.receive)
	return p
}

func newPionPeer(t testing.TB, h *handle, o peerOptions) *pionPeer {
	t.Helper()
	p := newPionListener(t, h, o)
	p.audio = &source{track: p.track(webrtc.MimeTypeOpus, "audio", "")}
	p.must(p.add(p.audio.track, p.audio))
	if len(o.rids) > 0 {
		p.addLayers()
	} else {
		p.video = &source{track: p.track(webrtc.MimeTypeVP8, "video", ""), size: 300}
		p.must(p.add(p.video.track, p.video))
	}
	return p
}

func (p *pionPeer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pionPeer) connectAPI() {
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	p.mux = webrtc.NewICEUDPMux(s.LoggerFactory.NewLogger("mux"), p.wire)
	if !p.o.tcp {
		s.SetICEUDPMux(p.mux)
	}
	s.SetIncludeLoopbackCandidate(true)
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" || p.o.ip != "" })
	family := webrtc.NetworkTypeUDP4
	if p.o.ipv6 {
		family = webrtc.NetworkTypeUDP6
	}
	if p.o.tcp {
		family = webrtc.NetworkTypeTCP4
	}
	s.SetNetworkTypes([]webrtc.NetworkType{family})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSRTPReplayProtectionWindow(1024) // what is repaired without RTX comes late
	if p.o.profile != 0 {
		s.SetSRTPProtectionProfiles(p.o.profile)
	}
	if p.o.role != 0 {
		p.must(s.SetAnsweringDTLSRole(p.o.role))
	}
	m := &webrtc.MediaEngine{}
	if p.o.onlyPCMU {
		p.must(m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000},
		}, webrtc.RTPCodecTypeAudio))
	} else {
		p.must(registerCodecs(m, !p.o.noRTX))
	}
	var r interceptor.Registry
	if p.o.eager {
		p.must(registerEager(m, &r))
	} else {
		p.must(webrtc.RegisterDefaultInterceptorsWithOptions(m, &r, webrtc.WithInterceptorLoggerFactory(s.LoggerFactory)))
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(&r)).
		NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	p.pc = pc
}

// registerEager is what pion registers by default, with NACKs every 20 ms.
func registerEager(m *webrtc.MediaEngine, r *interceptor.Registry) error {
	m.RegisterFeedback(webrtc.RTCPFeedback{Type: "nack"}, webrtc.RTPCodecTypeVideo)
	m.RegisterFeedback(webrtc.RTCPFeedback{Type: "nack", Parameter: "pli"}, webrtc.RTPCodecTypeVideo)
	answers, err := nack.NewResponderInterceptor()
	if err != nil {
		return err
	}
	asks, err := nack.NewGeneratorInterceptor(nack.GeneratorInterval(20 * time.Millisecond))
	if err != nil {
		return err
	}
	r.Add(answers)
	r.Add(asks)
	if err := webrtc.ConfigureRTCPReports(r); err != nil {
		return err
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(m); err != nil {
		return err
	}
	return webrtc.ConfigureTWCCSender(m, r)
}

func (p *pionPeer) track(mime, id, rid string) *webrtc.TrackLocalStaticRTP {
	p.t.Helper()
	c := webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 90000}
	if id == "audio" {
		c.ClockRate, c.Channels = 48000, 2
	}
	var options []func(*webrtc.TrackLocalStaticRTP)
	if rid != "" {
		options = append(options, webrtc.WithRTPStreamID(rid))
	}
	track, err := webrtc.NewTrackLocalStaticRTP(c, id, "pion", options...)
	p.must(err)
	return track
}

// add sends a track and follows the feedback for it.
func (p *pionPeer) add(track *webrtc.TrackLocalStaticRTP, s *source) error {
	sender, err := p.pc.AddTrack(track)
	if err != nil {
		return err
	}
	p.follow(s, sender.ReadRTCP)
	return nil
}

// follow reads the feedback for a source until the end of the connection.
func (p *pionPeer) follow(s *source, read func() ([]rtcp.Packet, interceptor.Attributes, error)) {
	p.readers.Go(func() {
		for {
			list, _, err := read()
			if err != nil {
				return
			}
			for _, r := range list {
				switch r := r.(type) {
				case *rtcp.PictureLossIndication:
					s.keyframe.Store(true)
				case *rtcp.TransportLayerNack:
					for _, pair := range r.Nacks {
						p.nacked.Add(int64(len(pair.PacketList())))
					}
				}
			}
		}
	})
}

// receive counts what comes back on a track.
func (p *pionPeer) receive(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	into := p.seen
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		into = p.heard
	}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		into.add(packet)
	}
}

// addChannel makes the data channel.
func (p *pionPeer) addChannel() {
	p.t.Helper()
	d, err := p.pc.CreateDataChannel("JanusDataChannel", nil)
	p.must(err)
	p.useChannel(d)
}

func (p *pionPeer) useChannel(d *webrtc.DataChannel) {
	p.channel = d
	d.OnOpen(func() { close(p.open) })
	d.OnMessage(func(m webrtc.DataChannelMessage) {
		if m.IsString {
			p.texts <- string(m.Data)
		} else {
			p.texts <- fmt.Sprintf("<%x>", m.Data)
		}
	})
}

// call offers to the plugin with this request and applies its answer.
func (p *pionPeer) call(body message, options *webrtc.OfferOptions) message {
	p.t.Helper()
	offer, err := p.pc.CreateOffer(options)
	p.must(err)
	p.setLocal(offer)
	p.h.message(body, p.jsep())
	m := p.h.awaitData("result", "ok")
	text := m.sdp()
	if len(p.o.rids) > 0 {
		// pion takes "a=rid:h recv" for what the answerer sends, and then
		// waits for RIDs in the packets.
		text = withoutLines(text, "a=rid:", "a=simulcast:")
	}
	p.must(p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}))
	return m
}

// answer answers an offer of the plugin.
func (p *pionPeer) answer(offer message, body message) {
	p.t.Helper()
	p.must(p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.sdp()}))
	answer, err := p.pc.CreateAnswer(nil)
	p.must(err)
	p.setLocal(answer)
	p.h.message(body, p.jsep())
	p.h.awaitData("result", "ok")
}

// setLocal applies the own description. Its candidates are trickled, or waited
// for.
func (p *pionPeer) setLocal(d webrtc.SessionDescription) {
	p.t.Helper()
	if !p.o.trickle {
		done := webrtc.GatheringCompletePromise(p.pc)
		p.must(p.pc.SetLocalDescription(d))
		<-done
		return
	}
	candidates := make(chan *webrtc.ICECandidate, 16)
	p.pc.OnICECandidate(func(c *webrtc.ICECandidate) { candidates <- c })
	p.must(p.pc.SetLocalDescription(d))
	for c := range candidates {
		if c == nil {
			p.h.send(message{"janus": "trickle", "candidate": message{"completed": true}})
			return
		}
		p.h.send(message{"janus": "trickle", "candidate": c.ToJSON()})
	}
}

func (p *pionPeer) jsep() message {
	d := p.pc.LocalDescription()
	text := d.SDP
	if p.o.trickle {
		text = withoutLines(text, "a=candidate:", "a=end-of-candidates")
	}
	if p.o.setup != "" {
		text = strings.ReplaceAll(text, "a=setup:actpass", "a=setup:"+p.o.setup)
	}
	if p.o.edit != nil {
		text = p.o.edit(text)
	}
	return message{"type": d.Type.String(), "sdp": text, "trickle": p.o.trickle, "force_relay": p.o.forceRelay}
}

func withoutLines(text string, prefixes ...string) string {
	var kept []string
lines:
	for _, line := range strings.Split(text, "\n") {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				continue lines
			}
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n")
}

// awaitUp waits until both sides say that media may flow.
func (p *pionPeer) awaitUp() {
	p.t.Helper()
	p.h.awaitKind("webrtcup")
	eventually(p.t, "pion is connected", func() bool {
		return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	})
}

// pace is how media is sent.
type pace struct {
	frames  int
	packets int // in a frame
	every   time.Duration
}

// step sends one frame of everything.
func (p *pionPeer) step(m pace) {
	p.audio.sound()
	if p.video != nil {
		p.video.frame(m.packets, m.every)
	}
	for _, l := range p.layers {
		l.frame(m.packets, m.every)
	}
}

// play sends audio and video, one audio packet with each frame.
func (p *pionPeer) play(m pace) {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for range m.frames {
		p.step(m)
		<-tick.C
	}
}

// keepPlaying plays until stop is called.
func (p *pionPeer) keepPlaying(m pace) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(m.every)
		defer tick.Stop()
		for {
			p.step(m)
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(quit)
		<-done
	})
	p.t.Cleanup(stop)
	return stop
}

// playAll plays and waits until everything came back.
func (p *pionPeer) playAll(m pace) {
	p.t.Helper()
	p.play(m)
	audio, video := p.audio.sent.Load(), p.video.sent.Load()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("audio: %d of %d are missing; video: %d of %d",
				p.heard.missing(1, audio), audio, p.seen.missing(1, video), video)
		}
	}()
	eventually(p.t, "everything came back", func() bool {
		return p.heard.missing(1, audio) == 0 && p.seen.missing(1, video) == 0
	})
}

// awaitFresh waits until audio and video come back that are sent from now on.
func (p *pionPeer) awaitFresh() {
	p.t.Helper()
	audio, video := p.audio.sent.Load(), p.video.sent.Load()
	eventually(p.t, "fresh media comes back", func() bool {
		return p.heard.newest() > audio+10 && p.seen.newest() > video+10
	})
}

// awaitMedia waits for the events that tell that audio and video arrive.
func (p *pionPeer) awaitMedia() {
	p.t.Helper()
	got := map[string]bool{}
	p.h.await("media events of audio and video", func(m message) bool {
		if m["janus"] == "media" && m["receiving"] == true {
			got[fmt.Sprint(m["type"], m["mid"])] = true
		}
		return len(got) == 2
	})
	if !got["audio0"] || !got["video1"] {
		p.t.Errorf("media events of %v", got)
	}
}

// talk sends text and binary on the data channel and expects the plugin's
// prefix before the text that comes back.
func (p *pionPeer) talk(prefix string) {
	p.t.Helper()
	p.receiveFrom(p.open, "data channel is open")
	p.must(p.channel.SendText("hello"))
	p.expectText(prefix + "hello")
	p.must(p.channel.Send([]byte{0, 1, 255}))
	p.expectText("<0001ff>")
}

func (p *pionPeer) receiveFrom(c <-chan struct{}, what string) {
	p.t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		p.t.Fatalf("never: %s", what)
	}
}

func (p *pionPeer) expectText(want string) {
	p.t.Helper()
	select {
	case got := <-p.texts:
		if got != want {
			p.t.Errorf("data channel: got %q, want %q", got, want)
		}
	case <-time.After(patience):
		p.t.Fatalf("no %q on the data channel", want)
	}
}

// close ends the peer as a browser does whose page is closed.
func (p *pionPeer) close() {
	p.once.Do(func() {
		// The alert first: on its way from SCTP down pion may stop ICE before
		// the alert is sent.
		_ = p.pc.SCTP().Transport().Stop()
		_ = p.pc.GracefulClose()
		_ = p.mux.Close()
		_ = p.wire.Close()
		p.readers.Wait()
	})
}

// closeAndExpect closes the peer and checks what the server tells of it.
func (p *pionPeer) closeAndExpect(reason string) {
	p.t.Helper()
	p.close()
	p.expectEnd(reason)
}

// expectEnd waits for the plugin's goodbye, then for the core's.
func (p *pionPeer) expectEnd(reason string) {
	p.t.Helper()
	p.h.awaitData("result", "done")
	if m := p.h.awaitKind("hangup"); m["reason"] != reason {
		p.t.Errorf("hangup reason %q, want %q", m["reason"], reason)
	}
}
