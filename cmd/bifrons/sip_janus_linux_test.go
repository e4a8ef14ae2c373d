package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bifrons/api/config"
	"bifrons/api/plugin/sip"
	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// Where Kamailio is in the namespace of a test, and for TLS.
const (
	labRegistrar = labAddress + ":5060"
	labSecure    = labAddress + ":5061"
)

// telephone is an account of one of the servers at Kamailio.
type telephone struct {
	*handle
	name string
}

// register registers at Kamailio.
func register(c *client, name, transport string) *telephone {
	c.t.Helper()
	h := c.attach(sip.Package)
	registrar := labRegistrar
	if transport == "tls" {
		registrar = labSecure
	}
	h.message(message{
		"request": "register", "username": "sip:" + name + "@" + labRegistrar, "secret": siptest.Password,
		"proxy": "sip:" + registrar + ";transport=" + transport, "force_tcp": transport == "tcp", "sips": transport == "tls",
	}, nil)
	p := &telephone{h, name}
	if e := p.event("registered")["result"].(map[string]any); e["register_sent"] != true || e["username"] != name {
		c.t.Fatalf("%s is told %v", name, e)
	}
	return p
}

// event waits for an event of the plugin.
func (p *telephone) event(name string) message {
	p.t.Helper()
	return p.awaitEvent(name).data()
}

func (p *telephone) awaitEvent(name string) message {
	p.t.Helper()
	return p.await(name+" of "+p.name, func(m message) bool {
		result, _ := m.data()["result"].(map[string]any)
		return result["event"] == name
	})
}

// calls calls another telephone; both hear and see each other, until who was called hangs up.
func (p *telephone) calls(other *telephone, srtp string) {
	p.t.Helper()
	with := func(body message) message {
		if srtp != "" {
			body["srtp"] = srtp
		}
		return body
	}
	o := webrtctest.Options{IP: labAddress}
	a, b := webrtctest.NewPeer(p.t, o), webrtctest.NewPeer(p.t, o)
	p.message(with(message{"request": "call", "uri": "sip:" + other.name + "@" + labRegistrar}), message{"type": "offer", "sdp": a.Offer(nil)})
	e := other.awaitEvent("incomingcall")
	if got, _ := e.data()["result"].(map[string]any)["srtp"].(string); got != srtp {
		p.t.Errorf("%s is offered SRTP %q by %s, not %q", other.name, got, p.name, srtp)
	}
	other.message(with(message{"request": "accept"}), message{"type": "answer", "sdp": b.Answer(e.sdp())})
	a.Accept(p.awaitEvent("accepted").sdp())
	a.AwaitConnected()
	b.AwaitConnected()
	pace := webrtctest.Pace{Packets: 1, Every: waittest.Patience / 2000}
	defer a.KeepPlaying(pace)()
	defer b.KeepPlaying(pace)()
	a.Heard.AwaitMore(p.t, other.name+"'s voice")
	b.Heard.AwaitMore(p.t, p.name+"'s voice")
	a.Seen.AwaitMore(p.t, other.name+"'s picture")
	b.Seen.AwaitMore(p.t, p.name+"'s picture")
	other.message(message{"request": "hangup"}, nil)
	for _, x := range []*telephone{p, other} {
		if e := x.event("hangup")["result"].(map[string]any); e["code"] != 200.0 {
			p.t.Errorf("%s is told %v", x.name, e)
		}
		x.awaitKind("hangup")
		x.skip()
	}
	a.Close()
	b.Close()
}

// TestSIPWithJanus: telephones of this server and of janus call each other by Kamailio, both ways, by UDP, TCP and TLS, in the clear
// and by SDES.
func TestSIPWithJanus(t *testing.T) {
	if !inNamespace(t, labSetup, "janus", "kamailio") {
		return
	}
	certificates := siptest.NewCertificates(t, labAddress)
	siptest.SecureKamailio(t, labRegistrar, labSecure, certificates)
	settings := t.TempDir()
	text := fmt.Sprintf("general: { local_ip = %q\n sips_certs_dir = %q }\n", labAddress, certificates.Dir)
	if err := os.WriteFile(filepath.Join(settings, sip.Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := dial(t, testServer(t, func(c *config.Config) {
		c.Folder = settings
		c.Server.NAT.EnforceList = []string{labAddress}
	}))
	theirs := runJanus(t, sip.Package, text)
	for _, transport := range []string{"udp", "tcp", "tls"} {
		if transport == "tls" {
			siptest.NeedTLS(t) // comes last
		}
		one, other := register(ours, "bifrons-"+transport, transport), register(theirs, "janus-"+transport, transport)
		for _, srtp := range []string{"", "sdes_mandatory"} {
			if transport == "tls" && srtp == "" {
				continue // is no use
			}
			one.calls(other, srtp)
			other.calls(one, srtp)
		}
	}
}
