package siptest

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

const linphoneConfig = `[sip]
bind_address=127.0.0.1
use_ipv6=0
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
root_ca=%ca%
default_proxy=0
register_only_when_network_is_up=0
media_encryption=%encryption%
media_encryption_mandatory=%mandatory%
[rtp]
bind_address=127.0.0.1
audio_rtp_port=-1
video_rtp_port=-1
text_rtp_port=-1
[net]
dns_srv_enabled=0
[auth_info_0]
username=%user%
userid=%user%
passwd=%password%
realm=%realm%
domain=%realm%
[proxy_0]
reg_proxy=<sip:%registrar%;transport=%transport%>
reg_route=<sip:%registrar%;transport=%transport%>
reg_identity="%user%" <sip:%user%@%realm%>
reg_expires=600
reg_sendregister=1
publish=0
[video]
enabled=0
capture=0
display=0
automatically_initiate=0
automatically_accept=0
[sound]
echocancellation=0
[audio_codec_0]
mime=%codec%
rate=%rate%
channels=%channels%
enabled=1
`

// linphone is a telephone by linphonec.
type linphone struct {
	*Process
	dir string
}

// Linphone runs linphonec until the test ends, and waits until it is registered. It skips the test if the program is missing.
func Linphone(t testing.TB, line Line) Softphone {
	t.Helper()
	path := Find(t, "linphonec", "no calls with that telephone")
	dir := t.TempDir()
	p := &linphone{dir: dir}
	encryption, mandatory := "none", "0"
	if line.SRTP {
		encryption, mandatory = "srtp", "1"
	}
	codec, rate, channels := "PCMU", "8000", "1"
	if line.Opus {
		codec, rate, channels = "opus", "48000", "2"
	}
	registrar, authority := line.Registrar, ""
	if line.TLS != nil {
		_, port, _ := net.SplitHostPort(registrar)
		registrar, authority = net.JoinHostPort("localhost", port), line.TLS.file("cafile.pem") // it compares names alone
	}
	writeTone(t, filepath.Join(dir, "tone.wav"), line.Hz, 8000)
	write(t, filepath.Join(dir, "rc"), fill(linphoneConfig, "user", line.User, "realm", Realm, "password", Password,
		"registrar", registrar, "transport", line.Transport, "encryption", encryption, "mandatory", mandatory,
		"ca", authority, "codec", codec, "rate", rate, "channels", channels))
	write(t, filepath.Join(dir, ".local", "share", "linphone", "x"), "") // its database wants the folder
	p.Process = Start(t, dir, path, "-a", "-c", "rc", "-d", "6", "-l", "messages")
	for _, line := range []string{"soundcard use files", "play tone.wav", "record heard.wav"} {
		p.Type(line)
	}
	p.Await("linphone is registered", func(string) bool {
		return strings.Contains(read(filepath.Join(dir, "messages")), "LinphoneRegistrationOk")
	})
	return p
}

// Dial implements Softphone.
func (p *linphone) Dial(uri string) { p.Type("call " + uri) }

// HangUp implements Softphone.
func (p *linphone) HangUp() { p.Type("terminate") }

// Hold implements Softphone. The tone goes on, as music for who waits.
func (p *linphone) Hold(on bool) {
	p.t.Helper()
	n := strings.Count(p.Output(), paused)
	if !on {
		p.Type("resume")
		return
	}
	p.Type("pause")
	p.Await("the call is held", func(out string) bool { return strings.Count(out, paused) > n })
}

const paused = " is now paused."

// Transfer implements Softphone.
func (p *linphone) Transfer(uri string) { p.Type("transfer " + uri) }

// Calls implements Softphone.
func (p *linphone) Calls() (answered, ended int) {
	out := p.Output()
	return strings.Count(out, " connected.\n"), strings.Count(out, " ended (")
}

// Recordings implements Softphone. The file has something when the call is over.
func (p *linphone) Recordings() []string { return []string{filepath.Join(p.dir, "heard.wav")} }
