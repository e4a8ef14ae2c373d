package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"bifrons/api/config"
	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/sfu"
)

// doctor is the sub-command that checks the needs of a server on its machine and
// network, and says why a browser could not reach it. It returns the exit code.
func doctor(opt *config.Options, w io.Writer) int {
	cfg, problems := config.Load(opt)
	d := &diagnosis{w: w, cfg: cfg}
	for _, p := range problems {
		if !p.Warning {
			d.bad(p.Error(), "see: bifrons check")
		}
	}
	d.limits()
	d.offload()
	d.listeners()
	d.certificates()
	d.media()
	switch {
	case d.failed > 0:
		fmt.Fprintf(w, "\n%d problems, %d warnings\n", d.failed, d.warned)
		return 1
	case d.warned > 0:
		fmt.Fprintf(w, "\nno problems, %d warnings\n", d.warned)
	default:
		fmt.Fprintln(w, "\nall is well")
	}
	return 0
}

// diagnosis writes the findings.
type diagnosis struct {
	w              io.Writer
	cfg            *config.Config
	failed, warned int
}

func (d *diagnosis) good(format string, args ...any) {
	fmt.Fprintf(d.w, "ok       %s\n", fmt.Sprintf(format, args...))
}

func (d *diagnosis) warn(what, remedy string) {
	d.warned++
	fmt.Fprintf(d.w, "warning  %s\n         %s\n", what, remedy)
}

func (d *diagnosis) bad(what, remedy string) {
	d.failed++
	fmt.Fprintf(d.w, "PROBLEM  %s\n         %s\n", what, remedy)
}

func (d *diagnosis) limits() {
	if n, ok := openFiles(); ok && !d.short(fewFiles(n)) {
		d.good("%d files may be open", n)
	}
}

// short warns of a limit that is too low, if there is one.
func (d *diagnosis) short(x *shortage) bool {
	if x != nil {
		d.warn(x.what, x.remedy)
	}
	return x != nil
}

// offload looks at a UDP socket: how large its buffer is, and how much arrives of a
// run of datagrams that is sent in one system call.
func (d *diagnosis) offload() {
	conn, err := netio.Listen(netio.Config{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})})
	if err != nil {
		d.bad(fmt.Sprintf("no UDP socket: %v", err), "the server cannot carry media here")
		return
	}
	defer conn.Close()
	if got := conn.RecvBuffer(); !d.short(smallBuffer(got)) && got > 0 {
		d.good("sockets get a receive buffer of %d KiB", got>>10)
	}
	if !conn.GSO() {
		d.warn("the kernel does not cut up runs of datagrams (UDP GSO)",
			"media costs more CPU time; Linux 4.18 or later has it, 7.0 to 7.1.4 are left out for a bug")
		return
	}
	const n, size = 8, 100
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), conn.Port())
	if _, err := conn.SendBatch([]netio.Message{{Buf: make([]byte, n*size), Segment: size, Remote: to}}); err != nil {
		d.warn(fmt.Sprintf("sending a run of datagrams failed: %v", err), "media costs more CPU time")
		return
	}
	slots := make([]netio.Message, n)
	for i := range slots {
		slots[i].Buf = make([]byte, 2*size)
	}
	came, deadline := 0, time.Now().Add(time.Second)
	for came < n && time.Now().Before(deadline) {
		k, err := conn.RecvBatch(slots, deadline)
		if err != nil {
			break
		}
		came += k
	}
	if came < n {
		d.warn(fmt.Sprintf("of %d datagrams sent in one run %d arrived", n, came), "the kernel's UDP GSO may be broken")
		return
	}
	d.good("UDP segmentation offload works")
}

func (d *diagnosis) listeners() {
	c := d.cfg
	for _, l := range []struct {
		name string
		on   bool
		port uint16
		ip   netip.Addr
	}{
		{"HTTP", c.HTTP.General.HTTP, c.HTTP.General.Port, c.HTTP.General.IP},
		{"HTTPS", c.HTTP.General.HTTPS, c.HTTP.General.SecurePort, c.HTTP.General.SecureIP},
		{"WebSocket", c.WebSockets.General.WS, c.WebSockets.General.Port, c.WebSockets.General.IP},
		{"WebSocket with TLS", c.WebSockets.General.WSS, c.WebSockets.General.SecurePort, c.WebSockets.General.SecureIP},
		{"Admin HTTP", c.HTTP.Admin.HTTP, c.HTTP.Admin.Port, c.HTTP.Admin.IP},
		{"Admin HTTPS", c.HTTP.Admin.HTTPS, c.HTTP.Admin.SecurePort, c.HTTP.Admin.SecureIP},
		{"Admin WebSocket", c.WebSockets.Admin.WS, c.WebSockets.Admin.Port, c.WebSockets.Admin.IP},
	} {
		if !l.on {
			continue
		}
		host := ""
		if l.ip.IsValid() {
			host = l.ip.String()
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(l.port))))
		if err != nil {
			d.bad(fmt.Sprintf("%s cannot listen on port %d: %v", l.name, l.port, err),
				fmt.Sprintf("see who has it: ss -lntp | grep %d (a server that runs already is one)", l.port))
			continue
		}
		ln.Close()
		d.good("%s can listen on port %d", l.name, l.port)
	}
	if !c.HTTP.General.HTTP && !c.HTTP.General.HTTPS && !c.WebSockets.General.WS && !c.WebSockets.General.WSS && !c.PFUnix.General.Enabled &&
		!c.RabbitMQ.General.Enabled && !c.MQTT.General.Enabled && !c.Nanomsg.General.Enabled {
		d.bad("no transport is on", "set http = true in janus.transport.http.jcfg or ws = true in janus.transport.websockets.jcfg")
	}
}

// soon is the time before its end at which a certificate is worth a word.
const soon = 14 * 24 * time.Hour

func (d *diagnosis) certificates() {
	c := d.cfg
	for _, x := range []struct {
		name string
		on   bool
		config.TLS
	}{
		{"HTTPS", c.HTTP.General.HTTPS || c.HTTP.Admin.HTTPS, c.HTTP.Certificates},
		{"WebSocket", c.WebSockets.General.WSS || c.WebSockets.Admin.WSS, c.WebSockets.Certificates},
		{"DTLS", c.Server.Certificates.Cert != "", config.TLS{
			Cert: c.Server.Certificates.Cert, Key: c.Server.Certificates.Key, Password: c.Server.Certificates.Password}},
	} {
		if !x.on {
			continue
		}
		pair, err := dtls.LoadKeyPair(x.Cert, x.Key, x.Password)
		if err != nil {
			d.bad(fmt.Sprintf("the certificate for %s cannot be used: %v", x.name, err),
				"the user of the server must be able to read both files; those of Let's Encrypt belong to root")
			continue
		}
		d.expiry(x.name, &pair)
	}
}

func (d *diagnosis) expiry(name string, pair *tls.Certificate) {
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	switch {
	case err != nil:
		d.bad(fmt.Sprintf("the certificate for %s: %v", name, err), "make a new one")
	case time.Until(leaf.NotAfter) < 0:
		d.bad(fmt.Sprintf("the certificate for %s has expired on %s", name, leaf.NotAfter.Format(time.DateOnly)), "renew it")
	case time.Until(leaf.NotAfter) < soon:
		d.warn(fmt.Sprintf("the certificate for %s expires on %s", name, leaf.NotAfter.Format(time.DateOnly)),
			"renew it; the server reads it again by itself")
	default:
		d.good("the certificate for %s is good until %s", name, leaf.NotAfter.Format(time.DateOnly))
	}
}

// media starts an engine, which opens the UDP ports and asks the STUN server, and
// looks at the addresses that browsers would get.
func (d *diagnosis) media() {
	s := &server{cfg: d.cfg, log: slog.New(slog.DiscardHandler)}
	m, err := s.mediaConfig()
	if err != nil {
		d.bad(err.Error(), "see: bifrons check")
		return
	}
	m.IgnoreUnreachableServers = true
	e, err := sfu.New(m)
	switch {
	case errors.Is(err, netio.ErrNoPort):
		d.bad(fmt.Sprintf("no UDP port for media: %v", err), "the range rtp_port_range (-r) is taken or too small")
		return
	case err != nil:
		d.bad(err.Error(), "the media engine cannot start")
		return
	}
	defer e.Close()
	for _, st := range e.Stats() {
		d.good("media can use UDP port %d", st.Port)
		if st.TCPPort != 0 {
			d.good("media can use TCP port %d", st.TCPPort)
		}
	}
	p, err := e.NewPeer(sfu.PeerConfig{Label: "doctor"}, deaf{})
	if err != nil {
		d.bad(err.Error(), "the media engine cannot make a connection")
		return
	}
	<-p.Gathered()
	d.reachable(p, e.PublicIPs(), m.STUNServer)
	d.relay(p, &m)
}

// relay looks whether a TURN server has given the connection a relay.
func (d *diagnosis) relay(p *sfu.Peer, m *sfu.Config) {
	name := turnName(m.TURNServer)
	if m.TURNServers != nil {
		name = "of the TURN REST API"
	}
	switch relayed := slices.ContainsFunc(p.Candidates(), func(c ice.Candidate) bool { return c.Type == ice.Relayed }); {
	case name == "":
	case m.Peers.Lite:
		d.warn("the TURN server is not used", "ICE lite (-I) has no relays: turn one of them off")
	case relayed:
		d.good("the TURN server %s relays", name)
	default:
		d.bad(fmt.Sprintf("the TURN server %s does not relay", name),
			"it is dead, cannot be reached by this turn_type, or refuses turn_user and turn_pwd; the log of the server's start says which")
	}
}

// reachable judges the addresses that browsers get.
func (d *diagnosis) reachable(p *sfu.Peer, public []netip.Addr, stun string) {
	var addrs []string
	anywhere, local := false, false
	for _, c := range p.Candidates() {
		if c.Transport != "udp" {
			continue // the same addresses again
		}
		a := c.Addr.Addr()
		addrs = append(addrs, fmt.Sprintf("%v (%v)", a, c.Type))
		anywhere = anywhere || !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
		local = local || !a.IsLoopback()
	}
	found := false
	for _, a := range public {
		found = found || !slices.Contains(d.cfg.Server.NAT.Mapping, a)
	}
	switch {
	case len(addrs) == 0:
		d.bad("there are no addresses to offer",
			"no interface is up, or ice_enforce_list (-E) and ice_ignore_list (-X) leave nothing")
		return
	case stun != "" && !found:
		d.bad(fmt.Sprintf("the STUN server %s does not answer", stun),
			"it is dead, or UDP does not get out; a server with a fixed public address needs none: use nat_1_1_mapping (-1)")
	case stun != "":
		d.good("the STUN server %s sees this machine", stun)
	}
	d.good("browsers get %s", strings.Join(addrs, ", "))
	switch {
	case anywhere:
	case local:
		d.warn("all addresses are private: only browsers in the same network can send media here",
			"behind a NAT set the public address: nat_1_1_mapping (-1), or a STUN server (-S), and forward the UDP ports")
	default:
		d.warn("the only address is loopback: only browsers on this machine can send media here",
			"connect the machine to a network, or name an interface with -E")
	}
}

// deaf is a Handler that does not care.
type deaf struct{}

func (deaf) PeerEvent(sfu.Event)                   {}
func (deaf) PeerData(string, string, bool, []byte) {}
