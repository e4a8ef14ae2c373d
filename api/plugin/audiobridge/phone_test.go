package audiobridge

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/opus"
	"bifrons/rtp/waittest"
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

// sine makes the Opus packets of a tone.
func sine(t *testing.T, hz float64) (next func() []byte) {
	t.Helper()
	enc, err := opus.NewEncoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	return func() []byte {
		pcm := make([]float32, 960)
		for j := range pcm {
			pcm[j] = float32(.2 * math.Sin(2*math.Pi*hz*float64(i)/48000))
			i++
		}
		b, err := enc.Encode(nil, pcm)
		if err != nil {
			t.Error(err)
		}
		return b
	}
}

// phone joins a room and speaks.
func (b *bridge) phone(room, id int, hz float64, more string) *phone {
	b.t.Helper()
	p := &phone{client: &client{b.Connect(plugintest.Options{}), b}, t: b.t, hz: hz, ear: newEar(b.t)}
	var err error
	p.pc, err = webrtc.NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", strconv.Itoa(id))
	p.must(err)
	_, err = p.pc.AddTrack(track)
	p.must(err)
	p.pc.OnTrack(p.listen)
	quit, done := make(chan struct{}), make(chan struct{})
	next := sine(b.t, hz)
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(1); ; n++ {
			track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 960}, Payload: next()})
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	b.t.Cleanup(func() { close(quit); <-done; p.pc.GracefulClose() })
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
