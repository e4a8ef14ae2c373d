package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"bifrons/rtp/seq"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Full is a pion/webrtc peer with the interceptors that applications get: RTCP
// reports, NACK, and transport-wide congestion control both ways. It looks into
// every packet.
type Full struct {
	o    Options
	pc   *webrtc.PeerConnection
	hub  *Hub
	wait sync.WaitGroup

	audio, video     *webrtc.TrackLocalStaticRTP
	audioOut, vidOut rtp.Packet
	camera           *camera
	microphone       *microphone

	got int64 // held under the hub's lock
}

// NewFull connects a pion/webrtc peer from this address. Its measurements go to
// the hub, whose socket it does not use.
func NewFull(ctx context.Context, h *Hub, n *Negotiation, o Options, host string) (_ *Full, err error) {
	p := &Full{o: o, hub: h, camera: newCamera(o.Media, uint64(o.ID)), microphone: newMicrophone(o.Media)}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	engine, err := p.engine(net.ParseIP(host))
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
	if n.Offer != nil || n.SendBack {
		err = p.addTracks()
	}
	switch {
	case err != nil:
	case n.Offer != nil:
		err = p.offer(ctx, n)
	default:
		err = p.answer(ctx, n)
	}
	if err != nil {
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
func (p *Full) engine(host net.IP) (*webrtc.API, error) {
	var s webrtc.SettingEngine
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

func (p *Full) addTracks() (err error) {
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
		p.wait.Go(func() { // interceptors work on the packets read
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

// described returns the local description when it has all candidates.
func (p *Full) described(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	select {
	case <-gathered:
		return p.pc.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (p *Full) offer(ctx context.Context, n *Negotiation) error {
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	text, err := p.described(ctx, offer)
	if err != nil {
		return err
	}
	if p.o.Client {
		text = strings.ReplaceAll(text, "a=setup:actpass", "a=setup:active")
	}
	answer, err := n.Offer(ctx, text)
	if err != nil {
		return err
	}
	return p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

func (p *Full) answer(ctx context.Context, n *Negotiation) error {
	offer, err := n.Join(ctx)
	if err != nil {
		return err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	text, err := p.described(ctx, answer)
	if err != nil {
		return err
	}
	return n.Answer(ctx, text)
}

func (p *Full) track(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	p.wait.Add(1)
	defer p.wait.Done()
	b := make([]byte, 2048)
	var h rtp.Header
	var seen seq.Window
	for {
		size, _, err := t.Read(b)
		if err != nil {
			return
		}
		n, err := h.Unmarshal(b[:size])
		if err != nil {
			continue
		}
		if payload := unpad(h.Padding, b[n:size]); len(payload) > 0 && seen.Add(h.SequenceNumber) { // servers probe with old ones
			p.receive(clock(), payload)
		}
	}
}

func (p *Full) receive(now time.Duration, payload []byte) {
	h := p.hub
	_, sent, ok := readTag(payload)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !ok:
		h.totals.Strange++
	case h.window.has(now):
		h.totals.Received++
		h.totals.Trips = append(h.totals.Trips, now-sent)
		p.got++
	}
}

// Got is how many packets came in the window.
func (p *Full) Got() int64 {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	return p.got
}

// SendFrame implements Sender.
func (p *Full) SendFrame() {
	frame := p.camera.next()
	p.vidOut.Timestamp += uint32(90000 / p.o.Media.VideoFPS)
	for i, payload := range frame {
		p.send(p.video, &p.vidOut, payload, i == len(frame)-1)
	}
}

// SendAudio implements Sender.
func (p *Full) SendAudio() {
	p.audioOut.Timestamp += uint32(48000 / p.o.Media.AudioPPS)
	p.send(p.audio, &p.audioOut, p.microphone.next(), false)
}

func (p *Full) send(t *webrtc.TrackLocalStaticRTP, pkt *rtp.Packet, payload []byte, marker bool) {
	now := clock()
	putTag(payload, p.o.ID, now)
	pkt.SequenceNumber++
	pkt.Marker, pkt.Payload = marker, payload
	if p.hub.window.has(now) {
		p.hub.mu.Lock()
		p.hub.totals.Sent++
		p.hub.mu.Unlock()
	}
	_ = t.WriteRTP(pkt)
}

// Profile implements Peer. pion/webrtc does not say, but where one was
// offered it is that one.
func (p *Full) Profile() string {
	if len(p.o.Profiles) == 1 {
		return p.o.Profiles[0]
	}
	return "unknown"
}

// Close implements Peer.
func (p *Full) Close() {
	if p.pc != nil {
		_ = p.pc.Close()
	}
	p.wait.Wait()
}
