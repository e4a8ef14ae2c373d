package config

// PFUnix holds the settings of janus.transport.pfunix.jcfg.
type PFUnix struct {
	General PFUnixGeneral
	Admin   PFUnixAdmin
}

// PFUnixGeneral is the section general: the socket of the Janus API.
type PFUnixGeneral struct {
	Enabled bool   `cfg:"enabled"`
	Events  bool   `cfg:"events"`
	JSON    string `cfg:"json" enum:"indented|plain|compact"`
	Path    string `cfg:"path"` // of the socket
	Type    string `cfg:"type" enum:"SOCK_SEQPACKET|SOCK_DGRAM"`
}

// PFUnixAdmin is the section admin: the socket of the Admin API.
type PFUnixAdmin struct {
	Enabled bool   `cfg:"admin_enabled"`
	Path    string `cfg:"admin_path"`
	Type    string `cfg:"admin_type" enum:"SOCK_SEQPACKET|SOCK_DGRAM"`
}

// Listeners returns the sockets that are on.
func (p *PFUnix) Listeners() []Listener {
	return enabled([]bool{p.General.Enabled, p.Admin.Enabled}, []Listener{
		{Name: "enabled", Unix: p.General.Path, Local: true},
		{Name: "admin_enabled", Admin: true, Unix: p.Admin.Path, Local: true},
	})
}

func defaultPFUnix() PFUnix {
	return PFUnix{
		General: PFUnixGeneral{Events: true, JSON: "compact", Type: "SOCK_SEQPACKET"},
		Admin:   PFUnixAdmin{Type: "SOCK_SEQPACKET"},
	}
}

func (p *PFUnix) sections() []section {
	return []section{{"general", &p.General}, {"admin", &p.Admin}}
}

func (p *PFUnix) finish(string) []Problem { return nil }
