package recordplay

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

// What a WebRTC client has recorded others get, every packet of it, and hear of the end.
func TestRecordAndPlay(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{Engine: sfu.Config{Shards: 2}})
	c := s.Connect(plugintest.Options{})
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	p.AddChannel()
	e := c.Ask(`{"request":"record","name":"Hello","id":9}`, c.Remote("offer", p.Offer(nil)))
	p.Accept(e.SDP)
	c.AwaitText("[webrtcup]")
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 3, Every: 20 * time.Millisecond})
	waittest.Closed(t, "the data channel", p.Open)
	waittest.Until(t, "something to be recorded", func() bool { return p.Audio.Sent.Load() > 70 })
	p.Must(p.Channel.SendText("after a while"))
	waittest.Until(t, "the message to be recorded", func() bool { return strings.Contains(s.read("rec-9-data.mjr"), "after a while") })
	if got := c.Ask(`{"request":"stop"}`, nil).String(); got != `t {"recordplay":"event","result":{"status":"stopped","id":9,"is_private":0}}` {
		t.Errorf("got %s", got)
	}
	if got := c.AwaitText("done").String(); got != `{"recordplay":"event","result":{"status":"done","id":9,"is_private":0}}` {
		t.Errorf("got %s", got)
	}
	stop()
	c.AwaitText("[hangup] Close PC")
	heard, seen := s.packets("rec-9-audio"), s.packets("rec-9-video")
	if len(heard) < 50 || len(seen) < 150 {
		t.Fatalf("%d packets of audio and %d of video are recorded", len(heard), len(seen))
	}

	// The same handle may play, and others.
	for _, c := range []*plugintest.Client{c, s.Connect(plugintest.Options{})} {
		e := c.Ask(`{"request":"play","id":9}`, nil)
		if e.Data != `{"recordplay":"event","result":{"status":"preparing","id":9}}` {
			t.Fatalf("got %v", e)
		}
		q := webrtctest.NewReceiver(t, webrtctest.Options{Keep: true})
		q.PC.OnDataChannel(q.UseChannel)
		e = c.Ask(`{"request":"start"}`, c.Remote("answer", q.Answer(e.SDP)))
		if e.Data != `{"recordplay":"event","result":{"status":"playing"}}` {
			t.Fatalf("got %v", e)
		}
		c.AwaitText("[webrtcup]")
		q.ExpectText("after a while")
		if got := c.AwaitText("done").Data; got != `{"recordplay":"event","result":{"status":"done","id":9,"is_private":0}}` {
			t.Errorf("got %s", got)
		}
		c.AwaitText("[hangup] Close PC")
		check := func(what string, tally *webrtctest.Tally, want []uint64) {
			t.Helper()
			waittest.Until(t, fmt.Sprint(what, ": all that is recorded"), func() bool { return tally.Count() >= len(want) })
			tally.Clean(t)
			for i, a := range tally.Arrivals() {
				if i >= len(want) || a.Number != want[i] {
					t.Fatalf("%s: packet %d is %d", what, i, a.Number)
				}
			}
			tally.Continuous(t)
		}
		check("audio", q.Heard, heard)
		check("video", q.Seen, seen)
	}
	waittest.Until(t, "no source to be left", func() bool { return s.plugin.idle() })
}

// idle reports whether no handle does anything.
func (p *Plugin) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.recordings {
		if !r.finished {
			return false
		}
	}
	return true
}

func (s *studio) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(s.folder, name))
	return string(b)
}

// packets are the numbers of the packets in a file, in order.
func (s *studio) packets(name string) (list []uint64) {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.folder, name+".mjr"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	in, err := mjr.NewSorter(mjr.NewReader(f), mjr.SortConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		p, err := in.Next()
		if err != nil {
			return list
		}
		n, ok := webrtctest.Stamped(p.Payload)
		if !ok {
			s.t.Fatalf("packet with another payload: %x", p.Payload)
		}
		list = append(list, n)
	}
}

// sound is a recording of n packets of 20 ms.
func sound(h mjr.Header, n int, payload string) string {
	b := []byte(mjrFile(h))
	for i := range n {
		head := rtp.FixedHeader{PayloadType: 111, SequenceNumber: uint16(i + 1), Timestamp: uint32(i * 960), SSRC: 5}
		b = mjr.AppendFrame(b, uint32(i*20), append(head.Append(nil), payload...))
	}
	return string(b)
}

// Offers say what the files are.
func TestPlayOffers(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	opus := mjr.Header{Type: 'a', Codec: "opus", Fmtp: "useinbandfec=1", Extensions: map[uint8]string{1: sdp.URIAudioLevel, 2: "urn:x"}}
	red, red111 := opus, opus
	red.RED, red111.RED = 63, 111
	vp9 := mjr.Header{Type: 'v', Codec: "vp9", Fmtp: "profile-id=2", Extensions: map[uint8]string{2: sdp.URIVideoOrientation}, Encrypted: true}
	for name, h := range map[string]mjr.Header{
		"opus": opus, "red": red, "red111": red111, "vp9": vp9, "pcma": {Type: 'a', Codec: "pcma"}, "g711": {Type: 'a', Codec: "g711"},
		"h264": {Type: 'v', Codec: "h264"}, "text": {Type: 'd', Codec: "text"},
	} {
		s.write(name+".mjr", sound(h, 2, "x"))
	}
	for i, x := range []struct{ audio, video, data, want, warning string }{
		{"opus", "vp9", "text", "audio opus/111 [1 audio-level, 3 mid] useinbandfec=1; video vp9/100 [2 video-orientation, 3 mid] profile-id=2; data; e2ee", ""},
		{"red", "", "", "audio red/63 [1 audio-level, 2 mid] 111/111 opus/111 useinbandfec=1", ""},
		{"red111", "h264", "", "audio red/111 [1 audio-level, 2 mid] 112/112 opus/112 useinbandfec=1; video h264/100 [2 mid] profile-level-id=42e01f;packetization-mode=1", ""},
		{"pcma", "text", "text", "audio pcma/8 [1 mid]; data", "Broken video file"},
		{"g711", "opus", "red", "audio pcmu/0 [1 mid]", "Broken video and data file"},
	} {
		id := fmt.Sprint(i + 1)
		var files string
		for k, file := range []string{x.audio, x.video, x.data} {
			if file != "" {
				files += mediaNames[k] + " = " + file + "\r\n"
			}
		}
		s.write(id+".nfo", nfo(id, "n", "", files))
		c := s.Attach(plugintest.Options{Deaf: true})
		s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
		warning := ""
		if x.warning != "" {
			warning = `,"warning":"` + x.warning + `"`
		}
		if got, want := c.Ask(`{"request":"play","id":`+id+`}`, nil).Data, `{"recordplay":"event","result":{"status":"preparing","id":`+id+warning+`}}`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		j := c.Offer()
		if got := describe(j); got != x.want {
			t.Errorf("%s: the offer is\n%s\nnot\n%s", id, got, x.want)
		}
		if j.SDP.Name != "Recording "+id || j.SDP.Origin.Version != 0 {
			t.Errorf("%+v", j.SDP)
		}
		s.fails(c, `{"request":"play","id":`+id+`}`, nil, "418")
		s.fails(c, `{"request":"start"}`, nil, "415")
		if got := c.Ask(`{"request":"play","id":`+id+`,"restart":true}`, nil).Data; got != `{"recordplay":"event","result":{"status":"restarting","id":`+id+`}}` {
			t.Errorf("got %s", got)
		}
		again := c.JSEPs()[1]
		if !again.Restart || again.SDP.Origin.Version != 1 || describe(again) != x.want {
			t.Errorf("%+v", again)
		}
		s.want(c, `{"request":"pause"}`, `t {"recordplay":"event","result":{"status":"paused","id":`+id+`}}`)
		want := `{"type":"player","recording_id":` + id + `,"recording_name":"n",`
		if x.video == "vp9" {
			want += `"e2ee":true,`
		}
		if got := c.Query(); got != want+`"hangingup":0,"destroyed":0}` {
			t.Errorf("the handle is %s", got)
		}
	}
}

// describe tells what a description offers.
func describe(j *plugin.JSEP) string {
	var list []string
	for _, m := range j.SDP.Sections {
		if m.Kind == sdp.Application {
			list = append(list, "data")
			continue
		}
		text := fmt.Sprint(plugin.KindName(m.Kind), " ", m.Codecs[0].ID(), "/", m.Codecs[0].PT, " [")
		for i, x := range m.Extensions {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprint(x.ID, " ", regexp.MustCompile(`[a-z-]+$`).FindString(strings.Replace(x.URI, "ssrc-", "", 1)))
		}
		text += "]"
		for i, c := range m.Codecs {
			if i > 0 {
				text += fmt.Sprint(" ", c.ID(), "/", c.PT)
			}
			if c.Fmtp != "" {
				text += " " + c.Fmtp
			}
		}
		if m.Direction != sdp.SendOnly {
			text += " " + m.Direction.String()
		}
		list = append(list, text)
	}
	if j.E2EE {
		list = append(list, "e2ee")
	}
	return strings.Join(list, "; ")
}

// A client that does not take RED gets what is in it, and one that does, RED.
func TestPlayRED(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	stamp := string(webrtctest.Stamp(nil, 7))
	// the primary block, after 4 bytes of redundancy, of another payload type than ours
	red := string([]byte{0xe0 | 0x80, 960 >> 6 & 0xff, 960 << 2 & 0xff, 4, 0x60}) + "reds" + stamp
	b := sound(mjr.Header{Type: 'a', Codec: "opus", RED: 111}, 50, red)
	s.write("red.mjr", b)
	s.write("1.nfo", nfo("1", "n", "", "audio = red\r\n"))
	for _, takes := range []bool{true, false} {
		c := s.Connect(plugintest.Options{})
		s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
		e := c.Ask(`{"request":"play","id":1}`, nil)
		q := webrtctest.NewReceiver(t, webrtctest.Options{Keep: true})
		answer := q.Answer(e.SDP)
		if strings.Contains(answer, "red/48000") {
			t.Fatal("pion takes RED by now")
		}
		if takes { // pion would have to know it
			answer = strings.Replace(answer, "SAVPF 112", "SAVPF 111 112", 1)
			answer = strings.Replace(answer, "a=rtpmap:112", "a=rtpmap:111 red/48000/2\r\na=rtpmap:112", 1)
		}
		c.Ask(`{"request":"start"}`, c.Remote("answer", answer))
		c.AwaitText("done")
		if takes {
			if n := q.Heard.Count(); n != 0 {
				t.Errorf("%d packets are not RED", n)
			}
			continue
		}
		waittest.Until(t, "most packets", func() bool { return len(q.Heard.Arrivals()) >= 45 })
		if got := q.Heard.Arrivals(); got[0].Number != 7 || got[0].Size != len(stamp) {
			t.Errorf("%d packets: %+v", len(got), got[:min(1, len(got))])
		}
	}
}

// A file that is damaged is played as far as it goes, and a client that leaves early leaves
// nothing behind.
func TestPlayEnds(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	s.write("short.mjr", sound(mjr.Header{Type: 'a', Codec: "opus"}, 10, string(webrtctest.Stamp(nil, 7)))+"MEETECHO")
	s.write("long.mjr", sound(mjr.Header{Type: 'a', Codec: "opus"}, 3000, string(webrtctest.Stamp(nil, 7))))
	s.write("1.nfo", nfo("1", "n", "", "audio = short\r\n"))
	s.write("2.nfo", nfo("2", "n", "", "audio = long\r\n"))
	play := func(id string) (*plugintest.Client, *webrtctest.Peer) {
		t.Helper()
		c := s.Connect(plugintest.Options{})
		s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
		e := c.Ask(`{"request":"play","id":`+id+`}`, nil)
		q := webrtctest.NewReceiver(t, webrtctest.Options{Keep: true})
		c.Ask(`{"request":"start"}`, c.Remote("answer", q.Answer(e.SDP)))
		return c, q
	}
	c, q := play("1")
	c.AwaitText("done")
	waittest.Until(t, "something to be played", func() bool { return len(q.Heard.Arrivals()) > 0 })
	if n := len(q.Heard.Arrivals()); n > 10 {
		t.Errorf("%d packets", n)
	}
	s.AwaitLog("recording is damaged")
	for _, leave := range []func(c *plugintest.Client){
		func(c *plugintest.Client) { c.Send(`{"request":"stop"}`, nil) }, (*plugintest.Client).Hangup, (*plugintest.Client).Detach,
	} {
		c, q := play("2")
		waittest.Until(t, "something to be played", func() bool { return len(q.Heard.Arrivals()) > 0 })
		leave(c)
	}
	c, q = play("2")
	waittest.Until(t, "something to be played", func() bool { return len(q.Heard.Arrivals()) > 0 })
	h := c.Handle.(*handle)
	h.current().src.Fail()
	c.AwaitText("done")

	// The file may be gone when it is to be played.
	c = s.Connect(plugintest.Options{})
	e := c.Ask(`{"request":"play","id":2}`, nil)
	if err := os.Remove(filepath.Join(s.folder, "long.mjr")); err != nil {
		t.Fatal(err)
	}
	q = webrtctest.NewReceiver(t, webrtctest.Options{})
	c.Ask(`{"request":"start"}`, c.Remote("answer", q.Answer(e.SDP)))
	c.AwaitText("done")
	s.AwaitLog("recording is not played")
}

// Losses are told as the client sees them.
func TestSlowLink(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	c := s.Attach(plugintest.Options{Deaf: true})
	c.Send(`{"request":"record","name":"x"}`, av())
	c.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 1})
	c.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 0, Uplink: true})
	if got := c.Take(); got != `{"recordplay":"event","result":{"status":"slow_link","media":"video","current-bitrate":1048576,"uplink":1}}`+"\n"+
		`{"recordplay":"event","result":{"status":"slow_link","media":"audio","uplink":0}}` {
		t.Errorf("got %s", got)
	}
}
