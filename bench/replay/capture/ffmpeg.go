package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"bifrons/bench/internal/replay"
)

// stream is the output of ffmpeg.
type stream struct {
	name, ext string
	input     []string
	codec     []string
	section   replay.Section
	srtp      *replay.SRTP
	network   *replay.Network
}

func streams() []stream {
	video := []string{"-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=15"}
	x264 := []string{"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline", "-b:v", "250k", "-g", "15"}
	h264 := replay.Section{Kind: "video", Codecs: []replay.Codec{{Name: "H264", Payload: 96, Clock: 90000}}}
	key := base64.StdEncoding.EncodeToString([]byte("a key and a salt of 30 octets."))
	return []stream{
		{name: "h264-ffmpeg", ext: ".pcapng", input: video, codec: x264, section: h264},
		{
			name: "h264-ffmpeg-srtp", ext: ".pcap", input: video, codec: x264, section: h264,
			srtp:    &replay.SRTP{Profile: "AES128_CM_SHA1_80", Key: key},
			network: &replay.Network{Seed: 1, Loss: 0.03, Reorder: 0.05, DelayMS: 20},
		},
		{
			name: "opus-ffmpeg", ext: ".pcap",
			input:   []string{"-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"},
			codec:   []string{"-c:a", "libopus", "-b:a", "24k", "-ac", "2", "-payload_type", "111"},
			section: replay.Section{Kind: "audio", Codecs: []replay.Codec{{Name: "opus", Payload: 111, Clock: 48000}}},
		},
	}
}

// record lets ffmpeg send to two ports, for RTP and for RTCP.
func (s *stream) record(ctx context.Context, folder string) error {
	rtp, rtcp, err := portPair()
	if err != nil {
		return err
	}
	defer rtp.Close()
	defer rtcp.Close()
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, s.input...)
	args = append(append(args, "-t", fmt.Sprint(length.Seconds())), s.codec...)
	args = append(args, "-f", "rtp")
	scheme := "rtp"
	if s.srtp != nil {
		scheme = "srtp"
		args = append(args, "-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", s.srtp.Key)
	}
	args = append(args, fmt.Sprintf("%s://%s?pkt_size=1200", scheme, rtp.LocalAddr()))
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	cmd.Stderr = os.Stderr

	var mu sync.Mutex
	var list []replay.Datagram
	var first time.Time
	var reading sync.WaitGroup
	for i, conn := range []*net.UDPConn{rtp, rtcp} {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(5004+i))
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), uint16(5004+i))
		reading.Go(func() {
			b := make([]byte, 2048)
			for {
				n, _, err := conn.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				now := time.Now()
				mu.Lock()
				if first.IsZero() {
					first = now
				}
				list = append(list, replay.Datagram{At: now.Sub(first), From: from, To: to, Data: append([]byte(nil), b[:n]...)})
				mu.Unlock()
			}
		})
	}
	err = cmd.Run()
	_, _ = rtp.Close(), rtcp.Close()
	reading.Wait()
	if err != nil {
		return fmt.Errorf("ffmpeg: %w", err)
	}
	version, _ := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	words := strings.Fields(string(version))
	return save(folder, s.name, s.ext, replay.Description{
		About: "ffmpeg " + words[2] + " " + strings.Join(s.codec, " "), SRTP: s.srtp,
		Sections: []replay.Section{s.section}, Network: s.network,
	}, list)
}

// portPair opens two neighbouring ports.
func portPair() (even, odd *net.UDPConn, err error) {
	for range 100 {
		even, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, nil, err
		}
		port := even.LocalAddr().(*net.UDPAddr).Port
		odd, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + 1})
		if err == nil {
			return even, odd, nil
		}
		_ = even.Close()
	}
	return nil, nil, err
}
