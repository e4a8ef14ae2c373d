package config

import (
	"net/netip"
	"strings"
	"time"

	"bifrons/sfu"
)

// Server holds the settings of janus.jcfg.
type Server struct {
	General      General
	Certificates Certificates
	Media        Media
	NAT          NAT
	Plugins      Modules
	Transports   Modules
	Events       Events
	Loggers      Modules
}

// General is the section of that name.
type General struct {
	ConfigsFolder    string `cfg:"configs_folder"`
	PluginsFolder    string `cfg:"plugins_folder"` // of shared objects, of no use here
	TransportsFolder string `cfg:"transports_folder"`
	EventsFolder     string `cfg:"events_folder"`
	LoggersFolder    string `cfg:"loggers_folder"`

	LogToStdout         bool   `cfg:"log_to_stdout"`
	LogToFile           string `cfg:"log_to_file"` // path, "" = none
	LogRotateSignal     string `cfg:"log_rotate_sig" enum:"SIGUSR1|SIGHUP"`
	DebugLevel          int    `cfg:"debug_level" range:"0..7" lenient:"low=clamp,high=clamp,text=ignore"`
	DebugTimestamps     bool   `cfg:"debug_timestamps"`
	DebugColors         Choice `cfg:"debug_colors"` // undecided: on a terminal alone
	DebugLocks          bool   `cfg:"debug_locks"`
	LogPrefix           string `cfg:"log_prefix"`
	Daemonize           bool   `cfg:"daemonize"`
	PIDFile             string `cfg:"pid_file"`
	CheckOpenFilesLimit int    `cfg:"check_openfiles_limit" range:"0.."` // 0 = do not check

	APISecret       string `cfg:"api_secret" guard:"everybody may use the Janus API"` // "" = none
	AdminSecret     string `cfg:"admin_secret" guard:"whoever reaches the Admin API can do everything"`
	TokenAuth       bool   `cfg:"token_auth" guard:"no token is needed"`
	TokenAuthSecret string `cfg:"token_auth_secret" guard:"tokens are not checked by their signature"`

	Interface             string        `cfg:"interface"` // IP address or interface name
	ServerName            string        `cfg:"server_name"`
	SessionTimeout        time.Duration `cfg:"session_timeout" unit:"s" range:"0.." lenient:"low=ignore"` // 0 = never
	ReclaimSessionTimeout time.Duration `cfg:"reclaim_session_timeout" unit:"s" range:"0.." lenient:"low=ignore"`
	CandidatesTimeout     time.Duration `cfg:"candidates_timeout" unit:"s" range:"1.." lenient:"low=ignore"`
	RecordingsTmpExt      string        `cfg:"recordings_tmp_ext"`
	EventLoops            int           `cfg:"event_loops" range:"0.."` // 0 = default
	AllowLoopIndication   bool          `cfg:"allow_loop_indication"`
	TaskPoolSize          int           `cfg:"task_pool_size" range:"0.."` // 0 = unlimited
	OpaqueIDInAPI         bool          `cfg:"opaqueid_in_api"`
	HideDependencies      bool          `cfg:"hide_dependencies"`
	ExitOnDLError         bool          `cfg:"exit_on_dl_error"`
	NoWebRTCEncryption    bool          `cfg:"no_webrtc_encryption"`
	ProtectedFolders      []string      `cfg:"protected_folders" guard:"clients may write there"` // path prefixes

	// Connections of the transports. Janus has no such settings.
	ConnectionsPerAddress int      `cfg:"connections_per_address" range:"0.."` // 0 = half of what there may be
	TrustedProxies        []string `cfg:"trusted_proxies"`                     // prefixes of addresses without such a limit
}

// Certificates is the section of that name: the certificate of DTLS, generated
// if Cert is "".
type Certificates struct {
	Cert             string `cfg:"cert_pem"` // paths of PEM files
	Key              string `cfg:"cert_key"`
	Password         string `cfg:"cert_pwd"`
	AcceptSelfSigned bool   `cfg:"dtls_accept_selfsigned"`
	Ciphers          string `cfg:"dtls_ciphers"` // OpenSSL's list
	RSAPrivateKey    bool   `cfg:"rsa_private_key"`
}

// Media is the section of that name.
type Media struct {
	IPv6              bool          `cfg:"ipv6"`
	IPv6LinkLocal     bool          `cfg:"ipv6_linklocal"`
	MinNackQueue      time.Duration `cfg:"min_nack_queue" unit:"ms" range:"0..1000" lenient:"high=clamp"`
	NackOptimizations bool          `cfg:"nack_optimizations"`
	RTPPortRange      PortRange     `cfg:"rtp_port_range"`
	DTLSMTU           int           `cfg:"dtls_mtu" range:"256..9000"`          // bytes
	NoMediaTimer      time.Duration `cfg:"no_media_timer" unit:"s" range:"0.."` // 0 = off
	SlowlinkThreshold int           `cfg:"slowlink_threshold" range:"0.."`      // packets a second, 0 = off
	TWCCPeriod        time.Duration `cfg:"twcc_period" unit:"ms" range:"1.."`
	DTLSTimeout       time.Duration `cfg:"dtls_timeout" unit:"ms" range:"1.."`
	DSCP              int           `cfg:"dscp,dscp_tos" range:"0..63"`
}

// NAT is the section of that name.
type NAT struct {
	STUNServer           string       `cfg:"stun_server"` // host, "" = none
	STUNPort             uint16       `cfg:"stun_port" range:"1..65535"`
	NiceDebug            bool         `cfg:"nice_debug"`
	FullTrickle          bool         `cfg:"full_trickle"`
	Nomination           string       `cfg:"ice_nomination" enum:"aggressive|regular"`
	ConsentFreshness     bool         `cfg:"ice_consent_freshness"` // implies KeepaliveConncheck
	KeepaliveConncheck   bool         `cfg:"ice_keepalive_conncheck"`
	ICELite              bool         `cfg:"ice_lite"`
	ICETCP               bool         `cfg:"ice_tcp"`
	HangupOnFailed       bool         `cfg:"hangup_on_failed"`
	IgnoreMDNS           bool         `cfg:"ignore_mdns"`
	Mapping              []netip.Addr `cfg:"nat_1_1_mapping"` // public addresses
	KeepPrivateHost      bool         `cfg:"keep_private_host"`
	EnforceList          []string     `cfg:"ice_enforce_list"` // prefixes of names or addresses
	IgnoreList           []string     `cfg:"ice_ignore_list"`
	IgnoreUnreachableICE bool         `cfg:"ignore_unreachable_ice_server"`

	TURNServer         string        `cfg:"turn_server"`
	TURNPort           uint16        `cfg:"turn_port" range:"1..65535"`
	TURNType           string        `cfg:"turn_type" enum:"udp|tcp|tls"`
	TURNUser           string        `cfg:"turn_user"`
	TURNPassword       string        `cfg:"turn_pwd"`
	TURNRESTAPI        string        `cfg:"turn_rest_api"` // http or https URL
	TURNRESTAPIKey     string        `cfg:"turn_rest_api_key"`
	TURNRESTAPIMethod  string        `cfg:"turn_rest_api_method" enum:"GET|POST"`
	TURNRESTAPITimeout time.Duration `cfg:"turn_rest_api_timeout" unit:"s" range:"1.."`
	AllowForceRelay    bool          `cfg:"allow_force_relay"`
}

// Modules says which of a kind of modules not to load.
type Modules struct {
	Disable []string `cfg:"disable"` // as written, such as libjanus_echotest.so
}

// Events is the section of that name: the event handlers.
type Events struct {
	Disable           []string      `cfg:"disable"`
	Broadcast         bool          `cfg:"broadcast"`
	StatsPeriod       time.Duration `cfg:"stats_period" unit:"s" range:"0.." lenient:"low=ignore"` // 0 = none
	CombineMediaStats bool          `cfg:"combine_media_stats"`
}

// Disabled reports whether the module is in the list. name is the last part of
// its package name, such as "echotest" of janus.plugin.echotest.
func (m Modules) Disabled(name string) bool {
	for _, file := range m.Disable {
		file = strings.TrimPrefix(strings.TrimSpace(file), "libjanus_")
		file = strings.TrimSuffix(file, ".so")
		if strings.EqualFold(file[strings.LastIndexByte(file, '.')+1:], name) {
			return true
		}
	}
	return false
}

// pending names the settings that Janus knows and that have no effect here
// yet: a section with its setting, the transports' with their name in front,
// and options of the command line. Who asks for them gets a warning.
var pending = []string{
	"general.daemonize", "general.debug_locks",
	"general.task_pool_size",
	"certificates.dtls_ciphers",
	"media.dtls_timeout",
	"http:general.mhd_debug", "http:certificates.ciphers",
	"websockets:general.ws_logging", "websockets:certificates.ciphers",
	"--cwd-path", "--log-stdout",
}

// pendingIn returns the names that are pending in a section, of which the
// transports' have a prefix such as "http:".
func pendingIn(prefix, section string) map[string]bool {
	names := make(map[string]bool)
	for _, name := range pending {
		if key, ok := strings.CutPrefix(name, prefix+section+"."); ok {
			names[key] = true
		}
	}
	return names
}

// Peers has the settings of peer connections for the engine.
func (s *Server) Peers() sfu.PeerOptions {
	return sfu.PeerOptions{
		Lite:               s.NAT.ICELite,
		RegularNomination:  s.NAT.Nomination == "regular",
		ConsentFreshness:   s.NAT.ConsentFreshness,
		KeepaliveConncheck: s.NAT.KeepaliveConncheck,
		HangupOnFailed:     s.NAT.HangupOnFailed,
		NoDTLS:             s.General.NoWebRTCEncryption,
		TWCCPeriod:         s.Media.TWCCPeriod,
		Tuning: sfu.Tuning{
			MinNackQueue:      s.Media.MinNackQueue,
			NackOptimizations: s.Media.NackOptimizations,
			NoMediaTimer:      s.Media.NoMediaTimer,
			SlowlinkThreshold: s.Media.SlowlinkThreshold,
		},
	}
}

func defaultServer() Server {
	media := sfu.Defaults()
	return Server{
		General: General{
			LogToStdout:       true,
			DebugLevel:        4,
			ServerName:        "MyJanusInstance",
			SessionTimeout:    60 * time.Second,
			CandidatesTimeout: 45 * time.Second,
		},
		Certificates: Certificates{AcceptSelfSigned: true},
		Media: Media{
			MinNackQueue: media.Peers.MinNackQueue,
			DTLSMTU:      media.DTLSMTU,
			NoMediaTimer: media.Peers.NoMediaTimer,
			TWCCPeriod:   media.Peers.TWCCPeriod,
			DTLSTimeout:  time.Second,
		},
		NAT: NAT{
			STUNPort:           3478,
			Nomination:         "aggressive",
			TURNPort:           3478,
			TURNType:           "udp",
			TURNRESTAPIMethod:  "POST",
			TURNRESTAPITimeout: 10 * time.Second,
		},
		Events: Events{StatsPeriod: time.Second},
	}
}

// section is a category of a file with the struct that its settings go to.
type section struct {
	name string
	dst  any
}

func (s *Server) sections() []section {
	return []section{
		{"general", &s.General}, {"certificates", &s.Certificates}, {"media", &s.Media},
		{"nat", &s.NAT}, {"plugins", &s.Plugins}, {"transports", &s.Transports},
		{"events", &s.Events}, {"loggers", &s.Loggers},
	}
}

// finish settles the meaning of settings taken together.
func (s *Server) finish(string) []Problem {
	if s.NAT.ConsentFreshness {
		s.NAT.KeepaliveConncheck = true
	}
	return nil
}

// check finds the problems of settings taken together.
func (s *Server) check() []Problem {
	if (s.Certificates.Cert == "") != (s.Certificates.Key == "") {
		return []Problem{{Section: "certificates",
			Text: "only one of cert_pem and cert_key is set", Accepted: "both or none"}}
	}
	return nil
}
