package videoroom

import (
	"fmt"
	"strings"
	"testing"
)

// Every request fails with the right code, and changes nothing.
func TestErrors(t *testing.T) {
	hs := newService(t, `general: { admin_key = "key", lock_rtp_forward = true }
room-1: { secret = "s", publishers = 1 }
room-2: { pin = "p", require_e2ee = true, dummy_publisher = true, videocodec = "vp8,h264" }
`)
	fresh := hs.attach()
	joined := hs.join(`"id":10`)
	live := hs.publish(`"id":20`, "chrome_avd")
	left := hs.join(`"id":30`)
	joined.must(`{"request":"join","room":1,"ptype":"publisher"}`, "", `Already in as a publisher on this handle`)
	left.must(`{"request":"leave"}`, "", `"leaving":"ok"`)
	left.must(`{"request":"join","room":1,"ptype":"publisher"}`, "", `Already in as a publisher on this handle`)
	safe := hs.attach()
	safe.must(`{"request":"join","ptype":"publisher","room":2,"pin":"p","id":40}`, "", `"joined"`)
	watching := hs.attach()
	watching.must(`{"request":"join","ptype":"subscriber","room":1,"streams":[{"feed":20}]}`, "", `"attached"`)
	dummy := hs.plugin.room("2").members[0].id

	joined.take()
	live.take()
	for _, x := range []struct {
		g             *participant
		request, rest string
		offer         string
		code          int
	}{
		{fresh, "create", `"room":1`, "", 429},
		{fresh, "create", `"room":1,"admin_key":5`, "", 430},
		{fresh, "create", `"room":1,"admin_key":"no"`, "", 433},
		{fresh, "create", `"room":1,"admin_key":"key"`, "", 427},
		{fresh, "create", `"room":-1,"admin_key":"key"`, "", 430},
		{fresh, "create", `"room":1.5,"admin_key":"key"`, "", 430},
		{fresh, "create", `"room":null,"admin_key":"key"`, "", 430},
		{fresh, "create", `"room":"x","admin_key":"key"`, "", 430},
		{fresh, "create", `"admin_key":"key","audiocodec":"opus,mp3"`, "", 430},
		{fresh, "create", `"admin_key":"key","audiocodec":"opus, pcmu"`, "", 430},
		{fresh, "create", `"admin_key":"key","videocodec":"vp8,vp9,av1,h264,theora"`, "", 430},
		{fresh, "create", `"admin_key":"key","allowed":[1]`, "", 430},
		{fresh, "create", `"admin_key":"key","dummy_streams":[{}]`, "", 429},
		{fresh, "create", `"admin_key":"key","dummy_streams":["x"]`, "", 430},
		{fresh, "list", `"admin_key":"no"`, "", 433},
		{fresh, "list", `"admin_key":1`, "", 430},
		{fresh, "exists", ``, "", 429},
		{fresh, "edit", `"room":9`, "", 426},
		{fresh, "edit", `"room":1`, "", 429},
		{fresh, "edit", `"room":1,"secret":1`, "", 430},
		{fresh, "edit", `"room":1,"secret":"x"`, "", 433},
		{fresh, "edit", `"room":1,"secret":"s","new_bitrate":-1`, "", 430},
		{fresh, "destroy", `"room":1,"secret":"x"`, "", 433},
		{fresh, "destroy", `"room":9`, "", 426},
		{fresh, "allowed", `"room":1,"secret":"s"`, "", 429},
		{fresh, "allowed", `"room":1,"secret":"s","action":"burn"`, "", 430},
		{fresh, "allowed", `"room":1,"secret":"s","action":"add","allowed":[1]`, "", 430},
		{fresh, "allowed", `"room":1,"action":"add","allowed":["x"]`, "", 429},
		{fresh, "kick", `"secret":"s","id":10`, "", 429},
		{fresh, "kick", `"room":"1","secret":"s","id":10`, "", 430},
		{fresh, "kick", `"room":1,"secret":"s"`, "", 429},
		{fresh, "kick", `"room":1,"id":10`, "", 429},
		{fresh, "kick", `"room":1,"secret":"s","id":11`, "", 428},
		{fresh, "kick", `"room":2,"id":` + dummy, "", 428},
		{fresh, "moderate", `"room":1,"secret":"s","id":20,"mid":"9","mute":true`, "", 428},
		{fresh, "moderate", `"room":1,"secret":"s","id":21,"mid":"0","mute":true`, "", 428},
		{fresh, "moderate", `"room":1,"secret":"s","id":20,"mute":true`, "", 429},
		{fresh, "moderate", `"room":1,"secret":"s","id":20,"mid":"0","mute":"x"`, "", 430},
		{fresh, "listparticipants", `"room":9`, "", 426},
		{fresh, "enable_recording", `"room":1,"secret":"s"`, "", 429},
		{fresh, "enable_recording", `"room":1,"record":true`, "", 429},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"127.0.0.1"`, "", 429},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"127.0.0.1","admin_key":"x"`, "", 433},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"admin_key":"key"`, "", 429},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":21,"host":"h","admin_key":"key"`, "", 428},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"h","admin_key":"key","host_family":"x"`, "", 430},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"h","admin_key":"key","srtp_suite":12,"srtp_crypto":"x"`, "", 430},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"h","admin_key":"key","streams":[{"port":1}]`, "", 429},
		{fresh, "rtp_forward", `"room":1,"secret":"s","publisher_id":20,"host":"127.0.0.1","admin_key":"key","audio_port":1`, "", 428},
		{fresh, "stop_rtp_forward", `"room":1,"secret":"s","publisher_id":20,"admin_key":"key","stream_id":4`, "", 428},
		{fresh, "listforwarders", `"room":1`, "", 429},
		{fresh, "publish_remotely", `"room":1,"secret":"s","publisher_id":20,"admin_key":"key","remote_id":"x","host":"h","port":0`, "", 430},
		{fresh, "publish_remotely", `"room":1,"secret":"s","publisher_id":20,"admin_key":"key","remote_id":"x","host":"no host","port":1`, "", 430},
		{fresh, "unpublish_remotely", `"room":1,"secret":"s","publisher_id":20,"remote_id":"x"`, "", 428},
		{fresh, "list_remotes", `"room":1,"secret":"s","publisher_id":20`, "", 423},
		{fresh, "add_remote_publisher", `"room":1,"secret":"s","streams":[]`, "", 430},
		{fresh, "add_remote_publisher", `"room":1,"secret":"s","streams":[{"type":"video","mindex":0,"mid":"0","codec":"x"}]`, "", 429},
		{fresh, "add_remote_publisher", `"room":1,"secret":"s","id":20,"streams":[{"type":"data","mindex":0,"mid":"0"}]`, "", 436},
		{fresh, "add_remote_publisher", `"room":1,"secret":"s","streams":[{"type":"data","mindex":0,"mid":"0"}],"iface":"x"`, "", 499},
		{fresh, "update_remote_publisher", `"room":1,"secret":"s","id":20,"streams":[]`, "", 428},
		{fresh, "remove_remote_publisher", `"room":1,"secret":"s","id":20`, "", 428},

		{fresh, "configure", ``, "", 424},
		{fresh, "publish", ``, "chrome_avd", 424},
		{fresh, "pause", ``, "", 424},
		{fresh, "join", `"room":1`, "", 429},
		{fresh, "join", `"room":9,"ptype":"publisher"`, "", 426},
		{fresh, "join", `"room":1,"ptype":"listener"`, "", 430},
		{fresh, "join", `"room":1,"ptype":"publisher","id":20`, "", 436},
		{fresh, "join", `"room":1,"ptype":"publisher","metadata":"x"`, "", 430},
		{fresh, "join", `"room":1,"ptype":"publisher","bitrate":-1`, "", 430},
		{fresh, "join", `"room":1,"ptype":"publisher","descriptions":[{"mid":"0"}]`, "", 429},
		{fresh, "join", `"room":1,"ptype":"publisher","descriptions":[0]`, "", 430},
		{fresh, "join", `"room":2,"ptype":"publisher"`, "", 429},
		{fresh, "join", `"room":2,"ptype":"subscriber","feed":40,"pin":"q"`, "", 433},
		{fresh, "join", `"room":1,"ptype":"subscriber","feed":20`, "chrome_avd", 423},
		{fresh, "joinandconfigure", `"room":1,"ptype":"publisher"`, "chrome_avd", 432},
		{fresh, "joinandconfigure", `"room":2,"pin":"p","ptype":"publisher"`, "chrome_avd", 433},
		{joined, "join", `"room":1,"ptype":"publisher"`, "", 425},
		{joined, "publish", ``, "chrome_avd", 432},
		{joined, "unpublish", ``, "", 435},
		{joined, "start", ``, "", 423},
		{joined, "configure", `"streams":[{"mid":"0"}]`, "", 428},
		{joined, "configure", `"streams":[7]`, "", 430},
		{joined, "configure", `"streams":[{"send":true},{"send":false}]`, "", 429},
		{joined, "configure", `"audio_level_average":"x"`, "", 430},
		{joined, "configure", `"display":7`, "", 430},
		{live, "publish", ``, "chrome_avd", 434},
		{live, "publish", ``, "", 434},
		{live, "configure", `"mid":"7","send":true`, "", 428},
		{live, "configure", `"audiocodec":"pcmu"`, "chrome_avd", 430},
		{live, "switch", ``, "", 423},
		{left, "join", `"room":1,"ptype":"publisher"`, "", 425},
		{left, "configure", ``, "", 426},
		{left, "unpublish", ``, "", 426},
		{left, "leave", ``, "", 426},
		{left, "pause", ``, "", 426},
		{safe, "configure", `"videocodec":"vp9"`, "chrome_avd", 430},
		{safe, "configure", ``, "chrome_avd", 433},
		{watching, "join", `"room":1,"ptype":"publisher"`, "", 425},
		{watching, "publish", ``, "", 423},
		{watching, "unpublish", ``, "", 423},
	} {
		body := `{"request":"` + x.request + `"`
		if x.rest != "" {
			body += "," + x.rest
		}
		got := x.g.do(body+"}", x.offer)
		if want := fmt.Sprintf(`{"videoroom":"event","error_code":%d,"error":"`, x.code); !strings.HasPrefix(got, want) {
			t.Errorf("%s}\n got %s\nwant %d", body, got, x.code)
		}
	}
	if n := len(hs.plugin.room("1").participants); n != 2 {
		t.Errorf("%d participants", n)
	}
	answer := loadOffer(t, "chrome_avd")
	answer.SDP.Type = 1
	if got := joined.send(`{"request":"configure"}`, answer); !strings.Contains(got, `"error_code":431`) {
		t.Errorf("an answer: %s", got)
	}
	for body, want := range map[string]string{`{}`: "429", `{"request":5}`: "430", `{"request":"x"}`: "423"} {
		if got := fresh.do(body, ""); !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}
