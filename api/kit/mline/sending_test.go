package mline

import (
	"testing"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/sdp"
)

func TestSending(t *testing.T) {
	s := NewSending()
	set := func(body string) {
		t.Helper()
		doc, err := json.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		defer doc.Release()
		s.Set(kit.Args{Value: doc.Root()})
	}
	write := func(c Codecs) string {
		return string(json.Object(func(w *json.Writer) { s.Write(w, c) }))
	}
	if s.Mutes(sdp.Audio) || s.Mutes(sdp.Video) || s.Bitrate != 0 {
		t.Errorf("at first %+v", s)
	}
	set(`{"video":false,"bitrate":5000,"audio":null}`)
	if s.Mutes(sdp.Audio) || !s.Mutes(sdp.Video) {
		t.Errorf("without video: %+v", s)
	}
	if got := write(Codecs{}); got != `{"audio_active":true,"video_active":false,"bitrate":5000}` {
		t.Error(got)
	}
	set(`{"audio":false}`)
	if !s.Mutes(sdp.Audio) || s.Bitrate != 5000 {
		t.Errorf("without anything: %+v", s)
	}
	if got := write(Codecs{Audio: sdp.Opus, RED: true, Video: sdp.VP8}); got !=
		`{"audio_active":false,"video_active":false,"audio_codec":"opus","audio_red":true,"video_codec":"vp8","bitrate":5000}` {
		t.Error(got)
	}
}

// The first codec of a kind counts, and of RED that which is in there.
func TestCodecs(t *testing.T) {
	section := func(kind sdp.Kind, names ...string) *sdp.Section {
		s := &sdp.Section{Kind: kind}
		for _, name := range names {
			c, ok := sdp.LookupCodec(name)
			if !ok {
				t.Fatal(name)
			}
			s.Codecs = append(s.Codecs, c)
		}
		return s
	}
	var c Codecs
	c.Add(section(sdp.Application, sdp.VP8))
	c.Add(section(sdp.Audio, sdp.RED, sdp.Opus))
	c.Add(section(sdp.Audio, sdp.PCMU))
	c.Add(section(sdp.Video, sdp.VP9))
	c.Add(section(sdp.Video, sdp.VP8))
	if want := (Codecs{Audio: sdp.Opus, Video: sdp.VP9, RED: true}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}
