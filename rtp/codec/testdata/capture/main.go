// Command capture records the sets of RTP payloads in its parent folder; see the
// README there.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

const ddURI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

// rec is one packet.
type rec struct {
	marker  bool
	payload []byte
	ext     []byte
}

// save writes a set in the form that the README describes.
func save(name string, recs []rec) {
	var b bytes.Buffer
	for _, r := range recs {
		stored := r.payload
		if len(stored) > 300 {
			stored = stored[:120]
		}
		m := byte(0)
		if r.marker {
			m = 1
		}
		b.WriteByte(m)
		b.WriteByte(byte(len(r.ext)))
		binary.Write(&b, binary.BigEndian, uint16(len(r.payload)))
		binary.Write(&b, binary.BigEndian, uint16(len(stored)))
		b.Write(r.ext)
		b.Write(stored)
	}
	os.WriteFile(name+".bin", b.Bytes(), 0o644)
	fmt.Println(name, len(recs), "packets", b.Len(), "bytes")
}

// ffmpeg records n packets of ffmpeg's output with args.
func ffmpeg(name string, n int, args ...string) {
	pc, _ := net.ListenPacket("udp", "127.0.0.1:0")
	defer pc.Close()
	args = append([]string{"-hide_banner", "-loglevel", "error"}, args...)
	args = append(args, "-f", "rtp", fmt.Sprintf("rtp://%s?pkt_size=1200", pc.LocalAddr()))
	cmd := exec.Command("ffmpeg", args...)
	cmd.Stderr = os.Stderr
	cmd.Start()
	var recs []rec
	buf := make([]byte, 2000)
	pc.SetReadDeadline(time.Now().Add(20 * time.Second))
	for len(recs) < n {
		k, _, err := pc.ReadFrom(buf)
		if err != nil {
			fmt.Println(name, err)
			break
		}
		var p rtp.Packet
		if p.Unmarshal(append([]byte(nil), buf[:k]...)) != nil || p.PayloadType >= 64 && p.PayloadType < 96 {
			continue
		}
		recs = append(recs, rec{marker: p.Marker, payload: p.Payload})
	}
	cmd.Process.Kill()
	cmd.Wait()
	save(name, recs)
}

// av1 records AV1 by way of a file, as ffmpeg 5.1 has no RTP muxer for it.
func av1() {
	file := filepath.Join(os.TempDir(), "capture.ivf")
	defer os.Remove(file)
	exec.Command("ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=15", "-t", "2", "-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v", "150k", "-g", "15", file).Run()
	b, _ := os.ReadFile(file)
	b = b[32:]
	pl := codecs.AV1Payloader{}
	var recs []rec
	for len(b) > 12 && len(recs) < 60 {
		n := int(binary.LittleEndian.Uint32(b))
		ps := pl.Payload(1188, b[12:12+n])
		for i, p := range ps {
			recs = append(recs, rec{marker: i == len(ps)-1, payload: p})
		}
		b = b[12+n:]
	}
	save("av1-aom", recs)
}

// page sends a moving canvas to /offer.
const page = `<canvas id=c width=640 height=360></canvas><script>
const x=c.getContext('2d');let n=0;
setInterval(()=>{n++;for(let i=0;i<40;i++){x.fillStyle='hsl('+(n*7+i*9)%360+',80%,50%)';x.fillRect((i*37+n*5)%640,(i*53+n*3)%360,60,40);}},33);
async function go(mime,mode){
 const pc=new RTCPeerConnection();window.pc=pc;
 const s=c.captureStream(30);
 const t=pc.addTransceiver(s.getVideoTracks()[0],{direction:'sendonly',sendEncodings:[{scalabilityMode:mode,maxBitrate:900000}]});
 const caps=RTCRtpSender.getCapabilities('video').codecs.filter(k=>k.mimeType==mime);
 if(!caps.length) throw new Error('no '+mime);
 t.setCodecPreferences(caps);
 if(t.setHeaderExtensionsToNegotiate){const h=t.getHeaderExtensionsToNegotiate();for(const e of h) if(e.uri.includes('dependency-descriptor')) e.direction='sendrecv';t.setHeaderExtensionsToNegotiate(h);}
 await pc.setLocalDescription(await pc.createOffer());
 await new Promise(r=>{if(pc.iceGatheringState=='complete')r();else pc.onicegatheringstatechange=()=>pc.iceGatheringState=='complete'&&r()});
 let res=await fetch('/offer',{method:'POST',body:JSON.stringify(pc.localDescription)});
 await pc.setRemoteDescription(await res.json());
 return pc.localDescription.sdp;
}</script>`

// chrome records n packets behind the first skip ones that Chromium sends,
// asking for a key frame where the record begins.
func chrome(name, mime, mode string, skip, n int) {
	dd := name[:3] != "vp8" || name == "vp8-chrome-l1t3-dd"
	m := &webrtc.MediaEngine{}
	m.RegisterDefaultCodecs()
	if dd {
		m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: ddURI}, webrtc.RTPCodecTypeVideo)
	}
	se := webrtc.SettingEngine{}
	se.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(se))
	done := make(chan []rec, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(page))
	})
	mux.HandleFunc("/offer", func(w http.ResponseWriter, r *http.Request) {
		var sd webrtc.SessionDescription
		json.NewDecoder(r.Body).Decode(&sd)
		pc, _ := api.NewPeerConnection(webrtc.Configuration{})
		pc.OnTrack(func(t *webrtc.TrackRemote, rc *webrtc.RTPReceiver) {
			id := 0
			for _, e := range rc.GetParameters().HeaderExtensions {
				if e.URI == ddURI {
					id = e.ID
				}
			}
			fmt.Println(name, t.Codec().MimeType, "ssrc", t.SSRC(), "dd id", id)
			if t.SSRC() == 0 {
				return
			}
			go func() {
				for i := 0; i < 30; i++ {
					pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 2e6, SSRCs: []uint32{uint32(t.SSRC())}}})
					time.Sleep(200 * time.Millisecond)
				}
			}()
			var recs []rec
			seen := 0
			for len(recs) < n {
				p, _, err := t.ReadRTP()
				if err != nil {
					break
				}
				if len(p.Payload) == 0 {
					continue
				}
				seen++
				if seen == skip {
					pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
				}
				if seen < skip {
					continue
				}
				var ext []byte
				if id != 0 {
					ext = append(ext, p.GetExtension(uint8(id))...)
				}
				recs = append(recs, rec{p.Marker, append([]byte(nil), p.Payload...), ext})
			}
			done <- recs
		})
		pc.SetRemoteDescription(sd)
		ans, err := pc.CreateAnswer(nil)
		if err != nil {
			fmt.Println(err)
		}
		g := webrtc.GatheringCompletePromise(pc)
		pc.SetLocalDescription(ans)
		<-g
		json.NewEncoder(w).Encode(pc.LocalDescription())
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns"), chromedp.Flag("force-fieldtrials", "WebRTC-DependencyDescriptorAdvertised/Enabled/"))
	actx, c1 := chromedp.NewExecAllocator(context.Background(), opts...)
	defer c1()
	ctx, c2 := chromedp.NewContext(actx)
	defer c2()
	ctx, c3 := context.WithTimeout(ctx, 60*time.Second)
	defer c3()
	_, err := chromedp.Run(ctx, chromedp.Navigate(srv.URL))
	if err == nil {
		_, err = chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("go('%s','%s')", mime, mode), chromedp.EvalAwaitPromise))
	}
	if err != nil {
		fmt.Println(name, err)
		return
	}
	select {
	case recs := <-done:
		save(name, recs)
	case <-ctx.Done():
		fmt.Println(name, "timeout")
	}
}

func main() {
	src := func(rate string) []string {
		return []string{"-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=" + rate}
	}
	if len(os.Args) < 2 || os.Args[1] == "ff" {
		ffmpeg("vp8-ffmpeg", 40, append(src("20"), "-c:v", "libvpx", "-deadline", "realtime", "-b:v", "150k", "-g", "15")...)
		ffmpeg("vp9-ffmpeg", 40, append(src("20"), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "150k", "-g", "15", "-strict", "experimental")...)
		ffmpeg("h264-x264", 50, append(src("20"), "-c:v", "libx264", "-profile:v", "high", "-tune", "zerolatency", "-bf", "0", "-b:v", "150k", "-g", "15", "-pix_fmt", "yuv420p")...)
		ffmpeg("h265-x265", 50, append(src("20"), "-c:v", "libx265", "-tune", "zerolatency", "-b:v", "150k", "-pix_fmt", "yuv420p", "-x265-params", "log-level=error:keyint=15:temporal-layers=3")...)
		ffmpeg("opus-ffmpeg", 20, "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000,aformat=channel_layouts=stereo", "-c:a", "libopus", "-b:a", "32k")
		av1()
	}
	if len(os.Args) < 2 || os.Args[1] == "cr" {
		chrome("vp8-chrome-l1t3", "video/VP8", "L1T3", 150, 100)
		chrome("vp8-chrome-l1t3-dd", "video/VP8", "L1T3", 150, 60)
		chrome("vp9-chrome-l3t3key", "video/VP9", "L3T3_KEY", 200, 100)
		chrome("vp9-chrome-l2t2", "video/VP9", "L2T2", 200, 80)
		chrome("av1-chrome-l1t3", "video/AV1", "L1T3", 100, 80)
		chrome("av1-chrome-l3t3", "video/AV1", "L3T3", 200, 100)
		chrome("h264-chrome", "video/H264", "L1T1", 60, 60)
	}
}
