package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestStreamingLive takes one viewer through everything that can happen to live
// media: numbers go on without a gap.
func TestStreamingLive(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, message{"secret": "x"}, audioStream(), videoStream(message{"rtcpport": 0}))
	audio, video := s.encoder(ports[0]["port"], 5), s.encoder(ports[1]["port"], 6)
	video.report(ports[1]["rtcp_port"])
	frames := 0
	key := false
	stop := s.keep(func() {
		audio.sound()
		select {
		case <-video.requests:
			key = true
		default:
		}
		if frames++; frames%3 == 0 {
			video.frame(key)
			key = false
		}
	})
	// Nothing but a request brings a key frame.
	p := s.watch(message{"id": 1})
	p.Heard.AwaitMore(t, "audio")
	p.Seen.AwaitMore(t, "video")

	if got := p.request(message{"request": "pause"}); got["status"] != "pausing" {
		t.Errorf("pause: %v", got)
	}
	p.Heard.Still(t, "no audio in a pause")
	p.Seen.Still(t, "no video in a pause")
	if got := p.request(message{"request": "start"}); got["status"] != "started" {
		t.Errorf("start: %v", got)
	}
	p.Heard.AwaitMore(t, "audio after a pause")
	p.Seen.AwaitMore(t, "video after a pause")

	p.request(message{"request": "configure", "mid": "a", "send": false})
	p.Heard.Still(t, "no audio when turned off")
	p.Seen.AwaitMore(t, "video without audio")
	p.request(message{"request": "configure", "audio": true})
	p.Heard.AwaitMore(t, "audio again")

	s.ask(message{"request": "disable", "id": 1, "secret": "x"})
	p.Seen.Still(t, "no video when disabled")
	s.ask(message{"request": "enable", "id": 1, "secret": "x"})
	p.Seen.AwaitMore(t, "video when enabled")

	// The source starts anew.
	stop()
	audio.ssrc, audio.seq, audio.ts = 50, 40000, 7
	video.ssrc, video.seq, video.ts = 60, 3, 1<<31
	s.keep(func() {
		audio.sound()
		if frames++; frames%3 == 0 {
			video.frame(frames%30 == 0)
		}
	})
	p.Heard.AwaitMore(t, "audio of the new source")
	p.Seen.AwaitMore(t, "video of the new source")

	p.Heard.Gapless(t, "audio")
	p.Seen.Gapless(t, "video")

	// ICE starts anew; the streams go on.
	p.h.message(message{"request": "watch", "id": 1, "restart": true}, nil)
	m := p.h.await("offer", func(m message) bool { return m.sdp() != "" })
	if result(m)["status"] != "updating" {
		t.Errorf("restart: %v", m.data())
	}
	old := lineOf(p.PC.RemoteDescription().SDP, "a=ice-pwd:")
	p.accept(m)
	if lineOf(m.sdp(), "a=ice-pwd:") == old {
		t.Error("the credentials are the old ones")
	}
	p.Heard.AwaitMore(t, "audio after a restart")
	p.Seen.AwaitMore(t, "video after a restart")

	s.ask(message{"request": "kick_all", "id": 1, "secret": "x"})
	p.awaitResult("status", "kicked_all")
	if m := p.h.awaitKind("hangup"); m["reason"] != "Close PC" {
		t.Errorf("hangup: %v", m["reason"])
	}
}

// TestStreamingSwitch goes to another mountpoint and back.
func TestStreamingSwitch(t *testing.T) {
	s := newStreamingServer(t)
	one := s.create(1, nil, audioStream(), videoStream(nil))
	two := s.create(2, message{"pin": "p"}, audioStream(), videoStream(message{"pt": 101}))
	a, b := s.encoder(one[1]["port"], 5), s.encoder(two[1]["port"], 5)
	a.number, b.number = 1_000_000, 2_000_000
	n := 0
	s.keep(func() {
		n++
		a.frame(n%20 == 0)
		b.frame(n%20 == 0)
	})
	p := s.watch(message{"id": 1, "media": []string{"v"}})
	waittest.Until(t, "video of the first one", func() bool { return p.Seen.Newest() > 1_000_000 })
	if got := p.request(message{"request": "switch", "id": 2}); got["switched"] != "ok" || got["id"] != 2.0 {
		t.Errorf("switch: %v", got)
	}
	waittest.Until(t, "video of the second one", func() bool { return p.Seen.Newest() > 2_000_000 })
	p.request(message{"request": "switch", "id": 1})
	count := func() (n int) {
		list := p.Seen.Arrivals()
		for i, x := range list {
			if x.Number < 2_000_000 && i > 0 && list[i-1].Number > 2_000_000 {
				n++
			}
		}
		return n
	}
	waittest.Until(t, "video of the first one again", func() bool { return count() == 1 })
	p.Seen.Gapless(t, "video")
	if d := s.ask(message{"request": "info", "id": 1})["info"].(map[string]any); d["viewers"] != 1.0 {
		t.Errorf("info: %v", d)
	}
	s.ask(message{"request": "destroy", "id": 1})
	p.awaitResult("status", "stopped")
	if m := p.h.awaitKind("hangup"); m["reason"] != "Close PC" {
		t.Errorf("hangup: %v", m["reason"])
	}
}

// TestStreamingKeepsKeyframe lets viewers on every shard see at once what the
// source sent long before they came.
func TestStreamingKeepsKeyframe(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, message{"bufferkf_ms": 60000}, videoStream(nil))
	s.create(2, nil, videoStream(nil))
	e := s.encoder(ports[0]["port"], 5)
	for i := range 100 {
		e.frame(i == 50)
	}
	s.awaitSource(1, 2)
	for range 2 * len(s.server.engine.Stats()) {
		p := s.watch(message{"id": 1})
		waittest.Until(t, "everything since the key frame", func() bool { return p.Seen.Missing(101, e.number) == 0 })
		e.frame(false)
		waittest.Until(t, "what comes after it", func() bool { return p.Seen.Missing(101, e.number) == 0 })
		p.Seen.Gapless(t, "video")
		p.Close()
	}
}

// TestStreamingSimulcast chooses among three ports.
func TestStreamingSimulcast(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, nil, videoStream(message{"simulcast": true}))
	var list []*encoder
	for i, name := range []string{"port", "port_2", "port_3"} {
		e := s.encoder(ports[0][name], uint32(10+i))
		e.number = uint64(i+1) * 1_000_000
		list = append(list, e)
	}
	n := 0
	s.keep(func() {
		n++
		for _, e := range list {
			e.frame(n%15 == 0)
		}
	})
	p := s.watch(message{"id": 1})
	layer := func(want int) {
		t.Helper()
		p.awaitResult("substream", want)
		waittest.Until(t, "the substream", func() bool {
			list := p.Seen.Arrivals()
			return len(list) > 0 && list[len(list)-1].Number/1_000_000 == uint64(want+1)
		})
	}
	layer(2)
	for _, want := range []int{0, 1, 2} {
		p.request(message{"request": "configure", "mid": "v", "substream": want})
		layer(want)
	}
	p.h.message(message{"request": "configure", "substream": 2}, nil)
	m := p.awaitResult("substream", 2)
	if result(m)["mid"] != nil {
		t.Errorf("a layer that is there: %v", m)
	}
	p.Seen.Gapless(t, "video")
}

// TestStreamingSVC chooses among the layers of one VP9 stream.
func TestStreamingSVC(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, nil, videoStream(message{"codec": "vp9", "svc": true}))
	e := s.encoder(ports[0]["port"], 10)
	n := 0
	s.keep(func() {
		e.layers(n%15 == 0, 3)
		n++
	})
	p := s.watch(message{"id": 1})
	layer := func(want int) {
		t.Helper()
		p.awaitResult("spatial_layer", want)
		waittest.Until(t, "pictures of the layer", func() bool {
			var packets []int // of each picture
			var last uint32
			for _, a := range p.Seen.Arrivals() {
				if len(packets) == 0 || a.Timestamp != last {
					packets = append(packets, 0)
				}
				packets[len(packets)-1]++
				last = a.Timestamp
			}
			const many = 10 // before the last one, of which more may come
			n := len(packets) - 1
			return n >= many && !slices.ContainsFunc(packets[n-many:n], func(k int) bool { return k != want+1 })
		})
	}
	layer(2)
	for _, want := range []int{0, 1, 2} {
		p.request(message{"request": "configure", "mid": "v", "spatial_layer": want})
		layer(want)
	}
	p.Seen.Gapless(t, "video")
}

// TestStreamingData relays messages, and keeps the last one for viewers to come.
func TestStreamingData(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, nil, message{"type": "data", "mid": "t", "port": 0, "buffermsg": true})
	more := s.create(2, nil, message{"type": "data", "mid": "b", "port": 0, "datatype": "binary"})
	conn, err := net.Dial("udp4", loopback(ports[0]["port"]).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(text string) {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("early")
	s.awaitSource(1, 2)
	p := s.watch(message{"id": 1})
	p.ExpectText("early")
	if label := p.Channel.Label(); label != "JanusDataChannel" {
		t.Errorf("the channel is %q", label)
	}
	say("grüße")
	p.ExpectText("grüße")

	q := s.watch(message{"id": 2})
	raw, err := net.Dial("udp4", loopback(more[0]["port"]).String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	waittest.Until(t, "a message of bytes", func() bool { // the first ones are before the channel is open
		_, _ = raw.Write([]byte{0, 1, 255})
		return len(q.Texts) > 0
	})
	q.ExpectText("<0001ff>")
}

// TestStreamingClientOffers watches with an offer of the client.
func TestStreamingClientOffers(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, nil, audioStream(), videoStream(nil))
	e := s.encoder(ports[1]["port"], 5)
	n := 0
	s.keep(func() { n++; e.frame(n%20 == 0) })
	p := s.viewer()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		_, err := p.PC.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		p.Must(err)
	}
	offer, err := p.PC.CreateOffer(nil)
	p.Must(err)
	p.setLocal(offer)
	p.h.message(message{"request": "watch", "id": 1}, p.jsep())
	m := p.h.await("answer", func(m message) bool { return m.sdp() != "" })
	if result(m)["status"] != "starting" {
		t.Errorf("watch: %v", m.data())
	}
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.sdp()}))
	p.awaitResult("status", "started")
	p.Seen.AwaitMore(t, "video")
}

// TestStreamingFiles plays a file to everybody, and one to each.
func TestStreamingFiles(t *testing.T) {
	s := newStreamingServer(t)
	// Each 20 ms of the file carry their number.
	var file []byte
	for i := range 5000 { // 100 s
		chunk := webrtctest.Stamp(nil, uint64(i+1))
		file = append(file, make([]byte, 160-len(chunk))...)
		file = append(file, chunk...)
	}
	name := filepath.Join(t.TempDir(), "count.mulaw")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, kind := range []string{"live", "ondemand"} {
		s.ask(message{"request": "create", "type": kind, "id": i + 1, "filename": name, "audio": true})
	}
	live := s.watch(message{"id": 1})
	if d := live.PC.RemoteDescription().SDP; !strings.Contains(d, "UDP/TLS/RTP/SAVPF 0\r\n") || !strings.Contains(d, "a=rtpmap:0 PCMU/8000\r\n") {
		t.Errorf("offer:\n%s", d)
	}
	live.Heard.AwaitMore(t, "the radio")
	for range 2 {
		p := s.watch(message{"id": 2})
		waittest.Until(t, "the beginning of the music", func() bool { return p.Heard.Missing(1, 10) == 0 })
		p.request(message{"request": "pause"})
		p.Heard.Still(t, "silence in a pause")
		n := p.Heard.Newest()
		p.request(message{"request": "start"})
		waittest.Until(t, "the music goes on where it stopped", func() bool { return p.Heard.Missing(n+2, n+4) == 0 })
		p.Heard.Gapless(t, "music")
	}
	s.ask(message{"request": "disable", "id": 1})
	live.Heard.Still(t, "silence when disabled")
	n := live.Heard.Newest()
	s.ask(message{"request": "enable", "id": 1})
	waittest.Until(t, "the radio goes on where it stopped", func() bool { return live.Heard.Missing(n+2, n+4) == 0 })
	live.request(message{"request": "stop"})
	if m := live.h.awaitKind("hangup"); m["reason"] != "Close PC" {
		t.Errorf("hangup: %v", m["reason"])
	}
	// The handle can watch again.
	live.request(message{"request": "watch", "id": 1})
}

// TestStreamingMulticast takes media of a group.
func TestStreamingMulticast(t *testing.T) {
	s := newStreamingServer(t)
	ports := s.create(1, nil, videoStream(message{"mcast": "232.3.4.5", "iface": "127.0.0.1"}))
	e := s.encoder(ports[0]["port"], 5)
	e.rtp.IP = net.IPv4(232, 3, 4, 5)
	n := 0
	s.keep(func() { n++; e.frame(n%20 == 0) })
	p := s.watch(message{"id": 1})
	p.Seen.AwaitMore(t, "video")
}
