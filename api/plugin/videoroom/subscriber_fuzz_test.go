package videoroom

import (
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Whatever a subscriber asks for, one offer at most is outstanding (the Host
// checks that), and streams and m-lines know of each other.
func FuzzSubscriberRequests(f *testing.F) {
	f.Add(`{"request":"subscribe","streams":[{"feed":2}]}` + "\n" + `{"request":"unsubscribe","streams":[{"feed":1,"mid":"1"},{"sub_mid":"0"}]}`)
	f.Add(`{"request":"update","subscribe":[{"feed":2,"mid":"0","send":false,"crossrefid":"x","fallback":1,"temporal":1}],"unsubscribe":[{"feed":1}]}`)
	f.Add(`{"request":"switch","feed":2}` + "\n" + `{"request":"switch","streams":[{"feed":1,"mid":"0","sub_mid":"0","substream":1}]}`)
	f.Add(`{"request":"configure","streams":[{"mid":"1","min_delay":-5,"max_delay":1e3,"keyframe":true}],"restart":true}` + "\n" + `{"request":"pause"}`)
	f.Add(`{"request":"configure","update":true,"video":false,"substream":0}` + "\n" + `{"request":"leave"}` + "\n" + `{"request":"start"}`)
	f.Fuzz(func(t *testing.T, text string) {
		th := newBareRoom(t)
		th.publish("1", "", "opus", "vp8 simulcast", "data")
		th.publish("2", "", "opus", "vp8", "vp9 svc", "data")
		s := th.subscribe()
		s.joinAs(`"streams":[{"feed":1}]`)
		for i, line := range strings.Split(text, "\n") {
			d, err := json.Parse([]byte(line))
			if err != nil || !json.IsObject(d.Root()) {
				continue
			}
			r := &plugin.Request{Transaction: "t", Body: d.Root()}
			if i%2 == 0 {
				r.JSEP = s.answer()
			}
			if res := s.h.Message(r); res.Run != nil {
				res.Run()
				s.settle()
			}
			d.Release()
		}
		th.checkBooks()
	})
}
