package streaming

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"

	"bifrons/rtp/waittest"
)

// cam is an RTSP server with one path, /door, of H.264 and PCMU.
type cam struct {
	t      *testing.T
	port   int // 0 until it was started once
	server *gortsplib.Server
	stream *gortsplib.ServerStream
	desc   *description.Session

	user, password string
	method         auth.VerifyMethod
	tcpOnly        bool
	describe       func(text string) string // changes what the server says, unless nil
	silent         string                   // control of a stream that cannot be set up

	mute   atomic.Bool
	mu     sync.Mutex
	quit   chan struct{}
	done   chan struct{}
	setups int
	tcp    bool // the last one was by TCP
}

// OnDescribe implements a handler of the server.
func (c *cam) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if c.user != "" && !ctx.Conn.VerifyCredentials(ctx.Request, c.user, c.password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if strings.Trim(ctx.Path, "/") != "door" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

// OnResponse implements a handler of the server.
func (c *cam) OnResponse(_ *gortsplib.ServerConn, res *base.Response) {
	if c.describe != nil && len(res.Body) > 0 {
		res.Body = []byte(c.describe(string(res.Body)))
	}
}

// OnSetup implements a handler of the server.
func (c *cam) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setups++
	c.tcp = ctx.Transport.Protocol == gortsplib.ProtocolTCP
	if c.silent != "" && strings.HasSuffix(ctx.Request.URL.String(), c.silent) {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	if c.tcpOnly && !c.tcp {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

// OnPlay implements a handler of the server.
func (c *cam) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func newCam(t *testing.T) *cam {
	c := &cam{t: t}
	t.Cleanup(c.stop)
	return c
}

// start starts the server, on the port that it had before, and sends media. Who
// asks at once waits for the stream.
func (c *cam) start() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.desc = &description.Session{Medias: []*description.Media{
		{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{MULaw: true, SampleRate: 8000, ChannelCount: 1}}},
		{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{
			PayloadTyp: 96, PacketizationMode: 1, SPS: []byte{0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0xf0, 0x11, 0x7e}, PPS: []byte{0x68, 0xce, 0x3c, 0x80},
		}}},
	}}
	waittest.Until(c.t, "the ports to be free", func() bool {
		udp := freePorts(c.t)
		c.server = &gortsplib.Server{
			Handler: c, AuthMethods: []auth.VerifyMethod{c.method}, RTSPAddress: fmt.Sprintf("127.0.0.1:%d", c.port),
			UDPRTPAddress: fmt.Sprintf("127.0.0.1:%d", udp), UDPRTCPAddress: fmt.Sprintf("127.0.0.1:%d", udp+1),
			Listen: func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				if err == nil {
					c.port = l.Addr().(*net.TCPAddr).Port
				}
				return l, err
			},
		}
		err := c.server.Start()
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			c.t.Fatal(err)
		}
		return err == nil
	})
	c.stream = &gortsplib.ServerStream{Server: c.server, Desc: c.desc}
	if err := c.stream.Initialize(); err != nil {
		c.t.Fatal(err)
	}
	c.quit, c.done = make(chan struct{}), make(chan struct{})
	go c.run()
}

// freePorts finds an even UDP port whose successor is free as well.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		a, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := a.LocalAddr().(*net.UDPAddr).Port
		a.Close()
		b, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", n+1))
		if err == nil {
			b.Close()
			if n%2 == 0 {
				return n
			}
		}
	}
	t.Fatal("no ports")
	return 0
}

func (c *cam) run() {
	defer close(c.done)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := uint16(0); ; i++ {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		if c.mute.Load() {
			continue
		}
		_ = c.stream.WritePacketRTP(c.desc.Medias[0], &rtp.Packet{
			Header: rtp.Header{Version: 2, PayloadType: 0, SequenceNumber: i, Timestamp: uint32(i) * 160, SSRC: 1}, Payload: make([]byte, 160),
		})
		_ = c.stream.WritePacketRTP(c.desc.Medias[1], &rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: i, Timestamp: uint32(i) * 1800, SSRC: 2, Marker: true},
			Payload: []byte{0x65, 0x88, 0x84, 0, 1},
		})
	}
}

func (c *cam) stop() {
	if c.server == nil {
		return
	}
	close(c.quit)
	<-c.done
	c.stream.Close()
	c.server.Close()
	c.server = nil
}

func (c *cam) url() string { return fmt.Sprintf("rtsp://127.0.0.1:%d/door", c.port) }

// create makes a mountpoint of the server.
func (th *rig) rtsp(c *cam, more string) {
	th.t.Helper()
	got := th.ask(`{"request":"create","type":"rtsp","id":1,"name":"door","url":"` + c.url() + `","audio":true,"video":true` + more + `}`)
	if want := `{"streaming":"created","created":"door","permanent":false,"stream":{"id":1,"type":"live","description":"door","is_private":false}}`; got != want {
		th.t.Fatalf("got %s", got)
	}
}

// hears waits until packets of both streams come, and the parameter sets with
// the video.
func (th *rig) hears() {
	th.t.Helper()
	th.hear(0, "\x00\x00\x00")
	th.hear(1, "\x67\x42")
}

// hear waits until a packet of a stream comes that contains a text.
func (th *rig) hear(i int, want string) {
	th.t.Helper()
	th.forwarded(th.mountpoint("1").src, i, want)
}

func TestRTSP(t *testing.T) {
	for name, tt := range map[string]struct {
		cam  func(c *cam)
		more string
		tcp  bool
	}{
		"UDP":   {func(*cam) {}, ``, false},
		"TCP":   {func(c *cam) { c.tcpOnly = true }, ``, true},
		"basic": {func(c *cam) { c.user, c.password = "me", "word" }, `,"rtsp_user":"me","rtsp_pwd":"word"`, false},
		"digest": {func(c *cam) { c.user, c.password, c.method = "me", "p", auth.VerifyMethodDigestMD5 },
			`,"rtsp_user":"me","rtsp_pwd":"p"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			th := newRig(t, "")
			c := newCam(t)
			tt.cam(c)
			c.start()
			th.rtsp(c, tt.more+`,"rtsp_session_timeout":1`)
			th.hears()
			c.mu.Lock()
			if c.tcp != tt.tcp {
				t.Errorf("by TCP: %v", c.tcp)
			}
			c.mu.Unlock()
			got := th.ask(`{"request":"info","id":1}`)
			for _, want := range []string{
				`"media":[{"mindex":0,"type":"audio","mid":"a","label":"RTSP audio","pt":0,"codec":"pcmu","rtpmap":"PCMU/8000","port":0,"age_ms":0},` +
					`{"mindex":1,"type":"video","mid":"v","label":"RTSP video","pt":96,"codec":"h264","rtpmap":"H264/90000","fmtp":"`,
				`packetization-mode=1`, `sprop-parameter-sets=Z0LAH9kA8BF+,aM48gA==`, `"rtsp":true,"url":"` + c.url() + `"`,
			} {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in %s", want, got)
				}
			}
			th.want(`{"request":"watch","id":1}`, preparing)
			if got := th.lastJSEP(); !strings.Contains(got, "a:audio sendonly PCMU/8000/0 ext") || !strings.Contains(got, "v:video sendonly H264/90000/96{") {
				t.Errorf("offer %s", got)
			}
			th.ask(`{"request":"destroy","id":1}`)
		})
	}
}

// TestRTSPDamage: one section of a description, wanted or not, does not keep another
// from being played.
func TestRTSPDamage(t *testing.T) {
	const audio, video = "m=audio", "m=video"
	before := func(what, text string) func(string) string {
		return func(s string) string { return strings.Replace(s, what, text+what, 1) }
	}
	instead := func(kind, text string) func(string) string { // of all of a section but its control
		return func(s string) string {
			i := strings.Index(s, kind)
			j := strings.Index(s[i:], "a=control:") + i
			return s[:i] + text + s[j:]
		}
	}
	for name, tt := range map[string]struct {
		describe     func(string) string
		audio, video bool // are played
	}{
		"AAC without config": {instead(audio, "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/44100/2\r\n"), false, true},
		"opus/48000/1":       {instead(audio, "m=audio 0 RTP/AVP 0\r\nb=AS:\r\na=fmtp:0 x\r\n"), true, true},
		"mono Opus":          {instead(audio, "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/1\r\n"), false, true},
		"MP4V":               {before(video, "m=video 0 RTP/AVP 98\r\na=rtpmap:98 MP4V-ES/90000\r\na=fmtp:98 config=zz\r\n"), true, true},
		"one payload type":   {instead(audio, "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"), false, true},
		"no rtpmap":          {before(audio, "m=audio 0 RTP/AVP 97\r\n"), true, true},
		"no bandwidth":       {before("a=control:", "b=AS:\r\n"), true, true},
		"damaged parameters": {func(s string) string { return strings.ReplaceAll(s, "sprop-parameter-sets=", "sprop-parameter-sets=!") }, true, true},
		"another's fmtp":     {before(video, "m=video 0 RTP/AVP 96\r\na=rtpmap:96 theora/90000\r\na=fmtp:96 of=another\r\n"), true, true},
		"a control of no URL": {func(s string) string {
			i := strings.LastIndex(s, "a=control:")
			return s[:i] + strings.Replace(s[i:], "control:", "control:%zz", 1)
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			th := newRig(t, "")
			c := newCam(t)
			c.describe = tt.describe
			c.start()
			th.rtsp(c, "")
			if tt.audio {
				th.hear(0, "\x00\x00\x00")
			}
			if tt.video {
				th.hear(1, "\x65\x88")
			}
			got := th.ask(`{"request":"info","id":1}`)
			if strings.Contains(got, "another") || strings.Count(got, `"pt":96`) > 1 {
				t.Errorf("got %s", got)
			}
			th.want(`{"request":"watch","id":1}`, preparing)
			if got := th.lastJSEP(); strings.Contains(got, "H264") != tt.video {
				t.Errorf("offer %s", got)
			}
			th.host.Detach()
		})
	}
}

// TestRTSPNoSetup: a stream that cannot be set up does not keep the other from being
// played.
func TestRTSPNoSetup(t *testing.T) {
	for i, control := range []string{"trackID=0", "trackID=1"} {
		th := newRig(t, "")
		c := newCam(t)
		c.silent = control
		c.start()
		th.rtsp(c, "")
		th.hear(1-i, "")
	}
	th := newRig(t, "")
	c := newCam(t)
	c.silent = "trackID=0"
	c.start()
	if got := th.ask(`{"request":"create","type":"rtsp","id":1,"audio":true,"url":"` + c.url() + `"}`); !strings.Contains(got, "456") || !strings.Contains(got, "404") {
		t.Errorf("got %s", got)
	}
}

// TestRTSPReconnects starts before the server does, and outlives its end.
func TestRTSPReconnects(t *testing.T) {
	th := newRig(t, "")
	c := newCam(t)
	c.start()
	c.stop()
	th.rtsp(c, `,"rtsp_failcheck":false,"rtsp_reconnect_delay":1,"rtsp_notify_changes":true,"videopt":120,"videofmtp":"mine"`)
	th.want(`{"request":"watch","id":1}`, preparing)
	if got := th.lastJSEP(); got != "offer; Mountpoint 1; 1" {
		t.Errorf("an offer of what is not known yet: %s", got)
	}
	c.start()
	th.hears()
	if got := th.ask(`{"request":"info","id":1}`); !strings.Contains(got, `"pt":120,"codec":"h264","rtpmap":"H264/90000","fmtp":"mine"`) {
		t.Errorf("got %s", got)
	}
	c.stop()
	th.host.AwaitText(`{"event":"rtsp-disconnected","id":1}`)
	c.start()
	th.host.AwaitText(`{"event":"rtsp-reconnected","id":1}`)
	th.hears()
}

// A camera that answers but brings nothing is given up, and tried again.
func TestRTSPSilence(t *testing.T) {
	th := newRig(t, "")
	c := newCam(t)
	c.start()
	th.rtsp(c, `,"rtsp_reconnect_delay":1,"rtsp_notify_changes":true`)
	th.want(`{"request":"watch","id":1}`, preparing)
	th.hears()
	c.mute.Store(true)
	th.host.AwaitText(`{"event":"rtsp-disconnected","id":1}`)
	c.mute.Store(false)
	th.host.AwaitText(`{"event":"rtsp-reconnected","id":1}`)
	th.hears()
}
