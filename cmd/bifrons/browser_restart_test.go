package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// answerScript makes a page answer an offer; the test does the signalling.
const answerScript = `window.answer = async sdp => {
	const pc = new RTCPeerConnection();
	pc.ontrack = e => {
		const v = document.createElement("video");
		v.muted = v.autoplay = true;
		v.srcObject = new MediaStream([e.track]);
		document.body.append(v);
	};
	await pc.setRemoteDescription({ type: "offer", sdp });
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise(wake => setTimeout(wake, 10));
	return pc.localDescription.sdp;
};`

// encode has ffmpeg send numbered RTP to two ports, from the same numbers and SSRCs
// each time, with one key frame at its beginning. More are options for both.
func encode(t *testing.T, video, audio any, more string) (stop func()) {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		needs(t, "ffmpeg is not installed")
	}
	args := strings.Fields("-nostdin -loglevel error -re -f lavfi -i testsrc=size=320x180:rate=15 " +
		"-f lavfi -i sine=frequency=440:sample_rate=48000,aformat=channel_layouts=stereo")
	args = append(args, strings.Fields(fmt.Sprintf("-map 0:v -an -c:v libvpx -deadline realtime -cpu-used 8 -g 100000 -b:v 300k %s -f rtp "+
		"-payload_type 100 -ssrc 77 -seq 5000 rtp://127.0.0.1:%v?pkt_size=1200", more, video))...)
	args = append(args, strings.Fields(fmt.Sprintf("-map 1:a -vn -c:a libopus -b:a 64k %s -f rtp "+
		"-payload_type 111 -ssrc 78 -seq 600 rtp://127.0.0.1:%v?pkt_size=1200", more, audio))...)
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// TestBrowserRestart ends the source of a mountpoint and starts it again with the
// SSRC and numbers that it had. Its only key frame is the first one, so there is
// no picture unless that gets through.
func TestBrowserRestart(t *testing.T) {
	for name, more := range map[string]string{
		"same timestamps":   "-fflags +bitexact",
		"random timestamps": "",
	} {
		t.Run(name, func(t *testing.T) {
			browserTest(t)
			s := newStreamingServer(t)
			ports := s.create(1, nil, videoStream(nil), audioStream())
			stop := encode(t, ports[0]["port"], ports[1]["port"], more)
			b := openTab(t, nil, answerScript)
			b.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/", s.server.port("http"))))
			h := dial(t, s.server).attach("janus.plugin.streaming")
			h.message(message{"request": "watch", "id": 1}, nil)
			offer := h.await("offer", func(m message) bool { return m.sdp() != "" })
			text, _ := json.Marshal(offer.sdp())
			answer := eval[string](b, "answer("+string(text)+")")
			h.message(message{"request": "start"}, message{"type": "answer", "sdp": answer})
			b.awaitStats("connection", func(s stats) bool { return s.Connection == "connected" })
			for range 3 {
				stop()
				was := eval[stats](b, "e2e.stats()")
				stop = encode(t, ports[0]["port"], ports[1]["port"], more)
				packets := b.awaitStats("packets", func(s stats) bool { return s.In.Video.Packets > was.In.Video.Packets })
				now := b.awaitStats("a picture", func(s stats) bool { return s.In.Video.KeyFrames > was.In.Video.KeyFrames })
				t.Logf("%d to %d pictures, not more than %.0f ms after the first packet", was.In.Video.Frames, now.In.Video.Frames, now.At-packets.At)
				again := b.awaitStats("more pictures and sound", func(s stats) bool {
					return s.In.Video.Frames > now.In.Video.Frames+20 && s.In.Audio.Packets > was.In.Audio.Packets+50
				})
				if again.In.Video.Lost != 0 || again.In.Audio.Lost != 0 {
					t.Errorf("packets lost: %d, %d", again.In.Video.Lost, again.In.Audio.Lost)
				}
			}
			b.quiet()
		})
	}
}
