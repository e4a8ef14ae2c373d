package videoroom

import (
	"testing"

	"bifrons/api/kit/mline"
	"bifrons/sfu/media"
)

func TestSwitch(t *testing.T) {
	joined := step{`join "ptype":"subscriber","room":1234,"streams":[{"feed":1}],"autoupdate":false`,
		"t {videoroom:attached,[1/0, 1/1, data 1]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:data sendonly)"}
	answered := step{"answer:start", "t {started:ok}"}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"one stream", []step{joined, answered,
			{`configure "streams":[{"mid":"1","send":false,"substream":0}]`, "t {configured:ok}"},
			{`switch "streams":[{"feed":2,"mid":"1","sub_mid":"1"}]`, "t {switched:ok,changes:1,[1/0!, 2/1!, data 1!]}"},
			{`switch "streams":[{"feed":2,"mid":"1","sub_mid":"1"}]`, "t {switched:ok,changes:0,[1/0!, 2/1!, data 1!]}"},
		}},
		{"what does not go", []step{joined, answered,
			{`switch "streams":[{"feed":2,"mid":"1","sub_mid":"9"},{"feed":2,"mid":"1","sub_mid":"0"},{"feed":3,"mid":"0","sub_mid":"1"},{"feed":1,"mid":"1","sub_mid":"1"}]`, "t {switched:ok,changes:0,[1/0!, 1/1!, data 1!]}"},
			{`switch`, "t {error_code:428,error:No such feed (no streams given)}"},
			{`switch "streams":[]`, "t {error_code:430,error:Invalid element type (streams should be a non-empty array)}"},
			{`switch "streams":[{"feed":2,"mid":"1"}]`, "t {error_code:429,error:Missing mandatory element (sub_mid)}"},
			{`switch "streams":[{"feed":99,"mid":"1","sub_mid":"1"}]`, "t {error_code:428,error:No such feed (99)}"},
			{`switch "streams":[{"feed":2,"mid":"99","sub_mid":"1"}]`, "t {error_code:428,error:No such mid '99' in feed (2)}"},
			{`switch "feed":4`, "t {error_code:438,error:Can't mix feeds with and without end-to-end encryption in a subscription}"},
		}},
		{"several at once", []step{joined, answered,
			{`switch "streams":[{"feed":2,"mid":"0","sub_mid":"0"},{"feed":2,"mid":"1","sub_mid":"1"},{"feed":2,"mid":"3","sub_mid":"2"}]`, "t {switched:ok,changes:3,[2/0!, 2/1!, data 2!]}"},
		}},
		{"a whole feed", []step{joined, answered,
			{`switch "feed":2`, "t {switched:ok,changes:3,[2/0!, 2/1!, data 2!]}"},
			{`switch "feed":2`, "t {switched:ok,changes:0,[2/0!, 2/1!, data 2!]}"},
			{`switch "feed":3`, "t {switched:ok,changes:0,[2/0!, 2/1!, data 2!]}"},
		}},
		{"to an m-line that is idle", []step{joined, answered,
			{`unsubscribe "streams":[{"feed":1,"mid":"1"}]`, "t {videoroom:updated,[1/0!, -, data 1!]} offer(0:audio sendonly opus/111, 1:video inactive vp8/96, 2:data sendonly)"},
			answered,
			{`switch "streams":[{"feed":2,"mid":"1","sub_mid":"1"}]`, "{videoroom:updated,[1/0!, 2/1, data 1!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:data sendonly)\nt {switched:ok,changes:1,[1/0!, 2/1, data 1!]}"},
			answered,
			{"pause", "t {paused:ok}"},
		}},
		{"to an m-line that is idle, while an answer is due", []step{joined, answered,
			{`unsubscribe "streams":[{"feed":1,"mid":"1"}]`, "t {videoroom:updated,[1/0!, -, data 1!]} offer(0:audio sendonly opus/111, 1:video inactive vp8/96, 2:data sendonly)"},
			{`switch "feed":2`, "t {switched:ok,changes:3,[2/0!, 2/1, data 2!]}"},
			{"answer:start", "t {started:ok}\n{videoroom:updated,[2/0!, 2/1, data 2!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:data sendonly)"},
		}},
		{"after the feed is gone", []step{joined, answered,
			{"gone 1", ""},
			{`switch "feed":2`, "{videoroom:updated,[2/0, 2/1, data 2!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:data sendonly)\nt {switched:ok,changes:3,[2/0, 2/1, data 2!]}"},
			answered,
		}},
		{"before the answer", []step{joined,
			{`switch "feed":2`, "t {switched:ok,changes:3,[2/0, 2/1, data 2]}"},
			answered,
			{`switch "feed":1`, "t {switched:ok,changes:3,[1/0!, 1/1!, data 1!]}"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			th := newBareRoom(t)
			feeds := map[string]*publisher{
				"1": th.publish("1", "", "opus", "vp8 simulcast", "data"),
				"2": th.publish("2", "", "opus", "vp8 simulcast", "vp8 rejected", "data"),
				"3": th.publish("3", "", "vp9"),
				"4": th.publish("4", "", "opus e2ee"),
			}
			s := th.subscribe()
			play(t, th, s, feeds, tt.steps)
			if l := s.sub().lines[1]; l.layers.Target(mline.Simulcast) != (media.Layer{Encoding: 2, Spatial: -1, Temporal: 2}) {
				t.Errorf("layers %+v", l.layers)
			}
			th.checkBooks()
		})
	}
}

// TestSwitchAnswersForItsTime has a room end while a switch makes an offer: the answer
// tells what was when the switch was made.
func TestSwitchAnswersForItsTime(t *testing.T) {
	th := newBareRoom(t)
	th.publish("1", "", "opus", "vp8")
	th.publish("2", "", "opus", "vp8")
	s := th.subscribe()
	s.joinAs(`"streams":[{"feed":1}]`)
	s.do("answer:start")
	s.do(`unsubscribe "streams":[{"feed":1,"mid":"1"}]`)
	s.do("answer:start")
	s.offering = func() {
		th.room.mu.Lock()
		defer th.room.mu.Unlock()
		th.room.end()
	}
	got := brief(s.do(`switch "streams":[{"feed":2,"mid":"1","sub_mid":"1"}]`))
	want := "{videoroom:updated,[1/0!, 2/1]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96)\nt {switched:ok,changes:1,[1/0!, 2/1]}"
	same(t, "answer", got, want)
}
