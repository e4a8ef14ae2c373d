package main

import (
	"bifrons/api/transport/pfunix"
)

func (s *server) unixConfig() pfunix.Config {
	c := &s.cfg.PFUnix
	api, _ := pfunix.ParseType(c.General.Type)
	admin, _ := pfunix.ParseType(c.Admin.Type)
	cfg := pfunix.Config{
		API:    pfunix.Address{Enabled: c.General.Enabled, Path: c.General.Path, Type: api},
		Admin:  pfunix.Address{Enabled: c.Admin.Enabled, Path: c.Admin.Path, Type: admin},
		Common: s.common(pfunix.Package, c.General.JSON, c.General.Events),
	}
	cfg.API.Socket, cfg.Admin.Socket = pfunix.Activated()
	return cfg
}
