package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// full is a pion/webrtc peer with the interceptors that applications get: RTCP
// reports, NACK, and transport-wide congestion control both ways.
type full struct {
	o      Options
	pc     *webrtc.PeerConnection
	counts *Counts
	wait   sync.WaitGroup

	audio, video     *webrtc.TrackLocalStaticRTP
	audioOut, vidOut rtp.Packet
	camera           *camera
	microphone       *microphone
}

// DialFull connects a pion/webrtc peer.
func DialFull(ctx context.Context, api *API, o Options) (_ Peer, err error) {
	p := &full{
		o: o, counts: newCounts(o.window),
		camera: newCamera(o.Media, uint64(o.ID)), microphone: newMicrophone(o.Media),
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	engine, err := p.engine()
	if err != nil {
		return nil, err
	}
	if p.pc, err = engine.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return nil, err
	}
	up := make(chan webrtc.PeerConnectionState, 16)
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		select {
		case up <- s:
		default:
		}
	})
	p.pc.OnTrack(p.track)
	if err := p.addTracks(); err != nil {
		return nil, err
	}
	if err := p.negotiate(ctx, api); err != nil {
		return nil, err
	}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("not connected: %w", ctx.Err())
		case s := <-up:
			switch s {
			case webrtc.PeerConnectionStateConnected:
				return p, nil
			case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
				return nil, errors.New("the connection failed")
			}
		}
	}
}

// engine sets pion up for one local address, VP8, Opus, and one choice of SRTP
// profiles.
func (p *full) engine() (*webrtc.API, error) {
	var s webrtc.SettingEngine
	host := net.ParseIP(p.o.Host)
	s.SetIPFilter(func(ip net.IP) bool { return ip.Equal(host) })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(host.IsLoopback())
	if p.o.Client {
		if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleClient); err != nil {
			return nil, err
		}
	}
	if len(p.o.Profiles) > 0 {
		list, err := profileList(p.o.Profiles)
		if err != nil {
			return nil, err
		}
		s.SetSRTPProtectionProfiles(list...)
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(s)), nil
}

func (p *full) addTracks() (err error) {
	p.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "bench")
	if err != nil {
		return err
	}
	p.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "bench")
	if err != nil {
		return err
	}
	p.audioOut.Version, p.vidOut.Version = 2, 2
	for _, t := range []webrtc.TrackLocal{p.audio, p.video} {
		sender, err := p.pc.AddTrack(t)
		if err != nil {
			return err
		}
		p.wait.Go(func() { // interceptors work on what is read
			b := make([]byte, 1500)
			for {
				if _, _, err := sender.Read(b); err != nil {
					return
				}
			}
		})
	}
	return nil
}

func (p *full) negotiate(ctx context.Context, api *API) error {
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	text := p.pc.LocalDescription().SDP
	if p.o.Client {
		text = strings.ReplaceAll(text, "a=setup:actpass", "a=setup:active")
	}
	answer, err := api.Echo(ctx, text)
	if err != nil {
		return err
	}
	return p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

func (p *full) track(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	p.wait.Add(1)
	defer p.wait.Done()
	b := make([]byte, 2048)
	var h rtp.Header
	for {
		size, _, err := t.Read(b)
		if err != nil {
			return
		}
		n, err := h.Unmarshal(b[:size])
		if err != nil {
			continue
		}
		if payload := unpad(h.Padding, b[n:size]); len(payload) > 0 {
			p.counts.receive(p.o.ID, payload)
		}
	}
}

// SendFrame implements Peer.
func (p *full) SendFrame() {
	frame := p.camera.next()
	p.vidOut.Timestamp += uint32(90000 / p.o.Media.VideoFPS)
	for i, payload := range frame {
		p.send(p.video, &p.vidOut, payload, i == len(frame)-1)
	}
}

// SendAudio implements Peer.
func (p *full) SendAudio() {
	p.audioOut.Timestamp += uint32(48000 / p.o.Media.AudioPPS)
	p.send(p.audio, &p.audioOut, p.microphone.next(), false)
}

func (p *full) send(t *webrtc.TrackLocalStaticRTP, pkt *rtp.Packet, payload []byte, marker bool) {
	now := clock()
	putTag(payload, p.o.ID, now)
	pkt.SequenceNumber++
	pkt.Marker, pkt.Payload = marker, payload
	p.counts.send(now, len(payload))
	_ = t.WriteRTP(pkt)
}

// SendReports implements Peer: pion/webrtc reports by itself.
func (p *full) SendReports() {}

// Profile implements Peer. pion/webrtc does not tell, but where one was
// offered it is that one.
func (p *full) Profile() string {
	if len(p.o.Profiles) == 1 {
		return p.o.Profiles[0]
	}
	return "unknown"
}

// Counts implements Peer.
func (p *full) Counts() *Counts { return p.counts }

// Close implements Peer.
func (p *full) Close() {
	if p.pc != nil {
		_ = p.pc.Close()
	}
	p.wait.Wait()
}
