package siptest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bifrons/rtp/waittest"
)

const baresipConfig = `poll_method epoll
sip_listen 127.0.0.1:0
net_interface 127.0.0.1
%tls%audio_source aufile,%dir%/tone.wav
audio_player aubridge,none
audio_alert aufile,/dev/null
snd_path %dir%
opus_stereo no
module_path /usr/lib/baresip/modules
module g711.so
module opus.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %control%
`

const baresipAccount = `<sip:%user%@%realm%;transport=%transport%>;auth_user=%user%;auth_pass=%password%;` +
	`outbound="sip:%registrar%;transport=%transport%";regint=600;answermode=auto;audio_codecs=%codec%%more%
`

// baresip is a telephone by the program of that name.
type baresip struct {
	*Process
	dir  string
	conn net.Conn

	mu     sync.Mutex
	events map[string]int
}

// Baresip runs baresip until the test ends, and waits until it is registered. It skips the test if the program is
// missing.
func Baresip(t testing.TB, line Line) Softphone {
	t.Helper()
	path := Find(t, "baresip", "no calls with that telephone")
	p := &baresip{dir: t.TempDir(), events: make(map[string]int)}
	codec, rate, more := "PCMU", 8000, ""
	if line.Opus {
		codec, rate = "opus/48000/1", 48000
	}
	if line.SRTP {
		more = ";mediaenc=srtp-mand"
	}
	writeTone(t, filepath.Join(p.dir, "tone.wav"), line.Hz, rate)
	control := FreePort(t)
	secure := ""
	if line.TLS != nil {
		secure = "sip_cafile " + line.TLS.file("cafile.pem") + "\nsip_certificate " + line.TLS.file("agent.pem") + "\n"
	}
	write(t, filepath.Join(p.dir, "config"), fill(baresipConfig, "dir", p.dir, "control", control, "tls", secure))
	write(t, filepath.Join(p.dir, "accounts"), fill(baresipAccount, "user", line.User, "realm", Realm, "password", Password,
		"registrar", line.Registrar, "transport", line.Transport, "codec", codec, "more", more))
	write(t, filepath.Join(p.dir, "contacts"), "")
	p.Process = Start(t, p.dir, path, "-4", "-s", "-f", p.dir)
	waittest.Until(t, "baresip takes commands", func() bool {
		var err error
		p.conn, err = net.Dial("tcp4", control)
		return err == nil || p.Ended()
	})
	if p.conn == nil {
		t.Fatal("baresip has ended")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read()
	}()
	t.Cleanup(func() { p.conn.Close(); <-done })
	p.Await("baresip is registered", func(out string) bool { return strings.Contains(out, "[1 binding]") })
	return p
}

// read counts events, by kind.
func (p *baresip) read() {
	for r := bufio.NewReader(p.conn); ; { // netstrings
		var n int
		if _, err := fmt.Fscanf(r, "%d:", &n); err != nil || n < 0 || n > 1<<20 {
			return
		}
		b := make([]byte, n+1)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		var e struct{ Type string }
		if json.Unmarshal(b[:n], &e) == nil {
			p.mu.Lock()
			p.events[e.Type]++
			p.mu.Unlock()
		}
	}
}

func (p *baresip) order(command, params string) {
	p.t.Helper()
	b, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err == nil {
		_, err = fmt.Fprintf(p.conn, "%d:%s,", len(b), b)
	}
	if err != nil {
		p.t.Fatalf("%s: %v", command, err)
	}
}

// Dial implements Softphone.
func (p *baresip) Dial(uri string) { p.order("dial", uri) }

// HangUp implements Softphone.
func (p *baresip) HangUp() { p.order("hangup", "") }

// Hold implements Softphone.
func (p *baresip) Hold(on bool) { p.order(map[bool]string{true: "hold", false: "resume"}[on], "") }

// Transfer implements Softphone.
func (p *baresip) Transfer(uri string) { p.order("transfer", uri) }

// Calls implements Softphone.
func (p *baresip) Calls() (answered, ended int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events["CALL_ESTABLISHED"], p.events["CALL_CLOSED"]
}

// Recordings implements Softphone.
func (p *baresip) Recordings() []string {
	list, _ := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav"))
	return list
}
