package main

import (
	"testing"

	"bifrons/rtp/waittest"
)

// TestStreamingEstimation: the line to a viewer is estimated unless the mountpoint or the viewer
// wants that not, and within the lower bound of both.
func TestStreamingEstimation(t *testing.T) {
	s := newStreamingServer(t)
	video := videoStream(nil)
	for id, more := range map[int]message{1: {"max_bitrate": 900_000}, 2: {"bwe": false}} {
		e := s.encoder(s.create(id, more, video)[0]["port"], 6)
		frames := 0
		s.keep(func() { frames++; e.frame(frames%30 == 1) })
	}
	usual, none, bound := s.watch(message{"id": 1}), s.watch(message{"id": 2}), s.watch(message{"id": 1, "max_bitrate": 400_000})
	is := func(why string, p *pionPeer, most float64) {
		t.Helper()
		waittest.Until(t, why, func() bool {
			p.Seen.AwaitMore(t, "video")
			line := s.server.ask(t, p.h, message{"janus": "handle_info"}).at("info", "webrtc", "bwe")
			estimate, ok := line["estimate"].(float64)
			return ok == (most > 0) && (!ok || line["feedback"] == "transport-cc" && estimate <= most)
		})
	}
	is("within the mountpoint's bound", usual, 900_000)
	is("the mountpoint has none", none, 0)
	is("within the viewer's bound", bound, 400_000)
	usual.request(message{"request": "configure", "bwe": false})
	is("the viewer wants none", usual, 0)
	bound.request(message{"request": "configure", "max_bitrate": 300_000})
	is("within another bound", bound, 300_000)
}
