package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
)

// layerBase tells the layers' packets apart by their numbers.
const layerBase = 1 << 32

// addLayers sends video in several encodings, the first one the best.
func (p *pionPeer) addLayers() {
	p.t.Helper()
	var sender *webrtc.RTPSender
	for i, rid := range p.o.rids {
		s := &source{track: p.track(webrtc.MimeTypeVP8, "video", rid), size: 100 * (len(p.o.rids) - i)}
		s.base = uint64(len(p.o.rids)-1-i) * layerBase
		s.seq, s.ts, s.picture = uint16(65500+i*111), uint32(i)*1e9, uint16(i*1000)
		p.layers = append(p.layers, s)
		if sender == nil {
			var err error
			sender, err = p.pc.AddTrack(s.track)
			p.must(err)
		} else {
			p.must(sender.AddEncoding(s.track))
		}
	}
	for i, rid := range p.o.rids {
		p.follow(p.layers[i], func() ([]rtcp.Packet, interceptor.Attributes, error) {
			return sender.ReadSimulcastRTCP(rid)
		})
	}
}

// nameLayers puts mid and rid into the layers' packets, which pion leaves to
// the application.
func (p *pionPeer) nameLayers() {
	for _, tr := range p.pc.GetTransceivers() {
		if tr.Kind() != webrtc.RTPCodecTypeVideo {
			continue
		}
		for _, x := range tr.Sender().GetParameters().HeaderExtensions {
			for i, l := range p.layers {
				switch x.URI {
				case sdp.SDESMidURI:
					l.ids = append(l.ids, extension{uint8(x.ID), tr.Mid()})
				case sdp.SDESRTPStreamIDURI:
					l.ids = append(l.ids, extension{uint8(x.ID), p.o.rids[i]})
				}
			}
		}
	}
}

// layerOf is the substream that a packet came from.
func (a arrival) layerOf() int { return int(a.number / layerBase) }

// last returns the substream of the newest packet, -1 if there is none.
func (c *tally) last() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == 0 {
		return -1
	}
	return c.list[len(c.list)-1].layerOf()
}

// TestPionSimulcast: pion sends three encodings and gets the one back that it
// asks for, in one stream.
func TestPionSimulcast(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), peerOptions{rids: []string{"h", "m", "l"}})
	p.seen.keep = true
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.nameLayers()
	stop := p.keepPlaying(pace{packets: 2, every: 20 * time.Millisecond})
	order := []int{2, 0, 1, 2, 1, 0}
	for i, want := range order {
		if i > 0 {
			p.h.message(message{"substream": want}, nil)
		}
		p.h.await(fmt.Sprintf("event of substream %d", want), func(m message) bool {
			return m.data()["substream"] == float64(want) && m.data()["videocodec"] == "vp8"
		})
		eventually(t, fmt.Sprintf("substream %d comes", want), func() bool { return p.seen.last() == want })
		p.await30()
	}
	stop()
	p.seen.continuous(t)
	p.seen.layersIn(t, order)
	p.closeAndExpect("DTLS alert")
	s.awaitEmpty(t)
}

// await30 waits for thirty more packets.
func (p *pionPeer) await30() {
	p.t.Helper()
	before := p.seen.count()
	eventually(p.t, "thirty more packets", func() bool { return p.seen.count() >= before+30 })
}

// continuous fails the test unless all that came is one stream: one SSRC, no
// number left out, timestamps that grow as time passes.
func (c *tally) continuous(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range c.list[1:] {
		before := c.list[i]
		step := int32(a.ts - before.ts)
		if a.ssrc != before.ssrc || a.seq != before.seq+1 || step < 0 || step > 90000 {
			t.Errorf("after packet %+v came %+v", before, a)
		}
		if a.layerOf() != before.layerOf() && step == 0 {
			t.Errorf("two layers in one picture: %+v, %+v", before, a)
		}
	}
}

// layersIn fails the test unless the layers came in this order; on the way from
// one to the other the one between them may come.
func (c *tally) layersIn(t *testing.T, want []int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var got []int
	for _, a := range c.list {
		if len(got) == 0 || got[len(got)-1] != a.layerOf() {
			got = append(got, a.layerOf())
		}
	}
	rest := want
	for _, l := range got {
		if len(rest) > 0 && l == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 || len(got) > 2*len(want) {
		t.Errorf("layers came in the order %v, want %v", got, want)
	}
}
