package main

import (
	"bifrons/api/janus"
	"bifrons/api/log"
	"bifrons/api/log/jsonlog"
)

// startLogger starts the logger that writes JSON, if there is to be one.
func (s *server) startLogger(out *log.Log) error {
	if s.cfg.Server.Loggers.Disabled(shortName(jsonlog.Package)) {
		return nil
	}
	settings, problems := jsonlog.Load(s.cfg.Folder)
	if !report(s.log, problems) || !settings.Enabled {
		return nil
	}
	l, err := jsonlog.Open(settings)
	if err != nil {
		return err
	}
	s.json = l
	out.AddSink(l)
	return nil
}

// loggers lists the loggers.
func (s *server) loggers() []janus.Logger {
	if s.json == nil {
		return nil
	}
	return []janus.Logger{s.json}
}
