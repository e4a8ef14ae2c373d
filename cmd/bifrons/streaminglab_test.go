package main

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/api/plugin/streaming"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// streamingServer is a server with a client that manages its mountpoints.
type streamingServer struct {
	t      *testing.T
	server *server
	admin  *handle
}

func newStreamingServer(t *testing.T) *streamingServer {
	t.Helper()
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) {
		c.Folder = t.TempDir()
		withAdmin(c)
	})
	return &streamingServer{t, s, dial(t, s).attach(streaming.Package)}
}

// ask sends a request that is answered at once.
func (s *streamingServer) ask(body message) message {
	s.t.Helper()
	d := s.admin.message(body, nil).data()
	if d["error_code"] != nil {
		s.t.Fatalf("%v: %v", body, d)
	}
	return d
}

// create makes a mountpoint of live media and returns the ports of its streams.
func (s *streamingServer) create(id int, more message, media ...message) []message {
	s.t.Helper()
	body := message{"request": "create", "type": "rtp", "id": id, "media": media}
	for k, v := range more {
		body[k] = v
	}
	d := s.ask(body)
	var list []message
	for _, v := range d["stream"].(map[string]any)["ports"].([]any) {
		list = append(list, v.(map[string]any))
	}
	return list
}

// awaitSource waits until something has come to a mountpoint, which is younger then than
// one that was made later and to which nothing comes.
func (s *streamingServer) awaitSource(id, silent int) {
	s.t.Helper()
	waittest.Until(s.t, "the source is heard", func() bool {
		ages := make(map[any]float64)
		for _, x := range s.ask(message{"request": "list"})["list"].([]any) {
			m := x.(map[string]any)
			ages[m["id"]] = m["media"].([]any)[0].(map[string]any)["age_ms"].(float64)
		}
		return ages[float64(id)] < ages[float64(silent)]
	})
}

func videoStream(more message) message {
	m := message{"type": "video", "mid": "v", "port": 0, "pt": 100, "codec": "vp8"}
	for k, v := range more {
		m[k] = v
	}
	return m
}

func audioStream() message {
	return message{"type": "audio", "mid": "a", "port": 0, "pt": 111, "codec": "opus"}
}

// encoder sends numbered packets of one stream as plain RTP, and takes RTCP.
type encoder struct {
	t        *testing.T
	conn     *net.UDPConn
	rtp      *net.UDPAddr
	ssrc     uint32
	seq      uint16
	ts       uint32
	picture  uint16
	number   uint64 // of the last packet
	requests chan struct{}
}

func (s *streamingServer) encoder(port any, ssrc uint32) *encoder {
	e := &encoder{t: s.t, conn: webrtctest.ListenUDP(s.t, "127.0.0.1"), rtp: loopback(port), ssrc: ssrc, requests: make(chan struct{}, 64)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, err := e.conn.Read(b)
			if err != nil {
				return
			}
			list, _ := rtcp.Unmarshal(b[:n])
			for _, p := range list {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					select {
					case e.requests <- struct{}{}:
					default:
					}
				}
			}
		}
	}()
	s.t.Cleanup(func() { e.conn.Close(); <-done })
	return e
}

func loopback(port any) *net.UDPAddr {
	return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port.(float64))}
}

// report sends a report to the port for RTCP, which so learns where the source
// is.
func (e *encoder) report(port any) {
	b, err := (&rtcp.SenderReport{SSRC: e.ssrc}).Marshal()
	if err == nil {
		_, err = e.conn.WriteToUDP(b, loopback(port))
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *encoder) write(payload []byte, marker bool) {
	e.seq++
	e.number++
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, PayloadType: 33, SequenceNumber: e.seq, Timestamp: e.ts, SSRC: e.ssrc},
		Payload: webrtctest.Stamp(payload, e.number),
	}
	b, err := p.Marshal()
	if err == nil {
		_, err = e.conn.WriteToUDP(b, e.rtp)
	}
	if err != nil {
		e.t.Error(err)
	}
}

// sound sends 20 ms of audio.
func (e *encoder) sound() {
	e.ts += 960
	e.write([]byte{0xf8, 0xff, 0xfe}, false)
}

// frame sends a picture of two packets.
func (e *encoder) frame(key bool) {
	e.picture++
	e.ts += 3000
	for i := range 2 {
		e.write(webrtctest.VP8(e.picture, i == 0, key), i == 1)
	}
}

// layers sends a VP9 picture of n spatial layers in non-flexible mode (RFC 9628,
// 4.2), a packet each.
func (e *encoder) layers(key bool, n int) {
	e.picture++
	e.ts += 3000
	for sid := range n {
		head := byte(0xac) // picture id, layer indices, begin and end of a layer frame
		if !key {
			head |= 0x40
		}
		if key && sid == 0 {
			head |= 0x02 // with the structure
		}
		layer := byte(sid << 1)
		if sid > 0 {
			layer |= 1 // predicted from the layer below
		}
		b := []byte{head, 0x80 | byte(e.picture>>8), byte(e.picture), layer, byte(e.picture)}
		if key && sid == 0 {
			b = append(b, byte(n-1)<<5|0x10) // layers with their sizes
			for i := range n {
				w, h := 320<<i, 180<<i
				b = append(b, byte(w>>8), byte(w), byte(h>>8), byte(h))
			}
		}
		e.write(b, sid == n-1)
	}
}

// keep runs f every 10 ms until the end of the test, or until stop is called.
func (s *streamingServer) keep(f func()) (stop func()) {
	return webrtctest.Keep(s.t, 10*time.Millisecond, f)
}

// viewer is a pion peer that watches.
func (s *streamingServer) viewer() *pionPeer {
	s.t.Helper()
	h := dial(s.t, s.server).attach(streaming.Package)
	p := newPionReceiver(s.t, h, webrtctest.Options{Keep: true})
	p.PC.OnDataChannel(p.UseChannel)
	return p
}

// watch makes a viewer of a mountpoint whose peer connection is up.
func (s *streamingServer) watch(body message) *pionPeer {
	s.t.Helper()
	p := s.viewer()
	p.watch(body)
	up := func(m message) bool { return m["janus"] == "webrtcup" }
	if !slices.ContainsFunc(p.h.seen, up) { // it may come before the answer to start
		p.h.seen = append(p.h.seen, p.h.awaitKind("webrtcup"))
	}
	for _, m := range p.h.seen {
		if up(m) {
			s.t.Error("webrtcup came before started")
		}
		if m["transaction"] == nil && result(m)["status"] == "started" {
			break
		}
	}
	return p
}

// watch asks to watch, and answers the offer.
func (p *pionPeer) watch(body message) {
	p.t.Helper()
	body["request"] = "watch"
	p.h.message(body, nil)
	m := p.h.await("offer", func(m message) bool { return m.sdp() != "" || m.data()["error_code"] != nil })
	p.accept(m)
}

func (p *pionPeer) accept(offer message) {
	p.t.Helper()
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.sdp()}))
	answer, err := p.PC.CreateAnswer(nil)
	p.Must(err)
	p.setLocal(answer)
	p.h.message(message{"request": "start"}, p.jsep())
	p.h.await("starting or started", func(m message) bool {
		status := result(m)["status"]
		return m["transaction"] != nil && (status == "starting" || status == "started")
	})
}

// request sends a request and waits for its event.
func (p *pionPeer) request(body message) message {
	p.t.Helper()
	p.h.message(body, nil)
	m := p.h.await(fmt.Sprint("answer to ", body), func(m message) bool { return m["transaction"] != nil && m.data() != nil })
	if m.data()["error_code"] != nil {
		p.t.Fatalf("%v: %v", body, m.data())
	}
	return result(m)
}

// result is what an event of the plugin says.
func result(m message) message {
	r, _ := m.data()["result"].(map[string]any)
	return r
}

// awaitResult waits for an event that answers nothing.
func (p *pionPeer) awaitResult(key string, value any) message {
	p.t.Helper()
	return p.h.await(fmt.Sprintf("%s %v", key, value), func(m message) bool {
		return m["transaction"] == nil && fmt.Sprint(result(m)[key]) == fmt.Sprint(value)
	})
}
