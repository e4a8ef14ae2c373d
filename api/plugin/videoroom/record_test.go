package videoroom

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// recordRoom is a media room with a folder for recordings, instead of the usual one.
func recordRoom(t *testing.T, more dict) (v *mediaRoom, admin *client, folder string) {
	t.Helper()
	v, folder = newMediaRoom(t), t.TempDir()
	admin = v.attach()
	admin.request(dict{"request": "destroy", "room": 1234}, nil)
	body := dict{"request": "create", "room": 1234, "rec_dir": folder, "publishers": 10}
	for k, x := range more {
		body[k] = x
	}
	admin.request(body, nil)
	return v, admin, folder
}

func (v *mediaRoom) enableRecording(on bool) {
	v.t.Helper()
	d := dataOf(v.attach().request(dict{"request": "enable_recording", "room": 1234, "record": on}, nil))
	if fmt.Sprint(d) != fmt.Sprint(dict{"videoroom": "success", "record": on}) {
		v.t.Errorf("answer %v", d)
	}
}

// whole waits until no file is open any more.
func (v *mediaRoom) whole() {
	v.t.Helper()
	waittest.Until(v.t, "all files to be whole", func() bool { _, n := v.core.Engine().RecordTotals(); return n == 0 })
}

// recorded waits until that many packets have been recorded by all that is.
func (v *mediaRoom) recorded(more uint64) {
	v.t.Helper()
	before, _ := v.core.Engine().RecordTotals()
	waittest.Until(v.t, "packets in files", func() bool {
		now, _ := v.core.Engine().RecordTotals()
		return now.Packets >= before.Packets+more
	})
}

// filled waits until a file has so many more of the packets that a Source sends.
func filled(t *testing.T, path string, more int) {
	t.Helper()
	packets := func() int {
		b, _ := os.ReadFile(path)
		return bytes.Count(b, webrtctest.Stamp(nil, 0)[:8])
	}
	before := packets()
	waittest.Until(t, "packets in "+path, func() bool { return packets() >= before+more })
}

// names are the files of a folder, without the time in their names.
func names(t *testing.T, folder string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		list = append(list, regexp.MustCompile(`-\d{16}-([adv])`).ReplaceAllString(f.Name(), "-TIME-$1"))
	}
	slices.Sort(list)
	return list
}

func expectNames(t *testing.T, folder string, want ...string) {
	t.Helper()
	if got := names(t, folder); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

// recordings waits until so many streams of the publisher are recorded, and returns the
// files.
func (s *sender) recordings(n int) (files []string) {
	s.t.Helper()
	waittest.Until(s.t, fmt.Sprint(n, " recordings"), func() bool {
		files = nil
		for _, x := range regexp.MustCompile(`"recording":"([^"]*)"`).FindAllStringSubmatch(s.Query(), -1) {
			files = append(files, x[1])
		}
		return len(files) == n
	})
	return files
}

// following reports whether the numbers in packets follow each other, and how many there are.
func following(t *testing.T, frames []mjrtest.Frame) (first, last uint64) {
	t.Helper()
	for i := range frames {
		n, ok := webrtctest.Stamped(frames[i].Payload)
		if !ok || i > 0 && n != last+1 {
			t.Errorf("packet %d after %d", n, last)
			break
		}
		if last = n; i == 0 {
			first = n
		}
	}
	return first, last
}

// isKeyframe reports whether a packet begins a key frame of VP8 (RFC 7741, 4.3).
func isKeyframe(f *mjrtest.Frame) bool { return f.Payload[0]&0x10 != 0 && f.Payload[6]&1 == 0 }

// TestEnableRecording records everybody in a room for a while.
func TestEnableRecording(t *testing.T) {
	waittest.NoLeaks(t)
	v, admin, folder := recordRoom(t, nil)
	s := v.send(0)
	waittest.Closed(t, "the data channel", s.Open)
	stop := s.play(s.Audio, s.Video)
	waittest.Until(t, "media", func() bool { return s.Video.Sent.Load() > 10 })
	s.Video.Keyframe.Store(false)
	v.enableRecording(true)
	files := s.recordings(3)
	for i := range files {
		files[i] = filepath.Join(folder, files[i])
	}
	s.must(s.Channel.SendText("hello"))
	filled(t, files[0], 30)
	waittest.Until(t, "the message in the file", func() bool {
		b, err := os.ReadFile(files[2])
		return err == nil && strings.Contains(string(b), "hello")
	})
	admin.request(dict{"request": "moderate", "room": 1234, "id": s.id, "mid": "0", "mute": true}, nil)
	admin.request(dict{"request": "moderate", "room": 1234, "id": s.id, "mid": "2", "mute": true}, nil)
	muted := s.Audio.Sent.Load()
	s.must(s.Channel.SendText("muted"))
	waittest.Until(t, "silence", func() bool { return s.Audio.Sent.Load() > muted+40 })
	filled(t, files[1], 40) // what was sent before the end of that may come only now
	admin.request(dict{"request": "moderate", "room": 1234, "id": s.id, "mid": "0", "mute": false}, nil)
	filled(t, files[0], 30)
	v.enableRecording(false)
	stop()
	v.whole()
	s.recordings(0)
	s.must(s.Channel.SendText("too late"))
	prefix := fmt.Sprintf("videoroom-1234-user-%d-TIME-", s.id)
	expectNames(t, folder, prefix+"audio-0.mjr", prefix+"data-2.mjr", prefix+"video-1.mjr")

	h, audio := mjrtest.Numbered(t, files[0])
	if h.Type != mjr.Audio || h.Codec != "opus" || h.Encrypted || len(h.Extensions) != 0 || !strings.Contains(h.Fmtp, "useinbandfec=1") {
		t.Errorf("header of audio %+v", h)
	}
	gaps := 0
	for i := 1; i < len(audio); i++ {
		a, _ := webrtctest.Stamped(audio[i-1].Payload)
		b, _ := webrtctest.Stamped(audio[i].Payload)
		if b != a+1 {
			gaps++
			if passed := uint64(audio[i].Timestamp - audio[i-1].Timestamp); b < a+30 || passed != (b-a)*960 {
				t.Errorf("packet %d follows %d, %d later", b, a, passed)
			}
		}
	}
	if gaps != 1 || len(audio) < 40 {
		t.Errorf("%d packets of audio with %d gaps, want the one where it was muted", len(audio), gaps)
	}
	h, video := mjrtest.Numbered(t, files[1])
	if h.Type != mjr.Video || h.Codec != "vp8" || len(video) < 40 {
		t.Fatalf("header of video %+v, %d packets", h, len(video))
	}
	following(t, video)
	if !isKeyframe(&video[0]) {
		t.Error("the video does not begin with a key frame")
	}
	h, data := mjrtest.Read(t, files[2])
	if h.Type != mjr.Data || h.Codec != "text" || len(data) != 1 || string(data[0].Payload) != "hello" {
		t.Errorf("header of data %+v, messages %v", h, data)
	}
}

// TestRecordOwn records a participant by his own wish, under a name that he gives, and
// what he adds later.
func TestRecordOwn(t *testing.T) {
	waittest.NoLeaks(t)
	v, _, folder := recordRoom(t, nil)
	s := &sender{client: v.attach(), Peer: webrtctest.NewReceiver(t, webrtctest.Options{})}
	s.Audio = s.add(webrtc.MimeTypeOpus, 0)
	e := s.request(dict{"request": "joinandconfigure", "ptype": "publisher", "room": 1234, "id": 7, "record": true, "filename": "../lecture/one",
		"descriptions": []dict{{"mid": "0", "description": "the voice"}}}, s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	s.id = 7
	if got := s.recordings(1); got[0] != "one-audio-0.mjr" {
		t.Errorf("file %s before the connection is up", got[0])
	}
	s.published()
	stop := s.play(s.Audio)
	v.recorded(30)
	stop()
	s.Video = s.add(webrtc.MimeTypeVP8, 0)
	j := s.Remote("offer", s.Peer.Offer(nil))
	j.E2EE = true
	e = s.request(dict{"request": "configure"}, j)
	s.Accept(e.SDP)
	if got := s.recordings(2); got[1] != "one-video-1.mjr" {
		t.Errorf("files %v", got)
	}
	stop = s.play(s.Audio, s.Video)
	filled(t, filepath.Join(folder, "lecture/one-audio-0.mjr"), 20)
	filled(t, filepath.Join(folder, "lecture/one-video-1.mjr"), 20)
	stop()
	s.request(dict{"request": "unpublish"}, nil)
	v.whole()
	expectNames(t, filepath.Join(folder, "lecture"), "one-audio-0.mjr", "one-video-1.mjr")
	h, audio := mjrtest.Numbered(t, filepath.Join(folder, "lecture/one-audio-0.mjr"))
	if following(t, audio); h.Description != "the voice" || h.Encrypted || len(audio) < 50 {
		t.Errorf("header %+v, %d packets", h, len(audio))
	}
	h, video := mjrtest.Numbered(t, filepath.Join(folder, "lecture/one-video-1.mjr"))
	if following(t, video); !h.Encrypted || len(video) < 20 {
		t.Errorf("header %+v, %d packets", h, len(video))
	}

	// The name is forgotten with the connection, and others wishes count at once.
	other := v.join(webrtctest.Options{}, "other")
	other.Audio = other.add(webrtc.MimeTypeOpus, 0)
	other.publish("publish")
	other.published()
	other.recordings(0)
	other.request(dict{"request": "configure", "filename": "one", "record": true}, nil)
	other.recordings(1)
	other.Hangup()
	v.whole()
	expectNames(t, folder, "lecture", "one-audio-0.mjr")
	again := webrtctest.NewReceiver(t, webrtctest.Options{})
	other.Peer = again
	other.Audio = other.add(webrtc.MimeTypeOpus, 0)
	other.publish("publish")
	if got := other.recordings(1); !strings.HasPrefix(got[0], fmt.Sprintf("videoroom-1234-user-%d-", other.id)) {
		t.Errorf("recorded to %s", got[0])
	}
	other.request(dict{"request": "configure", "record": false}, nil)
	other.recordings(0)
	v.whole()
}

// TestRecordedRoom records whoever publishes, in the best encoding, and on other servers;
// what ends them ends the files.
func TestRecordedRoom(t *testing.T) {
	waittest.NoLeaks(t)
	v, admin, folder := recordRoom(t, dict{"record": true})
	s, layers := v.simulcast()
	stop := s.play(layers...)
	defer stop()
	files := s.recordings(1)
	v.recorded(100)

	away, there, afar := recordRoom(t, dict{"record": true})
	from := v.send(0)
	from.recordings(3)
	d := dataOf(there.request(dict{
		"request": "add_remote_publisher", "room": 1234, "id": 77, "iface": "127.0.0.1", "streams": []dict{
			{"type": "audio", "mindex": 0, "mid": "0", "codec": "opus"}, {"type": "video", "mindex": 1, "mid": "1", "codec": "vp8", "videoorient_ext_id": 9},
			{"type": "data", "mindex": 2, "mid": "2"},
		}}, nil))
	admin.request(dict{"request": "publish_remotely", "room": 1234, "publisher_id": from.id, "remote_id": "x", "host": "127.0.0.1",
		"port": d["port"], "rtcp_port": d["rtcp_port"]}, nil)
	waittest.Until(t, "the files of who came from afar", func() bool { _, n := away.core.Engine().RecordTotals(); return n == 3 })
	waittest.Closed(t, "the data channel", from.Open)
	from.must(from.Channel.SendText("from afar"))
	play := from.play(from.Audio, from.Video)
	for _, kind := range []string{"audio", "video"} {
		list, _ := filepath.Glob(afar + "/*-" + kind + "-*.mjr")
		filled(t, strings.Join(list, ""), 10)
	}
	waittest.Until(t, "the message in the file", func() bool {
		list, _ := filepath.Glob(afar + "/*-data-2.mjr")
		b, err := os.ReadFile(strings.Join(list, ""))
		return err == nil && strings.Contains(string(b), "from afar")
	})
	there.request(dict{"request": "update_remote_publisher", "room": 1234, "id": 77, "streams": []dict{
		{"type": "audio", "mindex": 0, "mid": "0", "codec": "opus", "disabled": true}}}, nil)
	waittest.Until(t, "the end of the audio", func() bool { _, n := away.core.Engine().RecordTotals(); return n == 2 })
	play()
	admin.request(dict{"request": "kick", "room": 1234, "id": from.id}, nil)
	waittest.Until(t, "the end of who was kicked", func() bool { _, n := v.core.Engine().RecordTotals(); return n == 1 })
	there.request(dict{"request": "remove_remote_publisher", "room": 1234, "id": 77}, nil)
	away.whole()
	admin.request(dict{"request": "destroy", "room": 1234}, nil)
	v.whole()

	_, video := mjrtest.Numbered(t, filepath.Join(folder, files[0]))
	best := 0
	for i := range video {
		if n, _ := webrtctest.Stamped(video[i].Payload); n > 2_000_000 {
			best++
		}
	}
	if best < len(video)/2 {
		t.Errorf("%d of %d packets are of the best encoding", best, len(video))
	}
	far, err := filepath.Glob(afar + "/videoroom-1234-user-77-*")
	if err != nil || len(far) != 3 {
		t.Fatalf("files %v, %v", far, err)
	}
	for _, path := range far { // audio, data, video
		h, frames := mjrtest.Read(t, path)
		switch {
		case h.Type == mjr.Data:
			if string(frames[0].Payload) != "from afar" {
				t.Errorf("message %q", frames[0].Payload)
			}
		case h.Type == mjr.Video && h.Extensions[9] != sdp.URIVideoOrientation:
			t.Errorf("header %+v", h)
		case len(frames) < 10:
			t.Errorf("%s has %d packets", path, len(frames))
		}
	}
}

// TestLockRecord: whoever may not record is not told so where the room is locked.
func TestLockRecord(t *testing.T) {
	v, _, folder := recordRoom(t, dict{"secret": "s", "lock_record": true})
	s := v.send(0)
	ask := func(fields dict) {
		fields["request"] = "configure"
		if d := dataOf(s.request(fields, nil)); d["configured"] != "ok" {
			t.Errorf("answer %v", d)
		}
	}
	ask(dict{"record": true})
	ask(dict{"record": true, "filename": "x", "secret": "wrong"})
	s.recordings(0)
	ask(dict{"record": true, "filename": "x", "secret": "s"})
	s.recordings(3)
	ask(dict{"record": false})
	s.recordings(3)
	admin := v.attach()
	admin.start(dict{"request": "enable_recording", "room": 1234, "record": true}, nil)
	ask(dict{"record": false, "secret": "s"})
	s.recordings(0)
	v.whole()
	expectNames(t, folder, "x-audio-0.mjr", "x-data-2.mjr", "x-video-1.mjr")
}

// TestRecordable leaves out what there are no recordings of, and says what there is to say
// of the rest.
func TestRecordable(t *testing.T) {
	r := &room{plugin: New(t.TempDir()), id: "../1"}
	p := &publisher{room: r, id: "2", e2ee: true}
	for i, codec := range []string{"red", "isac16", "pcmu", "vp9", ""} {
		s := p.newStream(i, fmt.Sprint(i), []sdp.Kind{sdp.Audio, sdp.Audio, sdp.Audio, sdp.Video, sdp.Application}[i])
		s.Codec, s.orientationExt, s.description = codec, uint8(i), "of "+codec
		m := s.medium()
		if got := m.Recordable(); got != (i > 1) {
			t.Errorf("%s: %v", codec, got)
		}
		if i == 3 && (!m.E2EE || m.Extensions[3] != sdp.URIVideoOrientation || m.Description != "of vp9" || m.Track != 3) {
			t.Errorf("medium %+v", m)
		}
	}
}

// TestRecordRace starts and stops all recordings while publishers come and go; in the end
// no file is open.
func TestRecordRace(t *testing.T) {
	waittest.NoLeaks(t)
	p := New(t.TempDir())
	core := plugintest.New(t, p, plugintest.Config{})
	folder := t.TempDir()
	core.Attach(plugintest.Options{}).Send(`{"request":"create","room":1,"publishers":99,"rec_dir":"`+folder+`"}`, nil)
	offer := func() *plugin.JSEP { return plugintest.MakeOffer(audio("a", "opus"), video("v", "vp8")) }
	var all sync.WaitGroup
	for i := range 4 {
		x, admin := core.Attach(plugintest.Options{Deaf: true}), core.Attach(plugintest.Options{})
		x.Message("", fmt.Sprintf(`{"request":"joinandconfigure","ptype":"publisher","room":1,"id":%d,"filename":"%d"}`, i+1, i), offer())
		all.Add(2)
		go func() {
			defer all.Done()
			for k := range 20 {
				admin.Message("", fmt.Sprintf(`{"request":"enable_recording","room":1,"record":%v}`, k%2 == 0), nil)
				admin.Message("", fmt.Sprintf(`{"request":"edit","room":1,"new_rec_dir":"%s/%d"}`, folder, k%3), nil)
			}
		}()
		go func() {
			defer all.Done()
			for k := range 20 {
				x.Message("", fmt.Sprintf(`{"request":"configure","record":%v,"filename":"%d"}`, k%3 == 0, k%2), nil)
				if k%5 == 0 {
					x.Hangup()
					x.Message("", `{"request":"publish"}`, offer())
				}
				_ = x.Query()
			}
		}()
	}
	all.Wait()
	core.Settle()
	core.Attach(plugintest.Options{}).Send(`{"request":"destroy","room":1}`, nil)
	waittest.Until(t, "all files to be closed", func() bool { _, n := core.Engine().RecordTotals(); return n == 0 })
}

// TestRecordFormat: rooms may want a file for each publisher that players open. With more
// media a further file begins.
func TestRecordFormat(t *testing.T) {
	waittest.NoLeaks(t)
	v, admin, folder := recordRoom(t, dict{"record_format": "WebM"})
	if got := fmt.Sprint(admin.request(dict{"request": "list"}, nil)); !strings.Contains(got, `"record_format":"webm"`) {
		t.Error(got)
	}
	s := &sender{client: v.attach(), Peer: webrtctest.NewReceiver(t, webrtctest.Options{})}
	s.Audio = s.add(webrtc.MimeTypeOpus, 0)
	e := s.request(dict{"request": "joinandconfigure", "ptype": "publisher", "room": 1234, "id": 7, "record": true, "filename": "one"},
		s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	s.id = 7
	s.published()
	stop := s.play(s.Audio)
	v.recorded(30)
	stop()
	s.Video = s.add(webrtc.MimeTypeVP8, 0)
	e = s.request(dict{"request": "configure"}, s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	if got := s.recordings(2); got[0] != "one-2.webm" || got[1] != "one-2.webm" {
		t.Errorf("files %v", got)
	}
	stop = s.play(s.Audio, s.Video)
	v.recorded(60)
	stop()
	s.request(dict{"request": "unpublish"}, nil)
	v.whole()
	expectNames(t, folder, "one-2.webm", "one.webm")
	for name, video := range map[string]bool{"one.webm": false, "one-2.webm": true} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if text := string(b); err != nil || !strings.Contains(text, "A_OPUS") || strings.Contains(text, "V_VP8") != video {
			t.Errorf("%s: %d octets, %v", name, len(b), err)
		}
	}
}
