package videoroom

import (
	"encoding/base64"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"bifrons/api/plugin/plugintest"
	"bifrons/dtls/srtp"
	bifrtp "bifrons/rtp"
	"bifrons/rtp/waittest"
)

// sink is a UDP socket that media is forwarded to.
type sink struct {
	t    *testing.T
	conn *net.UDPConn
}

func newSink(t *testing.T) *sink {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &sink{t, c}
}

func (s *sink) port() int { return s.conn.LocalAddr().(*net.UDPAddr).Port }

func (s *sink) read() []byte {
	s.t.Helper()
	b := make([]byte, 2000)
	_ = s.conn.SetReadDeadline(time.Now().Add(waittest.Patience))
	n, err := s.conn.Read(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return b[:n]
}

// packet reads an RTP packet and the number in it.
func (s *sink) packet() (*rtp.Packet, uint64) {
	s.t.Helper()
	p := new(rtp.Packet)
	if err := p.Unmarshal(s.read()); err != nil {
		s.t.Fatal(err)
	}
	return p, binary.BigEndian.Uint64(p.Payload[len(p.Payload)-8:])
}

// consecutive reads n packets, which have to follow each other.
func (s *sink) consecutive(n int) (last *rtp.Packet) {
	s.t.Helper()
	var before uint64
	for i := range n {
		p, number := s.packet()
		if i > 0 && (number != before+1 || p.SequenceNumber != last.SequenceNumber+1 || p.SSRC != last.SSRC) {
			s.t.Fatalf("packet %d (%v) follows %d (%v)", number, p, before, last)
		}
		before, last = number, p
	}
	return last
}

func TestForwardersSend(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	s := v.send(0)
	audio, video, feedback, data, sealed := newSink(t), newSink(t), newSink(t), newSink(t), newSink(t)
	admin := v.attach()
	d := dataOf(admin.request(dict{
		"request": "rtp_forward", "room": 1234, "publisher_id": s.id, "host": "localhost",
		"streams": []dict{
			{"mid": "0", "port": audio.port(), "pt": 99},
			{"mid": "1", "port": video.port(), "ssrc": 4242, "rtcp_port": feedback.port()},
			{"mid": "2", "port": data.port()},
			{"mid": "none", "port": 9},
		},
	}, nil))
	list := d["forwarders"].([]any)
	if len(list) != 3 {
		t.Fatalf("forwarders %v", list)
	}
	for range 2 {
		if b := feedback.read(); len(b) != 12 || b[0] != 0x80 {
			t.Fatalf("the receiver of RTCP was sent %x first", b)
		}
	}
	key := base64.StdEncoding.EncodeToString([]byte("a master key of a length: 30 bytes"))
	admin.request(dict{
		"request": "rtp_forward", "room": 1234, "publisher_id": s.id, "host": "127.0.0.1", "audio_port": sealed.port(),
		"srtp_suite": 80, "srtp_crypto": key,
	}, nil)
	s.play(s.Audio, s.Video)
	if p := audio.consecutive(20); p.PayloadType != 99 {
		t.Errorf("payload type %d", p.PayloadType)
	}
	if p := video.consecutive(20); p.SSRC != 4242 {
		t.Errorf("SSRC %d", p.SSRC)
	}
	waittest.Closed(t, "the data channel", s.Open)
	s.must(s.Channel.SendText("a line"))
	if got := data.read(); string(got) != "a line" {
		t.Errorf("data %q", got)
	}

	master := []byte("a master key of a length: 30 bytes")
	opener, err := srtp.NewReceiver(srtp.AES128CMSHA180, master[:16], master[16:30])
	s.must(err)
	var state srtp.StreamState
	var h bifrtp.Header
	b := sealed.read()
	s.must(h.Parse(b))
	if _, err := opener.OpenRTP(&state, b, h.HeaderLen); err != nil {
		t.Errorf("SRTP: %v", err)
	}

	// A request for a key frame reaches the publisher.
	first := list[1].(dict)
	s.Video.Keyframe.Store(false)
	pli, _ := (&rtcp.PictureLossIndication{MediaSSRC: 4242}).Marshal()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(first["local_rtcp_port"].(float64))}
	_, err = feedback.conn.WriteTo(pli, to)
	s.must(err)
	waittest.Until(t, "a key frame", func() bool {
		p, _ := video.packet()
		return p.Payload[0]&0x10 != 0 && p.Payload[6]&1 == 0 // behind the descriptor (RFC 7741, 4.2, 4.3)
	})

	// What is muted is not forwarded.
	admin.request(dict{"request": "moderate", "room": 1234, "id": s.id, "mid": "0", "mute": true}, nil)
	admin.request(dict{"request": "stop_rtp_forward", "room": 1234, "publisher_id": s.id, "stream_id": first["stream_id"]}, nil)
	d = dataOf(admin.request(dict{"request": "listforwarders", "room": 1234}, nil))
	if n := len(d["publishers"].([]any)[0].(dict)["forwarders"].([]any)); n != 3 {
		t.Errorf("%d forwarders are left, want 3", n)
	}
	s.request(dict{"request": "unpublish"}, nil)
	waittest.Until(t, "the end of the forwarders", func() bool {
		d := dataOf(admin.request(dict{"request": "listforwarders", "room": 1234}, nil))
		return len(d["publishers"].([]any)) == 0
	})
}

func TestForwardSimulcast(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	s, layers := v.simulcast()
	one, two, three, best := newSink(t), newSink(t), newSink(t), newSink(t)
	admin := v.attach()
	admin.request(dict{
		"request": "rtp_forward", "room": 1234, "publisher_id": s.id, "host": "127.0.0.1",
		"video_port": one.port(), "video_port_2": two.port(), "video_port_3": three.port(),
		"video_ssrc": 1, "video_ssrc_2": 2, "video_ssrc_3": 3,
	}, nil)
	d := dataOf(admin.request(dict{
		"request": "rtp_forward", "room": 1234, "publisher_id": s.id, "host": "127.0.0.1",
		"streams": []dict{{"mid": "0", "port": best.port(), "simulcast": true}},
	}, nil))
	id := d["forwarders"].([]any)[0].(dict)["stream_id"].(float64)
	s.play(layers...)
	for i, out := range []*sink{one, two, three} {
		p := out.consecutive(10)
		_, number := out.packet()
		if p.SSRC != uint32(i+1) || number/1_000_000 != uint64(i) {
			t.Errorf("substream %d: SSRC %d, packet %d", i, p.SSRC, number)
		}
	}
	waittest.Until(t, "the best substream", func() bool {
		p, number := best.packet()
		if p.SSRC != uint32(id) {
			t.Fatalf("SSRC %d, want the forwarder's id %.0f", p.SSRC, id)
		}
		return number > 2_000_000
	})
}

// TestCascade has a publisher of one server in a room of another.
func TestCascade(t *testing.T) {
	waittest.NoLeaks(t)
	home, away := newMediaRoom(t), newMediaRoom(t)
	s := home.send(0)
	admin := away.attach()
	add := dict{
		"request": "add_remote_publisher", "room": 1234, "id": 77, "display": "from afar", "iface": "127.0.0.1",
		"srtp_suite": 80, "srtp_crypto": base64.StdEncoding.EncodeToString(make([]byte, 30)),
		"streams": []dict{
			{"type": "audio", "mindex": 0, "mid": "0", "codec": "opus", "fec": true},
			{"type": "video", "mindex": 1, "mid": "1", "codec": "vp8"},
			{"type": "data", "mindex": 2, "mid": "2"},
		},
	}
	watcher := away.attach()
	watcher.request(dict{"request": "join", "ptype": "publisher", "room": 1234}, nil)
	d := dataOf(admin.request(add, nil))
	watcher.Await("the remote publisher", func(e plugintest.Event) bool { return dataOf(e)["publishers"] != nil })
	control := home.attach()
	control.request(dict{
		"request": "publish_remotely", "room": 1234, "publisher_id": s.id, "remote_id": "away", "host": "127.0.0.1",
		"port": d["port"], "rtcp_port": d["rtcp_port"],
		"srtp_suite": 80, "srtp_crypto": base64.StdEncoding.EncodeToString(make([]byte, 30)),
	}, nil)
	l := away.receive(dict{"streams": []dict{{"feed": 77}}})
	stop := s.play(s.Audio, s.Video)
	l.awaitAfter("0", 0)
	l.awaitAfter("1", 0) // needs a key frame, which is asked for across both servers
	first := l.got("0")[0].Number
	l.awaitAfter("0", first+100)
	stop()
	waittest.Until(t, "all packets", func() bool { return uint64(len(l.got("0"))) >= s.Audio.Sent.Load()-first+1 })
	complete(t, "audio", l.got("0"), first, s.Audio.Sent.Load())
	waittest.Closed(t, "the data channel", s.Open)
	said := make(chan struct{})
	go func() { // the receiver's channel opens at some time
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.Channel.SendText("hello")
			case <-said:
				return
			}
		}
	}()
	if text := waittest.Next(t, "what was said", l.told); text != "77 true: hello" {
		t.Errorf("told %q", text)
	}
	close(said)

	d = dataOf(control.request(dict{"request": "listremotes", "room": 1234, "publisher_id": s.id}, nil))
	if n := len(d["list"].([]any)); n != 1 {
		t.Errorf("%d remotizations, want 1", n)
	}
	d = dataOf(admin.request(dict{"request": "listparticipants", "room": 1234}, nil))
	for _, x := range d["participants"].([]any) {
		if p := x.(dict); p["id"] == 77.0 && (p["remote"] != true || p["publisher"] != true) {
			t.Errorf("the remote publisher is listed as %v", p)
		}
	}
	control.request(dict{"request": "unpublish_remotely", "room": 1234, "publisher_id": s.id, "remote_id": "away"}, nil)
	admin.request(dict{"request": "remove_remote_publisher", "room": 1234, "id": 77}, nil)
	watcher.Await("his leaving", func(e plugintest.Event) bool { return dataOf(e)["leaving"] == 77.0 })
}
