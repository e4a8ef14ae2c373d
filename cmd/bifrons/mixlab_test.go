package main

import (
	"math"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/api/plugin/audiobridge"
	"bifrons/rtp/g711"
	"bifrons/rtp/mux"
	"bifrons/rtp/ogg"
	"bifrons/rtp/opus"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// opusFrame is what a packet has, in samples of the clock of Opus.
const opusFrame = 960

// loud is the amplitude of tones.
const loud = 0.4

// tone continues a tone of a frequency, which should be a multiple of 50 Hz.
func tone(pcm []float32, hz float64, from int) {
	for i := range pcm {
		pcm[i] = float32(loud * math.Sin(2*math.Pi*hz*float64(from+i)/48000))
	}
}

// amplitude is that of a frequency in samples at 48 kHz (Goertzel's algorithm).
func amplitude(pcm []float32, hz float64) float64 {
	w := 2 * math.Pi * hz / 48000
	var a, b float64
	for _, x := range pcm {
		a, b = float64(x)+2*math.Cos(w)*a-b, a
	}
	return 2 * math.Sqrt(a*a+b*b-2*math.Cos(w)*a*b) / float64(len(pcm))
}

// opusTone is a tone in packets of 20 ms.
func opusTone(t testing.TB, hz float64, packets int) [][]byte {
	t.Helper()
	enc, err := opus.NewEncoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	pcm := make([]float32, opusFrame)
	for i := range packets {
		tone(pcm, hz, i*opusFrame)
		b, err := enc.Encode(nil, pcm)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// pcmu is the payload type of PCMU (RFC 3551, 6).
const pcmu = 0

// pcmuTone is a second of a tone in packets of 20 ms of PCMU.
func pcmuTone(hz float64) (list [][]byte) {
	pcm := make([]float32, 6*160)
	for i := range 50 {
		tone(pcm, hz, i*len(pcm))
		low := make([]float32, 160)
		for j := range low {
			low[j] = pcm[6*j]
		}
		list = append(list, g711.PCMU.Encode(nil, low))
	}
	return list
}

// writeSong writes an Ogg Opus file of so many packets of a tone (RFC 7845).
func writeSong(t testing.TB, file string, packets int) {
	t.Helper()
	w := ogg.NewWriter(1)
	b := w.Flush(w.Packet(nil, mux.OpusHead(1), 0), false)
	b = w.Flush(w.Packet(b, append([]byte("OpusTags"), make([]byte, 8)...), 0), false)
	for i, p := range opusTone(t, songHz, packets) {
		b = w.Packet(b, p, uint64(opusFrame*(i+1)))
	}
	if err := os.WriteFile(file, w.Flush(b, true), 0o600); err != nil {
		t.Fatal(err)
	}
}

const songHz = 2500

// ear listens to a stream of Opus, and knows in which frames a frequency was there.
type ear struct {
	mu     sync.Mutex
	dec    *opus.Decoder
	begun  bool
	last   uint32 // timestamp
	frames int
	pcm    []float32
	tones  map[float64]*presence

	kind uint8 // payload type of the latest packet
}

// presence is what was heard of a tone.
type presence struct {
	level   float64 // amplitude in the latest frame
	frames  int     // with it
	absent  int     // latest frames in a row without it
	longest int     // of those, since it was asked for
}

func newEar(t testing.TB, hz ...float64) *ear {
	t.Helper()
	dec, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{dec: dec, pcm: make([]float32, 6*opusFrame), tones: map[float64]*presence{}}
	for _, f := range hz {
		e.tones[f] = &presence{}
	}
	return e
}

// packet hears a packet. Those that are missing, by its timestamp, have no tone.
func (e *ear) packet(p *rtp.Packet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	skipped := 0
	if e.begun && p.PayloadType != pcmu {
		skipped = max(0, int(int32(p.Timestamp-e.last))/opusFrame-1)
	}
	e.begun, e.last, e.kind = true, p.Timestamp, p.PayloadType
	n := e.decode(p)
	e.frames++
	for hz, x := range e.tones {
		x.level = amplitude(e.pcm[:n], hz)
		x.absent += skipped
		x.longest = max(x.longest, x.absent)
		if n > 0 && x.level > loud/5 {
			x.frames, x.absent = x.frames+1, 0
			continue
		}
		x.absent++
		x.longest = max(x.longest, x.absent)
	}
}

// decode decodes a packet, and returns how many samples it has: none if it is broken.
func (e *ear) decode(p *rtp.Packet) int {
	if p.PayloadType != pcmu {
		n, err := e.dec.Decode(p.Payload, e.pcm)
		if err != nil {
			return 0
		}
		return n
	}
	low := make([]float32, len(p.Payload))
	g711.PCMU.Decode(p.Payload, low)
	n := min(6*len(low), len(e.pcm))
	for i := range n {
		e.pcm[i] = low[i/6]
	}
	return n
}

// hearsPCMU reports whether the latest packet was PCMU.
func (e *ear) hearsPCMU() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kind == pcmu
}

// of is what was heard of a tone.
func (e *ear) of(hz float64) presence {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.tones[hz]
}

// begin has gaps counted from now on.
func (e *ear) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.tones {
		x.absent, x.longest = 0, 0
	}
}

// awaitTone waits until a tone is heard that is said from now on.
func (e *ear) awaitTone(t testing.TB, hz float64) {
	t.Helper()
	const more = 25
	from := e.of(hz).frames
	waittest.Until(t, "the tone", func() bool { return e.of(hz).frames >= from+more })
}

// awaitNone waits until a tone is not heard in half a second that comes.
func (e *ear) awaitNone(t testing.TB, hz float64) {
	t.Helper()
	waittest.Until(t, "the end of the tone", func() bool { return e.of(hz).absent >= 25 })
}

// bridge is a server with rooms whose audio is mixed.
type bridge struct {
	t     testing.TB
	s     *server
	admin *handle
}

func newBridge(t testing.TB, rooms ...message) *bridge {
	t.Helper()
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) {
		c.Folder = t.TempDir()
		c.Server.General.EventLoops = 2
	})
	b := &bridge{t, s, dial(t, s).attach(audiobridge.Package)}
	for _, r := range rooms {
		r["request"] = "create"
		b.ask(r)
	}
	return b
}

// ask sends a request that is answered at once.
func (b *bridge) ask(body message) message {
	b.t.Helper()
	d := b.admin.message(body, nil).data()
	if d["error_code"] != nil {
		b.t.Fatalf("%v: %v", body, d)
	}
	return d
}

// voice is a participant that says a tone, and hears the room.
type voice struct {
	*pionPeer
	*ear
	track *webrtc.TrackLocalStaticRTP
	hz    float64
	tone  [][]byte
	step  uint32 // of timestamps
	seq   uint16
	time  uint32
}

// enter joins a room, and connects.
func (b *bridge) enter(room, id int, hz float64, listensTo ...float64) *voice {
	b.t.Helper()
	h := dial(b.t, b.s).attach(audiobridge.Package)
	v := &voice{pionPeer: newPionReceiver(b.t, h, webrtctest.Options{}), ear: newEar(b.t, listensTo...), hz: hz, step: opusFrame}
	v.tone = opusTone(b.t, hz, 50) // a second, after which the phase is the same
	v.PC.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			v.packet(p)
		}
	})
	v.track = v.NewTrack(webrtc.MimeTypeOpus, "audio", "")
	_, err := v.PC.AddTrack(v.track)
	v.Must(err)
	v.h.message(message{"request": "join", "room": room, "id": id, "display": "v"}, nil)
	v.h.awaitData("audiobridge", "joined")
	v.negotiate()
	v.awaitUp()
	return v
}

// negotiate offers and applies the answer.
func (v *voice) negotiate() {
	v.t.Helper()
	v.call(message{"request": "configure", "muted": false}, nil)
}

// onlyPCMU makes an offer of audio one of PCMU alone.
func onlyPCMU(text string) string {
	text = webrtctest.WithoutLines(text, "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
	return regexp.MustCompile(`(?m)^(m=audio \d+ [^ ]+)[ \d]+`).ReplaceAllString(text, "$1 0\r\na=rtpmap:0 PCMU/8000")
}

// rejoin leaves the room and joins it again with another codec, by the same connection. It
// must not be speaking.
func (v *voice) rejoin(room, id int, codec string) {
	v.t.Helper()
	v.h.message(message{"request": "leave"}, nil)
	v.h.awaitData("audiobridge", "left")
	track := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	v.Options.Edit, v.tone, v.step = nil, opusTone(v.t, v.hz, 50), opusFrame
	if codec == "pcmu" {
		track = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
		v.Options.Edit, v.tone, v.step = onlyPCMU, pcmuTone(v.hz), 160
	}
	offer, err := v.PC.CreateOffer(nil)
	v.Must(err)
	v.setLocal(offer)
	v.h.message(message{"request": "join", "room": room, "id": id, "codec": codec}, v.jsep())
	v.Accept(v.h.awaitData("audiobridge", "joined").sdp())
	v.track, err = webrtc.NewTrackLocalStaticRTP(track, "audio", "pion")
	v.Must(err)
	v.Must(v.PC.GetSenders()[0].ReplaceTrack(v.track))
}

// write sends a packet as it is.
func (v *voice) write(seq uint16, time uint32, payload []byte) {
	_ = v.track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: time}, Payload: payload})
}

// next says the next 20 ms of the tone.
func (v *voice) next() {
	v.seq++
	v.time += v.step
	v.write(v.seq, v.time, v.tone[int(v.seq)%len(v.tone)])
}

// speak says the tone until it is stopped, or the test ends. What a machine that is short
// of time has missed is said later.
func (v *voice) speak() (stop func()) { return steadily(v.t, v.next) }

func steadily(t testing.TB, next func()) (stop func()) {
	begin, n := time.Now(), 0
	return webrtctest.Keep(t, 10*time.Millisecond, func() {
		for ; time.Since(begin) > time.Duration(n)*20*time.Millisecond; n++ {
			next()
		}
	})
}

// plainVoice is a participant by plain RTP.
type plainVoice struct {
	*ear
	to   *net.UDPAddr
	send func(payload []byte)
	seq  uint16
	time uint32
	tone [][]byte
}

// plainEnter joins a room by plain RTP, with Opus.
func (b *bridge) plainEnter(room, id int, hz float64, listensTo ...float64) *plainVoice {
	b.t.Helper()
	conn := webrtctest.ListenUDP(b.t, "127.0.0.1")
	p := &plainVoice{ear: newEar(b.t, listensTo...), tone: opusTone(b.t, hz, 50)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		mem := make([]byte, 1500)
		for {
			n, err := conn.Read(mem)
			if err != nil {
				return
			}
			var q rtp.Packet
			if q.Unmarshal(mem[:n]) == nil {
				p.packet(&q)
			}
		}
	}()
	b.t.Cleanup(func() { conn.Close(); <-done })
	h := dial(b.t, b.s).attach(audiobridge.Package)
	h.message(message{"request": "join", "room": room, "id": id, "rtp": message{"ip": "127.0.0.1", "port": conn.LocalAddr().(*net.UDPAddr).Port}}, nil)
	at := h.awaitData("audiobridge", "joined").data()["rtp"].(map[string]any)
	p.to = loopback(at["port"])
	p.send = func(payload []byte) {
		p.seq++
		p.time += opusFrame
		q := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: uint8(at["payload_type"].(float64)), SequenceNumber: p.seq, Timestamp: p.time, SSRC: 7}, Payload: payload}
		raw, err := q.Marshal()
		if err == nil {
			_, _ = conn.WriteToUDP(raw, p.to)
		}
	}
	return p
}

// speak says the tone until it is stopped.
func (p *plainVoice) speak(t testing.TB) (stop func()) {
	return steadily(t, func() { p.send(p.tone[int(p.seq)%len(p.tone)]) })
}

// garbage is a payload of random bytes.
func garbage(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint64())
	}
	return b
}
