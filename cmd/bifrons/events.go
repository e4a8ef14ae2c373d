package main

import (
	"net/http"
	"sync"
	"time"

	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/event/gelfevh"
	"bifrons/api/event/sampleevh"
	"bifrons/api/event/wsevh"
	"bifrons/api/metrics"
)

// lastEvents is how long event handlers have to deliver what is left at the
// end.
const lastEvents = 3 * time.Second

// startEvents starts the event handlers, if there are to be any. One with a
// wrong file is listed, but gets no events.
func (s *server) startEvents() {
	c := &s.cfg.Server
	if !c.Events.Broadcast {
		return
	}
	add := func(h event.Handler, common event.Settings, problems []config.Problem) {
		pkg := h.Info().Package
		if (config.Modules{Disable: c.Events.Disable}).Disabled(shortName(pkg)) {
			return
		}
		common.Enabled = report(s.log, problems) && common.Enabled
		o := event.NewOutlet(h, common, c.General.ServerName, s.log)
		o.Start()
		s.events = append(s.events, o)
		s.core.AddSink(o)
	}
	sample, problems := sampleevh.Load(s.cfg.Folder)
	add(sampleevh.New(sample, s.log), sample.Settings, problems)
	ws, problems := wsevh.Load(s.cfg.Folder)
	add(wsevh.New(ws, s.log), ws.Settings, problems)
	gelf, problems := gelfevh.Load(s.cfg.Folder)
	add(gelfevh.New(gelf, s.log), gelf.Settings, problems)
}

// notifier takes the events of a transport to the event handlers; nil without
// any.
func (s *server) notifier(transport string) func(conn string, event []byte) {
	if len(s.events) == 0 {
		return nil
	}
	return func(conn string, event []byte) { s.core.NotifyTransport(transport, conn, event) }
}

// metrics is what monitoring reads.
func (s *server) metrics() http.Handler {
	commit, _ := build()
	return metrics.Handler(metrics.Config{
		Core: s.core, Engine: s.engine, Outlets: s.events,
		Version: config.VersionString, Commit: commit,
	})
}

// closeEvents says the last word, and ends the event handlers.
func (s *server) closeEvents() {
	if len(s.events) == 0 {
		return
	}
	s.core.NotifyShutdown(s.signal)
	var all sync.WaitGroup
	for _, o := range s.events {
		all.Go(func() { o.Close(lastEvents) })
	}
	all.Wait()
}
