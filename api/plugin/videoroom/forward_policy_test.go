package videoroom

import (
	"fmt"
	"strings"
	"testing"
)

// TestForwardTargets: all requests that name a destination obey the policy.
func TestForwardTargets(t *testing.T) {
	for settings, denied := range map[string]bool{"": true, `general: { rtp_forward_link_local = true }`: false} {
		hs := newService(t, settings+"\nroom-1: { publishers = 9 }\n")
		hs.join(`"id":20`)
		g := hs.attach()
		for _, request := range []string{
			`"request":"rtp_forward","host":"169.254.1.1","streams":[{"mid":"0","port":9}]`,
			`"request":"rtp_forward","host":"127.0.0.1","streams":[{"mid":"0","port":9},{"mid":"0","port":9,"host":"169.254.1.1"}]`,
			`"request":"rtp_forward","host":"169.254.1.1","audio_port":9`,
			`"request":"publish_remotely","remote_id":"x","host":"169.254.1.1","port":9`,
		} {
			got := g.send(`{"room":1,"publisher_id":20,`+request+`}`, nil)
			if denied != strings.Contains(got, `"error_code":430`) || denied != strings.Contains(got, "link-local") {
				t.Errorf("settings %q: %s: %s", settings, request, got)
			}
		}
	}
}

// TestForwarderLimit bounds what one publisher is sent on to.
func TestForwarderLimit(t *testing.T) {
	for settings, most := range map[string]int{"": 64, `general: { rtp_forward_max = 2 }`: 2} {
		hs := newService(t, settings+"\nroom-1: { publishers = 9 }\n")
		hs.publish(`"id":20`, "chrome_avd")
		hs.join(`"id":40`)
		g := hs.attach()
		g.send(`{"request":"add_remote_publisher","room":1,"id":30,"iface":"127.0.0.1","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]}`, nil)
		forward := func(n int) string {
			items := strings.Repeat(`{"mid":"0","port":5000},`, n)
			return g.send(`{"request":"rtp_forward","room":1,"publisher_id":30,"host":"10.1.2.3","streams":[`+items[:len(items)-1]+`]}`, nil)
		}
		if got := forward(most + 1); !strings.Contains(got, `"error_code":430`) || !strings.Contains(got, "Too many forwarders") {
			t.Errorf("%d: %.200s", most, got)
		}
		if got := g.send(`{"request":"listforwarders","room":1}`, nil); strings.Contains(got, "stream_id") {
			t.Errorf("%d: what was refused is there: %.200s", most, got)
		}
		for _, n := range []int{most - 1, 1} {
			if got := forward(n); strings.Count(got, "stream_id") != n {
				t.Errorf("%d: %.200s", most, got)
			}
		}
		if got := forward(1); !strings.Contains(got, "Too many forwarders") {
			t.Errorf("%d: %.200s", most, got)
		}
		// To another server go audio, video and data of 20, and of 40 what he will
		// publish one day.
		remotely := func(id, n int) string {
			return g.send(fmt.Sprintf(`{"request":"publish_remotely","room":1,"publisher_id":%d,"remote_id":"%d","host":"10.1.2.3","port":7}`, id, n), nil)
		}
		if most == 2 && !strings.Contains(remotely(20, 0), "Too many forwarders") {
			t.Error("three forwarders where there may be two")
		}
		for i := range most {
			if got := remotely(40, i); !strings.Contains(got, "success") {
				t.Errorf("%d: %s", i, got)
			}
		}
		if got := remotely(40, most); !strings.Contains(got, "Too many forwarders") {
			t.Errorf("%d: %s", most, got)
		}
	}
}
