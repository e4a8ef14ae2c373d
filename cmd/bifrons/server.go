package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"bifrons/api/admin"
	"bifrons/api/auth"
	"bifrons/api/budget"
	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/incident"
	"bifrons/api/janus"
	"bifrons/api/log"
	"bifrons/api/log/jsonlog"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/plugin/audiobridge"
	"bifrons/api/plugin/duktape"
	"bifrons/api/plugin/echotest"
	"bifrons/api/plugin/lua"
	"bifrons/api/plugin/nosip"
	"bifrons/api/plugin/recordplay"
	"bifrons/api/plugin/sip"
	"bifrons/api/plugin/streaming"
	"bifrons/api/plugin/textroom"
	"bifrons/api/plugin/videocall"
	"bifrons/api/plugin/videoroom"
	"bifrons/api/plugin/voicemail"
	"bifrons/api/transport"
	"bifrons/api/whip"
	"bifrons/dtls"
	"bifrons/sfu"
)

// server is everything that runs, in the order in which it was started.
type server struct {
	cfg      *config.Config
	log      *slog.Logger
	engine   *sfu.Engine
	core     *janus.Core
	admin    *admin.Admin
	carriers []carrier
	whip     *whip.Server // nil if it is off
	files    []plugin.FileServer
	out      *log.Log
	gate     *transport.Gate
	bodies   *budget.Budget     // of requests that are being received
	queues   *transport.Account // of data that waits for clients
	events   []*event.Outlet
	json     *jsonlog.Logger
	signal   int                    // that ends it, for event handlers
	closing  atomic.Pointer[string] // the part that is being ended

	certificateAt time.Time // when the certificate for DTLS was written
}

// start starts the engine, the core, the plugins and the transports.
func start(cfg *config.Config, demos string, out *log.Log) (s *server, err error) {
	incidents := new(incident.List)
	s = &server{cfg: cfg, log: slog.New(incident.Handler(out.Logger().Handler(), incidents)), out: out, bodies: budget.New(transport.BodyBytes)}
	s.gate, s.queues = s.newGate(), transport.NewAccount(transport.QueueBytes, s.log)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	s.warnOfLimits()
	config.Report(s.log, doubts(cfg))
	media, _, err := s.prepare()
	if err != nil {
		return s, err
	}
	if s.engine, err = sfu.New(media); err != nil {
		return s, err
	}
	if err := s.startLogger(out); err != nil {
		return s, err
	}
	s.core = janus.New(s.coreConfig(media))
	s.startEvents()
	for _, p := range s.plugins() {
		if cfg.Server.Plugins.Disabled(shortName(p.Info().Package)) {
			continue
		}
		if err := s.core.AddPlugin(p); errors.Is(err, plugin.ErrNotSetUp) {
			s.log.Info("plugin left out", "plugin", p.Info().Package, "reason", err)
			continue
		} else if err != nil {
			return s, fmt.Errorf("plugin %s: %w", p.Info().Package, err)
		}
		if f, ok := p.(plugin.FileServer); ok {
			s.files = append(s.files, f)
		}
	}
	ac := s.adminConfig(out)
	ac.Incidents = incidents
	s.admin = admin.New(s.core, ac)
	s.core.SetAdmin(s.admin)
	if err := s.startTransports(demos); err != nil {
		return s, err
	}
	s.core.NotifyStarted()
	return s, nil
}

func (s *server) adminConfig(out *log.Log) admin.Config {
	g := &s.cfg.Server.General
	c := admin.Config{Secret: g.AdminSecret, Log: out, Logger: s.log, LockDebug: g.DebugLocks}
	if sig, ok := rotateSignal(g.LogRotateSignal).(syscall.Signal); ok {
		c.RotateSignal = int(sig)
	}
	return c
}

// plugins is the list of all plugins.
func (s *server) plugins() []plugin.Plugin {
	return []plugin.Plugin{
		echotest.New(s.cfg.Folder),
		videoroom.New(s.cfg.Folder),
		streaming.New(s.cfg.Folder),
		videocall.New(s.cfg.Folder),
		textroom.New(s.cfg.Folder),
		audiobridge.New(s.cfg.Folder),
		nosip.New(s.cfg.Folder),
		sip.New(s.cfg.Folder),
		voicemail.New(s.cfg.Folder),
		recordplay.New(s.cfg.Folder),
		lua.New(s.cfg.Folder),
		duktape.New(s.cfg.Folder),
	}
}

// shortName is the last part of a module's package name.
func shortName(pkg string) string {
	for i := len(pkg) - 1; i >= 0; i-- {
		if pkg[i] == '.' {
			return pkg[i+1:]
		}
	}
	return pkg
}

// mediaConfig makes the engine's settings.
func (s *server) mediaConfig() (sfu.Config, error) {
	c := &s.cfg.Server
	peers := c.Peers()
	m := sfu.Config{
		Peers:            &peers,
		Shards:           c.General.EventLoops,
		PortMin:          c.Media.RTPPortRange.Min,
		PortMax:          c.Media.RTPPortRange.Max,
		IPv6:             c.Media.IPv6,
		IPv6LinkLocal:    c.Media.IPv6LinkLocal,
		Enforce:          c.NAT.EnforceList,
		Ignore:           c.NAT.IgnoreList,
		PublicIPs:        c.NAT.Mapping,
		KeepPrivate:      c.NAT.KeepPrivateHost,
		IgnoreMDNS:       c.NAT.IgnoreMDNS,
		ICETCP:           c.NAT.ICETCP,
		DTLSMTU:          c.Media.DTLSMTU,
		RejectSelfSigned: !c.Certificates.AcceptSelfSigned,
		DSCP:             c.Media.DSCP,

		IgnoreUnreachableServers: c.NAT.IgnoreUnreachableICE,

		Logger: s.log,
	}
	if c.NAT.STUNServer != "" {
		m.STUNServer = net.JoinHostPort(c.NAT.STUNServer, strconv.Itoa(int(c.NAT.STUNPort)))
	}
	if err := s.setTURN(&m); err != nil {
		return m, err
	}
	local, err := localIP(c.General.Interface)
	if err != nil {
		return m, err
	}
	m.LocalIP = local
	switch x := c.Certificates; {
	case x.Cert != "":
		s.certificateAt = modified(x.Cert, x.Key)
		m.Certificate, err = dtls.LoadCertificate(x.Cert, x.Key, x.Password)
	default:
		m.Certificate, err = dtls.Generate(x.RSAPrivateKey)
	}
	if err != nil {
		return m, fmt.Errorf("DTLS certificate: %w", err)
	}
	return m, nil
}

// localIP finds the address that the setting general.interface means; invalid
// if it is not set.
func localIP(name string) (netip.Addr, error) {
	if name == "" {
		return netip.Addr{}, nil
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a, nil
	}
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("general.interface: %q is neither an address nor an interface", name)
	}
	addrs, err := ifc.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("general.interface: %w", err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				return ip.Unmap(), nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("general.interface: %q has no address", name)
}

func (s *server) coreConfig(media sfu.Config) janus.Config {
	c := &s.cfg.Server
	commit, compiled := module.Build()
	return janus.Config{
		Engine: s.engine,
		Auth: auth.New(auth.Config{
			Secret: c.General.APISecret, Tokens: c.General.TokenAuth, TokenSecret: c.General.TokenAuthSecret,
		}),
		Logger:            s.log,
		ServerName:        c.General.ServerName,
		SessionTimeout:    c.General.SessionTimeout,
		ReclaimTimeout:    c.General.ReclaimSessionTimeout,
		CandidatesTimeout: c.General.CandidatesTimeout,
		FullTrickle:       c.NAT.FullTrickle,
		OpaqueIDInAPI:     c.General.OpaqueIDInAPI,
		StatsPeriod:       c.Events.StatsPeriod,
		CombineStats:      c.Events.CombineMediaStats,
		ProtectedFolders:  c.General.ProtectedFolders,
		RecordingSuffix:   recordingSuffix(c.General.RecordingsTmpExt),
		CommitHash:        commit,
		CompileTime:       compiled,
		LogToStdout:       c.General.LogToStdout,
		LogPath:           c.General.LogToFile,
		TURNServer:        turnName(media.TURNServer),
		AllowForceRelay:   c.NAT.AllowForceRelay,
		RelayWait:         relayWait(&c.NAT),
		EventLoops:        c.General.EventLoops,
		LoopIndication:    c.General.AllowLoopIndication,
		HideDependencies:  c.General.HideDependencies,
		Dependencies:      dependencies(),
		Loggers:           s.loggers(),
	}
}

// recordingSuffix is what an extension for recordings that are not whole, without a
// dot, adds to their names.
func recordingSuffix(extension string) string {
	if extension == "" {
		return ""
	}
	return "." + extension
}

// dependencies lists the modules that the binary is built of.
func dependencies() (list []janus.Dependency) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			list = append(list, janus.Dependency{Name: m.Path, Version: m.Version})
		}
	}
	return list
}

// greet says where to go.
func (s *server) greet(w io.Writer) {
	fmt.Fprintln(w)
	for _, l := range s.listeners() {
		if l.Name == "http" {
			fmt.Fprintf(w, "  Echo test    %s\n", transport.LocalURL("http", l.Addr, "/"))
		}
		if l.Name == "admin_http" || l.Name == "admin_https" {
			fmt.Fprintf(w, "  Dashboard    %s\n", transport.LocalURL(strings.TrimPrefix(l.Name, "admin_"), l.Addr, "/dashboard/"))
		}
		title := "Janus API"
		if l.Admin {
			title = "Admin API"
		}
		fmt.Fprintf(w, "  %s    %s\n", title, l.URL)
	}
	if s.whip != nil {
		for _, l := range s.whip.Listeners() {
			fmt.Fprintf(w, "  WHIP, WHEP   %s\n", l.URL)
		}
	}
	for _, st := range s.engine.Stats() {
		fmt.Fprintf(w, "  Media        UDP port %d, segmentation offload %s\n", st.Port, onOff(st.GSO))
		if st.TCPPort != 0 {
			fmt.Fprintf(w, "  Media        TCP port %d\n", st.TCPPort)
		}
	}
	fmt.Fprintln(w)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
