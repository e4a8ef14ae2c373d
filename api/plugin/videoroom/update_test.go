package videoroom

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// brief shortens the lists of streams in what was pushed to what each m-line
// carries and whether it is ready (!) and held (-).
func brief(text string) string {
	text = listOfStreams.ReplaceAllStringFunc(text, func(list string) string {
		var parts []string
		for _, o := range strings.Split(list[len(`"streams":[{`):len(list)-2], "},{") {
			p := "-"
			if m := feedOf.FindStringSubmatch(o); m != nil {
				p = m[1] + "/" + m[2]
			} else if m := sourcesOf.FindStringSubmatch(o); m != nil {
				p = "data " + m[1]
			} else if strings.Contains(o, `"type":"data"`) {
				p = "data"
			}
			if strings.Contains(o, `"ready":true`) {
				p += "!"
			}
			if strings.Contains(o, `"send":false`) {
				p += " held"
			}
			parts = append(parts, p)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	})
	text = strings.NewReplacer(`"videoroom":"event",`, "", `"room":1234,`, "", `,"room":1234`, "").Replace(text)
	return strings.ReplaceAll(text, `"`, "")
}

var (
	listOfStreams = regexp.MustCompile(`"streams":\[\{.*\}\]`)
	feedOf        = regexp.MustCompile(`"feed_id":(\d+).*"feed_mid":"(\w+)"`)
	sourcesOf     = regexp.MustCompile(`"source_ids":\[([\d,]*)\]`)
)

// step is one thing that happens and what the subscriber hears of it. "gone",
// "left" and "moved" end a publisher.
type step struct{ do, want string }

func play(t *testing.T, th *bareRoom, s *subscribing, feeds map[string]*publisher, steps []step) {
	t.Helper()
	for i, st := range steps {
		var got string
		verb, name, _ := strings.Cut(st.do, " ")
		switch verb {
		case "gone", "left":
			th.gone(feeds[name], verb == "gone")
			s.settle()
			got = s.take()
		case "switchoff", "switchon":
			th.room.mu.Lock()
			feeds[name].streams[0].disabled = verb == "switchoff"
			feeds[name].streams[0].gateChanged()
			th.room.feedChanged(feeds[name])
			th.room.mu.Unlock()
			s.settle()
			got = s.take()
		default:
			got = s.do(st.do)
		}
		same(t, fmt.Sprintf("step %d, %s", i, st.do), brief(got), st.want)
	}
}

func TestSubscriptionUpdates(t *testing.T) {
	const started = "t {started:ok}"
	joined := step{`join "ptype":"subscriber","room":1234,"streams":[{"feed":1}]`,
		"t {videoroom:attached,[1/0, 1/1]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96)"}
	answered := step{"answer:start", started}
	noAuto := step{`join "ptype":"subscriber","room":1234,"streams":[{"feed":1}],"autoupdate":false`, joined.want}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a feed more", []step{joined, answered,
			{`subscribe "streams":[{"feed":2}]`, "t {videoroom:updated,[1/0!, 1/1!, 2/0, 2/1, data 2]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:audio sendonly opus/111, 3:video sendonly vp8/96, 4:data sendonly)"},
			answered,
			{`subscribe "streams":[{"feed":3,"mid":"0","send":false}]`, "t {videoroom:updated,[1/0!, 1/1!, 2/0!, 2/1!, data 2!, 3/0 held]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:audio sendonly opus/111, 3:video sendonly vp8/96, 4:data sendonly, 5:video sendonly vp9/101)"},
		}},
		{"more data changes nothing", []step{
			{`join "ptype":"subscriber","room":1234,"streams":[{"feed":2,"mid":"2"}]`, "t {videoroom:attached,[data 2]} offer(0:data sendonly)"},
			{`subscribe "streams":[{"feed":3,"mid":"1"}]`, "t {videoroom:updated}"},
			answered,
			{`subscribe "streams":[{"feed":3,"mid":"1"}]`, "t {videoroom:updated}"},
			{`unsubscribe "streams":[{"feed":2}]`, "t {videoroom:updated}"},
			{"gone 3", ""},
			{`configure "update":true`, "t {configured:ok} offer(0:data sendonly)"},
		}},
		{"nothing of the kind", []step{joined, answered,
			{`unsubscribe "streams":[{"feed":3}]`, "t {videoroom:updated}"},
			{`unsubscribe "streams":[{"sub_mid":"9"},{"feed":1,"mid":"9"}]`, "t {videoroom:updated}"},
			{`update "unsubscribe":[{"feed":77}]`, "t {videoroom:updated}"},
		}},
		{"lines are used again", []step{joined, answered,
			{`unsubscribe "streams":[{"feed":1,"mid":"1"}]`, "t {videoroom:updated,[1/0!, -]} offer(0:audio sendonly opus/111, 1:video inactive vp8/96)"},
			answered,
			{`subscribe "streams":[{"feed":3,"mid":"0"}]`, "t {videoroom:updated,[1/0!, -, 3/0]} offer(0:audio sendonly opus/111, 1:video inactive vp8/96, 2:video sendonly vp9/101)"},
			answered,
			{`subscribe "streams":[{"feed":2,"mid":"1"}]`, "t {videoroom:updated,[1/0!, 2/1, 3/0!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:video sendonly vp9/101)"},
			answered,
			{"pause", "t {paused:ok}"},
		}},
		{"both at once", []step{joined, answered,
			{`update "unsubscribe":[{"feed":1}],"subscribe":[{"feed":2,"mid":"1"},{"feed":2,"mid":"0"}]`, "t {videoroom:updated,[2/0, 2/1]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96)"},
		}},
		{"one offer at a time", []step{joined,
			{`subscribe "streams":[{"feed":2,"mid":"0"}]`, "t {videoroom:updating}"},
			{`unsubscribe "streams":[{"feed":1,"mid":"1"}]`, "t {videoroom:updating}"},
			{`update "subscribe":[{"feed":3,"mid":"0"}]`, "t {videoroom:updating}"},
			{"answer:start", started + "\n{videoroom:updated,[1/0!, -, 2/0, 3/0]} offer(0:audio sendonly opus/111, 1:video inactive vp8/96, 2:audio sendonly opus/111, 3:video sendonly vp9/101)"},
			answered,
		}},
		{"restart while waiting", []step{joined,
			{`configure "restart":true`, ""},
			{`configure "update":true`, ""},
			{"answer:start", started + "\n{videoroom:updated,[1/0!, 1/1!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96) restart"},
			answered,
			{`configure "restart":true`, "t {configured:ok} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96) restart"},
			answered,
			{`configure "restart":false,"update":false`, "t {configured:ok}"},
		}},
		{"an answer with another request", []step{joined,
			{`answer:subscribe "streams":[{"feed":2,"mid":"0"}]`, "t {videoroom:updated,[1/0!, 1/1!, 2/0]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:audio sendonly opus/111)"},
			{`configure "update":true`, ""},
			{`answer:subscribe "streams":[{"feed":99}]`, "t {error_code:428,error:No such feed (99)}\n{videoroom:updated,[1/0!, 1/1!, 2/0!]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:audio sendonly opus/111)"},
		}},
		{"feed goes", []step{joined, answered,
			{`subscribe "streams":[{"feed":2,"mid":"0"}]`, "t {videoroom:updated,[1/0!, 1/1!, 2/0]} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96, 2:audio sendonly opus/111)"},
			{"gone 1", ""},
			{"gone 2", ""},
			{"answer:start", started + "\n{videoroom:updated,[-, -, -]} offer(0:audio inactive opus/111, 1:video inactive vp8/96, 2:audio inactive opus/111)"},
			{`unsubscribe "streams":[{"feed":1}]`, "t {videoroom:updated}"},
			answered,
			{`unsubscribe "streams":[{"feed":1}]`, "t {videoroom:updated}"},
			{`subscribe "streams":[{"feed":1}]`, "t {error_code:428,error:No such feed (1)}"},
			{`subscribe "streams":[{"feed":3,"mid":"0"}]`, "t {videoroom:updated,[-, -, -, 3/0]} offer(0:audio inactive opus/111, 1:video inactive vp8/96, 2:audio inactive opus/111, 3:video sendonly vp9/101)"},
		}},
		{"feed goes at once", []step{joined, answered,
			{"gone 1", "{videoroom:updated,[-, -]} offer(0:audio inactive opus/111, 1:video inactive vp8/96)"},
			answered,
		}},
		{"feed goes without autoupdate", []step{noAuto, answered,
			{"gone 1", ""},
			{`unsubscribe "streams":[{"feed":9}]`, "t {videoroom:updated,[-, -]} offer(0:audio inactive opus/111, 1:video inactive vp8/96)"},
			answered,
			{`unsubscribe "streams":[{"feed":9}]`, "t {videoroom:updated}"},
		}},
		{"feed leaves", []step{joined, answered,
			{"left 1", ""},
			{`unsubscribe "streams":[{"feed":1}]`, "t {videoroom:updated,[-, -]} offer(0:audio inactive opus/111, 1:video inactive vp8/96)"},
		}},
		{"feed stops and goes on", []step{joined, answered,
			{"switchoff 1", ""},
			{`unsubscribe "streams":[{"feed":9}]`, "t {videoroom:updated,[-!, 1/1!]} offer(0:audio inactive opus/111, 1:video sendonly vp8/96)"},
			answered,
			{"switchon 1", ""},
			{`configure "update":true`, "t {configured:ok} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96)"},
			answered,
			{"switchoff 1", ""},
			{`subscribe "streams":[{"feed":1,"mid":"0"}]`, "t {videoroom:updated,[-!, 1/1!]} offer(0:audio inactive opus/111, 1:video sendonly vp8/96)"},
		}},
		{"end", []step{joined, answered,
			{"leave", "t {left:ok}"},
			{"leave", "t {left:ok}"},
			{`subscribe "streams":[{"feed":1}]`, "t {error_code:499,error:This subscription has ended}"},
			{`configure "update":true`, "t {error_code:499,error:This subscription has ended}"},
			{`switch "feed":1`, "t {error_code:499,error:This subscription has ended}"},
			{`join "ptype":"subscriber","room":1234,"feed":1`, "t {error_code:425,error:Already in as a subscriber on this handle}"},
			{"gone 1", ""},
		}},
		{"bad requests", []step{joined, answered,
			{`unsubscribe`, "t {error_code:429,error:Missing mandatory element (streams)}"},
			{`unsubscribe "streams":[]`, "t {error_code:430,error:Empty unsubscription list}"},
			{`unsubscribe "streams":[{"mid":"0"}]`, "t {error_code:429,error:Missing mandatory element (feed or sub_mid)}"},
			{`subscribe "streams":{}`, "t {error_code:430,error:Invalid element type (streams should be an array)}"},
			{`subscribe "streams":[]`, "t {error_code:430,error:Empty subscription list}"},
			{`subscribe "streams":[{"feed":4}]`, "t {error_code:438,error:Can't mix feeds with and without end-to-end encryption in a subscription}"},
			{`update`, "t {error_code:429,error:Missing mandatory element (subscribe or unsubscribe)}"},
			{`update "unsubscribe":[{"feed":1}],"subscribe":[{"feed":99}]`, "t {error_code:428,error:No such feed (99)}"},
			{`configure "streams":[{"mid":"77","send":false}]`, "t {error_code:428,error:No such mid '77' in subscription}"},
			{`configure "substream":3`, "t {error_code:430,error:Invalid value (substream should be 0, 1 or 2)}"},
			{`publish`, "t {error_code:423,error:Invalid request 'publish' for a subscriber}"},
			{`configure "update":true`, "t {configured:ok} offer(0:audio sendonly opus/111, 1:video sendonly vp8/96)"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			th := newBareRoom(t)
			feeds := map[string]*publisher{
				"1": th.publish("1", "", "opus", "vp8"),
				"2": th.publish("2", "", "opus", "vp8", "data"),
				"3": th.publish("3", "", "vp9", "data", "vp8 rejected"),
				"4": th.publish("4", "", "opus e2ee"),
			}
			play(t, th, th.subscribe(), feeds, tt.steps)
			th.checkBooks()
		})
	}
}

// checkBooks checks that streams and m-lines know of each other.
func (th *bareRoom) checkBooks() {
	th.t.Helper()
	th.room.mu.Lock()
	defer th.room.mu.Unlock()
	known := make(map[*line]bool)
	for s := range th.room.subscribers {
		for i, l := range s.lines {
			if l.index != i || l.mid != fmt.Sprint(i) {
				th.t.Errorf("m-line %d is %d, %s", i, l.index, l.mid)
			}
			for _, st := range l.sources {
				known[l] = true
				if _, ok := st.lines[l]; !ok {
					th.t.Error("a stream does not know of its subscriber")
				}
				if th.room.participants[st.publisher.id] != st.publisher {
					th.t.Errorf("a subscriber holds on to %s, who is gone", st.publisher.id)
				}
			}
			if l.kind.String() != "application" && len(l.sources) > 1 {
				th.t.Errorf("m-line %d has %d sources", i, len(l.sources))
			}
		}
	}
	for _, p := range th.room.participants {
		for _, st := range p.streams {
			for l := range st.lines {
				if !known[l] || !slices.Contains(l.sources, st) {
					th.t.Errorf("stream %s of %s has a subscriber that is gone", st.mid, p.id)
				}
			}
		}
	}
}
