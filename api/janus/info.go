package janus

import (
	"runtime"
	"time"

	"bifrons/api/json"
	"bifrons/api/module"
)

// info answers the info verb.
func (c *Core) info(q *query) { q.reply(c.ServerInfo(q.Transaction)) }

// ServerInfo is the answer to info.
func (c *Core) ServerInfo(transaction string) []byte {
	w := json.NewWriter(make([]byte, 0, 4096))
	header(w, "server_info", 0, transaction)
	c.infoSettings(w)
	c.infoAddresses(w)
	c.infoMedia(w)
	w.Bool("api_secret", c.auth.SecretEnabled())
	w.Bool("auth_token", c.auth.TokensEnabled())
	w.Bool("event_handlers", c.Notifying())
	w.Bool("opaqueid_in_api", c.cfg.OpaqueIDInAPI)
	if c.cfg.Engine.Config().Peers.NoDTLS {
		w.Bool("webrtc_encryption", false)
	}
	c.infoModules(w)
	w.End()
	return w.Bytes()
}

func seconds(d time.Duration) int64      { return int64(d / time.Second) }
func milliseconds(d time.Duration) int64 { return int64(d / time.Millisecond) }

func (c *Core) infoSettings(w *json.Writer) {
	cfg := &c.cfg
	w.Str("name", "Janus WebRTC Server")
	w.Int("version", module.APIVersion)
	w.Str("version_string", module.APIVersionString)
	w.Str("author", module.Author)
	w.Str("commit-hash", cfg.CommitHash)
	w.Str("compile-time", cfg.CompileTime)
	w.Bool("log-to-stdout", cfg.LogToStdout)
	w.Bool("log-to-file", cfg.LogPath != "")
	w.OptStr("log-path", cfg.LogPath)
	w.Bool("data_channels", true)
	w.Bool("accepting-new-sessions", c.Accepting())
	w.Int("session-timeout", seconds(c.SessionTimeout()))
	w.Int("reclaim-session-timeout", seconds(cfg.ReclaimTimeout))
	w.Int("candidates-timeout", seconds(cfg.CandidatesTimeout))
	w.Str("server-name", cfg.ServerName)
}

func (c *Core) infoAddresses(w *json.Writer) {
	local := "127.0.0.1"
	if e := c.cfg.Engine; e != nil {
		local = e.LocalIP().String()
	}
	w.Str("local-ip", local)
	if e := c.cfg.Engine; e != nil {
		public := e.PublicIPs()
		if len(public) > 0 {
			w.Str("public-ip", public[0].String())
		}
		if len(public) > 1 {
			w.Array("public-ips")
			for _, a := range public {
				w.Str("", a.String())
			}
			w.EndArray()
		}
	}
}

func (c *Core) infoMedia(w *json.Writer) {
	cfg, m, tuning := &c.cfg, c.cfg.Engine.Config(), c.Tuning()
	peers := m.Peers
	w.Bool("ipv6", m.IPv6)
	if m.IPv6 {
		w.Bool("ipv6-link-local", m.IPv6LinkLocal)
	}
	w.Bool("ice-lite", peers.Lite)
	w.Bool("ice-tcp", m.ICETCP)
	nomination := "aggressive"
	if peers.RegularNomination {
		nomination = "regular"
	}
	w.Str("ice-nomination", nomination)
	w.Bool("ice-consent-freshness", peers.ConsentFreshness)
	w.Bool("ice-keepalive-conncheck", peers.KeepaliveConncheck || peers.ConsentFreshness)
	w.Bool("hangup-on-failed", peers.HangupOnFailed)
	w.Bool("full-trickle", cfg.FullTrickle)
	w.Bool("mdns-enabled", !m.IgnoreMDNS)
	w.Int("min-nack-queue", milliseconds(tuning.MinNackQueue))
	w.Bool("nack-optimizations", tuning.NackOptimizations)
	w.Int("twcc-period", milliseconds(peers.TWCCPeriod))
	if m.DSCP > 0 {
		w.Int("dscp", int64(m.DSCP))
	}
	w.Int("dtls-mtu", int64(m.DTLSMTU))
	w.OptStr("stun-server", m.STUNServer)
	w.OptStr("turn-server", cfg.TURNServer)
	if cfg.AllowForceRelay {
		w.Bool("allow-force-relay", true)
	}
	w.Int("static-event-loops", int64(cfg.EventLoops))
	if cfg.EventLoops > 0 {
		w.Bool("loop-indication", cfg.LoopIndication)
	}
}

func (c *Core) infoModules(w *json.Writer) {
	if !c.cfg.HideDependencies {
		w.Object("dependencies")
		w.Str("go", runtime.Version())
		for _, d := range c.cfg.Dependencies {
			w.Str(d.Name, d.Version)
		}
		w.End()
	}
	writeInfos(w, "transports", c.Transports())
	writeInfos(w, "events", c.sinkList())
	writeInfos(w, "loggers", c.cfg.Loggers)
	writeInfos(w, "plugins", c.Plugins())
}

// writeInfos describes modules of one kind.
func writeInfos[M interface{ Info() module.Info }](w *json.Writer, kind string, list []M) {
	w.Object(kind)
	for _, m := range list {
		writeInfo(w, m.Info())
	}
	w.End()
}

func writeInfo(w *json.Writer, i module.Info) {
	w.Object(i.Package)
	w.Str("name", i.Name)
	w.Str("author", i.Author)
	w.Str("description", i.Description)
	w.Str("version_string", i.VersionString)
	w.Int("version", int64(i.Version))
	w.End()
}
