package main

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// roomPackage is the name that clients attach to for a room.
const roomPackage = "janus.plugin.videoroom"

// soak reports whether a test may take as long as it likes: it then runs at full
// size. Otherwise a small size has to do.
func soak() bool { return os.Getenv("BIFRONS_SOAK") != "" }

// sized picks the size of a test.
func sized(small, full int) int {
	if soak() {
		return full
	}
	return small
}

// roomServer is a server with clients in its rooms.
type roomServer struct {
	t testing.TB
	s *server
	c *client // whose session all handles belong to
}

// newRoomServer starts a server with two shards and makes rooms 1, 2, ...
func newRoomServer(t testing.TB, rooms int) *roomServer {
	t.Helper()
	return newRoomServerWith(t, rooms, func(*config.Config) {})
}

// newRoomServerWith also adjusts the server's configuration.
func newRoomServerWith(t testing.TB, rooms int, change func(*config.Config)) *roomServer {
	t.Helper()
	s := testServer(t, func(cfg *config.Config) {
		cfg.Server.General.EventLoops = 2
		change(cfg)
	})
	s.explain(t)
	v := &roomServer{t: t, s: s, c: dial(t, s)}
	admin := v.c.attach(roomPackage)
	for i := range rooms {
		m := admin.message(message{"request": "create", "room": i + 1, "publishers": 1000}, nil)
		if m.data()["videoroom"] != "created" {
			t.Fatalf("no room: %v", m)
		}
	}
	return v
}

// each does something n times at once; the number tells the calls apart.
func (v *roomServer) each(n int, f func(i int)) {
	v.t.Helper()
	const together = 8
	turns := make(chan struct{}, together)
	var all sync.WaitGroup
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			f(i)
		})
	}
	all.Wait()
	if v.t.Failed() {
		v.t.FailNow()
	}
}

// speaker is a publisher in a room.
type speaker struct {
	*pionPeer
	id int
}

// enter joins a room as a participant with an id and publishes.
func (v *roomServer) enter(room, id int, o webrtctest.Options) *speaker {
	v.t.Helper()
	h := v.c.attach(roomPackage)
	h.message(message{"request": "join", "ptype": "publisher", "room": room, "id": id}, nil)
	h.awaitData("videoroom", "joined")
	p := &speaker{newPionPeer(v.t, h, o), id}
	p.publish(nil)
	p.awaitUp()
	return p
}

// publish offers and applies the answer.
func (p *speaker) publish(o *webrtc.OfferOptions) {
	p.t.Helper()
	offer, err := p.PC.CreateOffer(o)
	p.Must(err)
	p.setLocal(offer)
	p.h.message(message{"request": "configure", "audio": true, "video": true}, p.jsep())
	p.Accept(p.h.awaitData("configured", "ok").sdp())
}

// viewer is a subscriber to some participants.
type viewer struct {
	*pionPeer
	mu    sync.Mutex
	feeds map[string]*webrtctest.Tally
}

// view subscribes to all that some participants of a room publish.
func (v *roomServer) view(room int, o webrtctest.Options, ids ...int) *viewer {
	v.t.Helper()
	h := v.c.attach(roomPackage)
	var streams []message
	for _, id := range ids {
		streams = append(streams, message{"feed": id})
	}
	h.message(message{"request": "join", "ptype": "subscriber", "room": room, "streams": streams, "use_msid": true}, nil)
	m := h.awaitData("videoroom", "attached")
	w := &viewer{pionPeer: newPionReceiver(v.t, h, o), feeds: map[string]*webrtctest.Tally{}}
	w.PC.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		id, _ := strconv.Atoi(track.StreamID())
		into := w.of(id, track.Kind())
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			into.Add(packet)
		}
	})
	w.start(m)
	w.awaitUp()
	return w
}

// start answers an offer.
func (w *viewer) start(offer message) {
	w.t.Helper()
	w.Must(w.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.sdp()}))
	answer, err := w.PC.CreateAnswer(nil)
	w.Must(err)
	w.setLocal(answer)
	w.h.message(message{"request": "start"}, w.jsep())
	w.h.awaitData("started", "ok")
}

// of is what came from a participant.
func (w *viewer) of(id int, kind webrtc.RTPCodecType) *webrtctest.Tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strconv.Itoa(id) + kind.String()
	if w.feeds[key] == nil {
		w.feeds[key] = webrtctest.NewTally()
	}
	return w.feeds[key]
}

func (w *viewer) audio(id int) *webrtctest.Tally { return w.of(id, webrtc.RTPCodecTypeAudio) }
func (w *viewer) video(id int) *webrtctest.Tally { return w.of(id, webrtc.RTPCodecTypeVideo) }

// span is the packets of a participant from some time on.
type span struct {
	p            *speaker
	audio, video uint64 // numbers of the first ones
}

// from begins a span with what is sent next.
func (p *speaker) from() span { return span{p, p.Audio.Sent.Load() + 1, p.Video.Sent.Load() + 1} }

// missing is how many packets of a span, up to now, a viewer lacks.
func (w *viewer) missing(s span) int {
	id := s.p.id
	return w.audio(id).Missing(s.audio, s.p.Audio.Sent.Load()) + w.video(id).Missing(s.video, s.p.Video.Sent.Load())
}

// warmUp plays until all viewers get pictures, which begin with a key frame.
func warmUp(t testing.TB, p *speaker, viewers ...*viewer) {
	t.Helper()
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 50 * time.Millisecond})
	defer stop()
	waittest.Until(t, "everybody gets media", func() bool {
		for _, w := range viewers {
			if w.audio(p.id).Count() == 0 || w.video(p.id).Count() == 0 {
				return false
			}
		}
		return true
	})
}

// awaitAll waits until viewers lack nothing of a span that has ended.
func awaitAll(t testing.TB, s span, viewers ...*viewer) {
	t.Helper()
	defer func() {
		for i, w := range viewers {
			if n := w.missing(s); t.Failed() && n > 0 {
				t.Logf("viewer %d lacks %d packets", i, n)
			}
		}
	}()
	waittest.Until(t, "everybody gets everything", func() bool {
		for _, w := range viewers {
			if w.missing(s) > 0 {
				return false
			}
		}
		return true
	})
}

// awaitFresh waits until a viewer gets what is sent from now on.
func (w *viewer) awaitFresh(p *speaker) {
	w.t.Helper()
	audio, video := p.Audio.Sent.Load(), p.Video.Sent.Load()
	waittest.Until(w.t, "fresh media of participant "+strconv.Itoa(p.id), func() bool {
		return w.audio(p.id).Newest() > audio+5 && w.video(p.id).Newest() > video+5
	})
}
