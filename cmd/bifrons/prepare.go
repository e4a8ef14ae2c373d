package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"bifrons/api/config"
	"bifrons/api/log/jsonlog"
	"bifrons/api/transport"
	"bifrons/sfu"
)

// prepare makes and tries what a start needs, as far as that takes no port and no
// network. The error says all that keeps the server from starting; doubts are
// listeners that it would start without.
func (s *server) prepare() (media sfu.Config, doubts []config.Problem, err error) {
	g := &s.cfg.Server.General
	media, mediaErr := s.mediaConfig()
	doubts, apiErr := s.tryTransports()
	err = errors.Join(checkOpenFiles(g.CheckOpenFilesLimit), mediaErr, s.enoughPorts(), s.tryFiles(), apiErr)
	return media, doubts, err
}

// enoughPorts looks whether each shard of the engine can have a port.
func (s *server) enoughPorts() error {
	r, shards := s.cfg.Server.Media.RTPPortRange, s.cfg.Server.General.EventLoops
	if shards == 0 {
		shards = runtime.GOMAXPROCS(0)
	}
	if n := int(r.Max) - int(r.Min) + 1; r != (config.PortRange{}) && n < shards {
		return fmt.Errorf("media.rtp_port_range: has %d ports, but each of the %d event loops takes one", n, shards)
	}
	return nil
}

// tryFiles looks whether the files can be written that the server writes.
func (s *server) tryFiles() error {
	try := func(name, path string) error {
		if path == "" {
			return nil
		}
		if err := mayWrite(path); err != nil {
			return fmt.Errorf("%s: cannot write: %w", name, err)
		}
		return nil
	}
	g := &s.cfg.Server.General
	err := errors.Join(try("general.log_to_file", g.LogToFile), try("general.pid_file", g.PIDFile))
	if s.cfg.Server.Loggers.Disabled(shortName(jsonlog.Package)) {
		return err
	}
	if settings, _ := loggerSettings(s.cfg.Folder); settings.Enabled {
		err = errors.Join(err, try(jsonlog.Package+": general.filename", settings.Filename))
	}
	return err
}

// mayWrite says why a file cannot be written, or made. It does neither.
func mayWrite(path string) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return mayCreate(filepath.Dir(path))
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// tryTransports looks which listeners can be opened, as far as that takes no port.
// It is an error if too few are left.
func (s *server) tryTransports() (doubts []config.Problem, err error) {
	c := s.cfg
	var api, admin bool
	var failed []error
	try := func(transport string, certificates config.TLS, listeners ...config.Listener) {
		if c.Server.Transports.Disabled(transport) {
			return
		}
		for _, l := range listeners {
			switch err := s.tryListener(l, certificates); {
			case err != nil:
				failed = append(failed, fmt.Errorf("%s: %w", l.Name, err))
				doubts = append(doubts, config.Problem{File: filepath.Join(c.Folder, "janus.transport."+transport), Key: l.Name,
					Text: err.Error(), Effect: "it is not opened", Warning: true})
			case l.Admin:
				admin = true
			default:
				api = true
			}
		}
	}
	try("websockets", c.WebSockets.Certificates, c.WebSockets.Listeners()...)
	try("http", c.HTTP.Certificates, c.HTTP.Listeners()...)
	try("pfunix", config.TLS{}, c.PFUnix.Listeners()...)
	try("rabbitmq", config.TLS{}, c.RabbitMQ.Listeners()...)
	try("mqtt", config.TLS{}, c.MQTT.Listeners()...)
	try("nanomsg", config.TLS{}, c.Nanomsg.Listeners()...)
	return doubts, s.reachable(api, admin, failed)
}

// tryListener says why a listener cannot be opened.
func (s *server) tryListener(l config.Listener, certificates config.TLS) error {
	var err error
	switch {
	case l.Remote:
		return nil
	case l.Unix != "":
		err = trySocket(l.Unix)
	case !l.Local:
		err = address(true, l.Port, l.IP, l.Interface, "").Try()
	case os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()): // systemd has opened none
		err = errors.New("no path is set")
	}
	if err == nil && l.TLS {
		_, err = certificate(certificates).Load(s.log)
	}
	if err != nil {
		return transport.Explain(err)
	}
	return nil
}

// maxSocketPath is how long the path of a Unix socket may be, in bytes.
const maxSocketPath = 107

// trySocket says why a Unix socket cannot be made.
func trySocket(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the path has more than %d bytes", maxSocketPath)
	}
	switch info, err := os.Lstat(path); {
	case err == nil && info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("%s is there already, and is no socket", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return mayCreate(filepath.Dir(path))
}

// reachable reports whether the server is of use with a listener for the Janus API,
// for the Admin API, or without; failed is why others are not there.
func (s *server) reachable(api, admin bool, failed []error) error {
	g := &s.cfg.Server.General
	var err error
	switch {
	case !api:
		err = errors.New("no transport is available for the Janus API")
	case g.TokenAuth && g.TokenAuthSecret == "" && !admin:
		err = errors.New("token_auth without token_auth_secret needs a transport for the Admin API, by which tokens are stored")
	default:
		return nil
	}
	return errors.Join(append([]error{err}, failed...)...)
}
