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
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/log"
	"bifrons/api/log/jsonlog"
	"bifrons/api/plugin"
	"bifrons/api/plugin/echotest"
	"bifrons/api/plugin/streaming"
	"bifrons/api/plugin/videoroom"
	"bifrons/api/transport"
	"bifrons/api/transport/http"
	"bifrons/api/transport/pfunix"
	"bifrons/api/transport/websockets"
	"bifrons/api/web"
	"bifrons/dtls"
	"bifrons/sfu"
)

// server is everything that runs, in the order in which it was started.
type server struct {
	cfg     *config.Config
	log     *slog.Logger
	engine  *sfu.Engine
	core    *janus.Core
	admin   *admin.Admin
	http    *http.Server
	ws      *websockets.Server
	unix    *pfunix.Server
	out     *log.Log
	gate    *transport.Gate
	bodies  *budget.Budget     // of requests that are being received
	queues  *transport.Account // of what waits for clients
	events  []*event.Outlet
	json    *jsonlog.Logger
	signal  int                    // that ends it, for event handlers
	closing atomic.Pointer[string] // the part that is being ended

	certificateAt time.Time // when the certificate for DTLS was written
}

// start starts the engine, the core, the plugins and the transports.
func start(cfg *config.Config, demos string, out *log.Log) (s *server, err error) {
	s = &server{cfg: cfg, log: out.Logger(), out: out, bodies: budget.New(transport.BodyBytes)}
	s.gate, s.queues = s.newGate(), transport.NewAccount(transport.QueueBytes, s.log)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := checkOpenFiles(cfg.Server.General.CheckOpenFilesLimit); err != nil {
		return s, err
	}
	s.warnOfLimits()
	report(s.log, doubts(cfg))
	media, err := s.mediaConfig()
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
		if err := s.core.AddPlugin(p); err != nil {
			return s, fmt.Errorf("plugin %s: %w", p.Info().Package, err)
		}
	}
	s.admin = admin.New(s.core, s.adminConfig(out))
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
		echotest.New(echotest.Config{Events: s.cfg.EchoTest.General.Events}),
		videoroom.New(videoroom.Config{Folder: s.cfg.Folder}),
		streaming.New(streaming.Config{Folder: s.cfg.Folder}),
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
	m := sfu.Config{
		Shards:             c.General.EventLoops,
		PortMin:            c.Media.RTPPortRange.Min,
		PortMax:            c.Media.RTPPortRange.Max,
		IPv6:               c.Media.IPv6,
		IPv6LinkLocal:      c.Media.IPv6LinkLocal,
		Enforce:            c.NAT.EnforceList,
		Ignore:             c.NAT.IgnoreList,
		PublicIPs:          c.NAT.Mapping,
		KeepPrivate:        c.NAT.KeepPrivateHost,
		IgnoreMDNS:         c.NAT.IgnoreMDNS,
		ICELite:            c.NAT.ICELite,
		ICETCP:             c.NAT.ICETCP,
		RegularNomination:  c.NAT.Nomination == "regular",
		ConsentFreshness:   c.NAT.ConsentFreshness,
		KeepaliveConncheck: c.NAT.KeepaliveConncheck,
		HangupOnFailed:     c.NAT.HangupOnFailed,
		DTLSMTU:            c.Media.DTLSMTU,
		RejectSelfSigned:   !c.Certificates.AcceptSelfSigned,
		NoDTLS:             c.General.NoWebRTCEncryption,
		MinNackQueue:       c.Media.MinNackQueue,
		NackOptimizations:  c.Media.NackOptimizations,
		TWCCPeriod:         c.Media.TWCCPeriod,
		NoMediaTimer:       c.Media.NoMediaTimer,
		SlowlinkThreshold:  c.Media.SlowlinkThreshold,
		DSCP:               c.Media.DSCP,

		IgnoreUnreachableServers: c.NAT.IgnoreUnreachableICE,

		Logger: s.log,
	}
	if c.Media.NoMediaTimer == 0 {
		m.NoMediaTimer = -1
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
	commit, compiled := build()
	return janus.Config{
		Engine: s.engine,
		Media:  media,
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

// dependencies lists the modules that the binary is built of.
func dependencies() (list []janus.Dependency) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			list = append(list, janus.Dependency{Name: m.Path, Version: m.Version})
		}
	}
	return list
}

// startTransports opens the listeners that are configured. It is an error if
// the Janus API cannot be reached by any.
func (s *server) startTransports(demos string) error {
	c := s.cfg
	disabled := c.Server.Transports.Disabled
	var errs []error
	if !disabled("websockets") {
		if ws, err := websockets.New(s.wsConfig(), s.core); err == nil {
			s.ws = ws
			s.core.AddTransport(ws)
		} else if !errors.Is(err, websockets.ErrDisabled) {
			errs = append(errs, fmt.Errorf("WebSockets: %w", err))
		}
	}
	if !disabled("http") {
		hc, err := s.httpConfig(demos)
		if err != nil {
			return err
		}
		if h, err := http.New(hc, s.core); err == nil {
			s.http = h
			s.core.AddTransport(h)
		} else if !errors.Is(err, http.ErrDisabled) {
			errs = append(errs, fmt.Errorf("HTTP: %w", err))
		}
	}
	if !disabled("pfunix") {
		if u, err := pfunix.New(s.unixConfig(), s.core); err == nil {
			s.unix = u
			s.core.AddTransport(u)
		} else if !errors.Is(err, pfunix.ErrDisabled) {
			errs = append(errs, fmt.Errorf("Unix sockets: %w", err))
		}
	}
	if s.listening("http", "https", "ws", "wss", "unix") == 0 {
		return errors.Join(append([]error{errors.New("no transport is available for the Janus API")}, errs...)...)
	}
	if s.core.Auth().Stored() && s.listening("admin_http", "admin_https", "admin_ws", "admin_wss", "admin_unix") == 0 {
		return errors.Join(append([]error{errors.New("token_auth without token_auth_secret needs a transport for the Admin API," +
			" by which tokens are stored")}, errs...)...)
	}
	for _, err := range errs {
		s.log.Error("transport not started", "error", err)
	}
	if s.ws != nil {
		s.ws.Start()
	}
	if s.http != nil {
		s.http.Start()
	}
	if s.unix != nil {
		s.unix.Start()
	}
	return nil
}

// listening is the number of listeners with one of the names.
func (s *server) listening(names ...string) (n int) {
	for _, name := range names {
		if s.http != nil {
			n += len(s.http.Addrs(name))
		}
		if s.ws != nil {
			n += len(s.ws.Addrs(name))
		}
		if s.unix != nil && (name == "unix" && s.cfg.PFUnix.General.Enabled || name == "admin_unix" && s.cfg.PFUnix.Admin.Enabled) {
			n++
		}
	}
	return n
}

func (s *server) httpConfig(demos string) (http.Config, error) {
	c := &s.cfg.HTTP
	g, a := &c.General, &c.Admin
	layout, _ := json.ParseLayout(g.JSON)
	page, err := web.Page(s.pageSettings())
	if err != nil {
		return http.Config{}, err
	}
	hc := http.Config{
		API: http.API{
			BasePath: g.BasePath,
			HTTP:     endpoint(g.HTTP, g.Port, g.IP, g.Interface, ""),
			HTTPS:    endpoint(g.HTTPS, g.SecurePort, g.SecureIP, g.SecureInterface, ""),
			ACL:      transport.NewACL(g.ACL, g.ACLForwarded),
		},
		Admin: http.API{
			BasePath: a.BasePath,
			HTTP:     endpoint(a.HTTP, a.Port, a.IP, a.Interface, ""),
			HTTPS:    endpoint(a.HTTPS, a.SecurePort, a.SecureIP, a.SecureInterface, ""),
			ACL:      transport.NewACL(a.ACL, a.ACLForwarded),
		},
		Origins:     transport.Origins{Allow: c.CORS.AllowOrigin, Enforce: c.CORS.Enforce},
		Certificate: certificate(c.Certificates),
		MaxConns:    g.ConnectionLimit,
		Gate:        s.gate,
		Bodies:      s.bodies,
		Queues:      s.queues,
		Layout:      layout,
		Events:      g.Events,
		Notify:      s.notifier(http.Package),
		Page:        page,
		Ready:       s.ready,
		Metrics:     s.metrics(),
		Log:         s.log,
	}
	if demos != "" {
		hc.Demos = web.Demos(demos)
	}
	return hc, nil
}

// pageSettings tells the embedded page where the API is.
func (s *server) pageSettings() web.Settings {
	w := web.Settings{BasePath: s.cfg.HTTP.General.BasePath, Version: config.VersionString}
	if s.ws != nil {
		w.WS, w.WSS = port(s.ws.Addrs("ws")), port(s.ws.Addrs("wss"))
	}
	return w
}

// port is the first port of a list of addresses, 0 if there is none.
func port(addrs []net.Addr) int {
	for _, a := range addrs {
		if t, ok := a.(*net.TCPAddr); ok {
			return t.Port
		}
	}
	return 0
}

// greet says where to go.
func (s *server) greet(w io.Writer) {
	fmt.Fprintln(w)
	if p := s.httpPort("http"); p != 0 {
		fmt.Fprintf(w, "  Echo test    http://localhost:%d/\n", p)
		fmt.Fprintf(w, "  Janus API    http://localhost:%d%s\n", p, s.cfg.HTTP.General.BasePath)
	}
	if p := s.httpPort("https"); p != 0 {
		fmt.Fprintf(w, "  Janus API    https://localhost:%d%s\n", p, s.cfg.HTTP.General.BasePath)
	}
	if s.ws != nil {
		if p := port(s.ws.Addrs("ws")); p != 0 {
			fmt.Fprintf(w, "  WebSocket    ws://localhost:%d/\n", p)
		}
		if p := port(s.ws.Addrs("wss")); p != 0 {
			fmt.Fprintf(w, "  WebSocket    wss://localhost:%d/\n", p)
		}
	}
	for _, name := range []string{"admin_http", "admin_https"} {
		if p := s.httpPort(name); p != 0 {
			scheme := strings.TrimPrefix(name, "admin_")
			fmt.Fprintf(w, "  Admin API    %s://localhost:%d%s\n", scheme, p, s.cfg.HTTP.Admin.BasePath)
		}
	}
	if s.listening("unix") > 0 {
		fmt.Fprintf(w, "  Unix socket  %s\n", s.cfg.PFUnix.General.Path)
	}
	for _, st := range s.engine.Stats() {
		fmt.Fprintf(w, "  Media        UDP port %d, segmentation offload %s\n", st.Port, onOff(st.GSO))
		if st.TCPPort != 0 {
			fmt.Fprintf(w, "  Media        TCP port %d\n", st.TCPPort)
		}
	}
	fmt.Fprintln(w)
}

func (s *server) httpPort(name string) int {
	if s.http == nil {
		return 0
	}
	return port(s.http.Addrs(name))
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
