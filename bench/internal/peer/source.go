package peer

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/pion/rtp"
)

// Source sends plain RTP to a mountpoint.
type Source struct {
	o                Options
	hub              *Hub
	audio, video     net.Conn
	audioOut, vidOut rtp.Packet
	camera           *camera
	microphone       *microphone
	b                []byte
}

// NewSource sends to mountpoint n of a server at this address.
func NewSource(h *Hub, server netip.Addr, n int, o Options) (s *Source, err error) {
	s = &Source{o: o, hub: h, camera: newCamera(o.Media, 1), microphone: newMicrophone(o.Media), b: make([]byte, 2048)}
	s.audioOut.Header = rtp.Header{Version: 2, PayloadType: audioType, SSRC: 1}
	s.vidOut.Header = rtp.Header{Version: 2, PayloadType: videoType, SSRC: 2}
	to := func(port int) string { return net.JoinHostPort(server.String(), strconv.Itoa(port+mountpointPorts*n)) }
	if s.audio, err = net.Dial("udp4", to(mountpointAudio)); err != nil {
		return nil, err
	}
	if s.video, err = net.Dial("udp4", to(mountpointVideo)); err != nil {
		_ = s.audio.Close()
	}
	return s, err
}

// Close closes its sockets.
func (s *Source) Close() {
	_ = s.audio.Close()
	_ = s.video.Close()
}

// Profile implements Peer: it has none.
func (s *Source) Profile() string { return "" }

// SendFrame implements Sender.
func (s *Source) SendFrame() {
	frame := s.camera.next()
	s.vidOut.Timestamp += uint32(90000 / s.o.Media.VideoFPS)
	for i, payload := range frame {
		s.send(s.video, &s.vidOut, payload, i == len(frame)-1)
	}
}

// SendAudio implements Sender.
func (s *Source) SendAudio() {
	s.audioOut.Timestamp += uint32(48000 / s.o.Media.AudioPPS)
	s.send(s.audio, &s.audioOut, s.microphone.next(), false)
}

func (s *Source) send(to net.Conn, p *rtp.Packet, payload []byte, marker bool) {
	now := clock()
	putTag(payload, s.o.ID, now)
	p.SequenceNumber++
	p.Marker, p.Payload = marker, payload
	n, err := p.MarshalTo(s.b)
	if err != nil {
		return
	}
	if s.hub.window.has(now) {
		s.hub.mu.Lock()
		s.hub.totals.Sent++
		s.hub.mu.Unlock()
	}
	_, _ = to.Write(s.b[:n])
}
