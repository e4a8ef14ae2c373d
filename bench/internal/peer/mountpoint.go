package peer

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

const streamingPlugin = "janus.plugin.streaming"

// Ports of the mountpoint at the server, which nothing else uses in its network
// namespace.
const (
	mountpointAudio = 6102
	mountpointVideo = 6104
)

// Mountpoint is live media at a server that comes as plain RTP.
type Mountpoint struct {
	api    *API
	id     int
	o      Options
	source *broadcaster
}

// OpenMountpoint makes a mountpoint at the server with that address, and opens
// what sends to it, whose number is 1.
func OpenMountpoint(ctx context.Context, api *API, server string, id int, o Options) (*Mountpoint, error) {
	o.window = new(Window)
	h, err := api.attach(ctx, streamingPlugin)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"request": "create", "type": "rtp", "id": id, "media": []any{
		map[string]any{"type": "audio", "mid": "0", "port": mountpointAudio, "pt": audioType, "codec": "opus"},
		map[string]any{"type": "video", "mid": "1", "port": mountpointVideo, "pt": videoType, "codec": "vp8"},
	}}
	if _, err := api.message(ctx, "success", h, body, "", ""); err != nil {
		return nil, err
	}
	s, err := newBroadcaster(server, o)
	if err != nil {
		return nil, err
	}
	return &Mountpoint{api: api, id: id, o: o, source: s}, nil
}

// Fill connects n viewers, patient with them until dialing ends. The load runs
// until ctx or Close ends it, which ends the source too.
func (m *Mountpoint) Fill(dialing, ctx context.Context, n int) (*Load, error) {
	return fill(dialing, ctx, m.source, m.o, n, m.watch)
}

func (m *Mountpoint) watch(ctx context.Context, id uint32) (Peer, error) {
	h, err := m.api.attach(ctx, streamingPlugin)
	if err != nil {
		return nil, err
	}
	o := m.o
	o.ID = id
	return dialListener(ctx, m.api, h, o, func(ctx context.Context) (string, error) {
		return m.api.described(ctx, h, map[string]any{"request": "watch", "id": m.id}, "", "")
	})
}

// broadcaster sends plain RTP.
type broadcaster struct {
	udp          *net.UDPConn
	to           netip.Addr
	counts       *Counts
	audio, video *stream
	camera       *camera
	microphone   *microphone
	buf          [1500]byte
}

func newBroadcaster(server string, o Options) (*broadcaster, error) {
	to, err := netip.ParseAddr(server)
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(o.Host)})
	if err != nil {
		return nil, fmt.Errorf("source of the mountpoint: %w", err)
	}
	return &broadcaster{
		udp: udp, to: to, counts: newCounts(o.window), camera: newCamera(o.Media, 1), microphone: newMicrophone(o.Media),
		audio: newStream(audioType, 1<<8|1, 48000/max(o.Media.AudioPPS, 1)),
		video: newStream(videoType, 1<<8|2, 90000/max(o.Media.VideoFPS, 1)),
	}, nil
}

// SendFrame implements Peer.
func (b *broadcaster) SendFrame() {
	frame := b.camera.next()
	b.video.packet.Timestamp += b.video.step
	for i, payload := range frame {
		b.send(b.video, mountpointVideo, payload, i == len(frame)-1)
	}
}

// SendAudio implements Peer.
func (b *broadcaster) SendAudio() {
	b.audio.packet.Timestamp += b.audio.step
	b.send(b.audio, mountpointAudio, b.microphone.next(), false)
}

func (b *broadcaster) send(s *stream, port uint16, payload []byte, marker bool) {
	now := clock()
	putTag(payload, 1, now)
	s.packet.SequenceNumber++
	s.packet.Marker = marker
	s.packet.Payload = payload
	n, err := s.packet.MarshalTo(b.buf[:])
	if err != nil {
		return
	}
	b.counts.send(now, len(payload))
	_, _ = b.udp.WriteToUDPAddrPort(b.buf[:n], netip.AddrPortFrom(b.to, port))
}

// SendReports implements Peer: plain RTP has none here.
func (b *broadcaster) SendReports() {}

// Profile implements Peer: there is none.
func (b *broadcaster) Profile() string { return "" }

// Counts implements Peer.
func (b *broadcaster) Counts() *Counts { return b.counts }

// Close implements Peer.
func (b *broadcaster) Close() { _ = b.udp.Close() }
