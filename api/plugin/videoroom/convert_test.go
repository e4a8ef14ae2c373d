package videoroom

import (
	"path/filepath"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestRecordingConverts has Janus's tool convert a recording of VP8 and Opus of a client.
func TestRecordingConverts(t *testing.T) {
	waittest.NoLeaks(t)
	peer := webrtctest.NewReceiver(t, webrtctest.Options{})
	film := webrtctest.NewFilm(peer)
	v, admin, folder := recordRoom(t, dict{"record": true})
	s := &sender{client: v.attach(), Peer: peer}
	e := s.request(dict{"request": "joinandconfigure", "ptype": "publisher", "room": 1234, "id": 5, "filename": "talk"}, s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	s.id = 5
	s.AwaitConnected()
	s.published()
	s.recordings(2)
	packets := film.Play()
	waittest.Until(t, "nearly all packets", func() bool { n, _ := v.core.Engine().RecordTotals(); return n.Packets >= uint64(packets)*9/10 })
	admin.request(dict{"request": "destroy", "room": 1234}, nil)
	v.whole()
	mjr := func(name string) string {
		list, err := filepath.Glob(filepath.Join(folder, "talk-"+name+"-*.mjr"))
		if err != nil || len(list) != 1 {
			t.Fatalf("files %v, %v", list, err)
		}
		return list[0]
	}
	film.CheckRecordings(mjr("video"), mjr("audio"))
}
