package videoroom

import (
	"fmt"
	"strings"
	"testing"
)

// TestForwardTargets says where media may be sent to, by default and with settings.
func TestForwardTargets(t *testing.T) {
	const open = `general: { rtp_forward_own_ports = true, rtp_forward_multicast = true, rtp_forward_link_local = true }`
	for _, settings := range []string{"", open} {
		hs := newHouse(t, settings+"\nroom-1: { publishers = 9 }\n")
		hs.join(`"id":20`)
		g := hs.guest()
		got := g.send(`{"request":"add_remote_publisher","room":1,"id":30,"iface":"127.0.0.1","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]}`, nil)
		var remote, rtcp int
		if _, err := fmt.Sscanf(got[strings.Index(got, `"port"`):], `"port":%d,"rtcp_port":%d`, &remote, &rtcp); err != nil {
			t.Fatal(got, err)
		}
		media := int(hs.plugin.gw.Engine().Stats()[0].Port)
		for _, x := range []struct {
			host       string
			port, rtcp int
			denied     string // "" = never
			hard       bool   // whatever the settings say
		}{
			{"127.0.0.1", 9, 0, "", false},
			{"10.1.2.3", 5000, 5001, "", false},
			{"192.168.1.1", 5000, 0, "", false},
			{"2001:db8::1", 5000, 0, "", false},
			{"0.0.0.0", 5000, 0, "unspecified", true},
			{"::", 5000, 0, "unspecified", true},
			{"255.255.255.255", 5000, 0, "broadcast", true},
			{"224.0.0.1", 5000, 0, "multicast", false},
			{"239.1.2.3", 5000, 0, "multicast", false},
			{"ff02::1", 5000, 0, "multicast", false},
			{"169.254.169.254", 80, 0, "link-local", false},
			{"fe80::1", 5000, 0, "link-local", false},
			{"127.0.0.1", remote, 0, "port of this server", false},
			{"127.0.0.1", 9, rtcp, "port of this server", false},
			{"127.0.0.2", rtcp, 0, "port of this server", false},
			{"127.0.0.1", media, 0, "port of this server", false},
		} {
			for _, request := range []string{
				`"request":"rtp_forward","streams":[{"mid":"0","port":%d,"rtcp_port":%d}]`,
				`"request":"rtp_forward","audio_port":%d,"audio_rtcp_port":%d`,
				`"request":"publish_remotely","remote_id":"` + fmt.Sprint(x.host, x.port, x.rtcp) + `","port":%d,"rtcp_port":%d`,
			} {
				got := g.send(`{"room":1,"publisher_id":20,"host":"`+x.host+`",`+fmt.Sprintf(request, x.port, x.rtcp)+`}`, nil)
				denied := x.denied != "" && (x.hard || settings == "")
				if denied != strings.Contains(got, `"error_code":430`) || denied && !strings.Contains(got, x.denied) {
					t.Errorf("settings %q: %s:%d, RTCP %d: %s", settings, x.host, x.port, x.rtcp, got)
				}
			}
		}
	}
}

// TestForwarderLimit bounds what one publisher is sent on to.
func TestForwarderLimit(t *testing.T) {
	for settings, most := range map[string]int{"": 64, `general: { rtp_forward_max = 2 }`: 2} {
		hs := newHouse(t, settings+"\nroom-1: { publishers = 9 }\n")
		hs.publish(`"id":20`, "chrome_avd")
		hs.join(`"id":40`)
		g := hs.guest()
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
