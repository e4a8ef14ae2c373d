package videoroom

import (
	"testing"

	"bifrons/rtp/waittest"
)

// The lines to subscribers are estimated unless the room or the client says otherwise, also
// when the room is edited meanwhile: the client's word counts.
func TestSubscribersAreEstimated(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	s := v.send(0)
	s.play(s.Video)
	usual := v.receive(dict{"feed": s.id})
	off := v.receive(dict{"feed": s.id, "bwe": false})
	on := v.receive(dict{"feed": s.id, "bwe": true, "max_bitrate": 900_000})
	expect := func(what string, l *receiver, estimated bool, most uint64) {
		t.Helper()
		waittest.Until(t, what, func() bool {
			line := l.client.Peer().Snapshot().Line
			return (line != nil) == estimated && (!estimated || line.Feedback != 0 && line.Target <= most)
		})
	}
	edit := func(fields dict) {
		t.Helper()
		fields["request"], fields["room"] = "edit", 1234
		v.attach().request(fields, nil)
	}
	const any = 1 << 40
	expect("what is usual", usual, true, any)
	expect("the client wants none", off, false, 0)
	expect("the client's bound", on, true, 900_000)
	edit(dict{"new_bwe": false, "new_max_bitrate": 700_000})
	expect("the room has none any more", usual, false, 0)
	expect("the client wants it, within the room's bound", on, true, 700_000)
	edit(dict{"new_bwe": true, "new_max_bitrate": 0})
	expect("the room has it again", usual, true, any)
	expect("the client wants none still", off, false, 0)
	off.request(dict{"request": "configure", "bwe": true}, nil)
	expect("now it does", off, true, any)
}
