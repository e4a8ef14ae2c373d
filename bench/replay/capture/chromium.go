package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/bench/internal/replay"
	"bifrons/bench/internal/server"
)

// call is a call of Chromium to the EchoTest.
type call struct {
	name     string
	video    string // encodings as JavaScript, "" = no video
	codecs   []string
	size     [2]int
	body     map[string]any   // of the first request
	requests []map[string]any // later ones, spread over the capture: they ask for key frames
	svc      bool
	lossy    bool
	audio    bool
}

func calls() []call {
	layers := func(key string, values ...int) (list []map[string]any) {
		for _, v := range values {
			list = append(list, map[string]any{key: v})
		}
		return list
	}
	onOff := []map[string]any{{"video": false}, {"video": true}, {"video": false}, {"video": true}, {"video": false}, {"video": true}}
	three := `[{rid: "l", scaleResolutionDownBy: 4, maxBitrate: 40000, scalabilityMode: "L1T2"},
		{rid: "m", scaleResolutionDownBy: 2, maxBitrate: 90000, scalabilityMode: "L1T2"},
		{rid: "h", maxBitrate: 220000, scalabilityMode: "L1T2"}]`
	return []call{
		{name: "vp8-simulcast", video: three, codecs: []string{"VP8"}, size: [2]int{960, 540}, requests: layers("substream", 0, 2, 0, 2)},
		{
			name: "vp8-simulcast-loss", video: three, codecs: []string{"VP8"}, size: [2]int{960, 540}, lossy: true,
			requests: layers("substream", 0, 2, 0, 2),
		},
		{name: "h264-chromium", video: `[{maxBitrate: 300000}]`, codecs: []string{"H264"}, size: [2]int{480, 270}, requests: onOff},
		{name: "vp9-svc", video: `[{scalabilityMode: "L3T3_KEY", maxBitrate: 350000}]`, codecs: []string{"VP9"}, size: [2]int{960, 540}, svc: true, requests: layers("spatial_layer", 0, 2, 0, 2)},
		{name: "vp9-svc-full", video: `[{scalabilityMode: "L2T2", maxBitrate: 300000}]`, codecs: []string{"VP9"}, size: [2]int{640, 360}, svc: true, requests: layers("spatial_layer", 0, 1, 0, 1)},
		{name: "av1-svc", video: `[{scalabilityMode: "L2T2_KEY", maxBitrate: 300000}]`, codecs: []string{"AV1"}, size: [2]int{640, 360}, svc: true, requests: layers("spatial_layer", 0, 1, 0, 1)},
		{name: "opus-red", audio: true, codecs: []string{"red", "opus"}, body: map[string]any{"opusred": true}},
	}
}

// page makes a peer connection that sends; offer and accept are called by us.
const page = `
window.offer = async c => {
	const pc = window.pc = new RTCPeerConnection();
	const media = await navigator.mediaDevices.getUserMedia(c.audio ? { audio: true } : { video: { width: c.width, height: c.height, frameRate: 15 } });
	const track = media.getTracks()[0], mimes = c.codecs.map(n => track.kind + "/" + n);
	const tr = pc.addTransceiver(track, c.encodings ? { sendEncodings: c.encodings } : {});
	const all = RTCRtpReceiver.getCapabilities(track.kind).codecs;
	tr.setCodecPreferences([...mimes.flatMap(m => all.filter(k => k.mimeType === m)), ...all.filter(k => /rtx/.test(k.mimeType))]);
	if (tr.setHeaderExtensionsToNegotiate) {
		const h = tr.getHeaderExtensionsToNegotiate();
		for (const e of h) if (/dependency-descriptor|video-layers/.test(e.uri)) e.direction = "sendrecv";
		tr.setHeaderExtensionsToNegotiate(h);
	}
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise(r => setTimeout(r, 20));
	return pc.localDescription.sdp;
};
window.accept = async sdp => { await pc.setRemoteDescription({ type: "answer", sdp }); };
window.stats = async () => {
	const out = [];
	(await pc.getStats()).forEach(s => { if (s.type === "outbound-rtp") out.push([s.rid ?? s.kind, s.framesEncoded ?? 0, s.packetsSent, s.scalabilityMode ?? ""].join(" ")); });
	return pc.connectionState + ": " + out.join(", ");
};
`

var candidateLine = regexp.MustCompile(`a=(candidate:.*|end-of-candidates)\r\n`)

// lab is a bifrons and a Chromium.
type lab struct {
	dir     string
	bifrons *exec.Cmd
	api     string // URLs
	admin   string
	browser context.Context
	stop    []func()
}

const secret = "replay"

func newLab(ctx context.Context) (l *lab, err error) {
	l = new(lab)
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "bifrons-capture-"); err != nil {
		return l, err
	}
	l.stop = append(l.stop, func() { _ = os.RemoveAll(l.dir) })
	binary, err := server.Build(l.dir, "cmd/bifrons")
	if err != nil {
		return l, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return l, err
	}
	for name, text := range map[string]string{
		"janus.jcfg":                `general: { admin_secret = "` + secret + `" } nat: { ice_enforce_list = "127.0.0.1" }`,
		"janus.transport.http.jcfg": fmt.Sprintf(`general: { http = true, port = %d } admin: { admin_http = true, admin_port = %d }`, ports[0], ports[1]),
	} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			return l, err
		}
	}
	l.bifrons = exec.CommandContext(ctx, binary, "-F", l.dir)
	if err := l.bifrons.Start(); err != nil {
		return l, err
	}
	l.stop = append(l.stop, func() { _ = l.bifrons.Process.Kill(); _ = l.bifrons.Wait() })
	l.api, l.admin = fmt.Sprintf("http://127.0.0.1:%d/janus", ports[0]), fmt.Sprintf("http://127.0.0.1:%d/admin", ports[1])
	if err := await(ctx, func() bool { _, err := ask(ctx, l.api, message{"janus": "ping"}); return err == nil }); err != nil {
		return l, err
	}
	alloc, cancel := chromedp.NewExecAllocator(ctx, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(filepath.Join(l.dir, "profile")),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	l.stop = append(l.stop, cancel)
	l.browser, cancel = chromedp.NewContext(alloc)
	l.stop = append(l.stop, cancel)
	return l, nil
}

func (l *lab) close() {
	for i := len(l.stop) - 1; i >= 0; i-- {
		l.stop[i]()
	}
}

// record makes one capture.
func (l *lab) record(ctx context.Context, c *call, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	session, err := ask(ctx, l.api, message{"janus": "create"})
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/%v", session.id())
	handle, err := ask(ctx, l.api+path, message{"janus": "attach", "plugin": "janus.plugin.echotest"})
	if err != nil {
		return err
	}
	path += fmt.Sprintf("/%v", handle.id())
	raw := c.name + ".pcap"
	if _, err := ask(ctx, l.admin+path, message{"janus": "start_pcap", "folder": l.dir, "filename": raw, "admin_secret": secret}); err != nil {
		return err
	}
	offer, err := l.offer(c)
	if err != nil {
		return err
	}
	sent := offer
	if c.lossy { // the server must not find another way
		sent = candidateLine.ReplaceAllString(offer, "")
	}
	answer, err := l.negotiate(ctx, path, c, sent)
	if err != nil {
		return err
	}
	if c.lossy {
		r, moved, err := newRelay(answer)
		if err != nil {
			return err
		}
		defer r.close()
		answer = moved
	}
	text, _ := json.Marshal(answer)
	if _, err := l.eval("accept(" + string(text) + ").then(() => '')"); err != nil {
		return err
	}
	if err := l.play(ctx, path, c); err != nil {
		return err
	}
	if _, err := ask(ctx, l.admin+path, message{"janus": "stop_pcap", "admin_secret": secret}); err != nil {
		return err
	}
	if _, err := ask(ctx, l.api+path, message{"janus": "hangup"}); err != nil {
		return err
	}
	return l.save(ctx, c, offer, filepath.Join(l.dir, raw), folder)
}

// save keeps packets until the capture is long enough.
func (l *lab) save(ctx context.Context, c *call, offer, raw, folder string) error {
	all, err := replay.ReadFile(raw)
	if err != nil {
		return err
	}
	var list []replay.Datagram
	for _, d := range all {
		if d.From.Port() != 1000 { // ours
			continue
		}
		if len(list) > 0 && d.At-list[0].At > length {
			break
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		return errors.New("nothing was captured")
	}
	first := list[0].At
	for i := range list {
		list[i].At -= first
	}
	sections, err := replay.Describe(offer, "lmh", c.svc, list)
	if err != nil {
		return err
	}
	version, _ := exec.CommandContext(ctx, "chromium", "--version").Output()
	about := strings.Join(strings.Fields(string(version)), " ") + ", EchoTest"
	if c.lossy {
		about += ", 5 % lost and 5 % late on the way"
	}
	return save(folder, c.name, ".pcap", replay.Description{About: about, From: list[0].From.String(), Sections: sections}, list)
}

func (l *lab) offer(c *call) (string, error) {
	cfg, _ := json.Marshal(map[string]any{
		"audio": c.audio, "codecs": c.codecs, "width": c.size[0], "height": c.size[1],
	})
	if err := chromedp.Do(l.browser, chromedp.Navigate(strings.TrimSuffix(l.api, "janus"))); err != nil {
		return "", err
	}
	encodings := "null"
	if c.video != "" {
		encodings = c.video
	}
	return l.eval(page + "offer({ ..." + string(cfg) + ", encodings: " + encodings + " })")
}

func (l *lab) eval(expression string) (string, error) {
	ctx, cancel := context.WithTimeout(l.browser, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
}

// negotiate offers and returns the answer.
func (l *lab) negotiate(ctx context.Context, path string, c *call, offer string) (string, error) {
	body := message{"audio": true, "video": true, "videocodec": strings.ToLower(c.codecs[0])}
	if c.audio {
		delete(body, "videocodec")
	}
	for k, v := range c.body {
		body[k] = v
	}
	jsep := message{"type": "offer", "sdp": offer, "rid_order": "lmh"}
	if c.svc {
		jsep["svc"] = []message{{"mindex": 0, "mid": "0", "svc": "svc"}}
	}
	if _, err := ask(ctx, l.api+path, message{"janus": "message", "body": body, "jsep": jsep}); err != nil {
		return "", err
	}
	for {
		e, err := poll(ctx, l.api+path[:strings.LastIndex(path, "/")])
		if err != nil {
			return "", err
		}
		if j, _ := e["jsep"].(map[string]any); j != nil {
			text, _ := j["sdp"].(string)
			return text, nil
		}
	}
}

// play waits for media and then sends the requests.
func (l *lab) play(ctx context.Context, path string, c *call) error {
	for {
		e, err := poll(ctx, l.api+path[:strings.LastIndex(path, "/")])
		if err != nil {
			return err
		}
		if e["janus"] == "media" && e["receiving"] == true {
			break
		}
	}
	pause := length / time.Duration(len(c.requests)+1)
	for _, r := range c.requests {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if _, err := ask(ctx, l.api+path, message{"janus": "message", "body": r}); err != nil {
			return err
		}
	}
	if err := sleep(ctx, pause+time.Second); err != nil {
		return err
	}
	stats, err := l.eval("stats()")
	fmt.Println(c.name, stats)
	return err
}

type message map[string]any

func (m message) id() any { d, _ := m["data"].(map[string]any); return d["id"] }

// ask sends a request over HTTP.
func ask(ctx context.Context, url string, m message) (message, error) {
	m["transaction"] = "t"
	b, _ := json.Marshal(m)
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return do(q)
}

// poll returns the next event of a session.
func poll(ctx context.Context, url string) (message, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return do(q)
}

func do(q *http.Request) (message, error) {
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var m message
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", b, err)
	}
	if m["janus"] == "error" || bytes.Contains(b, []byte("error_code")) {
		return nil, fmt.Errorf("%s", b)
	}
	return m, nil
}

func await(ctx context.Context, ok func() bool) error {
	for range 200 {
		if ok() {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("bifrons does not answer")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
