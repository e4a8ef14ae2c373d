package main

import (
	"bifrons/api/config"
	"bifrons/api/janus"
	"bifrons/api/log"
	"bifrons/api/log/jsonlog"
)

// loggerSettings is what the logger's file says. With a wrong file it is off.
func loggerSettings(folder string) (jsonlog.Settings, []config.Problem) {
	settings, problems := jsonlog.Load(folder)
	if config.HasErrors(problems) {
		settings.Enabled = false
		soften(problems, "the logger is off")
	}
	return settings, problems
}

// startLogger starts the logger that writes JSON, if there is to be one.
func (s *server) startLogger(out *log.Log) error {
	if s.cfg.Server.Loggers.Disabled(shortName(jsonlog.Package)) {
		return nil
	}
	settings, problems := loggerSettings(s.cfg.Folder)
	config.Report(s.log, problems)
	if !settings.Enabled {
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
