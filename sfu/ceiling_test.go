package sfu

import (
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/pipe"
)

var vp8Codec = media.Codec{Name: media.VP8, PayloadType: 96, ClockRate: 90000}

// vp8Picture is a VP8 key frame in one packet (RFC 7741, 4.2; RFC 6386, 9.1) with a width
// and height in pixels.
func vp8Picture(n uint16, ssrc uint32, size uint16) []byte {
	b := make([]byte, rtp.FixedHeaderLen, 100)
	rtp.FixedHeader{Marker: true, PayloadType: vp8Codec.PayloadType, SequenceNumber: n, Timestamp: uint32(n) * 450, SSRC: ssrc}.Put(b)
	b = append(b, 0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, byte(size), byte(size>>8), byte(size), byte(size>>8))
	return append(b, make([]byte, 20)...)
}

// vp8Width reads the width from the payload of such a packet.
func vp8Width(payload []byte) uint16 { return uint16(payload[7]) | uint16(payload[8])<<8 }

// peers makes two peers that are connected: of ours, and the remote on a shard of another
// engine. Two connections need two, as peers are told apart by their address.
func peers(t *testing.T, ours, theirs *Engine, shard int) (p, remote *Peer) {
	t.Helper()
	hp, hr := newEvents(t), newEvents(t)
	p, err := ours.NewPeer(PeerConfig{}, hp)
	if err != nil {
		t.Fatal(err)
	}
	remote, err = theirs.NewPeer(PeerConfig{Controlling: true, Shard: shard}, hr)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, remote, p)
	hp.await(EventUp)
	hr.await(EventUp)
	go func() { // nobody else reads them
		for ev := range hp.list {
			if ev.Kind == EventClosed {
				return
			}
		}
	}()
	return p, remote
}

// TestCeiling has a viewer watch a publisher of three encodings, of which a ceiling, such as the
// estimate of a line sets it, keeps some back. Each has pictures of a size of its own.
func TestCeiling(t *testing.T) {
	waittest.NoLeaks(t)
	ours, theirs := newEngine(t, nil), newEngine(t, func(c *Config) { c.Shards = 2 })
	publisher, camera := peers(t, ours, theirs, 1)
	viewer, screen := peers(t, ours, theirs, 2)

	// The camera sends three streams, which the publisher takes for encodings of one.
	var streams []TrackConfig
	var sections []media.Section
	published := media.Section{
		Kind: media.Video, Receive: true, Codecs: []media.Codec{vp8Codec}, Simulcast: true, Encodings: make([]media.Encoding, 3),
	}
	for i := range published.Encodings {
		ssrc := uint32(100 + i)
		published.Encodings[i].SSRC = ssrc
		streams = append(streams, TrackConfig{Kind: media.Video, Codec: vp8Codec})
		sections = append(sections, media.Section{
			Index: i, Kind: media.Video, Send: true, SSRC: ssrc, Codecs: []media.Codec{vp8Codec},
		})
	}
	pictures := newSource(t, theirs, newHeard(), SourceConfig{Tracks: streams, Shard: 1})
	camera.SetSections(sections)
	for i := range streams {
		camera.Subscribe(Subscription{Origin: pictures, Track: i, Section: i, Target: media.NoLayer})
	}
	publisher.SetSections([]media.Section{published})

	const ssrc = 4711
	viewed := media.Section{Kind: media.Video, Codecs: []media.Codec{vp8Codec}}
	viewed.Send, viewed.SSRC = true, ssrc
	viewer.SetSections([]media.Section{viewed})
	viewed.Send, viewed.Receive, viewed.Encodings = false, true, []media.Encoding{{SSRC: ssrc}}
	screen.SetSections([]media.Section{viewed})
	screen.Snapshot() // it has the section
	pictured := theirs.Pipe(screen, 0)
	defer pictured.Empty()
	defer pictured.Close()
	viewer.Subscribe(Subscription{Origin: publisher, Target: media.NoLayer})

	n := uint16(0)
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	// expect waits until ten pictures in a row are of one encoding.
	expect := func(what string, encoding int) {
		t.Helper()
		want, last := uint16(64<<encoding), uint16(0)
		limit := time.Now().Add(patience)
		for row := 0; row < 10; {
			if time.Now().After(limit) {
				t.Fatalf("%s: pictures of width %d, want %d", what, last, want)
			}
			n++
			for i := range streams {
				pictures.Write(i, 0, vp8Picture(n, uint32(i+1), 64<<i))
			}
			<-pace.C
			var p pipe.Packet
			for mem, ok := pictured.Next(nil, &p); ok; mem, ok = pictured.Next(mem, &p) {
				if p.Report {
					continue
				}
				last = vp8Width(p.Data[p.Head:])
				row++
				if last != want {
					row = 0
				}
			}
		}
	}
	layer := func(encoding int8) media.Layer { return media.Layer{Encoding: encoding, Spatial: -1, Temporal: -1} }
	ceiling := func(encoding int8) {
		viewer.do(func(now mono.Time, c *peer.Peer) { c.Subscription(0).SetCeiling(now, layer(encoding)) })
	}
	target := func(encoding int8) { viewer.SetTarget(0, layer(encoding), 0) }

	expect("no limit", 2)
	ceiling(1)
	expect("a ceiling", 1)
	target(0)
	expect("a wish below the ceiling", 0)
	target(2)
	expect("a wish above the ceiling", 1)
	ceiling(0)
	expect("a lower ceiling", 0)
	viewer.Unsubscribe(0)
	viewer.Subscribe(Subscription{Origin: publisher, Target: media.NoLayer})
	expect("the ceiling of a subscription made anew", 0)
	target(1)
	expect("that ceiling still", 0)
	ceiling(-1)
	expect("the wish, without a ceiling", 1)
	target(-1)
	expect("no limit any more", 2)
}
