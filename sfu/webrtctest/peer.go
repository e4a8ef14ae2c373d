// Package webrtctest has WebRTC clients for tests: pion peers with numbered packets on
// a wire that loses, moves and breaks. Only tests import it.
package webrtctest

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
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
)

// Options shape a Peer.
type Options struct {
	Profile    dtls.SRTPProtectionProfile // the only one, 0 for pion's choice
	Setup      string                     // a=setup of the offer, "" for actpass
	Role       webrtc.DTLSRole            // when it answers
	Trickle    bool                       // descriptions have no candidates
	NoRTX      bool
	OnlyPCMU   bool
	IPv6       bool     // and nothing else
	TCP        bool     // and no UDP at all
	IP         string   // of its socket, "" = loopback
	ForceRelay bool     // of the server; for who sends the descriptions
	Eager      bool     // asks for lost packets again at the pace of a browser
	NoReports  bool     // sends no sender reports: the test does. Not with Eager
	RIDs       []string // simulcast
	Levels     bool     // offers audio levels (RFC 6464)
	Keep       bool     // all arrivals, also by m-line (Peer.Line)
	Edit       func(sdp string) string
}

// Peer is a browser's stand-in: audio, video and a data channel by pion/webrtc, on a
// wire of its own. It is closed at the end of the test.
type Peer struct {
	Options Options
	PC      *webrtc.PeerConnection
	Wire    *Wire
	Audio   *Source
	Video   *Source
	Layers  []*Source // instead of Video if there are RIDs, the best first
	Channel *webrtc.DataChannel
	Open    chan struct{} // closed when the channel is open
	Texts   chan string   // messages on the channel; binary ones in angle brackets
	Heard   *Tally        // audio that came
	Seen    *Tally        // video that came
	Nacked  atomic.Int64  // packets that the server asked for again

	t       testing.TB
	mu      sync.Mutex
	lines   map[string]*Tally // by mid
	readers sync.WaitGroup
	once    sync.Once
	mux     ice.UDPMux
}

// NewReceiver makes a Peer that sends nothing.
func NewReceiver(t testing.TB, o Options) *Peer {
	t.Helper()
	ip := "127.0.0.1"
	if o.IPv6 {
		ip = "::1"
	}
	if o.IP != "" {
		ip = o.IP
	}
	p := &Peer{
		t: t, Options: o, Wire: NewWire(t, ip), Heard: NewTally(), Seen: NewTally(),
		Open: make(chan struct{}), Texts: make(chan string, 10000), lines: make(map[string]*Tally),
	}
	p.Heard.Keep, p.Seen.Keep = o.Keep, o.Keep
	p.connectAPI()
	t.Cleanup(p.Close)
	p.PC.OnTrack(p.Receive)
	return p
}

// NewPeer makes a Peer that sends audio, and video in one or several encodings.
func NewPeer(t testing.TB, o Options) *Peer {
	t.Helper()
	p := NewReceiver(t, o)
	p.Audio = &Source{Track: p.NewTrack(webrtc.MimeTypeOpus, "audio", "")}
	p.Must(p.AddTrack(p.Audio.Track, p.Audio))
	if len(o.RIDs) > 0 {
		p.addLayers()
	} else {
		p.Video = &Source{Track: p.NewTrack(webrtc.MimeTypeVP8, "video", ""), Size: 300}
		p.Must(p.AddTrack(p.Video.Track, p.Video))
	}
	return p
}

// NewLayered makes a Peer that sends video in several encodings, and nothing else.
func NewLayered(t testing.TB, o Options) *Peer {
	t.Helper()
	p := NewReceiver(t, o)
	p.addLayers()
	return p
}

// Offer makes an offer and applies it.
func (p *Peer) Offer(o *webrtc.OfferOptions) string {
	p.t.Helper()
	d, err := p.PC.CreateOffer(o)
	p.Must(err)
	p.SetLocal(d, nil)
	return p.Description()
}

// Answer takes an offer, makes an answer and applies it.
func (p *Peer) Answer(offer string) string {
	p.t.Helper()
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	d, err := p.PC.CreateAnswer(nil)
	p.Must(err)
	p.SetLocal(d, nil)
	return p.Description()
}

// Accept takes an answer.
func (p *Peer) Accept(answer string) {
	p.t.Helper()
	if len(p.Options.RIDs) > 0 {
		// pion takes "a=rid:h recv" for a RID that the answerer sends, and then
		// waits for RIDs in the packets.
		answer = WithoutLines(answer, "a=rid:", "a=simulcast:")
	}
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	p.nameLayers()
}

// SetLocal applies the own description. Its candidates are waited for, or given to
// trickle as they come, nil behind the last one.
func (p *Peer) SetLocal(d webrtc.SessionDescription, trickle func(c *webrtc.ICECandidate)) {
	p.t.Helper()
	if trickle == nil {
		done := webrtc.GatheringCompletePromise(p.PC)
		p.Must(p.PC.SetLocalDescription(d))
		waittest.Closed(p.t, "the end of gathering", done)
		return
	}
	candidates := make(chan *webrtc.ICECandidate, 16)
	p.PC.OnICECandidate(func(c *webrtc.ICECandidate) { candidates <- c })
	p.Must(p.PC.SetLocalDescription(d))
	for c := waittest.Next(p.t, "candidate", candidates); ; c = waittest.Next(p.t, "candidate", candidates) {
		trickle(c)
		if c == nil {
			return
		}
	}
}

// Description is the own description as the other side is to get it.
func (p *Peer) Description() string {
	text := p.PC.LocalDescription().SDP
	if p.Options.Trickle {
		text = WithoutLines(text, "a=candidate:", "a=end-of-candidates")
	}
	if p.Options.Setup != "" {
		text = strings.ReplaceAll(text, "a=setup:actpass", "a=setup:"+p.Options.Setup)
	}
	if p.Options.Edit != nil {
		text = p.Options.Edit(text)
	}
	return text
}

// AwaitConnected waits until pion says that media may flow.
func (p *Peer) AwaitConnected() {
	p.t.Helper()
	waittest.Until(p.t, "pion is connected", func() bool {
		return p.PC.ConnectionState() == webrtc.PeerConnectionStateConnected
	})
}

// Close ends the peer as a browser does whose page is closed.
func (p *Peer) Close() {
	p.once.Do(func() {
		// The alert first: on its way from SCTP down pion may stop ICE before
		// the alert is sent.
		_ = p.PC.SCTP().Transport().Stop()
		_ = p.PC.GracefulClose()
		_ = p.mux.Close()
		_ = p.Wire.Close()
		p.readers.Wait()
	})
}

// Pace is how media is sent.
type Pace struct {
	Frames  int
	Packets int // in a frame
	Every   time.Duration
}

// Must fails the test with an error.
func (p *Peer) Must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *Peer) connectAPI() {
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	p.mux = webrtc.NewICEUDPMux(s.LoggerFactory.NewLogger("mux"), p.Wire)
	if !p.Options.TCP {
		s.SetICEUDPMux(p.mux)
	}
	s.SetIncludeLoopbackCandidate(true)
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" || p.Options.IP != "" })
	family := webrtc.NetworkTypeUDP4
	if p.Options.IPv6 {
		family = webrtc.NetworkTypeUDP6
	}
	if p.Options.TCP {
		family = webrtc.NetworkTypeTCP4
	}
	s.SetNetworkTypes([]webrtc.NetworkType{family})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSRTPReplayProtectionWindow(1024) // repairs without RTX come late
	if p.Options.Profile != 0 {
		s.SetSRTPProtectionProfiles(p.Options.Profile)
	}
	if p.Options.Role != 0 {
		p.Must(s.SetAnsweringDTLSRole(p.Options.Role))
	}
	m := &webrtc.MediaEngine{}
	if p.Options.OnlyPCMU {
		p.Must(m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000},
		}, webrtc.RTPCodecTypeAudio))
	} else {
		p.Must(registerCodecs(m, !p.Options.NoRTX))
	}
	if p.Options.Levels {
		p.Must(m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio))
	}
	var r interceptor.Registry
	if p.Options.Eager {
		p.Must(registerEager(m, &r))
	} else {
		o := []webrtc.InterceptorOption{webrtc.WithInterceptorLoggerFactory(s.LoggerFactory)}
		if p.Options.NoReports {
			o = append(o, webrtc.WithReportSenderOptions(report.SenderInterval(24*time.Hour)))
		}
		p.Must(webrtc.RegisterDefaultInterceptorsWithOptions(m, &r, o...))
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(&r)).
		NewPeerConnection(webrtc.Configuration{})
	p.Must(err)
	p.PC = pc
}

// registerEager registers the interceptors of pion's defaults, with NACKs every 20 ms.
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

// NewTrack makes a track to send, with the RID of an encoding or "".
func (p *Peer) NewTrack(mime, id, rid string) *webrtc.TrackLocalStaticRTP {
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
	p.Must(err)
	return track
}

// AddTrack sends a track and follows the feedback for it.
func (p *Peer) AddTrack(track *webrtc.TrackLocalStaticRTP, s *Source) error {
	sender, err := p.PC.AddTrack(track)
	if err != nil {
		return err
	}
	p.follow(s, sender.ReadRTCP)
	return nil
}

// follow reads the feedback for a source until the end of the connection.
func (p *Peer) follow(s *Source, read func() ([]rtcp.Packet, interceptor.Attributes, error)) {
	p.readers.Go(func() {
		for {
			list, _, err := read()
			if err != nil {
				return
			}
			for _, r := range list {
				switch r := r.(type) {
				case *rtcp.PictureLossIndication:
					s.Keyframe.Store(true)
				case *rtcp.TransportLayerNack:
					for _, pair := range r.Nacks {
						p.Nacked.Add(int64(len(pair.PacketList())))
					}
				}
			}
		}
	})
}

// Receive counts the packets that come back on a track.
func (p *Peer) Receive(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	into := []*Tally{p.Seen}
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		into[0] = p.Heard
	}
	if p.Options.Keep {
		transceiver := receiver.RTPTransceiver()
		if transceiver == nil { // stopped meanwhile
			return
		}
		into = append(into, p.Line(transceiver.Mid()))
	}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		for _, c := range into {
			c.Add(packet)
		}
	}
}

// Line counts the packets of an m-line, if Options.Keep was set.
func (p *Peer) Line(mid string) *Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines[mid] == nil {
		p.lines[mid] = NewTally()
		p.lines[mid].Keep = true
	}
	return p.lines[mid]
}

// AddChannel makes the data channel.
func (p *Peer) AddChannel() {
	p.t.Helper()
	d, err := p.PC.CreateDataChannel("JanusDataChannel", nil)
	p.Must(err)
	p.UseChannel(d)
}

// UseChannel takes the messages of a data channel; for PeerConnection.OnDataChannel.
func (p *Peer) UseChannel(d *webrtc.DataChannel) {
	p.Channel = d
	d.OnOpen(func() { close(p.Open) })
	d.OnMessage(func(m webrtc.DataChannelMessage) {
		if m.IsString {
			p.Texts <- string(m.Data)
		} else {
			p.Texts <- fmt.Sprintf("<%x>", m.Data)
		}
	})
}

// WithoutLines takes the lines with these prefixes out of a description.
func WithoutLines(text string, prefixes ...string) string {
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

// Step sends one frame of everything.
func (p *Peer) Step(m Pace) {
	p.Audio.Sound()
	if p.Video != nil {
		p.Video.Frame(m.Packets, m.Every)
	}
	for _, l := range p.Layers {
		l.Frame(m.Packets, m.Every)
	}
}

// Play sends audio and video, one audio packet with each frame.
func (p *Peer) Play(m Pace) {
	tick := time.NewTicker(m.Every)
	defer tick.Stop()
	for range m.Frames {
		p.Step(m)
		<-tick.C
	}
}

// KeepPlaying plays until stop is called.
func (p *Peer) KeepPlaying(m Pace) (stop func()) {
	return Keep(p.t, m.Every, func() { p.Step(m) })
}

// Keep does something every so often until stop is called, or the test ends.
func Keep(t testing.TB, every time.Duration, step func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			step()
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
	t.Cleanup(stop)
	return stop
}

// ExpectText waits for the next message on the data channel.
func (p *Peer) ExpectText(want string) {
	p.t.Helper()
	select {
	case got := <-p.Texts:
		if got != want {
			p.t.Errorf("data channel: got %q, want %q", got, want)
		}
	case <-time.After(waittest.Patience):
		p.t.Fatalf("no %q on the data channel", want)
	}
}
