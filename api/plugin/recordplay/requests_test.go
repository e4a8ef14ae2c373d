package recordplay

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// studio is the plugin with a folder.
type studio struct {
	*plugintest.Core
	t      *testing.T
	plugin *Plugin
	folder string
}

func newStudio(t *testing.T, settings string, cfg plugintest.Config) *studio {
	t.Helper()
	s := &studio{t: t, folder: filepath.Join(t.TempDir(), "recordings")}
	s.start(settings, cfg)
	return s
}

func (s *studio) start(settings string, cfg plugintest.Config) {
	s.t.Helper()
	config := s.t.TempDir()
	settings = `general: { path = "` + s.folder + `"` + settings + " }"
	if err := os.WriteFile(filepath.Join(config, Package+".jcfg"), []byte(settings), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.plugin = New(config)
	s.Core = plugintest.New(s.t, s.plugin, cfg)
}

func (s *studio) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// files are the names in the folder.
func (s *studio) files() string {
	s.t.Helper()
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// mjrFile is a recording with a header and nothing else.
func mjrFile(h mjr.Header) string {
	return string(mjr.AppendHeader(mjr.AppendMagic(nil), &h))
}

func nfo(id, name, private, rest string) string {
	return "[" + id + "]\r\nname = " + name + "\r\n" + private + "date = 2024-05-01 10:20:30\r\n" + rest
}

func (s *studio) want(c *plugintest.Client, body, want string) {
	s.t.Helper()
	if got := c.Send(body, nil); got != want {
		s.t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
	}
}

func fails(code string) string { return `"recordplay":"event","error_code":` + code }

func (s *studio) fails(c *plugintest.Client, body string, j *plugin.JSEP, code string) {
	s.t.Helper()
	if got := c.Send(body, j); !strings.Contains(got, fails(code)) {
		s.t.Errorf("%s: got %s, not %s", body, got, code)
	}
}

const (
	public1 = `{"id":1,"is_private":false,"name":"One","date":"2024-05-01 10:20:30","audio":true,"audio_codec":"opus","audio_red":true,"video":true,"video_codec":"vp9","data":false}`
	secret2 = `{"id":2,"is_private":true,"name":"Two","date":"2024-05-01 10:20:30","audio":false,"video":true,"data":true}`
	old1234 = `{"id":1234,"is_private":true,"name":"Lorenzo says hello!","date":"2014-10-22 14:44:36","audio":true,"audio_codec":"opus","video":true,"video_codec":"vp8","data":false}`
	public3 = `{"id":3,"is_private":false,"name":"Three","date":"2024-05-01 10:20:30","audio":true,"video":false,"data":false}`
)

func list(items ...string) string {
	return `{"recordplay":"list","list":[` + strings.Join(items, ",") + `]}`
}

// Lists have what is in the folder, private recordings for those who know the key alone. What is
// new in the folder comes with an update, and what is gone goes.
func TestListAndUpdate(t *testing.T) {
	s := &studio{t: t, folder: filepath.Join(t.TempDir(), "recordings")}
	s.write("1.nfo", nfo("1", "One", "private = false\r\n", "audio = one-a\r\nvideo = sub/one-v.mjr\r\n"))
	s.write("one-a.mjr", mjrFile(mjr.Header{Type: 'a', Codec: "opus", RED: 63}))
	s.write("sub/one-v.mjr", mjrFile(mjr.Header{Type: 'v', Codec: "vp9"}))
	s.write("any name.NFO", nfo("2", "Two", "private = true\r\n", "video = empty\r\ndata = missing.mjr\r\n"))
	s.write("empty.mjr", mjr.Magic)
	s.write("1234.nfo", sampleNFO)
	s.write("rec-sample-audio.mjr", "MEETECHO\x00\x05audio")
	s.write("rec-sample-video.mjr", "MEETECHO\x00\x05video")
	s.write("again.nfo", nfo("1", "One again", "", "audio = x\r\n"))
	s.write("broken.nfo", "[4]\r\nname = Four\r\n")
	s.write("large.nfo", nfo("5", "Five", "", "audio = x\r\n")+strings.Repeat(";", maxNFO))
	if err := os.Mkdir(filepath.Join(s.folder, "folder.nfo"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.start(`, admin_key = "k"`, plugintest.Config{})
	c := s.Attach(plugintest.Options{})
	s.want(c, `{"request":"list"}`, list(public1))
	s.want(c, `{"request":"list","admin_key":""}`, list(public1))
	s.want(c, `{"request":"list","admin_key":"k"}`, list(public1, secret2, old1234))
	s.fails(c, `{"request":"list","admin_key":"x"}`, nil, "440")
	s.fails(c, `{"request":"list","admin_key":5}`, nil, "414")

	s.write("3.nfo", nfo("3", "Three", "private = false\r\n", "audio = ../../etc/passwd\r\n"))
	s.write("1.nfo", nfo("1", "Another name", "", "audio = x\r\n"))
	for _, name := range []string{"any name.NFO", "again.nfo"} {
		if err := os.Remove(filepath.Join(s.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.want(c, `{"request":"list"}`, list(public1))
	s.fails(c, `{"request":"update"}`, nil, "415")
	s.fails(c, `{"request":"update","admin_key":"x"}`, nil, "440")
	s.want(c, `{"request":"update","admin_key":"k"}`, `{"recordplay":"ok"}`)
	s.want(c, `{"request":"list","admin_key":"k"}`, list(public1, public3, old1234))

	if got := s.Admin(`{"request":"update","admin_key":"k"}`); got != `{"recordplay":"ok"}` {
		t.Errorf("the Admin API answers %s", got)
	}
	for _, request := range []string{"list", "play", "configure", "nonsense"} {
		if got := s.Admin(`{"request":"` + request + `","id":1}`); !strings.Contains(got, fails("413")) {
			t.Errorf("the Admin API answers %s to %s", got, request)
		}
	}
	if got := s.Admin(`{}`); !strings.Contains(got, fails("415")) {
		t.Errorf("the Admin API answers %s", got)
	}
}

// TestLongList leaves the oldest recordings out of a list that would be too long, and says
// how many.
func TestLongList(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	c := s.Attach(plugintest.Options{})
	const n = 100
	for i := range n {
		s.write(fmt.Sprintf("%d.nfo", i+1), fmt.Sprintf("[%d]\r\nname = %s\r\nprivate = false\r\ndate = 2026-01-%02d 10:00:00\r\naudio = a\r\n",
			i+1, strings.Repeat("x", 60<<10), 1+i%20))
	}
	s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
	text := c.Send(`{"request":"list"}`, nil)
	if len(text) > maxList {
		t.Errorf("a list of %d bytes", len(text))
	}
	listed := strings.Count(text, `"id":`)
	if listed < 10 || listed >= n || !strings.HasSuffix(text, fmt.Sprintf(`],"left_out":%d}`, n-listed)) {
		t.Errorf("%d of %d are listed, and the list ends with %s", listed, n, text[len(text)-40:])
	}
	if strings.Contains(text, "2026-01-01") || !strings.Contains(text, "2026-01-20") {
		t.Error("the oldest are not those that are left out")
	}
}

func TestConfigure(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	c := s.Attach(plugintest.Options{})
	settings := func(interval, bitrate string) string {
		return `{"recordplay":"configure","status":"ok","settings":{"video-keyframe-interval":` + interval + `,"video-bitrate-max":` + bitrate + `}}`
	}
	s.want(c, `{"request":"configure"}`, settings("15000", "1048576"))
	s.want(c, `{"request":"configure","video-bitrate-max":512000,"video-keyframe-interval":5000}`, settings("5000", "512000"))
	s.fails(c, `{"request":"configure","video-bitrate-max":"x"}`, nil, "414")
	s.fails(c, `{"request":"configure","video-keyframe-interval":-1}`, nil, "414")
	s.want(c, `{"request":"configure","video-keyframe-interval":9223372036854775807}`, settings("2147483647", "512000"))
	s.want(s.Attach(plugintest.Options{}), `{"request":"configure"}`, settings("15000", "1048576"))
}

// offer is what a client offers that sends audio and video.
func offer(kinds ...sdp.Kind) *plugin.JSEP {
	var o sdp.OfferOptions
	for _, k := range kinds {
		codec := map[sdp.Kind]string{sdp.Audio: sdp.Opus, sdp.Video: sdp.VP8}[k]
		o.Sections = append(o.Sections, sdp.OfferSection{Kind: k, Codec: codec, Direction: sdp.SendOnly, RED: map[sdp.Kind]uint8{sdp.Audio: 63}[k]})
	}
	return &plugin.JSEP{SDP: sdp.Offer(o)}
}

func av() *plugin.JSEP { return offer(sdp.Audio, sdp.Video) }

func TestErrors(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	s.write("1.nfo", nfo("1", "One", "", "audio = missing\r\nvideo = broken\r\ndata = data\r\n"))
	s.write("broken.mjr", "nonsense")
	s.write("data.mjr", mjrFile(mjr.Header{Type: 'd', Codec: "text"}))
	c := s.Attach(plugintest.Options{})
	s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
	answer := &plugin.JSEP{SDP: sdp.Answer(av().SDP, sdp.AnswerOptions{})}
	for _, x := range []struct {
		body string
		jsep *plugin.JSEP
		code string
	}{
		{`{}`, nil, "415"},
		{`{"request":5}`, nil, "414"},
		{`{"request":"nosuch"}`, nil, "413"},
		{`{"request":"play"}`, nil, "415"},
		{`{"request":"play","id":"x"}`, nil, "414"},
		{`{"request":"play","id":-1}`, nil, "414"},
		{`{"request":"play","id":987654321}`, nil, "416"},
		{`{"request":"play","id":1}`, nil, "417"},
		{`{"request":"play","id":1}`, av(), "414"},
		{`{"request":"play","id":1,"restart":true}`, nil, "418"},
		{`{"request":"start"}`, nil, "418"},
		{`{"request":"start"}`, answer, "418"},
		{`{"request":"record"}`, nil, "415"},
		{`{"request":"record","name":"x"}`, answer, "415"},
		{`{"request":"record"}`, av(), "415"},
		{`{"request":"record","name":""}`, av(), "414"},
		{`{"request":"record","name":" \n "}`, av(), "414"},
		{`{"request":"record","name":"` + strings.Repeat("x", maxName+1) + `"}`, av(), "414"},
		{`{"request":"record","name":"x","id":"5"}`, av(), "414"},
		{`{"request":"record","name":"x","id":1}`, av(), "420"},
		{`{"request":"record","name":"x","is_private":"yes"}`, av(), "414"},
		{`{"request":"record","name":"x"}`, offer(sdp.Application), "419"},
		{`{"request":"record","name":"x","filename":"../x"}`, av(), "414"},
		{`{"request":"record","name":"x","filename":"/tmp/x"}`, av(), "414"},
		{`{"request":"record","name":"x","filename":"sub/../../x"}`, av(), "414"},
		{`{"request":"record","name":"x","filename":"sub/"}`, av(), "414"},
		{`{"request":"record","name":"x","filename":"."}`, av(), "414"},
		{`{"request":"record","name":"x","filename":"a\r\nb"}`, av(), "414"},
	} {
		s.fails(c, x.body, x.jsep, x.code)
	}
	if got := s.files(); got != "1.nfo broken.mjr data.mjr" {
		t.Errorf("the folder has %s", got)
	}
	if got := c.Query(); got != `{"type":"none","hangingup":0,"destroyed":0}` {
		t.Errorf("the handle is %s", got)
	}
	c = s.Attach(plugintest.Options{})
	for request, want := range map[string]string{
		"pause": `t {"recordplay":"event"}`, "resume": `t {"recordplay":"event"}`, "stop": `t {"recordplay":"event","result":{"status":"stopped"}}`,
	} {
		s.want(c, `{"request":"`+request+`"}`, want)
	}
	if n := len(s.plugin.recordings); n != 1 {
		t.Errorf("%d recordings are known", n)
	}
}

// Links lead nowhere out of the folder, for who writes and for who reads.
func TestLinks(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{})
	outside := t.TempDir()
	for name, to := range map[string]string{"out": outside, "x.mjr": filepath.Join(outside, "x.mjr"), "2.nfo": filepath.Join(outside, "2.nfo")} {
		if err := os.Symlink(to, filepath.Join(s.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"x.mjr": mjrFile(mjr.Header{Type: 'a', Codec: "opus"}), "2.nfo": nfo("2", "Two", "", "audio = x\r\n")} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.write("1.nfo", nfo("1", "One", "private = no\r\n", "audio = x\r\nvideo = out/x\r\n"))
	c := s.Attach(plugintest.Options{})
	s.want(c, `{"request":"update"}`, `{"recordplay":"ok"}`)
	s.want(c, `{"request":"list"}`, list(`{"id":1,"is_private":false,"name":"One","date":"2024-05-01 10:20:30","audio":true,"video":true,"data":false}`))
	s.fails(c, `{"request":"play","id":1}`, nil, "417")
	s.fails(c, `{"request":"record","name":"x","filename":"out/y"}`, av(), "414")
	s.fails(c, `{"request":"record","name":"x","filename":"out/deep/y"}`, av(), "414")
}

// A recording is there when its connection has ended, and not before.
func TestRecordRequest(t *testing.T) {
	s := newStudio(t, ", private = true", plugintest.Config{})
	c := s.Attach(plugintest.Options{Deaf: true})
	got := c.Send(`{"request":"record","name":" a; b\u0007","id":77,"filename":"`+s.folder+`/deep/down/x","opusred":true}`, offer(sdp.Audio, sdp.Video, sdp.Video, sdp.Application))
	if want := `t {"recordplay":"event","result":{"status":"recording","id":77,"is_private":true}} answer`; !strings.HasPrefix(got, want) {
		t.Fatalf("got %s", got)
	}
	a := c.JSEPs()[0].SDP
	if a.Name != "Recording 77" || a.Sections[0].Direction != sdp.RecvOnly || len(a.Sections[0].Codecs) != 2 || a.Sections[0].Codecs[0].ID() != sdp.RED ||
		a.Sections[1].Codecs[0].ID() != sdp.VP8 || !a.Sections[2].Rejected() || a.Sections[3].Rejected() {
		t.Errorf("the answer is %+v", a)
	}
	if got := c.Query(); got != `{"type":"recorder","recording_id":77,"recording_name":"a; b","hangingup":0,"destroyed":0}` {
		t.Errorf("the handle is %s", got)
	}
	other := s.Attach(plugintest.Options{Deaf: true})
	s.want(other, `{"request":"list"}`, list())
	s.fails(other, `{"request":"play","id":77}`, nil, "416")
	s.fails(other, `{"request":"record","name":"x","id":77}`, av(), "420")
	s.fails(other, `{"request":"record","name":"x","filename":"deep/down/../down/x"}`, av(), "420")
	s.fails(c, `{"request":"play","id":77}`, nil, "418")
	s.fails(c, `{"request":"record","name":"x"}`, av(), "418")
	s.fails(c, `{"request":"start"}`, nil, "418")
	c.Data("chat", "", false, []byte("hello"))
	s.want(c, `{"request":"pause"}`, `t {"recordplay":"event","result":{"status":"paused","id":77}}`)
	s.want(c, `{"request":"pause"}`, `t {"recordplay":"event","result":{"status":"paused","id":77}}`)
	s.want(c, `{"request":"resume"}`, `t {"recordplay":"event","result":{"status":"resumed","id":77}}`)
	update := offer(sdp.Audio, sdp.Video, sdp.Video, sdp.Application)
	update.Update = true
	if got := c.Send(`{"request":"record","update":true}`, update); !strings.HasPrefix(got, `t {"recordplay":"event","result":{"status":"recording","id":77,"is_private":true}} answer`) || !c.JSEPs()[1].Restart {
		t.Errorf("got %s", got)
	}
	s.want(c, `{"request":"stop"}`, `t {"recordplay":"event","result":{"status":"stopped","id":77,"is_private":1}}`+"\n"+
		`{"recordplay":"event","result":{"status":"done","id":77,"is_private":1}}`+"\n[hangup] Close PC")
	b, err := os.ReadFile(filepath.Join(s.folder, "77.nfo"))
	if want := regexp.MustCompile(`^\[77\]\r\nname = a\\; b\r\nprivate = true\r\ndate = \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\r\naudio = deep/down/x-audio.mjr\r\nvideo = deep/down/x-video.mjr\r\ndata = deep/down/x-data.mjr\r\n$`); err != nil || !want.Match(b) {
		t.Errorf("the file is %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(s.folder, "deep/down/x-data.mjr")); err != nil || !strings.Contains(string(b), "hello") {
		t.Errorf("data: %q, %v", b, err)
	}
	if got := s.files(); got != "77.nfo deep" {
		t.Errorf("the folder has %s", got)
	}
	r := s.plugin.find(77)
	if r == nil || !r.red || r.codecs != [numMedia]string{"opus", "vp8", "text"} {
		t.Errorf("known as %+v", r)
	}
	// Who starts anew finds the same.
	s.start("", plugintest.Config{})
	if again := s.plugin.find(77); again == nil || again.info != r.info {
		t.Errorf("known as %+v", again)
	}
	if got := s.files(); got != "77.nfo deep" {
		t.Errorf("the folder has %s", got)
	}
	want := []string{
		`{"event":"recording","id":77,"is_private":true,"audio":true,"video":true,"data":true}`,
		`{"event":"paused","id":77}`, `{"event":"paused","id":77}`, `{"event":"resumed","id":77}`, `{"event":"stopped","id":77}`,
	}
	if got := c.Notices(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("event handlers hear %v", got)
	}
}

// TestRecordBeside: where somebody else records to a file of that name, a recording is known
// by the file that it has got.
func TestRecordBeside(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{RecordingSuffix: ".part"})
	format, err := sfu.MJRFormat(sfu.MJRHeader{Type: 'a', Codec: "opus"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.plugin.Gateway.Engine().Record(sfu.RecordConfig{
		Path: filepath.Join(s.folder, "rec-5-audio.mjr"), Format: format, Tracks: make([]sfu.RecordTrack, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Attach(plugintest.Options{Deaf: true})
	c.Send(`{"request":"record","name":"x","id":5}`, av())
	c.Detach()
	other.Close()
	waittest.Closed(t, "the other recording", other.Done())
	waittest.Until(t, "the recording to be known", func() bool { return s.plugin.find(5) != nil })
	if got := s.files(); got != "5.nfo rec-5-audio-2.mjr rec-5-audio.mjr rec-5-video.mjr" {
		t.Errorf("the folder has %s", got)
	}
	if n, err := s.plugin.readNFO("5.nfo"); err != nil || n.files != [numMedia]string{"rec-5-audio-2", "rec-5-video", ""} {
		t.Errorf("the recording has %q, %v", n.files, err)
	}
}

// A client that leaves without a word leaves a recording; where nothing may be written there
// is none.
func TestRecordEnds(t *testing.T) {
	s := newStudio(t, "", plugintest.Config{Protected: func(path string) bool { return strings.Contains(path, "secret") }})
	c := s.Attach(plugintest.Options{Deaf: true})
	s.fails(c, `{"request":"record","name":"x","filename":"secret"}`, av(), "499")
	if len(s.plugin.recordings) != 0 || len(s.plugin.used) != 0 {
		t.Errorf("left: %v, %v", s.plugin.recordings, s.plugin.used)
	}
	c.Send(`{"request":"record","name":"x","id":5,"is_private":false}`, av())
	c.Detach()
	other := s.Attach(plugintest.Options{})
	if got := other.Send(`{"request":"list"}`, nil); !strings.Contains(got, `"id":5`) {
		t.Errorf("the list is %s", got)
	}
	if got := s.files(); got != "5.nfo rec-5-audio.mjr rec-5-video.mjr" {
		t.Errorf("the folder has %s", got)
	}
}

// Without a path, or with one of no use, there is no plugin, and the server does without.
func TestNoPath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{"", `general: { path = "` + file + `/x" }`} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		core := newStudio(t, "", plugintest.Config{}).Core
		if err := New(folder).Start(core); err == nil || !strings.Contains(err.Error(), plugin.ErrNotSetUp.Error()) {
			t.Errorf("%q: %v", settings, err)
		}
		found, problems := New(folder).Check()
		if len(problems) != 0 || settings == "" && found != "no path, so the plugin is left out" {
			t.Errorf("%q: found %s, %v", settings, found, problems)
		}
	}
}
