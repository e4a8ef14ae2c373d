package main

import (
	"bifrons/api/json"
	"bifrons/api/transport/pfunix"
)

func (s *server) unixConfig() pfunix.Config {
	c := &s.cfg.PFUnix
	layout, _ := json.ParseLayout(c.General.JSON)
	api, _ := pfunix.ParseType(c.General.Type)
	admin, _ := pfunix.ParseType(c.Admin.Type)
	cfg := pfunix.Config{
		API:    pfunix.Address{Enabled: c.General.Enabled, Path: c.General.Path, Type: api},
		Admin:  pfunix.Address{Enabled: c.Admin.Enabled, Path: c.Admin.Path, Type: admin},
		Queues: s.queues,
		Layout: layout,
		Events: c.General.Events,
		Notify: s.notifier(pfunix.Package),
		Log:    s.log,
	}
	cfg.API.Socket, cfg.Admin.Socket = pfunix.Activated()
	return cfg
}
