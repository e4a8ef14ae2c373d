package videoroom

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// data waits for an event of the plugin.
func (k *client) data(what string, ok func(d dict) bool) dict {
	k.t.Helper()
	return dataOf(k.Await(what, func(e plugintest.Event) bool { d := dataOf(e); return d != nil && ok(d) }))
}

func has(key string) func(dict) bool { return func(d dict) bool { return d[key] != nil } }

// observe joins the room only to hear what happens in it.
func (v *mediaRoom) observe() *client {
	v.t.Helper()
	k := v.attach()
	k.request(dict{"request": "join", "ptype": "publisher", "room": 1234}, nil)
	return k
}

// A publisher is asked for key frames, told how much to send, and heard when he
// talks; he can stop and publish again, and be kicked.
func TestPublisherMedia(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	admin := v.attach()
	admin.request(dict{"request": "destroy", "room": 1234}, nil)
	admin.request(dict{"request": "create", "room": 1234, "bitrate": 200000, "fir_freq": 1, "audiolevel_event": true,
		"audio_active_packets": 5, "audio_level_average": 60}, nil)
	other := v.observe()
	s := v.join(webrtctest.Options{Levels: true}, "x")
	s.Audio = s.add(webrtc.MimeTypeOpus, 0)
	video := &webrtctest.Source{Track: s.NewTrack(webrtc.MimeTypeVP8, "video", "")}
	sender, err := s.PC.AddTrack(video.Track)
	v.must(err)
	rembs, plis := make(chan float32, 1000), make(chan struct{}, 1000)
	go func() {
		for {
			list, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range list {
				switch p := p.(type) {
				case *rtcp.ReceiverEstimatedMaximumBitrate:
					rembs <- p.Bitrate
				case *rtcp.PictureLossIndication:
					plis <- struct{}{}
				}
			}
		}
	}()
	s.publish("publish")
	s.Await("webrtcup", kind("webrtcup"))
	other.data("publisher", has("publishers"))

	var level uint8
	for _, x := range s.PC.GetSenders()[0].GetParameters().HeaderExtensions {
		if x.URI == sdp.URIAudioLevel {
			level = uint8(x.ID)
		}
	}
	if level == 0 {
		t.Fatal("audio levels were not agreed on")
	}
	for _, x := range []struct{ value, event string }{{"\x14", "talking"}, {"\x7f", "stopped-talking"}} {
		s.Audio.Extensions = []webrtctest.Extension{{ID: level, Value: x.value}}
		stop := s.play(s.Audio, video)
		for _, k := range []*client{s.client, other} {
			d := k.data(x.event, func(d dict) bool { return d["videoroom"] == x.event })
			if d["mid"] != "0" || idOf(d) != s.id {
				t.Errorf("got %v", d)
			}
			if l := d["audio-level-dBov-avg"].(float64); x.event == "talking" && l != 20 {
				t.Errorf("level %v", l)
			}
		}
		stop()
	}
	stop := s.play(s.Audio, video)
	await(t, "REMB of 200 kbit/s", rembs, func(b float32) bool { return b > 199000 && b < 201000 })
	s.request(dict{"request": "configure", "bitrate": 90000}, nil)
	await(t, "REMB of 90 kbit/s", rembs, func(b float32) bool { return b > 89000 && b < 91000 })
	await(t, "PLI", plis, nil)
	await(t, "another PLI", plis, nil)
	stop()

	s.request(dict{"request": "unpublish"}, nil)
	for range 2 {
		other.data("unpublished", has("unpublished"))
	}
	if e := s.Await("hangup", kind("hangup")); e.Data != "Close PC" {
		t.Errorf("got %v", e)
	}
	s.Peer = webrtctest.NewReceiver(t, webrtctest.Options{})
	s.add(webrtc.MimeTypeOpus, 0)
	s.publish("publish")
	s.Await("webrtcup", kind("webrtcup"))
	other.data("publisher", has("publishers"))

	admin.request(dict{"request": "kick", "room": 1234, "id": s.id}, nil)
	if d := other.data("kicked", has("kicked")); numberOf(d["kicked"]) != s.id || d["display"] != "x" {
		t.Errorf("got %v", d)
	}
	s.data("leaving", func(d dict) bool { return d["reason"] == "kicked" })
	s.Await("hangup", kind("hangup"))
}

func await[T any](t *testing.T, what string, c <-chan T, ok func(T) bool) {
	t.Helper()
	deadline := time.After(waittest.Patience)
	for {
		select {
		case x := <-c:
			if ok == nil || ok(x) {
				return
			}
		case <-deadline:
			t.Fatalf("no %s", what)
		}
	}
}

// What is added later is announced, and can be subscribed to.
func TestPublisherAdds(t *testing.T) {
	waittest.NoLeaks(t)
	v := newMediaRoom(t)
	s := v.send(0)
	other := v.observe()
	added := s.add(webrtc.MimeTypeVP8, 5_000_000)
	s.publish("configure")
	d := other.data("new stream", has("publishers"))
	streams := d["publishers"].([]any)[0].(dict)["streams"].([]any)
	i := slices.IndexFunc(streams, func(x any) bool { return x.(dict)["mindex"] == float64(3) })
	if len(streams) != 4 || i < 0 || streams[i].(dict)["codec"] != "vp8" {
		t.Fatalf("got %v", streams)
	}
	l := v.receive(dict{"streams": []dict{{"feed": s.id, "mid": streams[i].(dict)["mid"]}}})
	s.play(added)
	l.awaitAfter("0", 5_000_000)

	// When the connection is lost, everybody hears of it, and it is over for
	// the subscriber.
	s.Detach()
	other.data("unpublished", has("unpublished"))
	other.data("leaving", has("leaving"))
	l.data("updated", func(d dict) bool { return d["videoroom"] == "updated" })
}
