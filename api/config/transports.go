package config

import (
	"net/netip"
	"time"
)

// HTTP holds the settings of janus.transport.http.jcfg.
type HTTP struct {
	General      HTTPGeneral
	Admin        HTTPAdmin
	CORS         CORS
	Certificates TLS
}

// HTTPGeneral is the section general: the listeners of the Janus API.
type HTTPGeneral struct {
	Events   bool   `cfg:"events"`
	JSON     string `cfg:"json" enum:"indented|plain|compact"`
	BasePath string `cfg:"base_path" form:"path"`
	HTTPListeners
	ConnectionLimit int  `cfg:"mhd_connection_limit" range:"1.."`
	Debug           bool `cfg:"mhd_debug"`

	AdminACLForwarded bool `cfg:"admin_acl_forwarded"` // belongs to HTTPAdmin
}

// HTTPListeners are the settings of listeners for HTTP.
type HTTPListeners struct {
	HTTP            bool       `cfg:"http"`
	Port            uint16     `cfg:"port" range:"0..65535"`
	Interface       string     `cfg:"interface"`
	IP              netip.Addr `cfg:"ip"`
	HTTPS           bool       `cfg:"https"`
	SecurePort      uint16     `cfg:"secure_port" range:"0..65535"`
	SecureInterface string     `cfg:"secure_interface"`
	SecureIP        netip.Addr `cfg:"secure_ip"`
	ACL             []string   `cfg:"acl" guard:"all addresses may connect"` // prefixes of addresses, empty = all
	ACLForwarded    bool       `cfg:"acl_forwarded"`
}

// HTTPAdmin is the section admin: the listeners of the Admin API.
type HTTPAdmin struct {
	BasePath        string     `cfg:"admin_base_path" form:"path"`
	HTTP            bool       `cfg:"admin_http"`
	Port            uint16     `cfg:"admin_port" range:"0..65535"`
	Interface       string     `cfg:"admin_interface"`
	IP              netip.Addr `cfg:"admin_ip"`
	HTTPS           bool       `cfg:"admin_https"`
	SecurePort      uint16     `cfg:"admin_secure_port" range:"0..65535"`
	SecureInterface string     `cfg:"admin_secure_interface"`
	SecureIP        netip.Addr `cfg:"admin_secure_ip"`
	ACL             []string   `cfg:"admin_acl" guard:"all addresses may connect"`
	ACLForwarded    bool       `cfg:"admin_acl_forwarded"`
}

// CORS is the section of that name.
type CORS struct {
	AllowOrigin string `cfg:"allow_origin"` // "" = any
	Enforce     bool   `cfg:"enforce_cors" guard:"pages of all origins may connect"`
}

// TLS is the section certificates of a transport.
type TLS struct {
	Cert     string `cfg:"cert_pem"` // paths of PEM files
	Key      string `cfg:"cert_key"`
	Password string `cfg:"cert_pwd"`
	Ciphers  string `cfg:"ciphers"`
}

// WebSockets holds the settings of janus.transport.websockets.jcfg.
type WebSockets struct {
	General      WSGeneral
	Admin        WSAdmin
	CORS         CORS
	Certificates TLS
}

// WSGeneral is the section general: the listeners of the Janus API.
type WSGeneral struct {
	Events          bool          `cfg:"events"`
	JSON            string        `cfg:"json" enum:"indented|plain|compact"`
	PingPongTrigger time.Duration `cfg:"pingpong_trigger" unit:"s" range:"0.."` // 0 = off
	PingPongTimeout time.Duration `cfg:"pingpong_timeout" unit:"s" range:"0.."` // 0 = off
	WS              bool          `cfg:"ws"`
	Port            uint16        `cfg:"ws_port" range:"0..65535"`
	Interface       string        `cfg:"ws_interface"`
	IP              netip.Addr    `cfg:"ws_ip"`
	Unix            string        `cfg:"ws_unix"` // path, in place of a port
	WSS             bool          `cfg:"wss"`
	SecurePort      uint16        `cfg:"wss_port" range:"0..65535"`
	SecureInterface string        `cfg:"wss_interface"`
	SecureIP        netip.Addr    `cfg:"wss_ip"`
	SecureUnix      string        `cfg:"wss_unix"`
	Logging         string        `cfg:"ws_logging"`
	ACL             []string      `cfg:"ws_acl" guard:"all addresses may connect"` // prefixes of addresses, empty = all
	ACLForwarded    bool          `cfg:"ws_acl_forwarded"`

	AdminACLForwarded bool `cfg:"admin_ws_acl_forwarded"` // belongs to WSAdmin
}

// WSAdmin is the section admin: the listeners of the Admin API.
type WSAdmin struct {
	WS              bool       `cfg:"admin_ws"`
	Port            uint16     `cfg:"admin_ws_port" range:"0..65535"`
	Interface       string     `cfg:"admin_ws_interface"`
	IP              netip.Addr `cfg:"admin_ws_ip"`
	Unix            string     `cfg:"admin_ws_unix"`
	WSS             bool       `cfg:"admin_wss"`
	SecurePort      uint16     `cfg:"admin_wss_port" range:"0..65535"`
	SecureInterface string     `cfg:"admin_wss_interface"`
	SecureIP        netip.Addr `cfg:"admin_wss_ip"`
	SecureUnix      string     `cfg:"admin_wss_unix"`
	ACL             []string   `cfg:"admin_ws_acl" guard:"all addresses may connect"`
	ACLForwarded    bool       `cfg:"admin_ws_acl_forwarded"`
}

// Listener is one listening socket of a transport.
type Listener struct {
	Name      string // the setting that turns it on, such as "admin_http"
	Admin     bool   // Admin API
	TLS       bool
	Port      uint16
	Interface string     // name or address, "" = all
	IP        netip.Addr // invalid = all
	Unix      string     // path of a Unix socket, in place of a port
	Local     bool       // only a Unix socket will do
	Remote    bool       // nothing is opened here
}

// Listeners returns the listeners that are on.
func (h *HTTP) Listeners() []Listener {
	g, a := &h.General, &h.Admin
	return enabled([]bool{g.HTTP, g.HTTPS, a.HTTP, a.HTTPS}, []Listener{
		{Name: "http", Port: g.Port, Interface: g.Interface, IP: g.IP},
		{Name: "https", TLS: true, Port: g.SecurePort, Interface: g.SecureInterface, IP: g.SecureIP},
		{Name: "admin_http", Admin: true, Port: a.Port, Interface: a.Interface, IP: a.IP},
		{Name: "admin_https", Admin: true, TLS: true, Port: a.SecurePort, Interface: a.SecureInterface, IP: a.SecureIP},
	})
}

// Listeners returns the listeners that are on.
func (w *WebSockets) Listeners() []Listener {
	g, a := &w.General, &w.Admin
	return enabled([]bool{g.WS, g.WSS, a.WS, a.WSS}, []Listener{
		{Name: "ws", Port: g.Port, Interface: g.Interface, IP: g.IP, Unix: g.Unix},
		{Name: "wss", TLS: true, Port: g.SecurePort, Interface: g.SecureInterface, IP: g.SecureIP, Unix: g.SecureUnix},
		{Name: "admin_ws", Admin: true, Port: a.Port, Interface: a.Interface, IP: a.IP, Unix: a.Unix},
		{Name: "admin_wss", Admin: true, TLS: true, Port: a.SecurePort, Interface: a.SecureInterface, IP: a.SecureIP, Unix: a.SecureUnix},
	})
}

func enabled(on []bool, all []Listener) (out []Listener) {
	for i, l := range all {
		if on[i] {
			out = append(out, l)
		}
	}
	return out
}

func defaultHTTP() HTTP {
	return HTTP{
		General: HTTPGeneral{Events: true, JSON: "compact", BasePath: "/janus",
			HTTPListeners: HTTPListeners{Port: 8088, SecurePort: 8089}, ConnectionLimit: 1020},
		Admin: HTTPAdmin{BasePath: "/admin", Port: 7088, SecurePort: 7889},
	}
}

func defaultWebSockets() WebSockets {
	return WebSockets{
		General: WSGeneral{Events: true, JSON: "compact", Port: 8188, SecurePort: 8989,
			PingPongTrigger: time.Minute, PingPongTimeout: time.Minute},
		Admin: WSAdmin{Port: 7188, SecurePort: 7989},
	}
}

func (h *HTTP) sections() []section {
	return []section{{"general", &h.General}, {"admin", &h.Admin}, {"cors", &h.CORS}, {"certificates", &h.Certificates}}
}

func (w *WebSockets) sections() []section {
	return []section{{"general", &w.General}, {"admin", &w.Admin}, {"cors", &w.CORS}, {"certificates", &w.Certificates}}
}

func (h *HTTP) finish(file string) []Problem {
	h.Admin.ACLForwarded = h.Admin.ACLForwarded || h.General.AdminACLForwarded
	return certificateProblems(file, h.Listeners(), h.Certificates)
}

// finish also lets the key come from the certificate's file.
func (w *WebSockets) finish(file string) []Problem {
	w.Admin.ACLForwarded = w.Admin.ACLForwarded || w.General.AdminACLForwarded
	if w.Certificates.Key == "" {
		w.Certificates.Key = w.Certificates.Cert
	}
	return certificateProblems(file, w.Listeners(), w.Certificates)
}

func certificateProblems(file string, listeners []Listener, c TLS) (out []Problem) {
	for _, l := range listeners {
		if l.TLS && (c.Cert == "" || c.Key == "") {
			section := "general"
			if l.Admin {
				section = "admin"
			}
			out = append(out, Problem{File: file, Section: section, Key: l.Name,
				Text: "needs cert_pem and cert_key in section certificates"})
		}
	}
	return out
}
