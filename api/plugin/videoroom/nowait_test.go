package videoroom

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

type silent struct{}

func (silent) SourceEvent(sfu.Event)        {}
func (silent) SourceData(int, bool, []byte) {}

const remoteVoice = `"streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]`

// TestBusyShard: nobody in a room waits for a shard, whatever others ask for.
func TestBusyShard(t *testing.T) {
	x := plugintest.NewTrap()
	hs := newServiceOn(t, `general: { rtp_forward_own_ports = true }
room-1: { publishers = 9 }`, signer{}, sfu.Config{Shards: 1, Logger: slog.New(x)})
	hs.attach().must(`{"request":"add_remote_publisher","room":1,"id":7,"iface":"127.0.0.1",`+remoteVoice+`}`, "", `"success"`)
	hs.publish(`"id":8`, "chrome_avd")
	x.Spring(t, hs.plugin.Gateway.Engine())
	for _, r := range []struct{ body, want string }{
		{`{"request":"add_remote_publisher","room":1,"id":9,"iface":"127.0.0.1",` + remoteVoice + `}`, `"success"`},
		{`{"request":"rtp_forward","room":1,"publisher_id":7,"host":"127.0.0.1","streams":[{"mid":"0","port":9}]}`, `"stream_id"`},
		{`{"request":"publish_remotely","room":1,"publisher_id":8,"remote_id":"x","host":"127.0.0.1","port":9}`, `"success"`},
		{`{"request":"update_remote_publisher","room":1,"id":7,` + remoteVoice + `}`, `"success"`},
		{`{"request":"listparticipants","room":1}`, `"id":9`},
		{`{"request":"listforwarders","room":1}`, `"stream_id"`},
		{`{"request":"remove_remote_publisher","room":1,"id":7}`, `"success"`},
		{`{"request":"destroy","room":1}`, `"destroyed"`},
	} {
		waittest.InTime(t, r.body, func() {
			if got := hs.attach().do(r.body, ""); !strings.Contains(got, r.want) {
				t.Errorf("%s: %s", r.body, got)
			}
		})
	}
}

// hooked is a Gateway that calls a function before it gives the engine away.
type hooked struct {
	plugin.Gateway
	before func()
}

func (h *hooked) Engine() *sfu.Engine {
	if f := h.before; f != nil {
		h.before = nil
		f()
	}
	return h.Gateway.Engine()
}

// TestRemoteEnters has things happen in the room while the sockets of a publisher on
// another server are being opened.
func TestRemoteEnters(t *testing.T) {
	add := func(fields string) string {
		return `{"request":"add_remote_publisher","room":1,"iface":"127.0.0.1",` + fields + remoteVoice + `}`
	}
	for _, tt := range []struct{ name, meanwhile, hears, want, after string }{
		{"others are answered", `{"request":"listparticipants","room":1}`, `"participants":[]`, `"success"`, `"participants":[{"id":7,`},
		{"the id is taken", add(`"id":7,`), `User ID 7 already exists`, `"success"`, `"participants":[{"id":7,`},
		{"nobody by that id", `{"request":"remove_remote_publisher","room":1,"id":7}`, `No such user`, `"success"`, `"participants":[{"id":7,`},
		{"the room ends", `{"request":"destroy","room":1}`, `"destroyed"`, `No such room`, `No such room`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hs := newService(t, `room-1: { publishers = 9 }`)
			gw := &hooked{Gateway: hs.plugin.Gateway}
			hs.plugin.Gateway = gw
			gw.before = func() {
				waittest.InTime(t, tt.meanwhile, func() {
					if got := hs.attach().do(tt.meanwhile, ""); !strings.Contains(got, tt.hears) {
						t.Errorf("meanwhile %s", got)
					}
				})
			}
			waittest.InTime(t, "adding", func() {
				if got := hs.attach().do(add(`"id":7,`), ""); !strings.Contains(got, tt.want) {
					t.Errorf("got %s", got)
				}
			})
			if got := hs.attach().do(`{"request":"listparticipants","room":1}`, ""); !strings.Contains(got, tt.after) {
				t.Errorf("afterwards %s", got)
			}
		})
	}
}

// TestRemoteFails: an id is free again when nobody came of it, and media that fails
// before the publisher is there keeps him out.
func TestRemoteFails(t *testing.T) {
	hs := newService(t, `room-1: { publishers = 9 }`)
	got := hs.attach().do(`{"request":"add_remote_publisher","room":1,"id":6,"iface":"127.0.0.1",`+remoteVoice+`}`, "")
	_, port, _ := strings.Cut(got, `"port":`)
	port, _, _ = strings.Cut(port, ",")
	body := fmt.Sprintf(`{"request":"add_remote_publisher","room":1,"id":7,"iface":"127.0.0.1","port":%s,%s}`, port, remoteVoice)
	for range 2 {
		hs.attach().must(body, "", `"error_code":499`) // somebody has that port
	}
	r := hs.plugin.room("1")
	x := &publisher{room: r, id: "8", gone: true}
	remoteHandler{x}.SourceEvent(sfu.Event{Kind: sfu.EventClosed})
	src, err := hs.plugin.Gateway.Engine().NewSource(sfu.SourceConfig{}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.enter(src, nil); err == nil || r.participants["8"] != nil {
		t.Error("a publisher is there whose media has failed")
	}
}
