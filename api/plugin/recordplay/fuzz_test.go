package recordplay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

// checkIndex checks that what the plugin knows fits together, and to the folder, when
// nothing is under way.
func (s *studio) checkIndex(clients []*plugintest.Client) {
	s.t.Helper()
	p := s.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	open := make(map[int64]bool) // recordings that are being made
	for _, x := range clients {
		h := x.Handle.(*handle)
		if r := h.job; r != nil && h.IsDetached() {
			s.t.Errorf("a handle that is gone has %+v", r.rec)
		} else if r != nil && r.records {
			open[r.rec.id] = true
		}
	}
	names := make(map[string]int64)
	for id, r := range p.recordings {
		if r.id != id || r.finished == open[id] {
			s.t.Errorf("%d is %+v, open: %v", id, r, open[id])
		}
		for _, file := range r.files {
			if file == "" {
				continue
			}
			if other, is := names[fileKey(file)]; is {
				s.t.Errorf("%d and %d have the file %s", id, other, file)
			}
			names[fileKey(file)] = id
		}
	}
	for id := range open {
		if p.recordings[id] == nil {
			s.t.Errorf("%d is being recorded, and not known", id)
		}
	}
	if len(names) != len(p.used) {
		s.t.Errorf("files are %v, known as used %v", names, p.used)
	}
}

// act does one of the things that clients do: a letter and a body.
func (s *studio) act(x *plugintest.Client, what byte, body string) {
	switch what {
	case 'h':
		x.Hangup()
	case 'd':
		x.Detach()
	case 'e':
		x.Establish()
	case 'm':
		x.Data("chat", "", false, []byte(body))
	case 'l':
		x.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: len(body) % 3})
	case 'o', 'u', 'v':
		if !plugin.TakesOffer(x.Handle) {
			return // as the core does
		}
		j := offer([]sdp.Kind{sdp.Audio, sdp.Video, sdp.Application}[:1+int(what)%3]...)
		j.Update = what == 'u'
		x.Message("t", body, j)
	case 'a':
		x.Message("t", body, x.Answer())
	default:
		x.Message("t", body, nil)
	}
}

func newFuzzStudio(t *testing.T) *studio {
	t.Helper()
	s := newStudio(t, "", plugintest.Config{})
	s.write("1.nfo", nfo("1", "One", "private = false\r\n", "audio = one\r\ndata = text\r\n"))
	s.write("one.mjr", sound(mjr.Header{Type: 'a', Codec: "opus"}, 10, "x"))
	s.write("text.mjr", mjrFile(mjr.Header{Type: 'd', Codec: "text"}))
	if err := s.plugin.scan(); err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzRequests has two clients send requests, with or without descriptions, and lose their
// connections.
func FuzzRequests(f *testing.F) {
	f.Add("0o {\"request\":\"record\",\"name\":\"x\",\"id\":5}\n0m hello\n1 {\"request\":\"play\",\"id\":5}\n0 {\"request\":\"stop\"}\n1 {\"request\":\"play\",\"id\":5}\n")
	f.Add("0 {\"request\":\"play\",\"id\":1}\n0a {\"request\":\"start\"}\n0e\n0 {\"request\":\"pause\"}\n0 {\"request\":\"play\",\"id\":1,\"restart\":true}\n0h\n0d\n")
	f.Add("0v {\"request\":\"record\",\"name\":\"x\",\"filename\":\"a/b\",\"opusred\":true,\"textdata\":false}\n1o {\"request\":\"record\",\"name\":\"x\",\"filename\":\"A/B\"}\n0u {\"request\":\"record\",\"update\":true}\n0l\n0d\n1 {\"request\":\"update\"}\n1 {\"request\":\"list\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := newFuzzStudio(t)
		var clients []*plugintest.Client
		for range 2 {
			clients = append(clients, s.Attach(plugintest.Options{Deaf: true}))
		}
		for line := range strings.Lines(text) {
			if len(line) < 3 || len(line) > 1000 || !strings.Contains("01", line[:1]) {
				continue
			}
			body := strings.TrimSpace(line[2:])
			if line[1] != 'm' && body != "" && !isObject(body) {
				continue
			}
			if body == "" && strings.IndexByte("hdeml", line[1]) < 0 {
				continue
			}
			x := clients[line[0]-'0']
			if x.Handle.(*handle).IsDetached() {
				continue
			}
			s.act(x, line[1], body)
			x.Settle()
			x.Query()
		}
		s.Settle()
		s.checkIndex(clients)
	})
}

// isObject reports whether a text can be the body of a message.
func isObject(text string) bool {
	d, err := json.Parse([]byte(text))
	if err != nil {
		return false
	}
	defer d.Release()
	return json.IsObject(d.Root())
}

// TestRandomRequests has clients do everything at once, for long; in the end nothing is under
// way, no file is open, and every recording can be found again in the folder.
func TestRandomRequests(t *testing.T) {
	waittest.NoLeaks(t)
	s := newFuzzStudio(t)
	var mu sync.Mutex
	var all []*plugintest.Client
	var done sync.WaitGroup
	for n := range 4 {
		done.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(n)))
			attach := func() *plugintest.Client {
				x := s.Attach(plugintest.Options{Deaf: true})
				mu.Lock()
				defer mu.Unlock()
				all = append(all, x)
				return x
			}
			x := attach()
			for range 150 {
				switch rnd.IntN(12) {
				case 0, 1, 2:
					s.act(x, "ouv"[rnd.IntN(3)], fmt.Sprintf(`{"request":"record","name":"x","id":%d,"filename":%q}`, rnd.IntN(6), []string{"", "", "a", "b/c"}[rnd.IntN(4)]))
				case 3, 4:
					s.act(x, 'n', fmt.Sprintf(`{"request":"play","id":%d}`, rnd.IntN(6)))
				case 5:
					s.act(x, 'a', `{"request":"start"}`)
					s.act(x, 'e', "")
				case 6:
					s.act(x, 'n', `{"request":"stop"}`)
				case 7:
					s.act(x, 'm', "hello")
				case 8:
					s.act(x, 'n', []string{`{"request":"list"}`, `{"request":"update"}`, `{"request":"pause"}`, `{"request":"resume"}`}[rnd.IntN(4)])
				case 9:
					s.act(x, 'h', "")
				case 10:
					x.Query()
				case 11:
					s.act(x, 'd', "")
					x = attach()
				}
			}
		})
	}
	done.Wait()
	s.Settle()
	s.checkIndex(all)
	for _, x := range all {
		x.Detach()
	}
	s.Settle()
	s.checkIndex(all)
	waittest.Until(t, "all files to be closed", func() bool { _, n := s.Engine().RecordTotals(); return n == 0 })
	known := s.plugin.finished()
	again := New("")
	again.Gateway, again.folder = s.Core, s.plugin.folder
	if err := again.scan(); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(known, again.finished(), func(a, b *recording) bool { return a.info == b.info }) {
		t.Errorf("known are %d recordings, in the folder %d", len(known), len(again.finished()))
	}
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
}
