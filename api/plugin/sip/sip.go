// Package sip is the SIP plugin: browsers that are telephones. SIP itself is package ua, the plain side of
// calls is the kit's gateway; here they meet the requests and events of Janus.
package sip

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.sip"

// Plugin is the SIP plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general        // fixed
	legs    gateway.Config // fixed

	opening  sync.Mutex   // guards the endpoint, which takes a while to open
	endpoint *ua.Endpoint // nil before the first account
	closed   bool

	mu      sync.Mutex
	masters map[uint32]*handle // by master_id: those with an account of their own

	transfers transfers
}

// general are the settings of the plugin, the category general of the file.
type general struct {
	Events  bool       `cfg:"events"`
	LocalIP netip.Addr `cfg:"local_ip"`       // of SIP
	MediaIP netip.Addr `cfg:"local_media_ip"` // of RTP
	gateway.File

	Keepalive time.Duration `cfg:"keepalive_interval" unit:"s" range:"0.."`
	T1x64     time.Duration `cfg:"sip_timer_t1x64" unit:"ms" range:"1.."`
	TTL       time.Duration `cfg:"register_ttl" unit:"s" range:"1.."`
	BehindNAT bool          `cfg:"behind_nat"`
	UserAgent string        `cfg:"user_agent"`
	Certs     string        `cfg:"sips_certs_dir" form:"path"` // folder with agent.pem and cafile.pem
}

// New makes the plugin, with a folder where janus.plugin.sip.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{masters: make(map[uint32]*handle)}
	p.File = kit.File{Folder: folder, Package: Package, General: p.load}
	p.NewHandle = p.newHandle
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS SIP plugin", Author: module.Author,
		Description:   "This is a simple SIP plugin for Janus, allowing WebRTC peers to register at a SIP server and call SIP user agents through a Janus instance.",
		VersionString: "0.0.10", Version: 10,
	}
}

// load takes the settings over.
func (p *Plugin) load(f config.PluginFile) []config.Problem {
	g := &p.general
	*g = general{
		Events: true, File: gateway.DefaultFile,
		Keepalive: 120 * time.Second, T1x64: 32 * time.Second, TTL: time.Hour,
		UserAgent: "bifrons SIP plugin",
	}
	problems := f.General(g)
	p.Events.On = g.Events
	media := g.MediaIP
	if !media.IsValid() {
		media = g.LocalIP
	}
	p.legs = g.Config(media, func() plugin.Gateway { return p.Gateway }, codes, errUnknown)
	p.legs.Shorten = true
	return problems
}

// sip is the endpoint. Its sockets are opened by the first account, so that a server without telephones has none.
func (p *Plugin) sip() (*ua.Endpoint, *schema.Error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.closed {
		return nil, kit.Errorf(errStack, "The server stops")
	}
	if p.endpoint != nil {
		return p.endpoint, nil
	}
	cfg := ua.Config{
		Addrs: []netip.Addr{netip.IPv4Unspecified()}, T1x64: p.general.T1x64, Keepalive: p.general.Keepalive,
		UserAgent: p.general.UserAgent, BehindNAT: p.general.BehindNAT, Traces: p.Events.Wanted, Log: p.Gateway.Logger(),
	}
	if ip := p.general.LocalIP; ip.IsValid() {
		cfg.Addrs = []netip.Addr{ip}
	}
	if dir := p.general.Certs; dir != "" {
		pem := filepath.Join(dir, "agent.pem")
		pair, err := sfu.OpenKeyPair(pem, pem, "", p.Gateway.Logger())
		var roots *x509.CertPool
		if err == nil {
			roots, err = readRoots(dir)
		}
		if err != nil {
			return nil, kit.Errorf(errStack, "No TLS for SIP: %v", err)
		}
		cfg.TLS = &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil }, MinVersion: tls.VersionTLS12,
		}
		cfg.Client = &tls.Config{
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Get(), nil }, RootCAs: roots,
			MinVersion: tls.VersionTLS12,
		}
	}
	e, err := ua.New(cfg)
	if err != nil {
		return nil, kit.Errorf(errStack, "No sockets for SIP: %v", err)
	}
	p.endpoint = e
	return e, nil
}

// readRoots reads cafile.pem in a folder, which may be missing: authorities that are believed besides those of the
// system. roots is nil without it.
func readRoots(dir string) (roots *x509.CertPool, err error) {
	authorities := filepath.Join(dir, "cafile.pem")
	text, err := os.ReadFile(authorities)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if roots, err = x509.SystemCertPool(); err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", authorities)
	}
	return roots, nil
}

// Close closes the endpoint. The handles are gone already.
func (p *Plugin) Close() {
	p.opening.Lock()
	e := p.endpoint
	p.endpoint, p.closed = nil, true
	p.opening.Unlock()
	if e != nil {
		e.Close()
	}
}

// enlist gives a handle with an account of its own a number that helpers name it by.
func (p *Plugin) enlist(h *handle) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if id := randomID(); id != 0 && p.masters[id] == nil {
			p.masters[id] = h
			return id
		}
	}
}

// strike takes a master's number back.
func (p *Plugin) strike(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.masters, id)
}

// master is the handle that has a number, nil if there is none.
func (p *Plugin) master(id uint32) *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.masters[id]
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	h := &handle{Handle: kit.Handle{Host: host}, plugin: p, id: schema.IDs{Strings: true}.New()}
	h.leg = gateway.NewLeg(&p.legs, host, gateway.Handler{Failed: h.failed, DTMF: h.heardDTMF, Keyframe: h.wantPicture})
	return h
}

func (p *Plugin) forwards() gateway.Forwards {
	return gateway.Forwards{Key: "sip", Events: &p.Events, Nobody: p.Nobody}
}
