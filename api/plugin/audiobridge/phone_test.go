package audiobridge

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/opus"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

// exchange is a server with two shards.
func exchange(t *testing.T, folder, file string) *bridge {
	t.Helper()
	return newBridgeIn(t, folder, file, plugintest.Config{Engine: sfu.Config{Shards: 2}})
}

// phone is a participant with a WebRTC client, which says a tone.
type phone struct {
	*client
	t  *testing.T
	pc *webrtc.PeerConnection
	hz float64

	mu      sync.Mutex
	ear     ear
	packets int
	seq     uint16
	time    uint32
}

// ear decodes what comes.
type ear struct {
	dec *opus.Decoder
	pcm []float32 // the last of it
}

func newEar(t *testing.T) ear {
	t.Helper()
	dec, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	return ear{dec: dec}
}

const lately = 9600 // samples, a fifth of a second

func (e *ear) take(t *testing.T, payload []byte) {
	pcm := make([]float32, 5760)
	n, err := e.dec.Decode(payload, pcm)
	if err != nil {
		t.Errorf("what comes is no Opus: %v", err)
	}
	e.pcm = append(e.pcm, pcm[:n]...)
	e.pcm = e.pcm[max(0, len(e.pcm)-lately):]
}

// hears is the amplitude of a tone in what came lately (Goertzel's algorithm).
func (e *ear) hears(hz float64) float64 {
	if len(e.pcm) < lately {
		return 0
	}
	return amplitude(e.pcm, hz, 48000)
}

func amplitude(pcm []float32, hz float64, rate int) float64 {
	k := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var a, b float64
	for _, x := range pcm {
		a, b = float64(x)+k*a-b, a
	}
	return 2 * math.Sqrt(max(0, a*a+b*b-k*a*b)) / float64(len(pcm))
}

// voice says a tone, of a frequency that is a multiple of 50 Hz.
type voice struct {
	hz        float64
	loud, low []sound // a second, after which the phase is the same
	quiet     atomic.Bool
}

// sound is 20 ms, and how loud that is (RFC 6464).
type sound struct {
	payload []byte
	level   uint8
}

func newVoice(t *testing.T, hz float64) *voice {
	t.Helper()
	return &voice{hz: hz, loud: sine(t, hz, .2), low: sine(t, hz, .0005)}
}

// sine is a second of a tone.
func sine(t *testing.T, hz, amplitude float64) (list []sound) {
	t.Helper()
	enc, err := opus.NewEncoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		pcm, sum := make([]float32, 960), 0.
		for j := range pcm {
			x := amplitude * math.Sin(2*math.Pi*hz*float64(960*i+j)/48000)
			pcm[j] = float32(x)
			sum += x * x
		}
		b, err := enc.Encode(nil, pcm)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sound{b, uint8(-10 * math.Log10(sum/960))})
	}
	return list
}

// packet is the nth one, from 0 on.
func (v *voice) packet(n int) sound {
	if v.quiet.Load() {
		return v.low[n%len(v.low)]
	}
	return v.loud[n%len(v.loud)]
}

// say sends 20 ms after 20 ms until the test ends. What a machine that is short of time has
// missed is sent later.
func say(t *testing.T, send func(n int)) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for begin, n := time.Now(), 0; ; {
			for ; time.Since(begin) > time.Duration(n)*20*time.Millisecond; n++ {
				send(n)
			}
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	t.Cleanup(func() { close(quit); <-done })
}

// phone joins a room and speaks.
func (b *bridge) phone(room, id int, hz float64, more string) *phone {
	b.t.Helper()
	return b.call(room, id, newVoice(b.t, hz), more, false)
}

// call is phone with a voice; with levels every packet tells how loud it is.
func (b *bridge) call(room, id int, v *voice, more string, levels bool) *phone {
	b.t.Helper()
	var media webrtc.MediaEngine
	if err := media.RegisterDefaultCodecs(); err != nil {
		b.t.Fatal(err)
	}
	return b.dial(room, id, v, more, dialling{media: &media, codec: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, levels: levels})
}

// dialling is how a phone sends.
type dialling struct {
	media  *webrtc.MediaEngine
	codec  webrtc.RTPCodecCapability
	levels bool
	pack   func(n int, payload []byte) []byte // what the nth packet has, nil = it is lost; nil = the payload
}

// dial is call for a phone that sends in a way of its own.
func (b *bridge) dial(room, id int, v *voice, more string, how dialling) *phone {
	b.t.Helper()
	p := &phone{client: &client{b.Connect(plugintest.Options{}), b}, t: b.t, hz: v.hz, ear: newEar(b.t)}
	media, levels := how.media, how.levels
	if levels {
		p.must(media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.URIAudioLevel}, webrtc.RTPCodecTypeAudio))
	}
	var err error
	p.pc, err = webrtc.NewAPI(webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	track, err := webrtc.NewTrackLocalStaticRTP(how.codec, "a", strconv.Itoa(id))
	p.must(err)
	sender, err := p.pc.AddTrack(track)
	p.must(err)
	p.pc.OnTrack(p.listen)
	b.t.Cleanup(func() { p.pc.GracefulClose() })
	say(b.t, func(n int) {
		x := v.packet(n)
		if how.pack != nil {
			if x.payload = how.pack(n, x.payload); x.payload == nil {
				return
			}
		}
		q := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(n) * 960}, Payload: x.payload}
		for _, e := range sender.GetParameters().HeaderExtensions {
			if e.URI == sdp.URIAudioLevel && levels {
				q.SetExtension(uint8(e.ID), []byte{x.level})
			}
		}
		track.WriteRTP(q)
	})
	d, err := p.pc.CreateOffer(nil)
	p.must(err)
	gathered := webrtc.GatheringCompletePromise(p.pc)
	p.must(p.pc.SetLocalDescription(d))
	<-gathered
	e := p.Ask(quoted(`{'request':'join','room':`+strconv.Itoa(room)+`,'id':`+strconv.Itoa(id)+more+`}`), p.Remote("offer", p.pc.LocalDescription().SDP))
	if e.JSEP == nil {
		b.t.Fatalf("join: %s", e)
	}
	p.must(p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: e.SDP}))
	p.AwaitText("[webrtcup]")
	return p
}

func (p *phone) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// listen hears the mix. Its numbers and timestamps go on without a gap, whatever happens.
func (p *phone) listen(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		q, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.packets > 0 && q.SequenceNumber != p.seq+1 {
			p.t.Errorf("number %d follows %d", q.SequenceNumber, p.seq)
		}
		p.packets++
		p.seq, p.time = q.SequenceNumber, q.Timestamp
		p.ear.take(p.t, q.Payload)
		p.mu.Unlock()
	}
}

// awaitTones waits until a phone hears some tones, and some not.
func (p *phone) awaitTones(what string, tones, silent []float64) {
	p.t.Helper()
	waittest.Until(p.t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.ear.pcm) < lately {
			return false
		}
		for _, hz := range tones {
			if p.ear.hears(hz) < .08 {
				return false
			}
		}
		for _, hz := range silent {
			if p.ear.hears(hz) > .02 {
				return false
			}
		}
		return true
	})
}
