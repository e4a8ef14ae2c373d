package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	api "bifrons/api/client"
	"bifrons/api/config"
	"bifrons/api/plugin/recordplay"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// labAddress is where servers are in the namespace of a test: janus takes no calls on
// loopback. There are no other addresses: when one comes later, Chromium gives up what it loads.
const (
	labAddress = "10.78.9.1"
	labSetup   = "ip link set lo up; ip link add lab type veth peer name far; ip link set far addrgenmode none; ip link set lab addrgenmode none;" +
		"ip link set far up; ip addr add " + labAddress + "/24 dev lab; ip link set lab up"
)

// labKey shows the recordings of janus 1.1.2, which count as private: it does not say that
// they are not.
const labKey = "secret"

// library is a server with Record&Play.
type library struct {
	name, folder string
	c            *client
}

// startJanus starts the janus that is installed, with Record&Play.
func startJanus(t *testing.T) *library {
	t.Helper()
	l := &library{name: "janus", folder: filepath.Join(t.TempDir(), "recordings")}
	if err := os.Mkdir(l.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	l.c = runJanus(t, recordplay.Package, fmt.Sprintf("general: { path = %q }\n", l.folder))
	return l
}

// runJanus starts the janus that is installed with WebSockets and one plugin, that has these settings.
func runJanus(t *testing.T, plugin, settings string) *client {
	t.Helper()
	dir := t.TempDir()
	var off []string
	for _, name := range []string{"lua", "duktape", "sip", "nosip", "audiobridge", "streaming"} {
		if plugin != "janus.plugin."+name {
			off = append(off, "libjanus_"+name+".so")
		}
	}
	for name, text := range map[string]string{
		"janus.jcfg": fmt.Sprintf("general: { configs_folder = %q  interface = %q  debug_level = 4 }\nnat: { ice_enforce_list = %q }\n",
			dir, labAddress, labAddress) +
			fmt.Sprintf("plugins: { disable = %q }\n", strings.Join(off, ",")) +
			"transports: { disable = \"libjanus_http.so,libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so\" }\n" +
			"loggers: { disable = \"libjanus_jsonlog.so\" }\n",
		"janus.transport.websockets.jcfg": fmt.Sprintf("general: { ws = true  ws_port = 8188  ws_ip = %q }\n", labAddress),
		plugin + ".jcfg":                  settings,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.Command("janus", "-F", dir, "-C", filepath.Join(dir, "janus.jcfg"), "-o")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("janus: %s", log.String())
		}
	})
	ctx, cancel := inTime()
	defer cancel()
	var conn api.Conn
	waittest.Until(t, "janus listens", func() (ok bool) {
		var err error
		conn, err = api.WebSocket(ctx, "ws://"+labAddress+":8188/", nil)
		return err == nil
	})
	c := newClient(t, conn, nil)
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// startLibrary starts a server of this program.
func startLibrary(t *testing.T) *library {
	t.Helper()
	l := &library{name: "bifrons", folder: t.TempDir()}
	settings := t.TempDir()
	text := fmt.Sprintf("general: { path = %q  admin_key = %q }\n", l.folder, labKey)
	if err := os.WriteFile(filepath.Join(settings, recordplay.Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(c *config.Config) {
		c.Folder = settings
		c.Server.NAT.EnforceList = []string{labAddress}
	})
	l.c = dial(t, s)
	return l
}

// status waits for a result of Record&Play.
func status(h *handle, want string) message {
	h.t.Helper()
	return h.await("status "+want, func(m message) bool {
		result, _ := m.data()["result"].(map[string]any)
		return result["status"] == want || m.data()["result"] == want
	})
}

// record records what a camera sends in some steps.
func (l *library) record(t *testing.T, id, steps int, name string) {
	t.Helper()
	c := newCamera(t, l.c.attach(recordplay.Package), "vp8", webrtctest.Options{IP: labAddress})
	offer, err := c.PC.CreateOffer(nil)
	c.Must(err)
	c.setLocal(offer)
	c.h.message(message{"request": "record", "id": id, "name": name}, c.jsep())
	c.Accept(status(c.h, "recording").sdp())
	c.awaitUp()
	c.play(steps)
	c.h.message(message{"request": "stop"}, nil)
	status(c.h, "done") // before or after "stopped"
	c.Close()
}

// give copies a recording into the folder of another server, which is to list it.
func (l *library) give(t *testing.T, to *library, id int, name string) {
	t.Helper()
	waittest.Until(t, l.name+" has written its index", func() bool {
		b, err := os.ReadFile(filepath.Join(l.folder, fmt.Sprintf("%d.nfo", id)))
		return err == nil && bytes.Contains(b, []byte("video.mjr")) && bytes.HasSuffix(b, []byte("\n"))
	})
	for _, pattern := range []string{"%d.nfo", "rec-%d-audio.mjr", "rec-%d-video.mjr"} {
		file := fmt.Sprintf(pattern, id)
		b, err := os.ReadFile(filepath.Join(l.folder, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(to.folder, file), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h := to.c.attach(recordplay.Package)
	if m := h.message(message{"request": "update", "admin_key": labKey}, nil); m.data()["recordplay"] != "ok" {
		t.Fatalf("%s: %v", to.name, m)
	}
	list, _ := h.message(message{"request": "list", "admin_key": labKey}, nil).data()["list"].([]any)
	for _, x := range list {
		item, _ := x.(map[string]any)
		if item["id"] == float64(id) {
			if item["name"] != name || item["audio_codec"] != "opus" || item["video_codec"] != "vp8" {
				t.Errorf("%s lists %v", to.name, item)
			}
			return
		}
	}
	t.Fatalf("%s lists %v", to.name, list)
}

// play plays a recording to a peer, to its end.
func (l *library) play(t *testing.T, id int) *played {
	t.Helper()
	h := l.c.attach(recordplay.Package)
	p := newPionReceiver(t, h, webrtctest.Options{IP: labAddress})
	seen := new(played)
	p.PC.OnTrack(seen.watch)
	h.message(message{"request": "play", "id": id}, nil)
	offer := status(h, "preparing")
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.sdp()}))
	answer, err := p.PC.CreateAnswer(nil)
	p.Must(err)
	p.setLocal(answer)
	h.message(message{"request": "start"}, p.jsep())
	status(h, "playing")
	status(h, "done")
	before := -1
	waittest.UntilEvery(t, 200*time.Millisecond, patience, "nothing more comes", func() bool {
		n := seen.count()
		quiet := n == before
		before = n
		return quiet
	})
	p.Close()
	return seen
}

// recorded are the packets of a file.
func recorded(t *testing.T, path string) (list []rtp.Packet) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mjr.NewReader(f)
	for {
		x, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		var p rtp.Packet
		if err := p.Unmarshal(bytes.Clone(x.Data)); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// comparePlayed compares what was played with what is in a file, packet by packet. Numbers
// and timestamps go on as they do there. A client that is slow to begin or to end misses
// some.
func comparePlayed(t *testing.T, what string, got, want []rtp.Packet) {
	t.Helper()
	const missed = 25
	all := len(want)
	for len(got) > 0 && len(want) > len(got) && !bytes.Equal(want[0].Payload, got[0].Payload) {
		want = want[1:]
	}
	if len(got) == 0 || len(got) > len(want) || len(got) < all-missed {
		t.Errorf("%s: %d packets are played, not %d", what, len(got), all)
		return
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if !bytes.Equal(g.Payload, w.Payload) || g.Marker != w.Marker ||
			g.SequenceNumber-got[0].SequenceNumber != w.SequenceNumber-want[0].SequenceNumber ||
			g.Timestamp-got[0].Timestamp != w.Timestamp-want[0].Timestamp {
			t.Errorf("%s: packet %d is %v, not %v", what, i, g.Header, w.Header)
			return
		}
	}
}

// TestExchange records with this server and with janus, and has each play what the other
// has recorded.
func TestExchange(t *testing.T) {
	if !inNamespace(t, labSetup, "janus", "ffmpeg") {
		return
	}
	const steps = 100
	ours, theirs := startLibrary(t), startJanus(t)
	for i, x := range []struct{ from, to *library }{{ours, theirs}, {theirs, ours}} {
		id, name := 101+i, "Anna, by "+x.from.name
		x.from.record(t, id, steps, name)
		x.from.give(t, x.to, id, name)
		seen := x.to.play(t, id)
		for track, medium := range []string{"audio", "video"} {
			want := recorded(t, filepath.Join(x.from.folder, fmt.Sprintf("rec-%d-%s.mjr", id, medium)))
			first, ok := webrtctest.Stamped(want[0].Payload)
			t.Logf("%s has recorded %d packets of %s from %d (%v) on, %s has played %d", x.from.name, len(want), medium, first, ok, x.to.name, len(seen.of(track)))
			comparePlayed(t, medium+" of "+x.from.name, seen.of(track), want)
		}
	}
}
