package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu/webrtctest"
)

// janodeFolder finds the npm package janode.
func janodeFolder(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		needs(t, "node is not installed")
	}
	return npmFolder(t, "janode", "src/janode.js")
}

// npmFolder finds an npm package with a file: where .ci/tools puts it, or where npm puts
// global packages.
func npmFolder(t *testing.T, name, file string) string {
	t.Helper()
	folders := []string{filepath.Join("../../.ci/node_modules", name)}
	if root, err := exec.Command("npm", "root", "-g").Output(); err == nil {
		folders = append(folders, filepath.Join(strings.TrimSpace(string(root)), name))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, file)); err == nil {
			return folder
		}
	}
	needs(t, "the npm package "+name+" is not installed")
	return ""
}

// wish is what the script wants of a peer, or its outcome.
type wish struct {
	ID     int
	Do     string
	Peer   string
	SDP    string
	Passed []string
	Failed string
}

// TestJanode: janode makes every call of the VideoRoom plugin that it knows. Its
// media is pion's.
func TestJanode(t *testing.T) { runJanode(t, "janode.mjs") }

// TestJanodeStreaming: and every call of the Streaming plugin but those that
// record.
func TestJanodeStreaming(t *testing.T) { runJanode(t, "janode-streaming.mjs") }

// TestJanodeTextRoom: and every call of the TextRoom plugin.
func TestJanodeTextRoom(t *testing.T) { runJanode(t, "janode-textroom.mjs") }

// TestJanodeAudioBridge: and every call of the AudioBridge plugin.
func TestJanodeAudioBridge(t *testing.T) {
	folder := t.TempDir()
	song := filepath.Join(folder, "song.opus")
	writeSong(t, song, 150)
	runJanode(t, "janode-audiobridge.mjs", folder, song)
	if wav, err := os.ReadFile(filepath.Join(folder, "mix.wav")); err != nil || !strings.HasPrefix(string(wav), "RIFF") {
		t.Errorf("the recording of the mix: %.12q, %v", wav, err)
	}
}

// TestJanodeLua: janode's calls of the VideoRoom plugin, at the script for Lua of Debian's
// package janus.
func TestJanodeLua(t *testing.T) {
	waittest.NoLeaks(t)
	const folder = "/usr/share/janus/lua"
	if _, err := os.Stat(folder + "/videoroom.lua"); err != nil {
		needs(t, "the scripts of the package janus are not installed: "+err.Error())
	}
	file := fmt.Sprintf("general: { path = %q, script = %q }", folder, folder+"/videoroom.lua")
	s := testServer(t, func(c *config.Config) { c.Folder = writeFiles(t, map[string]string{"janus.plugin.lua.jcfg": file}) })
	runJanodeAt(t, s, "janode-lua.mjs")
}

// TestJanodeSIP: and every call of the SIP plugin, at Kamailio.
func TestJanodeSIP(t *testing.T) {
	waittest.NoLeaks(t)
	registrar := siptest.FreePort(t)
	siptest.Kamailio(t, registrar)
	runJanodeAt(t, sipServer(t, ""), "janode-sip.mjs", registrar, siptest.Realm, siptest.Password)
}

func runJanode(t *testing.T, script string, args ...string) {
	t.Helper()
	waittest.NoLeaks(t)
	runJanodeAt(t, testServer(t, nil), script, args...)
}

func runJanodeAt(t *testing.T, s *server, script string, args ...string) {
	t.Helper()
	folder := janodeFolder(t)
	s.explain(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"testdata/" + script, folder, fmt.Sprintf("ws://127.0.0.1:%d/", s.port("ws"))}, args...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peers := map[string]*pionPeer{}
	var last wish
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var o wish
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			continue // a message of janode's logger
		}
		if last = o; o.Do == "" {
			continue
		}
		reply := map[string]any{"id": o.ID}
		if sdp, err := obey(t, peers, o); err != nil {
			reply["error"] = err.Error()
		} else {
			reply["sdp"] = sdp
		}
		b, _ := json.Marshal(reply)
		_, _ = fmt.Fprintf(in, "%s\n", b)
	}
	if err := cmd.Wait(); err != nil || last.Failed != "" {
		t.Errorf("%v: %s", err, last.Failed)
	}
	t.Logf("passed: %s", strings.Join(last.Passed, ", "))
	for _, p := range peers {
		p.Close()
	}
	s.awaitEmpty(t)
}

// obey does what the script wants of a peer, which is made for its first offer
// or answer.
func obey(t *testing.T, peers map[string]*pionPeer, o wish) (string, error) {
	p := peers[o.Peer]
	if p == nil {
		switch o.Do {
		case "offer":
			p = newPionPeer(t, nil, webrtctest.Options{})
		case "offer audio":
			p = newPionReceiver(t, nil, webrtctest.Options{Levels: true})
			p.Audio = &webrtctest.Source{Track: p.NewTrack(webrtc.MimeTypeOpus, "audio", "")}
			p.Must(p.AddTrack(p.Audio.Track, p.Audio))
		default:
			p = newPionReceiver(t, nil, webrtctest.Options{})
			if !strings.Contains(o.SDP, "m=audio") && !strings.Contains(o.SDP, "m=video") {
				p.AddChannel() // as browsers do
			}
		}
		peers[o.Peer] = p
	}
	var local webrtc.SessionDescription
	var err error
	switch o.Do {
	case "offer", "offer audio":
		local, err = p.PC.CreateOffer(nil)
	case "answer":
		if err = p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.SDP}); err == nil {
			local, err = p.PC.CreateAnswer(nil)
		}
	case "accept":
		return "", p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: o.SDP})
	case "talk": // loudly, as far as the level of the packets goes
		var id uint8
		for line := range strings.SplitSeq(p.PC.RemoteDescription().SDP, "\r\n") {
			if strings.HasPrefix(line, "a=extmap:") && strings.HasSuffix(line, sdp.URIAudioLevel) {
				_, _ = fmt.Sscanf(line, "a=extmap:%d", &id)
			}
		}
		p.Audio.Extensions = []webrtctest.Extension{{ID: id, Value: "\x0a"}}
		p.Play(webrtctest.Pace{Frames: 40, Packets: 1, Every: 20 * time.Millisecond})
		return "", nil
	case "say": // by the data channel
		waittest.Closed(t, o.Peer+"'s data channel", p.Open)
		if err = p.Channel.SendText(o.SDP); err == nil {
			return <-p.Texts, nil // and the first answer
		}
		return "", err
	case "hear":
		for {
			if text := waittest.Next(t, o.SDP, p.Texts); strings.Contains(text, o.SDP) {
				return text, nil
			}
		}
	case "up":
		waittest.Until(t, o.Peer+" is connected", func() bool {
			return p.PC.ConnectionState() == webrtc.PeerConnectionStateConnected
		})
		return "", nil
	default:
		err = fmt.Errorf("unknown order %q", o.Do)
	}
	if err != nil {
		return "", err
	}
	p.setLocal(local)
	return p.PC.LocalDescription().SDP, nil
}
