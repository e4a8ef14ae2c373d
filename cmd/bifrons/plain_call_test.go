package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestPlainCall calls a server that encrypts nothing (no_webrtc_encryption):
// media flows as soon as ICE has a path.
func TestPlainCall(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) { c.Server.General.NoWebRTCEncryption = true })
	s.explain(t)
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: webrtctest.NewWire(t, "127.0.0.1")})
	agent, err := ice.NewAgentWithOptions(ice.WithUDPMux(mux), ice.WithIncludeLoopback(), ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithInterfaceFilter(func(name string) bool { return name == "lo" }), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.GracefulClose(); _ = mux.Close() }()
	gathered := make(chan struct{})
	if err := agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(gathered)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := agent.GatherCandidates(); err != nil {
		t.Fatal(err)
	}
	<-gathered
	ufrag, pwd, _ := agent.GetLocalUserCredentials()
	offer := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 RTP/AVPF 0\r\nc=IN IP4 127.0.0.1\r\na=sendrecv\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n" +
		fmt.Sprintf("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ssrc:1234 cname:x\r\n", ufrag, pwd)
	list, _ := agent.GetLocalCandidates()
	for _, c := range list {
		offer += "a=candidate:" + c.Marshal() + "\r\n"
	}
	h := dial(t, s).attach(echoPackage)
	h.message(message{"audio": true}, message{"type": "offer", "sdp": offer, "trickle": false})
	answer := h.awaitData("result", "ok").sdp()
	for _, unwanted := range []string{"a=fingerprint", "a=setup"} {
		if strings.Contains(answer, unwanted) || !strings.Contains(answer, "m=audio 9 RTP/AVPF 0") {
			t.Errorf("answer:\n%s", answer)
		}
	}
	for line := range strings.SplitSeq(answer, "\r\n") {
		if text, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			c, err := ice.UnmarshalCandidate(text)
			if err == nil {
				err = agent.AddRemoteCandidate(c)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	value := func(name string) string { return strings.TrimPrefix(lineOf(answer, name), name) }
	conn, err := agent.Dial(ctx, value("a=ice-ufrag:"), value("a=ice-pwd:"))
	if err != nil {
		t.Fatal(err)
	}
	h.awaitKind("webrtcup")
	echoed := make(chan rtp.Packet, 1000)
	go func() {
		defer close(echoed)
		b := make([]byte, 1500)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			var p rtp.Packet
			if n > 12 && b[1]&0x7f == 0 && p.Unmarshal(append([]byte(nil), b[:n]...)) == nil {
				select {
				case echoed <- p:
				default:
				}
			}
		}
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := uint16(1); ; n++ {
		p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 160, SSRC: 1234}, Payload: []byte("plain sound")}
		b, _ := p.Marshal()
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-echoed:
			if string(e.Payload) != "plain sound" || e.SSRC == 1234 {
				t.Errorf("echoed %v %q", e.Header, e.Payload)
			}
			h.await("media", func(m message) bool { return m["janus"] == "media" && m["receiving"] == true })
			h.send(message{"janus": "hangup"})
			h.awaitKind("hangup")
			return
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("nothing came back")
		}
	}
}
