// Package inside is a bifrons within the own process: the engine, the EchoTest, calls,
// rooms, mountpoints, text rooms, and WebSockets.
package inside

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"bifrons/api/auth"
	"bifrons/api/config"
	"bifrons/api/janus"
	"bifrons/api/plugin"
	"bifrons/api/plugin/audiobridge"
	"bifrons/api/plugin/echotest"
	"bifrons/api/plugin/nosip"
	"bifrons/api/plugin/recordplay"
	"bifrons/api/plugin/sip"
	"bifrons/api/plugin/streaming"
	"bifrons/api/plugin/textroom"
	"bifrons/api/plugin/videocall"
	"bifrons/api/plugin/videoroom"
	"bifrons/api/transport"
	"bifrons/api/transport/websockets"
	"bifrons/sfu"
)

// Server is a server that runs.
type Server struct {
	engine *sfu.Engine
	core   *janus.Core
	ws     *websockets.Server
}

// Start starts a server with the configuration of media, and the
// WebSocket port.
func Start(cfg *config.Config, log *slog.Logger) (s *Server, err error) {
	c := &cfg.Server
	peers := c.Peers()
	media := sfu.Config{Shards: c.General.EventLoops, Enforce: c.NAT.EnforceList, Peers: &peers, Logger: log}
	s = new(Server)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.engine, err = sfu.New(media); err != nil {
		return s, err
	}
	s.core = janus.New(janus.Config{
		Engine: s.engine, Auth: auth.New(auth.Config{}), Logger: log,
		SessionTimeout: c.General.SessionTimeout, CandidatesTimeout: c.General.CandidatesTimeout,
	})
	for _, p := range []plugin.Plugin{
		audiobridge.New(""), echotest.New(""), videoroom.New(""), streaming.New(""),
		textroom.New(""), videocall.New(""), recordplay.New(cfg.Folder), nosip.New(""), sip.New(""),
	} {
		if err := s.core.AddPlugin(p); err != nil && !errors.Is(err, plugin.ErrNotSetUp) {
			return s, err
		}
	}
	s.ws, err = websockets.New(websockets.Config{
		API: websockets.API{WS: transport.Address{Enabled: true, Port: int(cfg.WebSockets.General.Port)}}, Common: transport.Common{Log: log},
	}, s.core)
	if err != nil {
		return s, err
	}
	s.core.AddTransport(s.ws)
	s.ws.Start()
	return s, nil
}

// Port is the WebSocket's.
func (s *Server) Port() (int, error) {
	for _, l := range s.ws.Listeners() {
		if t, ok := l.Addr.(*net.TCPAddr); ok {
			return t.Port, nil
		}
	}
	return 0, errors.New("the server has no WebSocket port")
}

// AwaitEmpty waits until no peer connection is left; it reports whether that
// happened in time.
func (s *Server) AwaitEmpty(patience time.Duration) bool {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		n := uint64(0)
		for _, st := range s.engine.Stats() {
			n += st.Shard.Peers
		}
		if n == 0 || time.Now().After(end) {
			return n == 0
		}
	}
}

// Outstanding is how many packet buffers are not given back after Close.
func (s *Server) Outstanding() int { return s.engine.Outstanding() }

// Close stops it and waits.
func (s *Server) Close() {
	if s.core != nil {
		s.core.Close()
	}
	if s.ws != nil {
		s.ws.Close()
	}
	if s.engine != nil {
		s.engine.Close()
	}
}
