package main

import (
	"os"
	"strings"
	"time"

	"bifrons/api/config"
	"bifrons/api/plugin"
	"bifrons/dtls"
	"bifrons/sfu"
)

// A reload that fails is tried again so often, with such a pause: the files may
// just be on their way.
const (
	reloadTries = 5
	reloadPause = time.Second
)

// reload reads the configuration again, applies the settings that can change in a running
// server, and says what cannot. With files that are wrong, or that protect less
// than before, nothing changes and it reports false. What it has said is in told,
// and is not said twice.
func (s *server) reload(load func() (*config.Config, []config.Problem), told map[string]bool) bool {
	next, problems := load()
	if !config.HasErrors(problems) {
		problems = append(problems, s.cfg.Weaker(next)...)
	}
	var news []config.Problem
	for _, p := range problems {
		if text := p.Error(); !told[text] {
			told[text] = true
			news = append(news, p)
		}
	}
	config.Report(s.log, news)
	if config.HasErrors(problems) || s.cfg.Weaker(next) != nil {
		return false
	}
	done, later := s.cfg.Take(next, s.changeable)
	for _, name := range done {
		reloadable[name](s, &s.cfg.Server)
	}
	s.renewCertificate()
	for _, p := range s.core.Plugins() {
		if r, ok := p.(plugin.Reloader); ok {
			added, err := r.Reload()
			if err != nil {
				s.log.Error("not read again", "plugin", p.Info().Package, "error", err)
			}
			for _, name := range added {
				done = append(done, shortName(p.Info().Package)+":"+name)
			}
		}
	}
	s.log.Info("the configuration was read again", "changed", strings.Join(done, " "))
	if len(later) > 0 {
		s.log.Warn("these settings take effect at the next start", "changed", strings.Join(later, " "))
	}
	return true
}

// changeable reports whether a setting can be changed in a running server. Secrets
// of the Janus API can, but its clients do not have to begin with them.
func (s *server) changeable(name string) bool {
	switch name {
	case "general.api_secret":
		return s.core.Auth().SecretEnabled()
	case "general.token_auth_secret":
		return s.core.Auth().Signed()
	}
	return reloadable[name] != nil
}

// reloadable are the settings that can be changed in a running server.
var reloadable = map[string]func(s *server, c *config.Server){
	"general.debug_level":       func(s *server, c *config.Server) { s.out.SetLevel(c.General.DebugLevel) },
	"general.debug_timestamps":  func(s *server, c *config.Server) { s.out.SetTimestamps(c.General.DebugTimestamps) },
	"general.debug_colors":      func(s *server, c *config.Server) { s.out.SetColors(colors(&c.General)) },
	"general.api_secret":        reloadSecrets,
	"general.token_auth_secret": reloadSecrets,
	"general.admin_secret":      func(s *server, c *config.Server) { s.admin.SetSecret(c.General.AdminSecret) },
	"general.session_timeout":   func(s *server, c *config.Server) { s.core.SetSessionTimeout(c.General.SessionTimeout) },
	"media.min_nack_queue":      reloadTuning,
	"media.nack_optimizations":  reloadTuning,
	"media.no_media_timer":      reloadTuning,
	"media.slowlink_threshold":  reloadTuning,

	// renewCertificate looks at these.
	"certificates.cert_pem": func(*server, *config.Server) {},
	"certificates.cert_key": func(*server, *config.Server) {},
	"certificates.cert_pwd": func(*server, *config.Server) {},
}

func reloadSecrets(s *server, c *config.Server) {
	s.core.Auth().SetSecrets(c.General.APISecret, c.General.TokenAuthSecret)
}

func reloadTuning(s *server, c *config.Server) {
	s.engine.Tune(func(t *sfu.Tuning) { *t = c.Peers().Tuning })
}

// renewCertificate reads the certificate for DTLS again if its files have
// changed. Calls go on with the one that they began with.
func (s *server) renewCertificate() {
	c := &s.cfg.Server.Certificates
	if c.Cert == "" {
		return
	}
	now := modified(c.Cert, c.Key)
	if now.Equal(s.certificateAt) {
		return
	}
	s.certificateAt = now
	cert, err := dtls.LoadCertificate(c.Cert, c.Key, c.Password)
	if err != nil {
		s.log.Error("the certificate for DTLS has changed and cannot be read, the one before stays in use", "error", err)
		return
	}
	s.engine.SetCertificate(cert)
	s.log.Info("the certificate for DTLS was read again", "file", c.Cert)
}

// modified is when the newest of these files was written.
func modified(names ...string) (newest time.Time) {
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}
