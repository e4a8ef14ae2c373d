package streaming

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/api/kit"
	"bifrons/api/kit/clip"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/plugin/streaming/rtsp"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// brittle is a client on which pushing some event panics.
type brittle struct {
	*plugintest.Client
	breaks atomic.Pointer[string]
	noPeer atomic.Bool // asking for the peer connection panics
}

func (b *brittle) Peer() *sfu.Peer {
	if b.noPeer.Load() {
		panic("test")
	}
	return b.Client.Peer()
}

func (b *brittle) Push(tx string, data []byte, j *plugin.JSEP) error {
	breakIf(&b.breaks, string(data))
	return b.Client.Push(tx, data, j)
}

func newBrittle(t testing.TB, th *rig) (*brittle, *handle) {
	t.Helper()
	b := &brittle{}
	c, h := th.attach(func(x *plugintest.Client) plugin.Host {
		b.Client = x
		return b
	})
	b.Client = c
	return b, h
}

// watch makes the handle a viewer, as client of the rig's plugin.
func (th *rig) watch(h *handle, id string) {
	th.t.Helper()
	res := h.Message(&plugin.Request{Body: plugintest.Parse(th.t, `{"request":"watch","id":`+id+`}`)})
	res.Run()
	if h.watching == nil {
		th.t.Fatal("no viewer")
	}
}

// radio is a mountpoint of another file, which has to go on whatever happens.
func (th *rig) radio() (plays func()) {
	th.t.Helper()
	th.file("other.mulaw", 3, 0)
	if got := th.ask(`{"request":"create","id":99,"type":"live","filename":"FOLDER/other.mulaw","audio":true}`); !strings.Contains(got, "created") {
		th.t.Fatal(got)
	}
	m := th.mountpoint("99")
	return func() {
		th.t.Helper()
		th.forwarded(m.src, 0, "\x01\x01\x01")
	}
}

// forwarded waits until a packet of a stream comes that contains a text.
func (th *rig) forwarded(src *sfu.Source, stream int, want string) {
	th.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		th.t.Fatal(err)
	}
	defer conn.Close()
	f, err := th.core.Engine().Forward(src, stream, sfu.Forward{To: conn.LocalAddr().(*net.UDPAddr).AddrPort()})
	if err != nil {
		th.t.Fatal(err)
	}
	defer f.Close()
	_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience))
	for b := make([]byte, 1500); ; {
		n, err := conn.Read(b)
		if err != nil {
			th.t.Fatalf("stream %d: %v", stream, err)
		}
		if strings.Contains(string(b[12:n]), want) {
			return
		}
	}
}

const stopped = `{"streaming":"event","result":{"status":"stopped"}}`

// gone waits until a mountpoint is gone, of which a viewer was told.
func (th *rig) gone(id string) {
	th.t.Helper()
	th.host.AwaitText(stopped)
	th.fails(`{"request":"info","id":`+id+`}`, 455)
}

func (th *rig) panics() (n uint64) {
	for _, s := range th.core.Engine().Stats() {
		n += s.Shard.Drops[media.DropPanic]
	}
	return n
}

// audio is audio that comes from a function.
type audio func() ([]byte, error)

func (a audio) Next() ([]byte, error) { return a() }
func (audio) Step() uint32            { return 160 }
func (audio) Device() uint64          { return 0 }
func (audio) Close() error            { return nil }

// TestPanicOfPlayer: a file whose player panics, or cannot be read any more, takes its
// mountpoint with it, and only that.
func TestPanicOfPlayer(t *testing.T) {
	for name, panics := range map[string]uint64{"panic": 1, "nothing to read": 0} {
		t.Run(name, func(t *testing.T) {
			th := newRig(t, "")
			plays := th.radio()
			th.file("radio.alaw", 3, 0)
			th.ask(`{"request":"create","id":1,"type":"live","filename":"FOLDER/radio.alaw","audio":true}`)
			m := th.mountpoint("1")
			th.watch(th.h, "1")
			if panics == 0 {
				if err := os.Truncate(filepath.Join(th.folder, "radio.alaw"), 0); err != nil {
					t.Fatal(err)
				}
			} else {
				t.Cleanup(m.play(m.src, audio(func() ([]byte, error) { panic("test") }), false).Stop)
			}
			th.gone("1")
			plays()
			if n := th.panics(); n != panics {
				t.Errorf("%d panics counted", n)
			}
		})
	}
}

// TestPanicOfViewersPlayer: a viewer whose own player fails is sent away. Others stay.
func TestPanicOfViewersPlayer(t *testing.T) {
	for name, next := range map[string]audio{
		"panic":           func() ([]byte, error) { panic("test") },
		"nothing to read": func() ([]byte, error) { return nil, io.EOF },
	} {
		t.Run(name, func(t *testing.T) {
			th := newRig(t, "")
			plays := th.radio()
			th.file("radio.alaw", 3, 0)
			th.ask(`{"request":"create","id":1,"type":"ondemand","filename":"FOLDER/radio.alaw","audio":true}`)
			th.watching("1")
			t.Cleanup(th.host.Detach)
			t.Cleanup(th.mountpoint("1").play(th.h.own.src, next, false).Stop)
			th.host.AwaitText(stopped)
			if got := th.ask(`{"request":"info","id":1}`); !strings.Contains(got, `"viewers":1`) {
				t.Errorf("got %s", got)
			}
			plays()
		})
	}
}

// TestPanicOfCamera: the mountpoint of a camera whose goroutine panics ends, and only
// that one.
func TestPanicOfCamera(t *testing.T) {
	th := newRig(t, "")
	plays := th.radio()
	c := newCam(t)
	c.start()
	th.rtsp(c, `,"rtsp_reconnect_delay":1`)
	th.hears()
	th.watch(th.h, "1")
	event := "rtsp-disconnected"
	th.breaks.Store(&event)
	c.mute.Store(true)
	th.gone("1")
	plays()
	if n := th.panics(); n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

// torn is a source to which nothing can be written.
type torn struct{ *sfu.Source }

func (torn) Write(int, int, []byte) { panic("test") }

// TestPanicOfCameraCallback: so does that of a camera whose packets bring about a
// panic, on a goroutine of the library.
func TestPanicOfCameraCallback(t *testing.T) {
	th := newRig(t, "")
	plays := th.radio()
	c := newCam(t)
	c.start()
	th.rtsp(c, "")
	m := th.mountpoint("1")
	th.watch(th.h, "1")
	cfg := m.work.(*camera).Config
	cfg.Source = torn{m.src}
	second, err := rtsp.Open(t.Context(), cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	th.gone("1")
	plays()
	if n := th.panics(); n == 0 {
		t.Error("no panic was counted")
	}
}

// TestPanicOfViewer has the host of a viewer panic wherever a mountpoint calls it. The
// others hear what they have to, and the request is answered.
func TestPanicOfViewer(t *testing.T) {
	for name, x := range map[string]struct {
		event string
		cause func(th *rig)
	}{
		"destroyed": {"stopped", func(th *rig) { th.want(`{"request":"destroy","id":1}`, `{"streaming":"destroyed","destroyed":1}`) }},
		"kicked":    {"kicked_all", func(th *rig) { th.want(`{"request":"kick_all","id":1}`, `{"streaming":"kicked_all"}`) }},
		"edited": {"edited", func(th *rig) {
			th.want(`{"request":"edit","id":1,"new_pin":"x","edited_event":true}`, `{"streaming":"edited","id":1,"permanent":false}`)
		}},
		"failed": {"stopped", func(th *rig) { th.mountpoint("1").fail() }},
	} {
		t.Run(name, func(t *testing.T) {
			th := newMountpoints(t)
			m := th.mountpoint("1")
			var good []*brittle
			var bad *handle
			for i := range 5 {
				b, h := newBrittle(t, th)
				th.watch(h, "1")
				t.Cleanup(b.Detach)
				if i == 2 {
					b.breaks.Store(&x.event)
					bad = h
				} else {
					good = append(good, b)
				}
			}
			x.cause(th)
			for _, b := range good {
				if got := b.Take(); !strings.Contains(got, x.event) || (x.event != "edited") != (b.Closed() == 1) {
					t.Errorf("a viewer heard %s, closed %d times", got, b.Closed())
				}
			}
			bad.Detach()
			if th.mountpoint("1") == nil {
				if _, err := m.src.ListenRTP(sfu.Bind{}, 0, 0); err == nil {
					t.Error("what is gone has a source that is open")
				}
			}
		})
	}
}

// TestPanicOfViewersPeer: neither does one that cannot be asked for its peer connection
// cost the others their messages.
func TestPanicOfViewersPeer(t *testing.T) {
	th := newMountpoints(t)
	hosts := make([]*brittle, 4)
	for i := range hosts {
		b, h := newBrittle(t, th)
		th.watch(h, "1")
		t.Cleanup(h.Detach)
		h.writable = true
		for _, l := range h.lines {
			l.ready = true
		}
		hosts[i] = b
	}
	hosts[1].noPeer.Store(true)
	if to := th.mountpoint("1").dataPeers(4, kit.Message{}); len(to) != len(hosts)-1 {
		t.Errorf("%d viewers get the message", len(to))
	}
	hosts[1].noPeer.Store(false)
}

// TestPanicLeavesNoLock: a request or event that panics keeps nobody from others.
func TestPanicLeavesNoLock(t *testing.T) {
	th := newMountpoints(t)
	b, h := newBrittle(t, th)
	th.watch(h, "1")
	event := "started"
	b.breaks.Store(&event)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		h.Establish()
	}()
	if !th.plugin.mu.TryLock() {
		t.Fatal("the plugin is locked for ever")
	}
	th.plugin.mu.Unlock()
	h.Detach()
}

// TestPanicWhileCreating: the id can be used again.
func TestPanicWhileCreating(t *testing.T) {
	th := newRig(t, "")
	th.plugin.Gateway = panickingGateway{th.core}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		th.ask(`{"request":"create","id":1,"type":"rtp","audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu"}`)
	}()
	th.plugin.Gateway = th.core
	if got := th.ask(`{"request":"create","id":1,"type":"rtp","audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu"}`); !strings.Contains(got, "created") {
		t.Errorf("got %s", got)
	}
}

// panickingGateway has no engine to offer.
type panickingGateway struct{ plugin.Gateway }

func (panickingGateway) Engine() *sfu.Engine { panic("test") }

// TestFailedWhileBuilt: a mountpoint whose source has failed before it was known is
// never known.
func TestFailedWhileBuilt(t *testing.T) {
	th := newRig(t, "")
	m := &mountpoint{plugin: th.plugin, id: "1", settings: newSettings(typeRTP)}
	m.Locker = &th.plugin.mu
	m.fail()
	if err := th.plugin.add(m, 0); err == nil || th.mountpoint("1") != nil {
		t.Errorf("it is there: %v", err)
	}
}

// TestReloadAfterFailure: a mountpoint of the file that has failed is made again.
func TestReloadAfterFailure(t *testing.T) {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	th.write(Package+".jcfg", `radio: { type = "live", id = 1, filename = "`+th.folder+`/radio.alaw", audio = true }`)
	th.start()
	th.mountpoint("1").src.Fail()
	th.core.AwaitLog("mountpoint destroyed")
	if added, err := th.plugin.Reload(); err != nil || len(added) != 1 || th.mountpoint("1") == nil {
		t.Errorf("added %v, %v", added, err)
	}
}

// TestFileIsOpenedUnlocked: a file that takes its time to open keeps nobody from
// anything.
func TestFileIsOpenedUnlocked(t *testing.T) {
	th := newMountpoints(t)
	opened := false
	th.plugin.open = func(name string, folders []string) (*clip.File, error) {
		if !th.plugin.mu.TryLock() {
			t.Error("a file is opened under the lock")
		} else {
			th.plugin.mu.Unlock()
		}
		opened = true
		return clip.Open(name, folders)
	}
	th.want(`{"request":"watch","id":3}`, preparing)
	if !opened {
		t.Error("no file was opened")
	}
	th.host.Hangup()

	// The mountpoint may be gone by then.
	var late *clip.File
	other, _ := th.attach(nil)
	th.plugin.open = func(name string, folders []string) (f *clip.File, err error) {
		late, err = clip.Open(name, folders)
		other.Message("", `{"request":"destroy","id":3}`, nil)
		return late, err
	}
	th.fails(`{"request":"watch","id":3}`, 455)
	if late == nil || late.Close() == nil {
		t.Error("the file is still open")
	}
}

// TestOldPlayerFails: what fails late, when the viewer has gone on to something else, does
// not end that.
func TestOldPlayerFails(t *testing.T) {
	th := newMountpoints(t)
	c, h := th.attach(nil)
	(&own{h: h}).SourceEvent(sfu.Event{Kind: sfu.EventClosed})
	if got := c.Take(); got != "" || c.Closed() != 0 {
		t.Errorf("told %q, %d connections closed", got, c.Closed())
	}
}
