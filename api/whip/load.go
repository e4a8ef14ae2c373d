package whip

import (
	"fmt"
	"net/netip"
	"strings"

	"bifrons/api/config"
	"bifrons/api/transport"
)

// File is the name of the settings: bifrons.whip.jcfg, or else bifrons.whip.cfg. Without it
// nothing is served.
const File = "bifrons.whip"

// generalSettings is the category general.
type generalSettings struct {
	WHIP string `cfg:"whip_path" form:"path"`
	WHEP string `cfg:"whep_path" form:"path"`

	config.HTTPListeners // of its own, besides those of HTTP
	config.TLS
	config.CORS

	TokenInURL   bool `cfg:"token_in_url"`
	Strict       bool `cfg:"strict_etags"`
	MaxResources int  `cfg:"max_resources" range:"1.."`
	PerAddress   int  `cfg:"resources_per_address" range:"0.."`
	Rate         int  `cfg:"requests_per_second" range:"1.."`
}

// endpointSettings is the category of an endpoint.
type endpointSettings struct {
	Room       string   `cfg:"room"`
	Feed       string   `cfg:"feed"`
	Mountpoint string   `cfg:"mountpoint"`
	PIN        string   `cfg:"pin"`
	Invitation string   `cfg:"invitation"`
	Label      string   `cfg:"label"`
	Token      string   `cfg:"token" guard:"everybody may use the endpoint"`
	AudioCodec string   `cfg:"audiocodec"`
	VideoCodec string   `cfg:"videocodec"`
	Bitrate    int      `cfg:"bitrate" range:"0.."`
	ICE        []string `cfg:"ice_servers"` // names of categories, without "ice-"
	Redirect   string   `cfg:"redirect"`
	MaxViewers int      `cfg:"max_viewers" range:"0.."`
	Exclusive  bool     `cfg:"exclusive"`
}

// iceSettings is the category of an ICE server.
type iceSettings struct {
	URL        string `cfg:"url"`
	Username   string `cfg:"username"`
	Credential string `cfg:"credential"`
}

// Load reads the settings in a folder; on is false if there are none. A fault in an
// endpoint leaves it out. All problems are warnings.
func Load(folder string) (cfg Config, on bool, problems []config.Problem) {
	file, problems := config.LoadFile(folder, File)
	for i := range problems {
		if p := &problems[i]; !p.Warning {
			p.Warning, p.Effect = true, "WHIP and WHEP are off"
		}
	}
	if file == nil {
		return cfg, false, problems
	}
	f := config.PluginFile{File: file}
	set := generalSettings{HTTPListeners: config.HTTPListeners{Port: 7080, SecurePort: 7443}}
	problems = append(problems, f.General(&set)...)
	cfg = set.config()
	l := loader{ice: make(map[string]ICEServer), seen: make(map[name]bool)}
	for _, step := range []func(kind, id string, r *config.Reader) (string, []config.Problem){l.server, l.endpoint} {
		for g := range file.Entries() {
			if config.IsGeneral(g) {
				continue
			}
			kind, id, _ := strings.Cut(g.Name, "-")
			leftOut, more := step(strings.ToLower(kind), id, config.NewReader(g))
			problems = append(problems, more...)
			if leftOut != "" {
				problems = append(problems, config.Problem{File: file.Name, Section: g.Name, Warning: true, Text: "left out", Effect: leftOut})
			}
		}
	}
	cfg.Endpoints, cfg.ICEServers = l.endpoints, l.servers
	return cfg, true, problems
}

func (s *generalSettings) config() Config {
	at := func(on bool, port uint16, ip netip.Addr, ifc string) transport.Address {
		return transport.Address{Enabled: on, Port: int(port), IP: ip, Interface: ifc}
	}
	return Config{
		WHIP: s.WHIP, WHEP: s.WHEP,
		Ports: transport.Ports{
			Plain:  at(s.HTTP, s.Port, s.IP, s.Interface),
			Secure: at(s.HTTPS, s.SecurePort, s.SecureIP, s.SecureInterface),
			ACL:    transport.NewACL(s.ACL, s.ACLForwarded),
		},
		Certificate:  transport.Certificate{PEM: s.Cert, Key: s.Key, Password: s.Password},
		Origins:      transport.Origins{Allow: s.AllowOrigin, Enforce: s.Enforce},
		TokenInURL:   s.TokenInURL,
		Strict:       s.Strict,
		MaxResources: s.MaxResources,
		PerAddress:   s.PerAddress,
		RequestRate:  float64(s.Rate),
	}
}

// loader reads the categories but general: first the ICE servers, then the endpoints.
type loader struct {
	ice       map[string]ICEServer
	servers   []ICEServer
	endpoints []Endpoint
	seen      map[name]bool
}

// server reads an ICE server. Servers that no endpoint names are for all.
func (l *loader) server(kind, id string, r *config.Reader) (leftOut string, problems []config.Problem) {
	if kind != "ice" {
		return "", nil
	}
	var set iceSettings
	problems = decode(r, &set)
	x := ICEServer(set)
	if err := x.check(); err != nil {
		return err.Error(), problems
	}
	l.ice[id] = x
	l.servers = append(l.servers, x)
	return "", problems
}

// endpoint reads an endpoint.
func (l *loader) endpoint(kind, id string, r *config.Reader) (leftOut string, problems []config.Problem) {
	k, ok := ParseKind(kind)
	switch {
	case kind == "ice":
		return "", nil
	case !ok:
		return "its name begins with none of whip-, whep- and ice-", nil
	}
	var set endpointSettings
	problems = decode(r, &set)
	for _, p := range problems {
		if p.Open != "" || p.Key == "token" {
			return "its token is not clear", problems
		}
	}
	e := Endpoint{ID: id, Kind: k, Room: set.Room, Feed: set.Feed, Mountpoint: set.Mountpoint, PIN: set.PIN, Invitation: set.Invitation,
		Label: set.Label, Token: set.Token, AudioCodec: set.AudioCodec, VideoCodec: set.VideoCodec, Bitrate: int64(set.Bitrate),
		Redirect: set.Redirect, MaxViewers: set.MaxViewers, Exclusive: set.Exclusive}
	for _, name := range set.ICE {
		x, ok := l.ice[name]
		if !ok {
			return fmt.Sprintf("there is no category ice-%s", name), problems
		}
		e.ICEServers = append(e.ICEServers, x)
	}
	if err := e.check(); err != nil {
		return err.Error(), problems
	}
	if n := (name{k, id}); l.seen[n] {
		return "there is another one of that name", problems
	} else {
		l.seen[n] = true
	}
	l.endpoints = append(l.endpoints, e)
	return "", problems
}

func decode(r *config.Reader, dst any) []config.Problem {
	problems := config.Decode(r.Group(), dst)
	for i := range problems {
		problems[i].Warning = true
	}
	return problems
}
