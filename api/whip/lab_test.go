package whip

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/auth"
	"bifrons/api/janus"
	"bifrons/api/plugin/streaming"
	"bifrons/api/plugin/videoroom"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// lab is a server with rooms 1 and 2, of which the latter takes H.264 only, and a mountpoint 1
// of Opus and VP8.
type lab struct {
	t      *testing.T
	core   *janus.Core
	server *Server
	http   *httptest.Server
	media  int // UDP port of the mountpoint's video
}

func newLab(t *testing.T, cfg Config) *lab {
	t.Helper()
	dir := t.TempDir()
	port := freeUDP(t)
	for name, text := range map[string]string{
		"janus.plugin.videoroom.jcfg": `room-1: { publishers = 20, videocodec = "vp8,h264" }
			room-2: { videocodec = "h264", pin = "p" }
			room-3: { publishers = 1 }
			room-4: { publishers = 20, videocodec = "h264,av1,h265,vp8" }`,
		"janus.plugin.streaming.jcfg": fmt.Sprintf(`live: { type = "rtp", id = 1, media = (
			{ type = "video", mid = "v", port = %d, pt = 96, codec = "vp8" }) }
			locked: { type = "rtp", id = 2, pin = "p", media = ({ type = "video", mid = "v", port = %d, pt = 96, codec = "h264", fmtp = "packetization-mode=1" }) }`, port, freeUDP(t)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := sfu.New(sfu.Config{Shards: 1, Enforce: []string{"127.0.0.1"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	l := &lab{t: t, media: port, core: janus.New(janus.Config{Engine: engine, Auth: auth.New(auth.Config{Secret: "s", Tokens: true}), Logger: slog.New(slog.DiscardHandler)})}
	t.Cleanup(l.core.Close)
	if err := l.core.AddPlugin(videoroom.New(dir)); err != nil {
		t.Fatal(err)
	}
	if err := l.core.AddPlugin(streaming.New(dir)); err != nil {
		t.Fatal(err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.RequestRate == 0 {
		cfg.RequestRate = 1000
	}
	if l.server, err = New(cfg, l.core); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.server.Close)
	l.http = httptest.NewServer(l.server)
	t.Cleanup(func() {
		l.http.CloseClientConnections()
		l.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return l
}

func freeUDP(t *testing.T) int {
	t.Helper()
	c := webrtctest.ListenUDP(t, "127.0.0.1")
	defer c.Close()
	var port int
	fmt.Sscanf(c.LocalAddr().String(), "127.0.0.1:%d", &port)
	return port
}

// reply is a response with its body.
type reply struct {
	*http.Response
	text string
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.StatusCode, r.text) }

// do makes a request; fields are header fields, "Name: value".
func (l *lab) do(method, path, text string, fields ...string) reply {
	l.t.Helper()
	r, err := http.NewRequest(method, l.http.URL+path, bytes.NewBufferString(text))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return reply{resp, string(body)}
}

const (
	asSDP      = "Content-Type: application/sdp"
	asFragment = "Content-Type: application/trickle-ice-sdpfrag"
)

// want fails the test unless a response has a status, and words in its body.
func (l *lab) want(r reply, status int, words string) reply {
	l.t.Helper()
	if r.StatusCode != status || !strings.Contains(r.text, words) {
		l.t.Fatalf("%s %s: %s, want %d with %q", r.Request.Method, r.Request.URL.Path, r, status, words)
	}
	return r
}

// publish publishes audio and video at an endpoint.
func (l *lab) publish(id string, fields ...string) (*webrtctest.Peer, reply) {
	l.t.Helper()
	p := webrtctest.NewPeer(l.t, webrtctest.Options{})
	r := l.want(l.do("POST", "/whip/endpoint/"+id, sendOnly(p.Offer(nil)), append(fields, asSDP)...), 201, "a=recvonly")
	p.Accept(r.text)
	p.AwaitConnected()
	return p, r
}

func sendOnly(offer string) string { return strings.ReplaceAll(offer, "a=sendrecv", "a=sendonly") }

// player makes a peer that offers to receive.
func (l *lab) player(kinds ...webrtc.RTPCodecType) *webrtctest.Peer {
	l.t.Helper()
	p := webrtctest.NewReceiver(l.t, webrtctest.Options{Keep: true})
	for _, kind := range kinds {
		_, err := p.PC.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		p.Must(err)
	}
	return p
}

// watch watches at an endpoint.
func (l *lab) watch(id string, kinds ...webrtc.RTPCodecType) (*webrtctest.Peer, reply) {
	l.t.Helper()
	p := l.player(kinds...)
	r := l.want(l.do("POST", "/whep/endpoint/"+id, p.Offer(nil), asSDP), 201, "a=sendonly")
	p.Accept(r.text)
	p.AwaitConnected()
	return p, r
}

const (
	audio = webrtc.RTPCodecTypeAudio
	video = webrtc.RTPCodecTypeVideo
)

// hostsNow is how many networks have resources.
func (s *Server) hostsNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hosts)
}
