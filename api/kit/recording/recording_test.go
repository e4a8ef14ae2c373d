package recording

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// idle is a plugin that does nothing.
type idle struct{ events kit.Events }

func (p *idle) Info() module.Info { return module.Info{} }
func (p *idle) Start(gw plugin.Gateway) error {
	p.events = kit.Events{Gateway: gw, On: true}
	return nil
}
func (p *idle) Attach(plugin.Host) (plugin.Handle, error) { return nil, errors.New("none") }
func (p *idle) Admin(*json.Value) ([]byte, error)         { return nil, plugin.ErrNoAdmin }
func (p *idle) Close()                                    {}

func owner(t *testing.T, cfg plugintest.Config) (*plugintest.Core, Owner) {
	t.Helper()
	p := new(idle)
	core := plugintest.New(t, p, cfg)
	return core, Owner{Events: &p.events, Host: plugin.Nobody{Gateway: core}}
}

func shown(s *Set) string {
	return string(json.Object(s.Write))
}

// TestSet records two media, pauses, and stops.
func TestSet(t *testing.T) {
	_, who := owner(t, plugintest.Config{RecordingSuffix: ".part"})
	folder := t.TempDir()
	base := filepath.Join(folder, "talk")
	var s Set
	chat := Medium{Key: 2, Name: base + "-data", Kind: sdp.Application, Codec: "text"}
	if err := s.Start(who, chat); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(who, Medium{Key: 0, Name: base + "-audio", Kind: sdp.Audio, Codec: "OPUS"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(who, chat); !errors.Is(err, ErrRecording) {
		t.Errorf("the same again: %v", err)
	}
	s.Message(2, false, []byte("one"))
	s.SetPaused(true)
	s.Message(2, false, []byte("two"))
	s.SetPaused(false)
	s.Pause(2, true)
	s.Message(2, false, []byte("not this one"))
	s.SetPaused(true)
	s.SetPaused(false)
	s.Message(2, false, []byte("nor this one"))
	s.Pause(2, false)
	s.SetMuted(2, true)
	s.Message(2, false, []byte("three"))
	if got, want := shown(&s), `{"recording":{"audio":"talk-audio.mjr.part","data":"talk-data.mjr.part"}}`; got != want {
		t.Errorf("shown as %s, want %s", got, want)
	}
	if s.File(0) != "talk-audio.mjr.part" || s.File(1) != "" || !s.Records(2) || s.Records(1) {
		t.Errorf("files %q %q", s.File(0), s.File(1))
	}
	s.Stop(0)
	if s.Records(0) || !s.Any() {
		t.Error("one is stopped, the other not")
	}
	done := make(chan struct{})
	s.StopAll(func() { close(done) })
	waittest.Closed(t, "the files", done)
	if s.Any() || shown(&s) != "{}" {
		t.Errorf("left: %s", shown(&s))
	}
	b, err := os.ReadFile(base + "-data.mjr")
	if err != nil || !strings.Contains(string(b), `"c": "text"`) || !strings.Contains(string(b), "one") || strings.Contains(string(b), "t"+"wo") {
		t.Errorf("the file has %q, %v", b, err)
	}
}

// TestRefused leaves nothing behind of what cannot be recorded.
func TestRefused(t *testing.T) {
	folder := t.TempDir()
	_, who := owner(t, plugintest.Config{Protected: func(path string) bool { return strings.Contains(path, "secret") }})
	for _, m := range []Medium{
		{Name: filepath.Join(folder, "secret", "x"), Kind: sdp.Audio, Codec: "opus"},
		{Name: filepath.Join(folder, "x"), Kind: sdp.Audio, Codec: "isac16"},
		{Name: filepath.Join(folder, "x"), Kind: sdp.Audio, Codec: "red"},
		{Name: filepath.Join(folder, "x"), Kind: sdp.Video, Codec: "opus"},
		{Name: " " + folder, Kind: sdp.Audio, Codec: "opus"},
		{Name: folder + "\x00", Kind: sdp.Audio, Codec: "opus"},
		{Name: filepath.Join(folder, strings.Repeat("x", 300)), Kind: sdp.Audio, Codec: "opus"},
		{Name: folder + "/.mjr/x", Kind: sdp.Audio, Codec: "opus", Description: strings.Repeat("x", mjr.MaxHeader)},
	} {
		var s Set
		if err := s.Start(who, m); err == nil || s.Any() {
			t.Errorf("%+v is recorded: %v", m, err)
			s.StopAll(nil)
		}
	}
	if left, err := os.ReadDir(folder); len(left) != 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestRace starts and stops from several goroutines; every file is closed in the end, as
// the engine's end shows.
func TestRace(t *testing.T) {
	core, who := owner(t, plugintest.Config{})
	folder := t.TempDir()
	var s Set
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 30 {
				_ = s.Start(who, Medium{Key: i % 3, Name: filepath.Join(folder, "x"+string(rune('a'+i%3))), Kind: sdp.Audio, Codec: "opus"})
				s.SetPaused(i%2 == 0)
				s.Stop(i % 3)
			}
		}()
	}
	all.Wait()
	s.StopAll(nil)
	waittest.Until(t, "all files to be closed", func() bool { _, n := core.Engine().RecordTotals(); return n == 0 })
}

// TestBegin begins with a lock held, tells of what fails, and forgets what is stopped
// before its file is made.
func TestBegin(t *testing.T) {
	core, who := owner(t, plugintest.Config{})
	folder := t.TempDir()
	var s Set
	media := func(key int, name string) Medium {
		return Medium{Key: key, Name: filepath.Join(folder, name), Kind: sdp.Application, Codec: "text"}
	}
	s.Begin(who, media(1, "one"))
	s.Begin(who, media(1, "again"))
	waittest.Until(t, "the file", func() bool { return s.File(1) == "one.mjr" })
	s.Begin(who, Medium{Key: 2, Name: folder + "/" + strings.Repeat("x", 300), Kind: sdp.Application, Codec: "text"})
	core.AwaitLog("not recorded")
	waittest.Until(t, "word of it", func() bool { return strings.Contains(strings.Join(core.Notices(), ""), "recording-failed") })
	if !s.Records(1) || s.Records(2) {
		t.Error("what failed is recorded, or the other one is not")
	}
	open := s.Plan(who, media(3, "three"))
	if open == nil || s.Plan(who, media(3, "three")) != nil || s.File(3) != "" {
		t.Fatal("a place was taken twice, or has a file")
	}
	s.StopAll(nil)
	if err := open(); err != nil || s.Any() {
		t.Errorf("stopped before it began: %v", err)
	}
	waittest.Until(t, "all files to be closed", func() bool { _, n := core.Engine().RecordTotals(); return n == 0 })
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 || left[0].Name() != "one.mjr" {
		t.Errorf("files %v, %v", left, err)
	}
}

// TestSameNameAgain records twice to one file, of which the second remains whole.
func TestSameNameAgain(t *testing.T) {
	_, who := owner(t, plugintest.Config{RecordingSuffix: ".part"})
	path := filepath.Join(t.TempDir(), "talk")
	var s Set
	for _, text := range []string{strings.Repeat("a longer one ", 9), "short"} {
		if err := s.Start(who, Medium{Name: path, Kind: sdp.Application, Codec: "text"}); err != nil {
			t.Fatal(err)
		}
		s.Message(0, false, []byte(text))
		s.Stop(0)
	}
	_ = s.Start(who, Medium{Name: path + "2", Kind: sdp.Application, Codec: "text"})
	done := make(chan struct{})
	s.StopAll(func() { close(done) })
	waittest.Closed(t, "the file", done)
	waittest.Until(t, "the file before it", func() bool {
		b, err := os.ReadFile(path + ".mjr")
		return err == nil && strings.HasSuffix(string(b), "short") && !strings.Contains(string(b), "longer")
	})
}

// TestParts records a medium to several files of one name, as its codec changes or it
// pauses. After a stop it begins anew; but no number is used twice.
func TestParts(t *testing.T) {
	_, who := owner(t, plugintest.Config{})
	path := filepath.Join(t.TempDir(), "talk")
	var s Set
	for i, x := range []struct {
		codec, file string
		before      func(int)
	}{
		{"vp8", "talk.mjr", nil}, {"vp8", "", nil}, {"vp9", "talk-2.mjr", nil}, {"vp9", "talk-3.mjr", s.Break},
		{"vp9", "talk.mjr", s.Stop}, {"h264", "talk-4.mjr", nil}, {"h264", "talk.mjr", func(int) { s.StopAll(nil) }},
	} {
		if x.before != nil {
			x.before(5)
		}
		open := s.Plan(who, Medium{Key: 5, Name: path, Kind: sdp.Video, Codec: x.codec})
		if (open != nil) != (x.file != "") {
			t.Errorf("step %d: recorded anew: %v", i, open != nil)
		}
		if open == nil {
			continue
		}
		if err := open(); err != nil || s.File(5) != x.file {
			t.Errorf("step %d: %q, want %q, %v", i, s.File(5), x.file, err)
		}
	}
	s.StopAll(nil)
}

func TestPath(t *testing.T) {
	for _, x := range [][3]string{
		{"", "a", "a"}, {"", "/x/../a", "/x/../a"}, {"/rec", "a", "/rec/a"}, {"/rec", "d/a", "/rec/d/a"},
		{"/rec", "../../etc/a", "/rec/etc/a"}, {"/rec", "/etc/a", "/rec/etc/a"}, {"rec/", "x/../../a", "rec/a"}, {"/rec", "", ""},
	} {
		if got := Path(x[0], x[1]); got != x[2] {
			t.Errorf("%q in %q is %q, want %q", x[1], x[0], got, x[2])
		}
	}
}

// FuzzPath stays in the folder, whatever clients call files and themselves.
func FuzzPath(f *testing.F) {
	f.Add("a")
	f.Add("../../etc/x")
	f.Add("a/../..\x00")
	f.Fuzz(func(t *testing.T, name string) {
		for _, folder := range []string{"/rec", "rec/more"} {
			if got := Path(folder, name); name != "" && got != folder && !strings.HasPrefix(got, folder+"/") || strings.Contains("/"+got+"/", "/../") && name != "" {
				t.Errorf("%q in %q is %q", name, folder, got)
			}
		}
		if base := Base("videoroom-"+name, name); strings.ContainsAny(base, "/\x00") {
			t.Errorf("base %q", base)
		}
	})
}

// nobody hears of a source.
type nobody struct{}

func (nobody) SourceEvent(sfu.Event)        {}
func (nobody) SourceData(int, bool, []byte) {}

// TestOriginWhileOpening tells where a medium comes from while its file is being made, alone
// and with others in one file.
func TestOriginWhileOpening(t *testing.T) {
	core, who := owner(t, plugintest.Config{})
	src, err := core.Engine().NewSource(sfu.SourceConfig{Tracks: []sfu.TrackConfig{
		{Kind: media.Audio, Codec: media.Codec{Name: media.Opus, PayloadType: 111, ClockRate: 48000}},
	}}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	base := filepath.Join(t.TempDir(), "x")
	var alone, joint Set
	m := Medium{Key: 1, Track: 5, Name: base, Kind: sdp.Audio, Codec: "opus"}
	one, all := alone.Plan(who, m), joint.PlanJoint(who, "mkv", base, []Medium{m})
	alone.SetOrigin(1, src, 0)
	m.Origin, m.Track = src, 0
	if joint.PlanJoint(who, "mkv", base, []Medium{m}) != nil {
		t.Error("another file begins")
	}
	if err := errors.Join(one(), all()); err != nil {
		t.Fatal(err)
	}
	for i := range byte(3) {
		src.Write(0, 0, append([]byte{0x80, 111, 0, i, 0, 0, i << 2, 0, 0, 0, 0, 9, 0xfc}, "sound"...))
	}
	for _, s := range []*Set{&alone, &joint} {
		done := make(chan struct{})
		s.StopAll(func() { close(done) })
		waittest.Closed(t, "the file", done)
	}
	for _, name := range []string{base + ".mjr", base + ".mkv"} {
		if b, err := os.ReadFile(name); err != nil || !strings.Contains(string(b), "sound") {
			t.Errorf("%s has %q, %v", name, b, err)
		}
	}
}

// TestMessageWhileOpening has messages come while the file is being made: as many as there
// is room for are in it.
func TestMessageWhileOpening(t *testing.T) {
	making, proceed := make(chan struct{}), make(chan struct{})
	_, who := owner(t, plugintest.Config{Protected: func(string) bool { close(making); <-proceed; return false }})
	name := filepath.Join(t.TempDir(), "chat")
	var s Set
	s.Begin(who, Medium{Key: 1, Name: name, Kind: sdp.Application, Codec: "text"})
	waittest.Closed(t, "the making of the file", making)
	s.Message(1, false, []byte("early"))
	s.Message(1, false, make([]byte, maxEarly))
	close(proceed)
	waittest.Until(t, "the file", func() bool { return s.File(1) != "" })
	s.Message(1, false, []byte("later"))
	done := make(chan struct{})
	s.StopAll(func() { close(done) })
	waittest.Closed(t, "the whole file", done)
	b, err := os.ReadFile(name + ".mjr")
	if text := string(b); err != nil || !strings.Contains(text, "early") || !strings.Contains(text, "later") || len(b) > maxEarly {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
