package videoroom

import (
	"strconv"
	"strings"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/sdp"
)

const dummyDisplay = "Dummy publisher"

// dummyStream is one stream that a dummy publisher is to have.
type dummyStream struct{ codec, fmtp string }

func readDummies(src kit.Source) []dummyStream {
	var list []dummyStream
	items, _ := src.List("dummy_streams")
	for _, e := range items {
		codec, _ := e.Text("codec")
		fmtp, _ := e.Text("fmtp")
		list = append(list, dummyStream{codec, fmtp})
	}
	return list
}

// addDummy adds a publisher that never sends anything, so that subscriptions
// can be negotiated before there is anybody to subscribe to. It has a stream
// for each codec of the room, or for those in the list that the room allows.
// room.mu is held, or the room not shared yet.
func (r *room) addDummy(list []dummyStream, e2ee bool) {
	if len(list) == 0 {
		for _, codec := range append(append([]string(nil), r.audioCodecs...), r.videoCodecs...) {
			list = append(list, dummyStream{codec: codec})
		}
	}
	p := &publisher{room: r, id: r.freeID(), dummy: true, display: dummyDisplay, e2ee: e2ee}
	for _, kind := range []sdp.Kind{sdp.Audio, sdp.Video} {
		for _, d := range list {
			codec := strings.ToLower(d.codec)
			if !r.allows(kind, codec) {
				continue
			}
			n := len(p.streams)
			s := p.newStream(n, strconv.Itoa(n), kind)
			s.Format = mline.NewFormat(codec, &sdp.Codec{Fmtp: d.fmtp})
			p.streams = append(p.streams, s)
		}
	}
	r.add(p)
}
