package videoroom

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

// What a client says of itself is bounded, and a request that says too much
// changes nothing.
func TestBoundsOfTexts(t *testing.T) {
	hs := newService(t, `room-1: { description = "One" }`)
	other := hs.join(`"id":2`)
	g := hs.publish(`"id":1,"display":"Ann"`, "chrome_audio")
	other.take()
	long := func(n int) string { return strings.Repeat("x", n) }
	for field, value := range map[string]string{
		"display":      `"` + long(4097) + `"`,
		"metadata":     `{"a":"` + long(16<<10) + `"}`,
		"descriptions": `[{"mid":"0","description":"` + long(1025) + `"}]`,
		"filename":     `"` + long(4097) + `"`,
		"mid":          `"` + long(4097) + `"`,
	} {
		for _, request := range []string{"configure", "publish"} {
			got := g.do(`{"request":"`+request+`","bitrate":77777,"`+field+`":`+value+`}`, "")
			if !strings.Contains(got, `"error_code":430`) || len(got) > 300 {
				t.Errorf("%s %s: %.300s", request, field, got)
			}
		}
		stranger := hs.attach()
		got := stranger.do(`{"request":"join","ptype":"publisher","room":1,"id":9,"`+field+`":`+value+`}`, "")
		if want := field != "mid"; strings.Contains(got, `"error_code":430`) != want {
			t.Errorf("join with %s: %.300s", field, got)
		}
		stranger.h.Detach()
		other.take()
	}
	many := strings.Repeat(`{"mid":"7","description":"`+long(1000)+`"},`, 70)
	if got := g.do(`{"request":"configure","descriptions":[`+strings.TrimSuffix(many, ",")+`]}`, ""); !strings.Contains(got, `"error_code":430`) {
		t.Errorf("many descriptions: %.300s", got)
	}
	if got := g.do(`{"request":"configure","display":"`+long(4096)+`"}`, ""); !strings.Contains(got, `"configured":"ok"`) {
		t.Errorf("a long name: %.300s", got)
	}
	for _, body := range []string{
		`{"request":"create","description":"` + long(4097) + `"}`,
		`{"request":"create","secret":"` + long(4097) + `"}`,
		`{"request":"edit","room":1,"new_description":"` + long(4097) + `"}`,
		`{"request":"allowed","room":1,"action":"` + long(4097) + `"}`,
	} {
		if got := g.do(body, ""); !strings.Contains(got, `"error_code":430`) || len(got) > 300 {
			t.Errorf("%.40s: %.300s", body, got)
		}
	}
}

// The tokens of a room are bounded, however often some are added.
func TestAllowedTokensAreBounded(t *testing.T) {
	hs := newService(t, `room-1: { }`)
	g := hs.attach()
	for i := range 3 {
		tokens := make([]string, 100)
		for j := range tokens {
			tokens[j] = fmt.Sprintf(`"%d-%d-%s"`, i, j, strings.Repeat("x", 4000))
		}
		got := g.do(`{"request":"allowed","room":1,"action":"add","allowed":[`+strings.Join(tokens, ",")+`]}`, "")
		if strings.Contains(got, `"error_code":430`) != (i == 2) {
			t.Errorf("%d: %.100s", i, got)
		}
	}
	allowed := &hs.plugin.room("1").Tokens
	allowed.On = true
	for i := range 3 {
		if token := fmt.Sprintf("%d-99-%s", i, strings.Repeat("x", 4000)); allowed.Admit(token) != (i < 2) {
			t.Errorf("list %d: admitted is %v", i, allowed.Admit(token))
		}
	}
}

// Others are told of a new name and new descriptions at once, but not of
// hundreds a second: then the last one is told later.
func TestChangesAreToldNowAndThen(t *testing.T) {
	hs := newService(t, `room-1: { }`)
	other := hs.join(`"id":2`)
	g := hs.publish(`"id":1,"display":"first"`, "chrome_audio")
	other.take()
	const many = 200
	for i := range many {
		g.must(fmt.Sprintf(`{"request":"configure","display":"name %d","metadata":{"n":%d},"descriptions":[{"mid":"0","description":"cam %d"}]}`, i, i, i), "", "ok")
	}
	told := other.take()
	if !strings.Contains(told, `"display":"name 0"`) || !strings.Contains(told, `"description":"cam 0"`) {
		t.Errorf("not told at once: %s", told)
	}
	last := func(want string) bool {
		return strings.LastIndex(told, want) > strings.LastIndex(told, fmt.Sprintf("%d", many-2))
	}
	waittest.Until(t, "the last values are told", func() bool {
		told += "\n" + other.take()
		return last(fmt.Sprintf(`"display":"name %d"`, many-1)) && last(fmt.Sprintf(`"description":"cam %d"`, many-1))
	})
	if n := strings.Count(told, `"display"`); n >= many {
		t.Errorf("%d events", n)
	}
	g.must(`{"request":"configure","display":"gone"}`, "", "ok")
	g.h.Detach()
	if hs.plugin.room("1").participants["2"] == nil {
		t.Error("the wrong one has left")
	}
}

// A publisher on another server has no more streams than a session description may
// have, however often some are added, and one who would have more is left as he is.
func TestRemoteStreamsAreBounded(t *testing.T) {
	hs := newService(t, `room-1: { }`)
	g := hs.attach()
	streams := func(from, n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"type":"data","mindex":0,"mid":"%d"}`, from+i)
		}
		return `"streams":[` + strings.Join(list, ",") + `]`
	}
	add := func(id, n int) string {
		return g.do(fmt.Sprintf(`{"request":"add_remote_publisher","room":1,"id":%d,"iface":"127.0.0.1",%s}`, id, streams(0, n)), "")
	}
	if got := add(7, sdp.MaxSections+1); !strings.Contains(got, `"error_code":430`) || hs.plugin.room("1").participants["7"] != nil {
		t.Errorf("too many at once: %.200s", got)
	}
	if got := add(8, sdp.MaxSections-1); !strings.Contains(got, "success") {
		t.Errorf("many: %.200s", got)
	}
	update := func(from, n int) string {
		return g.do(`{"request":"update_remote_publisher","room":1,"id":8,"display":"new",`+streams(from, n)+`}`, "")
	}
	if got := update(sdp.MaxSections-2, 3); !strings.Contains(got, `"error_code":430`) {
		t.Errorf("two more than fit one: %.200s", got)
	}
	x := hs.plugin.room("1").participants["8"]
	if len(x.streams) != sdp.MaxSections-1 || x.display != "" {
		t.Errorf("%d streams, display %q", len(x.streams), x.display)
	}
	for range 2 { // again changes what is there
		if got := update(sdp.MaxSections-2, 2); !strings.Contains(got, "success") || len(x.streams) != sdp.MaxSections {
			t.Errorf("%d streams: %.200s", len(x.streams), got)
		}
	}
}
