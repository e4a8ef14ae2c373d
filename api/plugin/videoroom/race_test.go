package videoroom

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	ourjson "bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/task"
)

// Participants come, publish, are kicked and leave, subscribers come and go,
// and rooms end, all at the same time.
func TestRace(t *testing.T) {
	hs := newService(t, `room-1: { publishers = 100, notify_joining = true, fir_freq = 1, audiolevel_event = true }`)
	tasks, log := new(task.Tasks), slog.New(slog.DiscardHandler)
	offer := loadOffer(t, "chrome_avd")
	var all sync.WaitGroup
	loop := func(f func(n int)) {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range 40 {
				f(n)
			}
		}()
	}
	// run does requests as the core would: on the handle's executor.
	run := func(handles []*handle, host *fakeHost, requests ...string) {
		for _, text := range requests {
			h := handles[0]
			res := h.Message(&plugin.Request{Body: plugintest.Parse(t, text), JSEP: descriptionFor(text, offer)})
			if res.Run != nil {
				host.exec.Must(res.Run)
			}
		}
	}
	attach := func() ([]*handle, *fakeHost) {
		host := &fakeHost{t: t, exec: task.NewSerial(1000, tasks, log)}
		h, _ := hs.plugin.Attach(&ignoring{host})
		return []*handle{h.(*handle)}, host
	}
	for i := range 4 {
		loop(func(int) {
			hh, host := attach()
			run(hh, host, fmt.Sprintf(`{"request":"join","ptype":"publisher","room":1,"id":%d,"display":"x"}`, i+1),
				`{"request":"publish","audio":true}`)
			host.exec.Must(hh[0].Up)
			run(hh, host, `{"request":"configure","mid":"1","send":false,"display":"y","bitrate":5}`, `{"request":"configure","offer":true}`,
				`{"request":"listparticipants","room":1}`)
			hh[0].Data("", "", true, []byte("x"))
			ourjson.Object(hh[0].Query)
			host.exec.Must(func() { hh[0].Hangup("x") })
			run(hh, host, `{"request":"leave"}`)
			host.exec.Must(hh[0].Detach)
		})
	}
	for i := range 2 {
		loop(func(int) {
			hh, host := attach()
			run(hh, host, fmt.Sprintf(`{"request":"join","ptype":"subscriber","room":1,"streams":[{"feed":%d}]}`, i+1),
				fmt.Sprintf(`{"request":"subscribe","streams":[{"feed":%d,"mid":"0"}]}`, i+2), `{"request":"configure","send":false}`)
			host.exec.Must(func() { hh[0].Hangup("x") })
			host.exec.Must(hh[0].Detach)
		})
	}
	loop(func(n int) {
		hh, host := attach()
		run(hh, host, fmt.Sprintf(`{"request":"kick","room":1,"id":%d}`, n%4+1), `{"request":"list"}`,
			fmt.Sprintf(`{"request":"moderate","room":1,"id":%d,"mid":"1","mute":true}`, n%4+1),
			`{"request":"edit","room":1,"new_fir_freq":2,"new_pin":"","permanent":true}`)
		if n%10 == 9 {
			run(hh, host, `{"request":"destroy","room":1}`, `{"request":"create","room":1,"publishers":50}`)
		}
	})
	all.Wait()
	tasks.Wait()
	r := hs.plugin.room("1")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.participants) > 0 || len(r.private) > 0 || len(r.subscribers) > 0 {
		t.Errorf("left over: %d participants, %d private ids, %d subscribers", len(r.participants), len(r.private), len(r.subscribers))
	}
}

// ignoring is a fakeHost whose offers need no answer.
type ignoring struct{ *fakeHost }

func (i *ignoring) Push(tx string, data []byte, _ *plugin.JSEP) error {
	return i.fakeHost.Push(tx, data, nil)
}

// descriptionFor is the offer that goes with the requests that need one.
func descriptionFor(text string, offer *plugin.JSEP) *plugin.JSEP {
	var r struct {
		Request string
		Offer   bool
	}
	if json.Unmarshal([]byte(text), &r) == nil && (r.Request == "publish" || r.Offer) {
		return offer
	}
	return nil
}

// Whatever is asked for, the answer is JSON and nothing panics.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"request":"create","room":3,"audiocodec":"opus,pcmu","dummy_publisher":true,"dummy_streams":[{"codec":"vp9","fmtp":"profile-id=2"}],"allowed":["x"]}`,
		`{"request":"edit","room":1,"new_bitrate":5,"new_fir_freq":70000}`,
		`{"request":"list","admin_key":"x"}`,
		`{"request":"allowed","room":1,"action":"add","allowed":["a"]}`,
		`{"request":"moderate","room":1,"id":1,"mid":"0","mute":true}`,
		`{"request":"kick","room":1,"id":2}`,
		`{"request":"destroy","room":1}`,
		`{"request":"listparticipants","room":1}`,
		`{"request":"join","room":1,"ptype":"publisher","id":9,"display":"\u0000","metadata":{"a":[]},"descriptions":[{"mid":"0","description":"x"}]}`,
		`{"request":"joinandconfigure","room":1,"ptype":"publisher","bitrate":9007199254740993,"audio_level_average":-9}`,
		`{"request":"join","room":1,"ptype":"subscriber","streams":[{"feed":1,"mid":"0","substream":2}],"private_id":4294967295}`,
		`{"request":"configure","streams":[{"mid":"1","send":false,"keyframe":true,"min_delay":-5,"max_delay":99999}],"video":false}`,
		`{"request":"publish","videocodec":"vp8"}`, `{"request":"unpublish"}`, `{"request":"leave"}`,
		`{"request":"subscribe","streams":[{"feed":1}]}`, `{"request":"unsubscribe","streams":[{"sub_mid":"0"}]}`,
		`{"request":"update","subscribe":[{"feed":1}],"unsubscribe":[{"feed":1}]}`,
		`{"request":"switch","streams":[{"feed":1,"mid":"0","sub_mid":"0"}]}`, `{"request":"pause"}`,
		`{"request":"rtp_forward","room":1,"publisher_id":1,"host":"h","streams":[{"mid":"0","port":5}]}`,
		`{"request":"add_remote_publisher","room":1,"streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]}`,
	} {
		f.Add(seed, 0, false)
		f.Add(seed, 1, true)
		f.Add(seed, 2, false)
	}
	f.Fuzz(func(t *testing.T, body string, who int, described bool) {
		d, err := ourjson.Parse([]byte(body))
		if err != nil || !ourjson.IsObject(d.Root()) {
			t.Skip()
		}
		hs := newService(t, demoRoom)
		publisher := hs.publish(`"id":1,"display":"x"`, "chrome_avd")
		watching := &ignoring{&fakeHost{t: t}}
		attached, _ := hs.plugin.Attach(watching)
		attached.(*handle).Message(&plugin.Request{Body: plugintest.Parse(t, `{"request":"join","ptype":"subscriber","room":1,"streams":[{"feed":1}]}`)}).Run()
		all := []*handle{hs.attach().h, publisher.h, attached.(*handle)}
		h := all[uint(who)%3]
		r := &plugin.Request{Transaction: "t", Body: d.Root()}
		if described && who%3 != 2 {
			r.JSEP = loadOffer(t, "chrome_avd")
		}
		res := h.Message(r)
		if res.Run != nil {
			res.Run()
		} else if !json.Valid(res.Data) {
			t.Errorf("%s: %s", body, res.Data)
		}
		publisher.settle()
		watching.settle()
		for _, h := range all {
			if q := ourjson.Object(h.Query); !json.Valid(q) {
				t.Errorf("%s: %s", body, q)
			}
			h.Hangup("x")
			h.Detach()
		}
	})
}
