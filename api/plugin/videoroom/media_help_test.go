package videoroom

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/janus"
	"bifrons/sdp"
	"bifrons/sfu"
)

const patience = 20 * time.Second

type dict = map[string]any

// venue is a server with two shards and one room, 1234.
type venue struct {
	t       *testing.T
	engine  *sfu.Engine
	core    *janus.Core
	plugin  *Plugin
	session uint64

	mu     sync.Mutex
	events map[uint64]chan dict // by handle
}

func newVenue(t *testing.T) *venue {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	engine, err := sfu.New(sfu.Config{Shards: 2, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	v := &venue{t: t, engine: engine, events: make(map[uint64]chan dict)}
	v.core = janus.New(janus.Config{Engine: engine, Logger: log})
	t.Cleanup(v.core.Close)
	v.plugin = New(Config{Folder: t.TempDir()})
	if err := v.core.AddPlugin(v.plugin); err != nil {
		t.Fatal(err)
	}
	v.session = idOf(v.do(dict{"janus": "create"})["data"])
	v.attach().request(dict{"request": "create", "room": 1234, "publishers": 10}, nil)
	return v
}

func (v *venue) Transport() string              { return "janus.transport.test" }
func (v *venue) ID() string                     { return "1" }
func (v *venue) SessionBound(uint64)            {}
func (v *venue) SessionOver(uint64, janus.Over) {}

func (v *venue) Deliver(_ uint64, e janus.Event) {
	event := e.Bytes()
	var o dict
	if err := json.Unmarshal(event, &o); err != nil {
		v.t.Errorf("%v: %s", err, event)
		return
	}
	if o["sender"] != nil {
		v.queue(numberOf(o["sender"])) <- o
	}
}

func (v *venue) queue(handle uint64) chan dict {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.events[handle] == nil {
		v.events[handle] = make(chan dict, 10000)
	}
	return v.events[handle]
}

func (v *venue) do(o dict) dict {
	v.t.Helper()
	if o["transaction"] == nil {
		o["transaction"] = "t"
	}
	b, _ := json.Marshal(o)
	answer := make(chan []byte, 1)
	v.core.Handle(v, janus.Request{Body: b}, func(msg []byte) { answer <- slices.Clone(msg) })
	select {
	case msg := <-answer:
		var r dict
		if err := json.Unmarshal(msg, &r); err != nil || r["janus"] == "error" {
			v.t.Fatalf("%s: %v %s", b, err, msg)
		}
		return r
	case <-time.After(patience):
		v.t.Fatalf("no answer to %s", b)
		return nil
	}
}

// ticket is one handle.
type ticket struct {
	*venue
	handle uint64
	inbox  chan dict
	serial int
}

func (v *venue) attach() *ticket {
	v.t.Helper()
	id := idOf(v.do(dict{"janus": "attach", "session_id": v.session, "plugin": Package})["data"])
	return &ticket{venue: v, handle: id, inbox: v.queue(id)}
}

func (k *ticket) verb(name string) {
	k.t.Helper()
	k.do(dict{"janus": name, "session_id": k.session, "handle_id": k.handle})
}

// request sends a message and waits for its event, or its immediate answer.
func (k *ticket) request(body, jsep dict) dict {
	k.t.Helper()
	k.serial++
	tx := fmt.Sprint(k.serial)
	m := dict{"janus": "message", "session_id": k.session, "handle_id": k.handle, "body": body, "transaction": tx}
	if jsep != nil {
		m["jsep"] = jsep
	}
	r := k.do(m)
	if r["janus"] == "ack" {
		r = k.wait("answer to "+fmt.Sprint(body), func(e dict) bool { return e["transaction"] == tx })
	}
	if d := dataOf(r); d["error_code"] != nil {
		k.t.Fatalf("%v: %v", body, d)
	}
	return r
}

// wait takes events until one is as wanted.
func (k *ticket) wait(what string, ok func(e dict) bool) dict {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-k.inbox:
			if ok(e) {
				return e
			}
		case <-deadline:
			k.t.Fatalf("no %s", what)
		}
	}
}

func kind(janus string) func(dict) bool { return func(e dict) bool { return e["janus"] == janus } }

// numberOf is an id. In print it has all its digits, other than the float64
// that it comes as.
func numberOf(x any) uint64 {
	f, _ := x.(float64)
	return uint64(f)
}

// idOf is the id in an object.
func idOf(x any) uint64 {
	o, _ := x.(dict)
	return numberOf(o["id"])
}

func dataOf(e dict) dict {
	p, _ := e["plugindata"].(dict)
	d, _ := p["data"].(dict)
	return d
}

func (v *venue) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// newPC makes a peer connection that is closed before the server is.
func (v *venue) newPC() *webrtc.PeerConnection {
	v.t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	v.must(err)
	v.t.Cleanup(func() { pc.GracefulClose() })
	return pc
}

// local applies the own description and returns it as a jsep.
func (v *venue) local(pc *webrtc.PeerConnection, d webrtc.SessionDescription, err error) dict {
	v.t.Helper()
	v.must(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	v.must(pc.SetLocalDescription(d))
	<-gathered
	return dict{"type": d.Type.String(), "sdp": pc.LocalDescription().SDP, "trickle": false}
}

func remote(e dict) webrtc.SessionDescription {
	j, _ := e["jsep"].(dict)
	text, _ := j["sdp"].(string)
	typ, _ := j["type"].(string)
	return webrtc.SessionDescription{Type: webrtc.NewSDPType(typ), SDP: text}
}

// singer is a publisher of audio, video and data.
type singer struct {
	*ticket
	id           uint64
	pc           *webrtc.PeerConnection
	audio, video *voice
	channel      *webrtc.DataChannel
	open         chan struct{}
}

// voice is a track of numbered packets.
type voice struct {
	track *webrtc.TrackLocalStaticRTP
	video bool
	base  uint64 // added to the numbers
	sent  uint64
	key   atomic.Bool      // a key frame was asked for
	ids   map[uint8]string // header extensions of every packet
}

func (v *venue) sing(base uint64) *singer {
	v.t.Helper()
	s := &singer{ticket: v.attach(), pc: v.newPC(), open: make(chan struct{})}
	e := s.request(dict{"request": "join", "ptype": "publisher", "room": 1234, "display": fmt.Sprint("singer ", base)}, nil)
	s.id = idOf(dataOf(e))
	s.audio = s.voice(webrtc.MimeTypeOpus, base)
	s.video = s.voice(webrtc.MimeTypeVP8, base)
	var err error
	s.channel, err = s.pc.CreateDataChannel("JanusDataChannel", nil)
	v.must(err)
	s.channel.OnOpen(func() { close(s.open) })
	offer, err := s.pc.CreateOffer(nil)
	e = s.request(dict{"request": "publish"}, s.local(s.pc, offer, err))
	v.must(s.pc.SetRemoteDescription(remote(e)))
	s.published()
	return s
}

// published waits until one can subscribe, which is a moment after the
// publisher itself is told that it is connected.
func (s *singer) published() {
	s.t.Helper()
	s.wait("webrtcup", kind("webrtcup"))
	other := s.attach()
	defer other.verb("detach")
	eventually(s.t, "published", func() bool {
		list, _ := dataOf(other.request(dict{"request": "listparticipants", "room": 1234}, nil))["participants"].([]any)
		return slices.ContainsFunc(list, func(x any) bool { return idOf(x) == s.id && x.(dict)["publisher"] == true })
	})
}

// choir is a publisher of one video in three encodings, numbered from 0,
// 1000000 and 2000000 on.
func (v *venue) choir() (*singer, []*voice) {
	v.t.Helper()
	s := &singer{ticket: v.attach(), pc: v.newPC()}
	e := s.request(dict{"request": "join", "ptype": "publisher", "room": 1234}, nil)
	s.id = idOf(dataOf(e))
	voices := make([]*voice, 3)
	var sender *webrtc.RTPSender
	for i, rid := range []string{"h", "m", "l"} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "choir",
			webrtc.WithRTPStreamID(rid))
		v.must(err)
		voices[2-i] = &voice{track: track, video: true, base: uint64(2-i) * 1_000_000}
		if sender == nil {
			sender, err = s.pc.AddTrack(track)
		} else {
			err = sender.AddEncoding(track)
		}
		v.must(err)
	}
	for i, rid := range []string{"l", "m", "h"} {
		go voices[i].follow(func() ([]rtcp.Packet, interceptor.Attributes, error) { return sender.ReadSimulcastRTCP(rid) })
	}
	offer, err := s.pc.CreateOffer(nil)
	e = s.request(dict{"request": "publish"}, s.local(s.pc, offer, err))
	// pion takes "a=rid:h recv" for what the answerer sends.
	d := remote(e)
	d.SDP = recvRIDs.ReplaceAllString(d.SDP, "")
	v.must(s.pc.SetRemoteDescription(d))
	for _, x := range sender.GetParameters().HeaderExtensions {
		for i, rid := range []string{"l", "m", "h"} {
			if voices[i].ids == nil {
				voices[i].ids = make(map[uint8]string)
			}
			switch x.URI {
			case sdp.URIMID:
				voices[i].ids[uint8(x.ID)] = "0"
			case sdp.URIRID:
				voices[i].ids[uint8(x.ID)] = rid
			}
		}
	}
	s.published()
	return s, voices
}

var recvRIDs = regexp.MustCompile(`a=(rid|simulcast):.*\r\n`)

func (s *singer) voice(mime string, base uint64) *voice {
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime, "singer")
	s.must(err)
	x := &voice{track: track, video: mime == webrtc.MimeTypeVP8, base: base}
	sender, err := s.pc.AddTrack(track)
	s.must(err)
	go x.follow(sender.ReadRTCP)
	return x
}

// follow reads requests for key frames until the end of the peer connection.
func (x *voice) follow(read func() ([]rtcp.Packet, interceptor.Attributes, error)) {
	for {
		list, _, err := read()
		if err != nil {
			return
		}
		for _, p := range list {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				x.key.Store(true)
			}
		}
	}
}

// send sends one numbered packet, which is a frame.
func (x *voice) send() {
	x.sent++
	payload := []byte{0xf8, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0}
	step := uint64(960)
	if x.video {
		step = 3000
		payload = []byte{0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		if x.key.Swap(false) || x.sent == 1 {
			payload = []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0}
		}
	}
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: uint16(x.sent), Timestamp: uint32(x.sent * step)},
		Payload: binary.BigEndian.AppendUint64(payload, x.base+x.sent),
	}
	for id, value := range x.ids {
		p.SetExtension(id, []byte(value))
	}
	x.track.WriteRTP(p)
}

// perform sends until stop.
func (s *singer) perform(voices ...*voice) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, x := range voices {
				x.send()
			}
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(quit); <-done })
	s.t.Cleanup(stop)
	return stop
}

// listener is a subscriber.
type listener struct {
	*ticket
	pc   *webrtc.PeerConnection
	told chan string // "label: text" of data

	mu    sync.Mutex
	heard map[string][]heard // by mid
}

type heard struct {
	number uint64
	seq    uint16
	ssrc   uint32
	video  bool
}

// listen joins with these fields, and waits until the connection is up.
func (v *venue) listen(fields dict) *listener {
	v.t.Helper()
	l := &listener{ticket: v.attach(), pc: v.newPC(), heard: make(map[string][]heard), told: make(chan string, 100)}
	l.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		transceiver := receiver.RTPTransceiver()
		if transceiver == nil { // stopped meanwhile
			return
		}
		mid := transceiver.Mid()
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if n := len(p.Payload); n > 8 {
				l.mu.Lock()
				l.heard[mid] = append(l.heard[mid], heard{binary.BigEndian.Uint64(p.Payload[n-8:]), p.SequenceNumber, p.SSRC, track.Kind() == webrtc.RTPCodecTypeVideo})
				l.mu.Unlock()
			}
		}
	})
	l.pc.OnDataChannel(func(c *webrtc.DataChannel) {
		c.OnMessage(func(m webrtc.DataChannelMessage) {
			l.told <- fmt.Sprintf("%s %v: %s", c.Label(), m.IsString, m.Data)
		})
	})
	body := dict{"request": "join", "ptype": "subscriber", "room": 1234}
	for k, f := range fields {
		body[k] = f
	}
	l.answer(l.request(body, nil))
	l.wait("webrtcup", kind("webrtcup"))
	return l
}

// answer answers an offer.
func (l *listener) answer(e dict) {
	l.t.Helper()
	l.must(l.pc.SetRemoteDescription(remote(e)))
	a, err := l.pc.CreateAnswer(nil)
	l.request(dict{"request": "start"}, l.local(l.pc, a, err))
}

// ask sends a request, and answers all offers that come with its event or
// before it.
func (l *listener) ask(body dict) {
	l.t.Helper()
	l.serial++
	tx := fmt.Sprint(l.serial)
	l.do(dict{"janus": "message", "session_id": l.session, "handle_id": l.handle, "body": body, "transaction": tx})
	var offers []dict
	l.wait("answer to "+fmt.Sprint(body), func(e dict) bool {
		if e["jsep"] != nil {
			offers = append(offers, e)
		}
		return e["transaction"] == tx
	})
	for _, e := range offers {
		l.answer(e)
	}
	l.settle()
}

// settle answers the offers that have come.
func (l *listener) settle() {
	l.t.Helper()
	for {
		select {
		case e := <-l.inbox:
			if e["jsep"] != nil {
				l.answer(e)
			}
		default:
			return
		}
	}
}

// newest is the highest number below a million that came of a kind.
func (l *listener) newest(video bool) (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.heard {
		for _, h := range list {
			if h.video == video && h.number < 1_000_000 {
				n = max(n, h.number)
			}
		}
	}
	return n
}

// got returns what came on an m-line so far.
func (l *listener) got(mid string) []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard[mid])
}

// last is the highest number that came on an m-line.
func (l *listener) last(mid string) (n uint64) {
	for _, h := range l.got(mid) {
		n = max(n, h.number)
	}
	return n
}

// awaitAfter waits until more than number has come.
func (l *listener) awaitAfter(mid string, number uint64) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("packets after %d on m-line %s", number, mid), func() bool { return l.last(mid) > number })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
